"""Encoder and decoder: shapes, widths and the released architecture."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tatslib.vqgan.autoencoder import Decoder, Encoder, ResidualBlock, normalisation
from tatslib.vqgan.config import VQGANConfig

TOY = VQGANConfig(
    frames=16, resolution=24, downsample=(4, 4, 4), hidden=16, unshuffle=2, decoder_blocks=1, codes=256, code_width=32
)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_default_is_the_released_architecture() -> None:
    config = VQGANConfig()
    assert config.strides == ((2, 2, 2), (2, 2, 2), (1, 2, 2))
    assert config.widths == (32, 64, 128, 256)
    assert config.latent_shape == (4, 16, 16)
    ups = [(u.inputs, u.outputs, u.stride) for u in config.decoder_units if u.kind == "transposed"]
    assert ups == [(256, 256, (2, 2, 2)), (256, 128, (2, 2, 2)), (128, 64, (1, 2, 2))]
    assert [u.kind for u in config.decoder_units] == ["transposed", "residual", "residual"] * 3 + ["convolution"]


def test_the_released_size_has_the_released_number_of_parameters() -> None:
    with torch.device("meta"):
        encoder, decoder = Encoder(VQGANConfig()), Decoder(VQGANConfig())
    assert round(parameters(encoder) / 1e6, 2) == 7.40
    assert round(parameters(decoder) / 1e6, 2) == 16.12


def test_the_toy_folds_pixels_into_channels_and_keeps_the_grid() -> None:
    assert TOY.strides == ((2, 2, 2), (2, 1, 1))
    assert TOY.widths == (16, 32, 64)
    assert TOY.latent_shape == (4, 6, 6)
    assert TOY.encoder_units[0].inputs == 12
    assert TOY.decoder_units[-1].outputs == 12


@settings(max_examples=20, deadline=None)
@given(
    downsample=st.tuples(*[st.sampled_from([1, 2, 4])] * 3).filter(lambda d: max(d) > 1),
    latent=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    norm=st.sampled_from(["batch", "none"]),
    blocks=st.tuples(st.integers(0, 2), st.integers(0, 2)),
)
def test_encoder_and_decoder_are_inverse_in_shape(
    downsample: tuple[int, int, int], latent: tuple[int, int], norm: str, blocks: tuple[int, int]
) -> None:
    config = VQGANConfig(
        frames=latent[0] * downsample[0],
        resolution=4 * latent[1],
        downsample=downsample,
        hidden=2,
        norm=norm,
        encoder_blocks=blocks[0],
        decoder_blocks=blocks[1],
    )
    x = torch.zeros(2, 3, config.frames, config.resolution, config.resolution)
    z = Encoder(config)(x)
    assert z.shape == (2, config.widths[-1], *config.latent_shape)
    assert Decoder(config)(z).shape == x.shape


@pytest.mark.parametrize("padding", ["replicate", "valid"])
def test_a_residual_block_without_weights_is_the_identity(padding: str) -> None:
    config = VQGANConfig(frames=4, resolution=8, downsample=(4, 4, 4), hidden=2, padding=padding)
    unit = config.encoder_units[2]
    block = ResidualBlock(unit, "batch")
    nn.init.zeros_(block.conv2.conv.weight)
    nn.init.zeros_(block.conv2.conv.bias)
    x = torch.randn(2, unit.inputs, 7, 4, 4)
    assert torch.equal(block(x), x[:, :, 2:-2] if padding == "valid" else x)


def test_norms_are_the_released_ones() -> None:
    group, batch = normalisation("group", 64), normalisation("batch", 64)
    assert isinstance(group, nn.GroupNorm)
    assert (group.num_groups, group.eps) == (32, 1e-6)
    assert isinstance(batch, nn.BatchNorm3d)
    assert (batch.eps, batch.momentum) == (1e-5, 0.1)
    assert isinstance(normalisation("none", 64), nn.Identity)


def test_group_norm_lets_distant_frames_into_a_token_and_batch_norm_does_not() -> None:
    moved = {}
    for norm in ("group", "batch"):
        config = VQGANConfig(
            frames=32, resolution=4, downsample=(2, 2, 2), hidden=16, norm=norm, encoder_blocks=1, padding="valid"
        )
        encoder = Encoder(config).eval()
        x = torch.rand(1, 3, config.frames + sum(config.margins), 4, 4) - 0.5
        changed = torch.cat([x[:, :, :-4], x[:, :, -4:] + 1], dim=2)
        with torch.inference_mode():
            moved[norm] = (encoder(x) - encoder(changed))[:, :, 0].abs().max().item()
    assert moved["batch"] < 1e-6 < 1e-4 < moved["group"]

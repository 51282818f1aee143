"""Padding: what stands at the edges, what shape comes out, and how many real frames it takes to do without."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tatslib.errors import UserError
from tatslib.vqgan.autoencoder import Decoder, Encoder
from tatslib.vqgan.padding import (
    PaddedConv3d,
    PaddedConvTranspose3d,
    Padding,
    Unit,
    leftover,
    margins,
    pad_edges,
    same_pad,
)
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig, receptive_field

MODES = ("zeros", "replicate", "reflect", "circular")
NUMPY_NAMES = {"zeros": "constant", "replicate": "edge", "reflect": "reflect", "circular": "wrap"}
SMALL = {"frames": 8, "resolution": 16, "downsample": (4, 4, 4), "hidden": 2, "codes": 16, "code_width": 4}


def small(**changes: object) -> VQGANConfig:
    return VQGANConfig(**{**SMALL, **changes})


def clip(config: VQGANConfig, extra: int = 0, around: tuple[int, int] = (0, 0), seed: int = 0) -> Tensor:
    frames = config.frames + extra + sum(around)
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, frames, config.resolution, config.resolution, generator=generator) - 0.5


def settled(config: VQGANConfig, seed: int = 0) -> VQGAN:
    """A VQGAN in eval mode whose batch norms have seen data and whose codes come from its own encoder."""
    vqgan = VQGAN(config, seed=seed)
    x = torch.cat([clip(config, around=config.forward_margins, seed=s) for s in (1, 2)])
    vqgan(x, generator=torch.Generator().manual_seed(0))
    return vqgan.eval()


@pytest.mark.parametrize(
    ("kernel", "stride", "expected"), [(3, 1, (1, 1)), (4, 2, (1, 1)), (4, 1, (2, 1)), (1, 1, (0, 0))]
)
def test_same_pad_is_kernel_minus_stride_with_the_odd_one_in_front(
    kernel: int, stride: int, expected: tuple[int, int]
) -> None:
    assert same_pad(kernel, stride) == expected


@pytest.mark.parametrize(("time", "space"), list(itertools.product(MODES, MODES)))
def test_edges_are_what_numpy_puts_there(time: str, space: str) -> None:
    x = torch.randn(2, 3, 5, 4, 6)
    padded = pad_edges(x, 4, (1, 2, 1), Padding(time, space))
    expected = np.pad(x, [(0, 0), (0, 0), (0, 0), (1, 1), (2, 1)], mode=NUMPY_NAMES[space])
    expected = np.pad(expected, [(0, 0), (0, 0), (2, 1), (0, 0), (0, 0)], mode=NUMPY_NAMES[time])
    np.testing.assert_array_equal(padded.numpy(), expected)


def test_valid_time_pads_space_only() -> None:
    x = torch.randn(1, 2, 5, 4, 4)
    assert pad_edges(x, 3, (1, 1, 1), Padding("valid", "zeros")).shape == (1, 2, 5, 6, 6)


@given(
    kernel=st.sampled_from([1, 3, 4]),
    strides=st.tuples(*[st.sampled_from([1, 2])] * 3),
    cells=st.tuples(*[st.integers(3, 5)] * 3),
    mode=st.sampled_from(MODES),
)
@settings(max_examples=40, deadline=None)
def test_convolutions_divide_and_transposed_ones_multiply_every_axis_by_the_stride(
    kernel: int, strides: tuple[int, int, int], cells: tuple[int, int, int], mode: str
) -> None:
    if kernel != 4:
        strides = (1, 1, 1)  # the network's only strided kernel is 4
    padding = Padding(mode, mode)
    fine = tuple(n * s for n, s in zip(cells, strides, strict=True))
    down = PaddedConv3d(2, 3, kernel, strides, padding)
    up = PaddedConvTranspose3d(3, 2, kernel, strides, padding)
    assert down(torch.zeros(1, 2, *fine)).shape == (1, 3, *cells)
    assert up(torch.zeros(1, 3, *cells)).shape == (1, 2, *fine)


@pytest.mark.parametrize("mode", MODES)
def test_one_knob_reaches_every_convolution(mode: str) -> None:
    layers = [
        m for m in VQGAN(small(padding=mode, frames=16)).modules() if hasattr(m, "padding") and hasattr(m, "conv")
    ]
    assert len(layers) == 1 + 2 * (1 + 2) + 2 * (1 + 4) + 1
    assert {layer.padding for layer in layers} == {Padding(mode, mode)}


def test_switches_reproduce_the_released_padding_that_stops_at_residual_blocks_and_decoder() -> None:
    config = small(padding="zeros", residual_padding="replicate", decoder_padding="replicate")
    expected = {"convolution": "zeros", "residual": "replicate"}
    assert all(unit.padding.time == expected[unit.kind] for unit in config.encoder_units)
    assert all(unit.padding == Padding("replicate", "replicate") for unit in config.decoder_units)


def test_valid_first_and_last_take_units_from_the_input_and_from_the_output_side() -> None:
    times = [u.padding.time for u in small(padding="zeros", valid_first=1, valid_last=2).encoder_units]
    assert times == ["valid", "zeros", "zeros", "valid", "valid"]
    assert all(u.padding.space == "zeros" for u in small(padding="zeros", valid_first=1).encoder_units)


def test_the_released_token_sees_64_frames_and_80_pixels() -> None:
    assert receptive_field(VQGANConfig()) == (64, 80, 80)
    assert VQGANConfig(padding="valid").margins == (32, 28)


@settings(max_examples=25, deadline=None)
@given(
    downsample=st.tuples(st.sampled_from([1, 2, 4]), st.sampled_from([2, 4]), st.sampled_from([2, 4])),
    first=st.integers(0, 1),
    last=st.integers(0, 1),
    padding=st.sampled_from(["zeros", "replicate", "valid"]),
    residual=st.sampled_from([None, "replicate", "valid"]),
    decoder=st.sampled_from([None, "replicate", "valid"]),
    blocks=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    latent_frames=st.integers(1, 3),
)
def test_margins_give_exactly_the_clips_latent_frames_in_every_case(
    downsample: tuple[int, int, int],
    first: int,
    last: int,
    padding: str,
    residual: str | None,
    decoder: str | None,
    blocks: tuple[int, int],
    latent_frames: int,
) -> None:
    config = VQGANConfig(
        frames=latent_frames * downsample[0],
        resolution=4,
        downsample=downsample,
        hidden=1,
        norm="none",
        encoder_blocks=blocks[0],
        decoder_blocks=blocks[1],
        padding=padding,
        residual_padding=residual,
        decoder_padding=decoder,
        valid_first=first,
        valid_last=last,
    )
    x = torch.zeros(1, 3, config.frames + sum(config.margins), 4, 4)
    assert Encoder(config)(x).shape[2:] == config.latent_shape
    t, h, w = config.latent_shape
    z = torch.zeros(1, config.widths[-1], t + sum(config.latent_margins), h, w)
    assert Decoder(config)(z).shape == (1, 3, config.frames, 4, 4)
    before, after = config.forward_margins
    units = config.encoder_units
    assert leftover(units, before, after) == config.latent_margins, "encoder margins divide without remainder"


@pytest.mark.parametrize("side", ["valid_first", "valid_last"])
def test_margins_grow_with_every_unit_made_valid(side: str) -> None:
    configs = [small(padding="zeros", **{side: k}) for k in range(6)]
    totals = [sum(config.margins) for config in configs]
    assert totals == sorted(set(totals))
    assert totals[0] == 0
    assert configs[-1].margins == small(padding="valid").margins
    for config in configs:
        assert VQGAN(config).encode(clip(config, around=config.margins)).shape[1:] == config.latent_shape


def test_margins_of_a_transposed_unit_round_up_and_leave_the_rest_over() -> None:
    up = Unit("transposed", 1, 1, 4, (2, 2, 2), Padding("valid", "zeros"))
    assert margins([up], 1, 2) == (2, 2)
    assert leftover([up], 2, 2) == (2, 2)


def frames_seen(config: VQGANConfig, latent_frame: int, before: int) -> list[int]:
    """Clip frames that a latent frame depends on, by its gradient; the clip's own first frame is number 0."""
    encoder = Encoder(config).double()
    torch.manual_seed(0)
    for parameter in encoder.parameters():
        nn.init.uniform_(parameter, 0.05, 0.15)  # all positive: nothing cancels
    x = torch.rand(1, 3, config.frames + sum(config.margins), 8, 8, dtype=torch.float64, requires_grad=True)
    encoder(x)[:, :, latent_frame].sum().backward()
    assert x.grad is not None
    return [int(f) - before for f in x.grad.abs().sum((0, 1, 3, 4)).nonzero()]


@pytest.mark.parametrize("downsample", [(4, 8, 8), (2, 4, 4), (1, 2, 2)])
def test_a_valid_token_sees_its_receptive_field_and_nothing_else(downsample: tuple[int, int, int]) -> None:
    config = VQGANConfig(
        frames=2 * downsample[0], resolution=8, downsample=downsample, hidden=1, norm="none", padding="valid"
    )
    before, after = config.margins
    seen = frames_seen(config, latent_frame=1, before=before)
    d = downsample[0]
    assert seen == list(range(d - before, 2 * d + after))
    assert len(seen) == receptive_field(config)[0]


@torch.inference_mode()
def test_real_frames_make_the_encoder_exactly_shift_equivariant() -> None:
    config = small(padding="valid")
    vqgan, d = settled(config), config.downsample[0]
    x = clip(config, extra=d, around=config.margins)
    early, late = vqgan.latents(x[:, :, :-d]), vqgan.latents(x[:, :, d:])
    torch.testing.assert_close(early[:, :, 1:], late[:, :, :-1], rtol=1e-5, atol=1e-6)
    assert torch.equal(vqgan.encode(x[:, :, :-d])[:, 1:], vqgan.encode(x[:, :, d:])[:, :-1])


@torch.inference_mode()
def test_zero_padding_is_not_shift_equivariant_and_replicate_comes_closer() -> None:
    gaps = {}
    for mode in ("zeros", "replicate"):
        config = small(padding=mode)
        vqgan, d = settled(config), config.downsample[0]
        still = clip(config)[:, :, :1].expand(-1, -1, config.frames + d, -1, -1)
        early, late = vqgan.latents(still[:, :, :-d]), vqgan.latents(still[:, :, d:])
        gaps[mode] = (early[:, :, 1:] - late[:, :, :-1]).abs().max().item()
    assert gaps["zeros"] > 1e-3
    assert gaps["replicate"] < 1e-5, "of a video that stands still replicate padding guesses every frame right"


@torch.inference_mode()
def test_real_frames_make_the_decoder_shift_equivariant_too() -> None:
    config = small(padding="valid")
    vqgan, d = settled(config), config.downsample[0]
    t, h, w = config.latent_shape
    tokens = torch.randint(config.codes, (1, t + 1 + sum(config.latent_margins), h, w))
    early, late = vqgan.decode(tokens[:, :-1]), vqgan.decode(tokens[:, 1:])
    assert early.shape[2] == config.frames
    torch.testing.assert_close(early[:, :, d:], late[:, :, :-d], rtol=1e-5, atol=1e-6)


@torch.inference_mode()
def test_valid_latents_are_those_of_the_middle_of_a_long_padded_clip() -> None:
    valid, padded = small(padding="valid"), small(padding="zeros", spatial_padding="replicate")
    model, reference = VQGAN(valid).eval(), VQGAN(padded).eval()
    d, (before, after) = valid.downsample[0], valid.margins
    lead, tail = -(-before // d), -(-after // d)  # whole latent frames that cover the margins
    x = clip(valid, extra=(lead + tail) * d)
    alone = model.latents(x[:, :, lead * d - before : lead * d + valid.frames + after])
    among = reference.latents(x)[:, :, lead : lead + valid.latent_shape[0]]
    torch.testing.assert_close(alone, among, rtol=1e-5, atol=1e-6)


@torch.inference_mode()
def test_valid_reconstruction_lies_where_the_clip_does() -> None:
    valid, padded = small(padding="valid"), small(padding="zeros", spatial_padding="replicate")
    model, reference = VQGAN(valid).eval(), VQGAN(padded).eval()
    before, after = valid.forward_margins
    d = valid.downsample[0]
    lead, tail = -(-before // d), -(-after // d)
    x = clip(valid, extra=(lead + tail) * d)
    window = x[:, :, lead * d - before : lead * d + valid.frames + after]
    alone = model(window, quantise=False).reconstruction
    whole = reference(x, quantise=False).reconstruction[:, :, lead * d : lead * d + valid.frames]
    torch.testing.assert_close(alone, whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["reflect", "circular"])
def test_a_map_too_short_for_its_padding_is_refused_in_a_sentence(mode: str) -> None:
    with pytest.raises(ValueError, match=rf"{mode} padding takes \d entries .* has only 1 in T"):
        VQGANConfig(frames=4, resolution=32, downsample=(4, 8, 8), padding=mode)
    with pytest.raises(UserError, match="reflect padding takes 1 entries"):
        pad_edges(torch.zeros(1, 1, 1, 4, 4), 3, (1, 1, 1), Padding("reflect", "zeros"))

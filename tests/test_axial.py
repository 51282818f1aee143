"""The axial autoencoder: VideoGPT's architecture behind the interface of ours."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from tatslib.training.checkpoint import load_model, save_model
from tatslib.training.presets import PRESETS
from tatslib.vqgan.axial import AxialAttention, AxialConfig, AxialVQGAN, axial_twin, weights
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig

TINY = AxialConfig(
    frames=8, resolution=8, downsample=(4, 4, 4), hidden=8, encoder_blocks=1, decoder_blocks=1, codes=16, code_width=4
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clips(config: VQGANConfig, batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 3, config.frames, config.resolution, config.resolution, generator=generator()) - 0.5


@pytest.mark.parametrize("unshuffle", [1, 2])
@pytest.mark.parametrize("downsample", [(4, 4, 4), (2, 4, 4), (4, 8, 8)])
def test_decode_of_encode_is_what_forward_returns(downsample: tuple[int, int, int], unshuffle: int) -> None:
    vqgan = AxialVQGAN(TINY.replace(downsample=downsample, unshuffle=unshuffle)).eval()
    x = clips(vqgan.config)
    with torch.inference_mode():
        out = vqgan(x)
        assert out.reconstruction.shape == x.shape
        assert torch.equal(vqgan.encode(x), out.tokens) and out.tokens.shape == (2, *vqgan.config.latent_shape)
        assert vqgan.latents(x).shape == (2, 4, *vqgan.config.latent_shape)
        torch.testing.assert_close(vqgan.decode(out.tokens), out.reconstruction, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axis", ["t", "h", "w"])
def test_attention_along_one_axis_is_multi_head_attention_on_each_line(axis: str) -> None:
    ours, theirs = AxialAttention(12, heads=3, axis=axis), nn.MultiheadAttention(12, 3, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.project.weight.flatten(1))
        theirs.in_proj_bias.zero_()
        theirs.out_proj.weight.copy_(ours.merge.weight.flatten(1))
        theirs.out_proj.bias.copy_(ours.merge.bias)
    x = torch.randn(2, 12, 3, 4, 5, generator=generator())
    lines = rearrange(x, f"b c t h w -> ({'b t h w'.replace(f' {axis}', '')}) {axis} c")
    expected = theirs(lines, lines, lines, need_weights=False)[0]
    sizes = dict(zip("bthw", (2, 3, 4, 5), strict=True))
    actual = rearrange(ours(x), f"b c t h w -> ({'b t h w'.replace(f' {axis}', '')}) {axis} c", **sizes)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


def test_a_place_sees_its_lines_in_one_block_and_the_whole_clip_in_the_end() -> None:
    attention = AxialAttention(8, heads=2, axis="h").eval()
    x = torch.randn(1, 8, 3, 4, 5, generator=generator())
    changed = x.clone()
    changed[:, :, 1, 2, 3] += 1
    moved = (attention(x) - attention(changed)).abs().sum(1)[0] > 1e-7
    assert moved[1, :, 3].all() and moved.sum() == 4
    vqgan = AxialVQGAN(TINY.replace(frames=32)).eval()
    video = clips(vqgan.config, 1)
    later = video.clone()
    later[:, :, -1] += 0.5
    assert ((vqgan.latents(video) - vqgan.latents(later))[:, :, 0].abs() > 0).any()


def test_every_layer_has_the_same_width() -> None:
    vqgan = AxialVQGAN(TINY)
    convolutions = [m for m in vqgan.encoder.modules() if isinstance(m, nn.Conv3d)]
    assert {c.out_channels for c in convolutions} == {8, 4, 24}  # the width, the bottleneck, queries keys and values
    assert vqgan.config.widths == (8, 8, 8)


def test_the_twin_has_our_grid_and_codebook_and_about_as_many_weights() -> None:
    for ours in (PRESETS["toy"].vqgan, PRESETS["gpu"].vqgan):
        twin = axial_twin(ours)
        assert (twin.latent_shape, twin.codes, twin.code_width) == (ours.latent_shape, ours.codes, ours.code_width)
        assert twin.restart_below_mean == ours.restart_below_mean and twin.padding == ours.padding
    with torch.device("meta"):
        assert axial_twin(PRESETS["toy"].vqgan) == axial_twin(PRESETS["toy"].vqgan)
    a, b = weights(AxialVQGAN(axial_twin(PRESETS["toy"].vqgan))), weights(VQGAN(PRESETS["toy"].vqgan))
    assert abs(a - b) < 0.06 * b


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": 10}, "hidden 10 is not a multiple of twice the heads, 2"),
        ({"hidden": 32, "norm": "group"}, "multiple of 64, not 32"),
        ({"padding": "valid"}, "no padding 'valid' here"),
        ({"residual_gain": 0.5}, "residual_gain 0.5 does nothing"),
        ({"frames": 10}, "frames 10 is not a multiple"),
    ],
)
def test_a_config_that_cannot_work_says_which_numbers_do_not_fit(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TINY.replace(**changes)


def test_initial_weights_depend_on_the_seed_and_on_nothing_else() -> None:
    states = []
    for global_seed, seed in ((0, 7), (1, 7), (1, 8)):
        torch.manual_seed(global_seed)
        states.append(AxialVQGAN(TINY, seed=seed).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    name = "decoder.units.0.attentions.0.project.weight"
    assert not torch.equal(states[0][name], states[2][name])
    assert AxialVQGAN(TINY.replace(hidden=64)).state_dict()[name].std().item() == pytest.approx(1 / 8, rel=0.05)


def test_it_survives_a_file(tmp_path: Path) -> None:
    vqgan = AxialVQGAN(TINY).eval()
    save_model(tmp_path, vqgan, vqgan.config)
    loaded = load_model(
        tmp_path, AxialVQGAN(AxialConfig.from_json((tmp_path / "config.json").read_text(), tmp_path), 1)
    )
    x = clips(TINY)
    assert torch.equal(loaded.encode(x), vqgan.encode(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_learns_a_tiny_clip(dtype: torch.dtype) -> None:
    config = TINY.replace(hidden=16, codebook_decay=0.9, restart_below_mean=0.1)
    vqgan = AxialVQGAN(config).train()
    optimizer = torch.optim.Adam(vqgan.parameters(), 3e-3)
    brightness = torch.linspace(-0.5, 0.5, 8).view(8, 1, 1, 1, 1)
    x = (brightness * torch.linspace(-1, 1, 8).view(8, 1, 1)).expand(8, 3, 8, 8, 8)  # fades, each at its own speed
    losses = []
    for step in range(40):
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            out = vqgan(x, quantise=step >= 15, generator=generator(step))
        loss = F.mse_loss(out.reconstruction.float(), x) + out.commitment_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 3
    assert all(p.grad is not None and p.grad.isfinite().all() for p in vqgan.parameters())

"""The first stage as a whole: configs that say what is wrong, encode, decode, forward, and learning."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from tatslib.vqgan.vqgan import VQGAN, VQGANConfig

TINY = {"frames": 8, "resolution": 8, "downsample": (4, 4, 4), "hidden": 4, "codes": 16, "code_width": 4}


def tiny(**changes: object) -> VQGANConfig:
    return VQGANConfig(**{**TINY, **changes})


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clips(config: VQGANConfig, batch: int = 2) -> torch.Tensor:
    frames = config.frames + sum(config.forward_margins)
    return torch.rand(batch, 3, frames, config.resolution, config.resolution, generator=generator()) - 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": 10}, "frames 10 is not a multiple of the temporal downsample 4"),
        ({"resolution": 30}, "resolution 30 is not a multiple of the spatial downsample 4, 4"),
        ({"downsample": (3, 4, 4)}, "must be powers of two: T is 3"),
        ({"downsample": (4, 0, 4)}, "must be powers of two: H is 0"),
        ({"unshuffle": 3}, "must be powers of two: unshuffle is 3"),
        ({"unshuffle": 8}, "unshuffle 8 must divide the spatial downsample 4, 4"),
        ({"downsample": (1, 2, 2), "unshuffle": 2}, "leaves no level"),
        ({"norm": "group"}, "hidden 4 must be a multiple of 16"),
        ({"valid_first": 3, "valid_last": 3}, "valid_first 3 and valid_last 3 overlap: the encoder has only 5 units"),
        ({"frames": 4, "padding": "reflect"}, "reflect padding takes 1 entries .* has only 1 in T"),
        ({"spatial_padding": "valid"}, "spatial_padding"),
        ({"codes": 0}, "codes"),
    ],
)
def test_a_config_that_cannot_work_says_which_numbers_do_not_fit(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(**changes)


def test_a_config_comes_back_from_json() -> None:
    config = tiny(padding="zeros", valid_last=2, residual_padding="replicate")
    assert VQGANConfig.from_json(config.to_json(), "test") == config


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("padding", ["replicate", "valid"])
def test_decode_of_encode_is_what_forward_returns(padding: str, norm: str) -> None:
    config = tiny(padding=padding, norm=norm)
    vqgan = VQGAN(config).eval()
    x = clips(config)
    with torch.inference_mode():
        out = vqgan(x)
        assert out.reconstruction.shape == (2, 3, 8, 8, 8)
        torch.testing.assert_close(vqgan.decode(out.tokens), out.reconstruction, rtol=1e-4, atol=1e-5)
        before, after = config.latent_margins
        assert torch.equal(vqgan.encode(x), out.tokens)
        assert out.tokens.shape[1] == config.latent_shape[0] + before + after
        assert out.tokens.dtype == torch.int64


def test_clips_of_other_lengths_are_welcome() -> None:
    vqgan = VQGAN(tiny()).eval()
    tokens = vqgan.encode(torch.zeros(1, 3, 20, 8, 8))
    assert tokens.shape == (1, 5, 2, 2)
    assert vqgan.decode(tokens).shape == (1, 3, 20, 8, 8)


def test_without_quantisation_it_is_a_plain_autoencoder() -> None:
    vqgan = VQGAN(tiny()).train()
    before = {key: value.clone() for key, value in vqgan.codebook.state_dict().items()}
    out = vqgan(clips(vqgan.config), quantise=False)
    assert out.tokens is None
    assert out.commitment_loss == out.perplexity == 0
    assert all(torch.equal(value, before[key]) for key, value in vqgan.codebook.state_dict().items())
    out.reconstruction.square().mean().backward()
    assert all(p.grad is not None for p in vqgan.parameters())


def test_initial_weights_depend_on_the_seed_and_on_nothing_else() -> None:
    states = []
    for global_seed, seed in ((0, 7), (1, 7), (1, 8)):
        torch.manual_seed(global_seed)
        states.append(VQGAN(tiny(), seed=seed).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not torch.equal(states[0]["to_codes.weight"], states[2]["to_codes.weight"])


def test_initial_weights_have_the_spread_that_pytorch_gives() -> None:
    vqgan = VQGAN(tiny(hidden=16))
    for ours in (vqgan.encoder.units[1].conv, vqgan.decoder.units[0].conv):
        theirs = type(ours)(ours.in_channels, ours.out_channels, ours.kernel_size)
        assert ours.weight.abs().max().item() == pytest.approx(theirs.weight.abs().max().item(), rel=0.01)
        assert ours.weight.std().item() == pytest.approx(theirs.weight.std().item(), rel=0.05)
        assert ours.bias.abs().max().item() == pytest.approx(theirs.bias.abs().max().item(), rel=0.3)


def test_residual_gain_damps_the_branches() -> None:
    plain, damped = VQGAN(tiny()), VQGAN(tiny(residual_gain=0.1))
    torch.testing.assert_close(
        damped.encoder.units[2].conv2.conv.weight, 0.1 * plain.encoder.units[2].conv2.conv.weight
    )
    assert torch.equal(damped.encoder.units[1].conv.weight, plain.encoder.units[1].conv.weight)


def test_weights_survive_safetensors(tmp_path: Path) -> None:
    vqgan = VQGAN(tiny()).train()
    vqgan(clips(vqgan.config), generator=generator())
    save_file(vqgan.state_dict(), tmp_path / "weights.safetensors")
    loaded = VQGAN(tiny(), seed=1)
    loaded.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert torch.equal(loaded.eval().encode(clips(vqgan.config)), vqgan.eval().encode(clips(vqgan.config)))
    assert bool(loaded.codebook.initialised)


@pytest.mark.parametrize("unshuffle", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_training_lowers_the_loss_and_uses_the_codes(dtype: torch.dtype, unshuffle: int) -> None:
    config = tiny(unshuffle=unshuffle, hidden=8, codebook_decay=0.9, restart_below_mean=0.1)
    vqgan = VQGAN(config).train()
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
    assert out.perplexity > 3
    assert all(p.grad is not None and p.grad.isfinite().all() for p in vqgan.parameters())


def test_channels_last_changes_the_memory_and_not_the_numbers() -> None:
    vqgan = VQGAN(tiny()).eval()
    x = clips(vqgan.config)
    with torch.inference_mode():
        expected = vqgan(x).reconstruction
        vqgan.to(memory_format=torch.channels_last_3d)
        actual = vqgan(x.contiguous(memory_format=torch.channels_last_3d)).reconstruction
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)

"""Memory layout and compiled code: chosen by what the machine has, and nothing but speed changes with them."""

import pytest
import torch

from tatslib.randomness import torch_generator
from tatslib.training import device as devices
from tatslib.training.device import prefers_channels_last, prepare
from tatslib.vqgan.discriminators import Adversaries, DiscriminatorConfig
from tatslib.vqgan.vqgan import VQGAN
from tests.test_training import TINY

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("device", "tiles", "precision", "expected"),
    [
        (CPU, True, "bfloat16", True),
        (CPU, False, "bfloat16", False),
        (CPU, True, "float32", False),
        (GPU, False, "float16", True),
        (GPU, False, "float32", False),
    ],
)
def test_channels_come_last_where_matrix_units_want_them(monkeypatch, device, tiles, precision, expected):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    assert prefers_channels_last(precision, device) == expected


def test_the_layout_changes_neither_names_nor_values_nor_results(monkeypatch):
    monkeypatch.setattr(devices, "prefers_channels_last", lambda *_: True)
    plain, laid_out = VQGAN(TINY), prepare(VQGAN(TINY), "bfloat16", CPU, compiled=True)
    assert laid_out.encoder.units[0].conv.weight.is_contiguous(memory_format=torch.channels_last_3d)
    assert not laid_out.encoder.units[0].conv.weight.is_contiguous()
    for (name, value), (same, equal) in zip(plain.state_dict().items(), laid_out.state_dict().items(), strict=True):
        assert name == same and torch.equal(value, equal)
    shape = (2, 3, TINY.frames, TINY.resolution, TINY.resolution)
    x = torch.rand(shape, generator=torch_generator(0, "clips")) - 0.5
    gradients = []
    for model in (plain, laid_out):
        (model(x, quantise=False).reconstruction - x).square().mean().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_both_discriminators_can_have_channels_last(monkeypatch):
    monkeypatch.setattr(devices, "prefers_channels_last", lambda *_: True)
    shape = DiscriminatorConfig(width=4)
    plain, laid_out = Adversaries(shape), prepare(Adversaries(shape), "bfloat16", CPU)
    assert laid_out.image.layers[1].conv.weight.is_contiguous(memory_format=torch.channels_last)
    x = torch.rand(2, 3, 8, 16, 16) - 0.5
    (one,), (other,) = (model(x, frames=torch.tensor([0, 7])) for model in (plain, laid_out))
    torch.testing.assert_close(one.video[-1], other.video[-1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(one.image[-1], other.image[-1], rtol=1e-4, atol=1e-5)

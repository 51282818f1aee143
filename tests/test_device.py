"""Memory layout and compiled code: chosen by what the machine has, and nothing but speed changes with them."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tatslib.randomness import torch_generator
from tatslib.training import device as devices
from tatslib.training.device import loss_scaler, number_format, prefers_channels_last, prepare
from tatslib.vqgan import normalisation
from tatslib.vqgan.autoencoder import Decoder, Encoder
from tatslib.vqgan.discriminators import Adversaries, DiscriminatorConfig, PatchDiscriminator
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


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_gpu_without_bfloat16_computes_in_float16_and_scales_its_losses(monkeypatch, native, expected):
    def asked(including_emulation: bool = True) -> bool:
        return native or including_emulation  # a T4 emulates it

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", asked)
    assert number_format("auto", GPU) == expected
    assert number_format("float32", GPU) == torch.float32
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    assert loss_scaler("auto", GPU).is_enabled() == (not native)


class OnAGPU(nn.ModuleList):
    """Models that say so."""

    def parameters(self, recurse=True):
        yield SimpleNamespace(device=GPU)


def test_on_several_gpus_torchs_own_kernel_does_the_batch_norms_and_names_and_tensors_stay(monkeypatch):
    models = OnAGPU([VQGAN(TINY), Adversaries(DiscriminatorConfig(width=4))])
    tensors = dict(models.named_parameters()) | dict(models.named_buffers())
    norms = {name for name, module in models.named_modules() if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d)}
    normalisation.synchronise(models)
    assert not any(isinstance(module, nn.SyncBatchNorm) for module in models.modules()), "one process needs none"
    monkeypatch.setattr(normalisation, "together", lambda: True)
    normalisation.synchronise(models)
    assert {name for name, module in models.named_modules() if isinstance(module, nn.SyncBatchNorm)} == norms != set()
    now = dict(models.named_parameters()) | dict(models.named_buffers())
    assert now.keys() == tensors.keys() and all(now[name] is tensors[name] for name in now)


@pytest.mark.parametrize(
    ("device", "compiled", "expected"),
    [(GPU, True, [Encoder, Decoder, PatchDiscriminator, PatchDiscriminator]), (GPU, False, []), (CPU, True, [])],
)
def test_networks_are_compiled_on_a_gpu_and_nothing_else_is(monkeypatch, device, compiled, expected):
    found = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: found.append(type(self)))
    monkeypatch.setattr(nn.Module, "to", lambda self, *_, **__: self)
    models = nn.ModuleList([VQGAN(TINY), Adversaries(DiscriminatorConfig(width=4))])
    names = list(models.state_dict())
    assert prepare(models, "float32", device, compiled) is models and list(models.state_dict()) == names
    assert sorted(found, key=str) == sorted(expected, key=str)

"""What a training will cost, held against what small models really compute and keep, and the paper's sizes."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from tatslib.errors import UserError
from tatslib.training import budget
from tatslib.training.budget import (
    BYTES_A_PARAMETER,
    autoencoder_work,
    count,
    table,
    transformer_budget,
    transformer_flops,
    transformer_kept,
    transformer_parameters,
    vqgan_budget,
    vqgan_parameters,
)
from tatslib.training.loop import Share
from tatslib.training.train_interpolation import InterpolationTraining
from tatslib.training.train_transformer import TransformerTask, TransformerTraining
from tatslib.training.train_vqgan import VQGANTask, VQGANTraining
from tatslib.transformer import gpt
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.vqgan.config import VQGANConfig
from tatslib.vqgan.discriminators import DiscriminatorConfig
from tatslib.vqgan.sound import SoundVQGANConfig
from tatslib.vqgan.vqgan import VQGAN
from tests.test_training import TINY, Noise, stripes_tokens

SMALL = GPTConfig(codes=300, condition_codes=5, condition_length=3, latent_shape=(4, 5, 5), layers=3, heads=4, width=64)
FILLER = InterpolationConfig(codes=50, latent_shape=(5, 3, 3), layers=2, heads=2, width=32)


def sequences(config: GPTConfig, clips: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(clips, config.condition_length, dtype=torch.int64), torch.zeros(
        clips, *config.latent_shape, dtype=torch.int64
    )


def counted(step) -> int:
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


@pytest.mark.parametrize("config", [SMALL, FILLER])
def test_a_transformers_parameters_and_flops_are_those_of_the_model(config):
    model = GPT(config)
    assert transformer_parameters(config) == sum(p.numel() for p in model.parameters())
    frames = slice(1, -1) if config is FILLER else slice(None)
    predicted = 3 * 9 if config is FILLER else 100
    # a mask that is no triangle makes torch compute attention by a kernel that the counter does not know
    patch = pytest.MonkeyPatch()
    patch.setattr(gpt, "attend", lambda q, k, v, mask=None: (q @ k.mT).softmax(-1) @ v)
    try:
        loss = []
        assert counted(lambda: loss.append(model.loss(*sequences(config), frames))) == 2 * transformer_flops(
            config, predicted
        )
        assert counted(loss[0].backward) == 4 * transformer_flops(config, predicted)
    finally:
        patch.undo()


@pytest.mark.parametrize("half", [False, True])
def test_what_a_transformer_keeps_is_estimated_within_a_tenth(half, monkeypatch):
    fused = lambda q, k, v, mask=None: F.scaled_dot_product_attention(q, k, v, is_causal=True)  # noqa: E731
    monkeypatch.setattr(gpt, "attend", fused)  # as on a GPU
    model, kept = GPT(SMALL), {}

    def note(tensor):
        if not isinstance(tensor, torch.nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autocast("cpu", torch.bfloat16, enabled=half), saved_tensors_hooks(note, lambda tensor: tensor):
        model.loss(*sequences(SMALL, clips=8))
    weights = 2 * (model.head.weight.numel() + sum(b.numel() for m in model.blocks for b in m.parameters())) * half
    found = sum(storage.nbytes() for storage in kept.values()) - weights
    assert found == pytest.approx(8 * transformer_kept(SMALL, half=half), rel=0.1)


def test_the_autoencoders_work_is_what_a_training_step_computes():
    config = TINY.replace(codes=16, code_width=8)
    vqgan, clips = VQGAN(config).train(), torch.rand(2, 3, 4, 8, 8) - 0.5
    loss = []
    forward = counted(lambda: loss.append(vqgan(clips, generator=torch.Generator()).reconstruction.mean()))
    assert forward + counted(loss[0].backward) == 2 * autoencoder_work(config).flops


def test_the_work_of_convolutions_is_that_of_their_formula():
    config, flops, size = VQGANConfig(), 0.0, [16, 128, 128]
    for unit in config.encoder_units:
        size = [n // s for n, s in zip(size, unit.stride, strict=True)]
        convolutions = 2 if unit.kind == "residual" else 1
        flops += convolutions * 2 * unit.kernel**3 * unit.inputs * unit.outputs * size[0] * size[1] * size[2]
    with torch.device("meta"):
        encoder, clip = VQGAN(config).encoder, torch.empty(1, 3, 16, 128, 128)
        assert counted(lambda: encoder(clip)) == flops


def test_a_step_with_adversaries_costs_what_the_training_itself_computes():
    training = VQGANTraining(steps=10, batch=2, gan_start=4, discriminator_width=4, discriminator_layers=2)
    config = TINY.replace(restart_below_mean=None)
    task = VQGANTask(config, training, Noise(), torch.device("cpu"))

    def step(number):
        for _, terms in task.losses(number, Share(), {}):
            torch.stack([term.float() for term in terms.values()]).sum().backward()

    asked = vqgan_budget(config, training)
    before, after = counted(lambda: step(0)), counted(lambda: step(4))
    assert asked.step_flops == pytest.approx(after, rel=0.01)
    assert asked.total_flops == pytest.approx(4 * before + 6 * after, rel=0.01)
    assert asked.parameters == sum(p.numel() for m in task.models.values() for p in m.parameters())


def test_a_transformers_step_costs_what_the_training_itself_computes():
    data, training = stripes_tokens(), TransformerTraining(steps=7, batch=4)
    config = GPTConfig(codes=8, condition_codes=2, latent_shape=(2, 2, 2), layers=2, heads=2, width=16)
    task = TransformerTask(config, training, data, torch.device("cpu"))
    patch = pytest.MonkeyPatch()
    patch.setattr(gpt, "attend", lambda q, k, v, mask=None: (q @ k.mT).softmax(-1) @ v)
    try:
        flops = counted(lambda: sum(next(task.losses(0, Share(), {}))[1].values()).backward())
    finally:
        patch.undo()
    asked = transformer_budget(config, training)
    assert asked.step_flops == flops and asked.total_flops == 7 * flops
    assert asked.tokens_seen == 7 * 4 * 8 and asked.fixed_bytes == asked.parameters * BYTES_A_PARAMETER


def test_what_waits_for_the_backward_pass_is_counted_once():
    weight = torch.nn.Parameter(torch.ones(3, 3))
    x = torch.ones(5, 3)
    assert count(lambda: ((x @ weight).exp() + x @ weight).sum()).kept == 4 * (15 + 15)  # x once, exp's output


def test_the_papers_models_have_the_released_sizes():
    assert transformer_parameters(GPTConfig(condition_codes=101)) == 337_121_280  # 337.1 M in the released manifest
    assert transformer_parameters(InterpolationConfig()) / 1e6 == pytest.approx(337.2, abs=0.1)
    assert vqgan_parameters(VQGANConfig()) / 1e6 == pytest.approx(7.40 + 16.12 + 0.13, abs=0.01)
    adversaries = vqgan_parameters(VQGANConfig(), DiscriminatorConfig()) - vqgan_parameters(VQGANConfig())
    assert adversaries / 1e6 == pytest.approx(2.77 + 11.06, abs=0.01)


def test_a_filler_predicts_its_gap_only_and_sound_has_no_square():
    filling = InterpolationTraining(steps=2, batch=3)
    assert transformer_budget(FILLER, filling).tokens == 3 * 9
    assert transformer_budget(FILLER, filling.replace(loss_over="all")).tokens == 5 * 9
    assert autoencoder_work(SoundVQGANConfig(hidden=16)).flops > 0


def test_time_and_utilisation_are_each_others_inverse_and_shards_divide_the_state():
    asked = transformer_budget(SMALL, TransformerTraining(steps=1000, batch=8))
    hours = asked.hours(gpus=4, peak=1e12, utilisation=0.25)
    assert asked.utilisation(gpus=4, peak=1e12, hours=hours) == pytest.approx(0.25)
    assert asked.hours(8, 1e12, 0.25) == pytest.approx(hours / 2)
    assert asked.bytes_a_gpu(2) - asked.bytes_a_gpu(1) == asked.clip_bytes
    assert asked.bytes_a_gpu(1, shards=4) == pytest.approx(asked.fixed_bytes / 4 + asked.clip_bytes, abs=1)
    assert replace(asked, steps=0).tokens_seen == 0


def test_the_table_says_what_it_assumes_and_refuses_what_makes_no_sense():
    said = table([transformer_budget(SMALL, TransformerTraining(steps=10))], "A100", 2, 0.5)
    assert "2 x A100, at an assumed 50% of 312 TFLOP/s each" in said and "0.2 M" in said
    for arguments, sentence in (
        (("H10",), "perhaps you meant 'H100'"),
        (("A100", 0), "0 GPUs"),
        (("A100", 1, 1.5), "1.5"),
    ):
        with pytest.raises(UserError, match=sentence):
            table([], *arguments)
    assert set(budget.PEAKS) >= {"V100", "H100"}

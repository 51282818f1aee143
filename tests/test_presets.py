"""The paper's models by data set: the numbers of the paper, and the commands that take them."""

import math

import pytest
import torch
from pydantic import ValidationError

from tatslib.commands import train as commands
from tatslib.commands.train_sound import train_sound_command
from tatslib.datasets.tokens import Lead, TokenClips, TokenIndex
from tatslib.errors import UserError
from tatslib.training.paper_presets import PAPER_PRESETS
from tatslib.training.presets import PRESETS
from tatslib.training.train_transformer import gpt_config
from tatslib.training.train_vqgan import warmup_of


def clips_of(latent_shape: tuple[int, int, int], codes: int = 16384, lead: Lead | None = None) -> TokenClips:
    index = TokenIndex(clips=2, codes=codes, latent_shape=latent_shape, vqgan="0" * 12, lead=lead)
    return TokenClips(torch.zeros(2, *latent_shape, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), index)


def test_every_data_set_has_the_papers_numbers():
    for name, paper in PAPER_PRESETS.items():
        vqgan, training = paper.vqgan, paper.vqgan_training
        assert (vqgan.frames, vqgan.codes, vqgan.code_width, vqgan.padding) == (16, 16384, 256, "replicate"), name
        assert (training.steps, training.batch, training.gan_start, training.clip) == (30_000, 96, 10_000, 1.0)
        assert (training.l1_weight, training.matching_weight, training.perceptual_weight) == (4.0, 4.0, 4.0)
        for role, transformer in paper.transformers.items():
            assert (transformer.gpt.layers, transformer.gpt.heads, transformer.gpt.width) == (24, 16, 1024)
            assert transformer.training.learning_rate == pytest.approx(4.5e-6 * 24)
            assert transformer.filters.top_k == 2048 and transformer.filters.temperature == 1.0
            assert transformer.filters.top_p == (0.5 if role == "filler" else 0.8)
    assert {name: paper.vqgan.resolution for name, paper in PAPER_PRESETS.items()} == {
        "ucf101": 128,
        "sky": 128,
        "taichi": 128,
        "drums": 64,
        "mugen": 256,
    }


def test_steps_windows_and_conditions_are_those_of_each_data_set():
    steps = {
        name: {r: t.training.steps for r, t in paper.transformers.items()} for name, paper in PAPER_PRESETS.items()
    }
    assert steps["ucf101"] == {"base": 1_350_000, "sparse": 500_000, "filler": 30_000}
    assert steps["sky"] == steps["taichi"] == {"base": 500_000, "sparse": 500_000, "filler": 30_000}
    assert steps["drums"] == steps["mugen"] == {"base": 500_000}
    blocks = {name: paper.transformers["base"].gpt.block_size for name, paper in PAPER_PRESETS.items()}
    assert blocks == {"ucf101": 1024, "sky": 1024, "taichi": 1024, "drums": 128 + 256 - 1, "mugen": 256 + 1024 - 1}
    assert PAPER_PRESETS["sky"].transformers["filler"].gpt.block_size == 1280  # as the released one
    assert [PAPER_PRESETS["sky"].transformers[role].clip_latents for role in ("base", "sparse", "filler")] == [4, 13, 5]
    assert PAPER_PRESETS["ucf101"].transformers["base"].gpt == PAPER_PRESETS["ucf101"].transformers["sparse"].gpt
    assert PAPER_PRESETS["taichi"].frame_stride == 4 and PAPER_PRESETS["sky"].frame_stride == 1


def test_the_first_stage_of_the_paper_scale_is_that_of_ucf101():
    paper = PRESETS["paper"]
    assert PAPER_PRESETS["ucf101"].vqgan == paper.vqgan
    assert PAPER_PRESETS["ucf101"].vqgan_training == paper.vqgan_training


def test_tokens_are_counted_only_where_the_length_of_the_videos_is_published():
    assert PAPER_PRESETS["sky"].tokens() is None
    assert PAPER_PRESETS["drums"].tokens() == (540_000 // 4 * 64,) * 2
    low, high = PAPER_PRESETS["mugen"].tokens()
    assert low == 104_796 * 96 // 4 * 256 and high / low == pytest.approx(602 / 96)


def test_a_scale_and_a_preset_are_not_taken_together():
    assert commands.one_of(None, None) == "toy" and commands.one_of("gpu", None) == "gpu"
    assert commands.one_of(None, "sky") == "paper"
    with pytest.raises(UserError, match="--scale toy and --preset sky both name settings"):
        commands.one_of("toy", "sky")


def test_a_preset_takes_the_tokens_it_was_made_for_and_says_what_else_it_got():
    assert commands.as_in_the_paper("sky", "base", clips_of((4, 16, 16))).steps == 500_000
    assert commands.as_in_the_paper("sky", "filler", clips_of((5, 16, 16))).steps == 30_000
    with pytest.raises(UserError, match=r"reads \(4, 16, 16\) of 16384: tokenise clips of 13 latent frames"):
        commands.as_in_the_paper("sky", "sparse", clips_of((4, 16, 16), codes=8))
    with pytest.raises(UserError, match="no hierarchy for MUGEN"):
        commands.as_in_the_paper("mugen", "filler", clips_of((5, 16, 16)))
    with pytest.raises(UserError, match="led by text, and these clips come without: make the tokens with --condition"):
        commands.as_in_the_paper("mugen", "base", clips_of((4, 16, 16)))
    led = clips_of((4, 16, 16), lead=Lead(kind="text", codes=49408, length=256))
    assert commands.as_in_the_paper("mugen", "base", led).steps == 500_000
    assert gpt_config(led.index, 24, 16, 1024) == PAPER_PRESETS["mugen"].transformers["base"].gpt


def test_the_plan_of_a_data_set_names_all_its_models(capsys):
    commands.train_plan_command("drums", gpu="V100", gpus=8, utilisation=0.25)
    said = capsys.readouterr().out
    assert "AudioSet-Drum: 64x64 pixels, condition: sound" in said
    assert [line.split()[0] for line in said.splitlines()[2:-1]] == ["vqgan", "sound", "base"]
    assert "8 x V100, at an assumed 25% of 15.7 TFLOP/s each" in said


def test_training_with_a_preset_says_its_cost_before_it_begins(monkeypatch, tmp_path, capsys):
    started = []
    monkeypatch.setattr(commands, "open_clips", lambda source, *rest, stride: started.append(source))
    monkeypatch.setattr(commands, "train_vqgan", lambda config, training, *rest, **options: (config, training))
    monkeypatch.setattr(commands, "evaluate_vqgan", lambda vqgan, data: {"psnr": 1.0, "used_codes": 1.0})
    commands.train_vqgan_command(tmp_path, tmp_path / "run", preset="drums", steps=1000)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[0] == "VQGAN" and "1,000" in lines[1] and started == ["drums", "drums"]


def test_the_papers_own_times_ask_for_a_quarter_of_what_a_v100_can_do():
    sky = PAPER_PRESETS["sky"].budgets()
    assert 0.2 < sky["vqgan"].utilisation(8, 15.7e12, 57) < 0.35
    assert 0.2 < sky["base"].utilisation(8, 15.7e12, 240) < 0.3
    assert not math.isclose(sky["base"].total_flops, PAPER_PRESETS["ucf101"].budgets()["base"].total_flops)


def test_the_plan_of_taichi_says_that_its_pair_needs_a_vqgan_of_its_own(capsys) -> None:
    commands.train_plan_command("taichi")
    assert "VQGAN of its own" in capsys.readouterr().out
    commands.train_plan_command("sky")
    assert "of its own" not in capsys.readouterr().out


def test_no_steps_are_refused_and_not_taken_for_the_presets(tmp_path) -> None:
    for command in (commands.train_vqgan_command, train_sound_command):
        with pytest.raises(ValidationError, match="steps"):
            command(tmp_path, tmp_path / "run", steps=0)


def test_a_run_that_goes_on_for_more_steps_keeps_its_warm_up(tmp_path) -> None:
    preset = PRESETS["toy"].vqgan_training
    assert warmup_of(tmp_path, preset, 8) == 2 and warmup_of(tmp_path, preset, 10**6) == preset.warmup_without_codes
    begun = preset.replace(steps=8, warmup_without_codes=2)
    (tmp_path / "training.json").write_text(begun.to_json())
    assert warmup_of(tmp_path, preset, 10**6) == 2

"""The loop of both stages: what it learns, how it resumes, and what it says when something goes wrong."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from tatslib.datasets.tokens import TokenClips, TokenIndex
from tatslib.errors import UserError
from tatslib.randomness import torch_generator
from tatslib.training import loop
from tatslib.training.checkpoint import newest
from tatslib.training.loop import Interrupted, cosine, linear_tail
from tatslib.training.train_transformer import TransformerTraining, evaluate_transformer, gpt_config, train_transformer
from tatslib.training.train_vqgan import VQGANTraining, clip_within_margins, evaluate_vqgan, train_vqgan
from tatslib.transformer.gpt import GPT
from tatslib.vqgan.vqgan import VQGANConfig

TINY = VQGANConfig(
    frames=4,
    resolution=8,
    downsample=(2, 4, 4),
    hidden=4,
    decoder_blocks=1,
    codes=8,
    code_width=4,
    restart_below_mean=0.1,
)
TINY_TRAINING = VQGANTraining(steps=8, batch=4, warmup_without_codes=2, l2_weight=1.0, save_every=1)


class Noise:
    """Clips of drifting stripes, a pure function of the step, as short as the config wants them."""

    def __init__(self, length: int = 4, size: int = 8):
        self.length, self.size = length, size

    def clips(
        self, step: int, batch_size: int, *, rank: int = 0, world_size: int = 1
    ) -> tuple[torch.Tensor, torch.Tensor]:
        count = batch_size * world_size
        phases = torch.rand(count, 1, 1, 1, 1, generator=torch_generator(0, "stripes", step))[rank::world_size] * 7
        t, y = torch.arange(self.length).view(-1, 1, 1, 1), torch.arange(self.size).view(-1, 1, 1)
        stripes = (torch.sin(phases + t / 2 + y) * 127 + 128).to(torch.uint8)
        return stripes.expand(batch_size, self.length, self.size, self.size, 3), torch.zeros(
            batch_size, dtype=torch.int64
        )


def stripes_tokens(clips: int = 32, classes: tuple[str, ...] = ("even", "odd")) -> TokenClips:
    labels = torch.arange(clips) % 2
    grid = torch.arange(2 * 2 * 2).view(2, 2, 2)
    tokens = (grid + labels.view(-1, 1, 1, 1)) % 8
    index = TokenIndex(clips=clips, codes=8, latent_shape=(2, 2, 2), classes=classes, vqgan="0" * 12)
    return TokenClips(tokens, labels, index)


def losses(run: Path, name: str) -> list[float]:
    return [json.loads(line)[f"loss/{name}"] for line in (run / "log.jsonl").read_text().splitlines()]


def first_stage(run: Path, steps: int = 8) -> list[float]:
    train_vqgan(TINY, TINY_TRAINING.replace(steps=steps, warmup_without_codes=min(2, steps - 1)), Noise(), run)
    return losses(run, "generator")


def first_stage_in_bfloat16(run: Path, steps: int = 8) -> list[float]:
    training = TINY_TRAINING.replace(steps=steps, precision="bfloat16", save_every=200)
    train_vqgan(TINY, training, Noise(), run)
    return losses(run, "generator")


def second_stage(run: Path, steps: int = 8) -> list[float]:
    tokens = stripes_tokens()
    training = TransformerTraining(steps=steps, batch=4, warmup=2, save_every=1, cosine_decay=False)
    train_transformer(gpt_config(tokens.index, layers=1, heads=2, width=16), training, tokens, run)
    return losses(run, "gpt")


@pytest.mark.parametrize("stage", [first_stage, first_stage_in_bfloat16, second_stage])
@pytest.mark.parametrize("stop", [1, 2, 3, 5])
def test_a_run_that_stopped_after_any_step_continues_with_bit_identical_losses(tmp_path, stage, stop, monkeypatch):
    # the learning rate of the first stage depends on the number of steps, so the stop is a Ctrl-C, not a shorter run
    unbroken = stage(tmp_path / "unbroken", 25)
    seen = []

    def stop_in_step(*args, **kwargs):
        seen.append(1)
        if len(seen) == stop:
            os.kill(os.getpid(), signal.SIGINT)
        return update(*args, **kwargs)

    update = loop.update
    monkeypatch.setattr(loop, "update", stop_in_step)
    with pytest.raises(Interrupted, match=f"after step {stop} of 25"):
        stage(tmp_path / "broken", 25)
    monkeypatch.setattr(loop, "update", update)
    assert len(losses(tmp_path / "broken", "gpt" if stage is second_stage else "generator")) == stop
    assert stage(tmp_path / "broken", 25) == unbroken


def test_resuming_a_resumed_run_is_exact_too(tmp_path, monkeypatch):
    unbroken, update = first_stage(tmp_path / "unbroken", 10), loop.update

    def stop_every_third(task, step, *rest):
        if step % 3 == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return update(task, step, *rest)

    monkeypatch.setattr(loop, "update", stop_every_third)
    for _ in range(3):
        with pytest.raises(Interrupted):
            first_stage(tmp_path / "broken", 10)
    monkeypatch.setattr(loop, "update", update)
    assert first_stage(tmp_path / "broken", 10) == unbroken


def test_both_stages_learn(tmp_path):
    first = first_stage(tmp_path / "vqgan", 60)
    assert sum(first[-5:]) < 0.5 * sum(first[:5])
    second = second_stage(tmp_path / "gpt", 60)
    assert second[-1] < 0.3 * second[0]


def test_the_finished_models_are_measured_on_held_out_data(tmp_path):
    vqgan = train_vqgan(TINY, TINY_TRAINING, Noise(), tmp_path / "vqgan")
    scores = evaluate_vqgan(vqgan, Noise(), batches=2, batch=4)
    assert scores["clips"] == 8 and 0 < scores["used_codes"] <= 1 and scores["psnr"] > 0
    tokens = stripes_tokens()
    gpt = train_transformer(
        gpt_config(tokens.index, 1, 2, 16), TransformerTraining(steps=2, batch=4), tokens, tmp_path / "gpt"
    )
    whole = evaluate_transformer(gpt, tokens, batch=32)
    assert evaluate_transformer(gpt, tokens, batch=5) == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("padding", ["zeros", "replicate", "circular", "valid"])
def test_every_padding_trains_and_reconstructs_the_clip_between_its_margins(tmp_path, padding):
    config = TINY.model_copy(update={"padding": padding})
    data = Noise(length=config.frames + sum(config.forward_margins))
    train_vqgan(config, TINY_TRAINING.model_copy(update={"steps": 3}), data, tmp_path)
    video = torch.zeros(1, 3, data.length, 8, 8)
    assert clip_within_margins(video, config).shape[2] == config.frames


def test_a_run_folder_of_another_architecture_is_refused_with_the_difference(tmp_path):
    first_stage(tmp_path, 2)
    with pytest.raises(UserError, match="hidden is 4 there and 8 here"):
        train_vqgan(TINY.replace(hidden=8), TINY_TRAINING, Noise(), tmp_path)


def test_a_run_folder_of_other_settings_is_refused_but_more_steps_are_welcome(tmp_path):
    first_stage(tmp_path, 6)
    with pytest.raises(UserError, match="seed is 0 there and 9 here"):
        train_vqgan(TINY, TINY_TRAINING.replace(steps=6, seed=9), Noise(), tmp_path)
    with pytest.raises(UserError, match="steps is 6 there and 4 here"):
        train_vqgan(TINY, TINY_TRAINING.replace(steps=4), Noise(), tmp_path)
    assert len(first_stage(tmp_path, 8)) == 8


def test_a_run_folder_of_other_tokens_is_refused(tmp_path):
    second_stage(tmp_path, 2)
    tokens = stripes_tokens()
    other = TokenClips(tokens.tokens, tokens.labels, tokens.index.replace(vqgan="1" * 12))
    training = TransformerTraining(steps=2, batch=4, warmup=2, save_every=1, cosine_decay=False)
    with pytest.raises(UserError, match="vqgan is 000000000000 there and 111111111111 here"):
        train_transformer(gpt_config(tokens.index, 1, 2, 16), training, other, tmp_path)


def test_the_evaluation_brings_the_tokens_to_where_the_model_is():
    gpt = GPT(gpt_config(stripes_tokens().index, 1, 2, 16)).to("meta")
    with pytest.raises(RuntimeError, match="item"):  # the only complaint left: a meta tensor has no value to report
        evaluate_transformer(gpt, stripes_tokens())


def test_a_warm_up_that_leaves_no_step_for_the_codebook_is_refused():
    with pytest.raises(ValueError, match="warmup_without_codes 20 leaves none of 20 steps"):
        VQGANTraining(steps=20, warmup_without_codes=20)


def test_drawing_initial_weights_leaves_the_callers_generator_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    second_stage(tmp_path, 1)
    assert torch.equal(torch.rand(1), expected)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_step_term_and_last_good_checkpoint(tmp_path):
    training = TINY_TRAINING.model_copy(update={"learning_rate": 1e30, "steps": 8})
    with pytest.raises(
        UserError, match=r"loss of the generator, .+ became (nan|inf) at step \d+; the last good checkpoint"
    ):
        train_vqgan(TINY, training, Noise(), tmp_path)
    assert newest(tmp_path) is not None


def test_a_lost_stretch_of_the_log_is_dropped_when_the_run_goes_on(tmp_path):
    first_stage(tmp_path, 4)
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 5, "loss/generator": 1.0}\n{"step": 6, "lo')
    entries = first_stage(tmp_path, 6)
    assert len(entries) == 6 and entries[4] != 1.0


def test_ctrl_c_in_a_real_process_saves_and_says_how_to_go_on(tmp_path):
    program = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from tests.test_training import TINY, TINY_TRAINING, Noise
from tatslib.training.train_vqgan import train_vqgan
training = TINY_TRAINING.model_copy(update={{"steps": 100000, "save_every": 100000}})
train_vqgan(TINY, training, Noise(), Path({str(tmp_path)!r}))
"""
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "log.jsonl").exists() or (tmp_path / "log.jsonl").stat().st_size == 0:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "Stopped by Ctrl-C after step" in errors and "Start the same command again to go on" in errors
    checkpoint = newest(tmp_path)
    assert checkpoint is not None and checkpoint.step == len(losses(tmp_path, "generator"))


def test_a_killed_run_goes_on_from_its_last_checkpoint_as_if_nothing_had_happened(tmp_path):
    settings = {"steps": 40, "save_every": 3}
    program = f"""
import sys, time; sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from tests.test_training import TINY, TINY_TRAINING, Noise
from tatslib.training import loop
from tatslib.training.train_vqgan import train_vqgan
update = loop.update
loop.update = lambda *rest: (time.sleep(0.02), update(*rest))[1]
train_vqgan(TINY, TINY_TRAINING.replace(**{settings}), Noise(), Path({str(tmp_path / "killed")!r}))
"""
    process = subprocess.Popen([sys.executable, "-c", program])
    deadline = time.monotonic() + 60
    while not (tmp_path / "killed" / "checkpoints" / "step_00000006").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert len(losses(tmp_path / "killed", "generator")) < 40
    for run in ("killed", "unbroken"):
        train_vqgan(TINY, TINY_TRAINING.replace(**settings), Noise(), tmp_path / run)
    assert losses(tmp_path / "killed", "generator") == losses(tmp_path / "unbroken", "generator")


def test_training_works_outside_the_main_thread_where_signals_cannot_be_handled(tmp_path):
    worker = threading.Thread(target=first_stage, args=(tmp_path, 2))
    worker.start()
    worker.join()
    assert len(losses(tmp_path, "generator")) == 2


def test_learning_rates_follow_their_shapes():
    assert [linear_tail(step, 10, 1.0, 0.5) for step in (0, 5, 6, 9)] == pytest.approx([1.0, 1.0, 0.8, 0.2])
    assert linear_tail(9, 10, 1.0, 0.0) == 1.0
    assert cosine(0, 10, 1.0, 2) == 0.5 and cosine(2, 10, 1.0, 2) == 1.0
    assert cosine(6, 10, 1.0, 2) == pytest.approx(0.5)


def test_wrong_settings_are_refused_with_the_offending_value():
    with pytest.raises(ValueError, match="steps"):
        VQGANTraining(steps=0)
    with pytest.raises(ValueError, match="learning_rte"):
        VQGANTraining(steps=1, learning_rte=1e-3)

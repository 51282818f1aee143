"""The opponents: videos of any length from noise, the same however they are asked for, and how they are trained."""

import json
import math
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tatslib.baselines.implicit import ImplicitConfig, ImplicitGenerator
from tatslib.baselines.judges import Judges, JudgesConfig
from tatslib.baselines.recurrent import RecurrentConfig, RecurrentGenerator
from tatslib.baselines.training import BaselineTask, BaselineTraining, evaluate_baseline, judges_of, train_baseline
from tatslib.errors import UserError
from tatslib.randomness import torch_generator
from tatslib.recipes.baselines import BaselineRecipe, baseline_recipes
from tatslib.training import loop
from tatslib.training.loop import Interrupted, Share
from tatslib.training.presets import PRESETS
from tests.test_training import Noise

SIZE = {"resolution": 8, "frames": 4, "classes": 2, "content": 4, "motion": 3}
IMPLICIT = ImplicitConfig(**SIZE, style=8, waves=8, width=8, layers=2)
RECURRENT = RecurrentConfig(**SIZE, state=6, width=8, smallest=4, window=3)
TRAINING = BaselineTraining(steps=6, batch=4, save_every=1, judge_width=4, penalty_every=2)
KINDS = ("implicit", "recurrent")


def new(kind: str, seed: int = 0) -> ImplicitGenerator | RecurrentGenerator:
    return ImplicitGenerator(IMPLICIT, seed) if kind == "implicit" else RecurrentGenerator(RECURRENT, seed)


def task(kind: str, **options: object) -> BaselineTask:
    return BaselineTask(new(kind), TRAINING.replace(**options), Noise(), torch.device("cpu"))


def run(kind: str, folder: Path, **options: object) -> tuple[nn.Module, list[dict[str, float]]]:
    trained = train_baseline(new(kind), TRAINING.replace(**options), Noise(), folder)
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return trained, [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


@pytest.mark.parametrize("kind", KINDS)
def test_frames_have_the_shape_and_the_range_of_videos_inside_models(kind):
    generator, stream = new(kind), torch_generator(0, "test")
    luck, times = generator.luck(5, stream), generator.times(5, stream)
    assert times.shape == (5, generator.frames_judged)
    assert bool((times.diff(dim=1) > 0).all()) and times.min() >= 0 and times.max() < 4
    frames = generator(luck, torch.tensor([0, 1, 0, 1, 0]), times)
    assert frames.shape == (5, 3, generator.frames_judged, 8, 8) and frames.abs().max() <= 0.5


def test_all_pairs_and_all_windows_of_a_clip_are_judged():
    pairs = new("implicit").times(400, torch_generator(0, "test"))
    assert {tuple(pair) for pair in pairs.tolist()} == {(a, b) for b in range(4) for a in range(b)}
    windows = new("recurrent").times(100, torch_generator(0, "test"))
    assert {tuple(window) for window in windows.tolist()} == {(0, 1, 2), (1, 2, 3)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frames", [1, 4, 5, 11])
def test_a_video_is_as_long_as_one_asks_and_its_beginning_does_not_depend_on_that(kind, frames):
    generator = new(kind)
    whole, part = generator.sample(3, 14, seed=5), generator.sample(3, frames, seed=5)
    assert part.shape == (3, frames, 8, 8, 3) and part.dtype == np.uint8
    assert np.array_equal(part, whole[:, :frames])


@pytest.mark.parametrize("kind", KINDS)
def test_a_video_depends_on_its_seed_its_number_and_its_class_and_not_on_its_neighbours(kind):
    generator, zeros = new(kind), torch.zeros(12, dtype=torch.int64)
    videos = generator.sample(12, 6, seed=5, labels=zeros)
    assert np.array_equal(videos, generator.sample(12, 6, seed=5, labels=zeros))
    fewer = generator.sample(2, 6, seed=5, labels=zeros[:2])
    assert np.abs(fewer.astype(int) - videos[:2]).max() <= 1  # sums of floats are split otherwise
    others = generator.sample(2, 6, seed=6, labels=zeros[:2]), generator.sample(2, 6, seed=5, labels=zeros[:2] + 1)
    for other in (videos[2:4], *others):
        assert np.abs(other.astype(int) - fewer).max() > 1


@pytest.mark.parametrize("kind", KINDS)
def test_long_videos_come_in_pieces_that_are_no_longer_than_a_clip(kind):
    pieces = list(new(kind).stream(2, 10, seed=0))
    assert [piece.shape[1] for piece in pieces] == [4, 4, 2]
    assert np.array_equal(np.concatenate(pieces, axis=1), new(kind).sample(2, 10, seed=0))


@pytest.mark.parametrize("kind", KINDS)
def test_the_piece_that_is_streamed_is_the_clip_that_training_makes(kind):
    generator, times = new(kind), torch.arange(4)[None]
    luck = generator.luck(1, torch_generator(5, f"baselines/{kind}/0"))
    if kind == "recurrent":  # noise of later frames comes piece by piece
        frames = torch.randn(4, 3, generator=torch_generator(5, "baselines/recurrent/0/frames", 0))
        luck.motion[0, 1:] = frames
    made = ((generator(luck, torch.tensor([0]), times) + 0.5) * 255).round()
    assert np.abs(made[0].permute(1, 2, 3, 0).detach().numpy() - generator.sample(1, 4, seed=5)[0]).max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_videos_move_and_go_on_moving(kind):
    video = new(kind).sample(1, 40, seed=0)[0].astype(int)
    assert (np.abs(np.diff(video, axis=0)).max(axis=(1, 2, 3)) > 0).all()


@pytest.mark.parametrize("labels", [torch.tensor([0]), torch.tensor([0, 2])])
def test_labels_that_do_not_fit_are_named(labels):
    with pytest.raises(UserError, match=r"2 videos need 2 labels from 0 to 1, got \[0"):
        new("implicit").sample(2, 4, seed=0, labels=labels)


def test_a_window_that_is_longer_than_a_clip_is_refused():
    with pytest.raises(ValueError, match="a window of 5 frames does not fit into a clip of 4"):
        RECURRENT.replace(window=5)


def test_maps_double_up_to_the_resolution_of_every_scale():
    sizes = {resolution: RecurrentConfig(resolution=resolution).sizes for resolution in (24, 64, 128)}
    assert sizes == {24: [6, 12, 24], 64: [8, 16, 32, 64], 128: [8, 16, 32, 64, 128]}


def test_the_judge_of_pairs_is_told_how_far_apart_they_are():
    judges = Judges(JudgesConfig(motion="pair", frames=2, clip_frames=4, resolution=8, width=4))
    frames = torch.arange(2 * 3 * 2).view(1, 3, 2, 2, 1).expand(1, 3, 2, 2, 2).float().transpose(2, 3)[:, :, :2]
    seen = judges.pair(frames, torch.tensor([[1, 3]]))
    assert seen.shape == (1, 7, 2, 2) and bool((seen[:, 6] == 0.5).all())
    assert torch.equal(seen[:, :3], frames[:, :, 0]) and torch.equal(seen[:, 3:6], frames[:, :, 1])


@pytest.mark.parametrize("kind", KINDS)
def test_judges_look_at_the_chosen_frame_the_class_and_the_order_of_frames(kind):
    judges = Judges(judges_of(new(kind), TRAINING))
    n = judges.config.frames
    frames = torch.rand(1, 3, n, 8, 8, generator=torch_generator(0, "test")) - 0.5
    times = torch.arange(n)[None]

    def judged(frames: torch.Tensor, label: int = 0, chosen: int = 0) -> dict[str, float]:
        logits = judges(frames, torch.tensor([label]), times, torch.tensor([chosen]))
        return {name: logit.item() for name, logit in logits.items()}

    plain = judged(frames)
    assert judged(frames, chosen=1)["image"] != plain["image"] and judged(frames, chosen=1)["motion"] == plain["motion"]
    assert all(judged(frames, label=1)[name] != plain[name] for name in plain)
    assert judged(frames.flip(2), chosen=n - 1)["image"] == pytest.approx(plain["image"])
    assert judged(frames.flip(2))["motion"] != plain["motion"]


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_all_parameters_of_the_side_whose_turn_it_is_and_no_other(kind):
    playing = task(kind)
    turns = playing.losses(0, Share(), {})
    sum(next(turns)[1].values()).backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in playing.generator.parameters())
    assert all(p.grad is None for p in playing.judges.parameters())
    playing.generator.zero_grad(set_to_none=True)
    terms = next(turns)[1]
    sum(terms.values()).backward()
    assert "penalty" in terms
    assert all(p.grad is not None for p in playing.judges.parameters())
    assert all(p.grad is None for p in playing.generator.parameters())


def test_the_penalty_is_the_slope_of_both_judges_and_comes_now_and_then():
    playing = task("implicit", penalty=3.0)
    playing.judges.requires_grad_(True)

    class Linear(nn.Module):
        def forward(self, frames, labels, times, chosen):
            total = frames.sum((1, 2, 3, 4))
            return {"image": 0.5 * total, "motion": 1.5 * total}

    playing.judges = Linear()
    real = torch.zeros(4, 3, 2, 8, 8)
    drawn = playing.draws(0, Share(), "judges")
    terms = playing.judges_terms(real, real.clone(), torch.zeros(4, dtype=torch.int64), drawn, 0, {})
    slope_squared = 2.0**2 * 3 * 2 * 8 * 8
    assert terms["penalty"].item() == pytest.approx(3.0 * 2 / 2 * slope_squared)
    assert "penalty" not in playing.judges_terms(real.detach(), real, drawn.chosen * 0, drawn, 1, {})


def test_what_a_step_draws_does_not_depend_on_how_its_batch_is_shared_out():
    playing = task("recurrent")
    whole = playing.draws(5, Share(), "generator")
    parts = [playing.draws(5, Share(index, 2), "generator") for index in range(2)]
    for name in ("times", "chosen"):
        joined = torch.stack([getattr(part, name) for part in parts], 1).flatten(0, 1)
        assert torch.equal(joined, getattr(whole, name))
    assert torch.equal(torch.stack([part.luck.motion for part in parts], 1).flatten(0, 1), whole.luck.motion)
    assert not torch.equal(playing.draws(5, Share(), "judges").luck.motion, whole.luck.motion)


def test_what_is_kept_is_the_running_mean_of_the_weights():
    playing = task("implicit", average=0.75)
    before = [p.detach().clone() for p in playing.average.parameters()]
    with torch.no_grad():
        for p in playing.generator.parameters():
            p.add_(1)
    playing.follow()
    for old, new_mean in zip(before, playing.average.parameters(), strict=True):
        assert torch.allclose(new_mean, old + 0.25, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_resumes_exactly(kind, tmp_path, monkeypatch):
    unbroken, log = run(kind, tmp_path / "unbroken")
    update, steps = loop.update, []

    def stop_in_third(*arguments):
        steps.append(1)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return update(*arguments)

    monkeypatch.setattr(loop, "update", stop_in_third)
    with pytest.raises(Interrupted):
        run(kind, tmp_path / "broken")
    monkeypatch.setattr(loop, "update", update)
    resumed, log_of_resumed = run(kind, tmp_path / "broken")
    assert log_of_resumed == log and len(log) == 6
    weights, others = unbroken.state_dict(), resumed.state_dict()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert not torch.equal(next(unbroken.parameters()), next(new(kind).parameters()))


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr("tatslib.baselines.training.generator_loss", lambda logits: logits.mean() * math.nan)
    with pytest.raises(UserError, match="In the loss of the generator, image gan became nan at step 1"):
        run("implicit", tmp_path)


def test_initial_weights_depend_on_the_seed_alone_and_leave_the_callers_generator_alone():
    torch.manual_seed(3)
    first = torch.rand(1)
    torch.manual_seed(3)
    models = [new(kind, seed) for kind in KINDS for seed in (0, 0, 1)]
    assert torch.equal(torch.rand(1), first)
    for same, again, other in (models[:3], models[3:]):
        assert all(torch.equal(a, b) for a, b in zip(same.parameters(), again.parameters(), strict=True))
        assert any(not torch.equal(a, b) for a, b in zip(same.parameters(), other.parameters(), strict=True))


def test_clips_are_measured_against_as_many_held_out_ones_of_the_same_classes():
    scores = evaluate_baseline(new("implicit"), Noise(length=4), batches=2, batch=80)
    assert scores["clips"] == 160 and scores["frechet"] > scores["frechet_real"] >= 0


@pytest.mark.parametrize("name", ["actions/implicit", "actions/recurrent"])
def test_the_recipes_follow_the_clips_of_the_preset_and_the_seed(name):
    for scale in ("toy", "paper"):
        recipe = baseline_recipes(PRESETS[scale], 3)[name]
        assert isinstance(recipe, BaselineRecipe) and recipe.needs == ("actions/videos",)
        clip = PRESETS[scale].vqgan
        assert (recipe.model.resolution, recipe.model.frames) == (clip.resolution, clip.frames)
        assert recipe.seed == recipe.training.seed == 3
    assert recipe.fingerprint != baseline_recipes(PRESETS["paper"], 4)[name].fingerprint

"""The studies of long videos at the size of a test: who makes videos, what is measured of them, what they merge to."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tatslib.errors import UserError
from tatslib.metrics.features import ClassifierConfig, ClipClassifier, RandomFeatures
from tatslib.studies import drift, hierarchy, long_videos
from tatslib.studies.drift import Ruler
from tatslib.studies.long_videos import Films
from tatslib.studies.results import Results
from tatslib.training.presets import PRESETS
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.videos import Video
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig
from tatslib.worlds import actions

TINY = VQGANConfig(
    frames=16, resolution=16, downsample=(4, 8, 8), hidden=8, encoder_blocks=0, decoder_blocks=1, codes=8, code_width=4
)
SHAPE = {"codes": 8, "layers": 1, "heads": 2, "width": 8}
FRAMES = 128


class Opponent(torch.nn.Module):
    def sample(self, batch: int, frames: int, seed: int, labels: torch.Tensor) -> Video:
        return noise(batch, frames, seed + int(labels.sum()))


def noise(videos: int, frames: int, seed: int = 0) -> Video:
    return np.random.default_rng(seed).integers(0, 256, (videos, frames, 16, 16, 3), dtype=np.uint8)


def classifier() -> ClipClassifier:
    return ClipClassifier(ClassifierConfig(classes=actions.CLASSES, frames=16, resolution=16, width=4)).eval()


def transformer(kind: str) -> GPT:
    told = 1 if kind.startswith("untold") else 6
    if kind.endswith("filler"):
        config: GPTConfig = InterpolationConfig(**SHAPE, condition_codes=told, latent_shape=(5, 2, 2))
    else:
        config = GPTConfig(**SHAPE, condition_codes=told, latent_shape=(4, 2, 2))
    return GPT(config).eval()


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Everything small and untrained; the list says which recipes were asked for."""
    asked = []

    def get(name: str, seed: int = 0) -> object:
        asked.append(f"{name}{seed or ''}")
        kind = name.partition("/")[2]
        if kind.startswith("vqgan"):
            return SimpleNamespace(model=VQGAN(TINY).eval())
        if kind.startswith("gpt"):
            return SimpleNamespace(model=transformer(kind.removeprefix("gpt-")))
        return SimpleNamespace(model=Opponent())

    def ruler(clips: int) -> Ruler:
        shown = noise(60, 16, seed=1)
        return Ruler(shown, noise(20, 16, 2), torch.zeros(20), RandomFeatures(4).fit(shown), classifier())

    for module in (long_videos, drift, hierarchy):
        monkeypatch.setattr(module, "recipes", SimpleNamespace(get=get))
    monkeypatch.setattr(long_videos, "ruler", ruler)
    small = PRESETS["toy"].replace(vqgan=TINY)
    monkeypatch.setattr(long_videos, "PRESETS", {"toy": small})
    for name, value in {"FRAMES": FRAMES, "VIDEOS_A_CLASS": 2, "BLOCK": 4}.items():
        monkeypatch.setattr(long_videos, name, value)
    return asked


@pytest.mark.parametrize("arm", [name for arms in long_videos.ARMS.values() for name in arms])
def test_every_arm_makes_videos_of_each_class_and_of_the_length(tiny, arm: str) -> None:
    made = long_videos.films(arm, seed=1, videos=1, frames=16)
    assert made.frames.shape == (6, 16, 16, 16, 3) and made.frames.dtype == np.uint8
    assert made.labels.tolist() == list(range(6))
    if made.tokens is not None:
        assert made.tokens.shape == (6, 4, 2, 2)


def test_vanilla_and_base_differ_in_tokenizer_and_transformer_and_in_nothing_else(tiny) -> None:
    long_videos.films("vanilla-3", frames=16)
    assert tiny == ["actions/gpt-zeros", "actions/vqgan-zeros"]
    tiny.clear()
    long_videos.films("base-3", frames=16)
    assert tiny == ["actions/gpt-replicate", "actions/vqgan-replicate"]


@pytest.mark.parametrize("arm", [name for arms in long_videos.ARMS.values() for name in arms if name != "real"])
def test_another_seed_is_another_training_of_every_model(tiny, arm: str) -> None:
    long_videos.films(arm, seed=2, frames=16)
    assert tiny and all(name.endswith("2") for name in tiny)


def test_videos_of_a_class_stand_together() -> None:
    assert long_videos.labels_of(2).tolist() == [k // 2 for k in range(12)]


def test_real_videos_differ_between_seeds_and_are_the_same_for_one(tiny) -> None:
    one, again, other = (long_videos.real(seed, 1, 16).frames for seed in (0, 0, 1))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert not np.array_equal(one[0, 0], one[0, -1])


def test_a_long_video_drawn_in_pieces_is_the_video_drawn_whole(tiny) -> None:
    def numbered(frames: range) -> Video:
        return np.stack([np.full((16, 16, 3), frame, np.uint8) for frame in frames])

    assert long_videos.in_pieces(numbered, 100)[:, 0, 0, 0].tolist() == list(range(100))


def test_a_study_measures_each_of_its_arms_along_the_whole_length(tiny) -> None:
    base = long_videos.run({"base-1": long_videos.window("replicate", 1)}, 0)["base-1"]
    assert len(base["ccs"]) == 8 and len(base["named"]) == len(base["nearest"]) == 2
    assert len(base["again"]) == min(long_videos.LONGEST_LAG, FRAMES // 2)
    assert set(base["quality"]) == {"random", "classifier"}
    assert {"named", "ccs", "random_change"} <= set(base["late"])
    assert base["later"]["nearest"] == pytest.approx(base["nearest"][1] - base["nearest"][0])
    assert 0 <= base["broken"] <= 1 and base["lasts"] <= FRAMES


def test_each_window_has_its_own_place_on_the_curves_of_single_windows(tiny) -> None:
    made = long_videos.films("base-3", seed=1, videos=2, frames=FRAMES)
    numbers = long_videos.measure(made, long_videos.ruler(0), limit=1.0)
    each = numbers["each"]
    assert {name: len(curve) for name, curve in each.items()} == dict.fromkeys(
        ("nearest", "motion", "colour", "kernel"), FRAMES // 16
    )
    for name in ("nearest", "motion", "colour"):
        assert np.mean(each[name]) == pytest.approx(np.mean(numbers[name]), rel=1e-5)


def test_what_is_nearest_is_looked_for_once_and_is_what_the_evaluation_finds_by_itself(tiny, monkeypatch) -> None:
    made, rods = Films(noise(12, 64, seed=3), None), long_videos.ruler(0)
    asked, search = [], long_videos.long.nearest_real

    def nearest_real(*videos: Video) -> torch.Tensor:
        asked.append(len(videos[0]))
        return search(*videos)

    monkeypatch.setattr(long_videos.long, "nearest_real", nearest_real)
    numbers = long_videos.measure(made, rods, limit=60.0)
    assert asked == [12]
    networks = {"random": rods.random, "classifier": rods.classifier}
    alone = long_videos.long.evaluate(made.frames, rods.real, networks, rods.classifier, limit=60.0, together=4)
    assert asked == [12, 12]
    assert all(numbers[name] == pytest.approx(alone[name]) for name in ("nearest", "broken", "lasts", "ccs", "jump"))
    assert numbers["each"]["nearest"] == pytest.approx(search(made.frames, rods.real).mean(0).tolist())


def test_tokens_that_stand_still_are_told_apart_by_whether_the_video_is_broken() -> None:
    tokens = torch.arange(2 * 8 * 4).view(2, 8, 2, 2)
    tokens[0, 4:] = tokens[0, 4]  # stands still in its second half
    assert long_videos.still_tokens(tokens, torch.tensor([True, False])) == {"all": 0.5, "broken": 1, "unbroken": 0}
    assert long_videos.still_tokens(tokens, torch.tensor([False, False]))["broken"] is None


@pytest.mark.parametrize("arm", long_videos.UNTOLD)
def test_who_was_never_told_a_class_is_asked_for_none_and_judged_all_the_same(tiny, arm: str) -> None:
    made = long_videos.films(arm, seed=1, videos=2, frames=FRAMES)
    assert made.labels is None and made.frames.shape[:2] == (12, FRAMES)
    numbers = long_videos.measure(made, long_videos.ruler(0), limit=1.0)
    assert "named" not in numbers and len(numbers["ccs"]) == FRAMES // 16


def test_videos_that_turn_into_noise_are_counted_as_broken_and_last_until_then(tiny) -> None:
    rods = long_videos.ruler(0)
    good = np.concatenate([rods.real[:12], rods.real[12:24], rods.real[24:36]], axis=1)
    numbers = long_videos.measure(Films(np.concatenate([good, noise(12, 80, seed=9)], axis=1), None), rods, limit=1.0)
    assert numbers["broken"] == 1 and numbers["lasts"] == 48 and numbers["unique"] == 1


def test_the_limit_of_a_good_window_is_what_one_in_a_hundred_held_out_clips_exceeds(tiny, monkeypatch) -> None:
    monkeypatch.setattr(long_videos, "through_tokenizer", lambda vqgan, clips: (None, clips))
    monkeypatch.setattr(long_videos, "nearest_real_distance", lambda clips, real: np.arange(101.0))
    assert long_videos.limit_of(VQGAN(TINY), long_videos.ruler(0)) == 99


def test_the_studies_are_merged_for_tables_by_the_seeds_they_share(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, scale: str) -> Results:
        if name == "missing":
            raise UserError("there are no results")
        arms = long_videos.ARMS[name]
        seeds = (0, 1, 2) if name == "long-base" else (0, 1)
        return Results(name, "protocol", {}, {seed: {arm: {"broken": seed} for arm in arms} for seed in seeds})

    monkeypatch.setattr(long_videos, "load", load)
    merged = long_videos.together()
    assert list(merged.seeds) == [0, 1] and merged.values("planned/broken") == [0, 1]
    assert {study.name for study in long_videos.studies()} == {*long_videos.ARMS, "long-untold"}

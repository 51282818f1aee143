"""The study of hierarchies at the size of a test: what is sampled, what is measured, and by which arms."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tatslib.baselines.implicit import ImplicitConfig, ImplicitGenerator
from tatslib.baselines.recurrent import RecurrentConfig, RecurrentGenerator
from tatslib.metrics.features import ClassifierConfig, ClipClassifier, RandomFeatures
from tatslib.studies import drift, hierarchy
from tatslib.studies.drift import LongVideos, Ruler
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig

TINY = VQGANConfig(
    frames=8, resolution=16, downsample=(2, 8, 8), hidden=8, encoder_blocks=0, decoder_blocks=1, codes=8, code_width=4
)
SHAPE = {"codes": 8, "condition_codes": 2, "layers": 1, "heads": 2, "width": 8}
OPPONENTS = {
    "implicit": ImplicitGenerator(ImplicitConfig(resolution=16, frames=8, width=8)),
    "recurrent": RecurrentGenerator(RecurrentConfig(resolution=16, frames=8, width=8)),
}
WINDOWS = {"sparsest": 3, "sparse": 4, "replicate": 4, "pieces": 4}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(name: str, seed: int = 0) -> object:
        kind = name.removeprefix("actions/")
        if kind == "vqgan-replicate":
            return SimpleNamespace(model=VQGAN(TINY).eval())
        if kind == "tokens-replicate":
            return SimpleNamespace(train=SimpleNamespace(tokens=torch.zeros(4, 4, 2, 2, dtype=torch.int32)))
        if kind == "classifier":
            return SimpleNamespace(model=classifier())
        if kind in OPPONENTS:
            return SimpleNamespace(model=OPPONENTS[kind].eval())
        window = WINDOWS.get(kind.removeprefix("gpt-"))
        config = (
            GPTConfig(**SHAPE, latent_shape=(window, 2, 2))
            if window
            else InterpolationConfig(**SHAPE, latent_shape=(5, 2, 2))
        )
        return SimpleNamespace(model=GPT(config).eval(), scores={"nll": 1.0})

    def ruler(clips: int) -> Ruler:
        real = clips_of(40, 8, seed=1)
        return Ruler(real, clips_of(clips, 8, 2), torch.zeros(clips), RandomFeatures(4).fit(real), classifier())

    for module in (drift, hierarchy):
        monkeypatch.setattr(module, "recipes", SimpleNamespace(get=get))
        monkeypatch.setattr(module, "ruler", ruler)
    monkeypatch.setattr(hierarchy, "VIDEOS_A_CLASS", 5)


def classifier() -> ClipClassifier:
    return ClipClassifier(ClassifierConfig(classes=("a", "b"), frames=8, resolution=16, width=4)).eval()


def clips_of(count: int, frames: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, frames, 16, 16, 3), dtype=np.uint8)


def test_every_arm_makes_videos_of_the_length_and_is_measured_by_every_ruler(tiny, monkeypatch) -> None:
    monkeypatch.setattr(hierarchy, "FRAMES", 64)
    numbers = hierarchy.run_hierarchy(0)
    assert set(numbers) == {"nll", "base-3", "base-1", "two-levels", "three-levels"}
    assert set(numbers["nll"]) == {"replicate", "sparse", "filler", "sparsest", "filler-sparse"}
    for name in ("base-3", "three-levels"):
        windows = numbers[name]["windows"]
        assert len(windows["nearest"]) == 8 and len(windows["ccs"]) == 7 and len(windows["random"]) == 2
        assert set(hierarchy.RULERS) == set(windows) and 0 <= numbers[name]["ccs_area"] <= 1


def test_controls_differ_from_the_arms_beside_them_in_training_clips_or_in_the_context_of_the_plan(tiny, monkeypatch):
    monkeypatch.setattr(hierarchy, "FRAMES", 64)
    asked: list[tuple[str, int | None]] = []
    real_base, real_planned = hierarchy.base, hierarchy.planned

    def base(seed, context, filters=hierarchy.FILTERS, trained_on="replicate"):
        asked.append((trained_on, context))
        return real_base(seed, context, filters, trained_on)

    def planned(seed, levels, filters=hierarchy.FILTERS, context=None):
        asked.append(("planned", context))
        return real_planned(seed, levels, filters, context)

    monkeypatch.setattr(hierarchy, "base", base)
    monkeypatch.setattr(hierarchy, "planned", planned)
    numbers = hierarchy.run_controls(0)
    assert set(numbers) == {"nll", "pieces-3", "pieces-1", "two-levels-1"} and set(numbers["nll"]) == {"pieces"}
    assert asked == [("pieces", 3), ("pieces", 1), ("planned", 1)]


def test_options_and_speed_name_what_they_ran(tiny, monkeypatch) -> None:
    monkeypatch.setattr(hierarchy, "OPTION_FRAMES", 64)
    monkeypatch.setattr(hierarchy, "SPEED_FRAMES", 64)
    monkeypatch.setattr(hierarchy, "ROUNDS", 1)
    assert "hierarchical-fill-greedy" in hierarchy.run_options(0)
    speed = hierarchy.run_speed(0)
    assert speed["steps"] == {"base": 128, "two-levels-1": (9 + 24) * 4, "two-levels-16": 48, "two-levels-64": 48}
    assert set(speed["seconds"]) > {"base-3", "two-levels-1", "three-levels-64", "plan", "decode", *OPPONENTS}
    assert all(seconds > 0 for seconds in speed["seconds"].values())


def test_a_video_that_stands_still_and_keeps_its_class_is_coherent_and_has_no_motion(tiny) -> None:
    still = np.repeat(clips_of(10, 1, seed=3), 64, axis=1)
    long = LongVideos(still, torch.zeros(10, 32, 2, 2, dtype=torch.int64), torch.zeros(10, dtype=torch.int64))
    trained_on = SimpleNamespace(tokens=torch.zeros(4, 4, 2, 2, dtype=torch.int32))
    numbers = hierarchy.measure(long, SimpleNamespace(model=VQGAN(TINY).eval()), trained_on)
    assert numbers["ccs"] == [1.0] * 7 and numbers["motion"] == [0.0] * 8 and numbers["token_js"] == [0.0] * 8
    assert max(map(abs, numbers["ics"])) < 1e-6
    assert hierarchy.summary(numbers)["ccs_area"] == pytest.approx(1)

"""The study of short clips: real clips that are measured against themselves, and what is said of it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tatslib.evaluation.measures import Draw
from tatslib.metrics.features import ClassifierConfig, ClipClassifier, RandomFeatures, classify, clip_features
from tatslib.randomness import numpy_generator
from tatslib.studies import short_skies, short_videos
from tatslib.studies.short_videos import CLIPS, OPPONENTS, REPEATS, TOKENIZERS, Ruler, floor, measure

CLIPS_HERE = 60


@pytest.fixture(scope="module")
def rods() -> Ruler:
    """A ruler whose every draw is the same clips."""
    shape = (CLIPS_HERE, 8, 16, 16, 3)
    level = numpy_generator(0, "levels").integers(0, 200, (CLIPS_HERE, 1, 1, 1, 3), dtype=np.uint8)
    clips = level + numpy_generator(0, "noise").integers(0, 50, shape, dtype=np.uint8)
    classifier = ClipClassifier(ClassifierConfig(classes=("a", "b", "c"), frames=8, resolution=16, width=8)).eval()
    networks = {"classifier": classifier, "random": RandomFeatures(4).fit(clips)}
    real = {
        name: [Draw(clip_features(network, clips), range(CLIPS_HERE))] * (REPEATS + 1)
        for name, network in networks.items()
    }
    labels = classify(classifier, clips)
    return Ruler(SimpleNamespace(), networks, classifier, real, labels, clips, labels, list(range(CLIPS_HERE)))


def test_real_clips_against_themselves_score_nothing_and_are_all_named(rods):
    found = measure(rods.held_out, rods.held_out_labels, rods)
    for name in rods.networks:
        assert found[name]["frechet"] == pytest.approx(0, abs=1e-6) and found[name]["kernel"] < 1e-9
        assert found[name]["frechet_spread"] == pytest.approx(0, abs=1e-9)
    assert found["named"] == 1 and found["motion"] > 0
    assert floor(rods)["random"]["frechet"] == pytest.approx(0, abs=1e-6)


def test_other_clips_score_more_and_their_error_counts_videos_and_not_clips(rods):
    darker = (rods.held_out * 0.7).astype(np.uint8)
    found = measure(darker, rods.held_out_labels, rods)
    assert found["random"]["frechet"] > 3 * found["random"]["frechet_error"] > 0
    clustered = darker[:20].repeat(3, 0)
    apart, together = (
        measure(clustered, rods.held_out_labels, rods, videos) for videos in (None, [clip // 3 for clip in range(60)])
    )
    assert together["random"]["frechet_error"] > apart["random"]["frechet_error"]


def test_labels_are_drawn_from_the_prior_and_opponents_are_asked_for_them(monkeypatch):
    asked = []

    def sample(batch, frames, seed, labels):
        asked.append((batch, frames, seed, labels.tolist()))
        return np.zeros((batch, frames, 4, 4, 3), np.uint8)

    model = SimpleNamespace(model=SimpleNamespace(sample=sample))
    monkeypatch.setattr(short_videos.recipes, "get", lambda name, seed: model if seed == 1 else None)
    for arm in OPPONENTS:
        assert short_videos.made_clips(arm, 2, torch.tensor([5, 0, 5]), training=1).shape[0] == 3
    assert asked == [(3, 16, 2, [5, 0, 5])] * 2


def test_the_protocol_says_what_is_done():
    (study,) = short_videos.studies()
    assert str(CLIPS) in study.protocol and str(REPEATS) in study.protocol
    assert all(name in study.protocol.lower() for name in (*TOKENIZERS, *OPPONENTS, "held_out", "rebuilt", "floor"))


@pytest.mark.parametrize(("world", "words"), [("sky", "skies"), ("taichi", "every fourth frame")])
def test_worlds_without_classes_are_measured_without_what_only_classes_have(rods, monkeypatch, world, words):
    asked = []

    def made(arm, seed, labels, training, world):
        asked.append((arm, seed, training, world))
        return rods.held_out

    monkeypatch.setattr(short_skies, "ruler", {world: rods}.__getitem__)
    monkeypatch.setattr(short_skies, "made_clips", made)
    monkeypatch.setattr(short_skies, "recipes", SimpleNamespace(get=lambda name, seed: SimpleNamespace(model=name)))
    monkeypatch.setattr(short_skies, "through_tokenizer", lambda model, clips: (None, clips))
    study = {study.name: study for study in short_skies.studies()}[{"sky": "short-skies"}.get(world, f"short-{world}")]
    numbers = study.run(2)
    assert set(numbers) == {"floor", "held_out", "rebuilt_replicate", "replicate", "implicit"}
    assert all(set(numbers[arm]) == {"classifier", "random", "motion"} for arm in numbers if arm != "floor")
    assert asked == [("replicate", 2, 2, world), ("implicit", 2, 2, world)]
    assert words in study.protocol

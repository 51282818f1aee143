"""What limits the method, on small things: sets of clips, what they are held against, how short trainings are made."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tatslib.metrics.features import ClassifierConfig, ClipClassifier, RandomFeatures
from tatslib.studies import drift, limits
from tatslib.studies.drift import Ruler
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.vqgan.vqgan import VQGAN
from tests.test_equivariance import SMALL
from tests.test_second_stage_studies import noise


@pytest.fixture
def rods(monkeypatch) -> Ruler:
    training, held_out = noise(140).numpy(), noise(100).numpy()[::-1].copy()
    torch.manual_seed(0)
    classifier = ClipClassifier(ClassifierConfig(classes=("a", "b"), width=8)).eval()
    rods = drift.Ruler(training, held_out, torch.arange(100) % 2, RandomFeatures(4).fit(training), classifier)
    monkeypatch.setattr(limits, "ruler", lambda clips: rods)
    monkeypatch.setattr(limits, "originals", lambda seed: (rods.real[:100], torch.arange(100) % 2))
    limits.clips_of.cache_clear()
    return rods


def test_clips_of_the_training_set_are_no_distance_away_and_darker_ones_are(rods):
    same, darker = limits.distances(rods.real, rods), limits.distances(rods.real // 4, rods)
    assert same["classifier"] == pytest.approx(0, abs=1e-6) and same["random"] == pytest.approx(0, abs=1e-6)
    assert darker["random"] > same["random"] + 1e-3
    assert all(darker[name] > same[name] for name in ("classifier", "kernel"))


def test_each_set_comes_from_the_models_its_name_says(rods, monkeypatch):
    asked: list[str] = []
    vqgan = VQGAN(SMALL).eval()
    config = GPTConfig(
        codes=SMALL.codes, condition_codes=2, latent_shape=SMALL.latent_shape, layers=1, heads=1, width=4
    )

    def get(name: str, seed: int = 0) -> SimpleNamespace:
        asked.append(f"{name}{seed or ''}")
        return SimpleNamespace(model=GPT(config).eval() if "gpt" in name else vqgan)

    monkeypatch.setattr(limits.recipes, "get", get)
    monkeypatch.setattr(limits, "through_tokenizer", lambda model, clips: (None, clips))
    monkeypatch.setattr(limits, "draw", lambda gpt, tokenizer, words, filters, seed: (filters, words))
    assert limits.clips_of("held-out", 0) is rods.held_out
    real = limits.clips_of("real", 0)
    assert np.array_equal(real, rods.real[:100]) and asked == []
    assert np.array_equal(limits.clips_of("rebuilt-short", 0), real) and asked == ["actions/study-replicate"]
    filters, words = limits.clips_of("drawn-plain-p80", 0)
    assert filters.top_p == 0.8 and words.tolist() == [0, 1] * 50
    assert asked[-2:] == ["actions/vqgan-replicate", "actions/gpt-replicate"]
    assert limits.clips_of("drawn-zeros", 0)[0].top_p is None
    assert asked[-2:] == ["actions/vqgan-zeros", "actions/gpt-zeros"]
    limits.clips_of("drawn-plain", 0, training=2)
    assert asked[-2:] == ["actions/vqgan-replicate2", "actions/gpt-replicate2"]
    limits.clips_of.cache_clear()


def test_drawn_clips_are_as_many_and_as_long_as_asked():
    config = GPTConfig(
        codes=SMALL.codes, condition_codes=2, latent_shape=SMALL.latent_shape, layers=1, heads=1, width=4
    )
    tokenizer, words = SimpleNamespace(model=VQGAN(SMALL).eval()), torch.tensor([0, 1, 1])
    one, again = (limits.draw(GPT(config).eval(), tokenizer, words, limits.FILTERS[""], 3) for _ in range(2))
    assert one.shape == (3, SMALL.frames, SMALL.resolution, SMALL.resolution, 3) and one.dtype == np.uint8
    assert one.shape == again.shape


def test_every_set_that_the_protocol_names_is_measured(rods, monkeypatch):
    monkeypatch.setattr(limits, "clips_of", lambda kind, seed, training: rods.held_out)
    monkeypatch.setattr(limits.recipes, "get", lambda name, seed: SimpleNamespace(scores={"psnr": 20.0 + seed}))
    numbers = limits.run(1)
    assert set(numbers["psnr"].values()) == {21.0}  # of that training
    assert set(numbers) == {*limits.SETS, "psnr"} and set(numbers["psnr"]) == set(limits.TOKENIZERS)
    (study,) = limits.studies()
    assert all(word in study.protocol for word in ("real:", "held-out:", "rebuilt:", "drawn:", "p80:"))

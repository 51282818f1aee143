"""Distances between sets of tokens and of clips, against values that can be worked out by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tatslib.errors import UserError
from tatslib.metrics.divergence import jensen_shannon, token_histogram
from tatslib.metrics.features import ClassifierConfig, ClipClassifier, RandomFeatures, clip_features, windows
from tatslib.metrics.frechet import frechet_distance
from tatslib.randomness import torch_generator
from tatslib.training.checkpoint import load_model, read_config
from tatslib.training.train_classifier import ClassifierTraining, evaluate_classifier, train_classifier


def test_histograms_are_shares_and_refuse_what_is_no_code() -> None:
    assert token_histogram(torch.tensor([[0, 2], [2, 2]]), 4).tolist() == [0.25, 0, 0.75, 0]
    with pytest.raises(UserError, match="tokens run from 0 to 4, but there are only codes 0 to 3"):
        token_histogram(torch.tensor([0, 4]), 4)
    with pytest.raises(UserError, match="no tokens"):
        token_histogram(torch.zeros(0, dtype=torch.int64), 4)


def test_jensen_shannon_is_zero_for_equal_and_log_2_for_disjoint_histograms() -> None:
    p, q = torch.tensor([[0.5, 0.5, 0, 0], [0, 0, 0.25, 0.75]], dtype=torch.float64)
    assert jensen_shannon(p, p) == pytest.approx(0, abs=1e-15)
    assert jensen_shannon(p, q) == pytest.approx(math.log(2))
    assert jensen_shannon(p, q) == jensen_shannon(q, p)


def gaussian(clips: int, dimensions: int, shift: float = 0.0, scale: float = 1.0) -> torch.Tensor:
    x = torch.randn(clips, dimensions, generator=torch_generator(0, "test/features"), dtype=torch.float64)
    return (x - x.mean(0)) * scale + shift


def test_the_frechet_distance_of_shifted_and_scaled_features_is_the_closed_form() -> None:
    x = gaussian(400, 4)
    variances = x.var(0).sum().item()
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x + 3) == pytest.approx(4 * 9, rel=1e-6)
    assert frechet_distance(x, 2 * x) == pytest.approx(variances, rel=1e-5)  # (2 - 1)^2 times the variances


def test_too_few_clips_for_a_frechet_distance_are_refused() -> None:
    with pytest.raises(UserError, match="at least 10 clips for each"):
        frechet_distance(gaussian(39, 4), gaussian(400, 4))


def clips(count: int, level: int) -> np.ndarray:
    noise = torch.randint(0, 60, (count, 16, 24, 24, 3), generator=torch_generator(level, "test/clips"))
    return (noise + level).to(torch.uint8).numpy()


def test_random_features_are_standardised_and_the_same_every_time() -> None:
    real = clips(40, 50)
    first, second = (clip_features(RandomFeatures(8, seed=3).fit(real), real) for _ in range(2))
    assert torch.equal(first, second)
    assert first.mean(0).abs().max() < 1e-5 and torch.allclose(first.std(0), torch.ones(8), atol=1e-4)
    refitted = RandomFeatures(8, seed=3).fit(clips(40, 150)).fit(real)
    assert torch.equal(clip_features(refitted, real), first)
    other = clip_features(RandomFeatures(8, seed=3).fit(real), clips(40, 150))
    assert (other.mean(0).abs() > 3).any()


class TwoLevels:
    """Dark clips of class 0, bright ones of class 1."""

    def clips(
        self, step: int, batch_size: int, *, rank: int = 0, world_size: int = 1
    ) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.arange(batch_size) % 2
        batch = [clips(1, 30 + 120 * int(label) + step % 7) for label in labels]
        return torch.from_numpy(np.concatenate(batch)), labels


def test_the_classifier_learns_what_can_be_learnt_and_is_saved(tmp_path: Path) -> None:
    config = ClassifierConfig(classes=("dark", "bright"))
    training = ClassifierTraining(steps=30, batch=8, precision="float32")
    classifier = train_classifier(config, training, TwoLevels(), tmp_path)
    assert evaluate_classifier(classifier, TwoLevels(), batches=1, batch=16) == 1.0
    assert (tmp_path / "config.json").is_file() and (tmp_path / "model.safetensors").is_file()
    assert clip_features(classifier, clips(3, 40)).shape == (3, config.width)
    loaded = ClipClassifier(read_config(tmp_path, ClassifierConfig))
    load_model(tmp_path, loaded)
    assert torch.equal(clip_features(loaded, clips(3, 40)), clip_features(classifier, clips(3, 40)))


def test_windows_are_cut_side_by_side() -> None:
    video = np.arange(2 * 6).reshape(2, 6, 1, 1, 1)
    assert windows(video, 3)[1, 1].flatten().tolist() == [9, 10, 11]

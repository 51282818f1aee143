"""Fréchet and kernel distances, inception scores and how sure they are: closed forms, another library, properties."""

import math
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

from tatslib.errors import UserError
from tatslib.metrics.frechet import frechet_between, frechet_distance, gaussian
from tatslib.metrics.inception import inception_scores, inception_sums
from tatslib.metrics.kernel import kernel_distance
from tatslib.metrics.moments import merged, moments
from tatslib.metrics.uncertainty import bootstrap_interval, by_count, extrapolated
from tatslib.randomness import torch_generator

any_distance = partial(frechet_distance, clips_per_dimension=0)


def features(clips: int, dimensions: int, seed: int = 0) -> Tensor:
    generator = torch_generator(seed, "test/features")
    mix = torch.randn(dimensions, dimensions, generator=generator, dtype=torch.float64)
    return torch.randn(clips, dimensions, generator=generator, dtype=torch.float64) @ mix + seed


def chances(clips: int, classes: int, seed: int = 0) -> Tensor:
    return (3 * torch.randn(clips, classes, generator=torch_generator(seed, "test/chances"))).double().softmax(1)


class Given(torch.nn.Module):
    """The feature network of somebody who brings features."""

    num_features = 5

    def forward(self, x: Tensor) -> Tensor:
        return x


def quietly(metric: type, **settings: object) -> torch.nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it keeps all features
        return metric(feature=Given(), **settings)


# -------------------------------------------------------------------------------------------------- means, covariances
@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.integers(0, 5))
def test_moments_do_not_depend_on_how_the_clips_are_divided(sizes: list[int], seed: int) -> None:
    x = 1e4 + features(sum(sizes), 3, seed)
    whole, pieces = moments(x), merged(moments(part) for part in x.split(sizes))
    assert pieces.clips == whole.clips
    torch.testing.assert_close(pieces.mean, whole.mean)
    torch.testing.assert_close(pieces.scatter, whole.scatter, rtol=1e-9, atol=1e-6)


def test_the_covariance_is_the_unbiased_one_in_float64_far_from_zero_too() -> None:
    x = 1e6 + features(50, 4).float()
    np.testing.assert_allclose(moments(x).covariance, np.cov(x.double().numpy(), rowvar=False), rtol=1e-10)


def test_what_has_no_moments_is_refused() -> None:
    with pytest.raises(UserError, match="1 clips have no covariance"):
        _ = moments(torch.ones(1, 3)).covariance
    with pytest.raises(UserError, match="no features"):
        merged([])
    with pytest.raises(UserError, match="of 2 and of 3 dimensions"):
        merged([moments(torch.ones(4, 2)), moments(torch.ones(4, 3))])
    with pytest.raises(UserError, match="finite"):
        moments(torch.tensor([[math.nan]]))


# ------------------------------------------------------------------------------------------------------------- Fréchet
def test_the_frechet_distance_agrees_with_torchmetrics_and_with_eigenvalues() -> None:
    a, b = features(80, 5), features(60, 5, seed=1)
    theirs = FrechetInceptionDistance(feature=Given()).set_dtype(torch.float64)
    theirs.update(a, real=True)
    theirs.update(b, real=False)
    found = frechet_distance(a, b)
    assert found == pytest.approx(float(theirs.compute()), rel=1e-9)
    s, t = (np.cov(x.numpy(), rowvar=False) for x in (a, b))
    cross = np.sqrt(np.linalg.eigvals(s @ t).astype(complex)).real.sum()
    by_hand = ((a.mean(0) - b.mean(0)) ** 2).sum().item() + np.trace(s) + np.trace(t) - 2 * cross
    assert found == pytest.approx(by_hand, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.integers(1, 20), st.integers(0, 9))
def test_the_frechet_distance_is_symmetric_never_negative_and_zero_for_equal_sets(
    clips: int, others: int, dimensions: int, seed: int
) -> None:
    a, b = features(clips, dimensions, seed), features(others, dimensions, seed + 1)
    scale = float(a.square().sum() + b.square().sum())
    assert any_distance(a, b) >= 0
    assert any_distance(a, b) == pytest.approx(any_distance(b, a), abs=1e-9 * scale)
    assert any_distance(a, a) == pytest.approx(0, abs=1e-6 * scale)  # rank-deficient where there are few clips
    turn = torch.linalg.qr(features(dimensions, dimensions, seed + 2)).Q
    assert any_distance(a @ turn, b @ turn) == pytest.approx(any_distance(a, b), abs=1e-6 * scale)


def test_the_frechet_distance_of_gathered_moments_is_that_of_all_features() -> None:
    a, b = features(80, 5), features(60, 5, seed=1)
    pieces = merged(moments(part) for part in b.split(7))
    found = frechet_between(gaussian(moments(a)), gaussian(pieces))
    assert found == pytest.approx(frechet_distance(a, b), rel=1e-12)
    with pytest.raises(UserError, match="5 and 4 dimensions"):
        frechet_between(gaussian(moments(a)), gaussian(moments(b[:, :4])))


def test_the_papers_own_protocol_has_to_be_asked_for() -> None:
    with pytest.raises(UserError, match="at least 10 clips"):
        frechet_distance(features(20, 5), features(20, 5))
    assert frechet_distance(features(20, 5), features(20, 5), clips_per_dimension=4) == pytest.approx(0, abs=1e-9)


# -------------------------------------------------------------------------------------------------------------- kernel
def test_the_kernel_distance_agrees_with_torchmetrics() -> None:
    a, b = features(30, 5), features(30, 5, seed=1)
    theirs = quietly(KernelInceptionDistance, subsets=1, subset_size=30)
    theirs.update(a, real=True)
    theirs.update(b, real=False)
    assert kernel_distance(a, b) == pytest.approx(float(theirs.compute()[0]), rel=1e-9)


def test_the_kernel_distance_of_two_clips_each_can_be_worked_out_by_hand() -> None:
    a, b = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [2.0]])  # kernel (x y + 1)^3
    unbiased = 1 + 27 - 2 * (1 + 1 + 8 + 27) / 4
    biased = (1 + 1 + 1 + 8) / 4 + (8 + 27 + 27 + 125) / 4 - 2 * (1 + 1 + 8 + 27) / 4
    assert kernel_distance(a, b) == pytest.approx(unbiased)
    assert kernel_distance(a, b, unbiased=False) == pytest.approx(biased)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 6), st.integers(0, 9))
def test_the_biased_kernel_distance_is_never_negative_and_zero_for_equal_sets(
    clips: int, others: int, dimensions: int, seed: int
) -> None:
    a, b = features(clips, dimensions, seed), features(others, dimensions, seed + 1)
    scale = 1 + float(max(a.square().sum(1).max(), b.square().sum(1).max())) ** 3
    assert kernel_distance(a, b, unbiased=False) >= -1e-12 * scale
    assert kernel_distance(a, a, unbiased=False) == pytest.approx(0, abs=1e-12 * scale)


def test_the_unbiased_kernel_distance_averages_to_zero_where_the_frechet_distance_does_not() -> None:
    a, b = features(400, 4), features(400, 4, seed=0)[torch.randperm(400, generator=torch_generator(0, "order"))]
    kernels = by_count(kernel_distance, a, b, [20], 60, seed=0)
    frechets = by_count(any_distance, a, b, [20], 60, seed=0)
    error = float(kernels.std() / 60**0.5)
    assert abs(float(kernels.mean())) < 4 * error
    assert float(frechets.mean()) > 10 * float(frechets.std() / 60**0.5)


def test_too_few_clips_or_other_dimensions_have_no_kernel_distance() -> None:
    with pytest.raises(UserError, match="1 and 5 clips"):
        kernel_distance(torch.ones(1, 2), torch.ones(5, 2))
    with pytest.raises(UserError, match="no kernel distance"):
        kernel_distance(torch.ones(5, 2), torch.ones(5, 3))


# ----------------------------------------------------------------------------------------------------- inception score
def test_the_inception_score_of_a_sure_classifier_is_the_number_of_classes_it_sees() -> None:
    sure = torch.nn.functional.one_hot(torch.arange(12) % 4, 6).double()
    assert inception_scores(sure).tolist() == pytest.approx([4])
    assert inception_scores(torch.full((12, 6), 1 / 6, dtype=torch.float64)).tolist() == pytest.approx([1])
    assert inception_scores(sure, splits=3).tolist() == pytest.approx([4, 4, 4])
    assert inception_scores(sure[[0, 4, 8, 1, 5, 9]], splits=2).tolist() == pytest.approx([1, 1])


def test_the_inception_score_agrees_with_torchmetrics() -> None:
    x = chances(90, 5)
    theirs = quietly(InceptionScore, splits=1)
    theirs.update(x.log())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has no spread over one split
        assert float(inception_scores(x)) == pytest.approx(float(theirs.compute()[0]), rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 9))
def test_the_inception_score_lies_between_one_and_the_classes(clips: int, classes: int, seed: int) -> None:
    x = chances(clips, classes, seed)
    score = float(inception_scores(x))
    assert 1 - 1e-12 <= score <= min(clips, classes) + 1e-9


def test_what_has_no_inception_score_is_refused() -> None:
    with pytest.raises(UserError, match="3 clips cannot be split into 4"):
        inception_scores(chances(3, 2), splits=4)
    with pytest.raises(UserError, match=r"\(clips, classes\)"):
        inception_sums(torch.ones(2, 3, 4))
    with pytest.raises(UserError, match="no clips"):
        inception_sums(torch.ones(0, 3)).score()


# ---------------------------------------------------------------------------------------------------------- how sure
def test_the_bias_of_the_frechet_distance_falls_with_the_clips_and_its_extrapolation_is_nearer() -> None:
    a, b = features(800, 4, seed=2), features(800, 4, seed=2).flip(0)
    counts = [25, 50, 100, 200]
    found = by_count(any_distance, a, b, counts, 20, seed=0).mean(1)
    assert (found.diff() < 0).all()
    assert abs(extrapolated(counts, found[:, None])) < 0.2 * float(found[-1])


def test_a_line_in_one_over_n_is_found_exactly() -> None:
    counts = [10, 20, 50]
    rows = torch.tensor([[3 + 7 / n, 3 + 7 / n] for n in counts])
    assert extrapolated(counts, rows) == pytest.approx(3, rel=1e-5)
    with pytest.raises(UserError, match="two counts are needed"):
        extrapolated([10, 10], rows[:2])


def test_subsets_that_cannot_be_drawn_are_refused() -> None:
    with pytest.raises(UserError, match=r"subsets of \[2, 5\] clips"):
        by_count(kernel_distance, torch.ones(4, 2), torch.ones(9, 2), [2, 5], 1, seed=0)


def test_the_bootstrap_interval_is_about_twice_the_standard_error_to_either_side() -> None:
    values = torch.randn(400, generator=torch_generator(0, "test/values")).double()
    low, high = bootstrap_interval(values, seed=0)
    error = float(values.std() / 20)
    assert low == pytest.approx(float(values.mean()) - 1.96 * error, abs=0.25 * error)
    assert high == pytest.approx(float(values.mean()) + 1.96 * error, abs=0.25 * error)
    assert bootstrap_interval(values, seed=0) == (low, high)
    assert bootstrap_interval(torch.ones(5), seed=0) == (1, 1)
    with pytest.raises(UserError, match="two or more finite numbers"):
        bootstrap_interval(torch.ones(1), seed=0)

"""Coherence: known answers for videos that keep, change or leave and regain their class."""

import math

import pytest
import torch

from tatslib.errors import UserError
from tatslib.metrics.coherence import area_under, class_coherence, inception_coherence


def sure(classes: list[list[int]], of: int = 3) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(classes), of).double()


def test_ccs_is_the_share_of_videos_that_still_look_like_their_first_window() -> None:
    curve = class_coherence(sure([[0, 0, 0, 0], [1, 2, 1, 0], [2, 2, 0, 0]]))
    assert curve.tolist() == pytest.approx([1, 2 / 3, 2 / 3, 1 / 3])
    assert area_under(curve) == pytest.approx((0.5 + 2 / 3 + 2 / 3 + 1 / 6) / 3)


def test_ics_is_the_divergence_from_the_first_window_and_asymmetric() -> None:
    chances = torch.tensor([[[0.5, 0.5], [0.75, 0.25], [0.5, 0.5]]], dtype=torch.float64)
    forth = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert inception_coherence(chances)[0].tolist() == pytest.approx([0, forth, 0])
    back = inception_coherence(chances[:, 1:])[0, 1]
    assert back == pytest.approx(0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)) and back != pytest.approx(
        forth
    )


def test_a_class_held_to_be_impossible_is_very_incoherent_but_finite() -> None:
    ics = inception_coherence(sure([[0, 1, 0]]))
    assert ics[0, 1] > 100 and torch.isfinite(ics).all() and ics[0, 2] == 0


def test_neither_depends_on_the_order_of_classes_or_videos() -> None:
    chances = torch.rand(5, 4, 6, generator=torch.Generator().manual_seed(0)).double()
    chances /= chances.sum(-1, keepdim=True)
    shuffled = chances[torch.tensor([4, 0, 3, 1, 2])][..., torch.tensor([5, 3, 0, 1, 4, 2])]
    assert torch.allclose(class_coherence(shuffled), class_coherence(chances))
    assert torch.allclose(inception_coherence(shuffled).sum(0), inception_coherence(chances).sum(0))
    assert (inception_coherence(chances) >= 0).all() and (inception_coherence(chances)[:, 0].abs() < 1e-12).all()


@pytest.mark.parametrize(
    ("chances", "words"),
    [
        (torch.rand(3, 4), "shape"),
        (torch.full((1, 2, 3), 0.5), "off by up to 0.5"),
        (torch.tensor([[[1.5, -0.5]]]), "0 or more"),
        (torch.full((1, 2, 3), torch.nan), "0 or more"),
    ],
)
def test_what_is_no_probability_is_refused(chances: torch.Tensor, words: str) -> None:
    for score in (class_coherence, inception_coherence):
        with pytest.raises(UserError, match=words):
            score(chances)


def test_one_window_has_no_area() -> None:
    with pytest.raises(UserError, match="two windows"):
        area_under(torch.ones(1))

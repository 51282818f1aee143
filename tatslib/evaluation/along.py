"""Numbers along long videos, each with the spread of its repeats and an interval (paper 3.3, B.1).

Letters: V videos, n windows of a video, B clips, F feature dimensions, R repeats, g groups of videos.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tatslib.distributed import one_for_all, rank, world_size
from tatslib.evaluation.measures import (
    GROUPS,
    Draw,
    Numbers,
    bootstrap,
    error_from,
    group_of,
    interval,
    summary,
)
from tatslib.metrics.features import features_of_all
from tatslib.metrics.frechet import Gaussian, frechet_between, gaussian
from tatslib.metrics.moments import Moments, merged, moments

Draws = Sequence[Sequence[int]]  # of each repeat, which videos


def over_videos(values: Tensor, draws: Draws, seed: int) -> Numbers:
    """The mean over videos of numbers that each video has.

    Args:
        values: float (V,), or (V, n) for a curve. What is not finite is left out.
        draws: of repeats that differ; the spread of a single one is None.
        seed: of the bootstrap over the videos of the first draw, which gives the interval of 95 %.

    Returns:
        "mean", "spread" over draws, "interval"; lists where a curve was given. Where nothing is finite, None. The
        interval is moved to the mean of all draws, and ends at the smallest and the largest value, which no mean can
        leave: that of a share lies within 0 and 1.
    """
    if values.ndim == 2:
        points = [over_videos(column, draws, seed) for column in values.unbind(1)]
        return {name: _curve([point[name] for point in points]) for name in ("mean", "spread", "interval")}
    parts = [part[part.isfinite()] for part in (values[list(draw)].double() for draw in draws)]
    if not all(len(part) for part in parts):
        return {"mean": None, "spread": None, "interval": None}
    found = summary([float(part.mean()) for part in parts])
    around = bootstrap(parts[0], seed)
    moved = found["mean"] - float(parts[0].mean())  # the interval was found around the mean of the first draw
    least, most = min(float(part.min()) for part in parts), max(float(part.max()) for part in parts)
    return {
        "mean": found["mean"],
        "spread": found["spread"],
        "interval": None if around is None else [min(max(edge + moved, least), most) for edge in around],
    }


def median_of(values: Tensor) -> float | None:
    """The median of what is finite, None where nothing is."""
    finite = values[values.isfinite()]
    return float(finite.median()) if len(finite) else None


class Distances(NamedTuple):
    """Fréchet distances of the windows of long videos from real clips."""

    repeats: Tensor  # float64 (R, n)
    without_real: Tensor  # (g, n), the first repeat without one group of real videos after the other
    without_generated: Tensor  # (g, n)

    def numbers(self) -> dict[str, Numbers | None]:
        """ "quality", and "change", the same in percent of each repeat's first window (Fig. 5); None if that is 0."""
        start = [part[:, :1] for part in self]
        if any((first <= 0).any() for first in start):
            return {"quality": _with_interval(self, 0), "change": None}
        change = Distances(*(100 * (part / first - 1) for part, first in zip(self, start, strict=True)))
        return {"quality": _with_interval(self, 0), "change": _with_interval(change, -100)}


def window_distances(windows: Tensor, draws: Draws, real: Sequence[Draw]) -> Distances:
    """Fréchet distance of each window's set of clips, for all repeats, and without one group of videos in turn.

    Processes share the windows. Groups are left out of means and covariances, so that no clip is looked at twice.

    Args:
        windows: features, float (V, n, F).
        draws: which videos each repeat takes, R of them.
        real: R draws of real clips.

    Raises:
        UserError: on every process, if features are not finite.
    """
    whole = [gaussian(moments(draw.rows)) for draw in real]
    without = _without_each(real[0].rows, group_of(real[0].videos, GROUPS))
    group = group_of(draws[0], GROUPS)
    rows = []
    with one_for_all():
        for window in windows.unbind(1)[rank() :: world_size()]:
            made = {tuple(draw): gaussian(moments(window[list(draw)])) for draw in draws}  # the same one is made once
            repeats = [frechet_between(one, made[tuple(draw)]) for one, draw in zip(whole, draws, strict=True)]
            first = made[tuple(draws[0])]
            left_real = [frechet_between(one, first) for one in without]
            left_made = [frechet_between(whole[0], one) for one in _without_each(window[list(draws[0])], group)]
            rows.append([*repeats, *left_real, *left_made])
    sizes = [len(draws), len(without), len(group.unique()) if len(group.unique()) > 1 else 0]
    mine = torch.tensor(rows, dtype=torch.float64).reshape(len(rows), sum(sizes))
    return Distances(*features_of_all(mine, windows.shape[1]).T.split(sizes))


def real_against_real(real: Sequence[Draw], clips: int) -> Numbers | None:
    """What so many real clips (all of a draw, if it has fewer) score against those of the draw before.

    Returns:
        Mean and spread over repeats, and how many "clips" these were: fewer ones score more. None where every draw
        holds the same clips.
    """
    pairs = [(one.rows, other.rows) for one, other in pairwise(real) if not torch.equal(one.rows, other.rows)]
    if not pairs:
        return None
    found = [frechet_between(gaussian(moments(one)), gaussian(moments(other[:clips]))) for one, other in pairs]
    return {**summary(found), "clips": min(clips, len(real[0].rows))}


def _with_interval(found: Distances, least: float) -> Numbers:
    """Mean and spread over repeats, and an interval by the jackknife, None where there are too few groups of videos.

    No value can be below `least`, and neither is an interval.
    """
    groups = min(len(found.without_real), len(found.without_generated))
    sides = [part.T.tolist() for part in (found.without_real, found.without_generated)]  # (n, g) each
    means = [summary(repeats) for repeats in found.repeats.T.tolist()]
    errors = [error_from(point) for point in zip(*sides, strict=True)]
    return {
        "mean": [point["mean"] for point in means],
        "spread": _curve([point["spread"] for point in means]),
        "interval": _curve(
            [interval(one["mean"], error, groups, least) for one, error in zip(means, errors, strict=True)]
        ),
        "repeats": found.repeats.tolist(),
    }


def _without_each(rows: Tensor, group: Tensor) -> list[Gaussian]:
    """The clips (B, F) without one group after the other; none where there is but one."""
    parts = [moments(rows[group == one]) for one in group.unique().tolist()]
    others: list[list[Moments]] = [parts[:k] + parts[k + 1 :] for k in range(len(parts))]
    return [gaussian(merged(left)) for left in others] if len(parts) > 1 else []


def _curve(points: list[Any]) -> list[Any] | None:
    """What every point has; None where none has it."""
    return None if all(point is None for point in points) else points

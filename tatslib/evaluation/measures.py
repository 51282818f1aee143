"""Metrics of two sets of clips from rows of features, each with its spread, its noise and its bias shown.

Three different things make a number uncertain, and one figure behind a plus-minus cannot stand for all. Which clips
were drawn: the paper repeats its evaluation 10 times (B.1), and so do we. Which videos there are: an interval by
leaving out one group of videos after the other. And how many there are: a Fréchet distance is biased upwards, by about
a constant over N, which neither of the two shows.

Letters: B clips, F feature dimensions, k classes.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from statistics import fmean, stdev
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tatslib.errors import UserError
from tatslib.metrics.frechet import frechet_distance
from tatslib.metrics.inception import inception_sums
from tatslib.metrics.uncertainty import Distance, bootstrap_interval, by_count, extrapolated

GROUPS = 20  # of videos, left out in turn
# Student's t, the quantile 0.975 by degrees of freedom (NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2).
# Below 4, an interval is so wide that it says nothing but how few groups there are.
STUDENT_95 = {
    **{4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228, 11: 2.201},
    **{12: 2.179, 13: 2.160, 14: 2.145, 15: 2.131, 16: 2.120, 17: 2.110, 18: 2.101, 19: 2.093},
}
Numbers = dict[str, Any]

any_frechet: Distance = partial(frechet_distance, clips_per_dimension=0)


class Draw(NamedTuple):
    """The clips of one repeat."""

    rows: Tensor  # float (B, F)
    videos: Sequence[int]  # which video each is of


def distances(distance: Distance, real: Sequence[Draw], generated: Sequence[Draw], seed: int, biased: bool) -> Numbers:
    """A distance of generated from real clips.

    Args:
        distance: of two tables of features.
        real: the draws of R + 1 repeats; each is held against the next one too, to show what real clips score.
        generated: those of R repeats.
        seed: of subsets.
        biased: whether the distance of small sets is larger, so that smaller ones shall be shown; such a distance is
            never below 0, and neither is its interval.

    Returns:
        "mean" and "spread" over the "repeats"; "error", the standard error by the jackknife of the first repeat, and
        from it the "interval" of 95 % around the mean, see `interval`; "real against real", mean and spread, None where
        every draw holds the same clips; and if biased "by count", which also extrapolates.
    """
    repeats = [distance(r.rows, g.rows) for r, g in zip(real, generated, strict=False)]
    others = [pair for pair in pairwise(real) if not torch.equal(pair[0].rows, pair[1].rows)]
    error = jackknife_error(distance, real[0], generated[0])
    groups = min(group_count(real[0].videos), group_count(generated[0].videos))
    found = {
        **summary(repeats),
        "error": error,
        "interval": interval(fmean(repeats), error, groups, least=0 if biased else -math.inf),
        "real against real": summary([distance(one.rows, other.rows) for one, other in others]) if others else None,
    }
    return found | ({"by count": bias(distance, real, generated, seed)} if biased else {})


def bias(distance: Distance, real: Sequence[Draw], generated: Sequence[Draw], seed: int) -> Numbers:
    """A distance at a quarter, a half and all of the clips, and where a line through these in 1 / N meets endless ones.

    Each is the mean over the repeats. Numbers of clips that do not exceed the feature dimensions are left out: there
    the bias is no longer a line.
    """
    counts = _counts(min(len(real[0].rows), len(generated[0].rows)), more_than=real[0].rows.shape[1])
    tables = [
        by_count(distance, r.rows, g.rows, counts, 1, seed + repeat)
        for repeat, (r, g) in enumerate(zip(real, generated, strict=False))
    ]
    return _line("distances", counts, torch.cat(tables, dim=1))


def bias_of_score(chances: Sequence[Tensor], seed: int, subsets: int) -> Numbers:
    """The same of an inception score, which grows with the clips, for the clips of each repeat (B, k).

    Args:
        chances: class probabilities, one table for each draw.
        seed: of the subsets.
        subsets: how many are taken of each draw.
    """
    counts = _counts(len(chances[0]), more_than=chances[0].shape[1])

    def score(_: Tensor, some: Tensor) -> float:
        return inception_sums(some).score()

    tables = [by_count(score, x, x, counts, subsets, seed + repeat) for repeat, x in enumerate(chances)]
    return _line("scores", counts, torch.cat(tables, dim=1))


def inception(
    chances: Callable[[Tensor], Tensor],
    generated: Sequence[Draw],
    real: Draw,
    seed: int,
    resamples: int = 200,
    subsets: int = 10,
) -> Numbers:
    """The inception score of each repeat, and that of equally many real clips, which is a ceiling in practice.

    Args:
        chances: class probabilities (B, k) of features (B, F).
        generated: draws that differ from each other; a single one has no spread.
        real: as many real clips.
        seed: of what is drawn here.
        resamples: of the bootstrap.
        subsets: in all, of each number of clips at which the bias is shown.

    Returns:
        As `distances`, and "real", "classes". "interval" is the percentile bootstrap over the clips of the first
        repeat: of draws with repetition, each has fewer different clips and so a score a little lower; the interval is
        moved up by that much, and ends where scores do, at 1 and at the number of classes.
    """
    tables = [chances(draw.rows) for draw in generated]
    first, repeats = tables[0], [inception_sums(table).score() for table in tables]
    generator = torch.Generator().manual_seed(seed)
    draws = (torch.randint(len(first), (len(first),), generator=generator) for _ in range(resamples))
    scores = torch.tensor([inception_sums(first[draw]).score() for draw in draws], dtype=torch.float64)
    edges = (scores - scores.mean() + fmean(repeats)).quantile(torch.tensor([0.025, 0.975]).double())
    low, high = edges.clamp(1, first.shape[1]).tolist()
    return {
        **summary(repeats),
        "interval": [low, high] if len(first) > 1 else None,
        "real": inception_sums(chances(real.rows)).score(),
        "classes": first.shape[1],
        "by count": bias_of_score(tables, seed, math.ceil(subsets / len(tables))),
    }


def column(real: Tensor, generated: Tensor, seed: int) -> Numbers:
    """The mean of a number that each clip has, with its bootstrap interval, of real and of generated clips (B,)."""
    sides = {"real": real, "generated": generated}
    return {side: {"mean": float(values.mean()), "interval": bootstrap(values, seed)} for side, values in sides.items()}


def bootstrap(values: Tensor, seed: int) -> list[float] | None:
    """Interval of the mean of (B,), see `bootstrap_interval`; None for fewer than two values."""
    return list(bootstrap_interval(values, seed)) if len(values) > 1 else None


def jackknife_error(distance: Distance, real: Draw, generated: Draw, groups: int = GROUPS) -> float | None:
    """Standard error of a distance, by leaving out one group of videos after the other, on either side.

    Clips of one video stay together, since they resemble each other. The bias of the distance is the same whichever
    group is missing, and is not part of this error.

    Returns:
        The error; None where a side has fewer than two videos.
    """
    without = []
    for side, draw in enumerate((real, generated)):
        group = group_of(draw.videos, groups)
        used = group.unique().tolist()
        values = []
        for left_out in used if len(used) > 1 else []:
            kept = draw.rows[group != left_out]
            values.append(distance(real.rows, kept) if side else distance(kept, generated.rows))
        without.append(values)
    return error_from(without)


def error_from(without: Sequence[Sequence[float]]) -> float | None:
    """The standard error of a number, from what it is without each group of either side in turn; None if one has none.

    The sides are independent, so their variances add up.
    """
    if not all(without):
        return None
    variances = ((len(side) - 1) / len(side) * sum((one - fmean(side)) ** 2 for one in side) for side in without)
    return sum(variances) ** 0.5


def group_of(videos: Sequence[int], groups: int) -> Tensor:
    """The group of each clip, 0 .. groups - 1: the videos that occur are dealt out in turn."""
    place = {video: index for index, video in enumerate(sorted(set(videos)))}
    return torch.tensor([place[video] % groups for video in videos])


def group_count(videos: Sequence[int]) -> int:
    """Into how many groups the videos that occur are dealt out."""
    return min(len(set(videos)), GROUPS)


def interval(value: float, error: float | None, groups: int, least: float = -math.inf) -> list[float] | None:
    """Of 95 %, around a value, from its standard error.

    Args:
        value: in the middle.
        error: by the jackknife.
        groups: that were left out, of the side that has fewer. Student's t with one degree of freedom less is
            cautious: the other side's groups tell something as well.
        least: what no value can be below.

    Returns:
        Its ends; None without an error, or for fewer than five groups.
    """
    if error is None or groups - 1 not in STUDENT_95:
        return None
    width = STUDENT_95[groups - 1] * error
    return [max(value - width, least), value + width]


def summary(values: Sequence[float]) -> Numbers:
    """Mean and spread (N - 1) of repeats; the spread of one is not a number, and stands there as None."""
    return {"mean": fmean(values), "spread": stdev(values) if len(values) > 1 else None, "repeats": list(values)}


def need_for_covariance(dimensions: int, real: int, generated: int, what: str) -> None:
    """Refuse so few clips that a covariance has no full rank.

    Raises:
        UserError: with how many are needed.
    """
    if min(real, generated) <= dimensions:
        raise UserError(
            f"The covariance of {dimensions} features ({what}) takes {dimensions + 1} clips or more on each side; "
            f"there are {real} real and {generated} generated ones. "
            "Make more videos, or take features with fewer dimensions."
        )


def _counts(most: int, more_than: int) -> list[int]:
    """A quarter, a half and all of the clips, as far as these are more than so many."""
    return [count for count in (most // 4, most // 2, most) if count > more_than or count == most]


def _line(found: str, counts: list[int], table: Tensor) -> Numbers:
    """The means of a table (counts, repeats), and where a line through them meets endless clips."""
    line = extrapolated(counts, table) if len(counts) > 1 else None
    return {"clips": counts, found: table.mean(1).tolist(), "extrapolated": line}

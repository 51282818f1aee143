"""Metrics of two sets of clips from rows of features, each with its spread, its noise and its bias shown.

Three different things make a number uncertain, and one figure behind a plus-minus cannot stand for all. Which clips
were drawn: the paper repeats its evaluation 10 times (B.1), and so do we. Which videos there are: an interval by
leaving out one group of videos after the other. And how many there are: a Fréchet distance is biased upwards, by about
a constant over N, which neither of the two shows.

Letters: B clips, F feature dimensions, k classes.
"""

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

NORMAL_95 = 1.96
GROUPS = 20  # of videos, left out in turn
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
        biased: whether the distance of small sets is larger, so that smaller ones shall be shown.

    Returns:
        "mean" and "spread" over the "repeats"; "interval" of 95 % around the mean, from the jackknife of the first
        repeat; "real against real", mean and spread; and if biased "by count", which also extrapolates.
    """
    repeats = [distance(r.rows, g.rows) for r, g in zip(real, generated, strict=False)]
    floor = [distance(first.rows, second.rows) for first, second in pairwise(real)]
    error = jackknife_error(distance, real[0], generated[0])
    found = {**summary(repeats), "interval": interval(fmean(repeats), error), "real against real": summary(floor)}
    return found | ({"by count": bias(distance, real, generated, seed)} if biased else {})


def bias(distance: Distance, real: Sequence[Draw], generated: Sequence[Draw], seed: int) -> Numbers:
    """A distance at a quarter, a half and all of the clips, and where a line through these in 1 / N meets endless ones.

    Each is the mean over the repeats. Numbers of clips that do not exceed the feature dimensions are left out: there
    the bias is no longer a line.
    """
    most, dimensions = min(len(real[0].rows), len(generated[0].rows)), real[0].rows.shape[1]
    counts = [count for count in (most // 4, most // 2, most) if count > dimensions or count == most]
    tables = [
        by_count(distance, r.rows, g.rows, counts, 1, seed + repeat)
        for repeat, (r, g) in enumerate(zip(real, generated, strict=False))
    ]
    table = torch.cat(tables, dim=1)  # (counts, repeats)
    line = extrapolated(counts, table) if len(counts) > 1 else None
    return {"clips": counts, "distances": table.mean(1).tolist(), "extrapolated": line}


def inception(
    chances: Callable[[Tensor], Tensor], generated: Sequence[Draw], real: Draw, seed: int, resamples: int = 200
) -> Numbers:
    """The inception score of each repeat, and that of equally many real clips, which is a ceiling in practice.

    "interval" is the percentile bootstrap over the clips of the first repeat: of R draws with repetition, each has
    fewer different clips and so a score a little lower; the interval is moved up by that much.
    """
    first = chances(generated[0].rows)
    repeats = [inception_sums(first).score(), *(inception_sums(chances(draw.rows)).score() for draw in generated[1:])]
    generator = torch.Generator().manual_seed(seed)
    draws = (torch.randint(len(first), (len(first),), generator=generator) for _ in range(resamples))
    scores = torch.tensor([inception_sums(first[draw]).score() for draw in draws], dtype=torch.float64)
    low, high = (scores - scores.mean() + fmean(repeats)).quantile(torch.tensor([0.025, 0.975]).double()).tolist()
    ceiling = inception_sums(chances(real.rows)).score()
    return {**summary(repeats), "interval": [low, high], "real": ceiling, "classes": first.shape[1]}


def column(real: Tensor, generated: Tensor, seed: int) -> Numbers:
    """The mean of a number that each clip has, with its bootstrap interval, of real and of generated clips (B,)."""
    sides = {"real": real, "generated": generated}
    return {
        side: {"mean": float(values.mean()), "interval": list(bootstrap_interval(values, seed))}
        for side, values in sides.items()
    }


def jackknife_error(distance: Distance, real: Draw, generated: Draw, groups: int = GROUPS) -> float:
    """Standard error of a distance, by leaving out one group of videos after the other, on either side.

    Clips of one video stay together, since they resemble each other. The bias of the distance is the same whichever
    group is missing, and is not part of this error.

    Returns:
        The error; NaN where a side has fewer than two videos.
    """
    variance = 0.0
    for side, draw in enumerate((real, generated)):
        group = group_of(draw.videos, groups)
        used = group.unique().tolist()
        values = []
        for left_out in used if len(used) > 1 else []:
            kept = draw.rows[group != left_out]
            values.append(distance(real.rows, kept) if side else distance(kept, generated.rows))
        if not values:
            return float("nan")
        mean = fmean(values)
        variance += (len(values) - 1) / len(values) * sum((value - mean) ** 2 for value in values)
    return variance**0.5


def group_of(videos: Sequence[int], groups: int) -> Tensor:
    """The group of each clip, 0 .. groups - 1: the videos that occur are dealt out in turn."""
    place = {video: index for index, video in enumerate(sorted(set(videos)))}
    return torch.tensor([place[video] % groups for video in videos])


def interval(value: float, error: float) -> list[float]:
    """Of 95 %, around a value whose standard error is known."""
    return [value - NORMAL_95 * error, value + NORMAL_95 * error]


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

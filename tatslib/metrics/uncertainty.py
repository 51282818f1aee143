"""How much a number depends on how many clips it was measured with, and on which.

Letters: B clips, F feature dimensions, V videos.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from tatslib.errors import UserError
from tatslib.randomness import torch_generator

Distance = Callable[[Tensor, Tensor], float]


def by_count(
    distance: Distance, real: Tensor, generated: Tensor, counts: Sequence[int], repeats: int, seed: int
) -> Tensor:
    """A distance of random subsets of growing size.

    Args:
        distance: of features (N, F) from features (N, F), such as `frechet_distance`.
        real: float (B, F).
        generated: float (B', F).
        counts: clips of a subset, each at most the smaller of B and B'; drawn without repetition from either set.
        repeats: subsets of each size.
        seed: of the draw.

    Returns:
        float64 (counts, repeats).

    Raises:
        UserError: if a count is not between 1 and the clips there are.
    """
    if not counts or min(counts) < 1 or max(counts) > min(len(real), len(generated)):
        raise UserError(f"subsets of {list(counts)} clips cannot be drawn from {len(real)} and {len(generated)}.")
    rows = torch.empty(len(counts), repeats, dtype=torch.float64)
    for row, count in enumerate(counts):
        for repeat in range(repeats):
            generator = torch_generator(seed, f"subsets of {count}", repeat)
            first, second = (torch.randperm(len(x), generator=generator)[:count] for x in (real, generated))
            rows[row, repeat] = distance(real[first], generated[second])
    return rows


def extrapolated(counts: Sequence[int], distances: Tensor) -> float:
    """What the distance would be of endlessly many clips, if its bias falls as 1 / N: the intercept of a straight line.

    Args:
        counts: N of each row, two or more different ones.
        distances: float (counts, repeats), as `by_count` gives them.

    Raises:
        UserError: for fewer than two different counts, or another number of rows.
    """
    if len(set(counts)) < 2 or len(counts) != len(distances):
        raise UserError(f"no line goes through {len(distances)} rows of {list(counts)} clips: two counts are needed.")
    inverse = 1 / torch.tensor(counts, dtype=torch.float64)
    line = torch.stack([torch.ones_like(inverse), inverse], dim=1)
    return float(torch.linalg.lstsq(line, distances.double().mean(1, keepdim=True)).solution[0])


def bootstrap_interval(values: Tensor, seed: int, level: float = 0.95, resamples: int = 2000) -> tuple[float, float]:
    """Interval of the mean of a number that each video has, by the percentile bootstrap.

    Args:
        values: float (V,), such as `inception_coherence` of one window.
        seed: of the draw.
        level: share of intervals that shall hold the true mean. With few videos it is less; below about 20, believe it
            as little as a spread over 3 seeds.
        resamples: how often V videos are drawn with repetition.

    Raises:
        UserError: for fewer than two values, or some that are not finite.
    """
    if values.ndim != 1 or len(values) < 2 or not torch.isfinite(values).all():
        raise UserError(f"an interval needs two or more finite numbers in a row, got {tuple(values.shape)}.")
    generator = torch_generator(seed, "bootstrap")
    draws = torch.randint(len(values), (resamples, len(values)), generator=generator)
    means = values.detach().cpu().double()[draws].mean(1)
    edges = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = means.quantile(edges).tolist()
    return low, high

"""Does a long video stay with its theme? Class coherence and inception coherence (paper 3.3, Fig. 6).

Both compare what a classifier thinks of a later window with what it thinks of the first one.

Letters: V videos, n windows of a video side by side, k classes.
"""

import torch
from torch import Tensor

from tatslib.errors import UserError


def class_coherence(chances: Tensor) -> Tensor:
    """CCS: the share of videos whose window has the same likeliest class as their first window.

    Args:
        chances: probabilities (V, n, k), each window's adding up to 1.

    Returns:
        float64 (n,), in 0 .. 1; the first is 1 by definition.

    Raises:
        UserError: if these are no probabilities of that shape.
    """
    return same_class(chances).mean(0)


def same_class(chances: Tensor) -> Tensor:
    """The same of each video: float64 (V, n), 1 where a window has the likeliest class of the first one, else 0."""
    check_probabilities(chances)
    likeliest = chances.argmax(-1)  # (V, n)
    return (likeliest == likeliest[:, :1]).double()


def inception_coherence(chances: Tensor) -> Tensor:
    """ICS of each video: the Kullback-Leibler divergence of a later window's classes from those of the first.

    The direction is that of the paper's formula, KL(p_t || p_0): much where the later window is sure of something that
    the first one held to be impossible (708 nats where that was a zero, the logarithm of the smallest number there
    is). Smaller is more coherent. The paper's formula sums over videos, without the 1/N of its CCS, and leaves the sum
    over classes out; take the mean over the first axis, so that sets of different size can be compared (ledger: "ICS").

    Args:
        chances: probabilities (V, n, k).

    Returns:
        float64 (V, n), in nats, 0 or more; the first of each video is 0.

    Raises:
        UserError: as `class_coherence`.
    """
    check_probabilities(chances)
    later = chances.double()
    first = later[:, :1].clamp_min(torch.finfo(torch.float64).tiny)
    return (torch.xlogy(later, later) - later * first.log()).sum(-1)


def area_under(curve: Tensor) -> float:
    """The area under a curve (n,) over a time axis of length 1, by trapezoids: for CCS the paper's single number."""
    if curve.ndim != 1 or len(curve) < 2:
        raise UserError(f"a curve of shape {tuple(curve.shape)} has no area: it takes two windows or more.")
    return float(torch.trapezoid(curve.double()) / (len(curve) - 1))


def check_probabilities(chances: Tensor, *axes: str) -> None:
    """Refuse what is no table of class probabilities; `axes` name its dimensions, the last one the classes.

    Raises:
        UserError: for another number of dimensions, negative or unfinite entries, or rows that do not add up to 1.
    """
    axes = axes or ("videos", "windows", "classes")
    if chances.ndim != len(axes) or not torch.isfinite(chances).all() or (chances < 0).any():
        raise UserError(f"class probabilities are 0 or more, of shape ({', '.join(axes)}); got {tuple(chances.shape)}.")
    off = float((chances.double().sum(-1) - 1).abs().max()) if chances.numel() else 0.0
    if off > 1e-3:
        raise UserError(f"class probabilities add up to 1, but here they are off by up to {off:.3g}.")

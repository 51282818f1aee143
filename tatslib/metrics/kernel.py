"""Kernel distance between two sets of feature vectors: the KD of KVD (paper 3.2).

Unlike the Fréchet distance it assumes no Gaussian, and its unbiased estimate has no bias at any number of clips; what
it has is noise, and below zero it can fall as well. Only with the logits of I3D is it called KVD.

Letters: B clips, F feature dimensions.
"""

import torch
from torch import Tensor

from tatslib.errors import UserError

DEGREE, SHIFT = 3, 1.0  # of the kernel (x.y / F + 1)^3
ROWS = 1024  # of a table of kernel values that are computed at once


def kernel_distance(real: Tensor, generated: Tensor, unbiased: bool = True) -> float:
    """Squared maximum mean discrepancy with the kernel (x.y / F + 1)^3, in float64.

    Args:
        real: float (B, F).
        generated: float (B', F).
        unbiased: leave out the similarity of each clip with itself, as the released code does. With it, the distance
            is 0 or more but biased upwards.

    Raises:
        UserError: if the dimensions differ or a set has too few clips (two, or one if biased).
    """
    if real.ndim != 2 or generated.ndim != 2 or real.shape[1] != generated.shape[1]:
        raise UserError(f"features of shape {tuple(real.shape)} and {tuple(generated.shape)} have no kernel distance.")
    if min(len(real), len(generated)) < 1 + unbiased:
        raise UserError(f"{len(real)} and {len(generated)} clips are too few for a kernel distance.")
    x, y = (features.detach().cpu().double() for features in (real, generated))
    return _within(x, unbiased) + _within(y, unbiased) - 2 * float(_sums(x, y).sum()) / (len(x) * len(y))


def _within(x: Tensor, unbiased: bool) -> float:
    """Mean kernel value of two clips of one set."""
    total, count = float(_sums(x, x).sum()), len(x) ** 2
    if unbiased:
        total -= float(_kernel(x.square().sum(1), x.shape[1]).sum())
        count -= len(x)
    return total / count


def _sums(x: Tensor, y: Tensor) -> Tensor:
    """For each clip of x, its kernel values with all of y added up, (B,); the whole table is never in memory."""
    return torch.cat([_kernel(rows @ y.T, x.shape[1]).sum(1) for rows in x.split(ROWS)])


def _kernel(products: Tensor, dimensions: int) -> Tensor:
    return (products / dimensions + SHIFT) ** DEGREE

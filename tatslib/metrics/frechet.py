"""Fréchet distance between two sets of feature vectors: the FD of FVD, whatever made the features (paper 3.2).

Only with the 400 logits of the Kinetics I3D network (`tatslib.metrics.i3d`) is it called FVD, and only FVDs of equally
many clips, prepared in the same way, can be compared: the estimate is biased upwards, the more the fewer clips there
are (`tatslib.metrics.uncertainty` shows by how much).

Letters: B clips, F feature dimensions.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from tatslib.errors import UserError
from tatslib.metrics.moments import Moments, moments

CLIPS_PER_DIMENSION = 10  # below this many clips a dimension a covariance is mostly noise


def frechet_distance(real: Tensor, generated: Tensor, clips_per_dimension: float = CLIPS_PER_DIMENSION) -> float:
    """Squared Fréchet distance of the Gaussians through two feature sets, in float64.

    Args:
        real: float (B, F).
        generated: float (B', F).
        clips_per_dimension: fewer clips than that are refused. The paper's own protocol has 5.1 (2,048 clips for the
            400 logits of I3D) and, for long videos, 1.3: give 0 to follow it.

    Raises:
        UserError: if the dimensions differ or one set has too few clips: the distance of small samples is biased
            upwards, and by how much depends on their number.
    """
    dimensions = real.shape[1]
    if generated.shape[1] != dimensions or min(len(real), len(generated)) < clips_per_dimension * dimensions:
        raise UserError(
            f"features of shape {tuple(real.shape)} and {tuple(generated.shape)}: a Fréchet distance needs equal "
            f"dimensions and at least {clips_per_dimension:g} clips for each."
        )
    return frechet_between(gaussian(moments(real)), gaussian(moments(generated)))


class Gaussian(NamedTuple):
    """One side of a distance. To take the root is slow; a side that is held against many others has it once."""

    mean: Tensor  # float64 (F,)
    covariance: Tensor  # float64 (F, F)
    root: Tensor  # float64 (F, F), of the covariance


def gaussian(gathered: Moments) -> Gaussian:
    """From mean and covariance that may have been gathered piece by piece; any number of clips from two on.

    Raises:
        UserError: if there are fewer than two clips.
    """
    covariance = gathered.covariance
    return Gaussian(gathered.mean, covariance, _root(covariance))


def frechet_between(real: Gaussian, generated: Gaussian) -> float:
    """Squared Fréchet distance of two Gaussians.

    Raises:
        UserError: if the dimensions differ.

    |m - m'|^2 + tr S + tr S' - 2 tr (S S')^(1/2). The last trace is the sum of the singular values of S^(1/2) S'^(1/2):
    no product of covariances is rooted, in which small directions would drown in the rounding of large ones.
    """
    if real.mean.shape != generated.mean.shape:
        raise UserError(f"features of {len(real.mean)} and {len(generated.mean)} dimensions have no distance.")
    cross = torch.linalg.svdvals(real.root @ generated.root).sum()
    apart = (real.mean - generated.mean).square().sum()
    return max(0.0, float(apart + real.covariance.trace() + generated.covariance.trace() - 2 * cross))


def _root(covariance: Tensor) -> Tensor:
    """The symmetric square root of a covariance, (F, F)."""
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T

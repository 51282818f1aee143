"""Fréchet distance between two sets of feature vectors: the FD of FVD, whatever made the features.

Letters: B clips, F feature dimensions.
"""

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from tatslib.errors import UserError

CLIPS_PER_DIMENSION = 10  # below this many clips a dimension a covariance is mostly noise


class _Given(nn.Module):
    """The feature network of somebody who brings features."""

    def __init__(self, dimensions: int):
        super().__init__()
        self.num_features = dimensions

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(real: Tensor, generated: Tensor) -> float:
    """Squared Fréchet distance of the Gaussians through two feature sets, by torchmetrics in float64.

    Args:
        real: float (B, F).
        generated: float (B', F).

    Raises:
        UserError: if the dimensions differ or one set has fewer than `CLIPS_PER_DIMENSION` clips a dimension: the
            distance of small samples is biased upwards, and by how much depends on their number.
    """
    dimensions = real.shape[1]
    if generated.shape[1] != dimensions or min(len(real), len(generated)) < CLIPS_PER_DIMENSION * dimensions:
        raise UserError(
            f"features of shape {tuple(real.shape)} and {tuple(generated.shape)}: a Fréchet distance needs equal "
            f"dimensions and at least {CLIPS_PER_DIMENSION} clips for each."
        )
    distance = FrechetInceptionDistance(feature=_Given(dimensions)).set_dtype(torch.float64)
    distance.update(real.cpu().double(), real=True)
    distance.update(generated.cpu().double(), real=False)
    return float(distance.compute())

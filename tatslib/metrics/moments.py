"""Mean and covariance of features, gathered piece by piece: what is known of groups of clips is known of their union.

So the distance without one group after the other, from which the jackknife has its error, looks at each clip once.

Letters: B clips, F feature dimensions.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from tatslib.errors import UserError


class Moments(NamedTuple):
    """What a Gaussian through features needs. Deviations are kept, not squares: nothing large is ever subtracted."""

    clips: int
    mean: Tensor  # float64 (F,)
    scatter: Tensor  # float64 (F, F), sum over clips of the outer product of their deviations from the mean

    @property
    def covariance(self) -> Tensor:
        """The unbiased covariance, float64 (F, F).

        Raises:
            UserError: for fewer than two clips.
        """
        if self.clips < 2:
            raise UserError(f"{self.clips} clips have no covariance: it takes two or more.")
        return self.scatter / (self.clips - 1)


def moments(features: Tensor) -> Moments:
    """Of one piece.

    Args:
        features: float (B, F); B may be 0.

    Raises:
        UserError: for another shape, or features that are not finite.
    """
    if features.ndim != 2 or not torch.isfinite(features).all():
        raise UserError(f"features are finite numbers of shape (clips, dimensions); got {tuple(features.shape)}.")
    x = features.detach().cpu().double()
    mean = x.mean(0) if len(x) else x.new_zeros(x.shape[1])
    return Moments(len(x), mean, (x - mean).T @ (x - mean))


def merged(parts: Iterable[Moments]) -> Moments:
    """Of all pieces together: what `moments` of their features in one table would be, but for the rounding.

    The order of the parts decides the last bits; give them in a fixed one.

    Raises:
        UserError: if there are no parts or their dimensions differ.
    """
    whole: Moments | None = None
    for part in parts:
        whole = part if whole is None else _pair(whole, part)
    if whole is None:
        raise UserError("no features were gathered: a mean needs at least one clip.")
    return whole


def _pair(a: Moments, b: Moments) -> Moments:
    if a.mean.shape != b.mean.shape:
        raise UserError(f"features of {len(a.mean)} and of {len(b.mean)} dimensions do not belong together.")
    clips = a.clips + b.clips
    if not clips:
        return a
    apart = b.mean - a.mean
    between = torch.outer(apart, apart) * (a.clips * b.clips / clips)
    return Moments(clips, a.mean + apart * (b.clips / clips), a.scatter + b.scatter + between)

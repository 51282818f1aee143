"""How far a clip is from the nearest real one: a crude ruler that needs no feature network.

B clips, R real clips.
"""

from math import prod

import numpy as np
import torch
from torch import Tensor

from tatslib.errors import UserError
from tatslib.videos import Video

BYTES_AT_ONCE = 2**30  # of clips as float32, on either side; 2,048 real clips of the paper take six times as much


def nearest_real_distance(clips: Video, real: Video, clips_at_once: int | None = None) -> np.ndarray:
    """Root-mean-square difference, in grey levels of 255, between each clip and the real clip that is nearest to it.

    Args:
        clips: uint8 (B, T, H, W, 3).
        real: uint8 (R, T, H, W, 3).
        clips_at_once: so many of `clips` are compared at a time, or fewer if they are large; None: all that fit.

    Returns:
        float32 (B,), 0 for a copy. Compare it with what held-out real clips score: with the same `real`, that is the
        floor that a perfect model would reach.

    Raises:
        UserError: if the shapes of a single clip differ.
    """
    if clips.shape[1:] != real.shape[1:]:
        raise UserError(f"Clips of shape {clips.shape[1:]} cannot be compared with real ones of {real.shape[1:]}.")
    size = prod(real.shape[1:])
    most = max(1, BYTES_AT_ONCE // (4 * size))
    at_once = min(clips_at_once or most, most)
    nearest: Tensor | None = None
    for part in torch.as_tensor(real).split(most):
        block = _flat(part)  # made once, and all clips are held against it
        found = torch.cat([torch.cdist(_flat(some), block).amin(1) for some in torch.as_tensor(clips).split(at_once)])
        nearest = found if nearest is None else torch.minimum(nearest, found)
    assert nearest is not None
    return (nearest / size**0.5).numpy()


def _flat(clips: Tensor) -> Tensor:
    """float32 (B, N)."""
    return clips.flatten(1).float()

"""How far a clip is from the nearest real one: a crude ruler that needs no feature network.

B clips, R real clips.
"""

import numpy as np
import torch

from tatslib.errors import UserError
from tatslib.videos import Video


def nearest_real_distance(clips: Video, real: Video) -> np.ndarray:
    """Root-mean-square difference, in grey levels of 255, between each clip and the real clip that is nearest to it.

    Args:
        clips: uint8 (B, T, H, W, 3).
        real: uint8 (R, T, H, W, 3).

    Returns:
        float32 (B,), 0 for a copy. Compare it with what held-out real clips score: with the same `real`, that is the
        floor that a perfect model would reach.

    Raises:
        UserError: if the shapes of a single clip differ.
    """
    if clips.shape[1:] != real.shape[1:]:
        raise UserError(f"Clips of shape {clips.shape[1:]} cannot be compared with real ones of {real.shape[1:]}.")
    flat, flat_real = (torch.as_tensor(x).flatten(1).float() for x in (clips, real))  # (B, N), (R, N)
    return (torch.cdist(flat, flat_real).amin(dim=1) / flat.shape[1] ** 0.5).numpy()

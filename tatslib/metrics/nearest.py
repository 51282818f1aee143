"""How far a clip is from the nearest real one: a crude ruler that needs no feature network.

It costs 2 B R T H W C operations. The paper's 512 videos of 64 windows of 16 frames at 128x128 against 2,048 real clips
take 1e17: 12 days at the 100 billion a second of a processor, an hour at the 30,000 billion of a GPU.

B clips, R real clips, T H W frames, C colours.
"""

from math import prod

import numpy as np
import torch
from torch import Tensor

from tatslib.errors import UserError
from tatslib.videos import Video

# Of clips as float32, on either side; 2,048 real clips of the paper take 24 times as much. Where torch finds distances
# by a product of matrices, it copies both blocks: 1.1 GB in all.
BYTES_AT_ONCE = 2**28


def nearest_real_distance(
    clips: Video, real: Video, clips_at_once: int | None = None, device: torch.device | str = "cpu"
) -> np.ndarray:
    """Root-mean-square difference, in grey levels of 255, between each clip and the real clip that is nearest to it.

    Args:
        clips: uint8 (B, T, H, W, 3).
        real: uint8 (R, T, H, W, 3).
        clips_at_once: so many of `clips` are compared at a time, or fewer if they are large; None: all that fit.
        device: where to compute. Another one, or another number at a time, moves the last bits.

    Returns:
        float32 (B,), 0 for a copy but for rounding: where either side has more than 25 clips, squares are subtracted
        from squares, which leaves some tenths of a grey level of clips of 16 frames at 128x128. Compare it with what
        held-out real clips score: with the same `real`, that is the floor that a perfect model would reach.

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
        block = _flat(part, device)  # made once, and all clips are held against it
        parts = (_flat(some, device) for some in torch.as_tensor(clips).split(at_once))
        found = torch.cat([torch.cdist(some, block).amin(1) for some in parts])
        nearest = found if nearest is None else torch.minimum(nearest, found)
    assert nearest is not None
    return (nearest / size**0.5).cpu().numpy()


def _flat(clips: Tensor, device: torch.device | str) -> Tensor:
    """float32 (B, N)."""
    return clips.to(device).flatten(1).float()

"""How much moves in a video, and how often it comes back: statistics of frame differences.

They know nothing of what is shown: a generator can match them with nonsense; one that misses them moves wrongly.

Letters: V videos, T H W frames.
"""

import torch
from einops import rearrange, reduce
from torch import Tensor

from tatslib.errors import UserError
from tatslib.videos import Video

STILL = 0.5  # grey levels: what rounding alone can do to a frame
PIXELS_AT_ONCE = 2**16


def frame_changes(videos: Video) -> Tensor:
    """Mean absolute difference of neighbouring frames, in grey levels of 255.

    Args:
        videos: uint8 (V, T, H, W, 3), two frames or more.

    Returns:
        float64 (V, T - 1); 0 where nothing moves.

    Raises:
        UserError: for fewer frames or another shape.
    """
    frames = torch.as_tensor(videos)
    if frames.ndim != 5 or frames.shape[1] < 2:
        raise UserError(f"motion takes two frames or more, (videos, frames, H, W, 3); got {tuple(frames.shape)}.")
    steps = []
    for before, after in zip(frames.unbind(1), frames[:, 1:].unbind(1), strict=False):  # one pair in memory at a time
        steps.append(reduce((after.float() - before.float()).abs(), "v h w c -> v", "mean"))
    return torch.stack(steps, dim=1).double()


def still_share(changes: Tensor, below: float = STILL) -> Tensor:
    """Share of frames that hardly differ from the one before: float64 (V,), of changes (V, T - 1)."""
    return (changes < below).double().mean(1)


def period(videos: Video, shortest: float = 2.0) -> tuple[Tensor, Tensor]:
    """How many frames the strongest rhythm of a video takes, and how strong it is.

    Args:
        videos: uint8 (V, T, H, W, 3), 4 frames or more.
        shortest: periods below that many frames are left out, from 2 on.

    Returns:
        Two float64 (V,). The period in frames, one of T/2, T/3, T/4, ..., so that long ones are coarse; infinite for a
        still video. And its share of the power of all these, 0 to 1: some period is always found, also in noise, and
        only a share well above that of a video without rhythm means something.

    Raises:
        UserError: for fewer frames, or if no period is left.
    """
    frames = torch.as_tensor(videos)
    if frames.ndim != 5 or frames.shape[1] < 4:
        raise UserError(f"a period takes 4 frames or more, (videos, frames, H, W, 3); got {tuple(frames.shape)}.")
    length = frames.shape[1]
    periods = length / torch.arange(1, length // 2 + 1, dtype=torch.float64)
    kept = (periods >= shortest) & (periods <= length / 2)
    if not kept.any():
        raise UserError(f"no period from {shortest} to {length / 2} frames fits into {length} frames.")
    power = torch.stack([_power(video)[kept] for video in frames])  # (V, periods)
    strongest, total = power.max(1), power.sum(1)
    moving = total > 0
    found = torch.where(moving, periods[kept][strongest.indices], torch.inf)
    return found, torch.where(moving, strongest.values / total.clamp_min(torch.finfo(torch.float64).tiny), 0.0)


def _power(video: Tensor) -> Tensor:
    """Power of each period T / 1, T / 2, ... of the pixels of one video (T, H, W, 3), added up: (T // 2,)."""
    pixels = rearrange(video, "t h w c -> (h w c) t")
    power = torch.zeros(len(video) // 2, dtype=torch.float64)
    for part in pixels.split(PIXELS_AT_ONCE):
        values = part.float() - part.float().mean(1, keepdim=True)
        power += torch.fft.rfft(values, dim=1)[:, 1:].abs().square().double().sum(0)
    return power

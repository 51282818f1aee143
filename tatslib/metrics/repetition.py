"""Does a long video repeat itself, token for token? Exact loops, and latent frames that come back (paper 3.4, C.2).

The paper says that its thousand frames are all different, and that where a video deteriorates its tokens repeat.

Letters: V videos, t h w latent grid, L lags.
"""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor

from tatslib.errors import UserError


def repeated_frames(tokens: Tensor) -> Tensor:
    """Which latent frames are, token for token, the same as an earlier one of their video.

    Args:
        tokens: int64 (V, t, h, w). uint8 frames (V, T, H, W * 3) do as well.

    Returns:
        bool (V, t), the first False. Its mean over t is the share that repeats; 0 means that all frames are unique.

    Raises:
        UserError: for another number of dimensions.
    """
    kinds = _kinds(tokens)
    return (kinds[:, :, None] == kinds[:, None, :]).tril(-1).any(2)


def loop_length(tokens: Tensor, times: int = 2) -> Tensor:
    """After how many latent frames a video has come to repeat itself exactly, at its end.

    Args:
        tokens: int64 (V, t, h, w). uint8 frames (V, T, H, W * 3) do as well.
        times: how often the loop has to be seen, last frame included, to count as one; 2 or more.

    Returns:
        int64 (V,): the smallest length p such that each of the last (times - 1) p latent frames equals the one p
        before; 1 for a still picture, 0 for no loop of at most t / times.

    Raises:
        UserError: for another number of dimensions or fewer than two times.
    """
    if times < 2:
        raise UserError(f"a loop that is seen {times} times is no loop: ask for 2 or more.")
    kinds = _kinds(tokens)
    found = torch.zeros(len(kinds), dtype=torch.int64)
    for length in range(kinds.shape[1] // times, 0, -1):
        end = (times - 1) * length
        found[(kinds[:, -end:] == kinds[:, -end - length : -length]).all(1)] = length
    return found


def same_at_lag(tokens: Tensor, lags: Sequence[int]) -> Tensor:
    """Share of tokens that are the same some latent frames later, in the same place.

    Args:
        tokens: int64 (V, t, h, w).
        lags: L distances in latent frames, each from 1 to t - 1.

    Returns:
        float64 (V, L). At lag 1 it says how still a video is; compare it with real videos, where it is not 0 either.

    Raises:
        UserError: for another number of dimensions or a lag that does not fit.
    """
    frames = _frames(tokens)
    if not all(1 <= lag < frames.shape[1] for lag in lags):
        raise UserError(f"lags {list(lags)} do not fit into {frames.shape[1]} latent frames: they run from 1 on.")
    return torch.stack([(frames[:, lag:] == frames[:, :-lag]).double().mean((1, 2)) for lag in lags], dim=1)


def _kinds(tokens: Tensor) -> Tensor:
    """A number for each latent frame, the same for equal ones of a video: int64 (V, t)."""
    return torch.stack([torch.unique(video, dim=0, return_inverse=True)[1] for video in _frames(tokens)])


def _frames(tokens: Tensor) -> Tensor:
    if tokens.ndim != 4:
        raise UserError(f"tokens have shape (videos, t, h, w), got {tuple(tokens.shape)}.")
    return rearrange(tokens.cpu(), "v t h w -> v t (h w)")

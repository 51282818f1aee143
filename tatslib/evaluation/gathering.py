"""Rows of features of many clips: each looked at once, by whichever process, and kept.

Every process holds the rows of all clips in the end, since what is done with them (subsets, groups left out, other
draws) asks for rows, not for sums. At the paper's size that is little: 11 draws of 2,048 real clips have 36 MB of I3D's
400 features, 10,000 generated ones 164 MB of C3D's 4,096, and 512 long videos of 64 windows 52 MB of I3D's and 26 MB of
C3D's probabilities. Their pixels, which are not little, are held for a moment: 32 clips of 16 frames at 128x128 are
25 MB, 2 long videos of 1,024 frames 101 MB, and twice that while they are put together for what looks at them.

Letters: B clips, V videos, n windows of a video, F feature dimensions, W processes.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from tatslib.distributed import one_for_all, rank, world_size
from tatslib.evaluation.feature_cache import FeatureCache, clip_key
from tatslib.evaluation.networks import Extractor
from tatslib.metrics.features import features_of_all, windows
from tatslib.progress import progress
from tatslib.videos import Video

AT_ONCE = 32  # clips in memory, and rows that a stop can lose
VIDEOS_AT_ONCE = 2  # long ones
Reader = Callable[[], Video]


def gather(extractor: Extractor, clips: Sequence[Reader], cache: Path, label: str) -> tuple[Tensor, int]:
    """The rows of all clips, in their order, the same on every process.

    Process r of W looks at clips r, r + W, r + 2 W, and so on; what `cache` has already is not computed.

    Args:
        extractor: what makes a row of a clip.
        clips: each a function that reads one, uint8 (T, H, W, 3).
        cache: folder of the rows of all networks.
        label: of the bar.

    Returns:
        (B, F), and how many rows this process had to compute.

    Raises:
        UserError: what reading a clip raises, on every process.
    """
    mine = clips[rank() :: world_size()]
    with one_for_all():
        kept = _Kept(extractor, cache)
        parts = [kept.none()]
        for start in progress(range(0, len(mine), AT_ONCE), label, unit="batch"):
            parts.append(kept.rows([read() for read in mine[start : start + AT_ONCE]]))
    return features_of_all(torch.cat(parts), len(clips)), kept.computed


class Look(NamedTuple):
    """What is kept of the rows of one network for each window of a long video."""

    extractor: Extractor
    of: Callable[[Tensor], Tensor] = torch.clone  # (n, F) to as many rows, of another width if need be


def gather_along(
    videos: Sequence[Reader],
    shape: tuple[int, int],
    wholes: Sequence[Extractor],
    looks: Sequence[Look],
    cache: Path,
    label: str,
) -> tuple[list[Tensor], list[Tensor], int]:
    """The rows of long videos and of their windows side by side, as `gather` has those of clips.

    A video is decoded once, whoever looks at it. A window is a clip like others: what was computed for one is found.

    Args:
        videos: each a function that reads one, uint8 (n frames, H, W, 3).
        shape: n, and the frames of a window.
        wholes: each makes a row of a video.
        looks: at each window.
        cache: folder of the rows of all networks.
        label: of the bar.

    Returns:
        (V, F) of each that looks at whole videos; (V, n, F) of each look; how many rows this process had to compute.

    Raises:
        UserError: as `gather`.
    """
    (count, frames), mine = shape, videos[rank() :: world_size()]
    with one_for_all():
        kept = {extractor: _Kept(extractor, cache) for extractor in (*wholes, *(look.extractor for look in looks))}
        rows = [[kept[whole].none()] for whole in wholes]
        seen = [[look.of(kept[look.extractor].none())] for look in looks]
        for start in progress(range(0, len(mine), VIDEOS_AT_ONCE), label, unit="batch"):
            batch = [read() for read in mine[start : start + VIDEOS_AT_ONCE]]
            for table, look in zip(seen, looks, strict=True):
                table += [look.of(kept[look.extractor].rows(windows(video[None], frames)[0])) for video in batch]
            for table, whole in zip(rows, wholes, strict=True):
                table.append(kept[whole].rows(batch))
    along = []
    for table in seen:
        wide = rearrange(torch.cat(table), "(v n) f -> v (n f)", v=len(mine), n=count)
        along.append(rearrange(features_of_all(wide, len(videos)), "v (n f) -> v n f", n=count))
    found = [features_of_all(torch.cat(table), len(videos)) for table in rows]
    return found, along, sum(one.computed for one in kept.values())


class _Kept:
    """The rows of one network, looked up or computed."""

    def __init__(self, extractor: Extractor, cache: Path) -> None:
        self.extractor, self.computed = extractor, 0
        self.cache = FeatureCache(cache / extractor.folder)

    def none(self) -> Tensor:
        """No rows, (0, F): a process whose share is empty still says of which shape."""
        return torch.zeros(0, self.extractor.dimensions, dtype=self.extractor.dtype)

    def rows(self, clips: Iterable[Video]) -> Tensor:
        """The rows of these clips, (B, F)."""
        by_key = [(clip_key(clip), clip) for clip in clips]
        found = self.cache.find([key for key, _ in by_key])
        missing = [(key, clip) for key, clip in dict(by_key).items() if key not in found]
        for start in range(0, len(missing), AT_ONCE):
            keys, some = zip(*missing[start : start + AT_ONCE], strict=True)
            rows = self.extractor.rows(np.stack(some))
            self.cache.add(keys, rows)
            found |= dict(zip(keys, rows, strict=True))
        self.computed += len(missing)
        return torch.stack([found[key] for key, _ in by_key])

"""Rows of features of many clips: each looked at once, by whichever process, and kept.

Letters: B clips, F feature dimensions, W processes.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tatslib.distributed import one_for_all, rank, world_size
from tatslib.evaluation.feature_cache import FeatureCache, clip_key
from tatslib.evaluation.networks import Extractor
from tatslib.metrics.features import features_of_all
from tatslib.progress import progress
from tatslib.videos import Video

AT_ONCE = 32  # clips in memory, and rows that a stop can lose


def gather(extractor: Extractor, clips: Sequence[Callable[[], Video]], cache: Path, label: str) -> tuple[Tensor, int]:
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
    kept = FeatureCache(cache / f"{extractor.name}-{extractor.checksum[:16]}")
    mine, parts, computed = clips[rank() :: world_size()], [], 0
    with one_for_all():
        for start in progress(range(0, len(mine), AT_ONCE), label, unit="batch"):
            batch = [read() for read in mine[start : start + AT_ONCE]]
            keys = [clip_key(clip) for clip in batch]
            missing = {key: clip for key, clip in zip(keys, batch, strict=True) if key not in kept}
            if missing:
                kept.add(list(missing), extractor.rows(np.stack(list(missing.values()))))
                computed += len(missing)
            parts.append(kept.rows(keys))
    rows = torch.cat(parts) if parts else torch.zeros(0, extractor.dimensions)
    return features_of_all(rows, len(clips)), computed

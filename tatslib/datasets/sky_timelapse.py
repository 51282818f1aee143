"""Sky Time-lapse: 2,647 released videos of the sky (paper B.1) as folders of frames; also the sky world."""

import os
from pathlib import Path
from typing import Any, Literal

from tatslib.datasets.clips import ClipDataset
from tatslib.datasets.layout import contents, find_folder
from tatslib.errors import UserError
from tatslib.videos import IMAGE_SUFFIXES


def sky_timelapse(root: str | Path, split: Literal["train", "test"] = "train", **options: Any) -> ClipDataset:
    """Clips of one split of Sky Time-lapse, unlabelled.

    Every folder that holds images is one video, as `sky_train/<video>/<video>_1/<video>_frames_00000001.jpg`. (The
    released code validates on its training data; here the test split is the test split.)

    Args:
        root: the folder that holds `sky_train` and `sky_test`, or the one above it (the archive's `sky_timelapse`).
        split: "train" or "test".
        options: of `ClipDataset`: length, stride, resolution, position, seed, antialias, cache, workers.

    Raises:
        UserError: if the folder is missing or holds no frames.
    """
    return ClipDataset(sky_videos(Path(root), split), **options)


def sky_videos(root: Path, split: str) -> list[Path]:
    """All folders of frames of a split, sorted.

    Raises:
        UserError: if there are none.
    """
    if split not in ("train", "test"):
        raise UserError(f'Sky Time-lapse has splits "train" and "test", got {split!r}.')
    name = f"sky_{split}"
    folder = find_folder([root / name, root / "sky_timelapse" / name], f"The {split} split of Sky Time-lapse ({name})")
    videos = sorted(
        Path(place)
        for place, _, files in os.walk(folder)
        if any(file.lower().endswith(IMAGE_SUFFIXES) and not file.startswith(".") for file in files)
    )
    if not videos:
        raise UserError(f"{folder} holds no folder with frames ({', '.join(IMAGE_SUFFIXES)}); {contents(folder)}.")
    return videos

"""Taichi-HD: 2,668 videos of one person performing taichi (paper B.1); also the taichi world."""

import os
from pathlib import Path
from typing import Any, Literal

from tatslib.datasets.clips import ClipDataset
from tatslib.datasets.layout import contents, find_folder
from tatslib.errors import UserError
from tatslib.videos import IMAGE_SUFFIXES

VIDEO_SUFFIXES = (".mp4", ".avi", ".webm")  # as the released code takes them
SIGNS = tuple(  # its names tell it from other videos that lie in `train` and `test`
    f"{place}{split}/*#*#*" for place in ("", "taichi/", "taichi-png/") for split in ("train", "test")
)
STRIDE = 4  # "we follow [81] to sample frames from every 4 frames" (B.1)


def taichi(
    root: str | Path, split: Literal["train", "test"] = "train", *, stride: int = STRIDE, **options: Any
) -> ClipDataset:
    """Clips of one split of Taichi-HD, unlabelled.

    The official script makes `train/<recording>#<first frame>#<last frame>.mp4`, or folders of that name that hold
    `0000000.png`, `0000001.png` and so on; the folder a video lies in decides about its split.

    Args:
        root: the folder that holds `train` and `test`, or the one above it (`taichi` or, of folders, `taichi-png`).
        split: "train" or "test".
        stride: distance between two frames of a clip. 4 is the paper's for TATS-base; it takes 1 for TATS-hierarchical,
            whose longer clips would not fit into 60% of the videos with 4 (B.1, Fig. 15). The released code has
            no default; its length counts frames before they are left out, ours those that are taken.
        options: of `ClipDataset`: length, resolution, position, seed, antialias, cache, workers.

    Raises:
        UserError: if the folder is missing or holds no video.
    """
    return ClipDataset(taichi_videos(Path(root), split), stride=stride, **options)


def taichi_videos(root: Path, split: str) -> list[Path]:
    """All videos of a split, sorted: files, and folders that hold frames.

    Raises:
        UserError: if there are none.
    """
    if split not in ("train", "test"):
        raise UserError(f'Taichi-HD has splits "train" and "test", got {split!r}.')
    places = [root, root / "taichi", root / "taichi-png"]
    folder = find_folder([place / split for place in places], f"The {split} split of Taichi-HD")
    videos = []
    for place, _, names in os.walk(folder):
        visible = [name for name in names if not name.startswith(".")]
        videos += [Path(place, name) for name in visible if name.lower().endswith(VIDEO_SUFFIXES)]
        if any(name.lower().endswith(IMAGE_SUFFIXES) for name in visible):
            videos.append(Path(place))
    if not videos:
        looked = ", ".join((*VIDEO_SUFFIXES, *IMAGE_SUFFIXES))
        raise UserError(f"{folder} holds no video ({looked}); {contents(folder)}.")
    return sorted(videos)

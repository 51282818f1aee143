"""A folder of videos, whoever made them, as clips of one shape: what is to be measured.

Files (mp4, avi, webm, mkv, mov, gif) and folders of frames, at any depth. Of each video the first frames are taken, one
after the other: a generator that was trained on every 4th frame has left the others out already. Nothing is skipped. A
set from which the damaged videos were dropped in silence is another set.

Letters: T frames of a clip, H W its height and width.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tatslib.datasets.layout import contents
from tatslib.errors import UserError
from tatslib.progress import progress
from tatslib.videos import (
    IMAGE_SUFFIXES,
    DamagedVideo,
    Video,
    claimed_frames,
    read_frames,
    resize_and_crop,
)

SUFFIXES = (".mp4", ".avi", ".webm", ".mkv", ".mov", ".gif")
ARRAYS = (".npz", ".npy", ".pt", ".pkl", ".pickle", ".h5", ".hdf5")


class VideosFolder:
    """The first frames of each video of a folder.

    Args:
        folder: of the videos.
        length: T, frames of a clip.
        resolution: height and width of a clip: the shorter side is resized, the longer one cropped around its centre.
        antialias: see `videos.resize_and_crop`.

    Attributes:
        paths: the videos, sorted by name.
        size: (H, W) of all of them as they are stored.

    Raises:
        UserError: if there are none, or one cannot be opened, is too short, or is of another size than the first.
    """

    def __init__(self, folder: Path, *, length: int = 16, resolution: int = 128, antialias: bool = True) -> None:
        if length < 1 or resolution < 1:
            raise UserError(f"clips of {length} frames of {resolution}x{resolution} pixels are none.")
        self.folder, self.length, self.resolution, self.antialias = folder, length, resolution, antialias
        self.paths = find_videos(folder)
        self.size = check_videos(self.paths, length)

    def __len__(self) -> int:
        """Number of videos."""
        return len(self.paths)

    def clip(self, video: int) -> Video:
        """The clip of one video, uint8 (T, H, W, 3).

        Raises:
            UserError: if the video breaks off before, by its name.
        """
        return resize_and_crop(first_frames(self.paths[video], self.length), self.resolution, self.antialias)


def find_videos(folder: Path) -> list[Path]:
    """All videos of a folder and the folders in it, sorted; images beside a video file are no frames but previews.

    Raises:
        UserError: if there are none, or a folder cannot be read.
    """
    videos, others = [], set()
    for place, visible in _walk(folder):
        files = [Path(place, name) for name in visible if name.lower().endswith(SUFFIXES)]
        others |= {Path(name).suffix for name in visible if name.lower().endswith(ARRAYS)}
        videos += files
        if not files and any(name.lower().endswith(IMAGE_SUFFIXES) for name in visible):
            videos.append(place)
    if not videos:
        found = contents(folder) if folder.is_dir() or not folder.exists() else f"{folder} is a file"
        advice = f"; {', '.join(sorted(others))} hold arrays: write them with `tatslib.videos.write_video`"
        kinds = ", ".join((*SUFFIXES, *IMAGE_SUFFIXES))
        raise UserError(f"No video ({kinds}) in {folder}: {found}{advice if others else ''}.")
    return sorted(videos)


def check_videos(paths: Sequence[Path], length: int) -> tuple[int, int]:
    """Decode what is to be measured of each video once, before hours are spent on features.

    Returns:
        (H, W), the same for all.

    Raises:
        UserError: see `VideosFolder`.
    """
    sizes: dict[tuple[int, int], Path] = {}
    for path in progress(paths, "looking at the videos", unit="video"):
        _, height, width, _ = first_frames(path, length).shape
        sizes.setdefault((height, width), path)
        if len(sizes) > 1:
            (one, first), (other, second) = sizes.items()
            raise UserError(
                f"{first} is {one[0]}x{one[1]} and {second} is {other[0]}x{other[1]} (height x width): videos of one "
                "model have one size; put those of each into a folder of their own."
            )
    return next(iter(sizes))


def first_frames(path: Path, length: int) -> Video:
    """The first frames of a video, uint8 (T, H, W, 3).

    Raises:
        DamagedVideo: if it announces as many, but was cut off.
        UserError: if it has fewer, one of them cannot be read, or they are of several sizes.
    """
    try:
        return read_frames(path, length=length)
    except DamagedVideo:
        raise
    except UserError as error:
        if 0 < (announced := claimed_frames(path)) < length:
            raise UserError(f"{path} has {announced} frames, and {length} of each are to be measured.") from error
        if announced and not path.is_dir():  # of a folder, the error names the image
            raise DamagedVideo(
                f"{path} was cut off: it announces {announced} frames, and not even the {length} that are measured "
                "can be decoded."
            ) from error
        raise
    except ValueError as error:  # of what stacks them
        raise UserError(f"{path} changes its picture size on the way: take it out, or mend it.") from error


def _walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Each folder once, also behind links, with the names in it; what is hidden is none of them.

    What is just being written is hidden, so that it counts when it is whole.

    Raises:
        UserError: if one cannot be read.
    """

    def refuse(error: OSError) -> None:
        if folder.is_dir():
            raise UserError(f"{error.filename} cannot be read ({error.strerror}): take it out of {folder}, or mend it.")

    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if (real := os.path.realpath(place)) in seen:  # a link back, or a second one
            folders.clear()
            continue
        seen.add(real)
        yield Path(place), [name for name in names if not name.startswith(".")]

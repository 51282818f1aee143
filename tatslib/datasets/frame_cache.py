"""Decoded frames on disk, so that a clip from the middle of a video costs a read and not a decoding from the start.

One file a video: its frames, resized and cropped to squares, as raw bytes. It is written while the video is decoded
from front to back, holding a few frames at a time, and only gets its name when the last frame is in it. So its size is
the frame count, and that count was counted.
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from tatslib.errors import UserError
from tatslib.files import replacing
from tatslib.home import home
from tatslib.videos import DamagedVideo, Video, claimed_frames, iter_frames, resize_and_crop

FRAMES_AT_A_TIME = 32
FORGIVEN = 2  # frames: honest files can lack one or two that their container announces


class FrameCache:
    """The frames of any video at one resolution.

    Args:
        resolution: height and width of the stored squares.
        antialias: see `videos.resize_and_crop`.
        folder: where the files lie; default `<home>/frames`. A video takes resolution x resolution x 3 bytes a frame.
    """

    def __init__(self, resolution: int, antialias: bool = True, folder: str | Path | None = None) -> None:
        self.resolution, self.antialias = resolution, antialias
        self.folder = Path(folder) if folder is not None else home() / "frames"

    def add(self, path: Path) -> Path:
        """Decode a video unless that was done before, and return the file of its frames.

        The name of that file is a hash of the video's path, size and time of change, of the resolution and of the
        antialiasing: a video that was changed is decoded anew.

        Raises:
            UserError: if the video cannot be read, holds over two frames less than it announces, or the disk is full.
        """
        stored = self.folder / f"{self._key(path)}.frames"
        if not stored.exists():
            try:
                self._decode_into(stored, path)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                raise UserError(f"No space left in {self.folder} for the frames of {path}.") from error
        return stored

    def read(self, stored: Path) -> Video:
        """All frames of a stored video as a memory-mapped array (T, S, S, 3): what is not looked at is not read."""
        return np.memmap(stored, np.uint8, "r", shape=(self.count(stored), self.resolution, self.resolution, 3))

    def count(self, stored: Path) -> int:
        """How many frames a stored video has."""
        return stored.stat().st_size // (self.resolution**2 * 3)

    def _decode_into(self, stored: Path, path: Path) -> None:
        damage: list[DamagedVideo] = []
        frames, count = _until_damage(path, damage), 0
        with replacing(stored) as temporary, temporary.open("wb") as file:
            while piece := list(islice(frames, FRAMES_AT_A_TIME)):
                if len({frame.shape for frame in piece}) > 1:
                    raise UserError(f"{path} changes its picture size on the way.")
                file.write(resize_and_crop(np.stack(piece), self.resolution, self.antialias).tobytes())
                count += len(piece)
            check_count(path, count, damage)

    def _key(self, path: Path) -> str:
        name = f"{path.absolute()}|{self.resolution}|{self.antialias}"
        identity = hashlib.sha256(name.encode(errors="surrogateescape"))
        for file in _files(path):
            identity.update(file.encode(errors="surrogateescape"))
        return identity.hexdigest()[:24]


def count_frames(path: Path) -> int:
    """How many frames a video has, by decoding all of it; nothing is kept.

    Raises:
        UserError: as `FrameCache.add`.
    """
    damage: list[DamagedVideo] = []
    count, shape = 0, None
    for frame in _until_damage(path, damage):
        if shape is not None and frame.shape != shape:
            raise UserError(f"{path} changes its picture size on the way.")
        count, shape = count + 1, frame.shape
    check_count(path, count, damage)
    return count


def check_count(path: Path, count: int, damage: list[DamagedVideo]) -> None:
    """Refuse a video of which too little could be decoded.

    Damage that costs no more than the forgiven frames is a last packet that no decoder likes, and is forgiven too; a
    file that was cut off lacks more. Where nothing is announced, any damage counts.
    """
    claimed = claimed_frames(path)
    if count == 0 or claimed - count > FORGIVEN or (damage and not claimed):
        cut_off = UserError(f"{path} was cut off: only {count} of {claimed} frames can be decoded.")
        raise damage[0] if damage else cut_off


def _until_damage(path: Path, damage: list[DamagedVideo]) -> Iterator[Video]:
    """The frames of a video up to its end or to the place where it is damaged, which is then put into `damage`."""
    try:
        yield from iter_frames(path)
    except DamagedVideo as error:
        damage.append(error)


def _files(path: Path) -> Iterator[str]:
    """Name, size and time of change of a video file, or of each file in a folder of frames."""
    if not path.exists():
        raise UserError(f"{path} does not exist.")
    if path.is_file():
        status = path.stat()
        yield f"{status.st_size}|{status.st_mtime_ns}"
    else:
        for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
            yield f"{entry.name}|{entry.stat().st_size}|{entry.stat().st_mtime_ns}"

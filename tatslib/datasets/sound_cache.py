"""Spectrograms on disk as the model takes them, so that a clip costs a read of its own frames and no pickle.

One file a video: one picture of 64 x 16 numbers for each of its frames. It is written once, from the pickle that came
with the video or from its sound track, and only gets its name when it is whole.
"""

from pathlib import Path

import av
import numpy as np

from tatslib.errors import UserError
from tatslib.files import replacing, state_key
from tatslib.foreign_arrays import read_array
from tatslib.home import home
from tatslib.sound import BANDS, LONGEST, MOMENTS, Spectrogram, as_released, read_sound, spectrogram

MOST_FRAMES, LARGEST_SIDE = 10_000, 4096  # of a spectrogram and of one picture in it: what claims more is damaged


def read_pickled(path: Path) -> Spectrogram:
    """The spectrogram that somebody pickled, as the model takes it, float32 (T, 64, 16) in [-1, 1].

    Raises:
        UserError: if it cannot be read safely, or is no array with a picture of numbers for each frame.
    """
    array = read_array(path)
    if array.ndim != 3 or 0 in array.shape or len(array) > MOST_FRAMES or max(array.shape[1:]) > LARGEST_SIDE:
        raise UserError(f"{path} holds an array {array.shape}, not one picture of frequencies for each frame.")
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is refused as such
        pictures = as_released(array)
    if not np.isfinite(pictures).all():
        raise UserError(f"{path} holds infinite numbers or none at all (nan).")
    return pictures


def stated_rate(path: Path) -> float:
    """Frames a second of a video as its container states them, their mean where they change; 0 if it does not say.

    Raises:
        UserError: if it cannot be opened or has no video stream.
    """
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            if not container.streams.video:
                raise UserError(f"{path} holds no video stream.")
            return float(container.streams.video[0].average_rate or 0)
    except (av.error.FFmpegError, OSError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).splitlines()[0].rstrip(".").lower()
        raise UserError(f"{path} cannot be opened as a video: {reason}.") from error


class SoundCache:
    """The spectrograms of any videos, float32 (T, 64, 16) in [-1, 1].

    Args:
        folder: where the files lie; default `<home>/sounds`. A frame takes 4 kB.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder) if folder is not None else home() / "sounds"

    def from_pickle(self, path: Path) -> Path:
        """Read the spectrogram that somebody pickled unless that was done before, and return our file of it.

        Raises:
            UserError: as `read_pickled`.
        """
        stored = self._stored(path, "pickle")
        if not stored.exists():
            self._write(stored, read_pickled(path))
        return stored

    def from_track(self, path: Path, frames: int, fps: float) -> Path:
        """Make the spectrogram of a video's own sound track unless that was done before, and return our file of it.

        Args:
            path: the video.
            frames: how many it has.
            fps: frames a second, of this video. What was made at another rate is another file.

        Raises:
            UserError: if the video has no sound track, or a damaged one, or lasts no time that a sound can be cut into.
        """
        if not 0 < frames <= MOST_FRAMES:
            raise UserError(f"{path} announces {frames} frames: a sound is cut into 1 to {MOST_FRAMES:,} of them.")
        if not frames <= fps * LONGEST:
            raise UserError(
                f"{path} announces {frames} frames at {fps:g} a second: a sound of at most {LONGEST:,.0f} seconds is "
                "cut into frames, so mend the file, or use spectrograms that were made before."
            )
        stored = self._stored(path, f"track of {frames} frames at {fps}")
        if not stored.exists():
            self._write(stored, as_released(spectrogram(read_sound(path, frames / fps), frames, fps)))
        return stored

    def read(self, stored: Path) -> Spectrogram:
        """The whole spectrogram (T, 64, 16) as a memory-mapped array: what is not looked at is not read."""
        return np.memmap(stored, np.float32, "r", shape=(self.count(stored), BANDS, MOMENTS))

    def count(self, stored: Path) -> int:
        """How many frames a stored spectrogram has."""
        return stored.stat().st_size // (4 * BANDS * MOMENTS)

    def _stored(self, path: Path, kind: str) -> Path:
        return self.folder / f"{state_key(path, kind)}.sound"

    def _write(self, stored: Path, pictures: Spectrogram) -> None:
        with replacing(stored) as temporary:
            temporary.write_bytes(pictures.astype("<f4").tobytes())

"""Clips from a list of videos: the one place that knows how a clip is chosen and what happens to bad files.

A clip has `length` frames, `stride` frames of the video apart, so it spans (length - 1) * stride + 1 of them. That is
the one convention, for files and for folders of images. (The released code counts frames before striding for files and
after striding for folders.)

Bad files. A video that cannot be decoded to its end, that lacks more than two of the frames it announces (honest AVIs
lack one or two), or that is shorter than a clip, is left out. The logger "tatslib" gets one warning line for each that
is damaged, and one line for all that are too short; `skipped` keeps all of them. An empty selection is an error.

Letters: B batch, T frames of a clip, H W its height and width.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tatslib.datasets.frame_cache import FrameCache
from tatslib.errors import UserError, one_line
from tatslib.progress import progress
from tatslib.randomness import numpy_generator
from tatslib.videos import Video

logger = logging.getLogger("tatslib")

LINES_ABOUT_DAMAGE = 10  # beyond these, damaged videos are counted, not named


class ClipDataset:
    """Clips of equal shape from a list of videos.

    Args:
        paths: video files or folders of frames.
        labels: class index of each video; none means unlabelled, and every label is 0.
        classes: names of the classes; () means unlabelled.
        length: frames in a clip.
        stride: distance between two frames of a clip, in frames of the video.
        resolution: height and width of a clip: the shorter side is resized, the longer one cropped around its centre.
        position: "random" draws any window of any video, each equally likely, so a video counts in proportion to its
            windows (as in the released code). "centre" takes the middle window of one video after the other.
        seed: of the random choice.
        antialias: False reproduces the released resizing.
        cache: folder for decoded frames; default see `FrameCache`. The first use of a video decodes all of it.
        workers: how many threads decode videos that are not cached yet.

    Attributes:
        paths, labels, frames: path, class index and number of frames of every video that is used.
        skipped: why each of the others is not, by path.
        told: how a text or a sound beside the clips is made, in words, where that is not the usual way.

    Raises:
        UserError: if no video can be used, or for a length or stride below 1.
    """

    told = ""

    def __init__(
        self,
        paths: Sequence[Path],
        labels: Sequence[int] | None = None,
        classes: Sequence[str] = (),
        *,
        length: int = 16,
        stride: int = 1,
        resolution: int = 128,
        position: Literal["random", "centre"] = "random",
        seed: int = 0,
        antialias: bool = True,
        cache: str | Path | None = None,
        workers: int = 1,
    ) -> None:
        if length < 1 or stride < 1 or resolution < 1:
            raise UserError(f"length, stride and resolution start at 1, got {length}, {stride} and {resolution}.")
        if position not in ("random", "centre"):
            raise UserError(f'position is "random" or "centre", got {position!r}.')
        self.length, self.stride, self.resolution, self.position, self.seed = length, stride, resolution, position, seed
        self.span = (length - 1) * stride + 1
        self.classes = tuple(classes)
        self.cache = FrameCache(resolution, antialias, cache)
        self.skipped: dict[Path, str] = {}

        stored = self._decode_all(paths, workers)
        counts = [self.cache.count(file) if file is not None else 0 for file in stored]
        used = [index for index, count in enumerate(counts) if count >= self.span]
        if not used:
            raise UserError(self._nothing_left(paths, counts))
        self._report(paths, counts)
        self._stored: list[Path] = [
            file for file, count in zip(stored, counts, strict=True) if file and count >= self.span
        ]
        self.paths = [paths[index] for index in used]
        self.labels = [labels[index] if labels is not None else 0 for index in used]
        self.frames = [counts[index] for index in used]
        self._last_window = np.cumsum([count - self.span + 1 for count in self.frames])

    def __len__(self) -> int:
        """Number of videos."""
        return len(self.paths)

    @property
    def windows(self) -> int:
        """Number of different clips: all windows of all videos, overlapping."""
        return int(self._last_window[-1])

    def clips(
        self, step: int, batch_size: int, seed: int | None = None, rank: int = 0, world_size: int = 1
    ) -> tuple[Tensor, Tensor]:
        """The clips of one step: a pure function of its arguments, whatever was asked before.

        Args:
            step: which batch.
            batch_size: clips for this process.
            seed: another seed than the data set's own.
            rank: which of `world_size` processes asks; together they get the batch that one process of
                batch_size * world_size clips would get, each clip once.
            world_size: number of processes.

        Returns:
            uint8 (B, T, H, W, 3) and int64 (B,) class indices (0 where there are no classes).
        """
        places = self.places(step, batch_size * world_size, seed)[rank::world_size]
        clips = np.stack([self.clip(video, start) for video, start in places])
        return torch.from_numpy(clips), torch.tensor([self.labels[video] for video, _ in places])

    def places(self, step: int, count: int, seed: int | None = None) -> list[tuple[int, int]]:
        """Where the clips of one step are cut: index of the video and first frame of each."""
        if self.position == "centre":
            turns = [index % len(self) for index in range(step * count, (step + 1) * count)]
            return [(video, (self.frames[video] - self.span) // 2) for video in turns]
        generator = numpy_generator(self.seed if seed is None else seed, "clips", step)
        return self.places_of(generator.integers(self.windows, size=count))

    def places_of(self, windows: np.ndarray) -> list[tuple[int, int]]:
        """Where these windows are cut, int64 (B,) from 0 on, those of the first video before those of the next."""
        chosen = np.searchsorted(self._last_window, windows, side="right")
        starts = windows - np.concatenate([[0], self._last_window])[chosen]
        return list(zip(chosen.tolist(), starts.tolist(), strict=True))

    def clip(self, video: int, start: int | None = None) -> Video:
        """One clip, uint8 (T, H, W, 3), from frame `start` of a video on; None takes the middle."""
        room = self.frames[video] - self.span
        start = room // 2 if start is None else start
        if not 0 <= start <= room:
            raise UserError(f"A clip of {self.paths[video]} can start at 0 to {room}, not at {start}.")
        return np.array(self.cache.read(self._stored[video])[start : start + self.span : self.stride])

    def video(self, video: int) -> Video:
        """All frames of a video, uint8 (frames, H, W, 3); read from disk as they are looked at."""
        return self.cache.read(self._stored[video])

    def _decode_all(self, paths: Sequence[Path], workers: int) -> list[Path | None]:
        pool = ThreadPoolExecutor(workers)
        try:
            return list(progress(pool.map(self._decode, paths), "decoding", total=len(paths), unit="video"))
        finally:  # Ctrl-C must not wait for thousands of videos still in the queue
            pool.shutdown(cancel_futures=True)

    def _decode(self, path: Path) -> Path | None:
        try:
            return self.cache.add(path)
        except UserError as error:
            self.skipped[path] = str(error)
            return None

    def _report(self, paths: Sequence[Path], counts: list[int]) -> None:
        damaged = sorted(self.skipped.values())
        for sentence in damaged[:LINES_ABOUT_DAMAGE]:
            logger.warning("Skipped: %s", sentence)
        if len(damaged) > LINES_ABOUT_DAMAGE:
            logger.warning("Skipped %d more damaged videos.", len(damaged) - LINES_ABOUT_DAMAGE)
        short = [(path, count) for path, count in zip(paths, counts, strict=True) if 0 < count < self.span]
        self.skipped |= {
            path: one_line(f"{path} has {count} frames, a clip spans {self.span}.") for path, count in short
        }
        if short:
            named = ", ".join(f"{one_line(path.name)} ({count})" for path, count in short[:5])
            more = f" and {len(short) - 5} more" if len(short) > 5 else ""
            logger.warning("Skipped: shorter than the %d frames that a clip spans: %s%s.", self.span, named, more)

    def _nothing_left(self, paths: Sequence[Path], counts: list[int]) -> str:
        if not any(counts):
            return f"None of {len(paths)} videos can be decoded; the first: {next(iter(self.skipped.values()), 'none')}"
        return (
            f"No video is long enough: {self.length} frames with stride {self.stride} span {self.span} frames, "
            f"the longest of {len(paths)} videos has {max(counts)}."
        )

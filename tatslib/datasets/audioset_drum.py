"""AudioSet-Drum: 7,000 clips of drum kits with their sound, 90 frames each (paper B.1); also the drums world.

Two layouts of the same files are read: the one that the released code expects, `stft/train/<name>.pickle` beside
`video/train/<name>.mp4`, and the archive's own, `train/stft_pickle/<name>.pickle` beside `train/mp4/<name>.mp4`.

Letters: B batch, T frames of a clip, F M frequencies and moments of a frame's spectrogram.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from tatslib.datasets.clips import LINES_ABOUT_DAMAGE, ClipDataset
from tatslib.datasets.frame_cache import FORGIVEN
from tatslib.datasets.layout import contents
from tatslib.datasets.sound_cache import SoundCache, stated_rate
from tatslib.errors import UserError
from tatslib.sound import Spectrogram
from tatslib.videos import claimed_frames

logger = logging.getLogger("tatslib")

RESOLUTION = 64  # the paper's (3.1 and B.1); the released reader cannot be told and takes 96
FPS = 30.0  # of a sound without a video: the clips are published without their rate, so this is our reading of it
PLACES = (("stft/{}", "video/{}"), ("{}/stft_pickle", "{}/mp4"))  # of spectrograms and of videos, in a split
ARCHIVE = "AudioSet_Dataset"  # the folder that the archive unpacks to


class DrumClips(ClipDataset):
    """Clips of video with the spectrogram of what is heard while each of their frames is shown.

    Args:
        pairs: for each video the pickle of its spectrogram; None computes it from the video's own sound track, at the
            rate of frames that its file states.
        options: of `ClipDataset`; `cache` holds both frames and spectrograms.

    Raises:
        UserError: if no pair can be used.
    """

    def __init__(self, pairs: Sequence[tuple[Path, Path | None]], **options: Any) -> None:
        self.sounds = SoundCache(options.get("cache"))
        self._sound_of: dict[Path, Path] = {}
        self._rates: set[float] = set()
        silent: dict[Path, str] = {}
        for video, pickled in pairs:
            try:
                self._sound_of[video] = self._spectrogram(video, pickled)
            except UserError as error:
                silent[video] = str(error)
        for sentence in sorted(silent.values())[:LINES_ABOUT_DAMAGE]:
            logger.warning("Skipped: %s", sentence)
        if len(silent) > LINES_ABOUT_DAMAGE:
            logger.warning("Skipped %d more videos without a usable sound.", len(silent) - LINES_ABOUT_DAMAGE)
        if not self._sound_of:
            raise UserError(f"None of {len(pairs)} videos has a usable sound; the first: {next(iter(silent.values()))}")
        super().__init__(list(self._sound_of), **{"resolution": RESOLUTION, **options})
        tracks = "sound from tracks" if any(pickled is None for _, pickled in pairs) else ""
        self.told = tracks + (" at their own frame rates" if self._rates - {FPS} else "")
        self.skipped |= silent

    def clips_with_sound(
        self, step: int, batch_size: int, rank: int = 0, world_size: int = 1, seed: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """The same clips as `clips` gives, and their sound.

        Returns:
            uint8 (B, T, H, W, 3) and float32 (B, 1, T, 64, 16) in [-1, 1]: the spectrogram is a video with one channel.
        """
        places = self.places(step, batch_size * world_size, seed)[rank::world_size]
        clips = np.stack([self.clip(video, start) for video, start in places])
        sounds = np.stack([self.sound(video, start) for video, start in places])
        return torch.from_numpy(clips), torch.from_numpy(sounds)[:, None]

    def sound(self, video: int, start: int | None = None) -> Spectrogram:
        """What is heard in one clip, float32 (T, 64, 16) in [-1, 1]; see `clip`.

        Where the released code takes every n-th frame it keeps the sound of all; here picture and sound stay together.
        """
        start = (self.frames[video] - self.span) // 2 if start is None else start
        whole = self.sounds.read(self._sound_of[self.paths[video]])
        return np.array(whole[np.minimum(np.arange(start, start + self.span, self.stride), len(whole) - 1)])

    def _spectrogram(self, video: Path, pickled: Path | None) -> Path:
        announced = claimed_frames(video)
        if pickled is None:
            rate = stated_rate(video)
            stored = self.sounds.from_track(video, announced, rate)
            self._rates.add(rate)
            return stored
        stored = self.sounds.from_pickle(pickled)
        check_sound(pickled, self.sounds.count(stored), video, announced)
        return stored


def check_sound(pickled: Path, heard: int, video: Path, announced: int) -> None:
    """Refuse a spectrogram of another length than its video.

    Args:
        pickled: where it lies.
        heard: how many frames it has.
        video: which it belongs to.
        announced: how many frames the video announces; 0 if it does not say.

    Raises:
        UserError: with both numbers.
    """
    if announced and abs(announced - heard) > FORGIVEN:
        raise UserError(f"{pickled} has the sound of {heard} frames, and {video} announces {announced}.")


def audioset_drum(
    root: str | Path,
    split: Literal["train", "test"] = "train",
    *,
    sound: Literal["pickle", "track"] = "pickle",
    **options: Any,
) -> DrumClips:
    """Clips of one split of AudioSet-Drum with their sound: any part of `length` frames of any video.

    Args:
        root: the folder that holds `stft` and `video`, or the archive's `train` and `test` (`AudioSet_Dataset`), or the
            one above it.
        split: "train" or "test".
        sound: "pickle" takes the spectrograms that came with the videos, read without running anything in them;
            "track" computes our own from the sound track of each video, at the rate of frames that its file states
            (`tatslib.sound` says how they differ).
        options: of `ClipDataset`: length, stride, resolution (default 64), position, seed, antialias, cache, workers.

    Raises:
        UserError: if the folders are missing or nothing in them can be used.
    """
    if sound not in ("pickle", "track"):
        raise UserError(f'The sound is taken from a "pickle" or the "track" of a video, got {sound!r}.')
    pairs = drum_pairs(Path(root), split)
    return DrumClips([(video, pickled if sound == "pickle" else None) for video, pickled in pairs], **options)


def drum_pairs(root: Path, split: str) -> list[tuple[Path, Path]]:
    """Where the video and the spectrogram of every clip of a split lie, or would if one of them is missing.

    Raises:
        UserError: if there are none.
    """
    if split not in ("train", "test"):
        raise UserError(f'AudioSet-Drum has splits "train" and "test", got {split!r}.')
    for base in (root, root / ARCHIVE):
        for pickles, videos in PLACES:
            sounds, pictures = base / pickles.format(split), base / videos.format(split)
            names = {path.stem for path in sounds.glob("*.pickle")} | {path.stem for path in pictures.glob("*.mp4")}
            if shown := sorted(name for name in names if not name.startswith(".")):
                return [(pictures / f"{name}.mp4", sounds / f"{name}.pickle") for name in shown]
    looked = " or ".join(str(root / pickles.format(split)) for pickles, _ in PLACES)
    raise UserError(f"The {split} split of AudioSet-Drum not found: looked for {looked}; {contents(root)}.")

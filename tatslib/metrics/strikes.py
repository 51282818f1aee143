"""Which drums are struck in a video of the drums world, and how well that agrees with a sound track.

What is measured of a generated video is the light that a struck drum gives off. Each drum's place and colours are
known, so that its light is a number: 0 in its own colour, 1 in that of a strike. A strike is where it rises steeply.

Letters: T frames, S height and width.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tatslib.videos import Video
from tatslib.worlds.drums import DRUMS, FLASH, HUES, face

Strike = tuple[int, str]

RISE = 0.3  # of the light within three frames, from which on it counts as a strike; real ones rise by 0.9 and more
APART = 3  # frames on either side in which a strike gives off more light than any other frame; real ones lie 7 apart


@dataclass(frozen=True)
class Agreement:
    """How many strikes were found, how many there should be, and how many of them belong together."""

    found: int
    true: int
    matched: int

    @property
    def precision(self) -> float:
        """Share of the strikes found that should be there; not a number if none was found."""
        return self.matched / self.found if self.found else float("nan")

    @property
    def recall(self) -> float:
        """Share of the strikes that should be there that were found; not a number if there should be none."""
        return self.matched / self.true if self.true else float("nan")

    def __add__(self, other: "Agreement") -> "Agreement":
        return Agreement(self.found + other.found, self.true + other.true, self.matched + other.matched)


def light_of_drums(video: Video) -> NDArray[np.float64]:
    """How far each drum's colour has gone from its own to that of a strike.

    Args:
        video: uint8 (T, S, S, 3), of the drums world or of a model that learnt from it.

    Returns:
        float64 (T, 4) in the order of `DRUMS`, about 0 to 1.
    """
    columns = []
    for drum, hue in enumerate(HUES):
        cover = face(drum, video.shape[1])  # (S, S)
        colour = np.tensordot(video, cover / cover.sum(), axes=([1, 2], [0, 1]))
        way = np.asarray(FLASH, np.float64) - hue
        columns.append((colour - hue) @ way / (way @ way))
    return np.stack(columns, axis=1)


def seen_strikes(video: Video) -> list[Strike]:
    """The strikes that are seen in a video: (frame, drum) in order of time; see `light_of_drums`.

    A strike in the very first frame is one if the drum is lit more than it would be a frame after a strike.
    """
    found = []
    for drum, light in zip(DRUMS, light_of_drums(video).T, strict=True):
        before = np.concatenate([[min(light[0], 0.35)] * 3, light])  # light of 0.65 fades from a strike before the clip
        for frame, now in enumerate(light):
            rise = now - before[frame : frame + 3].min()
            nearby = light[max(0, frame - APART) : frame + APART + 1]
            if rise > RISE and now == nearby.max() and (frame == 0 or now > light[frame - 1]):
                found.append((frame, drum))
    return sorted(found, key=lambda strike: (strike[0], DRUMS.index(strike[1])))


def agreement(found: Sequence[Strike], true: Sequence[Strike], within: int = 1) -> Agreement:
    """Pair strikes of the same drum that lie at most `within` frames apart, each with one other at the most."""
    matched = 0
    for drum in DRUMS:
        left = Counter(frame for frame, struck in true if struck == drum)
        for frame in sorted(frame for frame, struck in found if struck == drum):
            near = [other for other in range(frame - within, frame + within + 1) if left[other]]
            if near:  # the earliest one that is left: with equal reach that pairs as many as can be paired
                left[near[0]] -= 1
                matched += 1
    return Agreement(len(found), len(true), matched)

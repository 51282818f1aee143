"""What happens in a video of the platform world, told from its pictures alone: text fidelity of generated videos.

Colours and places are known: Mugen stands at one place of the picture in a suit of one hue, every monster has a hue of
its own, and the stripes of the ground move as he walks. So his feet off the ground are a jump, his head below his suit
is his death, a monster that becomes flat beside him is killed, a coin that is gone when it reaches him is collected.
The test says how well this reads real pictures; what it does not find in a generated video may be there, but blurred.

Letters: T frames, S height and width.
"""

from collections.abc import Iterator
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from tatslib.videos import Video
from tatslib.worlds.platform import AGENT_X, GOLD, GROUND_Y, HUES, LIGHT, SKIES, SOIL, SUIT, TILES
from tatslib.worlds.script import PACE
from tatslib.worlds.story import Event, Kind
from tatslib.worlds.story_check import share_that_happens

DARK_SOIL = tuple(0.68 * channel for channel in SOIL)
PALETTE = {"suit": SUIT, "light": LIGHT, "gold": GOLD, "soil": SOIL, "dark soil": DARK_SOIL, **HUES}
FAR = 80.0  # levels of distance between colours, beyond which a pixel has none of them

OFF_GROUND = 0.45  # tiles under the feet of one who jumps
STANDING, LYING = 0.62, 0.5  # tiles: how high a monster is at least, and a killed one at most
FLICKER = 2  # frames: a posture that lasts no longer is taken for what was before
TURN = 2 * np.pi * 2 * PACE / TILES  # what a frame's walk adds to the phase of the stripes, which come twice a picture

Mask = NDArray[np.bool_]
Track = NDArray[np.float64]


def seen_events(video: Video) -> list[Event]:
    """What happens in a video, in the order of time.

    Args:
        video: uint8 (T, S, S, 3), of the platform world or of a model that learnt from it.

    Returns:
        Events in frames of this video; where they begin and end may be off by a frame or two.
    """
    sight = _Sight(video)
    postures = _calm(sight.postures())
    events: list[Event] = []
    start = 0
    for (kind, direction), group in groupby(postures):
        end = start + len(list(group))
        if kind == "jump":
            events.append(Event(start, end, "jump", *sight.jumped_over(start, end)))
        else:
            events.append(Event(start, end, kind, sight.killer(start) if kind == "killed" else "", direction))
        start = end
    return sorted([*events, *sight.coins(), *sight.kills()])


def text_fidelity(video: Video, text: str) -> float:
    """The share of the events stated in a text that are seen to happen in a video; 0 if it states none."""
    return share_that_happens(text, seen_events(video))


class _Sight:
    """Where each hue is, in tiles from where Mugen stands: `across` to the right (S,), `up` from the ground (S,)."""

    def __init__(self, video: Video) -> None:
        colours = np.array([*PALETTE.values(), *SKIES], np.float32)
        near = np.full(video.shape[:3], FAR, np.float32)
        which = np.full(video.shape[:3], -1, np.int64)
        for number, colour in enumerate(colours):
            distance = np.sqrt(((video.astype(np.float32) - colour) ** 2).sum(axis=-1))
            closer = distance < near
            near, which = np.where(closer, distance, near), np.where(closer, number, which)
        self.where = {name: which == number for number, name in enumerate(PALETTE)}
        middles = (np.arange(video.shape[1]) + 0.5) / video.shape[1]
        self.frames, self.pixel = len(video), TILES / video.shape[1]
        self.across, self.up = (middles - AGENT_X) * TILES, (GROUND_Y - middles) * TILES

    def _band(self, name: str, left: float, right: float) -> Mask:
        """(T, S, S): a hue between two places."""
        return self.where[name] & ((self.across > left) & (self.across < right))

    def _top(self, mask: Mask) -> Track:
        """(T,): how high the second highest pixel of a mask is, as one may be an edge; 0 for fewer pixels."""
        heights = np.where(mask, self.up[:, None] + self.pixel / 2, -9.0).reshape(self.frames, -1)
        return np.maximum(np.sort(heights, axis=1)[:, -2], 0.0)

    def _middle(self, mask: Mask) -> Track:
        """(T,): how far to the right the middle of a mask is; not a number where it is empty."""
        count = mask.sum(axis=(1, 2))
        return np.where(count > 0, (mask.sum(axis=1) * self.across).sum(axis=1) / np.maximum(count, 1), np.nan)

    def _height(self, mask: Mask) -> Track:
        count = mask.sum(axis=(1, 2))
        return np.where(count > 0, (mask.sum(axis=2) * self.up).sum(axis=1) / np.maximum(count, 1), np.nan)

    # ------------------------------------------------------------------------------------------------------- Mugen
    def postures(self) -> list[tuple[Kind, str]]:
        """What Mugen does in each frame, and where to."""
        suit, head = self._band("suit", -0.9, 0.9), self._band("light", -0.7, 0.7)
        there = suit.sum(axis=(1, 2)) * self.pixel**2 > 0.25
        lowest = np.where(suit, self.up[:, None] - self.pixel / 2, 99.0).min(axis=(1, 2))
        with np.errstate(invalid="ignore"):
            dead = (self._height(head) < self._height(suit) - 0.2) | ~there
        if (first := _first_of_two(dead)) is not None:
            dead[first:] = True
        speed = self._speed()
        postures: list[tuple[Kind, str]] = []
        for t in range(self.frames):
            if dead[t]:
                postures.append(("killed", ""))
            elif lowest[t] > OFF_GROUND:
                postures.append(("jump", ""))
            elif abs(speed[t]) < 0.5:
                postures.append(("stand", ""))
            else:
                postures.append(("walk", "right" if speed[t] > 0 else "left"))
        return postures

    def _speed(self) -> Track:
        """(T,): how fast the ground moves under Mugen; 1 when he walks to the right."""
        rows = (self.up < -0.3) & (self.up > -1.3)
        stripes = self.where["soil"][:, rows].sum(axis=1) - self.where["dark soil"][:, rows].sum(axis=1).astype(float)
        phase = np.angle(stripes @ np.exp(-2j * np.pi * 2 * self.across / TILES))
        turns = np.angle(np.exp(1j * np.diff(phase))) / TURN
        turns = np.append(turns, turns[-1:] if len(turns) else [0.0])
        padded = np.pad(turns, 1, mode="edge")
        return np.median([padded[:-2], padded[1:-1], padded[2:]], axis=0)

    def killer(self, start: int) -> str:
        """The monster that stands nearest in front of Mugen as he dies."""
        beside = {name: self._band(name, -0.5, 2.2)[start : start + 3].sum() for name in HUES}
        name = max(beside, key=lambda name: beside[name])
        return name if beside[name] else ""

    def jumped_over(self, start: int, end: int) -> tuple[str, str, int]:
        """What a jump goes over, no direction, and the frame in which that is done."""
        for name in HUES:
            near = self._band(name, -2.8, 0.9)
            middle, alive = self._middle(near), self._top(near)[min(end, self.frames - 1)] > STANDING
            passed = [t for t in range(max(start, 1), end) if middle[t] <= 0.1 < middle[t - 1]]
            if passed and alive:
                return name, "", passed[0]
        ground = (self.up < -0.3)[:, None] & (np.abs(self.across) < 0.35)
        solid = ((self.where["soil"] | self.where["dark soil"]) & ground).sum(axis=(1, 2)) / max(ground.sum(), 1)
        over = [t for t in range(start, end) if solid[t] < 0.3]
        whole = len(over) > 1 and over[-1] + 1 < self.frames  # and ground again behind it
        return ("gap", "", over[-1]) if whole else ("", "", -1)

    # --------------------------------------------------------------------------------------------- coins and monsters
    def coins(self) -> Iterator[Event]:
        """A coin that reaches Mugen and does not come out behind him."""
        gold = self._band("gold", -0.3, 9.0)
        edges = np.where(gold.any(axis=1), self.across, 99.0).min(axis=1)
        behind = self._band("gold", -2.5, -0.4).sum(axis=(1, 2)) * self.pixel**2 > 0.1
        late = round(self.pixel / PACE)  # frames for which large pixels show nothing of a coin that Mugen half covers
        for t in range(1, self.frames - late):
            if edges[t - 1] < 0.95 and edges[t] > edges[t - 1] + 0.5 and not behind[t : t + 6].any():
                yield Event(t + late, t + late + 1, "collect", "coin")

    def kills(self) -> Iterator[Event]:
        """A monster that is high and then is not, in a place where it cannot have gone out of sight."""
        for name in HUES:
            near = self._band(name, -1.9, 1.9)
            top, middle = self._top(near), self._middle(near)
            t = 1
            while t < self.frames:
                stood = top[t - 1] > STANDING and abs(middle[t - 1]) < 1.2
                if stood and (top[t : t + 3] < LYING).all():
                    yield Event(t, t + 1, "kill", name)
                    t += FLICKER
                t += 1


def _first_of_two(found: NDArray[np.bool_]) -> int | None:
    """The first place where something is found twice in a row, or at the very end."""
    both = found & np.append(found[1:], True)
    return int(both.argmax()) if both.any() else None


def _calm(postures: list[tuple[Kind, str]]) -> list[tuple[Kind, str]]:
    """Without postures of a frame or two, which become part of what was before."""
    calm: list[tuple[Kind, str]] = []
    for posture, group in groupby(postures):
        length = len(list(group))
        short = length <= FLICKER and calm and len(calm) + length < len(postures)
        calm += [calm[-1] if short else posture] * length
    return calm

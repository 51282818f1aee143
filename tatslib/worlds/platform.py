"""The platform world: a side-scrolling game that somebody plays, the toy twin of MUGEN.

Mugen walks, stands, jumps over gaps and monsters, collects coins, kills monsters by landing on them, and now and then
walks into one and is killed, which ends the video. First the seed lays out a script: what Mugen does when, and where
gaps, coins and monsters lie. Then the script is a closed formula of the frame: any frame can be drawn without the ones
before it, the same numbers give the same bytes, and what happens in any frames can be read off exactly (`events`).

As in MUGEN the camera goes with Mugen, a video has 96 to 602 frames, and Mugen dies once. Ours: Mugen walks a quarter
of a tile a frame, so that at 24 pixels the picture scrolls one pixel a frame, and every shape is thick and has its own
hue.

Letters: T frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce

import numpy as np
from numpy.typing import NDArray

from tatslib.errors import UserError
from tatslib.randomness import numpy_generator
from tatslib.videos import Video
from tatslib.worlds.script import HIT, JUMP, STOMP, Script, Writer
from tatslib.worlds.shapes import Canvas, Colour, Distance

VERSION = 1  # of the formulas: raise it with any change that changes a pixel or an event

SHORTEST, LONGEST = 96, 602  # frames of a video (B.1)
DEATHS = 0.5  # share of the videos that end with one

TILES = 6.0  # height of the picture in tiles
AGENT_X, GROUND_Y = 0.36, 0.76  # where in the picture Mugen stands

SKIES: tuple[Colour, ...] = ((22, 26, 46), (50, 24, 50), (16, 48, 52))  # dusk, plum, pine
SOIL: Colour = (128, 96, 84)
SUIT: Colour = (70, 140, 255)
LIGHT: Colour = (238, 236, 226)
EYE: Colour = (30, 30, 40)
GOLD: Colour = (255, 206, 40)
HUES: dict[str, Colour] = {"face": (250, 84, 66), "slime": (66, 210, 110), "worm": (216, 110, 240)}

FLAT = 6  # frames for which a killed monster lies on the ground

# heights of the feet above the ground in tiles, frame by frame
_u = np.arange(JUMP) / JUMP
_leap = 4 * 1.7 * (np.arange(10) / 11) * (1 - np.arange(10) / 11)  # up, and down onto the monster
_w = np.arange(STOMP - 9) / (STOMP - 9)
HEIGHTS = {
    "walk": np.zeros(1),
    "stand": np.zeros(1),
    "jump": 4 * 2.0 * _u * (1 - _u),
    "stomp": np.concatenate([_leap[:9], _leap[9] * (1 - _w) + 4 * 0.55 * _w * (1 - _w)]),
    "hit": 1 - ((np.arange(HIT) - 4) / 4) ** 2,  # a hop, and down through the ground
}

Track = NDArray[np.float64]


@dataclass(frozen=True)
class State:
    """Where Mugen is and what he does: one value a frame (T,)."""

    x: Track  # in tiles
    y: Track  # height of the feet above the ground, in tiles
    kind: list[str]
    facing: NDArray[np.int64]  # 1 right, -1 left
    since: NDArray[np.int64]  # frames since this move began


# ---------------------------------------------------------------------------------------------------------- the script
@lru_cache(maxsize=512)
def draw_script(seed: int, frames: int | None = None) -> Script:
    """Lay out the video that `seed` stands for.

    Args:
        seed: which video.
        frames: its length; None lets the seed decide, between 96 and 602.

    Raises:
        UserError: for a length below 28, the time that a death takes.
    """
    rng = numpy_generator(seed, "worlds/platform/script")
    theme = int(rng.integers(len(SKIES)))
    drawn = int(np.clip(150 * rng.lognormal(-0.15, 0.6), SHORTEST, LONGEST))
    length = drawn if frames is None else frames
    if length < Writer.DEATH:
        raise UserError(f"A video of the platform world has at least {Writer.DEATH} frames, got {length}.")
    dies = rng.uniform() < DEATHS
    writer = Writer(theme)
    until = length - (Writer.DEATH if dies else 0)
    while (left := until - writer.frame) >= Writer.LONGEST_BEAT:
        _beat(writer, rng)
    if left:
        writer.walk(left)
    if dies:
        writer.killed(_monster(rng))
    return writer.script()


def _beat(writer: Writer, rng: np.random.Generator) -> None:
    """One thing that happens, and a short walk behind it, at most `Writer.LONGEST_BEAT` frames in all."""
    name = rng.choice(BEATS, p=CHANCES)
    if name == "walk":
        writer.walk(4 * int(rng.integers(2, 5)))
    elif name == "back":
        writer.back(8)
    elif name == "stand":
        writer.stand(4 * int(rng.integers(2, 4)))
    elif name == "gap":
        writer.jump("gap")
    elif name == "over":
        writer.jump(_monster(rng))
    elif name == "coins":
        for _ in range(int(rng.integers(1, 4))):
            writer.coin()
    elif name == "high coin":
        writer.high_coin()
    else:
        writer.kill(_monster(rng))
    writer.walk(4 * int(rng.integers(1, 3)))


BEATS = ("walk", "back", "stand", "gap", "over", "coins", "high coin", "kill")
CHANCES = (0.06, 0.06, 0.1, 0.18, 0.14, 0.16, 0.08, 0.22)


def _monster(rng: np.random.Generator) -> str:
    return list(HUES)[int(rng.integers(len(HUES)))]


def state(script: Script, frames: Sequence[int] | NDArray[np.int64]) -> State:
    """Mugen in any frames; one beyond the end of the video is like its last."""
    t = np.clip(np.asarray(frames, np.int64), 0, script.frames - 1)
    starts = np.array([move.start for move in script.moves])
    moves = [script.moves[index] for index in np.searchsorted(starts, t, side="right") - 1]
    since = t - np.array([move.start for move in moves], np.int64)
    pace = np.array([move.pace for move in moves])
    heights = [HEIGHTS[move.kind] for move in moves]
    return State(
        x=np.array([move.x for move in moves]) + pace * since,
        y=np.array([table[min(int(k), len(table) - 1)] for table, k in zip(heights, since, strict=True)]),
        kind=[move.kind for move in moves],
        facing=np.array([move.facing for move in moves]),
        since=since,
    )


# ------------------------------------------------------------------------------------------------------------- pictures
def render(
    seed: int, frames: Sequence[int], size: int = 64, *, width: int | None = None, script: Script | None = None
) -> Video:
    """Draw any frames of the video that `seed` stands for.

    Args:
        seed: which video.
        frames: indices of the frames wanted, in any order; one beyond the end of the video is like its last.
        size: height in pixels.
        width: in pixels, default `size`; what is added lies left and right of the scene.
        script: another script than the seed's, such as `script_from` gives.

    Returns:
        uint8 (T, size, width, 3).
    """
    script = draw_script(seed) if script is None else script
    t = np.clip(np.asarray(frames, np.int64), 0, script.frames - 1)
    now = state(script, t)
    canvas = Canvas(len(t), size, width or size, SKIES[script.theme % len(SKIES)])
    reach = TILES * (width or size) / size + 2  # tiles from Mugen in which anything can be seen

    def across(x: float) -> Track:
        return AGENT_X + (x - now.x) / TILES

    def near(x: float) -> bool:
        return bool((np.abs(x - now.x) < reach).any())

    gaps = [(across((a + b - 1) / 2), float(b - a)) for a, b in script.gaps if near((a + b) / 2)]
    _paint_ground(canvas, now, gaps, SKIES[script.theme % len(SKIES)])
    coins = [coin for coin in script.coins if near(coin.x) and (t < coin.gone).any()]
    if coins:
        places = [np.where(t < coin.gone, across(coin.x), -9.0) for coin in coins]
        _paint_coins(canvas, list(zip(places, (coin.height for coin in coins), strict=True)))
    for monster in script.monsters:
        if near(monster.x):
            gone = t >= monster.killed + FLAT
            place = np.where(gone, -9.0, across(monster.x))
            _paint_monster(canvas, monster.name, place, t >= monster.killed, t)
    _paint_agent(canvas, now)
    return canvas.video()


def _up(tiles: Track | float) -> Track:
    """Where in the picture it is so many tiles above the ground."""
    return GROUND_Y - np.asarray(tiles) / TILES


def _box(canvas: Canvas, x: Track, half_width: float) -> Distance:
    column = np.round(np.atleast_1d(x), 6).astype(np.float32).reshape(-1, 1, 1)
    return np.abs(canvas.x - column) - np.float32(half_width)


def _paint_ground(canvas: Canvas, now: State, gaps: list[tuple[Track, float]], sky: Colour) -> None:
    below = canvas.below(GROUND_Y)
    canvas.paint(below, SOIL)
    origin = np.round(AGENT_X - now.x / TILES, 6).astype(np.float32).reshape(-1, 1, 1)
    stripes = np.abs(np.mod(canvas.x - origin, np.float32(0.5)) - np.float32(0.25)) - np.float32(0.125)
    dark: Colour = tuple(round(0.68 * channel) for channel in SOIL)  # type: ignore[assignment]
    canvas.paint(np.maximum(stripes, below), dark)  # every three tiles, half of that wide
    if gaps:
        holes = reduce(np.minimum, (_box(canvas, x, width / 2 / TILES) for x, width in gaps))
        canvas.paint(np.maximum(holes, canvas.below(GROUND_Y - 0.02)), sky)


def _paint_coins(canvas: Canvas, coins: list[tuple[Track, float]]) -> None:
    for radius, colour in ((0.42, GOLD), (0.16, LIGHT)):
        canvas.paint(reduce(np.minimum, (canvas.disc(x, _up(y), radius / TILES) for x, y in coins)), colour)


def _paint_monster(canvas: Canvas, name: str, x: Track, flat: NDArray[np.bool_], t: NDArray[np.int64]) -> None:
    """A monster that breathes; killed, it lies flat."""
    beat = np.sin(2 * np.pi * t / 16)
    lying = canvas.stroke(x - 0.4 / TILES, _up(0.16), x + 0.4 / TILES, _up(0.16), 0.16 / TILES)
    if name == "slime":
        shape = canvas.disc(x, _up(0.2), 0.62 / TILES, 1 + 0.08 * beat)
        shape = np.maximum(shape, canvas.y - np.float32(GROUND_Y))
    elif name == "face":
        middle, half = np.float32(_up(0.5)), np.float32(0.5 / TILES)
        shape = np.maximum(_box(canvas, x, 0.5 / TILES), np.abs(canvas.y - middle) - half)
    else:
        body = canvas.stroke(x - 0.4 / TILES, _up(0.26), x + 0.45 / TILES, _up(0.26), 0.26 / TILES)
        shape = np.minimum(body, canvas.disc(x - 0.36 / TILES, _up(0.66 + 0.08 * beat), 0.34 / TILES))
    canvas.paint(np.where(flat.reshape(-1, 1, 1), lying, shape), HUES[name])
    if name == "face":
        looking = np.where(flat, -9.0, x)
        eyes = (canvas.disc(looking + dx / TILES, _up(0.6 + 0.06 * beat), 0.14 / TILES) for dx in (-0.24, 0.2))
        canvas.paint(reduce(np.minimum, eyes), LIGHT)


def _paint_agent(canvas: Canvas, now: State) -> None:
    """Mugen; killed, he turns upside down and drops out of the picture."""
    hit = np.array([kind == "hit" for kind in now.kind])
    in_air = np.array([kind in ("jump", "stomp", "hit") for kind in now.kind])
    still = np.array([kind == "stand" for kind in now.kind])
    way = np.where(hit, -1, 1)  # which side of him is up
    stride = np.where(still, 0.0, np.where(in_air, 0.3, 0.34 * np.sin(2 * np.pi * now.x / 2)))
    x, middle = np.full(len(now.x), AGENT_X), now.y + 0.8
    suit = canvas.stroke(x, _up(middle - way * 0.1), x, _up(middle + way * 0.25), 0.46 / TILES)
    for side in (-1, 1):
        hip, foot = x + side * 0.18 / TILES, x + side * (0.18 + stride) / TILES
        leg = canvas.stroke(hip, _up(middle), foot, _up(middle - way * 0.6), 0.2 / TILES)
        suit = np.minimum(suit, leg)
    canvas.paint(suit, SUIT)
    canvas.paint(canvas.disc(x, _up(middle + way * 0.66), 0.46 / TILES), LIGHT)
    canvas.paint(canvas.disc(x + now.facing * 0.22 / TILES, _up(middle + way * 0.68), 0.17 / TILES), EYE)

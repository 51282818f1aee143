"""The taichi world: one figure in slow, continuous, recurrent motion, the toy twin of Taichi-HD.

The feet stand; the hips sway from one leg to the other and sink; the hands follow closed curves, elbows and knees go
where limbs of constant length put them. Three forms with their own curves (cloud hands, parting, pushing) flow into
each other. Every frame is a closed formula of (seed, frame): any frame can be drawn without the ones before it, a video
has no end, and the same numbers give the same bytes. A round takes about 132 frames, which is 33 frames at the stride
of 4 that the paper takes (B.1); the forms change with a period that stands to it as an irrational number, so that a
video never repeats exactly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tatslib.errors import UserError
from tatslib.files import refusals_in_words, replacing
from tatslib.progress import progress
from tatslib.randomness import numpy_generator
from tatslib.videos import Video, write_video
from tatslib.worlds.shapes import Canvas, Colour, Distance, check_size

VERSION = 1  # of the formulas below: raise it with any change that changes a pixel

SUITS: tuple[Colour, ...] = ((240, 92, 70), (250, 196, 60), (70, 190, 130), (92, 148, 250))  # coral, amber, jade, blue
PLACES: tuple[Colour, ...] = ((26, 32, 52), (52, 28, 58), (18, 54, 56))  # dusk, plum, pine
SLEEVE: Colour = (240, 238, 228)
SKIN: Colour = (226, 168, 128)

PERIOD = 132.0  # frames for one round, give or take a tenth
SLOWER = (1 + 5**0.5) ** 3 / 8  # the forms come round this many times more slowly: the golden ratio cubed

# for each form and, in turns, left and right hand: centre of its curve from the shoulder (outwards, down), half axes
# (across, along the body), phase of the round
FORMS = np.array(
    [
        [(0.16, 0.10, 0.16, 0.15, 0.0), (0.16, 0.10, 0.16, 0.15, 0.5)],  # cloud hands: circles, one after the other
        [(0.18, 0.03, 0.11, 0.20, 0.0), (0.18, 0.03, 0.11, -0.20, 0.0)],  # parting: one rises as the other sinks
        [(0.19, -0.06, 0.12, 0.09, 0.0), (0.19, -0.06, 0.12, 0.09, 0.0)],  # pushing: both open and close together
    ]
)
UPPER_ARM, FOREARM, THIGH, SHIN = 0.18, 0.18, 0.21, 0.21

Track = NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """What stays the same through one video."""

    suit: Colour
    place: Colour
    period: float
    start: float
    form_start: float
    direction: int
    stance: float


@dataclass(frozen=True)
class Pose:
    """Where everything is: one value a frame, in units of the picture's height."""

    head: tuple[Track, Track]
    neck: tuple[Track, Track]
    hips: tuple[Track, Track]
    arms: list[list[tuple[Track, Track]]]  # of either side: shoulder, elbow, hand
    legs: list[list[tuple[Track, Track]]]  # of either side: hip, knee, foot


def draw_scene(seed: int) -> Scene:
    """Choose the constants of a video."""
    rng = numpy_generator(seed, "worlds/taichi/scene")
    return Scene(
        suit=SUITS[rng.integers(len(SUITS))],
        place=PLACES[rng.integers(len(PLACES))],
        period=PERIOD * rng.uniform(0.9, 1.1),
        start=rng.uniform(),
        form_start=rng.uniform(),
        direction=int(rng.choice([-1, 1])),
        stance=rng.uniform(0.15, 0.19),
    )


def pose(scene: Scene, frames: Sequence[int]) -> Pose:
    """The figure's joints at any frames (T,)."""
    t = np.asarray(frames, np.float64)
    cycle = scene.direction * t / scene.period + scene.start
    sway = np.sin(2 * np.pi * cycle)
    hip_x, hip_y = 0.5 + 0.095 * sway, 0.595 - 0.03 * np.cos(4 * np.pi * cycle)  # deepest on one leg
    lean = 0.025 * np.sin(2 * np.pi * cycle + 0.6)
    neck_x, neck_y = hip_x + lean, hip_y - 0.245
    weights = _forms_at(np.mod(t / (scene.period * SLOWER) + scene.form_start, 1))
    arms, legs = [], []
    for index, side in enumerate((-1, 1)):
        across, down, wide, high, phase = (weights[:, :, None] * FORMS[:, index]).sum(axis=1).T
        angle = 2 * np.pi * (cycle + phase)
        shoulder = neck_x + side * 0.075, neck_y + 0.03
        hand = (
            shoulder[0] + side * (across + wide * np.cos(angle)),
            shoulder[1] + down + high * np.sin(angle),
        )
        arms.append(_limb(shoulder, hand, UPPER_ARM, FOREARM, -side))
        foot = np.full_like(t, 0.5 + side * scene.stance), np.full_like(t, 0.93)
        legs.append(_limb((hip_x + side * 0.04, hip_y), foot, THIGH, SHIN, side))
    return Pose((neck_x + 0.3 * lean, neck_y - 0.135), (neck_x, neck_y), (hip_x, hip_y), arms, legs)


def _forms_at(slow: Track) -> Track:
    """Weights of the three forms (T, 3): one at a time for most of its third of the round, then they flow over."""
    centres = np.arange(len(FORMS)) / len(FORMS)
    distance = np.abs(np.mod(slow[:, None] - centres + 0.5, 1) - 0.5)
    share = np.clip((0.22 - distance) / 0.11, 0, 1)
    share = share * share * (3 - 2 * share)
    return share / share.sum(axis=1, keepdims=True)


def _limb(
    root: tuple[Track, Track], wish: tuple[Track, Track], upper: float, lower: float, side: int
) -> list[tuple[Track, Track]]:
    """Root, joint and end of a limb of two parts that reaches for `wish`, and its joint points to `side`."""
    dx, dy = wish[0] - root[0], wish[1] - root[1]
    length = np.sqrt(dx * dx + dy * dy)
    reach = np.clip(length, 0.08, 0.985 * (upper + lower))
    dx, dy = dx / length * reach, dy / length * reach
    along = (reach**2 + upper**2 - lower**2) / (2 * reach)
    out = side * np.sqrt(np.maximum(upper**2 - along**2, 0))
    joint = root[0] + along * dx / reach + out * dy / reach, root[1] + along * dy / reach - out * dx / reach
    return [root, joint, (root[0] + dx, root[1] + dy)]


def render(seed: int, frames: Sequence[int], size: int = 64, *, width: int | None = None) -> Video:
    """Draw any frames of the video that `seed` stands for.

    Args:
        seed: which video.
        frames: indices of the frames wanted, in any order.
        size: height in pixels.
        width: in pixels, default `size`; what is added lies left and right of the scene.

    Returns:
        uint8 (T, size, width, 3).
    """
    scene = draw_scene(seed)
    figure = pose(scene, frames)
    canvas = Canvas(len(frames), size, width or size, scene.place)
    red, green, blue = scene.place
    canvas.paint(canvas.below(0.9), (red + 46, green + 46, blue + 46))
    dark: Colour = tuple(round(0.68 * channel) for channel in scene.suit)  # type: ignore[assignment]
    canvas.paint(_limbs(canvas, figure.legs, 0.052), dark)
    canvas.paint(canvas.stroke(*figure.neck, *figure.hips, 0.088), scene.suit)
    canvas.paint(_limbs(canvas, figure.arms, 0.042), SLEEVE)
    hands = (canvas.disc(*arm[-1], 0.056) for arm in figure.arms)
    canvas.paint(reduce(np.minimum, hands, canvas.disc(*figure.head, 0.088)), SKIN)
    return canvas.video()


def _limbs(canvas: Canvas, limbs: list[list[tuple[Track, Track]]], thickness: float) -> Distance:
    """All parts of some limbs as one shape."""
    parts = (canvas.stroke(*start, *end, thickness) for limb in limbs for start, end in pairwise(limb))
    return reduce(np.minimum, parts)


# ---------------------------------------------------------------------------------------------------------- as files
def write(
    folder: str | Path, *, train: int = 24, test: int = 6, mean_frames: int = 270, size: int = 64, seed: int = 0
) -> Path:
    """Write the world as encoded files in Taichi-HD's own layout, and return the folder.

    `train/<recording>#<first frame>#<last frame>.mp4`, and `test` alike, square. As there, a recording is cut into
    one to three pieces, which are named by where they lie in it, and pieces differ widely in length: about 60 of 100
    are too short for 64 frames at stride 4, which is what the paper says of the real ones (B.1).

    Args:
        folder: where to write; must not hold these folders yet.
        train: number of recordings to train on.
        test: number of recordings to test on.
        mean_frames: mean number of frames of a piece.
        size: height and width in pixels, at least 8.
        seed: of the whole collection.

    Raises:
        UserError: for a folder that holds one already or cannot be written to, or a size below 8.
    """
    check_size(size)
    folder, size = Path(folder), size + size % 2  # h264 stores colour at half size
    with refusals_in_words(folder):
        for split in ("train", "test"):
            if (folder / split).exists():
                raise UserError(f"{folder / split} exists already: remove it or write somewhere else.")
        rng = numpy_generator(seed, "worlds/taichi/collection")
        with replacing(folder / "train") as train_folder, replacing(folder / "test") as test_folder:
            train_folder.mkdir()
            test_folder.mkdir()  # also without a single video in it
            pieces = [(train_folder, *piece) for piece in _pieces(rng, train, mean_frames)]
            pieces += [(test_folder, *piece) for piece in _pieces(rng, test, mean_frames)]
            for split_folder, name, video_seed, numbers in progress(pieces, "writing the taichi world", unit="video"):
                parts = (numbers[start : start + 16] for start in range(0, len(numbers), 16))
                frames = (frame for part in parts for frame in render(video_seed, part, size))
                write_video(split_folder / name, frames)
    return folder


def _pieces(rng: np.random.Generator, recordings: int, mean_frames: int) -> Iterator[tuple[str, int, range]]:
    """File name, seed and frame numbers of every piece of one split."""
    letters = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
    for _ in range(recordings):
        recording, video_seed, first = "".join(rng.choice(letters, 11)), int(rng.integers(2**31)), 0
        for _ in range(1 + int(rng.integers(3))):
            length = int(np.clip(mean_frames * rng.lognormal(-0.24, 0.7), mean_frames // 4, 4 * mean_frames))
            yield f"{recording}#{first:06d}#{first + length:06d}.mp4", video_seed, range(first, first + length)
            first += length + int(rng.integers(20, 200))

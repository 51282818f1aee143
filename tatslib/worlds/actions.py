"""The actions world: six recurrent motions, the toy twin of UCF-101.

Every frame is a closed formula of (seed, frame): any frame can be drawn without the ones before it, a video has no end,
and the same numbers give the same bytes. A motion comes round about every 33 frames, but a second, slower motion whose
period stands to it as an irrational number keeps a video from ever repeating exactly.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tatslib.errors import UserError
from tatslib.files import refusals_in_words, replacing
from tatslib.progress import progress
from tatslib.randomness import numpy_generator
from tatslib.videos import Video, write_video
from tatslib.worlds.shapes import Canvas, Colour, check_size

CLASSES = ("BouncingBall", "JumpingJack", "OrbitingMoon", "PulsingRing", "SpinningBar", "SwingingPendulum")

HUES: tuple[Colour, ...] = ((255, 84, 66), (255, 200, 44), (72, 214, 120), (74, 144, 255))  # coral, amber, green, blue
BACKGROUNDS: tuple[Colour, ...] = ((18, 22, 42), (58, 20, 56), (14, 52, 52))  # midnight, plum, pine
LIGHT: Colour = (236, 234, 224)

PERIOD = 33.0  # frames for one round of the fast motion, give or take a tenth
SLOWER = (1 + 5**0.5) ** 3 / 8  # the slow motion takes this many times longer: the golden ratio cubed, about 4.24

VERSION = 1  # of the formulas below: raise it with any change that changes a pixel

Cycles = NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """What stays the same through one video."""

    action: str
    hue: Colour
    background: Colour
    period: float
    start: float
    slow_start: float
    direction: int


def draw_scene(seed: int, action: str | None = None, look: int | None = None) -> Scene:
    """Choose the constants of a video.

    Args:
        seed: decides about the motion (and, where they are None, about the rest).
        action: one of CLASSES.
        look: a seed of its own for colours; clips of one UCF-101 group share actor and place, ours share `look`.
    """
    rng = numpy_generator(seed, "worlds/actions/motion")
    period, start, slow_start = PERIOD * rng.uniform(0.9, 1.1), rng.uniform(), rng.uniform()
    direction, drawn = int(rng.choice([-1, 1])), CLASSES[rng.integers(len(CLASSES))]
    if action is not None and action not in CLASSES:
        raise UserError(f"There is no action {action!r}; choose one of {', '.join(CLASSES)}.")
    rng = numpy_generator(seed if look is None else look, "worlds/actions/look")
    hue, background = HUES[rng.integers(len(HUES))], BACKGROUNDS[rng.integers(len(BACKGROUNDS))]
    return Scene(action or drawn, hue, background, period, start, slow_start, direction)


def render(
    seed: int,
    frames: Sequence[int],
    size: int = 64,
    *,
    action: str | None = None,
    look: int | None = None,
    width: int | None = None,
    jitter: float = 0.0,
    texture: float = 0.0,
) -> Video:
    """Draw any frames of the video that `seed` stands for.

    Args:
        seed: which video.
        frames: indices of the frames wanted, in any order.
        size: height in pixels.
        action: one of CLASSES; None lets the seed decide.
        look: see `draw_scene`.
        width: in pixels, default `size`; what is added lies left and right of the scene.
        jitter: how far the camera trembles, as a share of the height (0.02 is a calm hand).
        texture: strength of a static background pattern, 0 to 1.

    Returns:
        uint8 (T, size, width, 3).
    """
    scene = draw_scene(seed, action, look)
    t = np.asarray(frames, np.float64)
    slow = np.mod(t / (scene.period * SLOWER) + scene.slow_start, 1)
    cycle = np.mod(scene.direction * t / scene.period + scene.start, 1) + 0.04 * np.sin(2 * np.pi * slow)
    canvas = Canvas(len(t), size, width or size, scene.background)
    if texture:
        canvas.picture *= 1 + texture * _pattern(canvas, seed)[..., None]
    if jitter:
        canvas.shift(*(jitter * _tremble(t, seed, axis) for axis in ("x", "y")))
    DRAWINGS[scene.action](canvas, scene, cycle, slow)
    return canvas.video()


# ------------------------------------------------------------------------------------------------ the six motions
def _bouncing_ball(canvas: Canvas, scene: Scene, cycle: Cycles, slow: Cycles) -> None:
    fall = 2 * np.mod(cycle, 1) - 1  # -1 and 1 on the ground, 0 at the top
    height = 0.5 * (1 - fall**2)
    contact = np.clip(1 - height / 0.12, 0, 1) ** 2
    x = 0.5 + 0.2 * np.sin(2 * np.pi * slow)
    red, green, blue = scene.background
    canvas.paint(canvas.below(0.86), (red + 52, green + 52, blue + 52))
    canvas.paint(canvas.disc(x, 0.695 - height + 0.03 * contact, 0.165, 1 + 0.14 * contact), scene.hue)


def _jumping_jack(canvas: Canvas, scene: Scene, cycle: Cycles, slow: Cycles) -> None:
    opening = 0.5 - 0.5 * np.cos(2 * np.pi * cycle)  # 0 arms down and legs together, 1 both spread
    x, hop = 0.5 + 0.1 * np.sin(2 * np.pi * slow), 0.07 * np.sin(np.pi * opening)
    shoulder, hip = 0.40 - hop, 0.60 - hop
    arm, leg = 0.35 + 2.1 * opening, 0.14 + 0.5 * opening  # angles from straight down
    for side in (-1, 1):
        hand = x + side * (0.06 + 0.27 * np.sin(arm)), shoulder + 0.27 * np.cos(arm)
        foot = x + side * (0.04 + 0.33 * np.sin(leg)), hip + 0.33 * np.cos(leg)
        canvas.paint(canvas.stroke(x + side * 0.06, shoulder, *hand, 0.05), LIGHT)
        canvas.paint(canvas.stroke(x + side * 0.04, hip, *foot, 0.055), LIGHT)
    canvas.paint(canvas.stroke(x, shoulder + 0.01, x, hip, 0.095), scene.hue)
    canvas.paint(canvas.disc(x, 0.215 - hop, 0.105), LIGHT)


def _orbiting_moon(canvas: Canvas, scene: Scene, cycle: Cycles, slow: Cycles) -> None:
    angle, tilt = 2 * np.pi * cycle, 0.45 * np.sin(2 * np.pi * slow)
    across, depth = 0.36 * np.cos(angle), 0.2 * np.sin(angle)  # an ellipse that slowly rocks
    x = 0.5 + across * np.cos(tilt) - depth * np.sin(tilt)
    y = 0.5 + across * np.sin(tilt) + depth * np.cos(tilt)
    moon, planet = canvas.disc(x, y, 0.11 + 0.1 * depth), canvas.disc(0.5, 0.5, 0.19)
    in_front = (depth > 0).reshape(-1, 1, 1)
    canvas.paint(np.where(in_front, 1.0, moon).astype(np.float32), LIGHT)
    canvas.paint(planet, scene.hue)
    canvas.paint(np.where(in_front, moon, 1.0).astype(np.float32), LIGHT)


def _pulsing_ring(canvas: Canvas, scene: Scene, cycle: Cycles, slow: Cycles) -> None:
    radius = 0.26 + (0.11 + 0.02 * np.sin(2 * np.pi * slow)) * np.sin(2 * np.pi * cycle)
    canvas.paint(canvas.ring(0.5, 0.5, radius, 0.075), scene.hue)


def _spinning_bar(canvas: Canvas, scene: Scene, cycle: Cycles, slow: Cycles) -> None:
    angle, reach = 2 * np.pi * cycle, 0.33 + 0.03 * np.sin(2 * np.pi * slow)
    x, y = reach * np.cos(angle), reach * np.sin(angle)
    canvas.paint(canvas.stroke(0.5 - x, 0.5 - y, 0.5 + x, 0.5 + y, 0.1), scene.hue)
    canvas.paint(canvas.disc(0.5 + x, 0.5 + y, 0.1), LIGHT)


def _swinging_pendulum(canvas: Canvas, scene: Scene, cycle: Cycles, slow: Cycles) -> None:
    angle = (0.58 + 0.08 * np.sin(2 * np.pi * slow)) * np.sin(2 * np.pi * cycle)
    x, y = 0.5 + 0.56 * np.sin(angle), 0.15 + 0.56 * np.cos(angle)
    canvas.paint(canvas.stroke(0.5, 0.1, x, y, 0.038), LIGHT)
    canvas.paint(canvas.stroke(0.34, 0.08, 0.66, 0.08, 0.045), LIGHT)
    canvas.paint(canvas.disc(x, y, 0.15), scene.hue)


DRAWINGS: dict[str, Callable[[Canvas, Scene, Cycles, Cycles], None]] = {
    "BouncingBall": _bouncing_ball,
    "JumpingJack": _jumping_jack,
    "OrbitingMoon": _orbiting_moon,
    "PulsingRing": _pulsing_ring,
    "SpinningBar": _spinning_bar,
    "SwingingPendulum": _swinging_pendulum,
}


def _pattern(canvas: Canvas, seed: int) -> NDArray[np.float32]:
    rng = numpy_generator(seed, "worlds/actions/texture")
    x, y = canvas.x.astype(np.float64), canvas.y.astype(np.float64)
    waves = [np.sin(rng.uniform(-30, 30) * x + rng.uniform(-30, 30) * y + rng.uniform(0, 6.28)) for _ in range(6)]
    return np.mean(waves, axis=0).astype(np.float32)


def _tremble(t: NDArray[np.float64], seed: int, axis: str) -> NDArray[np.float64]:
    rng = numpy_generator(seed, f"worlds/actions/tremble/{axis}")
    return np.mean([np.sin(2 * np.pi * (t / period + rng.uniform())) for period in rng.uniform(3, 17, 4)], axis=0)


# ---------------------------------------------------------------------------------------------------------- as files
def write(
    folder: str | Path,
    *,
    groups: int = 25,
    mean_frames: int = 130,
    size: int = 64,
    seed: int = 0,
    fps: float = 25,
    jitter: float = 0.0,
    texture: float = 0.0,
) -> Path:
    """Write the world as encoded files in UCF-101's own layout, and return the folder.

    `UCF-101/<Class>/v_<Class>_gXX_cYY.avi` (mpeg4, four thirds as wide as high) beside `ucfTrainTestlist/` with
    `classInd.txt` and, for each of three folds, `trainlist0F.txt` and `testlist0F.txt`. As there, 7 of 25 groups are
    the test groups of a fold (1-7, 8-14 and 15-21), a group has its own colours, and lengths vary widely: each class
    has its own mean, and single videos are up to four times as long. None is shorter than 80 frames by default, the
    length of a toy clip with the real frames around it that `valid` padding asks for.

    Args:
        folder: where to write; must not hold a UCF-101 folder yet.
        groups: per class, at least 25 for three folds that do not overlap; each group has one or two clips.
        mean_frames: mean number of frames of a video over all classes.
        size: height in pixels, at least 8.
        seed: of the whole collection.
        fps: frames a second.
        jitter: see `render`.
        texture: see `render`.

    Raises:
        UserError: for a folder that holds one already or cannot be written to, or a size below 8.
    """
    check_size(size)
    folder, width = Path(folder), 2 * round(size * 2 / 3)
    clips = list(_clips(groups, mean_frames, seed))
    with refusals_in_words(folder):
        if (folder / "UCF-101").exists():
            raise UserError(f"{folder / 'UCF-101'} exists already: remove it or write somewhere else.")
        _write_split_files(folder / "ucfTrainTestlist", [name for name, *_ in clips])
        with replacing(folder / "UCF-101") as videos:
            for name, clip_seed, look, length in progress(clips, "writing the actions world", unit="video"):
                look_and_size = {"look": look, "width": width, "jitter": jitter, "texture": texture}
                pieces = (range(start, min(start + 16, length)) for start in range(0, length, 16))
                action = name.partition("/")[0]
                frames = (f for piece in pieces for f in render(clip_seed, piece, size, action=action, **look_and_size))
                write_video(videos / name, frames, fps)
    return folder


def _clips(groups: int, mean_frames: int, seed: int) -> Iterator[tuple[str, int, int, int]]:
    """Name, seed, look and length of every video of the collection."""
    rng = numpy_generator(seed, "worlds/actions/collection")
    shortest = 0.62 * mean_frames
    for action in CLASSES:
        class_mean = mean_frames * rng.uniform(0.8, 1.2)
        for group in range(1, groups + 1):
            look = int(rng.integers(2**31))
            for clip in range(1, 2 + int(rng.integers(2))):
                extra = (class_mean - shortest) * rng.lognormal(-0.32, 0.8)  # mean class_mean - shortest, a long tail
                length = int(min(shortest + extra, 4 * mean_frames))
                yield f"{action}/v_{action}_g{group:02d}_c{clip:02d}.avi", int(rng.integers(2**31)), look, length


def _write_split_files(folder: Path, names: list[str]) -> None:
    """The official text files: `classInd.txt` counts from 1, train lists carry the number, test lists do not."""
    number = {action: index for index, action in enumerate(CLASSES, start=1)}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classInd.txt").write_text("".join(f"{index} {action}\n" for action, index in number.items()))
    for fold in (1, 2, 3):
        test_groups = range(7 * fold - 6, 7 * fold + 1)
        test = [name for name in names if int(name.rpartition("_g")[2][:2]) in test_groups]
        train = [f"{name} {number[name.partition('/')[0]]}" for name in names if name not in test]
        (folder / f"trainlist0{fold}.txt").write_text("".join(f"{line}\n" for line in train))
        (folder / f"testlist0{fold}.txt").write_text("".join(f"{name}\n" for name in test))

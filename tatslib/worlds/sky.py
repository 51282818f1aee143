"""The sky world: drifting clouds through day and night, the toy twin of Sky Time-lapse.

Clouds are a sum of plane waves that drift with the wind over a plane seen in perspective; the large waves bend the
small ones, which is what makes them look like clouds and not like water. Colours follow the hour of the day. Every
frame is a closed formula of (seed, frame): any frame can be drawn without the ones before it, a video has no end, and
since no two waves share a period it never repeats exactly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tatslib.errors import UserError
from tatslib.files import refusals_in_words, replacing
from tatslib.progress import progress
from tatslib.randomness import numpy_generator
from tatslib.videos import Video, write_video
from tatslib.worlds.shapes import Canvas, check_size

# hour of the day as a share of it; colour at the zenith, at the horizon, of clouds in light and of clouds in shade
VERSION = 1  # of the formulas below: raise it with any change that changes a pixel
HOURS = np.array([0.0, 0.2, 0.27, 0.36, 0.5, 0.64, 0.73, 0.8, 1.0])
ZENITH = np.array(
    [(8, 12, 38), (24, 28, 74), (70, 84, 150), (58, 124, 206), (44, 112, 214), (58, 118, 200), (78, 62, 132),
     (28, 26, 72), (8, 12, 38)]
)  # fmt: skip
HORIZON = np.array(
    [(22, 30, 66), (96, 70, 110), (255, 168, 110), (196, 222, 240), (170, 212, 244), (224, 214, 202), (255, 128, 72),
     (104, 58, 98), (22, 30, 66)]
)  # fmt: skip
LIT = np.array(
    [(54, 62, 98), (112, 92, 130), (255, 206, 170), (255, 252, 244), (255, 255, 255), (255, 244, 222), (255, 166, 118),
     (122, 78, 116), (54, 62, 98)]
)  # fmt: skip
SHADED = np.array(
    [(26, 32, 60), (58, 54, 92), (150, 112, 132), (164, 182, 206), (158, 178, 208), (176, 166, 174), (138, 76, 108),
     (60, 44, 84), (26, 32, 60)]
)  # fmt: skip
DAY = 240.0  # frames from noon to noon, give or take a fifth
HILLS = (14, 18, 22)

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """What stays the same through one video."""

    day: float
    hour: float
    wind: tuple[float, float]
    cover: float
    waves: NDArray[np.float64]  # (M, 4): two wave numbers and the phase, in turns, and the amplitude; large waves first
    hills: NDArray[np.float64]  # (4, 3): wave number, phase, amplitude


def draw_scene(seed: int) -> Scene:
    """Choose the constants of a video."""
    rng = numpy_generator(seed, "worlds/sky/scene")
    direction = rng.uniform(0, 2 * np.pi)
    speed = rng.uniform(0.012, 0.022)
    scale = 0.35 * 1.5 ** np.repeat(np.arange(7), 3)  # seven sizes in three directions each
    angle, phase = rng.uniform(0, 2 * np.pi, 21), rng.uniform(0, 1, 21)
    waves = np.stack([scale * np.cos(angle), scale * np.sin(angle), phase, 0.23 * scale**-0.8], axis=1)
    hills = np.stack([rng.uniform(2, 14, 4), rng.uniform(0, 2 * np.pi, 4), [0.025, 0.016, 0.01, 0.006]], axis=1)
    return Scene(
        day=DAY * rng.uniform(0.8, 1.2),
        hour=rng.uniform(),
        wind=(speed * np.cos(direction), -speed * abs(np.sin(direction))),
        cover=rng.uniform(-0.1, 0.35),
        waves=waves,
        hills=hills,
    )


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
    t = np.asarray(frames, np.float64)
    hour = np.mod(t / scene.day + scene.hour, 1)
    zenith, horizon, lit, shaded = (_by_hour(hour, table) for table in (ZENITH, HORIZON, LIT, SHADED))
    canvas = Canvas(len(t), size, width or size, (0, 0, 0))
    height = np.clip(canvas.y / 0.86, 0, 1)[..., None]  # 0 at the top of the picture, 1 at the horizon
    height = height * (0.6 + 0.4 * height)
    canvas.picture[:] = zenith * (1 - height) + horizon * height
    cover, thickness = _clouds(canvas, scene, t)
    canvas.blend(cover, shaded * thickness[..., None] + lit * (1 - thickness[..., None]))
    ridge = 0.87 - sum(a * np.sin(k * canvas.x.astype(np.float64) + p) for k, p, a in scene.hills)
    canvas.paint(np.round(ridge, 6).astype(np.float32) - canvas.y, HILLS)
    return canvas.video()


def _by_hour(hour: NDArray[np.float64], table: NDArray[np.int_]) -> Plane:
    """(T,) hours to colours (T, 1, 1, 3)."""
    channels = [np.interp(hour, HOURS, table[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32).reshape(-1, 1, 1, 3)


def _clouds(canvas: Canvas, scene: Scene, t: NDArray[np.float64]) -> tuple[Plane, Plane]:
    """How much of the sky is hidden, and how thick the cloud is there: two arrays (T, H, W) in [0, 1]."""
    distance = 1 / (1.12 - canvas.y)  # the cloud plane rushes away towards the horizon
    east, north = (canvas.x - 0.5) * distance * 1.3, distance
    density = np.zeros(np.broadcast_shapes(canvas.x.shape, canvas.y.shape), np.float32)
    for index, (kx, ky, phase, amplitude) in enumerate(scene.waves):
        # each wave is carried by the wind and, slowly, by a speed of its own, so that clouds change while they drift
        carried = (kx * scene.wind[0] + ky * scene.wind[1] + 0.0006 * (index + 1) ** 0.5) * t + phase
        offset = np.mod(carried, 1).astype(np.float32).reshape(-1, 1, 1)
        bend = np.float32(0.14) * density if index >= 6 else np.float32(0)
        place = np.float32(kx) * east + np.float32(ky) * north
        density = density + np.float32(amplitude) * _wave(place + bend + offset)
    density = density / 1.1 + scene.cover
    cover = _smooth_step(density / 0.7) * np.clip((1.02 - canvas.y) / 0.3, 0.35, 1)
    return 0.94 * cover, _smooth_step((density - 0.25) / 1.3)


def _wave(turns: Plane) -> Plane:
    """Nearly sin(2 pi turns), from products and sums only: those are the same to the last bit on every machine."""
    turns = turns - np.rint(turns)
    parabola = turns * (8 - 16 * np.abs(turns))
    return parabola * (np.float32(0.775) + np.float32(0.225) * np.abs(parabola))


def _smooth_step(x: Plane) -> Plane:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


# ---------------------------------------------------------------------------------------------------------- as files
def write(
    folder: str | Path, *, train: int = 48, test: int = 8, mean_frames: int = 110, size: int = 64, seed: int = 0
) -> Path:
    """Write the world as folders of frames in Sky Time-lapse's own layout, and return the folder.

    `sky_train/<video>/<video>_<part>/<video>_frames_00000001.jpg`, and `sky_test` alike. As there, a long video is cut
    into one to three parts, the numbers go on counting through the parts with gaps between them, pictures are 16:9,
    and parts differ widely in length.

    Args:
        folder: where to write; must not hold these folders yet.
        train: number of long videos to train on.
        test: number of long videos to test on.
        mean_frames: mean number of frames of a part.
        size: height in pixels, at least 8.
        seed: of the whole collection.

    Raises:
        UserError: for a folder that holds one already or cannot be written to, or a size below 8.
    """
    check_size(size)
    folder, width = Path(folder), 2 * round(size * 8 / 9)
    with refusals_in_words(folder):
        for split in ("sky_train", "sky_test"):
            if (folder / split).exists():
                raise UserError(f"{folder / split} exists already: remove it or write somewhere else.")
        rng = numpy_generator(seed, "worlds/sky/collection")
        with replacing(folder / "sky_train") as train_folder, replacing(folder / "sky_test") as test_folder:
            train_folder.mkdir()
            test_folder.mkdir()  # also without a single video in it
            parts = [(train_folder, *part) for part in _parts(rng, train, mean_frames)]
            parts += [(test_folder, *part) for part in _parts(rng, test, mean_frames)]
            for split_folder, video, part, video_seed, numbers in progress(parts, "writing the sky world", unit="part"):
                pieces = (numbers[start : start + 16] for start in range(0, len(numbers), 16))
                frames = (frame for piece in pieces for frame in render(video_seed, piece, size, width=width))
                path = split_folder / video / f"{video}_{part}"
                write_video(path, frames, stem=f"{video}_frames", first=numbers[0])
    return folder


def _parts(rng: np.random.Generator, videos: int, mean_frames: int) -> Iterator[tuple[str, int, int, range]]:
    """Name, part, seed and frame numbers of every folder of one split."""
    letters = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
    for _ in range(videos):
        name, video_seed, first = "".join(rng.choice(letters, 11)), int(rng.integers(2**31)), 1
        for part in range(1, 2 + int(rng.integers(3))):
            length = int(np.clip(mean_frames * rng.lognormal(-0.18, 0.6), mean_frames // 4, 5 * mean_frames))
            yield name, part, video_seed, range(first, first + length)
            first += length + int(rng.integers(20, 200))

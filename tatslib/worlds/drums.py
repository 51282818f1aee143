"""The drums world: four drums that are struck in time, with their sound, the toy twin of AudioSet-Drum.

Each strike is seen (a stick comes down, the drum lights up and fades) and heard, from the same frame on. When which
drum is struck is partly a matter of rhythm and partly of chance, so that the sound tells what the pictures before do
not. Every frame is a closed formula of (seed, frame) and every sample of the sound one of (seed, sample): any of them
can be made without the ones before it, a video has no end, and the same numbers give the same bytes.

Frames run at 30 a second (our choice; 90 of them, the length of a clip in the real data (B.1), last three seconds).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tatslib.errors import UserError
from tatslib.files import refusals_in_words, replacing
from tatslib.foreign_arrays import write_array
from tatslib.progress import progress
from tatslib.randomness import numpy_generator
from tatslib.sound import RATE, Sound, spectrogram, write_video_with_sound
from tatslib.videos import Video
from tatslib.worlds.shapes import Canvas, Colour, Distance, check_size

VERSION = 1  # of the formulas below: raise it with any change that changes a pixel or a sample

DRUMS = ("kick", "snare", "hihat", "tom")
FPS = 30
SAMPLES = RATE // FPS  # of sound that are heard while one frame is shown
CLIP_FRAMES = 90

HUES: tuple[Colour, ...] = ((232, 74, 62), (238, 168, 40), (56, 182, 118), (72, 130, 240))  # of the drums, in order
FLASH: Colour = (255, 252, 240)
STICK: Colour = (214, 190, 158)
PLACES: tuple[Colour, ...] = ((22, 24, 40), (50, 24, 48), (16, 48, 50))  # club, plum, pine

RIM = np.float32(0.028)  # width of the dark edge of a drum

STEPS = 8  # of a bar
# how likely each drum is struck at each of the steps, in three styles
CHANCES = np.array(
    [
        [
            (0.95, 0.1, 0.3, 0.1, 0.7, 0.1, 0.5, 0.1),
            (0.0, 0.1, 0.9, 0.1, 0.1, 0.1, 0.9, 0.2),
            (0.7, 0.5, 0.7, 0.5, 0.7, 0.5, 0.7, 0.5),
            (0.0, 0.2, 0.0, 0.3, 0.0, 0.3, 0.0, 0.5),
        ],
        [
            (0.9, 0.0, 0.1, 0.6, 0.2, 0.0, 0.6, 0.0),
            (0.1, 0.1, 0.1, 0.1, 0.9, 0.1, 0.1, 0.3),
            (0.9, 0.2, 0.9, 0.2, 0.9, 0.2, 0.9, 0.2),
            (0.0, 0.3, 0.2, 0.0, 0.0, 0.5, 0.2, 0.4),
        ],
        [
            (0.8, 0.2, 0.8, 0.2, 0.8, 0.2, 0.8, 0.2),
            (0.1, 0.5, 0.1, 0.5, 0.1, 0.5, 0.1, 0.5),
            (0.2, 0.6, 0.2, 0.6, 0.2, 0.6, 0.2, 0.6),
            (0.5, 0.0, 0.3, 0.1, 0.5, 0.0, 0.3, 0.4),
        ],
    ]
)

DROP, RISE = 3.0, 5.0  # frames in which a stick comes down before a strike, and goes up after it
FADE = 2.2  # frames in which the light of a strike sinks to a third
DARK = 20  # frames after which it is gone
RINGING = round(0.4 * RATE)  # samples after which a strike is silent


@dataclass(frozen=True)
class Scene:
    """What stays the same through one video."""

    place: Colour
    style: int
    step: float  # frames from one step to the next
    start: float
    tuning: float
    sway: float


def draw_scene(seed: int) -> Scene:
    """Choose the constants of a video."""
    rng = numpy_generator(seed, "worlds/drums/scene")
    return Scene(
        place=PLACES[rng.integers(len(PLACES))],
        style=int(rng.integers(len(CHANCES))),
        step=rng.uniform(7.0, 9.0),
        start=rng.uniform(0, 8),
        tuning=rng.uniform(0.94, 1.06),
        sway=rng.uniform(),
    )


# -------------------------------------------------------------------------------------------------------- the strikes
def strikes(seed: int, frames: range) -> list[tuple[int, str]]:
    """All strikes within some frames of a video: (frame, drum) in order of time, exactly as they are seen and heard.

    Args:
        seed: which video.
        frames: such as range(90); its step must be 1.

    Returns:
        The frame is the first one in which the light of the drum is full; its sound sets in with the same frame.
    """
    found = _strikes_near(seed, np.arange(frames.start, frames.stop), 0)
    listed = [(int(frame), drum) for drum, when in zip(DRUMS, found, strict=True) for frame in when if frame in frames]
    return sorted(listed, key=lambda strike: (strike[0], DRUMS.index(strike[1])))


def _strikes_near(seed: int, frames: NDArray[np.int64], before: int, after: int = 0) -> list[NDArray[np.int64]]:
    """For each drum the sorted frames of its strikes, complete from `before` frames before any of `frames` on."""
    scene = draw_scene(seed)
    bar = scene.step * STEPS
    first = np.floor((frames - before - scene.start - 1) / bar).astype(np.int64)
    last = np.floor((frames + after - scene.start + 1) / bar).astype(np.int64)
    bars = np.unique(np.concatenate([first, last, *(first + n for n in range(1, int((last - first).max(initial=0))))]))
    played = [_bar(seed, int(index)) for index in bars if index >= 0]
    return [np.array(sorted(frame for bar in played for frame in bar[drum]), np.int64) for drum in range(len(DRUMS))]


@lru_cache(maxsize=4096)
def _bar(seed: int, index: int) -> tuple[tuple[int, ...], ...]:
    """Frames of the strikes of each drum in one bar."""
    scene = draw_scene(seed)
    struck = numpy_generator(seed, "worlds/drums/bar", index).uniform(size=(len(DRUMS), STEPS)) < CHANCES[scene.style]
    when = np.floor(scene.start + scene.step * (index * STEPS + np.arange(STEPS)) + 0.5).astype(int)
    return tuple(tuple(when[row].tolist()) for row in struck)


# ------------------------------------------------------------------------------------------------------------- pictures
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
    t = np.asarray(frames, np.int64)
    canvas, stage = (Canvas(length, size, width or size, scene.place) for length in (len(t), 1))
    red, green, blue = scene.place
    stage.paint(stage.below(0.88), (red + 40, green + 40, blue + 40))
    stage.paint(stage.stroke(0.2, 0.3, 0.2, 0.9, 0.018), (red + 90, green + 90, blue + 90))  # what the hi-hat stands on
    canvas.picture[:] = stage.picture
    sway = 0.012 * np.sin(2 * np.pi * (t / (33 * 4.236) + scene.sway))
    lit, lifted = [], []
    for when in _strikes_near(seed, t, DARK, round(DROP) + 1):
        since, until = _to_the_last(t, when), _to_the_next(t, when)
        lit.append(np.where(since < DARK, np.exp(-np.minimum(since, DARK) / FADE), 0))
        lifted.append(1 - np.maximum(np.clip(1 - until / DROP, 0, 1), np.clip(1 - since / RISE, 0, 1)))
    for drum, light in enumerate(lit):
        shape, hue = _drum(canvas, drum, 1 + 0.14 * light), np.asarray(HUES[drum])
        canvas.paint(shape, _towards_flash(0.6 * hue, 0.6 * light))
        canvas.paint(shape + RIM, _towards_flash(hue, light))
    canvas.paint(reduce(np.minimum, _sticks(canvas, lifted, sway)), STICK)
    return canvas.video()


# for each drum the hand that holds the stick, its tip at rest and its tip on the drum
STICKS = (
    ((0.5, 0.06), (0.5, 0.27), (0.5, 0.5)),
    ((0.02, 0.42), (0.07, 0.48), (0.16, 0.62)),
    ((0.36, 0.04), (0.34, 0.1), (0.26, 0.26)),
    ((0.98, 0.12), (0.93, 0.2), (0.82, 0.38)),
)


def _sticks(canvas: Canvas, lifted: list[NDArray[np.float64]], sway: NDArray[np.float64]) -> Iterator[Distance]:
    """The parts of the sticks, each lifted from 0, on its drum, to 1, at rest."""
    for ((hand_x, hand_y), (up_x, up_y), (down_x, down_y)), lift in zip(STICKS, lifted, strict=True):
        tip = down_x + lift * (up_x - down_x) + sway, down_y + lift * (up_y - down_y)
        yield canvas.stroke(hand_x + sway, hand_y, *tip, 0.03)
        yield canvas.disc(*tip, 0.042)


def _towards_flash(colour: NDArray[np.float64], light: NDArray[np.float64]) -> NDArray[np.float32]:
    """A colour for each frame (T, 1, 1, 3), the nearer to FLASH, the more light (T,)."""
    return (colour + light.reshape(-1, 1, 1, 1) * (np.asarray(FLASH) - colour)).astype(np.float32)


def _drum(canvas: Canvas, drum: int, grown: ArrayLike) -> Distance:
    """The shape of a drum, which is `grown` times as large as at rest."""
    grown = np.asarray(grown)
    if drum == 0:
        return canvas.disc(0.52, 0.71, 0.2 * grown)
    if drum == 1:
        return canvas.disc(0.2, 0.72, 0.125 * grown, 1.15)
    if drum == 2:
        return canvas.disc(0.2, 0.31, 0.105 * grown, 1.75)
    return canvas.disc(0.8, 0.5, 0.14 * grown, 1.1)


def face(drum: int, size: int) -> NDArray[np.float32]:
    """Where the light of a drum at rest is seen in a picture: (size, size), from 0 to 1, its stick left out."""
    canvas = Canvas(1, size, size, (0, 0, 0))
    stick = list(_sticks(canvas, [np.zeros(1)] * len(DRUMS), np.zeros(1)))[2 * drum]
    inside = np.clip(0.5 - (_drum(canvas, drum, 1.0) + RIM) * size, 0, 1)
    return (inside * np.clip(0.5 + (stick - 0.02) * size, 0, 1))[0]


def _to_the_last(t: NDArray[np.int64], when: NDArray[np.int64]) -> NDArray[np.float64]:
    """Frames since the last strike, at least 0."""
    padded = np.concatenate([[-(10**9)], when])
    return (t - padded[np.searchsorted(when, t, side="right")]).astype(np.float64)


def _to_the_next(t: NDArray[np.int64], when: NDArray[np.int64]) -> NDArray[np.float64]:
    """Frames until the next strike, at least 0."""
    padded = np.concatenate([when, [2**62]])
    return (padded[np.searchsorted(when, t, side="left")] - t).astype(np.float64)


# ---------------------------------------------------------------------------------------------------------------- sound
def listen(seed: int, frames: range) -> Sound:
    """What is heard while some frames of a video are shown, float32 (800 samples a frame,) in [-1, 1].

    Args:
        seed: which video.
        frames: such as range(90); its step must be 1.
    """
    start, stop = frames.start * SAMPLES, frames.stop * SAMPLES
    ringing = -(-RINGING // SAMPLES)
    sound = np.zeros(max(stop - start, 0), np.float64)
    for wave, when in zip(
        _waves(seed), _strikes_near(seed, np.arange(frames.start, frames.stop), ringing), strict=True
    ):
        for frame in when:
            begin = int(frame) * SAMPLES - start
            if -RINGING < begin < len(sound):
                skipped = max(0, -begin)
                piece = wave[skipped : skipped + len(sound) - max(begin, 0)]
                sound[max(begin, 0) : max(begin, 0) + len(piece)] += piece
    return np.tanh(sound).astype(np.float32)


@lru_cache(maxsize=64)
def _waves(seed: int) -> tuple[NDArray[np.float64], ...]:
    """The sound of one strike of each drum, (RINGING,) each."""
    rng, tuning = numpy_generator(seed, "worlds/drums/sound"), draw_scene(seed).tuning
    t = np.arange(RINGING) / RATE

    def tone(low: float, sweep: float, seconds: float) -> NDArray[np.float64]:  # sinks from low + sweep to low
        return np.sin(2 * np.pi * tuning * (low * t + sweep * seconds * (1 - np.exp(-t / seconds))))

    def noise(low: float, high: float) -> NDArray[np.float64]:
        pitches, phases = rng.uniform(low, high, 48), rng.uniform(0, 1, 48)
        return np.sin(2 * np.pi * (pitches[:, None] * t + phases[:, None])).sum(axis=0) / 48**0.5

    end = np.clip((RINGING - np.arange(RINGING)) / (0.1 * RATE), 0, 1)  # silent when it ends
    kick = 1.1 * tone(62, 120, 0.03) * np.exp(-t / 0.1)
    snare = (0.3 * tone(205, 0, 1) + 0.45 * noise(1100, 3300)) * np.exp(-t / 0.06)
    hihat = 0.45 * noise(4200, 6200) * np.exp(-t / 0.035)
    tom = 0.8 * tone(330, 130, 0.05) * np.exp(-t / 0.11)
    return kick * end, snare * end, hihat * end, tom * end


# ---------------------------------------------------------------------------------------------------------- as files
@dataclass(frozen=True)
class Clip:
    """Which part of which video a file of the collection shows."""

    split: str
    name: str
    seed: int
    frames: range

    @property
    def strikes(self) -> list[tuple[int, str]]:
        """All strikes, counted in frames of the clip."""
        return [(frame - self.frames.start, drum) for frame, drum in strikes(self.seed, self.frames)]


def collection(train: int = 96, test: int = 24, seed: int = 0) -> list[Clip]:
    """What `write` writes: so the strikes of a file are known exactly, by its split and name."""
    rng = numpy_generator(seed, "worlds/drums/collection")
    clips = []
    for split, count in (("train", train), ("test", test)):
        for number in range(1, count + 1):
            clip_seed, first = int(rng.integers(2**31)), int(rng.integers(10_000))
            clips.append(Clip(split, f"{number:05d}", clip_seed, range(first, first + CLIP_FRAMES)))
    return clips


def write(folder: str | Path, *, train: int = 96, test: int = 24, size: int = 64, seed: int = 0) -> Path:
    """Write the world as files in the layout that the released code reads AudioSet-Drum in, and return the folder.

    `video/train/<number>.mp4`, 90 frames with a sound track, beside `stft/train/<number>.pickle`, its spectrogram (90,
    64, 16) in [0, 1] as `sound.spectrogram` makes it; and `test` alike.

    Args:
        folder: where to write; must not hold these folders yet.
        train: number of clips to train on.
        test: number of clips to test on.
        size: height and width in pixels, at least 8.
        seed: of the whole collection.

    Raises:
        UserError: for a folder that holds one already or cannot be written to, or a size below 8.
    """
    check_size(size)
    folder, size = Path(folder), size + size % 2  # h264 stores colour at half size
    with refusals_in_words(folder):
        for kind in ("video", "stft"):
            if (folder / kind).exists():
                raise UserError(f"{folder / kind} exists already: remove it or write somewhere else.")
        with replacing(folder / "video") as videos, replacing(folder / "stft") as spectrograms:
            for kind_folder in (videos, spectrograms):
                for split in ("train", "test"):
                    (kind_folder / split).mkdir(parents=True)
            for clip in progress(collection(train, test, seed), "writing the drums world", unit="clip"):
                sound = listen(clip.seed, clip.frames)
                frames = _in_pieces(clip, size)
                write_video_with_sound(videos / clip.split / f"{clip.name}.mp4", frames, sound, FPS)
                pictures = spectrogram(sound, len(clip.frames), FPS)
                write_array(spectrograms / clip.split / f"{clip.name}.pickle", pictures)
    return folder


def _in_pieces(clip: Clip, size: int) -> Iterator[Video]:
    for start in range(0, len(clip.frames), 16):
        yield from render(clip.seed, clip.frames[start : start + 16], size)

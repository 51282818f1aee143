"""Skies of 1024 frames: their first frame against their last, and how they change on the way (Fig. 8, Table 2, C.3).

The world that stands for Sky Time-lapse has no classes. Most of its videos on disk last less than half of its day, a
few more than one, so what a long sky goes through was hardly ever seen in one piece.

Letters: V videos, n windows of a video, T H W frames, F latent frames.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from einops import reduce

from tatslib import recipes
from tatslib.evaluation import long
from tatslib.randomness import derive_seed
from tatslib.sampling import sliding_window
from tatslib.studies.drift import FILTERS, REAL_CLIPS, TOP_P, ruler
from tatslib.studies.long_videos import BLOCK, FRAMES, Arm, Films, decoded, in_pieces, limit_of, measure, through
from tatslib.studies.packing import pack
from tatslib.studies.results import Numbers, Study
from tatslib.training.device import default_device
from tatslib.videos import Video
from tatslib.worlds import sky

VIDEOS = 18
CONTEXTS = (3, 1)  # latent frames that the window keeps
STREAM = "studies/long skies"
SMOOTHING, APART = 16, 16  # frames: over how many colours are averaged; before and after


def real(seed: int, videos: int, frames: int) -> Films:
    """The world itself, videos that are in no data set: the ceiling."""
    drawn = [in_pieces(partial(sky.render, derive_seed(seed, STREAM, place)), frames) for place in range(videos)]
    return Films(np.stack(drawn), None, known=False)


def rebuilt(seed: int, videos: int, frames: int) -> Films:
    """The same through the tokenizer of a training seed: the ceiling of whoever draws its tokens."""
    films = through(recipes.get("sky/vqgan-replicate", seed).model, real(seed, videos, frames).frames)
    return replace(films, known=False)


def window(seed: int, videos: int, frames: int, context: int) -> Films:
    """TATS-base, of a training seed: a sliding window that keeps `context` latent frames."""
    vqgan, gpt = (recipes.get(f"sky/{kind}-replicate", seed).model.to(default_device()) for kind in ("vqgan", "gpt"))
    start, count = torch.zeros(videos, 1, dtype=torch.int64), frames // vqgan.config.downsample[0]
    tokens = sliding_window.sample(
        gpt, start, count, FILTERS, context_frames=context, seed=seed, progress=False
    )  # (V, F, h, w)
    return replace(decoded(vqgan, tokens, None), known=False)


def implicit(seed: int, videos: int, frames: int) -> Films:
    """The DIGAN-like generator of coordinates and time, of a training seed (C.3)."""
    generator = recipes.get("sky/implicit", seed).model.to(default_device())
    return Films(generator.sample(videos, frames, seed=seed), None, known=False)


ARMS: dict[str, Arm] = {
    "real": real,
    "rebuilt": rebuilt,
    **{f"base-{k}": partial(window, context=k) for k in CONTEXTS},
}
OPPONENT: dict[str, Arm] = {"implicit": implicit}


def run(seed: int, arms: Mapping[str, Arm] = ARMS) -> Numbers:
    """Make and measure the videos of one arm after another."""
    rods = ruler(VIDEOS * BLOCK, "sky")
    limit = limit_of(recipes.get("sky/vqgan-replicate", seed).model, rods)
    return {name: measure(arm(seed, VIDEOS, FRAMES), rods, limit) for name, arm in arms.items()}


def turning(video: Video) -> int:
    """The frame around which the colours of a video, uint8 (T, H, W, 3), change most, averages on either side of it.

    Colours in four quarters of the picture, so that a sky which turns and ground that does not are told apart.
    """
    colours = reduce(video.astype(np.float64), "t (a h) (b w) c -> t (a b c)", "mean", a=2, b=2)
    sums = np.concatenate([np.zeros_like(colours[:1]), colours.cumsum(0)])
    means = (sums[SMOOTHING:] - sums[:-SMOOTHING]) / SMOOTHING  # means[k]: of frames k .. k + SMOOTHING - 1
    before, after = means[: -2 * APART], means[2 * APART :]
    return int(np.linalg.norm(after - before, axis=1).argmax()) + APART + SMOOTHING // 2


def paces(turn: int, frames: int = FRAMES) -> dict[str, list[int]]:
    """Which frames Figure 8 shows: every 100th, every 10th around the turn, consecutive ones at the turn."""
    around, at = range(turn - 50, turn + 51, 10), range(turn - 5, turn + 6)
    return {
        "every-100th": list(range(0, frames, 100)),
        "every-10th": [min(max(frame, 0), frames - 1) for frame in around],
        "consecutive": [min(max(frame, 0), frames - 1) for frame in at],
    }


def samples(seed: int) -> Numbers:
    """The first video of TATS-base and of the world, each at three paces, and the first and last frames of all."""
    numbers: Numbers = {}
    for arm in ("real", "base-3"):
        videos = ARMS[arm](seed, VIDEOS, FRAMES).frames
        turn = turning(videos[0])
        shown = paces(turn, videos.shape[1])
        jump = long.largest_jump(videos[:1, max(0, turn - 16) : turn + 17]).item()
        numbers[arm] = {
            "turn": turn,
            "jump": jump,
            "ends": pack(videos[:, [0, -1]]),
            "paces": {name: pack(videos[0][frames]) for name, frames in shown.items()},
        }
    return numbers


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocols."""
    rulers = f"""All rulers look at windows of {long.WINDOW} frames side by side; curves are means over blocks of
        {BLOCK} windows. quality: Fréchet distance of a block to {REAL_CLIPS} training clips of skies, in random
        features and in those of the classifier of the actions, which has never seen a sky; change: the same in percent
        of the first block. nearest: grey levels to the nearest training clip. broken, lasts, motion, jump, colour,
        earlier, again, unique, stripes, ends, late, later: as in the studies of the six motions."""
    yield Study(
        "long-sky",
        f"""{VIDEOS} videos of {FRAMES} frames each. real: drawn by the sky world with seeds of their own. rebuilt:
        these through sky/vqgan-replicate. base-3, base-1: sliding window over its tokens by sky/gpt-replicate, context
        of 3 latent frames or 1, top-p {TOP_P}. Each seed is another training of tokenizer and transformer, and other
        videos. {rulers}""",
        run,
    )
    yield Study(
        "long-sky-opponent",
        f"""{VIDEOS} videos of {FRAMES} frames each by a network of coordinates and time, DIGAN-like, trained with
        adversaries on 16-frame clips of skies (sky/implicit); three trainings. Fixed when the study long-sky was known,
        and when short-skies had shown that two of the three trainings had fallen apart. {rulers}""",
        partial(run, arms=OPPONENT),
    )
    yield Study(
        "sky-samples",
        f"""Pictures of seed 0 to look at; nothing is chosen. real, base-3: the first of the {VIDEOS} videos of
        long-sky, every 100th frame; then around the frame (turn) where the mean colours of its quarters differ most
        between the {SMOOTHING} frames before and after, {2 * APART} frames apart, every 10th frame; and consecutive
        ones. jump: the largest change between two neighbouring frames of 33 there over the median. ends: first and last
        frame of all {VIDEOS}.""",
        samples,
    )

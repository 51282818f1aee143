"""Videos of 1024 frames from all models of the book, measured along their length (paper 3.3, 3.4, C; Fig. 5-8, 17-20).

Letters: V videos, n windows of a video, B clips, T H W frames, F latent frames, h w latent grid.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import fmean

import numpy as np
import torch
from einops import repeat
from torch import Tensor

from tatslib import recipes
from tatslib.evaluation import long
from tatslib.metrics.features import FeatureNetwork
from tatslib.metrics.nearest import nearest_real_distance
from tatslib.randomness import derive_seed
from tatslib.sampling import hierarchical, sliding_window
from tatslib.sampling.hierarchical import Hierarchy
from tatslib.studies.drift import FILTERS, REAL_CLIPS, TOP_P, Ruler, ruler, through_tokenizer
from tatslib.studies.hierarchy import LEVELS, model, split
from tatslib.studies.pictures import decoded_films
from tatslib.studies.results import Numbers, Results, Study, load
from tatslib.training.device import default_device
from tatslib.training.presets import PRESETS, Scale, current_scale
from tatslib.videos import Video, resize_and_crop, to_model
from tatslib.vqgan.vqgan import VQGAN
from tatslib.vqgan.windows import encode_in_windows
from tatslib.worlds import actions

FRAMES = 1024
VIDEOS_A_CLASS = 3
BLOCK = 16  # windows of which all videos together make one set of clips
LONGEST_LAG = 132  # frames: four rounds of a motion
GOOD = 0.99  # of held-out clips lie below the distance beyond which a window is bad
VIDEOS_AT_ONCE = 4
STREAM = "studies/long videos"


@dataclass(frozen=True)
class Films:
    """Long videos and what was asked for."""

    frames: Video  # uint8 (V, T, H, W, 3)
    labels: Tensor | None  # int64 (V,), the class of each; None where none was named
    tokens: Tensor | None = None  # int64 (V, F, h, w) that they were decoded from, if they were


Arm = Callable[[int, int, int], Films]  # seed, videos a class, frames


# ------------------------------------------------------------------------------------------------ who makes the videos
def real(seed: int, videos: int, frames: int) -> Films:
    """The world itself, videos that are in no data set: the ceiling."""
    worlds = PRESETS[current_scale()].worlds
    drawn = []
    for place, name in enumerate(np.repeat(actions.CLASSES, videos).tolist()):
        own = derive_seed(seed, STREAM, place)
        options = {"action": name, "jitter": worlds.jitter, "texture": worlds.texture}
        drawn.append(in_pieces(partial(actions.render, own, size=worlds.size, **options), frames))
    return Films(np.stack(drawn), labels_of(videos))


def rebuilt(seed: int, videos: int, frames: int) -> Films:
    """The same through the time-agnostic tokenizer: the ceiling of whoever draws its tokens."""
    films = real(seed, videos, frames)
    vqgan = recipes.get("actions/vqgan-replicate").model
    return Films(through(vqgan, films.frames), films.labels)


def window(padding: str, context: int) -> Arm:
    """TATS-base ("replicate") or the vanilla model ("zeros"): a sliding window."""

    def arm(seed: int, videos: int, frames: int) -> Films:
        gpt, labels = model(padding, 0), labels_of(videos)
        vqgan = recipes.get(f"actions/vqgan-{padding}").model
        count = frames // vqgan.config.downsample[0]
        tokens = sliding_window.sample(
            gpt, labels[:, None], count, FILTERS, context_frames=context, seed=seed, progress=False
        )
        return decoded(vqgan, tokens, labels)

    return arm


def planned(seed: int, videos: int, frames: int) -> Films:
    """TATS-hierarchical: every 4th latent frame first, then what lies between."""
    vqgan, labels = recipes.get("actions/vqgan-replicate").model, labels_of(videos)
    hierarchy = Hierarchy(*split(LEVELS["two-levels"], 0))
    count = frames // vqgan.config.downsample[0]
    return decoded(
        vqgan, hierarchical.sample(hierarchy, labels[:, None], count, FILTERS, seed=seed, progress=False), labels
    )


def opponent(name: str) -> Arm:
    """One of the two generators without tokens: "implicit" (DIGAN-like) or "recurrent" (MoCoGAN-like)."""

    def arm(seed: int, videos: int, frames: int) -> Films:
        labels = labels_of(videos)
        generator = recipes.get(f"actions/{name}").model.to(default_device())
        return Films(generator.sample(len(labels), frames, seed=seed, labels=labels), labels)

    return arm


ARMS: dict[str, dict[str, Arm]] = {  # study to its arms
    "long-real": {"real": real, "rebuilt": rebuilt},
    "long-base": {"base-3": window("replicate", 3), "base-1": window("replicate", 1)},
    "long-vanilla": {"vanilla-3": window("zeros", 3), "vanilla-1": window("zeros", 1)},
    "long-planned": {"planned": planned},
    "long-opponents": {"implicit": opponent("implicit"), "recurrent": opponent("recurrent")},
}


def films(arm: str, seed: int = 0, videos: int = 1, frames: int = FRAMES) -> Films:
    """A few videos of each class of one arm, for a chapter to show."""
    everyone = {name: make for arms in ARMS.values() for name, make in arms.items()}
    return everyone[arm](seed, videos, frames)


def in_pieces(draw: Callable[[range], Video], frames: int) -> Video:
    """A world's video at the size of the models, without all of its frames in memory at the world's own size."""
    resolution, step = PRESETS[current_scale()].vqgan.resolution, 64
    starts = range(0, frames, step)
    return np.concatenate([resize_and_crop(draw(range(s, min(s + step, frames))), resolution) for s in starts])


def labels_of(videos: int) -> Tensor:
    """int64 (V,): so many of each class, one class after the other."""
    return repeat(torch.arange(len(actions.CLASSES)), "c -> (c v)", v=videos)


def decoded(vqgan: VQGAN, tokens: Tensor, labels: Tensor | None) -> Films:
    """Tokens int64 (V, F, h, w) to videos."""
    vqgan = vqgan.to(default_device())
    return Films(decoded_films(vqgan, tokens, VIDEOS_AT_ONCE), labels, tokens.cpu())


def through(vqgan: VQGAN, videos: Video) -> Video:
    """Long videos, encoded and decoded whole."""
    vqgan = vqgan.to(default_device())
    tokens = [
        torch.cat(list(encode_in_windows(vqgan, to_model(part).to(default_device()))), dim=1)
        for part in torch.as_tensor(videos).split(VIDEOS_AT_ONCE)
    ]
    return decoded(vqgan, torch.cat(tokens), None).frames


# --------------------------------------------------------------------------------------------------- what is measured
def measure(made: Films, rods: Ruler, limit: float) -> Numbers:
    """Everything along the length of the videos of one arm.

    Args:
        made: the videos.
        rods: real clips and networks.
        limit: grey levels to the nearest real clip beyond which a window is bad; see `limit_of`.

    Returns:
        What `evaluation.long.evaluate` gives, and "again": pixel autocorrelation at lags of 1 .. `LONGEST_LAG` frames,
        the mean over videos; "late": by name, the mean over the second half of each curve; "later": that minus the
        first block. Of videos without a class no "named", "ccs" and "ics".
    """
    networks: dict[str, FeatureNetwork] = {"random": rods.random, "classifier": rods.classifier}
    judge = None if made.labels is None else rods.classifier  # where no class was named, none can be kept
    numbers = long.evaluate(made.frames, rods.real, networks, judge, made.labels, limit=limit, together=BLOCK)
    lag = min(LONGEST_LAG, made.frames.shape[1] // 2)
    numbers["again"] = long.autocorrelation(made.frames, lag).mean(0).tolist()
    return numbers | summary(numbers)


def summary(numbers: Numbers) -> Numbers:
    """One number a curve: its second half on average, and how that differs from its first block."""
    names = ("nearest", "motion", "colour", "earlier", "named", "ccs", "ics")
    curves = {name: numbers[name] for name in names if name in numbers} | numbers["quality"]
    late = {name: fmean(values[len(values) // 2 :]) for name, values in curves.items()}
    late |= {f"{name}_change": fmean(values[len(values) // 2 :]) for name, values in numbers["change"].items()}
    return {"late": late, "later": {name: late[name] - values[0] for name, values in curves.items()}}


def limit_of(vqgan: VQGAN, rods: Ruler) -> float:
    """Grey levels to the nearest training clip that 1 of 100 held-out clips exceeds, once tokenized."""
    _, clips = through_tokenizer(vqgan, rods.held_out)
    return float(np.quantile(nearest_real_distance(clips, rods.real), GOOD))


def run(arms: Mapping[str, Arm], seed: int) -> Numbers:
    """Make and measure the videos of one arm after another."""
    rods = ruler(len(labels_of(VIDEOS_A_CLASS)) * BLOCK)
    limit = limit_of(recipes.get("actions/vqgan-replicate").model, rods)
    return {name: measure(arm(seed, VIDEOS_A_CLASS, FRAMES), rods, limit) for name, arm in arms.items()}


def together(scale: Scale = "toy") -> Results:
    """The arms of all studies of this file side by side, for tables.

    Raises:
        UserError: if one of the studies has not been run at this scale.
    """
    parts = [load(name, scale) for name in ARMS]
    seeds = sorted(set.intersection(*(set(part.seeds) for part in parts)))
    merged = {seed: {arm: made for part in parts for arm, made in part.seeds[seed].items()} for seed in seeds}
    return Results("long", parts[0].protocol, parts[0].provenance, merged)


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocols."""
    rulers = f"""All models are those of training seed 0; the seed of the study is that of the videos, so the spread
        says nothing of how trainings differ (the studies drift and hierarchy do). {VIDEOS_A_CLASS} videos of {FRAMES}
        frames of each of six classes from each; all rulers look at windows of {long.WINDOW} frames side by side, and
        curves are means over blocks of {BLOCK} windows, but for ccs and ics. quality: Fréchet distance of a block to
        {REAL_CLIPS} training clips in random features and in those of
        the toy classifier, nothing subtracted; change: the same in percent of the first block. nearest: grey levels to
        the nearest training clip. broken: share of videos whose last {long.BAD_END} windows or more are all further
        from training clips than 99 of 100 held-out clips, through the time-agnostic tokenizer, are; lasts: frames
        before that, {FRAMES} where it never happens. ccs, ics, named: by the toy classifier. motion:
        difference between neighbouring frames; jump: the largest over the median. colour: mean colour against that of
        the first window. earlier: grey levels to the most alike part of the same video before the window. again:
        autocorrelation of pixels. unique: share of frames like no earlier one. stripes: share of one wave in the mean
        difference of the last frame and that {long.APART} before. ends: first against last frame, SSIM and correlation
        of colour histograms with 8 bins a colour. late: second half of a curve; later: that minus its first block"""
    ways = {
        "long-real": """real: drawn by the world with seeds of their own. rebuilt: these through the time-agnostic
            tokenizer, actions/vqgan-replicate.""",
        "long-base": f"""base-3, base-1: sliding window over tokens of actions/vqgan-replicate, told the class, context
            of 3 latent frames or 1, top-p {TOP_P}.""",
        "long-vanilla": f"""vanilla-3, vanilla-1: sliding window over tokens of actions/vqgan-zeros, told the class,
            context of 3 latent frames or 1, top-p {TOP_P}.""",
        "long-planned": f"""planned: every 4th latent frame with a context of 3, then what lies between, told the class.
            Top-p {TOP_P}.""",
        "long-opponents": """implicit: a network of coordinates and time, trained with adversaries (actions/implicit).
            recurrent: a recurrent network that moves through the noise of a picture generator, likewise
            (actions/recurrent). Both are small re-creations, told the class, trained on 16-frame clips.""",
    }
    for name, arms in ARMS.items():
        yield Study(name, f"{ways[name]} {rulers}.", partial(run, arms), seeds_of="draws")

"""Videos of 1024 frames from all models of the book, measured along their length (paper 3.3, 3.4, C; Fig. 5-8, 17-20).

Letters: V videos, n windows of a video, B clips, T H W frames, F latent frames, h w latent grid.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean

import numpy as np
import torch
from einops import repeat
from torch import Tensor

from tatslib import recipes
from tatslib.evaluation import long
from tatslib.metrics.features import FeatureNetwork, clip_features, some_windows
from tatslib.metrics.kernel import kernel_distance
from tatslib.metrics.motion import frame_changes
from tatslib.metrics.nearest import nearest_real_distance
from tatslib.metrics.repetition import same_at_lag
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
VERSION = 2  # 1: models of one training, videos of three draws


@dataclass(frozen=True)
class Films:
    """Long videos and what was asked for."""

    frames: Video  # uint8 (V, T, H, W, 3)
    labels: Tensor | None  # int64 (V,), the class of each; None where none was named
    tokens: Tensor | None = None  # int64 (V, F, h, w) that they were decoded from, if they were
    known: bool = True  # whether the classifier knows what such videos show


Arm = Callable[[int, int, int], Films]  # seed of the training and of the draws, videos a class, frames


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
    vqgan = recipes.get("actions/vqgan-replicate", seed).model
    return replace(through(vqgan, films.frames), labels=films.labels)


def window(padding: str, context: int) -> Arm:
    """TATS-base ("replicate") or the vanilla model ("zeros"): a sliding window."""

    def arm(seed: int, videos: int, frames: int) -> Films:
        gpt, labels = model(padding, seed), labels_of(videos)
        vqgan = recipes.get(f"actions/vqgan-{padding}", seed).model
        count = frames // vqgan.config.downsample[0]
        tokens = sliding_window.sample(
            gpt, labels[:, None], count, FILTERS, context_frames=context, seed=seed, progress=False
        )
        return decoded(vqgan, tokens, labels)

    return arm


def planned(seed: int, videos: int, frames: int) -> Films:
    """TATS-hierarchical: every 4th latent frame first, then what lies between."""
    vqgan, labels = recipes.get("actions/vqgan-replicate", seed).model, labels_of(videos)
    hierarchy = Hierarchy(*split(LEVELS["two-levels"], seed))
    count = frames // vqgan.config.downsample[0]
    return decoded(
        vqgan, hierarchical.sample(hierarchy, labels[:, None], count, FILTERS, seed=seed, progress=False), labels
    )


def untold(levels: Sequence[str]) -> Arm:
    """A sliding window, or the levels of a hierarchy, of transformers that were never told a class."""

    def arm(seed: int, videos: int, frames: int) -> Films:
        vqgan = recipes.get("actions/vqgan-replicate", seed).model
        hierarchy = Hierarchy(*split(levels, seed))
        start = torch.zeros(len(labels_of(videos)), 1, dtype=torch.int64)
        count = frames // vqgan.config.downsample[0]
        return decoded(vqgan, hierarchical.sample(hierarchy, start, count, FILTERS, seed=seed, progress=False), None)

    return arm


def opponent(name: str) -> Arm:
    """One of the two generators without tokens: "implicit" (DIGAN-like) or "recurrent" (MoCoGAN-like)."""

    def arm(seed: int, videos: int, frames: int) -> Films:
        labels = labels_of(videos)
        generator = recipes.get(f"actions/{name}", seed).model.to(default_device())
        return Films(generator.sample(len(labels), frames, seed=seed, labels=labels), labels)

    return arm


ARMS: dict[str, dict[str, Arm]] = {  # study to its arms
    "long-real": {"real": real, "rebuilt": rebuilt},
    "long-base": {"base-3": window("replicate", 3), "base-1": window("replicate", 1)},
    "long-vanilla": {"vanilla-3": window("zeros", 3), "vanilla-1": window("zeros", 1)},
    "long-planned": {"planned": planned},
    "long-opponents": {"implicit": opponent("implicit"), "recurrent": opponent("recurrent")},
}
UNTOLD: dict[str, Arm] = {
    "untold-3": untold(("untold",)),
    "untold-planned": untold(("untold-sparse", "untold-filler")),
}


def films(arm: str, seed: int = 0, videos: int = 1, frames: int = FRAMES) -> Films:
    """A few videos of each class of one arm, for a chapter to show."""
    everyone = UNTOLD | {name: make for arms in ARMS.values() for name, make in arms.items()}
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


def through(vqgan: VQGAN, videos: Video) -> Films:
    """Long videos, encoded and decoded whole."""
    vqgan = vqgan.to(default_device())
    tokens = [
        torch.cat(list(encode_in_windows(vqgan, to_model(part).to(default_device()))), dim=1)
        for part in torch.as_tensor(videos).split(VIDEOS_AT_ONCE)
    ]
    return decoded(vqgan, torch.cat(tokens), None)


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
        first block; "each": curves over single windows; "tokens_repeat": see `still_tokens`, of videos from tokens. Of
        videos for which no class was named no "named", of those that the classifier does not know no "ccs" and "ics".
    """
    networks: dict[str, FeatureNetwork] = {"random": rods.random, "classifier": rods.classifier}
    judge = rods.classifier if made.known else None
    near = long.nearest_real(made.frames, rods.real)  # (V, n)
    numbers = long.evaluate(
        made.frames, rods.real, networks, judge, made.labels, limit=limit, together=BLOCK, near=near
    )
    lag = min(LONGEST_LAG, made.frames.shape[1] // 2)
    numbers["again"] = long.autocorrelation(made.frames, lag).mean(0).tolist()
    numbers["each"] = each_window(made.frames, near, rods)
    if made.tokens is not None:
        numbers["tokens_repeat"] = still_tokens(made.tokens, long.broken_from(near, limit) < near.shape[1])
    return numbers | summary(numbers)


def each_window(videos: Video, near: Tensor, rods: Ruler) -> Numbers:
    """Curves over single windows, as the paper draws them (Fig. 5), by rulers that need few clips.

    Returns:
        Lists of n: "nearest", "motion" and "colour" as in `long.evaluate`; "kernel", the unbiased kernel distance of
        the V windows to real clips, in random features.
    """
    looks = long.window_features(rods.random, videos)  # (V, n, F)
    real_looks = clip_features(rods.random, rods.real)  # (B, F)
    parts = some_windows(videos, long.WINDOW).swapaxes(0, 1)  # (n, V, T, H, W, 3)
    return {
        "nearest": near.mean(0).tolist(),
        "motion": [float(frame_changes(part).mean()) for part in parts],
        "colour": long.colour_shift(videos).mean(0).tolist(),
        "kernel": [kernel_distance(real_looks, look) for look in looks.unbind(1)],
    }


def still_tokens(tokens: Tensor, broken: Tensor) -> Numbers:
    """Do the tokens of broken videos repeat themselves, as the paper's do (C.2)?

    Args:
        tokens: int64 (V, F, h, w).
        broken: bool (V,), which videos are broken for good at their end.

    Returns:
        Share of tokens that are the same in the next latent frame, in the second half of a video: the mean over "all"
        videos, over those that are "broken" and those that are "unbroken"; None where there are none.
    """
    same = same_at_lag(tokens[:, tokens.shape[1] // 2 :], [1])[:, 0]  # (V,)
    sets = {"all": same, "broken": same[broken], "unbroken": same[~broken]}
    return {name: float(some.mean()) if len(some) else None for name, some in sets.items()}


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
    limit = limit_of(recipes.get("actions/vqgan-replicate", seed).model, rods)
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
    rulers = f"""The seed is that of the training of all models but the classifier, which was trained once, and of what
        is drawn. {VIDEOS_A_CLASS} videos of {FRAMES} frames of each of six classes from each; all rulers look at
        windows of {long.WINDOW} frames side by side, and curves are means over blocks of {BLOCK} windows, but for ccs
        and ics. quality: Fréchet distance of a block to {REAL_CLIPS} training clips in random features and in those of
        the toy classifier, nothing subtracted; change: the same in percent of the first block. nearest: grey levels to
        the nearest training clip. broken: share of videos whose last {long.BAD_END} windows or more are all further
        from training clips than 99 of 100 held-out clips, through the time-agnostic tokenizer, are; lasts: frames
        before that, {FRAMES} where it never happens. ccs, ics, named: by the toy classifier. motion:
        difference between neighbouring frames; jump: the largest over the median. colour: mean colour against that of
        the first window. earlier: grey levels to the most alike part of the same video before the window. again:
        autocorrelation of pixels. unique: share of frames like no earlier one. stripes: share of one wave in the mean
        difference of the last frame and that {long.APART} before. ends: first against last frame, SSIM and correlation
        of colour histograms with 8 bins a colour. late: second half of a curve; later: that minus its first block.
        each: curves over single windows; kernel: unbiased kernel distance to the training clips in random features.
        tokens_repeat: share of tokens that are the same in the next latent frame, second half of a video, of all videos
        and of those that are broken and are not"""
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
        yield Study(name, f"{ways[name]} {rulers}.", partial(run, arms), version=VERSION)
    yield Study(
        "long-untold",
        f"""untold-3: a sliding window with a context of 3 latent frames. untold-planned: every 4th latent frame with a
        context of 3, then what lies between. Both over tokens of actions/vqgan-replicate, by transformers that are
        trained like those of base-3 and planned on clips whose classes are taken away, and told nothing: so there is no
        named, and ccs and ics ask whether a video stays what it began as. Fixed when the other studies of long videos
        of one training were known, which cannot show what a plan does to coherence. Top-p {TOP_P}. {rulers}.""",
        partial(run, UNTOLD),
    )

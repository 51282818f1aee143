"""Base against hierarchical sampling over long videos: quality and coherence as time goes on (paper 3.3, Fig. 5, 6).

Letters: V videos, n windows of a video, T frames of a window, t latent frames of a window, h w latent grid.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import prod
from statistics import fmean, median

import torch
from einops import rearrange, repeat
from torch import Tensor

from tatslib import recipes
from tatslib.datasets.tokens import TokenClips
from tatslib.metrics.coherence import area_under, class_coherence, inception_coherence
from tatslib.metrics.divergence import jensen_shannon, token_histogram
from tatslib.metrics.features import window_probabilities, windows
from tatslib.metrics.motion import frame_changes
from tatslib.metrics.nearest import nearest_real_distance
from tatslib.recipes.kinds import TrainedVQGAN
from tatslib.sampling import hierarchical, sliding_window
from tatslib.sampling.filters import Filters
from tatslib.sampling.hierarchical import Hierarchy
from tatslib.sampling.plan import order_of_drawing
from tatslib.studies.drift import TOP_P, WINDOWS_A_BLOCK, LongVideos, excess_distances, ruler, through_tokenizer
from tatslib.studies.pictures import decoded_films
from tatslib.studies.results import Numbers, Study
from tatslib.studies.short_videos import OPPONENTS
from tatslib.training.device import default_device
from tatslib.transformer.gpt import GPT
from tatslib.vqgan.windows import decode_in_windows

FRAMES = 512
OPTION_FRAMES = 256
SPEED_FRAMES = 1024  # as in Table 3
GAPS_AT_ONCE = (1, 16, 64)
ROUNDS = 3
VIDEOS_A_CLASS = 10
FILTERS = Filters(top_p=TOP_P)
RULERS = ("token_js", "nearest", "random", "classifier", "named", "ccs", "ics", "motion")
LEVELS = {"two-levels": ("sparse", "filler"), "three-levels": ("sparsest", "filler-sparse", "filler")}
Sampler = Callable[[Tensor, int, int], Tensor]  # condition (V, 1), latent frames, seed to tokens (V, F, h, w)


def model(name: str, seed: int) -> GPT:
    """A trained transformer where the work is done."""
    return recipes.get(f"actions/gpt-{name}", seed).model.to(default_device())


def base(seed: int, context: int, filters: Filters = FILTERS, trained_on: str = "replicate") -> Sampler:
    """The plain sliding window (TATS-base)."""
    gpt = model(trained_on, seed)
    return lambda condition, latent_frames, seed: sliding_window.sample(
        gpt, condition, latent_frames, filters, context_frames=context, seed=seed
    )


def planned(
    seed: int, levels: Sequence[str], filters: Filters | Sequence[Filters] = FILTERS, context: int | None = None
) -> Sampler:
    """Sparse latent frames first, then what lies between them (TATS-hierarchical)."""
    hierarchy = Hierarchy(*split(levels, seed))
    return lambda condition, latent_frames, seed: hierarchical.sample(
        hierarchy, condition, latent_frames, filters, context_frames=context, seed=seed
    )


def make_videos(sampler: Sampler, vqgan: TrainedVQGAN, seed: int, frames: int = FRAMES) -> LongVideos:
    """So many videos of each class."""
    device, classes = default_device(), len(recipes.get("actions/classifier").model.config.classes)
    labels = repeat(torch.arange(classes), "c -> (c v)", v=VIDEOS_A_CLASS)
    tokens = sampler(labels[:, None], frames // vqgan.model.config.downsample[0], seed)
    return LongVideos(decoded_films(vqgan.model.to(device), tokens), tokens.cpu(), labels)


def measure(long: LongVideos, vqgan: TrainedVQGAN, trained_on: TokenClips) -> Numbers:
    """All rulers, window by window or block by block; those of `drift.measure`, and three more.

    Returns:
        "token_js": nats: tokens of the window against training tokens of all positions;
        "nearest", "random", "classifier": as `drift.measure`, held-out clips through the tokenizer subtracted;
        "named": share of windows that the classifier gives the class that was asked for;
        "ccs", "ics": class and inception coherence with the first window (paper 3.3), without that window;
        "motion": mean absolute difference between neighbouring frames, as a share of that of real clips.
    """
    config, measured = vqgan.model.config, ruler(len(long.frames) * WINDOWS_A_BLOCK)
    clips = windows(long.frames, config.frames)  # (V, n, T, H, W, 3)
    tokens = rearrange(long.tokens, "v (n t) h w -> n v t h w", t=config.latent_shape[0])
    everywhere = token_histogram(trained_on.tokens.long(), config.codes)
    _, rebuilt = through_tokenizer(vqgan.model, measured.held_out)
    floor = nearest_real_distance(rebuilt, measured.real).mean()
    chances = window_probabilities(measured.classifier, long.frames, config.frames)  # (V, n, k)
    right = (chances.argmax(-1) == long.labels[:, None]).double().mean(0)
    real_motion = frame_changes(rebuilt).mean()
    return {
        "token_js": [jensen_shannon(token_histogram(part, config.codes), everywhere) for part in tokens],
        "nearest": [float(nearest_real_distance(c, measured.real).mean() - floor) for c in clips.swapaxes(0, 1)],
        "random": excess_distances(measured.random, clips, rebuilt, measured.real),
        "classifier": excess_distances(measured.classifier, clips, rebuilt, measured.real),
        "named": right.tolist(),
        "ccs": class_coherence(chances)[1:].tolist(),
        "ics": inception_coherence(chances).mean(0)[1:].tolist(),
        "motion": [float(frame_changes(c).mean() / real_motion) for c in clips.swapaxes(0, 1)],
    }


def summary(numbers: Numbers) -> Numbers:
    """One number a ruler: the second half of the video on average; its change since the first window or block."""
    half = {name: fmean(numbers[name][len(numbers[name]) // 2 :]) for name in RULERS}
    change = {f"{name}_change": half[name] - numbers[name][0] for name in RULERS}
    return {**half, **change, "ccs_area": area_under(torch.tensor(numbers["ccs"]))}


def run_arms(arms: dict[str, Callable[[], Sampler]], seed: int, frames: int) -> Numbers:
    """Sample and measure one arm after another."""
    vqgan, tokens = recipes.get("actions/vqgan-replicate", seed), recipes.get("actions/tokens-replicate", seed)
    numbers: Numbers = {}
    for name, arm in arms.items():
        measured = measure(make_videos(arm(), vqgan, seed, frames), vqgan, tokens.train)
        numbers[name] = {"windows": measured, **summary(measured)}
    return numbers


def run_hierarchy(seed: int) -> Numbers:
    """The four ways to make a long video, and how well each transformer knows held-out tokens."""
    arms: dict[str, Callable[[], Sampler]] = {
        "base-3": lambda: base(seed, 3),
        "base-1": lambda: base(seed, 1),
        "two-levels": lambda: planned(seed, LEVELS["two-levels"]),
        "three-levels": lambda: planned(seed, LEVELS["three-levels"]),
    }
    names = ("replicate", *dict.fromkeys(name for levels in LEVELS.values() for name in levels))
    nll = {name: recipes.get(f"actions/gpt-{name}", seed).scores["nll"] for name in names}
    return {"nll": nll, **run_arms(arms, seed, FRAMES)}


def run_controls(seed: int) -> Numbers:
    """What a hierarchy owes to the longer clips that it learns from, and to how far its plan looks back."""
    arms: dict[str, Callable[[], Sampler]] = {
        "pieces-3": lambda: base(seed, 3, trained_on="pieces"),
        "pieces-1": lambda: base(seed, 1, trained_on="pieces"),
        "two-levels-1": lambda: planned(seed, LEVELS["two-levels"], context=1),
    }
    nll = {"pieces": recipes.get("actions/gpt-pieces", seed).scores["nll"]}
    return {"nll": nll, **run_arms(arms, seed, FRAMES)}


def run_options(seed: int) -> Numbers:
    """What filters do at each level, on shorter videos."""
    two = LEVELS["two-levels"]
    arms: dict[str, Callable[[], Sampler]] = {
        "base": lambda: base(seed, 3),
        "base-p0.92": lambda: base(seed, 3, Filters(top_p=0.92)),
        "base-p0.5": lambda: base(seed, 3, Filters(top_p=0.5)),
        "hierarchical": lambda: planned(seed, two),
        "hierarchical-fill-p0.5": lambda: planned(seed, two, [FILTERS, Filters(top_p=0.5)]),
        "hierarchical-fill-greedy": lambda: planned(seed, two, [FILTERS, Filters(top_k=1)]),
    }
    return run_arms(arms, seed, OPTION_FRAMES)


def run_speed(_repetition: int) -> Numbers:
    """Seconds for one video of `SPEED_FRAMES` frames, and how many steps have to wait for the one before.

    Models are those of one training: what they have learnt does not change how long they take.
    """
    vqgan = recipes.get("actions/vqgan-replicate").model.to(default_device())
    latent_frames, tokens_a_frame = SPEED_FRAMES // vqgan.config.downsample[0], prod(vqgan.config.latent_shape[1:])
    condition = torch.zeros(1, 1, dtype=torch.int64)
    gpt = model("replicate", 0)
    hierarchies = {name: Hierarchy(*split(levels, 0)) for name, levels in LEVELS.items()}
    works: dict[str, Callable[[], object]] = {
        f"base-{context}": partial(
            sliding_window.sample, gpt, condition, latent_frames, FILTERS, context_frames=context, progress=False
        )
        for context in (3, 1)
    }
    for name, hierarchy in hierarchies.items():
        for gaps in GAPS_AT_ONCE:
            works[f"{name}-{gaps}"] = partial(
                hierarchical.sample, hierarchy, condition, latent_frames, FILTERS, gaps_at_once=gaps, progress=False
            )
    two = hierarchies["two-levels"]
    sparse = two.needed(latent_frames)[0]
    works["plan"] = partial(sliding_window.sample, two.anchors, condition, sparse, FILTERS)
    tokens = sliding_window.sample(gpt, condition, latent_frames, FILTERS, context_frames=3, progress=False)
    works["decode"] = lambda: torch.cat(list(decode_in_windows(vqgan, tokens)), dim=2)
    for name in OPPONENTS:
        works[name] = partial(recipes.get(f"actions/{name}").model.to(default_device()).sample, 1, SPEED_FRAMES, 0)
    took: dict[str, list[float]] = {name: [] for name in works}
    # what one thread computes does not depend on who else is at work; a GPU's work is not seen by that clock
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for _ in range(ROUNDS):  # in turns, so that a busy moment does not fall upon one of them
        for name, work in works.items():
            started = clock()
            work()
            if torch.cuda.is_available():  # which is given its work and does it later
                torch.cuda.synchronize()
            took[name].append(clock() - started)
    torch.set_num_threads(threads)
    steps = {"base": latent_frames * tokens_a_frame}
    for gaps in GAPS_AT_ONCE:
        steps[f"two-levels-{gaps}"] = len(order_of_drawing(two.strides, latent_frames, gaps)) * tokens_a_frame
    return {"seconds": {name: median(times) for name, times in took.items()}, "steps": steps, "frames": SPEED_FRAMES}


def split(levels: Sequence[str], seed: int) -> tuple[GPT, list[GPT]]:
    """The transformer that plans, and those that fill in."""
    anchors, *fillers = (model(name, seed) for name in levels)
    return anchors, fillers


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocols."""
    ways = f"""Transformers over the tokens of one tokenizer (actions/vqgan-replicate), trained for the preset's steps,
        half of them where they fill in between sparse frames (and at first everywhere: one that filled in to the end
        then guessed held-out tokens worse than the plain one, so its steps were doubled and this study run again).
        base-3 and base-1: the sliding window that looks back upon 3 latent frames or 1. two-levels: every 4th latent
        frame with a context of 3, then all. three-levels: every 16th with a context of 2, every 4th, all; its plan was
        learnt from the quarter of the training videos that is long enough. Top-p {TOP_P}, no top-k, temperature 1, at
        every level"""
    rulers = f"""Windows of 16 frames side by side, as in the study of drift: Fréchet distances over blocks of
        {WINDOWS_A_BLOCK} windows, with the score of held-out clips through the same tokenizer subtracted, and so for
        nearest. token_js: tokens of a window against training tokens of all positions. ccs, ics: coherence with the
        first window by the toy classifier. motion: mean difference between neighbouring frames as a share of that of
        real clips. A plain name is the mean over the second half of the video; _change is that minus the first window
        or block"""
    yield Study(
        "hierarchy",
        f"""{ways}. {VIDEOS_A_CLASS} videos of {FRAMES} frames of each class from each. {rulers}. nll: nats a token on
        held-out clips, for a transformer that fills in over the gap alone.""",
        run_hierarchy,
        version=2,
    )
    yield Study(
        "hierarchy-controls",
        f"""Beside the study hierarchy, chosen when its results were known; {VIDEOS_A_CLASS} videos of {FRAMES} frames
        of each class, models of the same trainings. pieces-3, pieces-1: as base-3 and base-1, by a transformer that was
        trained for as many steps on the clips that those of two-levels are trained on, cut into pieces of its window.
        two-levels-1: as two-levels, with a plan that looks back upon 1 sparse latent frame. {rulers}. nll: nats a token
        on held-out clips, those cut likewise.""",
        run_controls,
    )
    yield Study(
        "hierarchy-options",
        f"""base and two-levels as in the study hierarchy, here called base and hierarchical, with videos of
        {OPTION_FRAMES} frames; and the same with other filters: top-p 0.92 (the released default) and 0.5 for base;
        top-p 0.5 and the likeliest token alone for filling in, the plan being drawn as before. {rulers}.""",
        run_options,
        version=2,
    )
    yield Study(
        "hierarchy-speed",
        f"""{ways}. Seconds to draw the tokens of one video of {SPEED_FRAMES} frames at batch 1, median of {ROUNDS}
        rounds in turns: on a processor the seconds that one thread computes, on a GPU by wall clock. A number behind
        the levels says how many gaps are filled side by side. plan: the sparse frames of two-levels alone. decode: from
        tokens to frames. implicit, recurrent: generators without tokens (actions/implicit, actions/recurrent), from
        noise to frames. All models are those of training seed 0. steps: tokens that wait for the one before.""",
        run_speed,
        version=3,
        seeds_of="repetitions",
    )

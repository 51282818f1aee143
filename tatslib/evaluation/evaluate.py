"""A folder of videos against real ones: draws, rows of features, numbers (paper 3.2, B.1).

Letters: B clips, N clips of a draw, R repeats, F feature dimensions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tatslib.datasets.clips import ClipDataset
from tatslib.errors import UserError
from tatslib.evaluation.gathering import gather
from tatslib.evaluation.measures import (
    Draw,
    Numbers,
    any_frechet,
    column,
    distances,
    inception,
    need_for_covariance,
)
from tatslib.evaluation.networks import Extractor, pixels
from tatslib.evaluation.protocol import DISTANCES, PIXELS, Looker, Protocol, Settings, Side
from tatslib.evaluation.videos_folder import VideosFolder
from tatslib.metrics.kernel import kernel_distance
from tatslib.randomness import torch_generator
from tatslib.videos import Video

Place = tuple[int, int]  # index of a video, first frame of a clip
Reader = Callable[[Place], Video]


@dataclass(frozen=True)
class Evaluation:
    """What was measured, and how."""

    protocol: Protocol
    numbers: dict[str, Numbers]  # by metric
    computed: int  # rows that were not found in the cache, on this process


def evaluate(
    generated: VideosFolder,
    real: ClipDataset,
    named: tuple[str, str, str | None],
    settings: Settings,
    networks: dict[str, Extractor],
    cache: Path,
) -> Evaluation:
    """Measure a folder of videos.

    Processes that run this together share the clips; each gets the same numbers.

    Args:
        generated: what is measured.
        real: what it is held against, clips of the same length and resolution.
        named: of the real ones, the name of their folder, its layout and its split.
        settings: what to measure, how often, with how many clips.
        networks: "features" for FVD and KVD, "classifier" for IS; only those that the metrics need.
        cache: folder of features.

    Raises:
        UserError: if there are too few videos, or a network cannot take these clips.
    """
    lookers = {metric: _looker(metric, networks) for metric in settings.metrics}
    clips = {metric: settings.clips_for(metric, len(generated)) for metric in settings.metrics}
    for metric, looker in lookers.items():
        looker.check(generated.length, generated.resolution)
        if metric == "is" and not hasattr(looker.network, "head"):
            raise UserError(f"{looker.what} knows no classes: IS takes c3d, or the folder of a classifier.")
        if clips[metric] > len(generated):
            raise UserError(
                f"{generated.folder} holds {len(generated)} videos, and {clips[metric]} are asked for: make more, or "
                "ask for fewer and say so beside the number."
            )
        if metric == "fvd":
            need_for_covariance(looker.dimensions, min(clips[metric], real.windows), clips[metric], looker.what)
    numbers: dict[str, Numbers] = {}
    computed = 0
    for looker in {id(looker): looker for looker in lookers.values()}.values():
        mine = [metric for metric in settings.metrics if lookers[metric] is looker]
        found, new = _measure(generated, real, settings, looker, {metric: clips[metric] for metric in mine}, cache)
        numbers |= found
        computed += new
    protocol = protocol_of(generated, real, named, settings, clips, lookers)
    return Evaluation(protocol, {metric: numbers[metric] for metric in settings.metrics}, computed)


def protocol_of(
    generated: VideosFolder,
    real: ClipDataset,
    named: tuple[str, str, str | None],
    settings: Settings,
    clips: dict[str, int],
    lookers: dict[str, Extractor],
) -> Protocol:
    """What the numbers of a run depend on; `clips` and `lookers` by metric."""
    return Protocol(
        settings=settings,
        real=_real_side(real, named),
        generated=_generated_side(generated),
        frames=real.length,
        resolution=generated.resolution,
        antialias=generated.antialias,
        clips=clips,
        networks={metric: _described(looker) for metric, looker in lookers.items()},
        package=metadata.version("tatslib"),
        torch=torch.__version__,
    )


def real_draws(real: ClipDataset, clips: int, draws: int, seed: int) -> list[list[Place]]:
    """Which clips each draw takes: any window of any video, each equally likely, another choice each time."""
    return [real.places(draw, clips, seed) for draw in range(draws)]


def generated_draws(videos: int, clips: int, draws: int, seed: int) -> list[list[Place]]:
    """So many videos, without repetition, another choice each time; all of them if there are no more."""
    if clips == videos:
        return [[(video, 0) for video in range(videos)]] * draws
    orders = (torch.randperm(videos, generator=torch_generator(seed, "generated clips", d)) for d in range(draws))
    return [[(video, 0) for video in sorted(order[:clips].tolist())] for order in orders]


def _measure(
    generated: VideosFolder,
    real: ClipDataset,
    settings: Settings,
    looker: Extractor,
    clips: dict[str, int],
    cache: Path,
) -> tuple[dict[str, Numbers], int]:
    """The numbers of all metrics that one network gives, and how many rows had to be computed."""
    seed, wanted = settings.seed, {}
    for metric, count in clips.items():
        one, many = (1, 1) if metric in PIXELS else (1 if metric == "is" else settings.repeats + 1, settings.repeats)
        wanted[metric] = (real_draws(real, count, one, seed), generated_draws(len(generated), count, many, seed))
    sides = []
    readers: tuple[Reader, Reader] = (lambda place: real.clip(*place), lambda place: generated.clip(place[0]))
    new = 0
    for side, (read, word) in enumerate(zip(readers, ("real", "generated"), strict=True)):
        places = list(dict.fromkeys(place for pair in wanted.values() for draw in pair[side] for place in draw))
        rows, computed = gather(looker, [_later(read, p) for p in places], cache, f"{word} clips, {looker.name}")
        sides.append((rows, {place: row for row, place in enumerate(places)}))
        new += computed
    if looker.name == "random":
        sides = _standardised(sides, wanted)
    numbers = {}
    for metric, pair in wanted.items():
        draws = [[_draw(*sides[side], draw) for draw in pair[side]] for side in (0, 1)]
        numbers[metric] = _number(metric, draws[0], draws[1], looker, seed)
    return numbers, new


def _number(metric: str, real: Sequence[Draw], generated: Sequence[Draw], looker: Extractor, seed: int) -> Numbers:
    if metric == "fvd":
        return distances(any_frechet, real, generated, seed, biased=True)
    if metric == "kvd":
        return distances(kernel_distance, real, generated, seed, biased=False)
    if metric == "is":
        return inception(looker.chances, generated, real[0], seed)
    one, other = real[0].rows, generated[0].rows
    if metric == "colour":
        return {"first and last frame": column(one[:, 2], other[:, 2], seed)}
    return {"change": column(one[:, 0], other[:, 0], seed), "still": column(one[:, 1], other[:, 1], seed)}


def _later(read: Reader, place: Place) -> Callable[[], Video]:
    return lambda: read(place)


def _draw(rows: Tensor, row_of: dict[Place, int], places: Sequence[Place]) -> Draw:
    return Draw(rows[torch.tensor([row_of[place] for place in places])], [video for video, _ in places])


def _standardised(sides: list[Any], wanted: dict[str, Any]) -> list[Any]:
    """Random features on a scale on which the real clips of the first draw have mean 0 and standard deviation 1."""
    rows, row_of = sides[0]
    first = next(iter(wanted.values()))[0][0]
    reference = rows[torch.tensor([row_of[place] for place in first])]
    return [((x - reference.mean(0)) / reference.std(0).clamp_min(1e-12), places) for x, places in sides]


def _looker(metric: str, networks: dict[str, Extractor]) -> Extractor:
    if metric in PIXELS:
        return networks.setdefault("pixels", pixels())
    return networks["features" if metric in DISTANCES else "classifier"]


def _described(looker: Extractor) -> Looker:
    return Looker(name=looker.name, what=looker.what, checksum=looker.checksum, dimensions=looker.dimensions)


def _real_side(real: ClipDataset, named: tuple[str, str, str | None]) -> Side:
    name, layout, split = named
    return Side(
        name=name,
        layout=layout,
        split=split,
        videos=len(real),
        skipped=len(real.skipped),
        stride=real.stride,
        position="any window, each equally likely",
    )


def _generated_side(generated: VideosFolder) -> Side:
    height, width = generated.size
    return Side(
        name=generated.folder.resolve().name,
        layout="folder",
        videos=len(generated),
        height=height,
        width=width,
        position="first frames",
    )

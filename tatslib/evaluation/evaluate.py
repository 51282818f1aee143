"""A folder of videos against real ones: draws, rows of features, numbers (paper 3.2, B.1).

Letters: B clips, N clips of a draw, R repeats, F feature dimensions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tatslib.datasets.clips import ClipDataset
from tatslib.errors import UserError
from tatslib.evaluation.draws import Place, draws_that_differ, generated_draws, real_draws
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
from tatslib.evaluation.pairs import check_pairs, measure_pairs, pairs_extractor
from tatslib.evaluation.protocol import (
    DISTANCES,
    PAIRED,
    PIXELS,
    Counts,
    Looker,
    Protocol,
    Settings,
    Side,
    intervals,
)
from tatslib.evaluation.videos_folder import VideosFolder
from tatslib.metrics.kernel import kernel_distance


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
        _check(metric, looker, generated, real, settings, clips[metric])
    numbers: dict[str, Numbers] = {}
    computed = 0
    for looker in {id(looker): looker for looker in lookers.values()}.values():
        mine = {metric: clips[metric] for metric in settings.metrics if lookers[metric] is looker}
        measure = measure_pairs if set(mine) <= set(PAIRED) else _measure
        found, new = measure(generated, real, settings, looker, mine, cache)
        numbers |= found
        computed += new
    counts = {
        metric: Counts(
            real=count if metric in PAIRED else min(count, real.windows),
            generated=count,
            repeats=_repeats(metric, generated, real, count, settings),
        )
        for metric, count in clips.items()
    }
    protocol = protocol_of(generated, real, named, settings, counts, lookers)
    return Evaluation(protocol, {metric: numbers[metric] for metric in settings.metrics}, computed)


def protocol_of(
    generated: VideosFolder,
    real: ClipDataset,
    named: tuple[str, str, str | None],
    settings: Settings,
    counts: dict[str, Counts],
    lookers: Mapping[str, Extractor],
) -> Protocol:
    """What the numbers of a run depend on; `counts` by metric, `lookers` by metric or, of long videos, by measure."""
    return Protocol(
        settings=settings,
        real=_real_side(real, named, set(counts) <= set(PAIRED)),
        generated=_generated_side(generated),
        frames=real.length,
        resolution=generated.resolution,
        antialias=generated.antialias,
        clips=counts,
        networks={metric: _described(looker) for metric, looker in lookers.items()},
        interval=intervals(list(counts)),
        package=metadata.version("tatslib"),
        torch=torch.__version__,
    )


def standardised(rows: Tensor, reference: Tensor) -> Tensor:
    """Random features (B, F) on a scale on which some real clips have mean 0 and standard deviation 1."""
    return (rows - reference.mean(0)) / reference.std(0).clamp_min(1e-12)


def _check(
    metric: str, looker: Extractor, generated: VideosFolder, real: ClipDataset, settings: Settings, clips: int
) -> None:
    """Refuse what a metric cannot be measured on, before anything is computed."""
    looker.check(generated.length, generated.resolution)
    if metric == "is" and not looker.classifies:
        raise UserError(f"{looker.what} knows no classes: IS takes c3d, or the folder of a classifier.")
    if clips > len(generated):
        raise UserError(
            f"{generated.folder} holds {len(generated)} videos, and {clips} are asked for: make more, or "
            "ask for fewer and say so beside the number."
        )
    if metric == "fvd":
        need_for_covariance(looker.dimensions, min(clips, real.windows), clips, looker.what)
    if metric == "kvd" and min(clips, real.windows) < 2:
        raise UserError(
            f"A kernel distance compares two clips or more on each side; there are {clips} generated and "
            f"{real.windows} real ones."
        )
    if metric in PAIRED:
        check_pairs(generated, real, settings.frame)


def _repeats(metric: str, generated: VideosFolder, real: ClipDataset, clips: int, settings: Settings) -> int:
    """How many draws that differ a metric is measured on; a distance may have other clips on either side."""
    if metric in (*PIXELS, *PAIRED):
        return 1
    there = [len(generated), real.windows] if metric in DISTANCES else [len(generated)]
    return max(draws_that_differ(side, clips, settings.repeats) for side in there)


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
        many = _repeats(metric, generated, real, count, settings)
        one = many + 1 if metric in DISTANCES else 1
        wanted[metric] = (real_draws(real, count, one, seed), generated_draws(len(generated), count, many, seed))
    sides, new = [], 0
    for side, word in enumerate(("real", "generated")):
        places = list(dict.fromkeys(place for pair in wanted.values() for draw in pair[side] for place in draw))
        readers = [partial(generated.clip, place[0]) if side else partial(real.clip, *place) for place in places]
        rows, computed = gather(looker, readers, cache, f"{word} clips, {looker.name}")
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


def _draw(rows: Tensor, row_of: dict[Place, int], places: Sequence[Place]) -> Draw:
    return Draw(rows[torch.tensor([row_of[place] for place in places])], [video for video, _ in places])


def _standardised(sides: list[Any], wanted: dict[str, Any]) -> list[Any]:
    """Random features on the scale of the real clips of the first draw."""
    rows, row_of = sides[0]
    first = next(iter(wanted.values()))[0][0]
    reference = rows[torch.tensor([row_of[place] for place in first])]
    return [(standardised(x, reference), places) for x, places in sides]


def _looker(metric: str, networks: dict[str, Extractor]) -> Extractor:
    if metric in PIXELS:
        return networks.setdefault("pixels", pixels())
    if metric in PAIRED:
        return networks.setdefault("pairs", pairs_extractor())
    return networks["features" if metric in DISTANCES else "classifier"]


def _described(looker: Extractor) -> Looker:
    facts = {"name": looker.name, "what": looker.what, "checksum": looker.checksum, "dimensions": looker.dimensions}
    return Looker(**facts, unpublished=dict(looker.unpublished))


def _real_side(real: ClipDataset, named: tuple[str, str, str | None], paired: bool) -> Side:
    name, layout, split = named
    return Side(
        name=name,
        layout=layout,
        split=split,
        videos=len(real),
        skipped=len(real.skipped),
        stride=real.stride,
        position="first frames" if paired else "any window, each equally likely, none twice",
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

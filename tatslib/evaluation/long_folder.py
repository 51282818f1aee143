"""A folder of long videos against real clips, window by window (paper 3.3, 3.4, C; Fig. 5 to 7, Table 2).

The measures are those of `tatslib.evaluation.long`. Here they are gathered video by video, so that a run that was
stopped goes on where it was, and processes share the videos.

At the paper's size (1,024 frames at 128x128, 2,048 real clips) each process holds the real clips that windows are
compared with as bytes, 1.6 GB; two videos as bytes, twice, 0.2 GB; and for a moment what a measure needs, 1.1 GB at
most ("earlier", and "nearest" where there is no GPU that takes it): 3 GB in all, besides torch and the networks.
`--clips` makes the first part smaller. "nearest" is what takes time; `metrics.nearest` says how much.

Letters: V videos, n windows of a video, T H W frames, F feature dimensions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tatslib.datasets.clips import ClipDataset
from tatslib.distributed import one_for_all
from tatslib.errors import UserError
from tatslib.evaluation import long
from tatslib.evaluation.along import Draws, median_of, over_videos, real_against_real, window_distances
from tatslib.evaluation.draws import Place, draws_that_differ, generated_draws, real_draws
from tatslib.evaluation.evaluate import Evaluation, protocol_of, standardised
from tatslib.evaluation.gathering import Look, gather, gather_along
from tatslib.evaluation.long_rows import CURVES, columns, row_extractors
from tatslib.evaluation.measures import Draw, Numbers, need_for_covariance
from tatslib.evaluation.networks import Extractor
from tatslib.evaluation.protocol import LONG, PAPER_CLIPS, PAPER_VIDEOS_LONG, Counts, Settings
from tatslib.evaluation.videos_folder import VideosFolder
from tatslib.metrics.coherence import inception_coherence, same_class
from tatslib.metrics.fidelity import SSIM_SMALLEST
from tatslib.progress import progress
from tatslib.vqgan.perceptual import SMALLEST


@dataclass(frozen=True)
class LongEvaluation(Evaluation):
    """What was measured of long videos, and a picture's worth of it."""

    difference: Tensor  # float64 (H, W), grey levels: mean map of the last frame against that `long.APART` before it
    videos: int  # of which it is the mean


def evaluate_long(
    generated: VideosFolder,
    real: ClipDataset,
    named: tuple[str, str, str | None],
    settings: Settings,
    networks: Mapping[str, Extractor],
    cache: Path,
) -> LongEvaluation:
    """Measure long videos along their length.

    Processes that run this together share the videos; each gets the same numbers.

    Args:
        generated: all frames of the long videos, a multiple of the window.
        real: clips of one window.
        named: see `evaluate`.
        settings: how many real clips (all, if there are fewer), how often, which seed. Up to the paper's 512 videos,
            all are in every repeat; of more, each takes 512 others.
        networks: "features" for the distance of each window; "classifier" for CCS and ICS, and "perceptual" for LPIPS,
            or none.
        cache: folder of features.

    Raises:
        UserError: if there are too few videos, the length is no multiple of a window, or a network cannot take them.
    """
    looker, perceptual = networks["features"], networks.get("perceptual")
    clips, videos = min(real.windows, settings.clips or PAPER_CLIPS), min(len(generated), PAPER_VIDEOS_LONG)
    count = check_long(generated.length, real.length, generated.resolution, networks)
    need_for_covariance(looker.dimensions, clips, videos, looker.what)
    repeats = draws_that_differ(len(generated), videos, settings.repeats)
    both = max(repeats, draws_that_differ(real.windows, clips, settings.repeats))

    places = real_draws(real, clips, both + 1, settings.seed)
    seen, known = _of_real(real, [place for draw in places for place in draw], looker, cache)
    drawn = [seen[[known[place] for place in draw]] for draw in places]
    with one_for_all():
        nearest = np.stack([real.clip(*place) for place in progress(places[0], "real clips", unit="clip")])
    looks = [Look(looker)] + [Look(one, one.chances) for name, one in networks.items() if name == "classifier"]
    rows, along, computed = gather_along(
        [partial(generated.clip, video) for video in range(len(generated))],
        (count, real.length),
        row_extractors(nearest, count, perceptual),
        looks,
        cache,
        "long videos",
    )
    windows, scale = along[0], drawn[0]
    if looker.name == "random":
        windows, drawn = standardised(windows, scale), [standardised(part, scale) for part in drawn]
    against = [Draw(part, [video for video, _ in draw]) for part, draw in zip(drawn, places, strict=True)]
    taken = generated_draws(len(generated), videos, both, settings.seed)
    draws = [[video for video, _ in draw] for draw in taken]
    different = draws[:repeats]
    found = columns(rows, count, generated.resolution)
    numbers = {
        **window_distances(windows, draws, against[:-1]).numbers(),
        "real against real": real_against_real(against, videos),
        **(coherence(along[1], different, settings.seed) if len(along) > 1 else {}),
        **from_rows(found, different, settings.seed),
    }
    measures = {"features": "quality", "classifier": "ccs, ics", "perceptual": "lpips"}
    lookers = {measures[name]: network for name, network in networks.items()}
    counts = {LONG: Counts(real=clips, generated=videos, repeats=both)}
    protocol = protocol_of(generated, real, named, settings, counts, lookers)
    return LongEvaluation(protocol, {LONG: numbers}, computed, *mean_difference(found, different))


def check_long(length: int, frames: int, resolution: int, networks: Mapping[str, Extractor]) -> int:
    """How many windows of `frames` each video of `length` has.

    Raises:
        UserError: if the videos do not divide into windows, are too short, or a network cannot look at a window.
    """
    if length % frames or length < 2 * frames or length <= long.APART:
        raise UserError(
            f"{length} frames do not divide into two or more windows of {frames}, more than {long.APART} frames in "
            f"all: give --long a multiple of --frames, such as {64 * frames}."
        )
    for name, network in networks.items():
        if name != "perceptual":
            network.check(frames, resolution)
    least = SMALLEST if "perceptual" in networks else SSIM_SMALLEST
    if resolution < least:
        what = "LPIPS" if "perceptual" in networks else "SSIM"
        raise UserError(f"{what} takes frames of {least}x{least} pixels or more, not {resolution}x{resolution}.")
    return length // frames


def coherence(chances: Tensor, draws: Draws, seed: int) -> Numbers:
    """CCS and ICS (Fig. 6), curves, and the area under the former without its first window, which is 1 by definition.

    Args:
        chances: class probabilities of windows, float (V, n, k).
        draws: see `over_videos`.
        seed: of the bootstrap.
    """
    same = same_class(chances)  # (V, n)
    after = same[:, 1:] if same.shape[1] > 2 else same
    area = torch.trapezoid(after) / (after.shape[1] - 1)  # of each video; their mean is that of the mean curve
    found = {"ccs": same, "ics": inception_coherence(chances), "area": area}
    return {name: over_videos(values, draws, seed) for name, values in found.items()}


def from_rows(found: Mapping[str, Tensor], draws: Draws, seed: int) -> Numbers:
    """All that needs no feature network.

    Args:
        found: of each video, see `long_rows.columns`.
        draws: see `over_videos`.
        seed: of the bootstrap.

    Returns:
        Curves along the windows and means over videos, see `over_videos`. "jump" is of the videos where it is finite,
        with their median, and the share of those that are still but for a few jumps; "loop" has the share of videos
        that end in an exact loop, and its median length; "period" the median one, and its mean share of the power;
        "ends" compares first and last frame and has the standard deviation over videos as well, as Table 2 does.
    """
    mine = {name: values[_taken(draws)] for name, values in found.items()}
    looping = mine["loop"] > 0
    ends = {"ssim": "ssim", "colour": "colours", "lpips": "lpips"}
    return {
        **{name: over_videos(found[name], draws, seed) for name in (*CURVES, "unique", "still")},
        "jump": {
            **over_videos(found["jump"], draws, seed),
            "median": median_of(mine["jump"]),
            "still but for jumps": _share(mine["jump"].isinf()),
        },
        "loop": {"share": _share(looping), "frames": median_of(mine["loop"][looping])},
        "period": {"frames": median_of(mine["period"]), "share of power": float(mine["rhythm"].mean())},
        "stripes": long.stripes(mean_difference(found, draws)[0]),
        "ends": {
            name: {**over_videos(found[row], draws, seed), "over videos": _deviation(mine[row])}
            for name, row in ends.items()
            if row in found
        },
    }


def mean_difference(found: Mapping[str, Tensor], draws: Draws) -> tuple[Tensor, int]:
    """The mean map of differences (Fig. 17), float64 (H, W), of all videos that any draw takes, and how many they are.

    Args:
        found: as of `from_rows`.
        draws: see `over_videos`.
    """
    maps = found["map"][_taken(draws)]
    return maps.mean(0), len(maps)


def _taken(draws: Draws) -> list[int]:
    return sorted({video for draw in draws for video in draw})


def _of_real(
    real: ClipDataset, places: Sequence[Place], looker: Extractor, cache: Path
) -> tuple[Tensor, dict[Place, int]]:
    """Rows of real clips, each once, and which is whose."""
    once = list(dict.fromkeys(places))
    rows, _ = gather(looker, [partial(real.clip, *place) for place in once], cache, "real clips")
    return rows, {place: row for row, place in enumerate(once)}


def _share(which: Tensor) -> float:
    return float(which.double().mean())


def _deviation(values: Tensor) -> float | None:
    """The standard deviation over videos, None of a single one."""
    return float(values.std()) if len(values) > 1 else None

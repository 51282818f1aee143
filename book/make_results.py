"""Run the book's studies for every seed and write their numbers, with provenance, to book/results.

    make_results.py                       all studies; what was done before is not done again
    make_results.py --only drift          some of them, by the beginning of their names
    TATS_SCALE=gpu make_results.py        the same at another scale: book/results/*-gpu.json

On a processor, seeds and studies run side by side, one thread each: two threads on one training step gain less than two
trainings. What they share is built once; the second who wants it waits.
"""

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

from tatslib.studies import (
    codebook,
    condition_samples,
    conditions_class,
    conditions_sound,
    conditions_text,
    draws,
    drift,
    first_stage_speed,
    hierarchy,
    hierarchy_samples,
    image_border,
    leak,
    likelihood,
    limits,
    long_sky,
    long_videos,
    padding,
    perceptual_switches,
    positions,
    results,
    sampling_options,
    sampling_speed,
    short_skies,
    short_videos,
    small_weights,
    stability,
    stability_controls,
    stability_judges,
    token_speed,
)
from tatslib.studies.results import Study
from tatslib.training.device import available_cores
from tatslib.training.presets import current_scale

TO_LOOK_AT = ("condition-samples", "condition-samples-fine", "sky-samples", "hierarchy-samples")  # of one seed
SEEDS = {"equivariance-untrained": range(5)} | dict.fromkeys(TO_LOOK_AT, range(1))
DEFAULT_SEEDS = range(3)
SPEEDS = ("bench-sample", "first-stage-speed", "first-stage-speed-full", "token-speed")
# studies that were not run yet; their claims count as not tested
PENDING: tuple[str, ...] = ()
TIMED = ("padding-costs", *SPEEDS)  # when nothing else runs


def studies() -> Iterator[Study]:
    """All of them, those first that build what the others use."""
    first = (positions, drift, likelihood, draws)
    later = (padding, image_border, codebook, stability, stability_controls, stability_judges)
    plans = (leak, hierarchy, hierarchy_samples, sampling_options)
    conditions = (conditions_class, conditions_sound, conditions_text, condition_samples)
    ends = (limits, small_weights, perceptual_switches, short_videos, short_skies, long_videos, long_sky)
    speeds = (token_speed, sampling_speed, first_stage_speed)
    for module in (*first, *later, *plans, *conditions, *ends, *speeds):
        yield from module.studies()


def run_part(name: str, seed: int) -> None:
    """One study, one seed, in a process of its own."""
    results.part(next(study for study in studies() if study.name == name), seed, command())


def command() -> str:
    """What a reader types to get these numbers."""
    return "make results" if current_scale() == "toy" else "make gpu"


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description="Run the book's studies over their seeds.")
    parser.add_argument("--only", nargs="*", default=[""], help="beginnings of the names of studies")
    parser.add_argument("--jobs", type=int, default=1 if torch.cuda.is_available() else available_cores())
    options = parser.parse_args()
    chosen = [study for study in studies() if study.name.startswith(tuple(options.only))]
    if not chosen:
        parser.error(f"no study begins with {options.only}; there are {', '.join(s.name for s in studies())}.")
    if current_scale() == "gpu" and not torch.cuda.is_available():
        parser.error("gpu scale needs a GPU, and torch finds none here.")
    if options.jobs > 1:
        os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        seeds = {study.name: SEEDS.get(study.name, DEFAULT_SEEDS) for study in chosen}
        parallel = [(s.name, seed) for s in chosen if s.name not in TIMED for seed in seeds[s.name]]
        try:
            for done in [pool.submit(run_part, name, seed) for name, seed in parallel]:
                done.result()
        except BaseException:  # what waits in the queue would take hours, and its results nobody would see
            pool.shutdown(cancel_futures=True)
            raise
    for study in chosen:  # times are taken when nothing else runs
        print(results.collect(study, seeds[study.name], command()))


if __name__ == "__main__":
    main()

"""Build what the chapters will ask for, several artefacts side by side, before the first chapter runs.

A chapter that runs alone builds what it needs as it goes. Before a run of all of them it pays to build ahead: on two
cores two trainings of one thread each get through a third more steps than one training of two threads.
"""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

from tatslib import recipes
from tatslib.training.device import available_cores

MOST_AT_ONCE = 4
# What the chapters load, longest chains first; what these need is built with them.
TARGETS = (
    *("actions/gpt-filler", "actions/gpt-sparse"),
    *("actions/gpt-replicate", "actions/gpt-zeros", "sky/image-gpt-zeros", "sky/image-gpt-replicate"),
    *("actions/study-zeros", "actions/study-reflect", "actions/study-circular", "actions/study-replicate"),
    *("actions/study-released-zeros", "actions/classifier", "actions/vqgan-gan"),
    *("taichi/videos", "drums/videos", "platform/videos"),
)


def build(name: str) -> None:
    """Build one artefact; whoever needs it later finds it."""
    recipes.get(name)


def jobs_and_threads(artefacts: int) -> tuple[int, int]:
    """How many artefacts to build side by side, and on how many threads each; a GPU serves one at a time."""
    jobs = 1 if torch.cuda.is_available() else min(available_cores(), MOST_AT_ONCE, artefacts)
    return jobs, max(1, available_cores() // jobs)


def build_ahead() -> None:
    """Build all that is missing, on as many cores as there are."""
    missing = [name for name in TARGETS if any(step.state != "built" for step in recipes.plan(name).steps)]
    if not missing:
        return
    jobs, threads = jobs_and_threads(len(missing))
    print(f"  building {len(missing)} artefacts and what they need, {jobs} at a time", flush=True)
    chosen = os.environ.get("OMP_NUM_THREADS")
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    try:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            try:
                for done in [pool.submit(build, name) for name in missing]:
                    done.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    finally:
        if chosen is None:
            del os.environ["OMP_NUM_THREADS"]

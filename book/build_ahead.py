"""Build what the chapters will ask for, several artefacts side by side, before the first chapter runs.

A chapter that runs alone builds what it needs as it goes. Before a run of all of them it pays to build ahead: on two
cores two trainings of one thread each get through a third more steps than one training of two threads.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context

import torch

from tatslib import recipes
from tatslib.recipes.table import table
from tatslib.training.device import available_cores
from tatslib.training.presets import current_scale

MOST_AT_ONCE = 4
NEVER_MEASURED = 60.0  # seconds, as good a guess as any
# What the chapters load, in any order; what these need is built with them.
TARGETS = (
    *("actions/gpt-filler", "actions/gpt-sparse", "actions/gpt-replicate", "actions/gpt-zeros", "actions/vqgan-gan"),
    *("actions/study-zeros", "actions/study-replicate", "actions/classifier", "sky/image-gpt-zeros"),
    *("actions/implicit", "actions/recurrent", "drums/sound"),
    *("taichi/videos", "drums/videos", "platform/videos"),
)


class Queue:
    """Artefacts in the order in which to begin them, so that no process waits for another's and none idles at the end.

    One is ready when all that it needs is built. Of those that are ready the one at the head of the longest chain
    goes first: what is left for the end is short.
    """

    def __init__(self, seconds: Mapping[str, float], needs: Mapping[str, Sequence[str]]) -> None:
        """`seconds` that each missing artefact takes, dependencies first; what it needs, of which some may be built."""
        self.waiting = {name: {need for need in needs[name] if need in seconds} for name in seconds}
        self.chains = dict(seconds)  # from the beginning of each to the end of the longest row of what is made of it
        for name in reversed(self.waiting):
            for need in self.waiting[name]:
                self.chains[need] = max(self.chains[need], seconds[need] + self.chains[name])
        self.built: set[str] = set()

    def take(self) -> str | None:
        """What to begin now; None if nothing is ready."""
        ready = [name for name, needs in self.waiting.items() if needs <= self.built]
        if not ready:
            return None
        first = max(ready, key=self.chains.__getitem__)
        del self.waiting[first]
        return first


def missing() -> Queue:
    """All that is not built yet."""
    steps = {step.name: step for target in TARGETS for step in recipes.plan(target).steps if step.state != "built"}
    seconds = {name: NEVER_MEASURED if step.seconds is None else step.seconds for name, step in steps.items()}
    everything = table(current_scale())
    return Queue(seconds, {name: everything[name].needs for name in seconds})


def build(name: str) -> None:
    """Build one artefact; whoever needs it later finds it."""
    recipes.get(name)


def jobs_and_threads(artefacts: int) -> tuple[int, int]:
    """How many artefacts to build side by side, and on how many threads each; a GPU serves one at a time."""
    jobs = 1 if torch.cuda.is_available() else min(available_cores(), MOST_AT_ONCE, artefacts)
    return jobs, max(1, available_cores() // jobs)


def build_ahead() -> None:
    """Build all that is missing, on as many cores as there are."""
    queue = missing()
    if not queue.waiting:
        return
    jobs, threads = jobs_and_threads(len(queue.waiting))
    print(f"  building {len(queue.waiting)} artefacts, {jobs} at a time", flush=True)
    chosen = os.environ.get("OMP_NUM_THREADS")
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    try:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            try:
                work_through(queue, pool, jobs)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    finally:
        if chosen is None:
            del os.environ["OMP_NUM_THREADS"]


def work_through(queue: Queue, pool: ProcessPoolExecutor, jobs: int) -> None:
    """Keep so many processes busy until the queue is empty."""
    running: dict[Future[None], str] = {}
    while queue.waiting or running:
        while len(running) < jobs and (name := queue.take()):
            running[pool.submit(build, name)] = name
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            future.result()
            queue.built.add(running.pop(future))

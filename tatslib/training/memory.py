"""The most memory that a piece of work holds, and work in a process of its own.

Of a GPU it is what torch has allocated there. Of a machine it is what the process holds, Python and torch themselves
included; what was freed before may still be held, so numbers to be compared are best taken in fresh processes.
"""

import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch

RESET = Path("/proc/self/clear_refs"), "5"  # written there, it makes Linux forget the peak of a process
STATUS, PEAK = Path("/proc/self/status"), "VmHWM:"  # in kB

Given = ParamSpec("Given")
Result = TypeVar("Result")


def forget_peak(device: torch.device) -> None:
    """Let `peak_megabytes` speak of what comes from now on; without a GPU and without Linux it cannot be had."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif RESET[0].exists():
        with suppress(OSError):  # where it is not allowed, the peak stays that of the whole process
            RESET[0].write_text(RESET[1])


def peak_megabytes(device: torch.device) -> float:
    """The most held since `forget_peak`, in MB of 2**20 bytes: of the GPU if there is one, else by the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if STATUS.exists():
        for line in STATUS.read_text().splitlines():
            if line.startswith(PEAK):
                return int(line.split()[1]) / 2**10
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


@torch.no_grad()
def peak_of(work: Callable[[], object], device: torch.device) -> int:
    """The most held while `work` runs for the second time; the first compiles it, and makes an optimiser's state."""
    work()
    forget_peak(device)
    work()
    return round(peak_megabytes(device))


@torch.no_grad()
def growth_of(work: Callable[[], object], device: torch.device) -> float:
    """MB that are held at most while `work` runs, over what is held before."""
    forget_peak(device)
    before = peak_megabytes(device)
    work()
    return peak_megabytes(device) - before


def in_fresh_process(work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs) -> Result:
    """`work` of what is given, done in a new process that ends with it; function and answer must be picklable."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *given, **named).result()

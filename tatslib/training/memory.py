"""The most memory that a piece of work holds, and work in a process of its own.

Of a GPU it is what torch has allocated there. Of a machine it is what the process holds, Python and torch themselves
included; what was freed before may still be held, so numbers to be compared are best taken in fresh processes.
"""

import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch

from tatslib.errors import UserError

RESET = Path("/proc/self/clear_refs"), "5"  # written there, it makes Linux forget the peak of a process
STATUS, PEAK = Path("/proc/self/status"), "VmHWM:"  # in kB

Given = ParamSpec("Given")
Result = TypeVar("Result")


def forget_peak(device: torch.device) -> bool:
    """Let `peak_megabytes` speak of what comes from now on; False where that cannot be had, and it speaks of all.

    It takes a GPU, or Linux that lets a process do so.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return True
    try:
        RESET[0].write_text(RESET[1])
    except OSError:
        return False
    return True


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
    """MB that are held at most while `work` runs, over what is held before.

    Raises:
        UserError: on a machine that cannot tell.
    """
    if not forget_peak(device):
        raise UserError("what a piece of work holds can be measured on Linux or on a GPU only.")
    before = peak_megabytes(device)
    work()
    return peak_megabytes(device) - before


def in_fresh_process(work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs) -> Result:
    """`work` of what is given, done in a new process that ends with it; function and answer must be picklable.

    Raises:
        UserError: if that process was ended from outside, as for want of memory.
    """
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(work, *given, **named).result()
    except BrokenProcessPool as error:
        raise UserError("a process was killed while it measured: this machine may have too little memory.") from error

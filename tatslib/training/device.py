"""Where to compute and in which number format, decided from what the machine has."""

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import psutil
import torch

Precision = Literal["auto", "float32", "bfloat16"]


def default_device() -> torch.device:
    """A GPU if there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager:
    """The autocast context for `precision` on `device`; "auto" takes bfloat16 where the chip multiplies it natively."""
    if precision == "float32" or (precision == "auto" and not has_fast_bfloat16(device)):
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def has_fast_bfloat16(device: torch.device) -> bool:
    """True for GPUs with bfloat16 units (not a T4) and processors that multiply bfloat16; elsewhere it is slower.

    Of processors, those with AMX tiles, and those with the AVX-512 instructions for it: on an AMD EPYC of the fourth
    generation a toy training step of the VQGAN took 160 ms instead of 241, one of the transformer 84 instead of 152.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def use_idle_cores() -> int:
    """Let this process compute on as many threads as there are idle cores (at least one); return how many.

    Threads of one operation wait for each other, so a single busy neighbour makes two threads slower than one: on a
    two-core machine a training step took 83 ms on two idle cores, 149 ms on one, and 848 ms on two threads beside one
    busy process. A thread count that the user chose (`OMP_NUM_THREADS`) is left alone.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        busy = psutil.cpu_percent(interval=0.5) / 100 * (psutil.cpu_count() or 1)
        torch.set_num_threads(max(1, available_cores() - round(busy)))
    return torch.get_num_threads()


def available_cores() -> int:
    """Cores that this process may run on, where the system tells; else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

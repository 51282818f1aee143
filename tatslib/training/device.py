"""Where to compute and in which number format, decided from what the machine has."""

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import psutil
import torch
from torch.amp import GradScaler

from tatslib.distributed import local_device

Precision = Literal["auto", "float32", "bfloat16", "float16"]


def default_device() -> torch.device:
    """A GPU if there is one, that of this process if there are several, else the processor."""
    return local_device()


def number_format(precision: Precision, device: torch.device) -> torch.dtype:
    """What "auto" stands for: bfloat16 where the chip multiplies it natively, float16 on other GPUs (a T4), float32."""
    named = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if precision != "auto":
        return named[precision]
    if has_fast_bfloat16(device):
        return torch.bfloat16
    return torch.float16 if device.type == "cuda" else torch.float32


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager:
    """The autocast context for `precision` on `device`."""
    format = number_format(precision, device)
    return nullcontext() if format == torch.float32 else torch.autocast(device.type, dtype=format)


def loss_scaler(precision: Precision, device: torch.device) -> GradScaler:
    """Keeps gradients inside the narrow range of float16; does nothing in other formats."""
    return GradScaler(device.type, enabled=number_format(precision, device) == torch.float16)


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

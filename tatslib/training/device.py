"""Where to compute and in which number format, decided from what the machine has."""

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import psutil
import torch
from torch import nn
from torch.amp import GradScaler

from tatslib.distributed import local_device
from tatslib.vqgan.autoencoder import Decoder, Encoder
from tatslib.vqgan.discriminators import PatchDiscriminator

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


def prefers_channels_last(precision: Precision, device: torch.device) -> bool:
    """Whether convolutions run faster where the channels of a position lie side by side in memory.

    So it is for the matrix units of GPUs and of processors with AMX tiles, which work in 16 bits: on a Xeon that has
    them, that layout with bfloat16 made a toy step 1.2 to 1.6 times as fast as float32 without. On an AMD EPYC of the
    fourth generation, which multiplies bfloat16 without tiles, bfloat16 alone gave 1.8 to 2.0, and the layout 0 to 4 %
    on top: it is left alone there.
    """
    if number_format(precision, device) == torch.float32:
        return False
    return device.type == "cuda" or (device.type == "cpu" and torch.cpu._is_amx_tile_supported())


def prepare(model: nn.Module, precision: Precision, device: torch.device, compiled: bool = False) -> nn.Module:
    """Move a model of the first stage to `device` and make it fast there, in place.

    Args:
        model: names, shapes and values of its tensors stay, so that checkpoints do not depend on any of this.
        precision: in which it will compute.
        device: where.
        compiled: on a GPU, compile encoders, decoders and discriminators when they first run, which takes a minute or
            two; elsewhere compiling gained nothing.

    Returns:
        The model.
    """
    model.to(device)
    for module in model.modules():
        if prefers_channels_last(precision, device):  # maps follow the layout of the weights
            if isinstance(module, nn.Conv2d):
                module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stubs lack it
            elif isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
                module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        if compiled and device.type == "cuda" and isinstance(module, Encoder | Decoder | PatchDiscriminator):
            module.compile()
    return model


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

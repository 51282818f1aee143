"""Several processes train one model: who holds what of it, and when gradients travel.

By default every process holds the whole model and its optimiser, and gradients are averaged while they are computed
(DDP). A model that is too large for that is sharded: each process holds a slice of every tensor, and layers are put
together when their turn comes (FSDP2). Checkpoints of such a model lie on the disk in slices (`slices.py`). Either way
a run goes on with any number of processes, sharded or not, and the finished model is one file of whole tensors.
"""

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from tatslib.distributed import is_main, together

NEW_NAME = "forward_sync_buffers"  # since torch 2.13, which warns of the old one
KNOWS_IT = NEW_NAME in inspect.signature(DistributedDataParallel).parameters
BUFFERS_STAY: dict[str, Any] = {NEW_NAME if KNOWS_IT else "broadcast_buffers": False}


def replicate(model: nn.Module) -> nn.Module:
    """`model` with gradients that are averaged over all processes; what is called has to be the module returned.

    Buffers are left alone: ours (statistics of batch norm and codebook) are made from the whole batch everywhere.
    """
    if not together():
        return model
    # kernels of one pixel come in two layouts that are the same to everyone but this warning
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    return DistributedDataParallel(model, gradient_as_bucket_view=True, **BUFFERS_STAY)


def shard(model: nn.Module, blocks: nn.ModuleList, device: torch.device) -> nn.Module:
    """`model` in slices, put together block by block; its parameters are new, so optimisers are made afterwards.

    Coming from the CPU, it is never on `device` as a whole.
    """
    if not together():
        return model.to(device)
    from torch.distributed.fsdp import fully_shard  # a second to import, and only needed here

    for block in blocks:
        fully_shard(block)
    fully_shard(model)
    return model


@contextmanager
def gradients_travel(model: nn.Module, now: bool) -> Iterator[None]:
    """Whether the backward pass of what is computed inside ends with gradients of all processes.

    Only the last part of an accumulation needs them: before, each process adds up its own.
    """
    if isinstance(model, DistributedDataParallel) and not now:
        with model.no_sync():
            yield
        return
    travel: Any = getattr(model, "set_requires_gradient_sync", None)  # of what is sharded
    if travel is not None:
        travel(now)
    yield


def whole(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same with every sharded tensor put together, on the CPU of process 0; all processes have to ask."""
    collected = {}
    for name, value in tensors.items():
        if hasattr(value, "full_tensor"):
            value = value.full_tensor()
            value = value.cpu() if is_main() else value.new_empty(0)  # one at a time on the GPU
        collected[name] = value
    return collected


def laid_out_like(value: Tensor, model: Tensor) -> Tensor:
    """A whole tensor, which every process has, cut as `model` is, if that is sharded and of the same shape."""
    mesh: Any = getattr(model, "device_mesh", None)
    if mesh is None or value.shape != model.shape:
        return value
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(model, DTensor)
    value = value.to(model.device, model.dtype)
    return distribute_tensor(value, mesh, model.placements, src_data_rank=None)  # nothing needs to travel

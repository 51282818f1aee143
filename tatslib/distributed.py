"""One program on many processes: who am I, and sums, rows and waits over all of us; in one process, nothing at all.

`torchrun` starts the processes and tells each its number. Every process works on rows r::W of a batch, r its rank and
W the number of processes, so that together they see what one process with the whole batch would see.

Letters: W processes, B rows of one process.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

import torch
import torch.distributed as dist
from einops import rearrange
from torch import Tensor

from tatslib.errors import UserError

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
PATIENCE = timedelta(hours=2)  # how long a process waits for the others, of which one may be decoding all videos
T = TypeVar("T")


class Echo(UserError):
    """The error of process 0, raised on the others so that they stop as well; only process 0 need show it."""


def together() -> bool:
    """Whether this process belongs to a group of several."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if together() else 0


def world_size() -> int:
    """W, the number of processes."""
    return dist.get_world_size() if together() else 1


def is_main() -> bool:
    """Whether this is the process that logs, shows and saves."""
    return rank() == 0


def local_device() -> torch.device:
    """The GPU of this process, one each on a machine, or the processor where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device()) if together() else torch.device("cuda")


def sum_over_ranks(*tensors: Tensor) -> None:
    """Add up each of `tensors` over all processes, in place; nothing flows back through the sum."""
    if together():
        for tensor in tensors:
            dist.all_reduce(tensor)


class _Mean(torch.autograd.Function):
    """What every process has a part in sends its gradient to every process."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x / world_size()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient / world_size()
        dist.all_reduce(gradient)
        return gradient


def mean_over_ranks(x: Tensor) -> Tensor:
    """The mean of `x` over all processes, through which gradients flow to the `x` of each."""
    mean: Tensor = _Mean.apply(x) if together() else x
    return mean


def gather_rows(x: Tensor) -> Tensor:
    """The rows of all processes, in the order in which one process with the whole batch would have them.

    Args:
        x: (B, ...), rows r::W of the whole; B is the same everywhere.

    Returns:
        (B W, ...), without gradient.
    """
    if not together():
        return x.detach()
    parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(world_size())]
    dist.all_gather(parts, x.detach().contiguous())
    return rearrange(torch.stack(parts), "w b ... -> (b w) ...")


def any_rank(condition: bool) -> bool:
    """Whether `condition` holds on at least one process."""
    if not together():
        return condition
    flag = torch.tensor(int(condition))  # on the CPU, also beside GPUs: the answer is wanted here
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    return bool(flag)


def barrier() -> None:
    """Wait until every process is here."""
    any_rank(False)


def from_main(work: Callable[[], T]) -> T:
    """Let process 0 do something, such as write a file, and give every process the result.

    Raises:
        UserError: what `work` raised, on every process (an `Echo` on the others).
    """
    if not together():
        return work()
    outcome: list[Any] = [None, None]  # result, complaint
    if is_main():
        try:
            outcome[0] = work()
        except UserError as error:
            outcome[1] = error
    message = [outcome[0], None if outcome[1] is None else str(outcome[1])]
    dist.broadcast_object_list(message, src=0, device=torch.device("cpu"))
    if outcome[1] is not None:
        raise outcome[1]
    if message[1] is not None:
        raise Echo(message[1])
    result: T = message[0]
    return result


def stop_all(error: UserError) -> NoReturn:
    """Raise what every process has found out, as an `Echo` on all but process 0."""
    raise error if is_main() else Echo(str(error))


def tensors_from_main(read: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """What `read` returns in process 0, tensors on the CPU, in every process."""
    if not together():
        return read()
    found: dict[str, Tensor] = {}

    def outline() -> dict[str, tuple[torch.Size, torch.dtype]]:
        found.update(read())
        return {name: (value.shape, value.dtype) for name, value in found.items()}

    for name, (shape, dtype) in from_main(outline).items():
        found[name] = found[name].contiguous() if is_main() else torch.empty(shape, dtype=dtype)
        dist.broadcast(found[name], 0)
    return found


@contextmanager
def one_for_all() -> Iterator[None]:
    """What fails on one process ends on all: whoever got through waits here for the others.

    Raises:
        Echo: on those that got through, if another did not.
    """
    try:
        yield
    except Exception:  # whatever it is, it goes on its way; only must nobody wait for this process for ever
        any_rank(True)
        raise
    if any_rank(False):
        raise Echo("another process failed")


@contextmanager
def first_on_each_machine() -> Iterator[None]:
    """The first process of every machine goes ahead and the others follow, who find the files that it left.

    Raises:
        Echo: on every other process, if one that goes ahead fails.
    """
    follows = together() and int(os.environ.get("LOCAL_RANK", "0")) > 0
    with one_for_all():
        if not follows:
            yield
    if follows:
        yield


@contextmanager
def process_group(patience: timedelta = PATIENCE) -> Iterator[None]:
    """Join the processes that `torchrun` started, and leave them at the end; without torchrun, nothing happens.

    With a GPU for each process, tensors travel by NCCL from GPU to GPU, otherwise by gloo.

    Raises:
        UserError: if only some of torchrun's variables are set, or a machine has fewer GPUs than processes.
    """
    if "WORLD_SIZE" not in os.environ or (dist.is_available() and dist.is_initialized()):
        yield
        return
    missing = [name for name in VARIABLES if name not in os.environ]
    if missing:
        raise UserError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']} but {' and '.join(missing)} is not set: start with "
            "`torchrun --nproc-per-node N -m tatslib.cli ...`, which sets all of them, or unset WORLD_SIZE."
        )
    if not dist.is_available():
        raise UserError("This build of torch has no torch.distributed: start one process, without torchrun.")
    if torch.cuda.is_available():
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise UserError(
                f"LOCAL_RANK is {local}, but this machine has {torch.cuda.device_count()} GPUs: "
                "start one process for each, `torchrun --nproc-per-node gpu`."
            )
        torch.cuda.set_device(local)
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=patience)
    if not is_main():
        logging.getLogger("tatslib").setLevel(logging.ERROR)  # one warning of each kind is enough
    try:
        yield
    finally:
        dist.destroy_process_group()

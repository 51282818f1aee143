"""Checkpoints of a sharded model: every process writes and reads its own slices, and nothing is put together.

This is `torch.distributed.checkpoint` in its safetensors form: a file a process, whose header says where in the whole
tensors its slices belong. So what eight processes wrote can be read by any other number, or by one. The form it has
by default is listed by a pickle, which we neither write nor open. Nor do we use those of its functions that collect
whole states: the one for optimisers makes a step in one that has made none, to learn what such a state consists of,
and a training that was saved by then would be another one than a training that was not.
"""

import inspect
import secrets
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor

from tatslib.distributed import from_main, is_main, stop_all, together
from tatslib.errors import UserError


class Outline(NamedTuple):
    """What the headers of slices say of one tensor."""

    shape: torch.Size
    dtype: torch.dtype
    numbers: int  # in all slices that are there; fewer than in the tensor if some are missing


def to_be_sliced(tensors: Mapping[str, Tensor]) -> bool:
    """Whether this process holds only a slice of some of them, and torch can write slices (2.8 cannot yet)."""
    if not any(hasattr(value, "full_tensor") for value in tensors.values()):
        return False
    from torch.distributed.checkpoint import HuggingFaceStorageWriter

    return "save_distributed" in inspect.signature(HuggingFaceStorageWriter).parameters


def write_slices(parent: Path, parts: Mapping[str, dict[str, Tensor]]) -> Path:
    """Write the slices of all processes, which have to call this together.

    Args:
        parent: folder on a disk that all processes share.
        parts: tensors by name, by the name of a part, such as "model".

    Returns:
        A new folder in it under a temporary name, with a folder for each part, on the disk and complete.

    Raises:
        UserError: on every process, if a disk refuses or the slices of others do not arrive here.
    """
    from torch.distributed.checkpoint import HuggingFaceStorageWriter, save  # a second to import, and only needed here

    folder = from_main(lambda: _new_folder(parent))
    try:
        for name, tensors in parts.items():
            with _in_words(f"the slices of {name} could not be written to {parent}"):
                writer = HuggingFaceStorageWriter(str(folder / name), save_distributed=True)
                save({key: value.detach() for key, value in tensors.items()}, storage_writer=writer)
        from_main(lambda: _check_complete(folder, parts))
    except BaseException:
        if is_main():
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def outline(folder: Path) -> dict[str, Outline]:
    """What is in a folder of slices, by the name of each tensor.

    Raises:
        UserError: if a file is no safetensors file.
    """
    from torch.distributed.checkpoint import HuggingFaceStorageReader, TensorStorageMetadata

    try:
        listed = HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise UserError(f"{folder} holds something else than slices in safetensors files ({error}).") from error
    return {
        key: Outline(entry.size, entry.properties.dtype, sum(prod(chunk.sizes) for chunk in entry.chunks))
        for key, entry in listed.items()
        if isinstance(entry, TensorStorageMetadata)
    }


def read_slices(folder: Path, into: dict[str, Tensor], alone: bool = False) -> None:
    """Fill tensors with what slices hold of them: whole ones, or slices, however many processes wrote.

    Args:
        folder: of a part, on a disk that every process can read.
        into: the tensors, by name, of the shapes that `outline` gives; they are written into.
        alone: this process reads for itself; else all have to call this together.

    Raises:
        UserError: on every process, if one could not read.
    """
    from torch.distributed.checkpoint import HuggingFaceStorageReader, load

    if not into:
        return
    with _in_words(f"the slices in {folder} could not be read"):
        load(into, storage_reader=HuggingFaceStorageReader(str(folder)), no_dist=alone or not together())


def whole_slices(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder of slices, put together by this process alone, on the CPU."""
    tensors = {key: torch.zeros(found.shape, dtype=found.dtype) for key, found in outline(folder).items()}
    read_slices(folder, tensors, alone=True)
    return tensors


def room_for(found: Outline, like: Tensor) -> Tensor:
    """Where a tensor can be read to: cut and placed as `like`, if that has its shape; else whole."""
    if found.shape == like.shape:
        return torch.zeros_like(like.detach(), dtype=found.dtype)
    return torch.zeros(found.shape, dtype=found.dtype)


def _new_folder(parent: Path) -> Path:
    folder = parent / f".slices.{secrets.token_hex(4)}.partial"  # such a name is tidied up, should we be killed
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"no slices can be written to {parent} ({error})") from error
    return folder


def _check_complete(folder: Path, parts: Mapping[str, dict[str, Tensor]]) -> None:
    """See that the slices of all processes are where process 0 looks for them."""
    for name, tensors in parts.items():
        there = outline(folder / name) if tensors else {}
        for key, value in tensors.items():
            if key not in there or there[key].numbers != value.numel():
                raise UserError(
                    f"slices of {key} are missing in {folder.parent}: a sharded training needs a folder on a disk that "
                    "all machines share"
                )


@contextmanager
def _in_words(complaint: str) -> Iterator[None]:
    """Turn what torch collects of all processes' troubles into one sentence; it is no `Exception` there."""
    from torch.distributed.checkpoint.api import CheckpointException

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch.distributed is disabled")  # one process may be meant
            yield  # whatever fails on one process, torch tells all
    except (CheckpointException, OSError, SafetensorError) as error:
        first = next(iter(error.failures.values()))[0] if isinstance(error, CheckpointException) else error
        stop_all(UserError(f"{complaint} ({first})"))

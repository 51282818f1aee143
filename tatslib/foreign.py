"""Checkpoints made by somebody else, opened without running anything that is in them.

A torch checkpoint is a zip with a pickle in it, and a pickle is a program: opened the ordinary way it may do whatever
its author liked. Here torch's restricted reader opens it, which knows tensors and plain values, and is told of one
class more, `argparse.Namespace`, in which the authors' training scripts kept their settings. Objects of PyTorch
Lightning, which versions before 1.5 put into their checkpoints, become placeholders that keep nothing and do nothing.
Whatever else a file asks for is named, and the file is refused.
"""

import argparse
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from tatslib.errors import UserError

LIGHTNING = "pytorch_lightning."
LIGHTNING_DICTIONARY = "pytorch_lightning.utilities.parsing.AttributeDict"  # a dict with dots; a dict serves as well
NAMESPACE = "argparse.Namespace"


class Placeholder:
    """Stands where an object of a library stood that is not needed here; it keeps nothing of what it is given."""

    stands_for = ""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Take any arguments and drop them."""

    def __setstate__(self, _: Any) -> None:
        """Take any state and drop it."""


@dataclass(frozen=True)
class LightningCheckpoint:
    """What a checkpoint of PyTorch Lightning says of the model in it."""

    path: Path
    state: dict[str, Tensor]
    hyper_parameters: dict[str, Any]  # what the model was made with
    args: dict[str, Any]  # the command line of the training script, where it is among them
    version: str | None  # of PyTorch Lightning
    global_step: int | None  # optimiser steps, as that version counted them
    epoch: int | None

    def option(self, name: str) -> Any:
        """An option of the training script that no tensor can stand in for; if it is absent, a `UserError` names it."""
        if self.args.get(name) is None:
            raise UserError(f"{self.path} does not say its {name} among its hyper-parameters, and no tensor shows it.")
        return self.args[name]

    def number(self, name: str, absent: int | None = None) -> int:
        """The same of an option that has to be a whole number from 1 on; `absent` stands for one left out or 0."""
        value = (self.args.get(name) or absent) if absent else self.option(name)
        if not isinstance(value, int) or value < 1:
            raise UserError(f"{self.path} says {name} {value!r} among its hyper-parameters, not a number from 1 on.")
        return value

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names start with `prefix`, without it."""
        return {key.removeprefix(prefix): value for key, value in self.state.items() if key.startswith(prefix)}


def read_lightning(path: Path) -> LightningCheckpoint:
    """Open a checkpoint of PyTorch Lightning; its tensors stay on the disk until they are used.

    Raises:
        UserError: as `read_pickled`, and if there is no `state_dict` of named tensors in the file.
    """
    content = read_pickled(path)
    state = content.get("state_dict")
    if not isinstance(state, dict):
        raise UserError(
            f"{path} has no state_dict but {', '.join(map(str, list(content)[:5])) or 'nothing'}: it is not a "
            "checkpoint of a training run with PyTorch Lightning."
        )
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise UserError(f"{path} has a state_dict in which {key!r} is a {type(value).__name__}, not a tensor.")
    hyper = content.get("hyper_parameters")
    hyper = dict(hyper) if isinstance(hyper, dict) else {}
    args = hyper.get("args", hyper)
    version, step, epoch = (content.get(key) for key in ("pytorch-lightning_version", "global_step", "epoch"))
    return LightningCheckpoint(
        path=path,
        state=dict(state),
        hyper_parameters=hyper,
        args=dict(vars(args)) if isinstance(args, argparse.Namespace) else dict(args) if isinstance(args, dict) else {},
        version=version if isinstance(version, str) else None,
        global_step=step if isinstance(step, int) else None,
        epoch=epoch if isinstance(epoch, int) else None,
    )


def read_pickled(path: Path) -> dict[str, Any]:
    """Open a torch checkpoint, whoever made it, without running anything in it.

    Args:
        path: a file that `torch.save` wrote, of torch 1.6 or newer (a zip).

    Returns:
        What was saved, a dict. Tensors are on the CPU and mapped from the file: they take memory when they are used.

    Raises:
        UserError: if there is no such file; if it is a web page, a file of torch before 1.6, cut short or damaged; if
            it asks for anything but tensors, plain values, `argparse.Namespace` and names of `pytorch_lightning`,
            which the sentence names; or if it holds something other than a dict.
    """
    _check_container(path)
    allowed: list[tuple[type, str]] = [(argparse.Namespace, NAMESPACE)]
    for name in _strange_names(path):
        if name == LIGHTNING_DICTIONARY:
            allowed.append((dict, name))
        elif name.startswith(LIGHTNING):
            # one class a name, because old checkpoints have classes for keys
            allowed.append((type("Placeholder", (Placeholder,), {"stands_for": name}), name))
        else:
            raise UserError(
                f"{path} asks for {name}, which no checkpoint needs: it was refused and nothing in it was executed, "
                "because a pickle can run any code when it is opened; get the file from its authors."
            )
    stored = _check_records(path)
    try:
        with safe_globals(allowed):  # type: ignore[arg-type]  # the annotation forgets that a class is callable
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=stored)
    except Exception as error:  # whoever wrote the file chose what goes wrong while it is read
        raise UserError(
            f"{path} was refused by torch's restricted reader and nothing in it was executed ({_brief(error)})."
        ) from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, not the dict of a checkpoint.")
    return content


def check_tensors(found: Mapping[str, Tensor], expected: Mapping[str, torch.Size], source: Path, model: str) -> None:
    """Compare what a file holds with what the model that its hyper-parameters describe is made of.

    Raises:
        UserError: with the first tensor that is missing, unknown or of another shape, and how many more there are.
    """
    missing, unknown = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    reshaped = [name for name in expected if name in found and found[name].shape != expected[name]]
    complaints = []
    for names, words in ((missing, "is missing"), (unknown, "is not known here")):
        if names:
            complaints.append(f"tensor {names[0]} {words}" + (f" (and {len(names) - 1} more)" if names[1:] else ""))
    if reshaped:
        here, there = tuple(expected[reshaped[0]]), tuple(found[reshaped[0]].shape)
        more = f" (and {len(reshaped) - 1} more differ)" if reshaped[1:] else ""
        complaints.append(f"tensor {reshaped[0]} is {there} in the file and {here} by its hyper-parameters{more}")
    if complaints:
        raise UserError(f"{source} is not the {model} that its hyper-parameters describe: {'; '.join(complaints)}.")


def is_web_page(path: Path) -> bool:
    """Whether a file is HTML: what a browser or a script stores when a server answers with a page, not with a file."""
    with path.open("rb") as file:
        head = file.read(512).lstrip().lower()
    return head.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml"))


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: namespaces become dicts, tuples lists, and the rest a few words."""
    if isinstance(value, argparse.Namespace):
        value = vars(value)
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Tensor):
        return value.item() if value.numel() == 1 else f"tensor of shape {tuple(value.shape)}"
    return value.stands_for if isinstance(value, Placeholder) else str(value)


def _check_container(path: Path) -> None:
    """Refuse what is not a whole zip, each kind with its own sentence."""
    if not path.is_file():
        raise UserError(f"There is no file {path}.")
    if is_web_page(path):
        raise UserError(
            f"{path} is a web page, not a checkpoint: the server answered with a page (Google Drive does so when a "
            "file was downloaded too often of late); delete it and download again, later if need be."
        )
    with path.open("rb") as file:
        magic = file.read(4)
    if magic[:1] == b"\x80":
        raise UserError(
            f"{path} is a bare pickle, as torch before version 1.6 wrote them: it was refused and nothing in it was "
            "executed; open it where you trust its source and save it again with a newer torch."
        )
    if magic[:2] != b"PK":
        raise UserError(f"{path} is not a torch checkpoint: it starts with {magic!r}, a checkpoint with b'PK'.")
    if not zipfile.is_zipfile(path):
        raise UserError(
            f"{path} is cut short: it begins as a checkpoint, but the index at its end is missing from its "
            f"{path.stat().st_size} bytes; download it again."
        )


def _strange_names(path: Path) -> list[str]:
    """Names of functions and classes in the pickle that torch does not read by itself, sorted; nothing is imported."""
    try:
        return sorted(set(get_unsafe_globals_in_checkpoint(path)) - {NAMESPACE})
    except Exception as error:  # as above: any damage or malice may be met here
        raise UserError(
            f"{path} is a zip but no checkpoint that torch's restricted reader understands, and nothing in it was "
            f"executed ({_brief(error)})."
        ) from error


def _check_records(path: Path) -> bool:
    """Compare every record with its checksum in the zip, which torch does not; True if none is compressed."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
    except Exception as error:  # as above
        raise UserError(f"{path} is damaged ({_brief(error)}): download it again.") from error
    if damaged:
        raise UserError(f"{path} is damaged: its record {damaged} does not match its checksum; download it again.")
    return stored


def _brief(error: Exception) -> str:
    """The first sentence of an error in one line; torch appends advice on how to switch its protection off."""
    words = " ".join(str(error).split()) or type(error).__name__
    for advice in ("(1) In PyTorch 2.6", "Check the documentation", "Please use `torch.serialization"):
        words = words.partition(advice)[0]
    return words.replace("Weights only load failed.", "").strip(" .:")[:200]

"""Checkpoints: safetensors and JSON, written atomically, checked when read.

A checkpoint is a folder `step_00000350` that holds one `.safetensors` file a model and an optimiser, `state.json`
(step, optimiser groups, whatever the run wants to remember) and `manifest.json` with the size and SHA-256 of every
other file. It is written under a temporary name and renamed when complete, so a crash, a full disk or a pulled plug
leaves the previous one as it was. Nothing here unpickles: a file that is a pickle is refused before anything in it
could run. Where several processes train, the first of them reads and writes, and files hold whole tensors: they do not
tell how many processes there were. Of a model that is sharded nobody holds the whole; then a folder of slices stands in
the place of a file, written and read by all processes (`slices`).
"""

import hashlib
import json
import shutil
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tatslib.config import Config
from tatslib.distributed import from_main, is_main, stop_all, tensors_from_main
from tatslib.errors import UserError
from tatslib.files import fsync, replacing, sha256
from tatslib.training.parallel import laid_out_like, whole
from tatslib.training.slices import outline, read_slices, room_for, to_be_sliced, whole_slices, write_slices

MANIFEST = "manifest.json"
AnyConfig = TypeVar("AnyConfig", bound=Config)


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint on disk."""

    folder: Path
    step: int
    state: dict[str, Any]

    def tensors(self, name: str) -> dict[str, Tensor]:
        """The tensors saved under `name` ("model", "optimizer", ...), whole, on the CPU."""
        slices = self.slices(name)
        return whole_slices(slices) if slices else read_tensors(self.folder / f"{name}.safetensors")

    def slices(self, name: str) -> Path | None:
        """The folder of slices of what was saved under `name`; None if that is one file."""
        folder = self.folder / name
        return folder if folder.is_dir() else None


# Writing ----------------------------------------------------------------------------------------------------------


def save_checkpoint(
    run: Path,
    step: int,
    models: dict[str, nn.Module],
    optimizers: dict[str, torch.optim.Optimizer],
    state: dict[str, Any],
    keep: int = 2,
) -> Path:
    """Write the checkpoint after `step` steps and drop all but the newest `keep`.

    Whatever lies there of later steps is damaged, or the run would have gone on from it, and goes as well.

    Raises:
        UserError: if the disk refuses (full, read-only); the sentence names the last good checkpoint, which is
            untouched.
    """
    tensors, groups = {}, {}
    for name, model in models.items():
        tensors[name] = model.state_dict()
    for name, optimizer in optimizers.items():
        tensors[f"optimizer_{name}"], groups[name] = flatten_optimizer(optimizer)
    state = {"step": step, "optimizers": groups, **state}
    sliced = {name: tensors.pop(name) for name in list(tensors) if to_be_sliced(tensors[name])}
    tensors = {name: whole(values) for name, values in tensors.items()}
    folder = run / "checkpoints" / f"step_{step:08d}"
    try:
        slices = write_slices(folder.parent, sliced) if sliced else None
    except UserError as error:
        stop_all(unwritten(folder, step, error))
    return from_main(lambda: write_checkpoint(folder, tensors, state, keep, slices))


def unwritten(folder: Path, step: int, error: Exception) -> UserError:
    """What to say where a checkpoint could not be written."""
    last = newest(folder.parents[1]) if is_main() else None
    survivor = f"the last good one is {last.folder}" if last else "there is no earlier one"
    return UserError(f"Could not write the checkpoint of step {step} to {folder} ({error}); {survivor}.")


def write_checkpoint(
    folder: Path, tensors: dict[str, dict[str, Tensor]], state: dict[str, Any], keep: int, slices: Path | None
) -> Path:
    """The part of `save_checkpoint` that one process does: a file for each of `tensors`, and `state`.

    A folder of `slices`, of which each process has written some, is taken in.
    """
    run = folder.parents[1]
    try:
        for later in step_folders(run):
            if later.name >= folder.name:
                shutil.rmtree(later)
        with replacing(folder) as temporary:
            temporary.mkdir()
            for name, values in tensors.items():
                write_tensors(temporary / f"{name}.safetensors", values)
            for part in sorted(slices.iterdir()) if slices else ():
                fsync(part.rename(temporary / part.name))
            write_json(temporary / "state.json", state)
            write_manifest(temporary)
            fsync(temporary)
        fsync(folder.parent)
    except (OSError, SafetensorError) as error:
        raise unwritten(folder, state["step"], error) from error
    finally:
        if slices:
            shutil.rmtree(slices, ignore_errors=True)
    for old in step_folders(run)[keep:]:
        shutil.rmtree(old)
    return folder


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors as safetensors and make sure that they have reached the disk."""
    save_file({key: value.detach().cpu().contiguous() for key, value in tensors.items()}, path)
    fsync(path)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically: readers see the old file or the new one, never half of it."""
    with replacing(path) as temporary:
        temporary.write_text(text)
        fsync(temporary)


def write_json(path: Path, content: Any) -> None:
    """Write JSON, atomically."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_manifest(folder: Path) -> None:
    """List every file of `folder` with its size and SHA-256; written last, so its presence means complete."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    facts = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in files
    }
    write_json(folder / MANIFEST, facts)


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """An optimiser's state as flat tensors ("12.exp_avg") plus its groups as plain JSON."""
    state = optimizer.state_dict()
    tensors = {
        f"{index}.{name}": torch.as_tensor(value)
        for index, entries in state["state"].items()
        for name, value in entries.items()
    }
    return tensors, state["param_groups"]


# Reading ----------------------------------------------------------------------------------------------------------


def newest(run: Path) -> Checkpoint | None:
    """The newest sound checkpoint of a run; damaged ones are named in a warning and passed over."""
    for folder in step_folders(run):
        complaint = find_damage(folder)
        if complaint is None:
            state = json.loads((folder / "state.json").read_text())
            return Checkpoint(folder, state["step"], state)
        warnings.warn(f"Checkpoint {folder} is damaged ({complaint}) and passed over.", stacklevel=2)
    return None


def restore(checkpoint: Checkpoint, models: dict[str, nn.Module], optimizers: dict[str, torch.optim.Optimizer]) -> None:
    """Put models and optimisers back to exactly where they were when `checkpoint` was written.

    Where several processes train, files have to be readable by the first of them only, slices by all.
    """
    for name, model in models.items():
        if slices := checkpoint.slices(name):
            own = model.state_dict()
            listed = from_main(partial(outline, slices))
            check_fits(model, own, {key: found.shape for key, found in listed.items()}, checkpoint.folder)
            read_slices(slices, own)
            model.load_state_dict(own)
        else:
            load_into(model, tensors_from_main(partial(checkpoint.tensors, name)), checkpoint.folder)
    for name, optimizer in optimizers.items():
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in optimizer_tensors(checkpoint, f"optimizer_{name}", parameters).items():
            index, entry = key.split(".", 1)
            state.setdefault(int(index), {})[entry] = value
        groups = checkpoint.state["optimizers"][name]
        optimizer.load_state_dict({"state": state, "param_groups": groups})


def optimizer_tensors(checkpoint: Checkpoint, name: str, parameters: list[Tensor]) -> dict[str, Tensor]:
    """What an optimiser remembers of `parameters`, cut and placed as they are, by names such as "12.exp_avg"."""

    def number(key: str) -> int:
        return int(key.split(".", 1)[0])

    if slices := checkpoint.slices(name):
        listed = from_main(partial(outline, slices))
        tensors = {key: room_for(found, parameters[number(key)]) for key, found in listed.items()}
        read_slices(slices, tensors)
        return tensors
    tensors = tensors_from_main(partial(checkpoint.tensors, name))
    return {key: laid_out_like(value, parameters[number(key)]) for key, value in tensors.items()}


def load_into(model: nn.Module, tensors: dict[str, Tensor], source: Path) -> None:
    """Copy `tensors` into `model`.

    Raises:
        UserError: if names or shapes differ; the sentence shows the first difference of each kind.
    """
    own = model.state_dict()
    check_fits(model, own, {key: value.shape for key, value in tensors.items()}, source)
    model.load_state_dict({key: laid_out_like(value, own[key]) for key, value in tensors.items()})


def check_fits(model: nn.Module, own: dict[str, Tensor], shapes: dict[str, torch.Size], source: Path) -> None:
    """Refuse tensors that are not those of a model: see `load_into`."""
    missing, extra = sorted(own.keys() - shapes.keys()), sorted(shapes.keys() - own.keys())
    reshaped = [key for key in own.keys() & shapes.keys() if own[key].shape != shapes[key]]
    complaints = [f"{len(missing)} tensors are missing, such as {missing[0]}"] if missing else []
    complaints += [f"{len(extra)} are not known here, such as {extra[0]}"] if extra else []
    complaints += [
        f"{key} is {tuple(shapes[key])} there and {tuple(own[key].shape)} here" for key in sorted(reshaped)[:1]
    ]
    if complaints:
        name = type(model).__name__
        stop_all(UserError(f"{source} does not fit this {name}: {'; '.join(complaints)}. Was it another architecture?"))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        UserError: if the file is missing, is a pickle (refused; nothing in it is executed), or is damaged.
    """
    if not path.is_file():
        raise UserError(f"There is no weight file {path}.")
    with path.open("rb") as file:
        head = file.read(9)  # safetensors: eight bytes of length, then JSON
    if head[8:] != b"{" and (head[:2] == b"PK" or head[:1] == b"\x80"):
        raise UserError(
            f"{path} is a pickle, not safetensors: it is refused and nothing in it was executed, because a pickle can "
            "run any code when it is opened. Ask for safetensors, or convert it where you trust its source."
        )
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path} is damaged or not a safetensors file ({error}).") from error


def find_damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint folder, or None if every file is there, whole and unchanged."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return f"no {MANIFEST}: it was never finished"
    try:
        expected = json.loads(manifest.read_text())
    except json.JSONDecodeError:
        return f"{MANIFEST} is not JSON"
    for name, facts in expected.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != facts["bytes"]:
            return f"{name} has {path.stat().st_size} bytes instead of {facts['bytes']}"
        if sha256(path) != facts["sha256"]:
            return f"{name} does not match its checksum"
    return None


def step_folders(run: Path) -> list[Path]:
    """Checkpoint folders of a run, newest first."""
    return sorted((run / "checkpoints").glob("step_*"), reverse=True)


# Finished models --------------------------------------------------------------------------------------------------


def save_model(folder: Path, model: nn.Module, config: Config) -> None:
    """Write a finished model: `config.json` and `model.safetensors`, nothing that only training needs."""
    tensors = whole(model.state_dict())

    def write() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "model.safetensors") as temporary:
            write_tensors(temporary, tensors)
        write_json(folder / "config.json", config.model_dump(mode="json"))

    from_main(write)


def load_model(folder: Path, model: nn.Module) -> nn.Module:
    """Fill `model` from a folder that `save_model` wrote, and put it in evaluation mode.

    Raises:
        UserError: as `read_tensors` and `load_into` do.
    """
    path = folder / "model.safetensors"
    load_into(model, read_tensors(path), path)
    return model.eval()


def weights_fingerprint(model: nn.Module) -> str:
    """Twelve hexadecimal digits of all weights and buffers of a model: equal for equal models only."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def read_config(folder: Path, kind: type[AnyConfig], expected: AnyConfig | None = None) -> AnyConfig:
    """Read `config.json` of a run or a finished model, and compare it with what the caller expects, if given.

    Raises:
        UserError: if the file is missing, does not fit `kind`, or differs from `expected` (each field is named).
    """
    path = folder / "config.json"
    if not path.is_file():
        raise UserError(f"There is no {path}: {folder} is not a run or a model of this project.")
    config = kind.from_json(path.read_text(), source=path)
    if expected is not None and config != expected:
        raise UserError(f"{folder} was made with other settings: {differences(config, expected)}.")
    return config


def differences(there: Config, here: Config) -> str:
    """The fields in which two configs differ, as words."""
    theirs, ours = there.model_dump(), here.model_dump()
    return ", ".join(f"{key} is {theirs[key]} there and {ours[key]} here" for key in ours if theirs[key] != ours[key])

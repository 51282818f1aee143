"""Checkpoints survive crashes, full disks and damage, and nothing foreign is executed."""

import json
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from tatslib.config import Config
from tatslib.errors import UserError
from tatslib.training.checkpoint import (
    load_into,
    load_model,
    newest,
    read_config,
    read_tensors,
    restore,
    save_checkpoint,
    save_model,
    weights_fingerprint,
)


class Shape(Config):
    width: int = 3


def trained(steps: int = 2, width: int = 3) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(4, width)).square().sum().backward()
        optimizer.step()
    return model, optimizer


def save(run: Path, step: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> Path:
    return save_checkpoint(run, step, {"net": model}, {"adam": optimizer}, {"note": step})


def test_everything_comes_back_exactly(tmp_path):
    model, optimizer = trained()
    save(tmp_path, 2, model, optimizer)
    other, other_optimizer = trained(steps=0)
    checkpoint = newest(tmp_path)
    assert checkpoint is not None and checkpoint.step == 2 and checkpoint.state["note"] == 2
    restore(checkpoint, {"net": other}, {"adam": other_optimizer})
    for key, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[key])
    for mine, theirs in zip(optimizer.state.values(), other_optimizer.state.values(), strict=True):
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)


def test_an_optimiser_without_a_step_stays_without_unless_torchs_own_functions_ask_for_its_state(tmp_path):
    from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

    model, optimizer = trained(steps=0)
    save(tmp_path, 0, model, optimizer)
    assert not optimizer.state
    checkpoint = newest(tmp_path)
    assert checkpoint is not None
    restore(checkpoint, {"net": model}, {"adam": optimizer})
    assert not optimizer.state
    get_optimizer_state_dict(model, optimizer)  # if this ever leaves it alone, they can take the place of ours
    assert [entries["step"].item() for entries in optimizer.state.values()] == [1] * 4


def test_only_the_newest_two_are_kept(tmp_path):
    model, optimizer = trained()
    for step in (1, 2, 3, 4):
        save(tmp_path, step, model, optimizer)
    assert [path.name for path in sorted((tmp_path / "checkpoints").iterdir())] == ["step_00000003", "step_00000004"]


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "never finished"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "not JSON"),
        (lambda folder: (folder / "net.safetensors").unlink(), "net.safetensors is missing"),
        (lambda folder: (folder / "net.safetensors").write_bytes(b"12345"), "has 5 bytes instead of"),
        (lambda folder: flip_last_byte(folder / "net.safetensors"), "does not match its checksum"),
        (lambda folder: flip_last_byte(folder / "optimizer_adam.safetensors"), "does not match its checksum"),
    ],
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_is_used(tmp_path, harm, complaint):
    model, optimizer = trained()
    save(tmp_path, 1, model, optimizer)
    harm(save(tmp_path, 2, model, optimizer))
    with pytest.warns(UserWarning, match=complaint):
        checkpoint = newest(tmp_path)
    assert checkpoint is not None and checkpoint.step == 1


def test_a_step_is_saved_again_over_its_damaged_checkpoint(tmp_path):
    model, optimizer = trained()
    flip_last_byte(save(tmp_path, 1, model, optimizer) / "net.safetensors")
    save(tmp_path, 1, model, optimizer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert newest(tmp_path) is not None


def test_a_save_after_damaged_later_checkpoints_is_kept_and_they_go(tmp_path):
    model, optimizer = trained()
    for step in (400, 600):
        flip_last_byte(save(tmp_path, step, model, optimizer) / "net.safetensors")
    save(tmp_path, 100, model, optimizer)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step_00000100"]
    checkpoint = newest(tmp_path)
    assert checkpoint is not None and checkpoint.step == 100


def test_weights_have_a_fingerprint_of_their_own():
    assert weights_fingerprint(trained()[0]) == weights_fingerprint(trained()[0])
    assert weights_fingerprint(trained()[0]) != weights_fingerprint(trained(steps=3)[0])


def flip_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_leftovers_of_a_write_that_never_ended_are_no_checkpoint(tmp_path):
    model, optimizer = trained()
    save(tmp_path, 1, model, optimizer)
    half = tmp_path / "checkpoints" / ".step_00000002.1234.partial"
    half.mkdir()
    (half / "net.safetensors").write_bytes(b"half")
    checkpoint = newest(tmp_path)
    assert checkpoint is not None and checkpoint.step == 1


def test_a_full_disk_leaves_the_last_good_checkpoint_and_says_so(tmp_path):
    # a limit on the size of files makes the system itself refuse to write on, as a full disk does
    program = f"""
import resource, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from tests.test_checkpoint import save, trained
run = Path({str(tmp_path)!r})
save(run, 1, *trained())
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
try:
    save(run, 2, *trained(width=200))
except Exception as error:
    print(type(error).__name__, error)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("UserError Could not write the checkpoint of step 2")
    assert "the last good one is" in result.stdout and "step_00000001" in result.stdout
    checkpoint = newest(tmp_path)
    assert checkpoint is not None and checkpoint.step == 1
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step_00000001"]


class Bomb:
    """Unpickling this creates a file: proof that something was executed."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("form", ["zip", "legacy", "bare pickle"])
def test_a_pickle_is_refused_and_nothing_in_it_is_executed(tmp_path, form):
    path, proof = tmp_path / "model.safetensors", tmp_path / "executed"
    if form == "bare pickle":
        path.write_bytes(pickle.dumps(Bomb(proof)))
    else:
        torch.save({"weights": Bomb(proof)}, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(UserError, match="is a pickle, not safetensors: it is refused"):
        read_tensors(path)
    assert not proof.exists()


def test_files_that_are_no_weights_are_named(tmp_path):
    with pytest.raises(UserError, match="There is no weight file"):
        read_tensors(tmp_path / "absent.safetensors")
    for content in (b"", b"<html>quota exceeded</html>"):
        (tmp_path / "model.safetensors").write_bytes(content)
        with pytest.raises(UserError, match="damaged or not a safetensors file"):
            read_tensors(tmp_path / "model.safetensors")


def test_a_checkpoint_of_another_architecture_is_refused_with_the_first_differences(tmp_path):
    model, _ = trained()
    with pytest.raises(UserError, match=r"0\.bias is \(3,\) there and \(4,\) here.*another architecture"):
        load_into(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), model.state_dict(), tmp_path)
    with pytest.raises(UserError, match=r"1 tensors are missing, such as 0\.bias"):
        load_into(nn.Sequential(nn.Linear(3, 3)), {"0.weight": torch.zeros(3, 3)}, tmp_path)
    with pytest.raises(UserError, match=r"are not known here, such as 1\.bias"):
        load_into(nn.Sequential(nn.Linear(3, 3)), model.state_dict(), tmp_path)


def test_a_finished_model_is_safetensors_and_json_and_comes_back_in_evaluation_mode(tmp_path):
    model, _ = trained()
    save_model(tmp_path, model, Shape())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    assert json.loads((tmp_path / "config.json").read_text()) == {"width": 3}
    assert not load_model(tmp_path, trained(steps=0)[0]).training
    assert read_config(tmp_path, Shape, expected=Shape()) == Shape()


def test_a_config_that_differs_is_missing_or_is_not_one_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="is not a run or a model"):
        read_config(tmp_path, Shape)
    (tmp_path / "config.json").write_text('{"width": 5}')
    with pytest.raises(UserError, match="width is 5 there and 3 here"):
        read_config(tmp_path, Shape, expected=Shape())
    (tmp_path / "config.json").write_text('{"width": "wide", "depth": 1}')
    with pytest.raises(UserError, match=r"width: .*\(got 'wide'\); depth: .*"):
        read_config(tmp_path, Shape)

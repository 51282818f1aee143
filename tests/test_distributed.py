"""Two processes with half of the batch each do what one process does with all of it, to float tolerance.

Every check of `distributed_checks.py` runs here, in one process, and in two that a fixture starts once for the whole
file (starting them takes longer than the checks), and the results are compared.
`python -m tests.test_distributed` prints the largest differences.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing
from safetensors.torch import load_file

from tatslib.distributed import is_main, process_group, world_size
from tatslib.errors import UserError
from tatslib.training.checkpoint import load_model, newest, read_config, restore
from tatslib.transformer.conditions import GuidedConfig
from tatslib.transformer.gpt import GPT
from tests.distributed_checks import CHECKS, STEPS, Result, first_stage, second_stage
from tests.test_training import stripes_tokens

PARTS = ("gpt", "optimizer_gpt")


def work(index: int, port: int, folder: Path) -> None:
    """What each of the two processes does."""
    os.environ |= {"RANK": str(index), "LOCAL_RANK": str(index), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ["OMP_NUM_THREADS"] = "1"  # whatever else the machine does, sums come in the same order
    torch.set_num_threads(1)
    with process_group():
        torch.save({name: check(folder / name) for name, check in CHECKS.items()}, folder / f"{index}.pt")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Both:
    """The results of one process and of two."""

    def __init__(self, folder: Path):
        self.folder = folder
        first_stage(folder / "two" / "first stage resumed", STEPS // 2)
        second_stage(folder / "two" / "second stage resumed", STEPS // 2)
        torch.multiprocessing.spawn(work, (free_port(), folder / "two"), nprocs=2)
        self.two: list[dict[str, Result]] = [
            torch.load(folder / "two" / f"{index}.pt", weights_only=False) for index in range(2)
        ]
        self.one = cache(lambda check: CHECKS[check](folder / "one" / check))

    def goes_on(self, stage: str) -> Result:
        """What one process makes of a run that two have begun."""
        return CHECKS[stage](self.folder / "two" / f"{stage} half")


def difference(a: Any, b: Any) -> float:
    """Largest difference of two nests of numbers, relative to the largest number of each tensor."""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        return max(difference(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return max(difference(x, y) for x, y in zip(a, b, strict=True))
    a, b = torch.as_tensor(a).double(), torch.as_tensor(b).double()
    return float((a - b).abs().max() / b.abs().max().clamp(min=1e-9))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """The two processes have run."""
    return Both(tmp_path_factory.mktemp("both"))


def assert_same(both: Both, check: str, tolerance: float, one: Result) -> None:
    """Both processes agree to the last bit with each other, and to float tolerance with one process."""
    first, second = (result[check] for result in both.two)
    for part in one:
        assert difference(first[part], second[part]) == 0, f"the two processes differ in {part}"
        assert difference(first[part], one[part]) < tolerance, f"two processes differ from one in {part}"


def test_the_vocabulary_means_what_it_says_in_one_process_and_in_two(both):
    one = both.one("words")
    assert (one["sum"].tolist(), one["mean"].item(), one["gradient"].item()) == ([1, 10], 1, 1)
    assert one["main"] and one["first"] and not one["any"]
    for index, result in enumerate(two["words"] for two in both.two):
        assert result["sum"].tolist() == [3, 20] and result["mean"].item() == 1.5
        assert result["gradient"].item() == 1.5  # (1 + 2) / 2: from the losses of both processes
        assert torch.equal(result["rows"], torch.arange(12).view(6, 2))
        assert result["any"] and result["main"] == result["first"] == (index == 0)


@pytest.mark.parametrize("dims", [2, 3])
def test_batch_norm_over_two_processes_is_that_of_one_with_the_whole_batch(both, dims):
    one = both.one(f"batch norm {dims}D")
    assert_same(both, f"batch norm {dims}D", 1e-5, one)
    assert one["half"], "the output has the input's number format"


@pytest.mark.parametrize("check", ["codebook", "codebook of few rows"])
def test_codes_tokens_restarts_and_perplexity_are_those_of_one_process(both, check):
    one = both.one(check)
    assert_same(both, check, 1e-6, one)
    assert one["state"]["initialised"] and one["perplexity"] > 1


def test_lpips_drops_the_same_in_two_processes_as_in_one_and_something_else_in_every_row(both):
    one = both.one("perceptual dropout")
    assert_same(both, "perceptual dropout", 1e-5, one)
    assert len(set(one["distances"].tolist())) == 4 and len(set(one["nothing dropped"].tolist())) == 1
    assert not torch.equal(one["distances"], one["next"])


def test_two_processes_read_every_clip_once_and_none_twice(both):
    one, two = both.one("token batches"), [result["token batches"] for result in both.two]
    assert torch.equal(two[0]["all"], one["all"]) and all(result["labels"] for result in two)
    for epoch in range(2):
        seen = torch.cat([result["mine"][9 * epoch : 9 * epoch + 9] for result in two])
        assert sorted(seen.tolist()) == list(range(18))


@pytest.mark.parametrize("check", ["first stage", "second stage", "second stage in slices"])
def test_training_in_two_processes_is_training_in_one_with_the_whole_batch(both, check):
    one = both.one(check.removesuffix(" in slices"))
    assert_same(both, check, 1e-4, one)
    if check == "first stage":
        last = {key.removeprefix("5/"): value for key, value in one["log"].items() if key.startswith("5/")}
        assert last["loss/discriminator"] > 0 and last["perplexity"] > 1, "codes and adversaries have taken part"


@pytest.mark.parametrize("stage", ["first stage", "second stage"])
def test_a_run_of_one_process_goes_on_in_two_and_the_other_way_round(both, stage):
    unbroken = both.one(stage)
    assert_same(both, f"{stage} resumed", 1e-4, unbroken)
    other_way = both.goes_on(stage)
    assert all(difference(other_way[part], unbroken[part]) < 1e-4 for part in unbroken)


@pytest.mark.parametrize("stage", ["first stage", "second stage in slices"])
def test_two_processes_that_stop_and_go_on_as_two_end_where_they_would_have_to_the_last_bit(both, stage):
    for result in both.two:
        unbroken, gone_on = result[stage], result[f"{stage} in two goes"]
        assert gone_on.keys() == unbroken.keys() and all(
            difference(gone_on[part], unbroken[part]) == 0 for part in unbroken
        )


def test_a_signal_to_one_process_stops_all_after_the_same_step(both):
    first, second = (result["signal"]["sentence"] for result in both.two)
    assert first.startswith("Interrupted: Stopped by a signal to another process after step 3 of 6; it is saved in")
    assert second.startswith("Echo: Stopped by SIGTERM after step 3 of 6")
    assert both.one("signal")["sentence"].startswith("Interrupted: Stopped by SIGTERM after step 3 of 6")


def test_a_number_that_is_none_in_one_process_stops_all_with_one_sentence(both):
    first, second = (result["nonsense"]["sentence"] for result in both.two)
    assert "NotFinite: In the loss of the discriminator, image discriminator became nan at step 4; the last" in first
    assert second == first.replace("NotFinite", "Echo")


def test_a_checkpoint_that_process_0_cannot_write_stops_all(both):
    first, second = (result["unwritable"]["sentence"] for result in both.two)
    assert first.startswith("UserError: Could not write the checkpoint of step 6")
    assert second == first.replace("UserError", "Echo")


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        ("slices on another disk", "a sharded training needs a folder on a disk that all machines share"),
        ("slices that cannot be written", "the slices of gpt could not be written to"),
    ],
)
def test_slices_that_do_not_arrive_stop_all_in_one_sentence_and_leave_nothing(both, check, reason):
    first, second = (result[check]["sentence"] for result in both.two)
    assert first.startswith("UserError: Could not write the checkpoint of step 6") and reason in first
    assert first.endswith("; there is no earlier one.") and second == first.replace("UserError", "Echo", 1)
    assert list((both.folder / "two" / check / "checkpoints").iterdir()) == []


def test_a_sharded_checkpoint_is_a_safetensors_file_a_process_and_no_pickle(both):
    checkpoint = newest(both.folder / "two" / "second stage in slices")
    assert checkpoint is not None
    files = {path.relative_to(checkpoint.folder).as_posix(): path for path in checkpoint.folder.rglob("*.*")}
    slices = [f"{part}/shard-0000{n}-model-00001-of-00001.safetensors" for part in PARTS for n in (1, 2)]
    assert sorted(files) == sorted([*slices, "state.json", "manifest.json"])
    assert set(json.loads(files["manifest.json"].read_text())) == set(files) - {"manifest.json"}
    held = [sum(value.numel() for value in load_file(files[name]).values()) for name in slices[:2]]
    whole = checkpoint.tensors("gpt")
    assert min(held) > 0 and sum(held) == sum(value.numel() for value in whole.values())
    finished = both.two[0]["second stage in slices"]["gpt"]
    assert whole.keys() == finished.keys() and all(torch.equal(whole[key], finished[key]) for key in whole)


def test_a_torch_that_cannot_write_slices_writes_whole_files_and_goes_on_from_them(both):
    check = "a torch without slices"
    checkpoint = newest(both.folder / "two" / check)
    assert checkpoint is not None and all((checkpoint.folder / f"{part}.safetensors").is_file() for part in PARTS)
    for result in both.two:
        gone_on, unbroken = result[check], result["second stage in slices"]
        assert all(difference(gone_on[part], unbroken[part]) == 0 for part in unbroken)


def test_slices_of_another_model_or_with_one_missing_are_refused(both, tmp_path):
    shutil.copytree(both.folder / "two" / "second stage in slices", tmp_path / "run")
    checkpoint = newest(tmp_path / "run")
    assert checkpoint is not None
    with pytest.raises(UserError, match="does not fit this Linear: 2 tensors are missing"):
        restore(checkpoint, {"gpt": torch.nn.Linear(2, 2)}, {})
    next((checkpoint.folder / "gpt").iterdir()).unlink()
    with pytest.warns(UserWarning, match="shard-.*safetensors is missing"):
        assert newest(tmp_path / "run") is None
    next((checkpoint.folder / "gpt").iterdir()).write_bytes(b"\x80\x04.")
    with pytest.raises(UserError, match="holds something else than slices in safetensors files"):
        checkpoint.tensors("gpt")


def test_data_that_the_first_process_of_a_machine_cannot_find_stop_all(both):
    assert [two["missing"]["sentence"] for two in both.two] == ["UserError: no videos", "Echo: another process failed"]


def test_a_batch_that_the_processes_cannot_share_evenly_is_refused(both):
    assert both.one("uneven")["sentence"] == "nothing"
    expected = "UserError: 2 processes cannot share a batch of 6 clips in 2 parts evenly: make it a multiple of 4."
    assert both.two[0]["uneven"]["sentence"] == expected


def test_torchrun_starts_the_same_command_and_one_process_speaks(tmp_path):
    stripes_tokens().write(tmp_path / "tokens")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "tatslib.cli", "train", "transformer", "--tokens", str(tmp_path / "tokens"), "--shard"]
    command += ["--out", str(tmp_path / "run"), "--steps", "2", "--condition-dropout", "0.5"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{tmp_path / 'run'}: trained 2 steps\n" and "Warning" not in result.stderr
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 2
    assert load_model(tmp_path / "run", GPT(read_config(tmp_path / "run", GuidedConfig)))


def test_torchruns_variables_are_all_needed(monkeypatch):
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "LOCAL_RANK", "MASTER_PORT"):
        monkeypatch.setenv(name, "0")
    with pytest.raises(UserError, match="WORLD_SIZE is 2 but MASTER_ADDR is not set"), process_group():
        pass
    monkeypatch.delenv("WORLD_SIZE")
    with process_group():
        assert world_size() == 1 and is_main()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        measured = Both(Path(temporary))
        for check in CHECKS:
            if not any(word in check for word in ("norm", "codebook", "dropout", "stage")):
                continue
            stage = re.sub("( in slices| in two goes| resumed| half)+$", "", check)
            found = measured.goes_on(stage) if check.endswith("half") else measured.two[0][check]
            for part, value in found.items():
                print(f"{check:34} {part:17} {difference(value, measured.one(stage)[part]):.1e}")

"""`tats evaluate` in two real processes: they share the clips, and find what one process finds."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing

from tatslib.commands.evaluate import evaluate_command
from tatslib.distributed import process_group
from tatslib.metrics.features import ClipClassifier
from tatslib.training.checkpoint import save_model
from tests.test_distributed import free_port
from tests.test_evaluate import CLASSIFIER, write

RUNS: dict[str, dict[str, Any]] = {
    "short": {"metric": ("fvd", "kvd", "is", "motion"), "repeats": 2},
    "pairs": {"metric": ("ssim", "psnr"), "frame": 5},
    "long": {"long": 40, "repeats": 2, "clips": 20},
}


def measure(place: Path, cache: Path, out: Path) -> None:
    """All runs, whose features go to `cache` and whose numbers to `out`."""
    torch.set_num_threads(1)
    for name, options in RUNS.items():
        evaluate_command(
            place / ("long" if name == "long" else "made"),
            against=place / "real",
            features=str(place / "classifier"),
            frames=8,
            resolution=16,
            cache=cache,
            out=out / f"{name}.json",
            **options,
        )


def work(index: int, port: int, place: Path) -> None:
    """What each of the two processes does."""
    os.environ |= {"RANK": str(index), "LOCAL_RANK": str(index), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with process_group():
        measure(place, place / "cache of two", place / "two")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two processes have run, on numbers of videos that they cannot share evenly."""
    folder = tmp_path_factory.mktemp("together")
    write(folder / "made", 15, seed=1)
    write(folder / "real", 15, seed=2, frames=12)
    write(folder / "long", 9, seed=3, frames=40)
    save_model(folder / "classifier", ClipClassifier(CLASSIFIER), CLASSIFIER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TATS_HOME", str(folder / "home"))
        torch.multiprocessing.spawn(work, (free_port(), folder), nprocs=2)
        measure(folder, folder / "cache of two", folder / "one")
        measure(folder, folder / "cache of one", folder / "afresh")
    return folder


@pytest.mark.parametrize("run", RUNS)
def test_two_processes_find_what_one_finds(place, run):
    two, one, afresh = (json.loads((place / who / f"{run}.json").read_text()) for who in ("two", "one", "afresh"))
    assert two == one, "from the rows that the two have kept, to the last bit"
    assert leaves(two) == pytest.approx(leaves(afresh), rel=1e-3, abs=1e-6), "and all these were there"


def leaves(nest: Any) -> list[float]:
    """All numbers of a nest of JSON, in their order."""
    if isinstance(nest, dict):
        nest = list(nest.values())
    if isinstance(nest, list):
        return [number for part in nest for number in leaves(part)]
    return [nest] if isinstance(nest, float) else []

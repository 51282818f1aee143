"""What is measured of the costs of artefacts: whatever a chapter lets its reader ask for, and nothing twice."""

import ast
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import make_costs
import pytest
from build_ahead import TARGETS
from chapters import CHAPTERS

from tatslib.recipes.build import RECORD
from tatslib.recipes.table import folder_of, in_order, table
from tatslib.training.checkpoint import write_json


def planned_in_loops(source: str) -> set[str]:
    """Names of `for name in (...): print(recipes.plan(name))`, in the code of a chapter."""
    loops = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.For)]
    return {
        name
        for loop in loops
        if isinstance(loop.iter, ast.Tuple) and "recipes.plan(name)" in ast.unparse(loop)
        for name in ast.literal_eval(loop.iter)
        if "/" in name
    }


def needed(targets: tuple[str, ...]) -> set[str]:
    return {name for target in targets for name in in_order(table("toy"), target)}


def test_the_cost_of_everything_that_a_chapter_plans_in_a_loop_is_measured() -> None:
    announced = {name for chapter in CHAPTERS for name in planned_in_loops(chapter.text.read_text())}
    assert "drums/gpt-sound" in announced
    assert announced - needed((*TARGETS, *make_costs.TOLD)) == set()


def test_no_two_that_are_told_wait_for_each_other() -> None:
    loaded = needed(TARGETS)
    own = [needed((name,)) - loaded for name in make_costs.TOLD]
    assert sum(map(len, own)) == len(set().union(*own))


def test_what_is_built_in_a_home_is_read_and_not_built_again(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("TATS_HOME", str(tmp_path))
    monkeypatch.delenv("TATS_SCALE", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(make_costs, "ProcessPoolExecutor", lambda jobs, mp_context: ThreadPoolExecutor(1))
    monkeypatch.setattr(make_costs.recipes, "get", lambda name: None)  # loads what is there
    monkeypatch.setattr(make_costs, "build", lambda name: None)
    everything, names = table("toy"), sorted(needed((*TARGETS, *make_costs.TOLD)))
    for seconds, name in enumerate(names):
        folder = folder_of(everything, name, "toy")
        folder.mkdir(parents=True)
        (folder / "weights").write_bytes(b"0" * 200_000)
        write_json(folder / RECORD, {"seconds": float(seconds), "scores": {}})
    measured = make_costs.measure()
    assert {name: cost["seconds"] for name, cost in measured.items()} == {n: float(k) for k, n in enumerate(names)}
    assert {cost["megabytes"] for cost in measured.values()} == {0.2}


def test_a_told_artefact_that_cannot_be_built_ends_the_measurement(monkeypatch: Any) -> None:
    begun = []

    def build(name: str) -> None:
        begun.append(name)
        raise OSError("no room on the disk")

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(make_costs, "ProcessPoolExecutor", lambda jobs, mp_context: ThreadPoolExecutor(1))
    monkeypatch.setattr(make_costs, "build", build)
    with pytest.raises(OSError, match="no room"):
        make_costs.build_told()
    assert begun[0] == make_costs.TOLD[0] == "platform/gpt-fine"


def test_the_file_names_the_machine_and_holds_what_was_measured(monkeypatch: Any, tmp_path: Path) -> None:
    costs = tmp_path / "costs.json"
    monkeypatch.setattr(make_costs, "COSTS", costs)
    monkeypatch.setattr(make_costs, "measure", lambda: {"a/b": {"seconds": 1.0, "megabytes": 2.0}})
    monkeypatch.setattr("sys.argv", ["make_costs.py", "--home", str(tmp_path)])
    monkeypatch.setenv("TATS_HOME", "elsewhere")
    make_costs.main()
    stored = json.loads(costs.read_text())["toy"]
    assert stored["artefacts"] == {"a/b": {"seconds": 1.0, "megabytes": 2.0}} and stored["hardware"]
    assert make_costs.os.environ["TATS_HOME"] == str(tmp_path)

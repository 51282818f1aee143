"""What is built before the chapters run: known names, all that chapters announce, and nothing twice."""

import heapq
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import build_ahead
import pytest
import run_chapters
from chapters import CHAPTERS

from tatslib.recipes.planning import known_costs
from tatslib.recipes.table import in_order, table

PLANNED = re.compile(r'recipes\.(?:plan|get)\("([^"{]+)"\)')


def test_everything_that_a_chapter_announces_is_built_ahead() -> None:
    recipes = table("toy")
    built = {name for target in build_ahead.TARGETS for name in in_order(recipes, target)}
    announced = {name for chapter in CHAPTERS for name in PLANNED.findall(chapter.text.read_text())}
    assert announced - built <= {"sky/videos"}


def ends(queue: build_ahead.Queue, seconds: dict[str, float], jobs: int = 2) -> dict[str, float]:
    """When each artefact is built, if `jobs` processes take what the queue hands out."""
    running: list[tuple[float, str]] = []
    built: dict[str, float] = {}
    now = 0.0
    while queue.waiting or running:
        while len(running) < jobs and (name := queue.take()):
            heapq.heappush(running, (now + seconds[name], name))
        now, name = heapq.heappop(running)
        built[name] = now
        queue.built.add(name)
    return built


def test_both_cores_are_busy_to_the_end_and_nothing_begins_before_what_it_needs() -> None:
    recipes, costs = table("toy"), known_costs()["toy"]["artefacts"]
    names = dict.fromkeys(name for target in build_ahead.TARGETS for name in in_order(recipes, target))
    seconds = {name: costs.get(name, {}).get("seconds", build_ahead.NEVER_MEASURED) for name in names}
    built = ends(build_ahead.Queue(seconds, {name: recipes[name].needs for name in names}), seconds)
    assert built.keys() == names.keys()
    for name, end in built.items():
        assert all(built[need] <= end - seconds[name] + 1e-6 for need in recipes[name].needs)
    assert max(built.values()) <= 1.03 * sum(seconds.values()) / 2


def test_the_head_of_the_longest_chain_goes_first_and_what_is_built_is_not_waited_for() -> None:
    seconds = {"films": 1.0, "long": 4.0, "short": 2.0, "alone": 5.0}
    needs = {"films": (), "long": ("films",), "short": ("films",), "alone": ("built long ago",)}
    queue = build_ahead.Queue(seconds, needs)
    assert [queue.take(), queue.take(), queue.take()] == ["films", "alone", None]  # 1 + 4 seconds and 5: first come
    queue.built.add("films")
    assert [queue.take(), queue.take(), queue.take()] == ["long", "short", None]


def test_targets_are_built_in_processes_of_one_thread_and_the_readers_choice_stays(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(build_ahead, "available_cores", lambda: 2)
    monkeypatch.setattr(build_ahead, "TARGETS", ("taichi/videos", "actions/classifier"))
    seen: dict[str, Any] = {}

    class Pool(ThreadPoolExecutor):
        def __init__(self, jobs: int, mp_context: object) -> None:
            super().__init__(1)
            seen.update(jobs=jobs, threads=build_ahead.os.environ["OMP_NUM_THREADS"], names=[])

    monkeypatch.setenv("TATS_HOME", str(tmp_path))
    monkeypatch.setattr(build_ahead, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(build_ahead, "build", lambda name: seen["names"].append(name))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    build_ahead.build_ahead()
    assert seen.pop("names")[0] == "actions/videos" and seen == {"jobs": 2, "threads": "1"}
    assert "OMP_NUM_THREADS" not in build_ahead.os.environ
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    build_ahead.build_ahead()
    assert seen["threads"] == build_ahead.os.environ["OMP_NUM_THREADS"] == "3"
    assert sorted(seen["names"]) == ["actions/classifier", "actions/videos", "taichi/videos"]


def test_an_artefact_that_cannot_be_built_ends_the_run(monkeypatch, tmp_path) -> None:
    begun = []

    def build(name: str) -> None:
        begun.append(name)
        raise OSError("no room on the disk")

    monkeypatch.setattr(build_ahead, "TARGETS", ("actions/gpt-zeros",))
    monkeypatch.setattr(build_ahead, "ProcessPoolExecutor", lambda jobs, mp_context: ThreadPoolExecutor(1))
    monkeypatch.setattr(build_ahead, "build", build)
    monkeypatch.setenv("TATS_HOME", str(tmp_path))
    with pytest.raises(OSError, match="no room"):
        build_ahead.build_ahead()
    assert begun == ["actions/videos"]


@pytest.mark.parametrize("failing", [None, "b"])
def test_chapters_run_in_processes_of_their_own_and_a_failure_ends_the_run(monkeypatch, capsys, failing) -> None:
    def run(command: list[str], env: dict[str, str], **options: object) -> subprocess.CompletedProcess[str]:
        assert env["OMP_NUM_THREADS"] == "1" and command[3:] == ["--force", "--timeout", "5"]
        name = command[2]
        return subprocess.CompletedProcess(command, name == failing, f"ran {name}\n", f"{name} broke")

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(run_chapters, "available_cores", lambda: 2)
    monkeypatch.setattr(run_chapters.subprocess, "run", run)
    texts = [Path("a.py"), Path("b.py"), Path("c.py")]
    if failing:
        with pytest.raises(SystemExit, match="b broke"):
            run_chapters.run_side_by_side(texts, 5)
    else:
        run_chapters.run_side_by_side(texts, 5)
        assert capsys.readouterr().out.endswith("ran c\nran b\nran a\n")

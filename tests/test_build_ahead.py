"""What is built before the chapters run: known names, all that chapters announce, and nothing twice."""

import re
import subprocess
from pathlib import Path

import build_ahead
import pytest
import run_chapters
from chapters import CHAPTERS

from tatslib.recipes.table import in_order, table

PLANNED = re.compile(r'recipes\.(?:plan|get)\("([^"{]+)"\)')


def test_everything_that_a_chapter_announces_is_built_ahead() -> None:
    recipes = table("toy")
    built = {name for target in build_ahead.TARGETS for name in in_order(recipes, target)}
    announced = {name for chapter in CHAPTERS for name in PLANNED.findall(chapter.text.read_text())}
    assert announced - built <= {"sky/videos"}


def test_targets_are_built_in_processes_of_one_thread_and_the_readers_choice_stays(monkeypatch) -> None:
    monkeypatch.setattr(build_ahead, "available_cores", lambda: 2)
    monkeypatch.setattr(build_ahead, "TARGETS", ("actions/videos", "sky/videos"))
    seen = {}

    class Pool:
        def __init__(self, jobs: int, mp_context: object) -> None:
            seen["jobs"], seen["threads"] = jobs, build_ahead.os.environ["OMP_NUM_THREADS"]

        def __enter__(self) -> "Pool":
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def submit(self, build: object, name: str) -> "Pool":
            seen.setdefault("names", []).append(name)
            return self

        def result(self) -> None:
            pass

    monkeypatch.setenv("TATS_HOME", "/nonexistent")
    monkeypatch.setattr(build_ahead, "ProcessPoolExecutor", Pool)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    build_ahead.build_ahead()
    assert seen == {"jobs": 2, "threads": "1", "names": ["actions/videos", "sky/videos"]}
    assert "OMP_NUM_THREADS" not in build_ahead.os.environ
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    build_ahead.build_ahead()
    assert seen["threads"] == build_ahead.os.environ["OMP_NUM_THREADS"] == "3"


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

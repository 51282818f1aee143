"""What is built before the chapters run: known names, all that chapters announce, and nothing twice."""

import re

import build_ahead
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

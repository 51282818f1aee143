"""Recipes: named once, built once, gone on with, planned before they are paid for."""

import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest

from tatslib import recipes
from tatslib.errors import UserError
from tatslib.recipes import images
from tatslib.recipes.build import RECORD
from tatslib.recipes.kinds import Recipe
from tatslib.recipes.planning import plan
from tatslib.recipes.table import fingerprint, folder_of, in_order, table
from tatslib.training.presets import PRESETS, current_scale

NAMES = ("actions/videos", "actions/vqgan-replicate", "actions/tokens-replicate", "actions/gpt-replicate")


class Stub(Recipe):
    """Writes down that it was built, slowly enough for a second builder to arrive."""

    name: str
    parents: tuple[str, ...] = ()
    fails: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        return self.parents

    def build(self, folder: Path, needs: dict[str, Any]) -> dict[str, float]:
        folder.mkdir(exist_ok=True)
        with (folder / "built").open("a") as file:
            file.write("once\n")
        if self.fails and not (folder / "second try").exists():
            (folder / "second try").touch()
            raise UserError("the power went out")
        time.sleep(0.3)
        return {"parents": float(len(needs))}

    def load(self, folder: Path, scores: dict[str, float]) -> list[str]:
        return (folder / "built").read_text().splitlines()


@pytest.fixture
def family(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Recipe]:
    recipes_here: dict[str, Recipe] = {
        "root": Stub(name="root"),
        "left": Stub(name="left", parents=("root",)),
        "right": Stub(name="right", parents=("root",)),
        "top": Stub(name="top", parents=("left", "right")),
        "fragile": Stub(name="fragile", fails=True),
    }
    monkeypatch.setenv("TATS_HOME", str(tmp_path))
    monkeypatch.setattr("tatslib.recipes.build.table", lambda scale, seed=0: recipes_here)
    monkeypatch.setattr("tatslib.recipes.planning.table", lambda scale, seed=0: recipes_here)
    return recipes_here


def test_dependencies_come_first_and_each_once(family):
    assert list(in_order(family, "top")) == ["root", "left", "right", "top"]


def test_what_is_built_is_loaded_and_not_built_again(family):
    assert recipes.get("top") == ["once"]
    assert recipes.get("top") == ["once"] and recipes.get("root") == ["once"]


def test_a_failure_leaves_a_half_built_artefact_that_the_next_call_goes_on_with(family, capsys):
    with pytest.raises(UserError, match="the power went out"):
        recipes.get("fragile")
    assert [step.state for step in plan("fragile").steps] == ["half-built"]
    assert recipes.get("fragile") == ["once", "once"]
    assert "built fragile in" in capsys.readouterr().out


def fetch_top(queue: Any) -> None:
    queue.put(recipes.get("top"))


def test_two_processes_do_not_build_the_same_thing_twice(family):
    context = multiprocessing.get_context("fork")  # so that the children see the family
    queue = context.Queue()
    processes = [context.Process(target=fetch_top, args=(queue,)) for _ in range(2)]
    for process in processes:
        process.start()
    assert [queue.get(timeout=60) for _ in processes] == [["once"], ["once"]]
    for process in processes:
        process.join()


def test_the_plan_says_what_is_there_and_what_the_rest_costs(family, monkeypatch, tmp_path):
    artefacts = {name: {"seconds": 90.0, "megabytes": 1.5} for name in family}
    costs = {"toy": {"hardware": "an abacus", "artefacts": artefacts}, "paper": {"hardware": "a barn of GPUs"}}
    monkeypatch.setattr("tatslib.recipes.planning.known_costs", lambda: costs)
    recipes.get("left")
    text = str(plan("top"))
    assert "in all about 3.0 minutes on an abacus" in text
    assert [step.state for step in plan("top").steps] == ["built", "built", "to build", "to build"]
    recipes.get("top")
    assert "everything is there" in str(plan("top")) and "from nothing about" in str(plan("top"))


def test_worlds_are_written_large_enough_for_clips_and_pictures():
    for scale in ("toy", "gpu"):
        assert PRESETS[scale].worlds.size >= images.EXTENT * PRESETS[scale].vqgan.resolution


def test_the_plan_admits_that_a_cost_was_never_measured(family, monkeypatch):
    monkeypatch.setattr("tatslib.recipes.planning.known_costs", dict)
    assert "was never measured" in str(plan("top"))


def test_a_name_that_does_not_exist_is_answered_with_the_nearest_one():
    for call in (recipes.get, recipes.plan):
        with pytest.raises(UserError, match=r"no recipe 'actions/vqgan-replicat' \(perhaps you meant 'actions/vqgan-"):
            call("actions/vqgan-replicat")


def test_a_scale_that_does_not_exist_is_refused(monkeypatch):
    monkeypatch.setenv("TATS_SCALE", "papr")
    with pytest.raises(UserError, match=r"TATS_SCALE is 'papr'.*perhaps you meant 'paper'"):
        current_scale()


def test_a_fingerprint_follows_every_setting_of_the_whole_chain():
    toy = table("toy")
    prints = {name: fingerprint(toy, name, "toy") for name in toy}
    assert len(set(prints.values())) == len(prints)
    changed = dict(toy)
    changed["actions/videos"] = toy["actions/videos"].model_copy(update={"drawing": 999})
    for name in NAMES:
        assert fingerprint(changed, name, "toy") != prints[name]
    assert fingerprint(changed, "sky/videos", "toy") == prints["sky/videos"]
    assert fingerprint(table("paper"), "actions/videos", "paper") != prints["actions/videos"]


def test_seeds_share_the_videos_and_nothing_else(monkeypatch, tmp_path):
    monkeypatch.setenv("TATS_HOME", str(tmp_path))
    first, second = table("toy", 0), table("toy", 1)
    same = [folder_of(first, name, "toy") == folder_of(second, name, "toy") for name in NAMES]
    assert same == [True, False, False, False]


def test_every_recipe_finds_what_it_needs():
    for scale in ("toy", "paper"):
        for name, recipe in table(scale).items():
            assert set(recipe.needs) <= set(table(scale)), name


def test_the_record_is_written_last(family):
    recipes.get("root")
    folder = folder_of(family, "root", current_scale())
    record = json.loads((folder / RECORD).read_text())
    assert record["name"] == "root" and record["scores"] == {"parents": 0} and record["seconds"] >= 0.3

"""What building an artefact would take, said before it is done."""

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from tatslib.recipes.build import RECORD
from tatslib.recipes.table import find, folder_of, in_order, table
from tatslib.training.presets import Scale, current_scale

State = Literal["built", "half-built", "to build"]


@dataclass(frozen=True)
class PlanStep:
    """One artefact of a plan: where it stands and, if it was ever measured at this scale, what it costs."""

    name: str
    state: State
    seconds: float | None  # on the hardware named in costs.json
    megabytes: float | None


@dataclass(frozen=True)
class Plan:
    """What `get` would do, printed before it is done."""

    name: str
    scale: Scale
    steps: tuple[PlanStep, ...]
    hardware: str

    def __str__(self) -> str:
        """A table: artefact, state, seconds to build it, megabytes; and what the missing ones, or all of them, take."""
        lines = [f"{self.name} at {self.scale} scale:"]
        for step in self.steps:
            cost = "" if step.seconds is None else f"about {step.seconds:4.0f} s"
            size = "" if step.megabytes is None else f"{step.megabytes:6.1f} MB"
            lines.append(f"  {step.name:28s}{step.state:12s}{cost:>12s}{size:>12s}")
        todo = [step.seconds for step in self.steps if step.state != "built"]
        if not todo:
            lines.append("  everything is there: loading takes a moment")
        if any(seconds is None for seconds in todo or [step.seconds for step in self.steps]):
            lines.append(f"  the cost at {self.scale} scale was never measured")
        else:
            all_of_it = sum(step.seconds for step in self.steps if step.seconds is not None)
            missing = sum(seconds for seconds in todo if seconds is not None)
            words = (
                f"in all about {missing / 60:.1f} minutes"
                if todo
                else f"from nothing about {all_of_it / 60:.1f} minutes"
            )
            lines.append(f"  {words} on {self.hardware}")
        return "\n".join(lines)


def plan(name: str, seed: int = 0) -> Plan:
    """What `get(name, seed)` would build and what that costs, dependencies first."""
    scale = current_scale()
    recipes = table(scale, seed)
    find(recipes, name)
    costs = known_costs().get(scale, {})
    steps = []
    for needed in in_order(recipes, name):
        folder = folder_of(recipes, needed, scale)
        cost = costs.get("artefacts", {}).get(needed, {})
        state: State = "built" if (folder / RECORD).is_file() else "half-built" if folder.is_dir() else "to build"
        steps.append(PlanStep(needed, state, cost.get("seconds"), cost.get("megabytes")))
    return Plan(name, scale, tuple(steps), costs.get("hardware", "hardware that was never noted"))


def known_costs() -> dict[str, Any]:
    """What building was measured to cost, and on what.

    {scale: {"hardware": ..., "commit": ..., "date": ..., "command": ...,
             "artefacts": {name: {"seconds": ..., "megabytes": ...}}}}
    """
    return json.loads(resources.files("tatslib.recipes").joinpath("costs.json").read_text())

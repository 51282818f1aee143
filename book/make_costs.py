"""Measure what building each artefact costs on this machine, from nothing, and write tatslib/recipes/costs.json.

Artefacts are built as before a run of all chapters: several side by side, on a processor of two cores one thread each.
`recipes.plan` prints these numbers. Everything is built in a temporary folder, so nothing that exists is touched, or
with --home in one that is kept; run it on an idle machine.
"""

import argparse
import json
import os
import tempfile
from contextlib import nullcontext
from pathlib import Path

from build_ahead import TARGETS, build_ahead, jobs_and_threads

from tatslib import recipes
from tatslib.recipes.build import RECORD
from tatslib.recipes.planning import known_costs
from tatslib.recipes.table import folder_of, in_order, table
from tatslib.studies.results import provenance
from tatslib.training.presets import current_scale

ROOT = Path(__file__).resolve().parent.parent
COSTS = ROOT / "tatslib" / "recipes" / "costs.json"


def measure() -> dict[str, dict[str, float]]:
    """Seconds and megabytes of everything that the chapters load, by name."""
    scale = current_scale()
    everything = table(scale)
    build_ahead()
    costs = {}
    for target in TARGETS:
        for name in in_order(everything, target):
            recipes.get(name)
            folder = folder_of(everything, name, scale)
            record = json.loads((folder / RECORD).read_text())
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            costs[name] = {"seconds": record["seconds"], "megabytes": round(size / 1e6, 1)}
    return costs


def main() -> None:
    """Measure in a home of its own and store."""
    parser = argparse.ArgumentParser(description="Measure what building each artefact costs.")
    parser.add_argument("--home", type=Path, help="build in this folder and keep it, instead of in a temporary one")
    home = parser.parse_args().home
    with nullcontext(str(home)) if home else tempfile.TemporaryDirectory() as folder:
        os.environ["TATS_HOME"] = folder
        measured = measure()
    jobs, threads = jobs_and_threads(len(TARGETS))
    origin = provenance("make results")
    if jobs > 1:
        origin["hardware"] = f"{threads} of {origin['hardware']}, {jobs} artefacts side by side"
    costs = known_costs() | {current_scale(): {**origin, "artefacts": measured}}
    COSTS.write_text(json.dumps(costs, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Measure what building each artefact costs on this machine, from nothing, and write tatslib/recipes/costs.json.

Artefacts are built as before a run of all chapters: several side by side, on a processor of two cores one thread each.
`recipes.plan` prints these numbers. Everything is built in a temporary folder, so nothing that exists is touched; run
it on an idle machine.

    make_costs.py                  all, from nothing
    make_costs.py --home FOLDER    in this folder, which is kept; what is there is not built again

An artefact keeps the seconds that it took beside it, so that --home with a folder filled before builds only the rest.
How many artefacts were built side by side then, and on which machine, it does not keep: give a folder that this machine
has filled, in this way or by `make results`.
"""

import argparse
import json
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path

from build_ahead import TARGETS, build, build_ahead, jobs_and_threads

from tatslib import recipes
from tatslib.recipes.build import RECORD
from tatslib.recipes.planning import known_costs
from tatslib.recipes.table import folder_of, in_order, table
from tatslib.studies.results import provenance
from tatslib.training.presets import current_scale

ROOT = Path(__file__).resolve().parent.parent
COSTS = ROOT / "tatslib" / "recipes" / "costs.json"
# No chapter builds these, but Chapter 9 says what they would take. The dearest comes first: the rest fits beside it.
TOLD = ("platform/gpt-fine", "drums/gpt-sound", "platform/gpt-text", "actions/gpt-class")


def measure() -> dict[str, dict[str, float]]:
    """Seconds and megabytes of everything that the chapters load or speak of, by name."""
    scale = current_scale()
    everything = table(scale)
    build_ahead()
    build_told()
    costs = {}
    for target in (*TARGETS, *TOLD):
        for name in in_order(everything, target):
            recipes.get(name)
            folder = folder_of(everything, name, scale)
            record = json.loads((folder / RECORD).read_text())
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            costs[name] = {"seconds": record["seconds"], "megabytes": round(size / 1e6, 1)}
    return costs


def build_told() -> None:
    """Build what the chapters only speak of, side by side as the rest.

    No two of them share anything that the chapters do not load, so each is built with its needs in one process.
    """
    jobs, threads = jobs_and_threads(len(TOLD))
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # as in `build_ahead`, of the processes that begin now
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        try:
            for done in [pool.submit(build, name) for name in TOLD]:
                done.result()
        except BaseException:  # the next in the queue would take minutes, and nothing would be written
            pool.shutdown(cancel_futures=True)
            raise


def main() -> None:
    """Measure in a home of its own and store."""
    parser = argparse.ArgumentParser(description="Measure what building each artefact costs.")
    parser.add_argument("--home", type=Path, help="build what is missing in this folder and keep it")
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

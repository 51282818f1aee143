"""Loading what is built, building what is not."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from filelock import FileLock, Timeout

from tatslib.recipes.table import find, folder_of, table
from tatslib.training.checkpoint import write_json
from tatslib.training.presets import current_scale

SECONDS_OF_SILENT_WAITING = 2
RECORD = "recipe.json"  # written last: a folder without it is half-built


def get(name: str, seed: int = 0) -> Any:
    """Load the artefact `name`, building it and all it needs first if they are not there.

    Raises:
        UserError: for an unknown name (with the nearest known one), and whatever building raises.
    """
    scale = current_scale()
    recipes = table(scale, seed)
    recipe = find(recipes, name)
    folder = folder_of(recipes, name, scale)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with waiting_for(name, FileLock(folder.with_suffix(".lock"))):
        if not (folder / RECORD).is_file():
            needs = {needed: get(needed, seed) for needed in recipe.needs}
            started = time.perf_counter()
            scores = recipe.build(folder, needs)
            seconds = time.perf_counter() - started
            print(f"built {name} in {seconds:.0f} s")
            write_json(folder / RECORD, {"name": name, "scale": scale, "seconds": round(seconds, 1), "scores": scores})
    return recipe.load(folder, json.loads((folder / RECORD).read_text())["scores"])


@contextmanager
def waiting_for(name: str, lock: FileLock) -> Iterator[None]:
    """Hold `lock`; if another process has it for more than a moment, say what is being waited for."""
    try:
        lock.acquire(timeout=SECONDS_OF_SILENT_WAITING)
    except Timeout:
        print(f"waiting for another process that is building {name}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()

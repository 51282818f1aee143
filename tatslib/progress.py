"""Progress bars: one look everywhere, silent where a picture of a moving bar would only be noise.

On a terminal and in a live notebook a bar appears for anything that takes more than two seconds. While the book is
being made (`TATS_STATIC=1`) nothing moves, so nothing is drawn: what took how long is printed by whoever did the work.
"""

import os
import sys
from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm

from tatslib.distributed import is_main

SECONDS_BEFORE_A_BAR_APPEARS = 2.0
SECONDS_BETWEEN_LINES_OF_A_LOG = 30.0


def is_static() -> bool:
    """True while chapters are executed for the book, where moving things would be stored as litter."""
    return os.environ.get("TATS_STATIC", "") == "1"


def is_watched() -> bool:
    """True on a terminal and in a notebook, where a bar can be redrawn in place; in a log each update is a line."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def progress(
    iterable: Iterable | None = None, label: str = "", total: int | None = None, unit: str = "step", **options: Any
) -> tqdm:
    """A tqdm bar with this project's look; `options` go to tqdm as they are."""
    options["disable"] = is_static() or not is_main() or options.get("disable", False)
    options.setdefault("delay", SECONDS_BEFORE_A_BAR_APPEARS)
    options.setdefault("mininterval", 0.2 if is_watched() else SECONDS_BETWEEN_LINES_OF_A_LOG)
    return tqdm(iterable, desc=label, total=total, unit=unit, dynamic_ncols=True, leave=False, **options)

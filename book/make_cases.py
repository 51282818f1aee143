"""Count what the equality test of the samplers has come up with, and write book/results/equality-cases.json.

The test draws its cases at random and names what each holds; here they are counted, for a few seeds of the search.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from tatslib.files import replacing
from tatslib.studies.results import STORED, Numbers, provenance
from tatslib.transformer.masks import KINDS

ROOT = Path(__file__).resolve().parent.parent
SEEDS = range(3)
COMMAND = "python book/make_cases.py"
TEST = "pytest --hypothesis-show-statistics tests/test_cached_equals_naive.py"
PROTOCOL = f"""Cached sampling is held to a naive masked forward pass, token for token, in cases that a search draws at
    random; every case agreed. Share of the cases that hold something, in percent; of masks and levels a case can hold
    several or none. Counted by `{TEST}`, which shows the same table for a search of your own; a seed is one of the
    search."""
EVENT = re.compile(r"\* +([\d.]+)%, (.+)")
LISTED = {  # what the test names, so that every seed has the same table
    "way": ("slides", "fills in", "plans ahead"),
    "levels of gaps": ("0", "1", "2", "3"),
    "mask": KINDS,
    "condition tokens": ("1", "2", "3", "4", "5"),
    "padding": ("True", "False"),
    "latent frames given": ("0", "1", "2", "3"),
    "cache": ("fixed shapes", "what is filled"),
    "step": ("in C, of single sequences", "in torch"),
}


def shares(report: str) -> Numbers:
    """Percent of the cases by what they hold, out of what pytest printed."""
    found = {event: float(share) for share, event in EVENT.findall(report)}
    return {what: {name: found.get(f"{what}: {name}", 0.0) for name in names} for what, names in LISTED.items()}


def count(seed: int) -> Numbers:
    """One search."""
    ours = ["-q", "-p", "no:cacheprovider", f"--hypothesis-seed={seed}", "-k", "token_for_token"]
    run = [sys.executable, "-m", *TEST.split(), *ours]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return {"share": shares(done.stdout)}


def main() -> None:
    """Search with each seed and store."""
    origin = provenance(COMMAND)
    seeds = {str(seed): count(seed) for seed in SEEDS}
    content = {"study": "equality-cases", "protocol": " ".join(PROTOCOL.split()), "provenance": origin, "seeds": seeds}
    with replacing(STORED / "equality-cases.json") as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()

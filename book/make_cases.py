"""Count what the equality test of the samplers has come up with, and write book/results/equality-cases.json.

The test draws its cases at random and names what each held when it had agreed; here they are counted, for a few seeds
of the search.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from tatslib.errors import UserError
from tatslib.files import replacing
from tatslib.studies.results import STORED, Numbers, provenance, rounded
from tatslib.transformer.masks import KINDS

ROOT = Path(__file__).resolve().parent.parent
SEEDS = range(3)
COMMAND = "python book/make_cases.py"
TEST = "pytest --hypothesis-show-statistics tests/test_cached_equals_naive.py"
PROTOCOL = f"""Cached sampling is held to a naive masked forward pass, token for token, in cases that a search draws at
    random; every case agreed. cases: how many were compared. share: of these, in percent, what holds something; of
    masks, windows of gaps and steps a case can hold several, and none of what its way of drawing does not have. step:
    what was done, not what was asked for. Counted by `{TEST}`, which shows the same for a search of your own, in
    percent of all cases that it began; a seed is one of the search."""
COUNTED = re.compile(r"(\d+) passing\D+(\d+) failing\D+(\d+) invalid")
EVENT = re.compile(r"\* +([\d.]+)%, (.+)")
LISTED = {  # what the test names, so that every seed has the same table
    "way": ("slides", "fills in", "plans ahead"),
    "context of a window": ("1 of 2", "1 of 3", "2 of 3", "1 of 4", "2 of 4", "3 of 4"),
    "levels of gaps": ("1", "2", "3"),
    "window of a gap": ("3", "4", "5"),
    "mask": KINDS,
    "condition tokens": ("1", "2", "3", "4", "5"),
    "padding": ("True", "False"),
    "latent frames given": ("0", "1", "2", "3"),
    "cache": ("fixed shapes", "what is filled"),
    "step": ("in C, of single sequences", "in torch"),
}


def counted(report: str) -> Numbers:
    """Cases that agreed, and the percent of them that held what is listed, out of what pytest printed.

    It prints shares of all cases that it began, among them those that ended before anything was drawn ("invalid").

    Raises:
        UserError: if it names something that is not listed here.
    """
    *_, last = COUNTED.finditer(report)
    agreed, *others = map(int, last.groups())
    began = agreed + sum(others)
    held = {event: round(began * float(share) / 100) for share, event in EVENT.findall(report, last.end())}
    names = {f"{what}: {name}": (what, name) for what, listed in LISTED.items() for name in listed}
    if missing := sorted(held.keys() - names.keys()):
        raise UserError(f"the test names {missing}: add them to LISTED of book/make_cases.py.")
    shares: dict[str, dict[str, float]] = {what: {} for what in LISTED}
    for event, (what, name) in names.items():
        shares[what][name] = 100 * held.get(event, 0) / agreed
    return {"cases": agreed, "share": shares}


def count(seed: int) -> Numbers:
    """One search."""
    ours = ["-q", "-p", "no:cacheprovider", f"--hypothesis-seed={seed}", "-k", "token_for_token"]
    run = [sys.executable, "-m", *TEST.split(), *ours]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return rounded(counted(done.stdout))


def main() -> None:
    """Search with each seed and store."""
    origin = provenance(COMMAND)
    seeds = {str(seed): count(seed) for seed in SEEDS}
    content = {"study": "equality-cases", "protocol": " ".join(PROTOCOL.split()), "provenance": origin, "seeds": seeds}
    with replacing(STORED / "equality-cases.json") as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()

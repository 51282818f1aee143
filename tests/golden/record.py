"""The losses of short runs of both stages, to the last bit: `python -m tests.golden.record --write` stores them.

Sums must come in the same order everywhere, so the processes that compute them are held to one thread and to the
instructions that every x86-64 processor has. The file is a list of machines, each with its losses; a machine that is
not in it is added. Whoever changes what training computes stores new losses, and says why: what other machines had
stored is of the training that was, and goes.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("losses.json")
SAME_SUMS = {
    "OMP_NUM_THREADS": "1",
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "COMPATIBLE",
}
Losses = dict[str, list[str]]  # hexadecimal floats
Entry = dict[str, Any]  # "machine", "losses"


def compute() -> dict[str, list[str]]:
    """Losses of every step, as hexadecimal floats."""
    from tests.test_adversaries import GAN
    from tests.test_training import TINY, Noise, second_stage, train_vqgan

    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        train_vqgan(
            TINY, GAN.replace(steps=12, warmup_without_codes=2, gan_start=6, save_every=100), Noise(), run / "1"
        )
        log = [json.loads(line) for line in (run / "1" / "log.jsonl").read_text().splitlines()]
        return {
            "generator": [entry["loss/generator"].hex() for entry in log],
            "discriminator": [entry["loss/discriminator"].hex() for entry in log if "loss/discriminator" in entry],
            "gpt": [value.hex() for value in second_stage(run / "2", 12)],
        }


def in_own_process() -> dict[str, list[str]]:
    """The same, computed where the order of sums is fixed."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.golden.record"]
    done = subprocess.run(
        command, env={**os.environ, **SAME_SUMS}, cwd=root, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def machine() -> dict[str, str]:
    """What the last bits may depend on all the same."""
    import torch

    facts = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    vendor = next(
        (line.split(":")[1].strip() for line in facts.splitlines() if line.startswith("vendor_id")), "unknown"
    )
    return {"torch": torch.__version__.split("+")[0], "architecture": platform.machine(), "vendor": vendor}


def losses_of(here: dict[str, str], entries: list[Entry]) -> Losses | None:
    """What this machine has stored, if it has."""
    return next((entry["losses"] for entry in entries if entry["machine"] == here), None)


def with_entry(entries: list[Entry], here: dict[str, str], found: Losses) -> list[Entry]:
    """The list with what this machine found; alone if it used to find something else."""
    if losses_of(here, entries) not in (None, found):
        return [{"machine": here, "losses": found}]
    others = [entry for entry in entries if entry["machine"] != here]
    return [*others, {"machine": here, "losses": found}]


if __name__ == "__main__":
    if "--write" in sys.argv:
        entries = with_entry(json.loads(FILE.read_text()), machine(), in_own_process())
        FILE.write_text(json.dumps(entries, indent=1) + "\n")
    else:
        print(json.dumps(compute()))

"""kill -9 at random moments of a training, resume, compare: `python -m tests.kill_drill` prints a line for each kill.

A run with both optimisers, accumulation and a start of the adversaries on the way is killed while it trains or saves
(it saves so often that many kills hit a save), goes on in a new process, and has to repeat the losses of a run that was
never disturbed, to the last bit. Processes are forked from this one, which has imported all and
computed nothing.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from tatslib.files import PARTIAL
from tatslib.training.train_vqgan import train_vqgan
from tests.test_adversaries import GAN
from tests.test_training import TINY, Noise

KILLED_BEFORE, COMPARED = 30, 100  # steps
MODEL = TINY.replace(downsample=(1, 2, 2), frames=2, resolution=4, hidden=2, encoder_blocks=0, norm="none")
TRAINING = GAN.replace(
    steps=KILLED_BEFORE + COMPARED, batch=2, gan_start=20, save_every=3, discriminator_layers=1, discriminator_width=1
)


def losses(run: Path) -> list[list[float]]:
    """Every loss of every step that the log of a run holds."""
    entries = []
    for line in (run / "log.jsonl").read_text().splitlines():
        entry = json.loads(line)
        entries.append([entry.get("loss/generator"), entry.get("loss/discriminator"), entry.get("gradient/generator")])
    return entries


def in_child(run: Path) -> int:
    """Start (or go on with) the training in a process of its own; its number."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            train_vqgan(MODEL, TRAINING, Noise(length=2, size=4), run)
            status = 0
        finally:
            os._exit(status)
    return child


def kill_at_random(run: Path, chance: random.Random) -> str:
    """Start the training, kill it after a random number of steps and a random moment more; what it was doing."""
    child, step = in_child(run), chance.randrange(KILLED_BEFORE - 5)
    log = run / "log.jsonl"
    while not log.exists() or log.read_bytes().count(b"\n") <= step:
        time.sleep(0.001)
    time.sleep(chance.random() * 0.03)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    folders = run / "checkpoints"
    saving = folders.exists() and any(PARTIAL.fullmatch(path.name) for path in folders.iterdir())
    return f"after step {len(losses(run)):3d}, {'in the middle of a save' if saving else 'while computing'}"


def drill(folder: Path, kills: int, seed: int) -> list[str]:
    """All kills; one line each. Raises AssertionError at the first loss that is not the same."""
    _, status = os.waitpid(in_child(folder / "unbroken"), 0)
    assert status == 0
    unbroken, chance, lines = losses(folder / "unbroken"), random.Random(seed), []
    for number in range(kills):
        run = folder / str(number)
        moment = kill_at_random(run, chance)
        _, status = os.waitpid(in_child(run), 0)
        assert status == 0, f"kill {number}, {moment}: the run could not go on"
        assert losses(run) == unbroken, f"kill {number}, {moment}: the losses differ"
        lines.append(f"kill {number + 1:2d}: {moment}; all {len(unbroken)} losses of the resumed run are the same")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Run the drill in a temporary folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = drill(Path(folder), options.kills, options.seed)
    saves = sum("save" in line for line in lines)
    print(f"{len(lines)} kills, {saves} of them in the middle of a save")


if __name__ == "__main__":
    sys.exit(main())

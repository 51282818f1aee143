"""kill -9 at random moments of a training, resume, compare: `python -m tests.kill_drill` prints a line for each run.

A run with both optimisers, accumulation and a start of the adversaries on the way is killed while it trains or saves,
goes on in a new process, and has to repeat every loss and gradient of a run that was never disturbed, to the last bit,
and to leave the same model, byte for byte. Every second kill waits for a save to begin; after every fourth the run is
killed once more, when it has gone on and its adversaries have started. Processes are forked from this one, which has
imported all and computed nothing.
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

from tatslib.files import PARTIAL, sha256
from tatslib.training.train_vqgan import train_vqgan
from tests.test_adversaries import GAN
from tests.test_training import TINY, Noise

KILLED_BEFORE, COMPARED = 45, 100  # steps
GAN_START, FIRST_KILL, SECOND_KILL = 20, 20, 5  # steps; within how many a kill comes, or moments later
MODEL = TINY.replace(downsample=(1, 2, 2), frames=2, resolution=4, hidden=2, encoder_blocks=0, norm="none")
TRAINING = GAN.replace(
    steps=KILLED_BEFORE + COMPARED,
    batch=2,
    gan_start=GAN_START,
    save_every=5,
    discriminator_layers=1,
    discriminator_width=1,
)
NUMBERS = ("loss/generator", "loss/discriminator", "gradient/generator", "gradient/discriminator")


def losses(run: Path) -> list[list[float]]:
    """Every loss and gradient of every step that the log of a run holds."""
    lines = (run / "log.jsonl").read_text().splitlines() if (run / "log.jsonl").exists() else []
    entries = [json.loads(line) for line in lines if line.endswith("}")]  # the last may have been cut off
    return [[entry.get(name) for name in NUMBERS] for entry in entries]


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


def finish(run: Path, moment: str) -> None:
    """Let the training go on to its end."""
    _, status = os.waitpid(in_child(run), 0)
    assert status == 0, f"{moment}: the run could not go on"


def unfinished(run: Path) -> set[str]:
    """Checkpoints that are being written, or were when a process died."""
    return {path.name for path in (run / "checkpoints").glob(".*") if PARTIAL.fullmatch(path.name)}


def kill(run: Path, after: int, aimed: bool, chance: random.Random) -> str:
    """Start the training, kill it when it has made more than `after` steps; what it was doing.

    Args:
        run: its folder.
        after: steps that the log has to show first.
        aimed: kill it when it next saves, rather than a random moment later.
        chance: of that moment.
    """
    left_behind = unfinished(run)
    child, log = in_child(run), run / "log.jsonl"
    while not log.exists() or log.read_bytes().count(b"\n") <= after:
        check_alive(child)
        time.sleep(0.001)
    if aimed:
        while not unfinished(run) - left_behind:
            check_alive(child)
            time.sleep(0.0002)
    else:
        time.sleep(chance.random() * 0.03)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    done = len(losses(run))
    assert done <= KILLED_BEFORE, f"the kill came after step {done} and leaves too few losses to compare"
    what = "in a save" if unfinished(run) - left_behind else "while computing"
    return f"after step {done:2d} {what}"


def check_alive(child: int) -> None:
    """Fail, in the place of waiting for ever, when a training has ended before it could be killed."""
    ended, status = os.waitpid(child, os.WNOHANG)
    assert ended == 0, f"the training ended by itself with status {status}: it was to be killed"


def drill(folder: Path, runs: int, seed: int) -> list[str]:
    """All kills; one line a run. Raises AssertionError at the first number that is not the same."""
    finish(folder / "unbroken", "never killed")
    unbroken, model = losses(folder / "unbroken"), sha256(folder / "unbroken" / "model.safetensors")
    chance, lines = random.Random(seed), []
    for number in range(runs):
        run = folder / str(number)
        moment = kill(run, chance.randrange(FIRST_KILL), number % 2 == 0, chance)
        if number % 4 == 3:
            after = max(len(losses(run)), GAN_START) + chance.randrange(SECOND_KILL)
            moment += f", again {kill(run, after, number % 8 == 7, chance)}"
        finish(run, f"run {number}, killed {moment}")
        assert losses(run) == unbroken, f"run {number}, killed {moment}: the losses or gradients differ"
        assert sha256(run / "model.safetensors") == model, f"run {number}, killed {moment}: the model differs"
        lines.append(f"run {number + 1:2d}: killed {moment}; all the same")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Run the drill in a temporary folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = drill(Path(folder), options.runs, options.seed)
    print(json.dumps(count(lines)))


def count(lines: list[str]) -> dict[str, int]:
    """How many runs were killed, how often, how often in a save, how often twice."""
    told = "\n".join(lines)
    twice = told.count("again")
    return {
        "runs": len(lines),
        "kills": len(lines) + twice,
        "in a save": told.count("in a save"),
        "killed twice": twice,
    }


if __name__ == "__main__":
    sys.exit(main())

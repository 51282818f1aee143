"""A token set in shards, spoilt, killed, shared and read on: `python -m tests.shard_drill` prints what came of each.

The first half types the commands that a user types, in a temporary folder, and prints what they say. The second half
writes and reads sets whose tokens are the numbers of their clips. AssertionError at the first thing that is not as it
has to be.
"""

import io
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from tatslib import cli
from tatslib.datasets.sharded_clips import ShardedClips
from tatslib.datasets.shards import shard_name
from tatslib.files import sha256
from tatslib.training import loop
from tatslib.training.checkpoint import save_model
from tatslib.training.loop import Interrupted
from tatslib.training.train_transformer import TransformerTraining, gpt_config, train_transformer
from tatslib.worlds import actions
from tests.test_official import small_vqgan
from tests.test_shards import contents, kill_again_and_again, numbers, write
from tests.test_training import losses

TOKENIZE = "tats tokenize --data videos --vqgan vqgan --clips 80 --shard-clips 32 --out tokens"
TRAIN = "tats train transformer --tokens tokens --out run"
CLIPS, SHARD_CLIPS, WINDOW, BATCH = 60, 2, 4, 12  # of the second half: 30 shards, read four at a time
STEPS, STOP = 12, 8  # of a training in epochs of 5 steps


def typed(line: str) -> str:
    """What a command says, whether it does its work or refuses."""
    said = io.StringIO()
    with patch("sys.argv", line.split()), redirect_stdout(said), redirect_stderr(said):
        try:
            cli.main()
        except SystemExit as stop:
            assert stop.code == 2, said.getvalue()
    return said.getvalue().strip()


def commands() -> Iterator[str]:
    """A shard is cut off, refused and made anew; run it in an empty folder."""
    actions.write(Path("videos"), groups=8, mean_frames=12, size=16)
    vqgan = small_vqgan()
    save_model(Path("vqgan"), vqgan, vqgan.config)
    yield f"$ {TOKENIZE}\n{typed(TOKENIZE)}"
    before, spoilt = contents(Path("tokens")), Path("tokens") / shard_name(1)
    spoilt.write_bytes(spoilt.read_bytes()[:-7])
    yield f"$ truncate --size=-7 {spoilt}"
    yield f"$ {TRAIN}\n{typed(TRAIN)}"
    assert not Path("run").exists()
    yield f"$ {TOKENIZE}\n{typed(TOKENIZE)}"
    assert contents(Path("tokens")) == before
    yield f"the {len(before)} files of the set have every byte that they had"


def killed(folder: Path, kills: int) -> str:
    """A set whose writers were ended by kill -9, again and again, is that of one writer whom nobody disturbed."""
    write(folder / "whole", CLIPS, SHARD_CLIPS)
    kill_again_and_again(folder / "killed", kills)
    there = len(list((folder / "killed").glob("tokens-*")))
    written = write(folder / "killed", CLIPS, SHARD_CLIPS)
    assert 0 < len(written.made) == CLIPS // SHARD_CLIPS - there
    assert contents(folder / "killed") == contents(folder / "whole")
    return f"killed {kills} times and finished: {len(contents(folder / 'killed'))} files, every byte the same"


def shared(folder: Path, processes: int, epochs: int = 3) -> str:
    """What several processes read of a set is together what one reads."""
    alone, together = (ShardedClips.read(folder, window=WINDOW) for _ in range(2))
    ranks = range(processes)
    steps = epochs * CLIPS // BATCH
    for step in range(steps):
        whole = numbers(alone.batch(step, BATCH))
        parts = [together.batch(step, BATCH // processes, rank=rank, world_size=processes) for rank in ranks]
        assert [numbers(part) for part in parts] == [whole[rank::processes] for rank in ranks]
    return (
        f"shared by {processes} processes: in each of {steps} steps the clips of one process, each read by one of them"
    )


def resumed(folder: Path, runs: Path) -> str:
    """A training that is stopped in mid-epoch and goes on is one that was never stopped."""

    def trained(run: Path) -> list[float]:
        tokens = ShardedClips.read(folder, window=WINDOW)
        training = TransformerTraining(steps=STEPS, batch=BATCH, warmup=2)
        train_transformer(gpt_config(tokens.index, layers=1, heads=1, width=8), training, tokens, run)
        return losses(run, "gpt")

    whole = trained(runs / "whole")
    with ctrl_c_in_step(STOP):
        try:
            trained(runs / "stopped")
        except Interrupted as stop:
            assert f"after step {STOP} of {STEPS}" in str(stop)
    assert losses(runs / "stopped", "gpt") == whole[:STOP]
    assert trained(runs / "stopped") == whole
    assert sha256(runs / "stopped" / "model.safetensors") == sha256(runs / "whole" / "model.safetensors")
    epoch, place = divmod(STOP * BATCH, CLIPS)
    where = f"{place} of {CLIPS} clips into epoch {epoch + 1}"
    return f"stopped {where}, went on: {STEPS} losses and the model, every bit the same"


@contextmanager
def ctrl_c_in_step(number: int) -> Iterator[None]:
    """Ctrl-C comes while a training computes this step, counted from 1."""
    update = loop.update

    def interrupted(task: Any, step: int, *rest: Any) -> Any:
        if step + 1 == number:
            os.kill(os.getpid(), signal.SIGINT)
        return update(task, step, *rest)

    with patch.object(loop, "update", interrupted):
        yield


def drill(folder: Path) -> Iterator[str]:
    """All of it, line by line."""
    with chdir(folder):
        yield from commands()
    yield killed(folder, kills=8)
    yield shared(folder / "whole", 2)
    yield shared(folder / "whole", 3)
    yield resumed(folder / "whole", folder / "runs")


def main() -> None:
    """Run the drill in a temporary folder."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, {"TATS_HOME": f"{folder}/home"}):
        for line in drill(Path(folder)):
            print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())

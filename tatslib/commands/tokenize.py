"""`tats tokenize`."""

import time
from pathlib import Path
from typing import Literal

from tatslib.commands.opening import DataSet, load_vqgan, open_clips
from tatslib.commands.tree import app
from tatslib.datasets.shards import shard_name
from tatslib.distributed import first_on_each_machine, is_main, process_group
from tatslib.training.presets import PRESETS
from tatslib.training.token_shards import latent_frames_of, tokenize_in_shards


@app.command(name="tokenize")
def tokenize_command(
    data: Path,
    vqgan: Path,
    out: Path,
    dataset: DataSet = "ucf101",
    split: Literal["train", "test"] = "train",
    clips: int = PRESETS["toy"].train_clips,
    frames: int | None = None,
    shard_clips: int = 4096,
) -> None:
    """Encode clips of a data set into a token set, on which a transformer trains.

    Run it again to go on after a stop, or to make what has been lost or damaged anew; shards that are whole stay. On
    several GPUs or machines, which share the shards: `torchrun --nproc-per-node gpu -m tatslib.cli tokenize ...`.

    Args:
        data: the data set's folder.
        vqgan: folder of a trained VQGAN.
        out: folder to write index.json and the shards to.
        dataset: whose layout the folder has.
        split: which part of the data.
        clips: how many clips to encode.
        frames: of a clip, a multiple of the compression in time; absent, as many as the VQGAN was trained on.
        shard_clips: how many clips a file holds, a multiple of 32.
    """
    with process_group():
        model = load_vqgan(vqgan)
        latent_frames_of(model.config, frames)
        with first_on_each_machine():  # which decodes the videos for the others
            source = open_clips(dataset, data, split, model.config, model.config.margins, frames)
        started = time.perf_counter()
        shards, made, damaged = tokenize_in_shards(model, source, clips, shard_clips, out)
        if is_main():
            for number, complaint in damaged.items():
                print(f"{out / shard_name(number)} {complaint}: made anew")
            pace = sum(shards.shards[number].clips for number in made) / (time.perf_counter() - started)
            new = f"wrote {len(made)} of {len(shards.shards)} shards" if made else "nothing to do"
            print(f"{out}: {new}, {pace:.1f} clips/s; {clips} tokenised clips are there")

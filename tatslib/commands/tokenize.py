"""`tats tokenize`."""

import time
from pathlib import Path
from typing import Literal

import torch

from tatslib.commands.opening import DataSet, Split, load_sound_vqgan, load_vqgan, open_clips
from tatslib.commands.tree import app
from tatslib.datasets.shards import shard_name
from tatslib.distributed import first_on_each_machine, is_main, process_group, sum_over_ranks
from tatslib.errors import UserError
from tatslib.training.led_clips import BySound, ByText, Leading
from tatslib.training.presets import PRESETS
from tatslib.training.token_shards import latent_frames_of, tokenize_in_shards
from tatslib.transformer.conditions import Padding


@app.command(name="tokenize")
def tokenize_command(
    data: Path,
    vqgan: Path,
    out: Path,
    dataset: DataSet = "ucf101",
    split: Split = "train",
    clips: int = PRESETS["toy"].train_clips,
    frames: int | None = None,
    stride: int | None = None,
    shard_clips: int = 4096,
    condition: Literal["class", "text", "sound"] = "class",
    sound_vqgan: Path | None = None,
    sound: Literal["pickle", "track"] = "pickle",
    text: Literal["auto", "manual"] = "auto",
    wording: Literal["plain", "varied"] = "plain",
    padding: Padding = "masked",
) -> None:
    """Encode clips of a data set into a token set, on which a transformer trains.

    Run it again to go on after a stop, or to make what has been lost or damaged anew; shards that are whole stay. On
    several GPUs or machines, which share the shards: `torchrun --nproc-per-node gpu -m tatslib.cli tokenize ...`.

    Args:
        data: the data set's folder.
        vqgan: folder of a trained VQGAN.
        out: folder to write index.json and the shards to.
        dataset: whose layout the folder has.
        split: which part of the data; val, too, of mugen.
        clips: how many clips to encode.
        frames: of a clip, a multiple of the compression in time; absent, as many as the VQGAN was trained on. Where
            text or sound leads, each level of a hierarchy takes clips of its own length, in a set of its own: from the
            first latent frame of its window to the last, 13 for four that are 4 apart, 5 for what fills in there.
        stride: distance between two frames of a clip in the video; absent, 4 for taichi and 1 for the others. A
            hierarchy takes 1 for all.
        shard_clips: how many clips a file holds, a multiple of 32.
        condition: what a transformer is to be told of each clip: its class, if it has one; the text of just its
            frames (mugen); the sound of just its frames (drums). Texts of more than 256 tokens are cut, as released;
            at the end it is said how many of those encoded now were.
        sound_vqgan: folder of a trained VQ-VAE of sound, for the last.
        sound: of drums: pickle takes the spectrograms that came with the videos, track makes them from their sound.
        text: of mugen: auto is told from the log of a game, manual was written by people, about whole videos.
        wording: of mugen: plain tells equal things in equal words, varied chooses among several.
        padding: what texts are filled up with: masked, nobody looks at; released, everybody does, as in the authors'
            own model.
    """
    check_condition(condition, sound_vqgan)
    telling = telling_of(dataset, sound, text, wording)
    if padding != "masked" and condition != "text":
        raise UserError(f"--padding is for texts, but these clips are led by {condition}: add --condition text.")
    with process_group():
        model = load_vqgan(vqgan)
        latent_frames_of(model.config, frames)
        with first_on_each_machine():  # which decodes the videos for the others
            source = open_clips(dataset, data, split, model.config, model.config.margins, frames, stride, **telling)
        leading: Leading | None = None
        if condition == "text":
            leading = ByText(padding=padding)
        elif sound_vqgan is not None:
            leading = BySound(load_sound_vqgan(sound_vqgan), frames or model.config.frames)
        started = time.perf_counter()
        shards, made, damaged = tokenize_in_shards(model, source, clips, shard_clips, out, leading)
        counts = torch.tensor([leading.cut, leading.told] if isinstance(leading, ByText) else [0, 0])
        sum_over_ranks(counts)  # each process made shards of its own
        cut, told = counts.tolist()
        if is_main():
            for number, complaint in damaged.items():
                print(f"{out / shard_name(number)} {complaint}: made anew")
            pace = sum(shards.shards[number].clips for number in made) / (time.perf_counter() - started)
            new = f"wrote {len(made)} of {len(shards.shards)} shards, {pace:.1f} clips/s" if made else "nothing to do"
            print(f"{out}: {new}; {clips} tokenised clips are there")
            if leading is not None and cut:
                print(f"{cut} of {told} texts had more than {leading.prefix.length} tokens and were cut")


def check_condition(condition: str, sound_vqgan: Path | None) -> None:
    """Refuse a sound without its VQ-VAE, and a VQ-VAE without a sound, in a sentence."""
    if condition == "sound" and sound_vqgan is None:
        raise UserError("sound becomes tokens by a VQ-VAE of its own: say where one lies (--sound-vqgan FOLDER).")
    if condition != "sound" and sound_vqgan is not None:
        raise UserError(
            f"a VQ-VAE of sound has nothing to do where clips are led by {condition}: add --condition sound."
        )


def telling_of(dataset: DataSet, sound: str, text: str, wording: str) -> dict[str, str]:
    """The options of a data set's reader that say how texts or sounds are made, without those of other readers.

    Raises:
        UserError: if one that this reader does not know was asked for.
    """
    if dataset != "drums" and sound != "pickle":
        raise UserError(f"--sound {sound} is for drums, but the data set is {dataset}: leave it out.")
    if dataset != "mugen" and (text, wording) != ("auto", "plain"):
        raise UserError(f"--text and --wording are for mugen, but the data set is {dataset}: leave them out.")
    return {"drums": {"sound": sound}, "mugen": {"text": text, "wording": wording}}.get(dataset, {})

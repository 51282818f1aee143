"""What a transformer's training gains from tokens on disk, beside encoding each batch anew: `tats bench tokens`."""

import json
from itertools import count
from pathlib import Path

import torch
from torch import Tensor
from torch.amp import GradScaler

from tatslib.datasets.clips import ClipDataset
from tatslib.datasets.sharded_clips import ShardedClips
from tatslib.datasets.tokens import Lead, TokenIndex, told_alike
from tatslib.errors import UserError
from tatslib.training.benchmark import Work, in_turns, name_of
from tatslib.training.checkpoint import weights_fingerprint
from tatslib.training.device import number_format, use_idle_cores
from tatslib.training.led_clips import Leading
from tatslib.training.loop import update
from tatslib.training.presets import PRESETS, Scale
from tatslib.training.train_transformer import Tokens, TransformerTask, TransformerTraining, gpt_config
from tatslib.videos import to_model
from tatslib.vqgan.vqgan import VQGAN


class EncodedAnew:
    """Clips drawn and encoded for every batch, as the released code trains, and what they are led by.

    Args:
        vqgan: in evaluation mode.
        data: of clips as the VQGAN takes them.
        index: of a token set of such clips.
        leading: what made the conditions of that set, if it has some.

    Raises:
        UserError: if the clips would be led by something else than those of the set, or cannot be.
    """

    def __init__(self, vqgan: VQGAN, data: ClipDataset, index: TokenIndex, leading: Leading | None = None):
        if leading is not None:
            leading.check(data)
        here, there = leading.lead if leading is not None else None, index.lead
        if not told_alike(here, there) or (here and there and here.length != there.length):
            raise UserError(
                f"clips encoded anew would be led by {in_words(here)}, those of the token set by {in_words(there)}."
            )
        self.vqgan, self.data, self.index, self.leading = vqgan, data, index, leading

    @torch.no_grad()
    def batch(self, step: int, size: int, *, rank: int = 0, world_size: int = 1) -> tuple[Tensor, Tensor]:
        """As `TokenClips.batch`."""
        frames, labels = self.data.clips(step, size, rank=rank, world_size=world_size)
        device = self.vqgan.codebook.embeddings.device
        return self.vqgan.encode(to_model(frames).to(device)), labels

    def batch_conditions(self, step: int, size: int, *, rank: int = 0, world_size: int = 1) -> Tensor | None:
        """As `TokenClips.batch_conditions`, made from the text or the sound of just the frames of `batch`."""
        if self.leading is None:
            return None
        places = self.data.places(step, size * world_size)[rank::world_size]
        return self.leading.conditions(self.data, places)


def in_words(lead: Lead | None) -> str:
    """What clips are led by, for a reader."""
    if lead is None:
        return "their class"
    made_by = f", made by {lead.source}" if lead.source else ""
    return f"{lead.length} of {lead.codes} tokens of {lead.kind}{made_by}"


def bench_tokens(
    shards: ShardedClips,
    vqgan: VQGAN,
    data: ClipDataset,
    scale: Scale = "toy",
    seconds: float = 3.0,
    leading: Leading | None = None,
) -> dict[str, object]:
    """Measure both ways in turns, print a line each, and in the end everything as one line of JSON.

    A clip from shards costs its part of reading, checking and widening a shard, and its part in a batch. What clips are
    led by is read from the shards, or made anew with the tokens.

    Args:
        shards: tokens of clips like those of `data`.
        vqgan: which made them.
        data: clips, from whose frames batches are encoded anew.
        scale: of the transformer and its batches.
        seconds: how long to measure each of five.
        leading: what made the conditions of the shards, if they have some.

    Returns:
        What the last line holds: clips a second, ratios, protocol.

    Raises:
        UserError: if the tokens are not those of this VQGAN, and as `EncodedAnew` does.
    """
    if shards.index.vqgan != weights_fingerprint(vqgan):
        raise UserError(f"{shards.folder.name} holds the tokens of another VQGAN: name the one that made them.")
    anew = EncodedAnew(vqgan, data, shards.index, leading)
    threads, device = use_idle_cores(), vqgan.codebook.embeddings.device
    training = PRESETS[scale].transformer_training.replace(accumulate=1)
    size, numbers = training.batch, count()
    works: dict[str, Work] = {
        "ours": lambda: shards.shard(next(numbers) % len(shards.shards.shards)),
        "take": batches(shards, size),
        "encode": batches(anew, size),
        "train": training_step(training, shards, scale, device),
        "train_encoding": training_step(training, anew, scale, device),
    }
    took = in_turns(works, seconds, device)
    of_a_shard = len(shards) / len(shards.shards.shards)
    read = 1 / (took["ours"] / of_a_shard + took["take"] / size)
    encode, train, train_encoding = (size / took[name] for name in ("encode", "train", "train_encoding"))
    print(f"input     {read:10.0f} clips/s from shards {encode:10.1f} encoded anew   {read / encode:8.1f} times")
    words = f"{train / train_encoding:8.2f} times"
    print(f"training  {train:10.1f} clips/s from shards {train_encoding:10.1f} encoded anew   {words}")
    found: dict[str, object] = {
        "bench": "tokens",
        "input_clips_per_s": round(read, 1),
        "input_encoding_clips_per_s": round(encode, 2),
        "ratio_input": round(read / encode, 2),
        "train_clips_per_s": round(train, 2),
        "train_encoding_clips_per_s": round(train_encoding, 2),
        "ratio_train": round(train / train_encoding, 3),
        "scale": scale,
        "device": device.type,
        "precision": name_of(number_format(training.precision, device)),
        "threads": threads,
        "batch": size,
        "latent_shape": shards.index.latent_shape,
        "condition": leading.lead.kind if leading else "class" if shards.index.classes else "none",
        "condition_length": leading.lead.length if leading else 1,
        "shards": len(shards.shards.shards),
        "clips": len(shards),
    }
    print(json.dumps(found))
    return found


def batches(tokens: Tokens, size: int) -> Work:
    """A function that takes the next batch and its conditions."""
    steps = count()

    def take() -> None:
        step = next(steps)
        tokens.batch(step, size)
        tokens.batch_conditions(step, size)

    return take


def training_step(training: TransformerTraining, tokens: Tokens, scale: Scale, device: torch.device) -> Work:
    """A function that makes the next training step of a transformer of this scale."""
    size = PRESETS[scale].transformer
    task = TransformerTask(gpt_config(tokens.index, size.layers, size.heads, size.width), training, tokens, device)
    scaler = GradScaler(device.type, enabled=number_format(training.precision, device) == torch.float16)
    steps = count()

    def step() -> None:
        with torch.enable_grad():
            update(task, next(steps), training, Path(), scaler)

    return step

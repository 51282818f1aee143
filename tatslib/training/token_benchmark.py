"""What a transformer's training gains from tokens on disk, beside encoding each batch anew: `tats bench tokens`."""

import json
from itertools import count
from pathlib import Path

import torch
from torch import Tensor
from torch.amp import GradScaler

from tatslib.datasets.sharded_clips import ShardedClips
from tatslib.datasets.tokens import TokenIndex
from tatslib.errors import UserError
from tatslib.training.benchmark import Work, in_turns, name_of
from tatslib.training.checkpoint import weights_fingerprint
from tatslib.training.device import number_format, use_idle_cores
from tatslib.training.loop import update
from tatslib.training.presets import PRESETS, Scale
from tatslib.training.train_transformer import Tokens, TransformerTask, TransformerTraining, gpt_config
from tatslib.training.train_vqgan import Clips
from tatslib.videos import to_model
from tatslib.vqgan.vqgan import VQGAN


class EncodedAnew:
    """Clips drawn and encoded for every batch, as the released code trains."""

    def __init__(self, vqgan: VQGAN, data: Clips, index: TokenIndex):
        self.vqgan, self.data, self.index = vqgan, data, index

    @torch.no_grad()
    def batch(self, step: int, size: int, *, rank: int = 0, world_size: int = 1) -> tuple[Tensor, Tensor]:
        """As `TokenClips.batch`."""
        frames, labels = self.data.clips(step, size, rank=rank, world_size=world_size)
        device = self.vqgan.codebook.embeddings.device
        return self.vqgan.encode(to_model(frames).to(device)), labels

    def batch_conditions(self, step: int, size: int, *, rank: int = 0, world_size: int = 1) -> Tensor | None:
        """As `TokenClips.batch_conditions`: none."""
        return None


def bench_tokens(
    shards: ShardedClips, vqgan: VQGAN, data: Clips, scale: Scale = "toy", seconds: float = 3.0
) -> dict[str, object]:
    """Measure both ways in turns, print a line each, and in the end everything as one line of JSON.

    A clip from shards costs its part of reading, checking and widening a shard, and its part in a batch.

    Args:
        shards: tokens of clips like those of `data`.
        vqgan: which made them.
        data: clips, from whose frames batches are encoded anew.
        scale: of the transformer and its batches.
        seconds: how long to measure each of five.

    Returns:
        What the last line holds: clips a second, ratios, protocol.

    Raises:
        UserError: if the tokens are not those of this VQGAN.
    """
    if shards.index.vqgan != weights_fingerprint(vqgan):
        raise UserError(f"{shards.folder.name} holds the tokens of another VQGAN: name the one that made them.")
    threads, device = use_idle_cores(), vqgan.codebook.embeddings.device
    preset = PRESETS[scale]
    training = preset.transformer_training.replace(accumulate=1)
    size, anew = training.batch, EncodedAnew(vqgan, data, shards.index)
    numbers, steps = count(), count()
    works: dict[str, Work] = {
        "ours": lambda: shards.shard(next(numbers) % len(shards.shards.shards)),
        "take": lambda: shards.batch(next(steps), size),
        "encode": lambda: anew.batch(next(steps), size),
        "train": _step(training, shards, scale, device),
        "train_encoding": _step(training, anew, scale, device),
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
        "shards": len(shards.shards.shards),
        "clips": len(shards),
    }
    print(json.dumps(found))
    return found


def _step(training: TransformerTraining, tokens: Tokens, scale: Scale, device: torch.device) -> Work:
    """A function that makes the next training step of a transformer of this scale."""
    size = PRESETS[scale].transformer
    task = TransformerTask(gpt_config(tokens.index, size.layers, size.heads, size.width), training, tokens, device)
    scaler = GradScaler(device.type, enabled=number_format(training.precision, device) == torch.float16)
    steps = count()

    def step() -> None:
        with torch.enable_grad():
            update(task, next(steps), training, Path(), scaler)

    return step

"""Encoding a data set into token shards: each shard a pure function of its number, whoever makes it.

Clips are drawn as `tokenize` draws them, in batches of `BATCH`: clip c of a set comes from step c // BATCH.
"""

from pathlib import Path

from torch import Tensor

from tatslib.datasets.clips import ClipDataset
from tatslib.datasets.shards import ClipSource, ShardSettings, Written, write_shards
from tatslib.datasets.tokens import TokenClips, TokenIndex
from tatslib.errors import UserError
from tatslib.training.checkpoint import weights_fingerprint
from tatslib.training.led_clips import Leading
from tatslib.training.train_transformer import tokenize
from tatslib.training.train_vqgan import Clips
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig

BATCH = 32  # clips drawn in one step; a power of two


class Later:
    """The clips of a data set from step `first` on, also in smaller batches: halves of a step, or quarters."""

    def __init__(self, data: Clips, first: int):
        self.data, self.first = data, first

    def clips(self, step: int, batch_size: int, *, rank: int = 0, world_size: int = 1) -> tuple[Tensor, Tensor]:
        """As `Clips`, for one process."""
        parts = BATCH // batch_size
        return self.data.clips(self.first + step // parts, batch_size, rank=step % parts, world_size=parts)


def places_of(data: ClipDataset, first: int, count: int) -> list[tuple[int, int]]:
    """Where clips of a token set are cut out, `count` from number `first` on: video and first frame of each."""
    steps = range(first // BATCH, -(-(first + count) // BATCH))
    places = [place for step in steps for place in data.places(step, BATCH)]
    return places[first % BATCH :][:count]


def tokenize_in_shards(
    vqgan: VQGAN, data: ClipDataset, clips: int, shard_clips: int, folder: Path, leading: Leading | None = None
) -> Written:
    """Write (or finish, or mend) a sharded token set; processes that run this together share the work.

    Args:
        vqgan: in evaluation mode.
        data: of clips that are the model's margins longer than a multiple of its compression in time.
        clips: how many to encode, those of steps 0, 1, ... of `BATCH`.
        shard_clips: how many a shard holds.
        folder: where to.
        leading: what makes the condition tokens of clips that are led by more than their class.

    Raises:
        UserError: if clips with margins, or without text or sound, are to be led; if a shard is no whole number of
            batches; and as `write_shards` does.
    """
    if shard_clips < 1 or shard_clips % BATCH:
        upper = (max(shard_clips, 0) // BATCH + 1) * BATCH
        raise UserError(f"shards of {shard_clips} clips are not whole batches of {BATCH}: take {upper}, for example.")
    if clips < 1:
        raise UserError(f"a set of {clips} clips is none: take 1 or more.")
    config = vqgan.config
    lead = None
    if leading is not None:
        leading.check(data)
        lead = leading.lead
    if leading is not None and any(config.margins):
        raise UserError(
            f"this VQGAN sees {sum(config.margins)} frames beyond its clips, of which text and sound would tell, too: "
            "take one that pads."
        )
    frames = data.length - sum(config.margins)
    shape = (latent_frames_of(config, frames), *config.latent_shape[1:])
    tokens = TokenIndex(
        clips=clips,
        codes=config.codes,
        latent_shape=shape,
        classes=data.classes,
        vqgan=weights_fingerprint(vqgan),
        lead=lead,
    )
    at_once = BATCH  # long clips in smaller batches, so that they take no more memory
    while at_once > 1 and at_once * frames > BATCH * config.frames:
        at_once //= 2

    def make(first: int, count: int) -> TokenClips:
        made = tokenize(vqgan, Later(data, first // BATCH), count, at_once, classes=data.classes)
        if leading is None:
            return made
        return made.with_conditions(leading.conditions(data, places_of(data, first, count)), lead)

    return write_shards(folder, ShardSettings(tokens=tokens, source=ClipSource.of(data), shard_clips=shard_clips), make)


def latent_frames_of(config: VQGANConfig, frames: int | None) -> int:
    """How many latent frames a clip of `frames` frames has (absent, the model's own number).

    Raises:
        UserError: if they are no multiple of the compression in time.
    """
    frames, step = config.frames if frames is None else frames, config.downsample[0]
    if frames < step or frames % step:
        lower = frames // step * step
        fitting = f"{lower} or {lower + step}" if lower > 0 else f"{step}"
        raise UserError(f"clips of {frames} frames are no multiple of {step}, the compression in time: take {fitting}.")
    return frames // step

"""What a released transformer's file leaves unsaid: how its VQGAN downsamples, and how its tokens lie in a clip.

Such a file holds the VQGAN's weights but not its settings. Their shapes tell the widths and the number of levels, not
which axis which level halves. The number of positions of the transformer does, together with the length and the
resolution of the training clips: of all ways to downsample few give a grid that fills those positions.

Letters: t h w latent grid.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from typing import Literal, NamedTuple

from torch import Tensor

from tatslib.errors import UserError
from tatslib.foreign import LightningCheckpoint
from tatslib.vqgan.config import VQGANConfig
from tatslib.vqgan.padding import Triple

Condition = Literal["none", "class", "text", "sound"]
CONDITION_LENGTH = {"none": 1, "class": 1, "text": 256}  # of sound: as many as its own VQGAN makes of a clip
SPECTROGRAM = (64, 16)  # height and width of the picture of sound that stands beside each frame
DRUM_RESOLUTION = 96  # the reader of that data set did not pass the option on


class Layout(NamedTuple):
    """How a released transformer's sequence is made up."""

    downsample: Triple | None  # of its VQGAN; None where the file was trained on tokens and does not say
    frames: int  # of a training clip
    resolution: int  # of its frames
    grid: Triple  # (t, h, w) of the tokens in a sequence
    condition_length: int  # tokens before them


def condition_of(checkpoint: LightningCheckpoint) -> Condition:
    """What stands before the video tokens, by the options of the training script."""
    args = checkpoint.args
    kind = args.get("cond_stage_key") or checkpoint.hyper_parameters.get("cond_stage_key")
    if args.get("unconditional"):
        return "none"
    if kind == "stft" or any(key.startswith("cond_stage_model.") for key in checkpoint.state):
        return "sound"
    return "text" if kind == "text" or args.get("text_cond") else "class"


def layout_of(
    checkpoint: LightningCheckpoint, vqgan: VQGANConfig | None = None, sound: VQGANConfig | None = None
) -> Layout:
    """How the tokens of a released transformer lie.

    Args:
        checkpoint: the transformer's file.
        vqgan: settings of the VQGAN behind it, where another file told them.
        sound: the same of the VQGAN of its sound.

    Raises:
        UserError: if no way to downsample fits the positions, or more than one does; the numbers are in the sentence.
    """
    block = positions_of(checkpoint)
    if checkpoint.args.get("vtokens"):
        return _layout_of_tokens(checkpoint, block, vqgan)
    if vqgan is None and not levels_of(checkpoint.part("first_stage_model.")):
        raise UserError(f"{checkpoint.path} holds a transformer without its VQGAN: name the VQGAN's own file as well.")
    fitting: dict[Layout, int] = {}
    for layout in _candidates(checkpoint, block, vqgan, sound):
        spare = block + 1 - layout.condition_length - prod(layout.grid)
        if 0 <= spare < prod(layout.grid[1:]) and layout.condition_length > 0:
            fitting[layout] = spare
    best = [layout for layout, spare in fitting.items() if spare == min(fitting.values())]
    if len(best) != 1:
        ways = " or ".join(f"{one.downsample} into {one.grid}" for one in best) or "none that is known"
        raise UserError(
            f"{checkpoint.path} does not say how its VQGAN downsamples, and its {block} positions with clips of "
            f"{checkpoint.number('sequence_length')} frames of {checkpoint.number('resolution')} pixels fit {ways}: "
            "name the VQGAN's own file as well."
        )
    return best[0]


def _candidates(
    checkpoint: LightningCheckpoint, block: int, vqgan: VQGANConfig | None, sound: VQGANConfig | None
) -> Iterator[Layout]:
    """Every layout that the options of the training script leave open, whether or not it fits the positions."""
    condition = condition_of(checkpoint)
    length, resolution = checkpoint.number("sequence_length"), checkpoint.number("resolution")
    stride, keep = (checkpoint.number(f"sample_every_n_{what}", absent=1) for what in ("frames", "latent_frames"))
    levels = levels_of(checkpoint.part("first_stage_model."))
    # no released model shrinks time more than space
    downsamples = [vqgan.downsample] if vqgan else [(2**t, 2**levels, 2**levels) for t in range(levels + 1)]
    resolutions = {resolution, DRUM_RESOLUTION} if condition == "sound" else {resolution}
    lengths = {length // stride, length}  # some readers count frames before they skip, some after
    for downsample, frames, size in product(downsamples, sorted(lengths), sorted(resolutions)):
        if frames % downsample[0] == 0 and size % downsample[1] == 0 and size % downsample[2] == 0:
            t = len(range(0, frames // downsample[0], keep))
            grid = (t, size // downsample[1], size // downsample[2])
            rest = block + 1 - prod(grid)
            if condition != "sound" or rest in _sound_lengths(checkpoint, frames, sound):
                yield Layout(downsample, frames, size, grid, CONDITION_LENGTH.get(condition, rest))


def _sound_lengths(checkpoint: LightningCheckpoint, frames: int, sound: VQGANConfig | None) -> set[int]:
    """How many tokens the sound of a clip can become."""
    height, width = SPECTROGRAM
    if sound is not None:
        t, h, w = sound.downsample
        return {(frames // t) * (height // h) * (width // w), (sound.frames // t) * (height // h) * (width // w)}
    factors = [2**n for n in range(levels_of(checkpoint.part("cond_stage_model.")) + 1)]
    return {(frames // t) * (height // h) * (width // w) for t, h, w in product(factors, repeat=3)}


def _layout_of_tokens(checkpoint: LightningCheckpoint, block: int, vqgan: VQGANConfig | None) -> Layout:
    """The layout of a transformer that was trained on stored tokens: they were square, and fill its positions."""
    length = CONDITION_LENGTH.get(condition_of(checkpoint), 1)
    tokens = block + 1 - length
    said = checkpoint.number("spatial_length") if checkpoint.args.get("spatial_length") else 0
    sides = [said, vqgan.latent_shape[1] if vqgan else 0]
    for side in sides:
        if side and tokens > 0 and tokens % side**2 == 0:
            downsample, t = (vqgan.downsample if vqgan else None), tokens // side**2
            frames, resolution = checkpoint.number("sequence_length"), checkpoint.number("resolution")
            return Layout(downsample, frames, resolution, (t, side, side), length)
    raise UserError(
        f"{checkpoint.path} was trained on stored tokens, and its {tokens} positions do not divide into latent frames "
        f"of {said}x{said}: name the VQGAN's own file as well."
    )


def positions_of(checkpoint: LightningCheckpoint) -> int:
    """How many positions the transformer in a file knows."""
    table = checkpoint.state.get("transformer.pos_emb")
    if table is None or table.ndim != 3:
        raise UserError(f"{checkpoint.path} holds no tensor transformer.pos_emb of 3 axes: it is not a released one.")
    return table.shape[1]


def levels_of(state: Mapping[str, Tensor]) -> int:
    """How often a released VQGAN halves the axis that it halves most often; 0 if the state is none of a VQGAN."""
    return len({m[1] for key in state if (m := re.match(r"encoder\.conv_blocks\.(\d+)\.", key))})

"""Commands that measure: `tats bench`."""

from pathlib import Path
from typing import Literal

from tatslib.commands.opening import READERS, DataSet, load_sound_vqgan, load_vqgan, open_clips
from tatslib.commands.tokenize import telling_of
from tatslib.commands.tree import bench
from tatslib.datasets.benchmark import bench_data
from tatslib.datasets.sharded_clips import ShardedClips
from tatslib.datasets.tokens import Lead
from tatslib.errors import UserError
from tatslib.training.benchmark import bench_vqgan
from tatslib.training.led_clips import BySound, ByText, Leading
from tatslib.training.presets import Scale
from tatslib.training.sampling_benchmark import bench_sample
from tatslib.training.token_benchmark import bench_tokens


@bench.command(name="data")
def bench_data_command(data: Path, dataset: DataSet = "ucf101", resolution: int = 128, seconds: float = 5.0) -> None:
    """Measure clips a second, from the frame cache and from the files, beside the bare decoder.

    Args:
        data: the data set's folder.
        dataset: whose layout the folder has.
        resolution: height and width of the clips.
        seconds: how long to measure each.
    """
    bench_data(READERS[dataset](data, resolution=resolution), seconds)


@bench.command(name="vqgan")
def bench_vqgan_command(scale: Scale = "toy", seconds: float = 10.0, compare: bool = False) -> None:
    """Measure the first stage: encode, decode (whole and in windows), a training step with adversaries.

    Args:
        scale: row of the table of presets.
        seconds: how long to measure each.
        compare: against the released way of computing, in turns.
    """
    bench_vqgan(scale, seconds, compare)


@bench.command(name="sample")
def bench_sample_command(
    scale: Scale = "toy",
    seconds: float = 5.0,
    compare: bool = False,
    batch: tuple[int, ...] = (1, 32),
    layers: int | None = None,
) -> None:
    """Measure the second stage: base and hierarchical sampling, bandwidth, small weights; with random weights.

    Args:
        scale: row of the table of presets.
        seconds: how long to measure each kind of work.
        compare: against the released way of sampling, in turns; from a checkout.
        batch: videos side by side.
        layers: other than the preset's, to try its width on a small machine.
    """
    if not batch or min(*batch, 1 if layers is None else layers) < 1:
        raise UserError(f"batch and layers start at 1, got {batch} and {layers}.")
    bench_sample(scale, seconds, compare, batch, layers)


@bench.command(name="tokens")
def bench_tokens_command(
    tokens: str,
    data: Path,
    vqgan: Path,
    dataset: DataSet = "ucf101",
    scale: Scale = "toy",
    seconds: float = 3.0,
    sound_vqgan: Path | None = None,
    sound: Literal["pickle", "track"] = "pickle",
    text: Literal["auto", "manual"] = "auto",
    wording: Literal["plain", "varied"] = "plain",
) -> None:
    """Measure the training of a transformer from token shards, beside encoding each batch anew.

    Clips that are encoded anew are told what those in the shards are told: their class, their text or their sound.

    Args:
        tokens: a folder that `tats tokenize` wrote, or the URL where it lies.
        data: the data set's folder.
        vqgan: folder of the VQGAN that made the tokens.
        dataset: whose layout the folder has.
        scale: of the transformer, row of the table of presets.
        seconds: how long to measure each of five.
        sound_vqgan: folder of the VQ-VAE of sound, for tokens that are led by sound.
        sound: of drums, as for `tats tokenize`.
        text: of mugen, as for `tats tokenize`.
        wording: of mugen, as for `tats tokenize`.
    """
    telling = telling_of(dataset, sound, text, wording)
    shards, model = ShardedClips.read(tokens), load_vqgan(vqgan)
    frames = shards.index.latent_shape[0] * model.config.downsample[0]
    leading = leading_of(shards.index.lead, sound_vqgan, frames)
    source = shards.shards.source
    clips = open_clips(dataset, data, "train", model.config, model.config.margins, frames, source.stride, **telling)
    if leading and clips.told != source.told:
        here, there = clips.told or "nothing special", source.told or "nothing special"
        raise UserError(f"these tokens were told {there}, but clips here {here}: use the options of `tats tokenize`.")
    bench_tokens(shards, model, clips, scale, seconds, leading)


def leading_of(lead: Lead | None, sound_vqgan: Path | None, frames: int) -> Leading | None:
    """What makes the conditions of clips of so many frames as those of a token set were made; None for their class.

    Raises:
        UserError: if a VQ-VAE of sound is needed and not there, or there and not needed.
    """
    kind = lead.kind if lead else "class"
    if kind == "sound":
        if sound_vqgan is None:
            raise UserError("these tokens are led by sound: say where its VQ-VAE lies (--sound-vqgan FOLDER).")
        return BySound(load_sound_vqgan(sound_vqgan), frames)
    if sound_vqgan is not None:
        raise UserError(f"these tokens are led by {kind}, not by sound: leave out --sound-vqgan.")
    return ByText(padding=lead.padding) if lead else None

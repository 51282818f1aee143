"""The command line: `tats data | train | tokenize | sample | download | convert | recipes | bench`.

Thin: each command is one call. Mistakes come back as one sentence on stderr and exit status 2; Ctrl-C as 130.
"""

import logging
import sys
from contextlib import redirect_stdout
from itertools import islice
from pathlib import Path
from typing import Literal, NoReturn

import torch
import tyro
from pydantic import ValidationError
from tyro.conf import Positional
from tyro.extras import SubcommandApp

from tatslib import recipes
from tatslib.config import explain
from tatslib.datasets.benchmark import bench_data
from tatslib.datasets.clips import ClipDataset
from tatslib.datasets.sky_timelapse import sky_timelapse
from tatslib.datasets.tokens import TokenClips, TokenIndex
from tatslib.datasets.ucf101 import ucf101
from tatslib.distributed import Echo, first_on_each_machine, is_main, process_group
from tatslib.downloads import RELEASED, released_file
from tatslib.errors import UserError
from tatslib.sampling.filters import Filters
from tatslib.sampling.sliding_window import sample as sample_tokens
from tatslib.training.benchmark import bench_vqgan
from tatslib.training.checkpoint import load_model, read_config, weights_fingerprint
from tatslib.training.convert import check_sliding, convert
from tatslib.training.device import default_device
from tatslib.training.loop import Interrupted
from tatslib.training.presets import PRESETS, Scale
from tatslib.training.train_transformer import gpt_config, tokenize, train_transformer
from tatslib.training.train_vqgan import evaluate_vqgan, train_vqgan
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.videos import check_suffix, to_uint8, write_video
from tatslib.vqgan.padding import Mode
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig
from tatslib.vqgan.windows import decode_in_windows
from tatslib.worlds import actions, sky

World = Literal["actions", "sky"]
DataSet = Literal["ucf101", "sky"]

app, data, train, recipe, bench = (SubcommandApp() for _ in range(5))
app.command(data, name="data", help="Make the toy worlds.")
app.command(train, name="train", help="Train a VQGAN or a transformer.")
app.command(recipe, name="recipes", help="Say what an artefact would cost, or build it.")
app.command(bench, name="bench", help="Measure speed.")


@data.command(name="make")
def data_make(world: Positional[World], out: Path, seed: int = 0, size: int = 64) -> None:
    """Write a procedural world as real video files in the layout of the data set that it stands for.

    Args:
        world: actions stands for UCF-101, sky for Sky Time-lapse.
        out: folder to write to.
        seed: which videos.
        size: height of the videos in pixels.
    """
    (actions.write if world == "actions" else sky.write)(out, seed=seed, size=size)
    print(f"wrote the {world} world to {out}")


@train.command(name="vqgan")
def train_vqgan_command(
    data: Path,
    out: Path,
    dataset: DataSet = "ucf101",
    scale: Scale = "toy",
    padding: Mode = "replicate",
    steps: int | None = None,
    batch: int | None = None,
    accumulate: int | None = None,
    learning_rate: float | None = None,
    gan_start: int | None = None,
    weights: Path | None = None,
    seed: int = 0,
) -> None:
    """Train the first stage on a folder of videos; run it again to go on after a stop.

    On several GPUs or machines: `torchrun --nproc-per-node gpu -m tatslib.cli train vqgan ...`.

    Args:
        data: the data set's folder, real or toy.
        out: folder of the run: checkpoints, log, and in the end config.json and model.safetensors.
        dataset: whose layout the folder has.
        scale: row of the table of presets.
        padding: of every convolution in time and space; valid means real frames in time.
        steps: other than the preset's; so are the next four.
        batch: clips a step, over all parts and processes.
        accumulate: parts that a batch is computed in, if it does not fit into memory.
        learning_rate: the largest.
        gan_start: step at which the adversaries join; at toy and gpu scale in a run of their own (see weights).
        weights: folder of a trained VQGAN to begin with; the settings are then those of the adversaries.
        seed: of weights, clips and codes.
    """
    preset = PRESETS[scale]
    config = preset.vqgan.replace(padding=padding)
    settings = preset.adversarial if weights is not None and preset.adversarial is not None else preset.vqgan_training
    wanted = {"steps": steps, "batch": batch, "accumulate": accumulate, "learning_rate": learning_rate}
    wanted = {name: value for name, value in {**wanted, "gan_start": gan_start}.items() if value is not None}
    warmup = min(settings.warmup_without_codes, (steps or settings.steps) // 4)  # a short trial gets a codebook too
    training = settings.replace(seed=seed, warmup_without_codes=warmup, **wanted)
    begin = None
    if weights is not None:
        begin = VQGAN(read_config(weights, VQGANConfig, expected=config))
        load_model(weights, begin)
    with process_group():
        with first_on_each_machine():  # which decodes the videos for the others
            clips = open_clips(dataset, data, "train", config, config.forward_margins)
            held_out = open_clips(dataset, data, "test", config, config.forward_margins)
        vqgan = train_vqgan(config, training, clips, out, device=default_device(), start=begin)
        if is_main():
            scores = evaluate_vqgan(vqgan, held_out)
            psnr, used = f"PSNR {scores['psnr']:.2f} dB", f"{scores['used_codes']:.0%} of the codes used"
            print(f"{out}: {psnr}, {used}, on held-out clips")


@app.command(name="tokenize")
def tokenize_command(
    data: Path,
    vqgan: Path,
    out: Path,
    dataset: DataSet = "ucf101",
    split: Literal["train", "test"] = "train",
    clips: int = PRESETS["toy"].train_clips,
) -> None:
    """Encode clips of a data set into a token set, on which a transformer trains.

    Args:
        data: the data set's folder.
        vqgan: folder of a trained VQGAN.
        out: folder to write tokens.safetensors and index.json to.
        dataset: whose layout the folder has.
        split: which part of the data.
        clips: how many clips to encode.
    """
    model = load_vqgan(vqgan)
    source = open_clips(dataset, data, split, model.config, model.config.margins)
    tokenize(model, source, clips, classes=source.classes).write(out)
    print(f"wrote {clips} tokenised clips to {out}")


@train.command(name="transformer")
def train_transformer_command(
    tokens: Path, out: Path, scale: Scale = "toy", steps: int | None = None, seed: int = 0, shard: bool = False
) -> None:
    """Train the second stage on a token set; run it again to go on after a stop.

    On several GPUs or machines: `torchrun --nproc-per-node gpu -m tatslib.cli train transformer ...`.

    Args:
        tokens: a folder that `tats tokenize` wrote.
        out: folder of the run.
        scale: row of the table of presets.
        steps: other than the preset's.
        seed: of weights and order.
        shard: under torchrun, hold a slice of the model in each process, for models too large for one GPU.
    """
    preset = PRESETS[scale]
    training = preset.transformer_training.replace(seed=seed, steps=steps or preset.transformer_training.steps)
    clips = TokenClips.read(tokens, seed)
    config = gpt_config(clips.index, preset.transformer.layers, preset.transformer.heads, preset.transformer.width)
    with process_group():
        train_transformer(config, training, clips, out, device=default_device(), sharded=shard)
        if is_main():
            print(f"{out}: trained {training.steps} steps")


@app.command(name="sample")
def sample_command(
    vqgan: Path,
    transformer: Path,
    out: Path,
    frames: int = 256,
    label: int = 0,
    context_frames: int | None = None,
    top_k: int | None = None,
    top_p: float | None = 0.8,
    temperature: float = 1.0,
    seed: int = 0,
) -> None:
    """Sample one video of any length with a sliding window and write it to a file.

    Args:
        vqgan: folder of a trained VQGAN.
        transformer: folder of a transformer trained on its tokens.
        out: the video: .mp4, .avi, or no suffix for a folder of frames.
        frames: length of the video; rounded up to whole latent frames.
        label: class number from 0 on, for a model that knows classes.
        context_frames: latent frames to look back upon; absent, all that fit.
        top_k: draw among the k likeliest tokens.
        top_p: draw among the likeliest tokens that hold this much probability together.
        temperature: below 1 keeps closer to the likeliest tokens, above 1 strays further.
        seed: which video.
    """
    check_suffix(out)
    check_sliding(transformer)
    model, gpt = load_vqgan(vqgan), GPT(read_config(transformer, GPTConfig))
    load_model(transformer, gpt.to(default_device()))
    learnt_from = TokenIndex.from_json((transformer / "data.json").read_text(), source=transformer / "data.json")
    if learnt_from.vqgan != weights_fingerprint(model):
        raise UserError(
            f"{transformer} was trained on the tokens of another VQGAN than {vqgan}: name that one instead."
        )
    filters = Filters(temperature=temperature, top_k=top_k, top_p=top_p)
    latent_frames = -(-frames // model.config.downsample[0]) + sum(model.config.latent_margins)
    tokens = sample_tokens(gpt, torch.tensor([[label]]), latent_frames, filters, context_frames, seed)
    video = (frame for part in decode_in_windows(model, tokens) for frame in to_uint8(part[0]))
    write_video(out, islice(video, frames))
    print(f"wrote {frames} frames to {out}")


@app.command(name="download")
def download_command(name: Positional[str], out: Path | None = None) -> None:
    """Download a checkpoint that the authors released, or say which there are.

    Args:
        name: of the file, or list.
        out: folder to put it in; absent, released under TATS_HOME.
    """
    if name == "list":
        width = max(map(len, RELEASED))
        print("\n".join(f"{name:{width}}  {released.what}" for name, released in RELEASED.items()))
        return
    path = released_file(name, out)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; its SHA-256 stands in {path.name}.sha256, none was published")


@app.command(name="convert")
def convert_command(
    file: Positional[Path], out: Path, vqgan: Path | None = None, sound_vqgan: Path | None = None
) -> None:
    """Turn a checkpoint of the authors into models of this package; nothing in it is executed.

    Args:
        file: a VQGAN's or a transformer's checkpoint.
        out: a new folder, which gets vqgan and transformer, whichever are in the file.
        vqgan: file or folder of the VQGAN, for a transformer's file that leaves it out or its settings open.
        sound_vqgan: the same of the VQGAN of its sound.
    """
    print("\n".join(convert(file, out, vqgan, sound_vqgan)))


@recipe.command(name="plan")
def recipes_plan(name: Positional[str], seed: int = 0) -> None:
    """Say what building an artefact would take.

    Args:
        name: such as actions/gpt-replicate.
        seed: of the models.
    """
    print(recipes.plan(name, seed))


@recipe.command(name="get")
def recipes_get(name: Positional[str], seed: int = 0) -> None:
    """Build an artefact, and all it needs, unless it is there; print its folder.

    Args:
        name: such as actions/gpt-replicate.
        seed: of the models.
    """
    with redirect_stdout(sys.stderr):  # standard output holds the folder and nothing else
        artefact = recipes.get(name, seed)
    print(artefact.folder)


@bench.command(name="data")
def bench_data_command(data: Path, dataset: DataSet = "ucf101", resolution: int = 128, seconds: float = 5.0) -> None:
    """Measure clips a second, from the frame cache and from the files, beside the bare decoder.

    Args:
        data: the data set's folder.
        dataset: whose layout the folder has.
        resolution: height and width of the clips.
        seconds: how long to measure each.
    """
    reader = ucf101 if dataset == "ucf101" else sky_timelapse
    bench_data(reader(data, resolution=resolution), seconds)


@bench.command(name="vqgan")
def bench_vqgan_command(scale: Scale = "toy", seconds: float = 10.0, compare: bool = False) -> None:
    """Measure the first stage: encode, decode (whole and in windows), a training step with adversaries.

    Args:
        scale: row of the table of presets.
        seconds: how long to measure each.
        compare: against the released way of computing, in turns.
    """
    bench_vqgan(scale, seconds, compare)


def open_clips(
    dataset: DataSet, folder: Path, split: Literal["train", "test"], config: VQGANConfig, margins: tuple[int, int]
) -> ClipDataset:
    """Clips of a real or toy data set as a VQGAN takes them, with the real frames around that `valid` asks for."""
    reader = ucf101 if dataset == "ucf101" else sky_timelapse
    return reader(folder, split=split, length=config.frames + sum(margins), resolution=config.resolution)


def load_vqgan(folder: Path) -> VQGAN:
    """A trained VQGAN in evaluation mode, where there is a GPU on it."""
    model = VQGAN(read_config(folder, VQGANConfig))
    load_model(folder, model)
    return model.to(default_device())


def main() -> None:
    """Run the command that was typed; a mistake that a user can mend is one sentence, without a traceback."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        app.cli(prog="tats", config=(tyro.conf.OmitArgPrefixes,))
    except Echo:  # process 0 says it and fails; torchrun would end it before, were this one the first to fail
        sys.exit(0)
    except Interrupted as stop:
        fail(str(stop), status=130)
    except KeyboardInterrupt:
        fail("stopped by Ctrl-C", status=130)
    except ValidationError as error:
        fail(explain(error))
    except (UserError, OSError) as error:
        fail(str(error))


def fail(sentence: str, status: int = 2) -> NoReturn:
    """Say what went wrong and end with `status`."""
    print(f"tats: {sentence}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()

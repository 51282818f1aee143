"""Commands that train: `tats train`."""

from pathlib import Path
from typing import Literal

from tatslib.commands.opening import DataSet, open_clips
from tatslib.commands.tree import train
from tatslib.datasets.sharded_clips import open_tokens
from tatslib.distributed import first_on_each_machine, is_main, process_group
from tatslib.training.checkpoint import load_model, read_config
from tatslib.training.device import default_device
from tatslib.training.presets import PRESETS, Scale
from tatslib.training.train_interpolation import InterpolationTraining, interpolation_config
from tatslib.training.train_transformer import gpt_config, train_transformer
from tatslib.training.train_vqgan import evaluate_vqgan, train_vqgan
from tatslib.vqgan.padding import Mode
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig


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


@train.command(name="transformer")
def train_transformer_command(
    tokens: str,
    out: Path,
    scale: Scale = "toy",
    latent_stride: int = 1,
    latent_frames: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    shard: bool = False,
) -> None:
    """Train the second stage on a token set; run it again to go on after a stop.

    On several GPUs or machines: `torchrun --nproc-per-node gpu -m tatslib.cli train transformer ...`.

    Args:
        tokens: a folder that `tats tokenize` wrote, or the URL where it lies (s3://, gs://, https://, ...).
        out: folder of the run.
        scale: row of the table of presets.
        latent_stride: train on every so-manieth latent frame only; 4 out of long clips is how a hierarchy begins.
        latent_frames: how many of them; absent, all.
        steps: other than the preset's.
        seed: of weights and order.
        shard: under torchrun, hold a slice of the model in each process, for models too large for one GPU.
    """
    preset = PRESETS[scale]
    training = preset.transformer_training.replace(seed=seed, steps=steps or preset.transformer_training.steps)
    clips = open_tokens(tokens, seed).every(latent_stride, latent_frames)
    config = gpt_config(clips.index, preset.transformer.layers, preset.transformer.heads, preset.transformer.width)
    with process_group():
        train_transformer(config, training, clips, out, device=default_device(), sharded=shard)
        if is_main():
            print(f"{out}: trained {training.steps} steps")


@train.command(name="interpolation")
def train_interpolation_command(
    tokens: str,
    out: Path,
    scale: Scale = "toy",
    latent_stride: int = 1,
    latent_frames: int = 5,
    loss_over: Literal["gap", "all"] = "gap",
    steps: int | None = None,
    seed: int = 0,
    shard: bool = False,
) -> None:
    """Train a transformer that fills in between two latent frames, for the lower levels of a hierarchy.

    It learns from all gaps of each clip, side by side. Run it again to go on after a stop; it runs under torchrun, too.

    Args:
        tokens: a folder that `tats tokenize` wrote, or the URL where it lies (s3://, gs://, https://, ...).
        out: folder of the run.
        scale: row of the table of presets.
        latent_stride: of the frames that it works on: 1 for the lowest level; above it, latent-frames less one.
        latent_frames: of a gap with the frame at either end: 5 makes a level four times as dense as the one above.
        loss_over: gap counts the tokens to fill in; all, as released, the known ones at both ends, too.
        steps: other than the preset's.
        seed: of weights and order.
        shard: under torchrun, hold a slice of the model in each process, for models too large for one GPU.
    """
    preset = PRESETS[scale]
    settings = {**preset.transformer_training.model_dump(), "seed": seed, "loss_over": loss_over}
    training = InterpolationTraining(**{**settings, "steps": steps or preset.transformer_training.steps})
    clips = open_tokens(tokens, seed).every(latent_stride).windows(latent_frames, latent_frames - 1)
    size = preset.transformer
    config = interpolation_config(clips.index, size.layers, size.heads, size.width)
    with process_group():
        train_transformer(config, training, clips, out, device=default_device(), label="filler", sharded=shard)
        if is_main():
            print(f"{out}: trained {training.steps} steps")

"""Commands that train: `tats train`."""

from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from tatslib.commands.opening import DataSet, open_clips
from tatslib.commands.tree import train
from tatslib.datasets.sharded_clips import ShardedClips, open_tokens
from tatslib.datasets.tokens import TokenClips
from tatslib.distributed import first_on_each_machine, is_main, process_group
from tatslib.errors import UserError
from tatslib.training.budget import Budget, table, transformer_budget, vqgan_budget
from tatslib.training.checkpoint import load_model, read_config
from tatslib.training.device import default_device
from tatslib.training.paper_presets import PAPER_PRESETS, PaperSet, Role
from tatslib.training.presets import PRESETS, Scale
from tatslib.training.train_guided import guidable
from tatslib.training.train_interpolation import InterpolationTraining, interpolation_config
from tatslib.training.train_transformer import TransformerTraining, gpt_config, train_transformer
from tatslib.training.train_vqgan import evaluate_vqgan, train_vqgan, warmup_of
from tatslib.vqgan.padding import Mode
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig


@train.command(name="plan")
def train_plan_command(
    preset: Positional[PaperSet], gpu: str = "H100", gpus: int = 8, utilisation: float = 0.3
) -> None:
    """Say what training the paper's models of a data set would take; nothing is trained.

    Args:
        preset: whose models.
        gpu: V100, V100-float16, T4, A100 or H100.
        gpus: how many of them share each batch.
        utilisation: the share of their peak that is reached.
    """
    paper = PAPER_PRESETS[preset]
    budget = table(list(paper.budgets().values()), gpu, gpus, utilisation)
    print(f"{paper.title}: {paper.vqgan.resolution}x{paper.vqgan.resolution} pixels, condition: {paper.condition.kind}")
    print(budget)
    if paper.frame_stride > 1:
        print(
            f"TATS-base takes every {paper.frame_stride}th frame and the hierarchical pair every frame (B.1), so the "
            "pair has a VQGAN of its own: add the row of the VQGAN once more to train both."
        )


@train.command(name="vqgan")
def train_vqgan_command(
    data: Path,
    out: Path,
    dataset: DataSet | None = None,
    scale: Scale | None = None,
    preset: PaperSet | None = None,
    padding: Mode = "replicate",
    steps: int | None = None,
    batch: int | None = None,
    accumulate: int | None = None,
    learning_rate: float | None = None,
    gan_start: int | None = None,
    stride: int | None = None,
    weights: Path | None = None,
    perceptual: Path | None = None,
    seed: int = 0,
) -> None:
    """Train the first stage on a folder of videos; run it again to go on after a stop.

    On several GPUs or machines: `torchrun --nproc-per-node gpu -m tatslib.cli train vqgan ...`.

    Args:
        data: the data set's folder, real or toy.
        out: folder of the run: checkpoints, log, and in the end config.json and model.safetensors.
        dataset: whose layout the folder has; absent, the preset's, or UCF-101's.
        scale: row of the table of presets; absent, toy.
        preset: in place of a scale, the paper's settings for this data set; what they cost is said first.
        padding: of every convolution in time and space; valid means real frames in time.
        steps: other than the preset's; so are the next four.
        batch: clips a step, over all parts and processes.
        accumulate: parts that a batch is computed in, if it does not fit into memory.
        learning_rate: the largest.
        gan_start: step at which the adversaries join; at toy and gpu scale in a run of their own (see weights).
        stride: distance between two frames of a clip in the video; absent, 4 for taichi and 1 for the others.
        weights: folder of a trained VQGAN to begin with; the settings are then those of the adversaries.
        perceptual: a released checkpoint to take LPIPS from; absent, VGG16's official file, if it can be had.
        seed: of weights, clips and codes.
    """
    row = PRESETS[one_of(scale, preset)]
    config, settings = row.vqgan, row.vqgan_training
    if preset is not None:
        config, settings = PAPER_PRESETS[preset].vqgan, PAPER_PRESETS[preset].vqgan_training
    elif weights is not None and row.adversarial is not None:
        settings = row.adversarial
    config = config.replace(padding=padding)
    wanted = {"steps": steps, "batch": batch, "accumulate": accumulate, "learning_rate": learning_rate}
    wanted = {name: value for name, value in {**wanted, "gan_start": gan_start}.items() if value is not None}
    training = settings.replace(seed=seed, warmup_without_codes=0, **wanted)
    training = training.replace(warmup_without_codes=warmup_of(out, settings, training.steps))
    begin = None
    if weights is not None:
        begin = VQGAN(read_config(weights, VQGANConfig, expected=config))
        load_model(weights, begin)
    with process_group():
        if preset is not None:
            announce(vqgan_budget(config, training))
        with first_on_each_machine():  # which decodes the videos for the others
            source = dataset or preset or "ucf101"
            clips = open_clips(source, data, "train", config, config.forward_margins, stride=stride)
            held_out = open_clips(source, data, "test", config, config.forward_margins, stride=stride)
        vqgan = train_vqgan(config, training, clips, out, device=default_device(), start=begin, perceptual=perceptual)
        if is_main():
            scores = evaluate_vqgan(vqgan, held_out)
            psnr, used = f"PSNR {scores['psnr']:.2f} dB", f"{scores['used_codes']:.0%} of the codes used"
            print(f"{out}: {psnr}, {used}, on held-out clips")


@train.command(name="transformer")
def train_transformer_command(
    tokens: str,
    out: Path,
    scale: Scale | None = None,
    preset: PaperSet | None = None,
    latent_stride: int = 1,
    latent_frames: int | None = None,
    condition_dropout: float = 0.0,
    steps: int | None = None,
    seed: int = 0,
    shard: bool = False,
) -> None:
    """Train the second stage on a token set; run it again to go on after a stop.

    On several GPUs or machines: `torchrun --nproc-per-node gpu -m tatslib.cli train transformer ...`.

    Args:
        tokens: a folder that `tats tokenize` wrote, or the URL where it lies (s3://, gs://, https://, ...).
        out: folder of the run.
        scale: row of the table of presets; absent, toy.
        preset: in place of a scale, the paper's settings for this data set, of TATS-base, or with a latent stride of
            the transformer that plans; what they cost is said first.
        latent_stride: train on every so-manieth latent frame only; 4 out of long clips is how a hierarchy begins. Clips
            that are led by text or sound end with the last one that is kept: 13 latent frames, for every 4th.
        latent_frames: how many of them; absent, all.
        condition_dropout: share of the clips whose class, text or sound is withheld, such as 0.1, so that
            `tats sample --guidance` can tell what it changes.
        steps: other than the preset's.
        seed: of weights and order.
        shard: under torchrun, hold a slice of the model in each process, for models too large for one GPU; checkpoints
            are in slices, too, on a disk that all machines share.
    """
    row = PRESETS[one_of(scale, preset)]
    clips = open_tokens(tokens, seed).every(latent_stride, latent_frames)
    plain = gpt_config(clips.index, row.transformer.layers, row.transformer.heads, row.transformer.width)
    settings = row.transformer_training
    if preset is not None:
        settings = as_in_the_paper(preset, "base" if latent_stride == 1 else "sparse", clips)
    settings = settings.replace(seed=seed, steps=settings.steps if steps is None else steps)
    with process_group():
        config, training = guidable(plain, settings, condition_dropout, out)
        if preset is not None:
            announce(transformer_budget(config, training))
        train_transformer(config, training, clips, out, device=default_device(), sharded=shard)
        if is_main():
            print(f"{out}: trained {training.steps} steps")


@train.command(name="interpolation")
def train_interpolation_command(
    tokens: str,
    out: Path,
    scale: Scale | None = None,
    preset: PaperSet | None = None,
    latent_stride: int = 1,
    latent_frames: int = 5,
    loss_over: Literal["gap", "all"] = "gap",
    condition_dropout: float = 0.0,
    steps: int | None = None,
    seed: int = 0,
    shard: bool = False,
) -> None:
    """Train a transformer that fills in between two latent frames, for the lower levels of a hierarchy.

    It learns from all gaps of each clip, side by side. Run it again to go on after a stop; it runs under torchrun, too.

    A text or a sound tells of a whole clip, and while sampling of just the latent frames from one end of a gap to the
    other. So clips that are led by either are one gap each, in a token set of their own: 5 latent frames for the lowest
    level, 17 above it (`tats tokenize --frames`, which counts frames: 20 and 68 where a latent frame stands for 4).

    Args:
        tokens: a folder that `tats tokenize` wrote, or the URL where it lies (s3://, gs://, https://, ...).
        out: folder of the run.
        scale: row of the table of presets; absent, toy.
        preset: in place of a scale, the paper's settings for this data set; what they cost is said first.
        latent_stride: of the frames that it works on: 1 for the lowest level; above it, latent-frames less one.
        latent_frames: of a gap with the frame at either end: 5 makes a level four times as dense as the one above.
        loss_over: gap counts the tokens to fill in; all, as released, the known ones at both ends, too.
        condition_dropout: share of the clips whose class, text or sound is withheld, see `tats train transformer`;
            `--guidance` takes it at every level.
        steps: other than the preset's.
        seed: of weights and order.
        shard: under torchrun, hold a slice of the model in each process, for models too large for one GPU; checkpoints
            are in slices, too, on a disk that all machines share.
    """
    row = PRESETS[one_of(scale, preset)]
    span = (latent_frames - 1) * latent_stride  # cut before it is thinned, so that refusals speak of the clips' length
    clips = open_tokens(tokens, seed).windows(span + 1, span).every(latent_stride)
    plain = interpolation_config(clips.index, row.transformer.layers, row.transformer.heads, row.transformer.width)
    settings = row.transformer_training
    if preset is not None:
        settings = as_in_the_paper(preset, "filler", clips)
    changes = {"seed": seed, "loss_over": loss_over, "steps": settings.steps if steps is None else steps}
    always_told = InterpolationTraining(**{**settings.model_dump(), **changes})
    with process_group():
        config, training = guidable(plain, always_told, condition_dropout, out)
        if preset is not None:
            announce(transformer_budget(config, training, "filler"))
        train_transformer(config, training, clips, out, device=default_device(), label="filler", sharded=shard)
        if is_main():
            print(f"{out}: trained {training.steps} steps")


def one_of(scale: Scale | None, preset: PaperSet | None) -> Scale:
    """The row of the table of presets that is meant; the paper's models of a data set belong to paper scale.

    Raises:
        UserError: if both are named.
    """
    if scale is not None and preset is not None:
        raise UserError(f"--scale {scale} and --preset {preset} both name settings: give one of them.")
    return scale or ("toy" if preset is None else "paper")


def as_in_the_paper(preset: PaperSet, role: Role, clips: TokenClips | ShardedClips) -> TransformerTraining:
    """How the paper trained its transformer of a data set, if these clips are what that one reads.

    Raises:
        UserError: if the data set has no such transformer, the tokens are of another grid or number, or they lack the
            text or sound that this one is led by.
    """
    paper = PAPER_PRESETS[preset]
    if role not in paper.transformers:
        raise UserError(f"The paper has no hierarchy for {paper.title}: leave --preset out, or train its base.")
    wanted = paper.transformers[role]
    found = clips.index
    if (found.codes, found.latent_shape) != (wanted.gpt.codes, wanted.gpt.latent_shape):
        raise UserError(
            f"These clips have {found.latent_shape} tokens of {found.codes} codes; the paper's {role} transformer of "
            f"{paper.title} reads {wanted.gpt.latent_shape} of {wanted.gpt.codes}: tokenise clips of "
            f"{wanted.clip_latents} latent frames with a VQGAN of that preset."
        )
    kind, lead = paper.condition.kind, clips.index.lead
    if kind in ("text", "sound") and (lead is None or lead.kind != kind):
        raise UserError(
            f"The transformer of {paper.title} is led by {kind}, and these clips come without: make the tokens with "
            f"--condition {kind}."
        )
    return wanted.training


def announce(budget: Budget) -> None:
    """Say what a training will cost, once."""
    if is_main():
        print(table([budget]), flush=True)

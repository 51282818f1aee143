"""Training the first stage: reconstruction, commitment and, from some step on, two adversaries (paper 2.1, A.1, B.2).

Letters: B batch, C channels, T H W frames.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from tatslib.distributed import any_rank, first_on_each_machine, stop_all
from tatslib.errors import UserError
from tatslib.randomness import torch_generator
from tatslib.training.checkpoint import save_model
from tatslib.training.claim import claim_run
from tatslib.training.device import autocast, prepare
from tatslib.training.loop import LoopSettings, Share, Terms, linear_tail, train
from tatslib.training.parallel import gradients_travel, replicate
from tatslib.training.run_perceptual import as_begun
from tatslib.videos import to_model
from tatslib.vqgan.config import Norm
from tatslib.vqgan.discriminators import Adversaries, DiscriminatorConfig, pick_frames
from tatslib.vqgan.losses import DISCRIMINATOR_LOSSES, AdversarialLoss, feature_matching, generator_loss
from tatslib.vqgan.normalisation import synchronise
from tatslib.vqgan.padding import SpatialMode
from tatslib.vqgan.perceptual import Range, load_perceptual
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig, VQGANOutput


class VQGANTraining(LoopSettings):
    """How a VQGAN is trained. The recipes of the scales stand in `presets.py`."""

    learning_rate: float = Field(1e-3, gt=0)
    betas: tuple[float, float] = (0.9, 0.99)  # Adam, of the autoencoder; and of the discriminators
    decay_tail: float = Field(0.3, ge=0, le=1)  # share of the steps over which the rate falls to zero; 0: constant
    warmup_without_codes: int = Field(0, ge=0)  # first steps as a plain autoencoder, before the codebook starts
    l1_weight: float = Field(1.0, ge=0)  # lambda_rec
    l2_weight: float = Field(0.0, ge=0)
    perceptual_weight: float = Field(0.0, ge=0)  # lambda_match for VGG (LPIPS); from the first step on
    seed: int = 0

    # The adversaries.
    gan_start: int | None = Field(None, ge=0)  # step at which they join; None: never
    gan_loss: AdversarialLoss = "hinge"
    image_gan_weight: float = Field(1.0, ge=0)  # lambda_disc
    video_gan_weight: float = Field(1.0, ge=0)
    matching_weight: float = Field(4.0, ge=0)  # lambda_match for the discriminators
    matching_logits: bool = False  # True: as printed, their logits are matched, too
    discriminator_width: int = Field(64, ge=1)
    discriminator_layers: int = Field(3, ge=1)
    discriminator_norm: Norm = "batch"
    discriminator_padding: SpatialMode = "zeros"

    # What the released code does otherwise.
    second_pass: bool = False  # True: all of the model runs, and learns its statistics, once for either optimiser
    perceptual_range: Range = "right"  # "released": LPIPS gets half the contrast that it was fitted to
    perceptual_dropout: bool = False  # True: the heads of LPIPS drop half their channels at random

    def discriminators(self, channels: int) -> DiscriminatorConfig:
        """Shape of the adversaries of videos with so many channels."""
        return DiscriminatorConfig(
            channels=channels,
            width=self.discriminator_width,
            layers=self.discriminator_layers,
            norm=self.discriminator_norm,
            padding=self.discriminator_padding,
        )

    @model_validator(mode="after")
    def _the_steps_suffice(self) -> Self:
        if self.warmup_without_codes >= self.steps:
            raise ValueError(
                f"warmup_without_codes {self.warmup_without_codes} leaves none of {self.steps} steps for the codebook"
            )
        return self


class Clips(Protocol):
    """Where clips come from: a pure function of the step."""

    def clips(self, step: int, batch_size: int, *, rank: int = 0, world_size: int = 1) -> tuple[Tensor, Tensor]:
        """uint8 (B, T, H, W, 3) and int64 (B,) labels: every `world_size`-th clip of the step, from `rank` on."""


class VQGANTask:
    """L_rec + beta L_commit + L_match + L_disc of the paper's 2.1; the codebook's own EMA update is its L_codebook.

    Adversaries judge the reconstruction and one random frame of it. Their terms begin at `gan_start`, when the
    reconstruction has about converged (B.2). On a GPU the networks are compiled, unless `compiled` is false.
    """

    def __init__(
        self,
        config: VQGANConfig,
        training: VQGANTraining,
        data: Clips,
        device: torch.device,
        start: VQGAN | None = None,
        compiled: bool = True,
        perceptual: Path | None = None,
    ):
        self.training, self.data, self.device = training, data, device
        self.vqgan = start or VQGAN(config, seed=training.seed)
        prepare(self.vqgan, training.precision, device, compiled)
        synchronise(self.vqgan)
        self.autoencoder = replicate(self.vqgan)
        self.models: dict[str, nn.Module] = {"vqgan": self.vqgan}
        adam = torch.optim.Adam(self.vqgan.parameters(), betas=training.betas)
        self.optimizers: dict[str, torch.optim.Optimizer] = {"generator": adam}
        if training.gan_start is not None:
            self.adversaries = Adversaries(training.discriminators(config.channels), seed=training.seed)
            prepare(self.adversaries, training.precision, device, compiled)
            synchronise(self.adversaries)
            self.judges = replicate(self.adversaries)
            self.models["adversaries"] = self.adversaries
            self.optimizers["discriminator"] = torch.optim.Adam(self.adversaries.parameters(), betas=training.betas)
        self.perceptual = perceptual_term(training, perceptual)
        if self.perceptual is not None:
            self.perceptual.to(device)

    def learning_rate(self, step: int) -> float:
        """Constant, then a straight line to zero."""
        return linear_tail(step, self.training.steps, self.training.learning_rate, self.training.decay_tail)

    def losses(self, step: int, share: Share, metrics: dict[str, Tensor]) -> Iterator[tuple[str, Terms]]:
        """The autoencoder's loss on a share of the clips of `step`, then the discriminators'."""
        options = self.training
        video = self.video(step, share)  # (B, C, T, H, W)
        target = clip_within_margins(video, self.vqgan.config)
        started = options.gan_start is not None and step >= options.gan_start
        running = started or (options.second_pass and options.gan_start is not None)

        out = self.reconstruct(video, step, share, "generator")
        reconstruction = out.reconstruction
        l1, l2 = F.l1_loss(reconstruction, target), F.mse_loss(reconstruction, target)
        metrics |= {"l1": l1.detach(), "perplexity": out.perplexity}
        terms = {"reconstruction": options.l1_weight * l1 + options.l2_weight * l2, "commitment": out.commitment_loss}
        frames = self.random_frames(len(video), target.shape[2], step, share, "generator")
        terms |= self.perceptual_terms(target, reconstruction, frames, step, share)
        if running:
            terms |= self.adversarial_terms(target, reconstruction, frames, float(started))
        yield "generator", terms

        if running:
            if options.second_pass:
                reconstruction = self.reconstruct(video, step, share, "discriminator").reconstruction
                frames = self.random_frames(len(video), target.shape[2], step, share, "discriminator")
            with gradients_travel(self.judges, share.last):
                terms = self.discriminator_terms(target, reconstruction.detach(), frames, float(started))
            yield "discriminator", terms

    def video(self, step: int, share: Share) -> Tensor:
        """A share of the clips of `step`: float (B, C, T, H, W) in [-0.5, 0.5]."""
        clips, _ = self.data.clips(step, self.training.batch // share.of, rank=share.index, world_size=share.of)
        return to_model(clips).to(self.device, non_blocking=True)

    def reconstruct(self, video: Tensor, step: int, share: Share, purpose: str) -> VQGANOutput:
        """One pass through the autoencoder; the codebook learns on the way. The reconstruction comes in float32."""
        options = self.training
        # only the autoencoder's own turn is followed by a backward pass that it learns from
        autoencoder = self.autoencoder if purpose == "generator" else self.vqgan
        with autocast(options.precision, self.device), gradients_travel(autoencoder, share.last):
            out = autoencoder(
                video,
                quantise=step >= options.warmup_without_codes,
                generator=draws(options.seed, "codebook", step, share, purpose),
            )
        return out._replace(reconstruction=out.reconstruction.float())

    def random_frames(self, clips: int, length: int, step: int, share: Share, purpose: str) -> Tensor:
        """One frame number a clip, int64 (B,), drawn for the whole batch of the step, of which this is a share."""
        generator = torch_generator(self.training.seed, f"frames/{purpose}", step)
        return torch.randint(length, (clips * share.of,), generator=generator)[share.index :: share.of]

    def perceptual_terms(self, real: Tensor, fake: Tensor, frames: Tensor, step: int, share: Share) -> Terms:
        """lambda_match L_match with a trained VGG network, on one frame a clip; nothing where it is off."""
        if self.perceptual is None:
            return {}
        generator = draws(self.training.seed, "perceptual", step, share, "generator")
        with autocast(self.training.precision, self.device):
            distances = self.perceptual(pick_frames(fake, frames), pick_frames(real, frames), generator)
        return {"perceptual": self.training.perceptual_weight * distances.float().mean()}

    def adversarial_terms(self, real: Tensor, fake: Tensor, frames: Tensor, factor: float) -> Terms:
        """What the discriminators ask of the autoencoder: better logits, and maps like those of the original."""
        options = self.training
        self.adversaries.requires_grad_(False)  # their own turn comes after the autoencoder's
        with autocast(options.precision, self.device):
            judged, truth = self.adversaries(fake, real, frames=frames)
        self.adversaries.requires_grad_(True)
        image, video = options.image_gan_weight, options.video_gan_weight
        matching, logits = options.matching_weight * factor, options.matching_logits
        terms = {
            "image_gan": image * factor * generator_loss(judged.image[-1]),
            "video_gan": video * factor * generator_loss(judged.video[-1]),
            "image_matching": matching * (image > 0) * feature_matching(truth.image, judged.image, logits),
            "video_matching": matching * (video > 0) * feature_matching(truth.video, judged.video, logits),
        }
        return {name: term.float() for name, term in terms.items()}

    def discriminator_terms(self, real: Tensor, fake: Tensor, frames: Tensor, factor: float) -> Terms:
        """The discriminators' own loss: tell the original from the reconstruction."""
        options = self.training
        with autocast(options.precision, self.device):
            truth, judged = self.judges(real, fake, frames=frames)
        loss = DISCRIMINATOR_LOSSES[options.gan_loss]
        weights = {"image": options.image_gan_weight * factor, "video": options.video_gan_weight * factor}
        pairs: dict[str, tuple[Tensor, Tensor]] = {
            "image": (truth.image[-1], judged.image[-1]),
            "video": (truth.video[-1], judged.video[-1]),
        }
        return {f"{name}_discriminator": weights[name] * loss(r.float(), f.float()) for name, (r, f) in pairs.items()}


def draws(seed: int, stream: str, step: int, share: Share, purpose: str) -> torch.Generator:
    """The generator of what is drawn once a part of a step, the same in all processes."""
    return torch_generator(
        seed, f"{stream}/{purpose}/{share.part}" if share.part or purpose != "generator" else stream, step
    )


def perceptual_term(training: VQGANTraining, path: Path | None = None) -> nn.Module | None:
    """LPIPS as the training wants it; nothing if its weight is 0 or the network cannot be had (which is said).

    Args:
        training: weight, range and dropout.
        path: a released checkpoint that carries the network along; see `load_perceptual`.

    Raises:
        UserError: for a checkpoint that would not be used, or if only some processes have the network.
    """
    if not training.perceptual_weight:
        if path is not None:
            raise UserError(f"these settings give LPIPS no weight, so {path} would not be used: leave it out.")
        return None
    with first_on_each_machine():  # which downloads it for the others
        network = load_perceptual(path, input_range=training.perceptual_range, dropout=training.perceptual_dropout)
    somewhere, missing = any_rank(network is not None), any_rank(network is None)
    if somewhere and missing:
        stop_all(UserError("Only some processes have the VGG network: put it under TATS_HOME on every machine."))
    return network


def clip_within_margins(video: Tensor, config: VQGANConfig) -> Tensor:
    """The clip itself, without the real frames that stand around it where padding is `valid`."""
    before, after = config.forward_margins
    return video[:, :, before : video.shape[2] - after]  # (B, C, T, H, W)


def warmup_of(run: Path, settings: VQGANTraining, steps: int) -> int:
    """Steps as a plain autoencoder of a training with another number of steps than a preset's.

    A short trial gets a codebook, too. A run that goes on, be it for more steps, keeps what it was begun with.

    Raises:
        UserError: if the run's own settings cannot be read.
    """
    begun = run / "training.json"
    if begun.is_file():
        return type(settings).from_json(begun.read_text(), source=begun).warmup_without_codes
    return min(settings.warmup_without_codes, steps // 4)


def train_vqgan(
    config: VQGANConfig,
    training: VQGANTraining,
    data: Clips,
    run: Path,
    device: torch.device | str = "cpu",
    label: str = "VQGAN",
    start: VQGAN | None = None,
    perceptual: Path | None = None,
) -> VQGAN:
    """Train (or go on training) a VQGAN in the folder `run`; the finished model lies there as safetensors + JSON.

    A fresh run begins with the weights of `start`, if given, whose architecture must be `config`'s. LPIPS comes from
    the released checkpoint `perceptual`, if given, else as `load_perceptual` says.

    Raises:
        UserError: if `run` holds another run, or one with another LPIPS or none, and as `training.loop.train` does.
    """
    claim_run(run, config, training)
    task = VQGANTask(config, training, data, torch.device(device), start, perceptual=perceptual)
    if training.perceptual_weight:
        task.perceptual = as_begun(run, task.perceptual)
    train(task, training, run, label=label)
    save_model(run, task.vqgan, config)
    return task.vqgan.eval()


@torch.inference_mode()
def evaluate_vqgan(vqgan: VQGAN, data: Clips, batches: int = 8, batch: int = 16) -> dict[str, float]:
    """Reconstruction quality on held-out clips.

    Returns:
        "psnr": dB, the mean over clips of the PSNR of a whole clip (peak 1, values clamped as when shown);
        "used_codes": share of the codebook that occurs at least once; "clips": how many were looked at.
    """
    vqgan.eval()
    device = next(vqgan.parameters()).device
    psnr, used = [], torch.zeros(vqgan.config.codes, dtype=torch.bool, device=device)
    for step in range(batches):
        clips, _ = data.clips(step, batch)
        video = to_model(clips).to(device)
        out = vqgan(video)
        error = (
            (out.reconstruction.clamp(-0.5, 0.5) - clip_within_margins(video, vqgan.config))
            .square()
            .mean(dim=(1, 2, 3, 4))
        )
        psnr.append(-10 * error.log10())
        used[out.tokens.unique()] = True
    return {
        "psnr": torch.cat(psnr).mean().item(),
        "used_codes": used.double().mean().item(),
        "clips": float(batches * batch),
    }

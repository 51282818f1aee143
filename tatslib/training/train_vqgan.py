"""Training the first stage: reconstruction and commitment (paper 2.1; the adversaries come in on top of this).

Letters: B batch, C channels, T H W frames.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from tatslib.randomness import torch_generator
from tatslib.training.checkpoint import claim_run, save_model
from tatslib.training.device import Precision, autocast
from tatslib.training.loop import LoopSettings, linear_tail, train
from tatslib.videos import to_model
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig


class VQGANTraining(LoopSettings):
    """How a VQGAN is trained. The recipes of the scales stand in `presets.py`."""

    batch: int = Field(8, gt=0)  # clips a step
    learning_rate: float = Field(1e-3, gt=0)
    betas: tuple[float, float] = (0.9, 0.99)  # Adam
    decay_tail: float = Field(0.3, ge=0, le=1)  # share of the steps over which the rate falls to zero; 0: constant
    warmup_without_codes: int = Field(0, ge=0)  # first steps as a plain autoencoder, before the codebook starts
    l1_weight: float = Field(1.0, ge=0)
    l2_weight: float = Field(0.0, ge=0)
    seed: int = 0
    precision: Precision = "float32"

    @model_validator(mode="after")
    def _the_codebook_starts(self) -> Self:
        if self.warmup_without_codes >= self.steps:
            raise ValueError(
                f"warmup_without_codes {self.warmup_without_codes} leaves none of {self.steps} steps for the codebook"
            )
        return self


class Clips(Protocol):
    """Where clips come from: a pure function of the step."""

    def clips(self, step: int, batch_size: int) -> tuple[Tensor, Tensor]:
        """uint8 (B, T, H, W, 3) and int64 (B,) labels."""


class VQGANTask:
    """L_rec + beta L_commit of the paper's 2.1; L_codebook is minimised by the codebook's own EMA update."""

    def __init__(self, config: VQGANConfig, training: VQGANTraining, data: Clips, device: torch.device):
        self.training, self.data, self.device = training, data, device
        self.vqgan = VQGAN(config, seed=training.seed).to(device)
        self.models: dict[str, nn.Module] = {"vqgan": self.vqgan}
        adam = torch.optim.Adam(self.vqgan.parameters(), betas=training.betas)
        self.optimizers: dict[str, torch.optim.Optimizer] = {"generator": adam}

    def learning_rate(self, step: int) -> float:
        """Constant, then a straight line to zero."""
        return linear_tail(step, self.training.steps, self.training.learning_rate, self.training.decay_tail)

    def losses(self, step: int, metrics: dict[str, float]) -> Iterator[tuple[str, Tensor]]:
        """One reconstruction step on the clips of `step`."""
        options = self.training
        clips, _ = self.data.clips(step, options.batch)
        video = to_model(clips).to(self.device)  # (B, C, T, H, W)
        with autocast(options.precision, self.device):
            out = self.vqgan(
                video,
                quantise=step >= options.warmup_without_codes,
                generator=torch_generator(options.seed, "codebook", step),
            )
        target, reconstruction = clip_within_margins(video, self.vqgan.config), out.reconstruction.float()
        l1, l2 = F.l1_loss(reconstruction, target), F.mse_loss(reconstruction, target)
        metrics |= {"l1": l1.item(), "perplexity": float(out.perplexity)}
        yield "generator", options.l1_weight * l1 + options.l2_weight * l2 + out.commitment_loss


def clip_within_margins(video: Tensor, config: VQGANConfig) -> Tensor:
    """The clip itself, without the real frames that stand around it where padding is `valid`."""
    before, after = config.forward_margins
    return video[:, :, before : video.shape[2] - after]  # (B, C, T, H, W)


def train_vqgan(
    config: VQGANConfig,
    training: VQGANTraining,
    data: Clips,
    run: Path,
    device: torch.device | str = "cpu",
    label: str = "VQGAN",
) -> VQGAN:
    """Train (or go on training) a VQGAN in the folder `run`; the finished model lies there as safetensors + JSON.

    Raises:
        UserError: if `run` holds another run, and as `training.loop.train` does.
    """
    claim_run(run, config, training)
    task = VQGANTask(config, training, data, torch.device(device))
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

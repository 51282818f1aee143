"""Training the VQ-VAE of sound (paper 3.1; the released code has no recipe for it), by the loop of the first stage.

Without adversaries and perceptual network, which know pictures: a spectrogram is not looked at.

Letters: B batch, T frames, F bands, M moments of a frame, t f m grid of tokens.
"""

from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from tatslib.config import Config
from tatslib.training.checkpoint import save_model
from tatslib.training.claim import claim_run
from tatslib.training.loop import Share, train
from tatslib.training.presets import PAPER_VQGAN_TRAINING, PRESETS, Scale
from tatslib.training.train_vqgan import Clips, VQGANTask, VQGANTraining, clip_within_margins
from tatslib.vqgan.sound import SoundVQGANConfig, sound_config
from tatslib.vqgan.vqgan import VQGAN

PEAK = 2.0  # from the softest to the loudest: spectrograms lie in [-1, 1]


class SoundClips(Protocol):
    """Where sound comes from, as `datasets.audioset_drum.DrumClips`: a pure function of the step."""

    def clips_with_sound(self, step: int, batch_size: int, rank: int = 0, world_size: int = 1) -> tuple[Tensor, Tensor]:
        """Clips, which nobody looks at, and their spectrograms, float32 (B, 1, T, F, M) in [-1, 1]."""


class SoundPreset(Config):
    """How the VQ-VAE of sound is made at a scale."""

    vqgan: SoundVQGANConfig
    training: VQGANTraining


SOUND_PRESETS: dict[Scale, SoundPreset] = {
    "toy": SoundPreset(
        vqgan=SoundVQGANConfig(
            downsample=(4, 16, 8),  # 4 x 4 x 2 = 32 tokens beside the 144 of the video
            unshuffle=4,
            hidden=16,
            decoder_blocks=1,
            codes=128,
            code_width=32,
            codebook_decay=0.97,
            restart_below_mean=0.1,
        ),
        training=PRESETS["toy"].vqgan_training.replace(steps=500),
    ),
    "gpu": SoundPreset(
        vqgan=SoundVQGANConfig(
            downsample=(4, 16, 8),
            hidden=32,
            codes=512,
            code_width=64,
            codebook_decay=0.97,
            restart_below_mean=0.1,
        ),
        training=PRESETS["gpu"].vqgan_training.replace(batch=64, learning_rate=1e-3),
    ),
    "paper": SoundPreset(  # what B.2 says of VQGANs, without its adversaries; the rest is published nowhere
        vqgan=SoundVQGANConfig(),
        training=PAPER_VQGAN_TRAINING.replace(perceptual_weight=0.0, gan_start=None),
    ),
}


class _NoPictures:
    """Stands where the clips of a `VQGANTask` would: a task of sound never asks for any."""

    def clips(self, step: int, batch_size: int, *, rank: int = 0, world_size: int = 1) -> tuple[Tensor, Tensor]:
        raise AssertionError("sound has no pictures")


class SoundTask(VQGANTask):
    """L_rec + beta L_commit over spectrograms."""

    def __init__(
        self, config: SoundVQGANConfig, training: VQGANTraining, data: SoundClips, device: torch.device
    ) -> None:
        pictures: Clips = _NoPictures()
        super().__init__(config, training, pictures, device)
        self.sounds = data

    def video(self, step: int, share: Share) -> Tensor:
        """A share of the spectrograms of `step`: float (B, 1, T, F, M) in [-1, 1]."""
        size = self.training.batch // share.of
        _, spectrograms = self.sounds.clips_with_sound(step, size, share.index, share.of)
        return spectrograms.to(self.device, non_blocking=True)


def train_sound(
    config: SoundVQGANConfig,
    training: VQGANTraining,
    data: SoundClips,
    run: Path,
    device: torch.device | str = "cpu",
    label: str = "sound",
) -> VQGAN:
    """Train (or go on training) a VQ-VAE of sound in the folder `run`; the model lies there as safetensors + JSON.

    Raises:
        UserError: if `run` holds another run, and as `training.loop.train` does.
    """
    claim_run(run, config, training)
    task = SoundTask(config, training, data, torch.device(device))
    train(task, training, run, label=label)
    save_model(run, task.vqgan, config)
    return task.vqgan.eval()


@torch.inference_mode()
def evaluate_sound(vqgan: VQGAN, data: SoundClips, batches: int = 8, batch: int = 16) -> dict[str, float]:
    """Reconstruction quality on held-out sound.

    Returns:
        "psnr": dB, the mean over clips (the peak is the whole range of loudness); "used_codes": share of the codebook
        that occurs at least once; "clips": how many were heard.
    """
    config = sound_config(vqgan)
    vqgan.eval()
    device = next(vqgan.parameters()).device
    psnr, used = [], torch.zeros(config.codes, dtype=torch.bool, device=device)
    for step in range(batches):
        heard = data.clips_with_sound(step, batch)[1].to(device)
        out = vqgan(heard)
        error = out.reconstruction.clamp(-1, 1) - clip_within_margins(heard, config)  # (B, 1, T, F, M)
        psnr.append(10 * (PEAK**2 / error.square().mean(dim=(1, 2, 3, 4))).log10())
        used[out.tokens.unique()] = True
    return {
        "psnr": torch.cat(psnr).mean().item(),
        "used_codes": used.double().mean().item(),
        "clips": float(batches * batch),
    }

"""The VQ-VAE that turns sound into tokens, so that a video can be led by it (paper 3.1).

Dimension letters
    B batch · T frames · F bands · M moments of a frame · t f m grid of tokens

Sound is seen as a video of one channel: beside each frame stands the spectrogram of what is heard while it is shown, 64
bands by 16 moments. As in the released code the network is the same 3D VQGAN as that of the video, with one channel, no
square, and values in [-1, 1] (`sound.as_released`) instead of [-0.5, 0.5]. The settings of the released one are not
published.
"""

from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from tatslib.errors import UserError
from tatslib.vqgan.config import VQGANConfig
from tatslib.vqgan.padding import Triple
from tatslib.vqgan.vqgan import VQGAN


class SoundVQGANConfig(VQGANConfig):
    """A VQGAN over spectrograms: `bands` high and `resolution` wide, which is the number of moments of a frame.

    The defaults that are not the video's are our choice: 16 frames become 4 x 8 x 4 = 128 tokens.
    """

    resolution: int = Field(16, ge=1)  # M
    bands: int = Field(64, ge=1)  # F
    channels: int = Field(1, ge=1, le=1)
    downsample: Triple = (4, 8, 4)  # T / t, F / f, M / m in total
    codes: int = Field(1024, ge=1)

    @property
    def latent_shape(self) -> Triple:
        """The grid (t, f, m) of a clip's tokens."""
        t, f, m = self.downsample
        return self.frames // t, self.bands // f, self.resolution // m

    def tokens(self, frames: int) -> int:
        """How many tokens the sound of so many frames becomes.

        Raises:
            UserError: if they are not a whole number of latent frames.
        """
        t, f, m = self.downsample
        if frames < t or frames % t:
            raise UserError(f"the sound of {frames} frames is no multiple of the {t} that share their tokens.")
        return frames // t * (self.bands // f) * (self.resolution // m)

    @model_validator(mode="after")
    def _check_bands(self) -> Self:
        if self.bands % self.downsample[1]:
            raise UserError(f"bands {self.bands} is not a multiple of the downsample {self.downsample[1]}")
        return self


@torch.no_grad()
def encode_sound(vqgan: VQGAN, spectrograms: Tensor) -> Tensor:
    """Tokens of sound.

    Args:
        vqgan: whose config is a `SoundVQGANConfig`; set to evaluation mode.
        spectrograms: float (B, 1, T, F, M) in [-1, 1], T a multiple of the temporal downsample.

    Returns:
        int64 (B, t, f, m), on the CPU.

    Raises:
        UserError: for another model, or spectrograms of another shape.
    """
    config = sound_config(vqgan)
    picture = (1, config.bands, config.resolution)
    if spectrograms.ndim != 5 or (spectrograms.shape[1], *spectrograms.shape[3:]) != picture:
        raise UserError(
            f"the sound is {tuple(spectrograms.shape)}, but this model reads (batch, 1, frames, {config.bands}, "
            f"{config.resolution})."
        )
    config.tokens(spectrograms.shape[2] - sum(config.margins))
    vqgan.eval()
    return vqgan.encode(spectrograms.float().to(next(vqgan.parameters()).device)).cpu()


def sound_config(vqgan: VQGAN) -> SoundVQGANConfig:
    """The config of a VQ-VAE of sound; a UserError if it is one of video."""
    if not isinstance(vqgan.config, SoundVQGANConfig):
        raise UserError("this VQGAN turns videos into tokens, not sound: its config is no SoundVQGANConfig.")
    return vqgan.config

"""The 3D convolutional autoencoder around the codebook (paper Section 2.1, Fig. 2; sizes from Section B.2).

Letters: B batch, C channels, T H W frames, t h w latent grid, p pixels folded into channels along one axis.
"""

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from tatslib.vqgan.config import Norm, VQGANConfig
from tatslib.vqgan.normalisation import normalisation
from tatslib.vqgan.padding import PaddedConv3d, PaddedConvTranspose3d, Unit, leftover


class ResidualBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), the width unchanged."""

    def __init__(self, unit: Unit, norm: Norm):
        super().__init__()
        width, kernel, stride, padding = unit.outputs, unit.kernel, unit.stride, unit.padding
        self.norm1 = normalisation(norm, width)
        self.conv1 = PaddedConv3d(width, width, kernel, stride, padding)
        self.norm2 = normalisation(norm, width)
        self.conv2 = PaddedConv3d(width, width, kernel, stride, padding)
        self.crop = unit.consumed()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> the same; without padding in time, T loses two frames at either end."""
        branch = self.conv1(F.silu(self.norm1(x)))
        branch = self.conv2(F.silu(self.norm2(branch)))
        front, back = self.crop
        return x[:, :, front : x.shape[2] - back] + branch


def build(unit: Unit, norm: Norm) -> nn.Module:
    """The module that a unit of the plan describes."""
    if unit.kind == "residual":
        return ResidualBlock(unit, norm)
    layer = PaddedConvTranspose3d if unit.kind == "transposed" else PaddedConv3d
    return layer(unit.inputs, unit.outputs, unit.kernel, unit.stride, unit.padding)


class Encoder(nn.Module):
    """From pixels to latents: each level halves the axes that still have to shrink and doubles the width.

    `units` is a flat list (first convolution, then per level one strided convolution and its residual blocks), so that
    a study of padding can walk through it or stop anywhere.
    """

    def __init__(self, config: VQGANConfig):
        super().__init__()
        self.pixels = config.unshuffle
        self.units = nn.ModuleList(build(unit, config.norm) for unit in config.encoder_units)
        self.norm = normalisation(config.norm, config.widths[-1])

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) in [-0.5, 0.5] -> (B, width, t, h, w); T counts the margins where units are valid."""
        x = self.fold(x)
        for unit in self.units:
            x = unit(x)
        return F.silu(self.norm(x))

    def fold(self, x: Tensor) -> Tensor:
        """p x p pixels into channels: (B, C, T, H, W) -> (B, C p p, T, H / p, W / p), what the first unit reads."""
        return rearrange(x, "b c t (h p) (w q) -> b (c p q) t h w", p=self.pixels, q=self.pixels)


class Decoder(nn.Module):
    """From latents to pixels: each level doubles the axes that the encoder's level of the same number halved.

    Norm and activation stand first; the last convolution follows its residual block bare, and nothing bounds it.
    """

    def __init__(self, config: VQGANConfig):
        super().__init__()
        self.pixels = config.unshuffle
        self.norm = normalisation(config.norm, config.widths[-1])
        self.units = nn.ModuleList(build(unit, config.norm) for unit in config.decoder_units)
        self.crop = leftover(config.decoder_units, *config.latent_margins)

    def forward(self, z: Tensor) -> Tensor:
        """(B, width, t, h, w) -> (B, C, T, H, W); a valid decoder turns only the t between its margins into frames."""
        x = F.silu(self.norm(z))
        for unit in self.units:
            x = unit(x)
        front, back = self.crop
        x = x[:, :, front : x.shape[2] - back]
        return rearrange(x, "b (c p q) t h w -> b c t (h p) (w q)", p=self.pixels, q=self.pixels)

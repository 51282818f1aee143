"""An autoencoder in VideoGPT's style, which the paper's Section A.1 first tried to train with adversaries (Fig. 10).

What differs from `vqgan.autoencoder`: every layer has the same width, and on the latent grid stand residual blocks that
let each place attend to its row, its column and its own past and future. Convolutions, edges, codebook and everything
else are ours, so that a comparison is one of architectures.

Letters: B batch, C channels, T H W frames, t h w latent grid, g heads, n places along one axis.
"""

from typing import Literal, Self

import torch
import torch.nn.functional as F
from einops import rearrange
from pydantic import Field, model_validator
from torch import Tensor, nn

from tatslib.errors import UserError
from tatslib.randomness import torch_generator
from tatslib.vqgan.autoencoder import Decoder, Encoder, build
from tatslib.vqgan.config import GROUPS, VQGANConfig
from tatslib.vqgan.normalisation import normalisation
from tatslib.vqgan.padding import PaddedConv3d, Padding, Unit
from tatslib.vqgan.vqgan import VQGAN

Axis = Literal["t", "h", "w"]
ALONG = {"t": "(b h w) g t c", "h": "(b t w) g h c", "w": "(b t h) g w c"}  # the other axes count as batch


class AxialConfig(VQGANConfig):
    """Fields of `VQGANConfig` mean the same here, except that `hidden` is the width everywhere.

    `encoder_blocks` and `decoder_blocks` are attention blocks on the latent grid. The defaults are VideoGPT's, the
    padding (there: zeros) apart.
    """

    hidden: int = Field(240, ge=1)
    encoder_blocks: int = Field(4, ge=0)
    decoder_blocks: int = Field(4, ge=0)
    heads: int = Field(2, ge=1)  # of each attention

    @property
    def widths(self) -> tuple[int, ...]:
        """The same number for every level."""
        return (self.hidden,) * (len(self.strides) + 1)

    @property
    def encoder_units(self) -> tuple[Unit, ...]:
        """The convolutions before the attention blocks: strided ones, which begin at the pixels, and one more."""
        edges, widths = self._edges(self.padding), (self.channels * self.unshuffle**2, *self.widths)
        strided = [Unit("convolution", n, self.hidden, 4, s, edges) for n, s in zip(widths, self.strides, strict=False)]
        return (*strided, Unit("convolution", self.hidden, self.hidden, 3, (1, 1, 1), edges))

    @property
    def decoder_units(self) -> tuple[Unit, ...]:
        """The transposed convolutions after the attention blocks; the last one gives the pixels."""
        edges, widths = self._edges(self.padding), (*self.widths[2:], self.channels * self.unshuffle**2)
        return tuple(Unit("transposed", self.hidden, n, 4, s, edges) for n, s in zip(widths, self.strides, strict=True))

    @model_validator(mode="after")
    def _check_axial(self) -> Self:
        if self.hidden % (2 * self.heads):
            raise UserError(f"hidden {self.hidden} is not a multiple of twice the heads, {self.heads}")
        if self.norm == "group" and self.hidden % (2 * GROUPS):
            raise UserError(f"group norm needs a hidden width that is a multiple of {2 * GROUPS}, not {self.hidden}")
        if self.padding == "valid":
            raise UserError("attention sees the whole clip, so there is no padding 'valid' here: take replicate")
        fixed = ("residual_padding", "decoder_padding", "valid_first", "valid_last", "residual_gain")
        for name in fixed:
            if getattr(self, name) != VQGANConfig.model_fields[name].default:
                raise UserError(f"{name} {getattr(self, name)!r} does nothing in an axial autoencoder: leave it out")
        return self


class AxialAttention(nn.Module):
    """Multi-head attention of every place to all places of its line along one axis, without positions or masks."""

    def __init__(self, width: int, heads: int, axis: Axis):
        super().__init__()
        self.heads, self.axis = heads, axis
        self.project = nn.Conv3d(width, 3 * width, 1, bias=False)  # to queries, keys and values
        self.merge = nn.Conv3d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> the same."""
        batch, _, t, h, w = x.shape
        q, k, v = (
            rearrange(part, f"b (g c) t h w -> {ALONG[self.axis]}", g=self.heads)
            for part in self.project(x).chunk(3, dim=1)
        )
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5  # (lines, g, n, n): short lines need no special kernel
        read = scores.float().softmax(-1).to(v.dtype) @ v
        return self.merge(rearrange(read, f"{ALONG[self.axis]} -> b (g c) t h w", b=batch, t=t, h=h, w=w))


class AttentionBlock(nn.Module):
    """x + a bottleneck of two convolutions, whose result each place reads along W, along H and along T, summed."""

    def __init__(self, config: AxialConfig, edges: Padding):
        super().__init__()
        width, half = config.hidden, config.hidden // 2
        self.norms = nn.ModuleList(normalisation(config.norm, n) for n in (width, half, width))
        self.squeeze = PaddedConv3d(width, half, 3, (1, 1, 1), edges)
        self.widen = PaddedConv3d(half, width, 1, (1, 1, 1), edges)
        axes: tuple[Axis, ...] = ("w", "h", "t")
        self.attentions = nn.ModuleList(AxialAttention(width, config.heads, axis) for axis in axes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, t, h, w) -> the same."""
        branch = self.squeeze(F.relu(self.norms[0](x)))
        branch = self.widen(F.relu(self.norms[1](branch)))
        branch = F.relu(self.norms[2](branch))
        return x + torch.stack([attention(branch) for attention in self.attentions]).sum(0)


class AxialEncoder(nn.Module):
    """From pixels to latents; `units` holds the convolutions, then the attention blocks."""

    def __init__(self, config: AxialConfig):
        super().__init__()
        self.pixels, self.strided = config.unshuffle, len(config.strides)
        convolutions = [build(unit, config.norm) for unit in config.encoder_units]
        edges = config.encoder_units[0].padding
        self.units = nn.ModuleList(
            [*convolutions, *(AttentionBlock(config, edges) for _ in range(config.encoder_blocks))]
        )
        self.norm = normalisation(config.norm, config.hidden)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) in [-0.5, 0.5] -> (B, width, t, h, w)."""
        x = rearrange(x, "b c t (h p) (w q) -> b (c p q) t h w", p=self.pixels, q=self.pixels)
        for unit in self.units[: self.strided]:
            x = F.relu(unit(x))
        for unit in self.units[self.strided :]:
            x = unit(x)
        return F.relu(self.norm(x))


class AxialDecoder(nn.Module):
    """From latents to pixels; `units` holds the attention blocks, then the transposed convolutions."""

    def __init__(self, config: AxialConfig):
        super().__init__()
        self.pixels, self.blocks = config.unshuffle, config.decoder_blocks
        edges = config.decoder_units[0].padding
        blocks = [AttentionBlock(config, edges) for _ in range(config.decoder_blocks)]
        self.units = nn.ModuleList([*blocks, *(build(unit, config.norm) for unit in config.decoder_units)])
        self.norm = normalisation(config.norm, config.hidden)

    def forward(self, z: Tensor) -> Tensor:
        """(B, width, t, h, w) -> (B, C, T, H, W), unbounded."""
        for unit in self.units[: self.blocks]:
            z = unit(z)
        x = self.norm(z)
        for unit in self.units[self.blocks :]:
            x = unit(F.relu(x))
        return rearrange(x, "b (c p q) t h w -> b c t (h p) (w q)", p=self.pixels, q=self.pixels)


class AxialVQGAN(VQGAN):
    """A VQGAN with the other encoder and decoder: whatever trains, measures or samples with a VQGAN takes it as it is.

    Args:
        config: the architecture; of any number of latent frames, as before, but every token depends on all frames.
        seed: of the initial weights, which depend on nothing else.
    """

    def __init__(self, config: AxialConfig, seed: int = 0):
        super().__init__(config, seed)
        self.add_module("encoder", AxialEncoder(config))  # in place of the ones that stand there
        self.add_module("decoder", AxialDecoder(config))
        self._initialise(torch_generator(seed, "vqgan/weights"))

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator) -> None:
        super()._initialise(generator)
        for module in self.modules():
            if isinstance(module, AxialAttention):  # as VideoGPT draws them
                for layer in (module.project, module.merge):
                    layer.weight.normal_(std=layer.in_channels**-0.5, generator=generator)


def axial_twin(config: VQGANConfig, blocks: int = 4, heads: int = 2) -> AxialConfig:
    """The axial autoencoder of the same grid, edges, norm and codebook whose number of weights is nearest to ours."""
    architecture = {"hidden", "encoder_blocks", "decoder_blocks"}
    shared = {name: value for name, value in config.model_dump().items() if name not in architecture}
    step = 2 * GROUPS if config.norm == "group" else 2 * heads
    twins: list[AxialConfig] = []
    distances: list[int] = []
    with torch.device("meta"):  # weights that are counted and never drawn
        ours = weights(Encoder(config)) + weights(Decoder(config))
        while distances[-2:] == sorted(distances[-2:], reverse=True):  # until one is further off than the one before
            width = step * (len(twins) + 1)
            twin = AxialConfig(**shared, hidden=width, encoder_blocks=blocks, decoder_blocks=blocks, heads=heads)
            twins.append(twin)
            distances.append(abs(weights(AxialEncoder(twin)) + weights(AxialDecoder(twin)) - ours))
    return twins[distances.index(min(distances))]


def weights(model: nn.Module) -> int:
    """How many numbers training can change."""
    return sum(parameter.numel() for parameter in model.parameters())

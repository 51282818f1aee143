"""Equation 2 of the paper: an encoder whose zero padding has been moved, all of it, to its input.

The paper writes f_E(x) = g([0 x 0]), with a shift-equivariant g (its f_E with a hat): the same layers without padding,
which read a clip between zero frames. As printed this is an equation for one layer only. From the second layer on the
frames beyond the clip hold what the first layer made of zeros (its biases) and of the first real frames that its kernel
reaches, while internal padding holds zeros. The equation becomes exact if g also reads which frames are real, and
clears the others before each convolution. A flag that moves along with the frames leaves g shift-equivariant, so the
paper's conclusion stands.

Letters: B batch, C channels, T H W frames.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatslib.errors import UserError
from tatslib.vqgan.autoencoder import ResidualBlock
from tatslib.vqgan.padding import Unit, same_pad
from tatslib.vqgan.vqgan import VQGAN


def real_frames_twin(vqgan: VQGAN) -> VQGAN:
    """The same weights with an encoder that pads nothing in time: real frames stand where the padding was."""
    twin = VQGAN(vqgan.config.replace(valid_first=len(vqgan.config.encoder_units), valid_last=0))
    twin.load_state_dict(vqgan.state_dict())
    return twin.to(next(vqgan.parameters()).device).eval()


def pad_with_zero_frames(video: Tensor, before: int, after: int) -> tuple[Tensor, Tensor]:
    """[0 x 0] of Eq. 2 and its flags: (B, C, before + T + after, H, W), and bool (T',) that is True for real frames."""
    flags = F.pad(torch.ones(video.shape[2], dtype=torch.bool, device=video.device), (before, after))
    return F.pad(video, (0, 0, 0, 0, before, after)), flags


class MovedPadding(nn.Module):
    """g of Eq. 2, made from a trained zero-padding VQGAN: latents of a video in which some frames are flagged as real.

    Raises:
        UserError: if the encoder does not pad with zeros in time throughout, or has group norm.
    """

    def __init__(self, vqgan: VQGAN):
        super().__init__()
        if any(unit.padding.time != "zeros" for unit in vqgan.config.encoder_units):
            raise UserError("Eq. 2 is about an encoder that pads with zeros throughout; this one does not.")
        if vqgan.config.norm == "group":
            raise UserError("Eq. 2 needs layers that treat every frame alike; group norm averages over the whole clip.")
        self.vqgan = real_frames_twin(vqgan)
        self.margins = self.vqgan.config.margins  # N zero frames before and after a clip
        self.plans = self.vqgan.config.encoder_units

    def forward(self, video: Tensor, real: Tensor) -> Tensor:
        """float (B, C, before + T + after, H, W) and bool (before + T + after,) -> latents (B, D, t, h, w)."""
        encoder = self.vqgan.encoder
        x = encoder.fold(video)
        for unit, plan in zip(encoder.units, self.plans, strict=True):
            if isinstance(unit, ResidualBlock):
                x, real = residual(unit, plan, x, real)
            else:
                x, real = unit(keep(x, real)), survivors(real, plan)
        return self.vqgan.to_codes(F.silu(encoder.norm(x)))

    def encode(self, video: Tensor, real: Tensor) -> Tensor:
        """Tokens, int64 (B, t, h, w)."""
        return self.vqgan.codebook.encode(self(video, real))


def residual(block: ResidualBlock, plan: Unit, x: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """A residual block that clears what is not real before each of its two convolutions."""
    branch = block.conv1(keep(F.silu(block.norm1(x)), real))
    half_way = survivors(real, plan)
    branch = block.conv2(keep(F.silu(block.norm2(branch)), half_way))
    front, back = block.crop
    return x[:, :, front : x.shape[2] - back] + branch, survivors(half_way, plan)


def keep(x: Tensor, real: Tensor) -> Tensor:
    """(B, C, T, H, W) with zeros in the frames that are not real."""
    return x * real[:, None, None]


def survivors(real: Tensor, plan: Unit) -> Tensor:
    """Flags after one convolution: an output frame is real if its own stretch of the input was."""
    front, back = same_pad(plan.kernel, plan.stride[0])
    return real[front : len(real) - back][:: plan.stride[0]]

"""Videos of any length through the first stage, at memory that does not grow with them (paper Sections 2.2 and 2.3).

The video is fed in a window at a time. A convolution sees a few frames to either side, so each layer keeps the last few
that it was given until the next ones arrive: nothing is computed twice, no layer ever pads at a seam, and what comes
out, a little later than it went in, is what the whole video at once would have given.

Letters: B batch, C channels, T H W frames, t h w latent grid, D width.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from math import prod

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from tatslib.errors import UserError
from tatslib.vqgan.autoencoder import ResidualBlock
from tatslib.vqgan.padding import PaddedConv3d, PaddedConvTranspose3d, Unit, check_pad, pad_edges, same_pad
from tatslib.vqgan.vqgan import VQGAN

TOKENS = 1024  # of a window, unless a caller says how many latent frames: a clip's worth at the paper's size


def decode_in_windows(vqgan: VQGAN, tokens: Tensor, window: int | None = None) -> Iterator[Tensor]:
    """The frames of `vqgan.decode(tokens)`, in order, a few at a time.

    Args:
        vqgan: in evaluation mode.
        tokens: int64 (B, before + t + after, h, w) with the model's latent margins, on any device.
        window: latent frames that go in at once; absent, as many as `TOKENS` tokens make.

    Returns:
        An iterator over float (B, C, T', H, W) on the model's device, not clamped, of differing T'. Joined in time they
        are what `decode` returns, up to rounding.

    Raises:
        UserError: for a window below 1, latent frames that are all margin, or a model in training mode with batch
            norm, which would take each window for a batch.

    Where a frame depends on all others (group norm, which averages over the clip; `circular` padding, which puts the
    end before the beginning), everything is decoded at once and memory grows.
    """
    return decode_stream(vqgan, tokens.unbind(1), tokens.shape[1], window)


def decode_stream(
    vqgan: VQGAN, latent_frames: Iterable[Tensor], count: int, window: int | None = None
) -> Iterator[Tensor]:
    """The same of latent frames that are still to come, for example out of a sampler.

    Args:
        vqgan: in evaluation mode.
        latent_frames: int64 (B, h, w) each, in order, the latent margins of the model included. They are asked for a
            window at a time, when the frames of the ones before have been taken.
        count: how many of them to take.
        window: latent frames that go in at once; absent, as many as `TOKENS` tokens make.

    Returns:
        As `decode_in_windows`.

    Raises:
        UserError: as `decode_in_windows`, and in the course of it if fewer latent frames come than were announced.
    """
    config = vqgan.config
    window = _check(vqgan, config.decoder_units, window, count, config.latent_margins)
    return _decode(vqgan, iter(latent_frames), count, window)


def encode_in_windows(vqgan: VQGAN, x: Tensor, window: int | None = None) -> Iterator[Tensor]:
    """The tokens of `vqgan.encode(x)`, in order, a few latent frames at a time.

    Args:
        vqgan: in evaluation mode.
        x: float (B, C, before + T + after, H, W) with the model's margins, on any device.
        window: as many latent frames as go in at once; absent, as many as `TOKENS` tokens make.

    Returns:
        An iterator over int64 (B, t', h, w) on the model's device, of differing t'. Joined in time they are what
        `encode` returns, up to a rare choice between two codes that are equally near up to rounding.

    Raises:
        UserError: as `decode_in_windows`, with the same exceptions.
    """
    config = vqgan.config
    window = _check(vqgan, config.encoder_units, window, x.shape[2], config.margins)
    return _encode(vqgan, x, window * config.downsample[0])


def _decode(vqgan: VQGAN, latent_frames: Iterator[Tensor], count: int, window: int) -> Iterator[Tensor]:
    decoder, device = vqgan.decoder, vqgan.codebook.embeddings.device
    stream = Stream(decoder.units, vqgan.config.decoder_units, window)
    crop, left = decoder.crop[0], (count - sum(vqgan.config.latent_margins)) * vqgan.config.downsample[0]
    for start in range(0, count, window):
        wanted = min(window, count - start)
        tokens = list(islice(latent_frames, wanted))
        if len(tokens) < wanted:
            raise UserError(f"{start + len(tokens)} latent frames came, but {count} were announced.")
        with torch.no_grad():  # for each piece anew, because whoever iterates runs in between
            z = vqgan.from_codes(vqgan.codebook.decode(torch.stack(tokens, dim=1).to(device)))
            z = F.silu(decoder.norm(z))
        for x in stream.feed(z, last=start + window >= count):
            # a valid decoder returns a few frames of the margins too
            crop, x = max(0, crop - x.shape[2]), x[:, :, crop : crop + left]
            left -= x.shape[2]
            if x.shape[2]:
                yield rearrange(x, "b (c p q) t h w -> b c t (h p) (w q)", p=decoder.pixels, q=decoder.pixels)


def _encode(vqgan: VQGAN, x: Tensor, window: int) -> Iterator[Tensor]:
    encoder, device = vqgan.encoder, vqgan.codebook.embeddings.device
    stream = Stream(encoder.units, vqgan.config.encoder_units, window)
    for start in range(0, x.shape[2], window):
        piece = encoder.fold(x[:, :, start : start + window].to(device))
        for z in stream.feed(piece, last=start + window >= x.shape[2]):
            with torch.no_grad():
                tokens = vqgan.codebook.encode(vqgan.to_codes(F.silu(encoder.norm(z))))
            yield tokens


def _check(vqgan: VQGAN, units: Sequence[Unit], window: int | None, length: int, margins: tuple[int, int]) -> int:
    """The window, or the whole length where a part tells nothing about the whole."""
    if window is None:
        window = max(1, TOKENS // prod(vqgan.config.latent_shape[1:]))
    if window < 1:
        raise UserError(f"a window of {window} latent frames makes no progress: take 1 or more")
    if length <= sum(margins):
        raise UserError(f"{length} frames are too few between margins of {margins[0]} and {margins[1]}: bring more")
    if vqgan.training and vqgan.config.norm == "batch":
        raise UserError(
            "batch norm in training mode would take each window for a batch: call eval() on the model first"
        )
    whole = vqgan.config.norm == "group" or any(unit.padding.time == "circular" for unit in units)
    return length if whole else window


class Stream:
    """The units of an encoder or decoder, fed with a video piece by piece.

    Args:
        units: as `Encoder` and `Decoder` hold them.
        plans: of these units.
        window: frames of the input that are fed at once.
    """

    def __init__(self, units: nn.ModuleList, plans: Sequence[Unit], window: int):
        self.units = [
            ResidualStream(unit, plan) if isinstance(unit, ResidualBlock) else ConvolutionStream(unit)
            for unit, plan in zip(units, plans, strict=True)
        ]
        self.windows = [window]  # before each unit and after the last
        for plan in plans:
            stride, frames = plan.stride[0], self.windows[-1]
            self.windows.append(frames * stride if plan.kind == "transposed" else max(1, frames // stride))

    def feed(self, x: Tensor | None, last: bool, depth: int = 0) -> Iterator[Tensor]:
        """The next frames (B, D, T', H, W), one piece after the other; with the `last` piece all that is left.

        Every piece goes through all units before the next, and none is larger than a window. Otherwise all that the
        layers had waited for would come at once in the end.
        """
        if depth == len(self.units):
            if x is not None:
                yield x
            return
        with torch.no_grad():
            x = self.units[depth](x, last)
        pieces = [None] if x is None else x.split(self.windows[depth + 1], dim=2)
        if x is not None or last:
            for number, piece in enumerate(pieces, start=1):
                yield from self.feed(piece, last and number == len(pieces), depth + 1)


class ConvolutionStream:
    """One convolution, in either direction, that pads at the ends of the video and waits in between."""

    def __init__(self, layer: nn.Module):
        assert isinstance(layer, PaddedConv3d | PaddedConvTranspose3d)
        self.layer, self.mode = layer, layer.padding.time
        self.front, self.back = same_pad(layer.kernel, layer.stride[0])
        self.step = layer.stride[0] if isinstance(layer, PaddedConv3d) else 1  # input frames that belong together
        self.begun = self.mode == "valid"
        self.kept: Tensor | None = None

    def __call__(self, x: Tensor | None, last: bool) -> Tensor | None:
        """As `Stream`."""
        x = _join(self.kept, x)
        if x is None:
            return None
        if self.mode != "valid":
            begins = not self.begun and (last or x.shape[2] > self.front)  # `reflect` waits for what it mirrors
            front, back = self.front * begins, self.back * last
            if front or back:
                check_pad(x.shape[2], front, back, self.mode, "T")
                x = F.pad(x, (0, 0, 0, 0, front, back), mode="constant" if self.mode == "zeros" else self.mode)
            self.begun = self.begun or begins
        used = (x.shape[2] - self.front - self.back) // self.step * self.step
        if not self.begun or used < 1:
            self.kept = x
            return None
        self.kept = x[:, :, used:].clone()  # not a view, which would hold on to all of the map
        x = x[:, :, : used + self.front + self.back]
        return self.layer.conv(pad_edges(x, self.layer.kernel, self.layer.stride, self.layer.padding.without_time()))


class ResidualStream:
    """A residual block whose direct path waits for the frames that its convolutions still owe."""

    def __init__(self, block: ResidualBlock, plan: Unit):
        self.block = block
        self.conv1, self.conv2 = ConvolutionStream(block.conv1), ConvolutionStream(block.conv2)
        self.crop = plan.consumed()[0]  # frames at the beginning that a valid block returns nothing for
        self.kept: Tensor | None = None

    def __call__(self, x: Tensor | None, last: bool) -> Tensor | None:
        """As `Stream`."""
        self.kept = _join(self.kept, x)
        branch = self.conv1(None if x is None else F.silu(self.block.norm1(x)), last)
        branch = self.conv2(None if branch is None else F.silu(self.block.norm2(branch)), last)
        if branch is None or self.kept is None:
            return None
        end = self.crop + branch.shape[2]
        x = self.kept[:, :, self.crop : end] + branch
        self.kept, self.crop = self.kept[:, :, end:].clone(), 0
        return x


def _join(kept: Tensor | None, x: Tensor | None) -> Tensor | None:
    """One piece after the other, in time."""
    return x if kept is None else kept if x is None else torch.cat([kept, x], dim=2)

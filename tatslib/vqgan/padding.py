"""What stands beyond the edge of a video: padding for every kind of convolution, and the arithmetic of doing without.

A convolution near the first or last frame asks for frames that do not exist. What it is given instead is the subject of
the paper's Sections 2.2 and A.2-A.3 (Fig. 4, Fig. 13): zeros leak the position of a token into the token, copies of the
last frame hardly do, and real frames (`valid`: no padding in time, the caller brings more frames) do not at all.

Letters: B batch, C channels, T H W frames, rows, columns of the map at hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from tatslib.errors import UserError

SpatialMode = Literal["zeros", "replicate", "reflect", "circular"]
Mode = Literal["zeros", "replicate", "reflect", "circular", "valid"]
Triple = tuple[int, int, int]


class Padding(NamedTuple):
    """How one unit treats the edges in time and in space; only time may go without (`valid`)."""

    time: Mode
    space: SpatialMode

    def without_time(self) -> "Padding":
        """The same edges in space, real frames in time: one member of the padding-less family of Fig. 13."""
        return self._replace(time="valid")


def same_pad(kernel: int, stride: int) -> tuple[int, int]:
    """(front, back) padding of one axis that makes a convolution return size / stride: kernel - stride in total.

    Of an odd total the extra one stands in front: kernel 4 at stride 1 gives (2, 1).
    """
    total = kernel - stride
    return total - total // 2, total // 2


def check_pad(size: int, front: int, back: int, mode: Mode, axis: str) -> None:
    """Refuse an axis too short to be mirrored or wrapped.

    Raises:
        UserError: if `reflect` needs more than size - 1 or `circular` more than `size` entries on one side.
    """
    needed = max(front, back)
    available = {"reflect": size - 1, "circular": size}.get(mode, needed)
    if needed > available:
        raise UserError(
            f"{mode} padding takes {needed} entries from inside the map, but an inner map has only {size} in {axis}; "
            f"use longer or larger clips, less downsampling, or replicate padding"
        )


def pad_edges(x: Tensor, kernel: int, stride: Triple, padding: Padding) -> Tensor:
    """Pad (B, C, T, H, W) so that a convolution of `kernel` and `stride` keeps size / stride (in time unless valid)."""
    time, height, width = (same_pad(kernel, s) for s in stride)
    if padding.time == "valid":
        time = (0, 0)
    if kernel == 1 or not any(time + height + width):
        return x
    for size, (front, back), mode, axis in zip(
        x.shape[2:], (time, height, width), (padding.time, padding.space, padding.space), "THW", strict=True
    ):
        check_pad(size, front, back, mode, axis)
    if padding.time in (padding.space, "valid"):  # one pass over memory instead of two
        return _pad(x, (*width, *height, *time), padding.space)
    return _pad(_pad(x, (*width, *height, 0, 0), padding.space), (0, 0, 0, 0, *time), padding.time)


def _pad(x: Tensor, amounts: tuple[int, ...], mode: Mode) -> Tensor:
    """`F.pad`, which calls zeros "constant"; amounts count from the last axis backwards."""
    return F.pad(x, amounts, mode="constant" if mode == "zeros" else mode)


class PaddedConv3d(nn.Module):
    """A convolution that divides T, H, W by its stride exactly (T loses same_pad more frames when time is valid)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: Triple, padding: Padding):
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride, padding
        self.conv = nn.Conv3d(inputs, outputs, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C', T / s, H / s, W / s)."""
        return self.conv(pad_edges(x, self.kernel, self.stride, self.padding))


class PaddedConvTranspose3d(nn.Module):
    """A transposed convolution that multiplies T, H, W by its stride exactly (kernel 4, or any kernel at stride 1).

    The *input* is padded by kernel - stride; trimming kernel - 1 from each side of the output then leaves only
    entries that saw as many inputs as the ones in the middle, so its borders follow the padding mode as well.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: Triple, padding: Padding):
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride, padding
        self.conv = nn.ConvTranspose3d(inputs, outputs, kernel, stride, padding=kernel - 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C', T * s, H * s, W * s)."""
        return self.conv(pad_edges(x, self.kernel, self.stride, self.padding))


@dataclass(frozen=True)
class Unit:
    """The plan of one stretch of an encoder or decoder that is padded as one: a convolution or a residual block.

    Modules are built from these plans and margins are computed from them, so that the two cannot disagree.
    """

    kind: Literal["convolution", "transposed", "residual"]
    inputs: int
    outputs: int
    kernel: int
    stride: Triple
    padding: Padding

    def reach(self, axis: int) -> tuple[int, int]:
        """Entries (before, after) that the unit uses beyond its own stretch of the input axis (0 T, 1 H, 2 W)."""
        front, back = same_pad(self.kernel, self.stride[axis])
        convolutions = 2 if self.kind == "residual" else 1
        return convolutions * front, convolutions * back

    def consumed(self) -> tuple[int, int]:
        """Frames (before, after) that the unit takes off its input in time: its reach if valid, else none."""
        return self.reach(axis=0) if self.padding.time == "valid" else (0, 0)

    def enlarge(self, margin: int, reach: int, axis: int) -> int:
        """The input margin on one side that lets the unit return at least `margin` entries beyond its stretch."""
        stride = self.stride[axis]
        return (-(-margin // stride) if self.kind == "transposed" else margin * stride) + reach


def margins(units: Sequence[Unit], before: int = 0, after: int = 0) -> tuple[int, int]:
    """Real frames that must stand (before, after) the input so that `before`, `after` frames stand beside the output.

    Walks from the output to the input: a convolution of stride s multiplies the margin by s, a transposed one divides
    it, and every valid unit adds what it consumes (the paper's "as large as O(Ld)", Section 2.2).
    """
    for unit in reversed(units):
        front, back = unit.consumed()
        before, after = unit.enlarge(before, front, axis=0), unit.enlarge(after, back, axis=0)
    return before, after


def leftover(units: Sequence[Unit], before: int, after: int) -> tuple[int, int]:
    """Output frames (before, after) that remain when the input carries the given margins: `margins` run forwards.

    A transposed convolution of stride 2 cannot return an odd margin, so this may exceed what `margins` was asked for.
    """
    for unit in units:
        front, back = unit.consumed()
        scale = unit.stride[0] if unit.kind == "transposed" else 1
        divide = 1 if unit.kind == "transposed" else unit.stride[0]
        before, after = (before - front) * scale // divide, (after - back) * scale // divide
    return before, after


def field_of_view(units: Sequence[Unit], axis: int) -> tuple[int, int]:
    """Input entries (before, after) beyond its own stretch that one output entry sees, whatever the padding."""
    before = after = 0
    for unit in reversed(units):
        front, back = unit.reach(axis)
        before, after = unit.enlarge(before, front, axis), unit.enlarge(after, back, axis)
    return before, after

"""What both opponents have in common: noise drawn video by video, and videos that come in pieces.

A generator turns noise and a class into frames. It is trained on clips of `config.frames` frames; in a longer video it
goes on past what training has shown it. All noise of a video comes from (seed, number of the video), and frames are
made in pieces of a fixed size, so neither the number of videos nor that of frames changes what a frame shows.

Letters: B videos, C channels, T H W frames, n frames that are made of each, D width of the content noise, M of the
motion noise.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from tatslib.config import Config
from tatslib.errors import UserError
from tatslib.videos import Video, to_uint8

VIDEOS_AT_ONCE = 8  # rendered together while sampling
FAINT = 0.2  # share of the usual size of weights
MotionJudge = Literal["pair", "clip"]  # of two frames and the time between them; of consecutive frames, in 3D


class GeneratorConfig(Config):
    """What every generator here is told."""

    resolution: int = Field(24, ge=8)
    frames: int = Field(16, ge=2)  # of a training clip
    classes: int = Field(1, ge=1)  # 1: no condition
    channels: int = Field(3, ge=1)
    content: int = Field(32, ge=1)  # D
    motion: int = Field(16, ge=1)  # M


class Luck(NamedTuple):
    """All that is random about some videos."""

    content: Tensor  # float (B, D), of a whole video
    motion: Tensor  # float (B, M), of a whole video; or (B, 1 + T, M), at its start and for each frame

    def rows(self, chosen: slice) -> "Luck":
        """Some of the videos."""
        return Luck(self.content[chosen], self.motion[chosen])

    def to(self, device: torch.device) -> "Luck":
        """The same on `device`."""
        return Luck(self.content.to(device), self.motion.to(device))

    @staticmethod
    def join(parts: "list[Luck]") -> "Luck":
        """The videos of all parts."""
        return Luck(torch.cat([part.content for part in parts]), torch.cat([part.motion for part in parts]))


class VideoGenerator(Protocol):
    """The face that a study sees (`sample`), and what training needs."""

    judged_by: MotionJudge

    @property
    def config(self) -> GeneratorConfig:
        """Its shape."""

    @property
    def frames_judged(self) -> int:
        """n: frames of a training clip that are made and judged."""

    def luck(self, count: int, generator: torch.Generator) -> Luck:
        """Noise for `count` clips of the training length."""

    def times(self, count: int, generator: torch.Generator) -> Tensor:
        """Which frames of each training clip are made and judged: int64 (count, n), ascending."""

    def __call__(self, luck: Luck, labels: Tensor, times: Tensor) -> Tensor:
        """Frames `times`, int64 (B, n), of clips of classes `labels`, int64 (B,): (B, C, n, H, W) in [-0.5, 0.5]."""

    def sample(self, batch: int, frames: int, seed: int, labels: Tensor | None = None) -> Video:
        """Videos of any length, uint8 (B, frames, H, W, 3)."""


class Endless(ABC):
    """Makes videos of any length, piece by piece."""

    @abstractmethod
    def stream(self, batch: int, frames: int, seed: int, labels: Tensor | None = None) -> Iterator[Video]:
        """Videos of any length in consecutive pieces, uint8 (B, n, H, W, 3), n at most the length of a clip.

        Args:
            batch: B.
            frames: of each video.
            seed: of all noise; a video's own number decides about the rest.
            labels: int64 (B,); none: video i is of class i modulo the number of classes.
        """

    def sample(self, batch: int, frames: int, seed: int, labels: Tensor | None = None) -> Video:
        """Videos of any length, uint8 (B, frames, H, W, 3); see `stream`."""
        return gather(self.stream(batch, frames, seed, labels), frames)


def labels_in_turn(labels: Tensor | None, batch: int, classes: int) -> Tensor:
    """The classes asked for, int64 (B,); when none are, video i is of class i modulo the number of classes.

    Raises:
        UserError: if there are not as many labels as videos, or one names no class.
    """
    if labels is None:
        return torch.arange(batch) % classes
    if labels.shape != (batch,) or not bool(((labels >= 0) & (labels < classes)).all()):
        raise UserError(f"{batch} videos need {batch} labels from 0 to {classes - 1}, got {labels.tolist()}.")
    return labels.long()


def in_small_batches(render: Callable[[slice], Tensor], batch: int) -> Video:
    """What `render` makes of a few videos at a time, float (b, C, n, H, W), as uint8 (B, n, H, W, 3) of all."""
    starts = range(0, batch, VIDEOS_AT_ONCE)
    return np.concatenate([to_uint8(render(slice(start, start + VIDEOS_AT_ONCE))) for start in starts])


def gather(pieces: Iterator[Video], frames: int) -> Video:
    """All pieces of a stream as one array, uint8 (B, frames, H, W, 3), with one piece at a time beside it."""
    whole, done = np.empty((0, frames), np.uint8), 0
    for piece in pieces:
        if not done:
            whole = np.empty((len(piece), frames, *piece.shape[2:]), np.uint8)
        whole[:, done : done + piece.shape[1]] = piece
        done += piece.shape[1]
    return whole


@torch.no_grad()
def keep_variance(model: nn.Module) -> None:
    """Draw all kernels so that a signal keeps its size through leaky ReLUs (He et al. 2015); biases are zero.

    With PyTorch's own, smaller weights a short training spends itself on making noise and class heard at all.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.Conv3d):
            module.weight.normal_(std=(2 / module.weight[0].numel()) ** 0.5)
            if module.bias is not None:
                module.bias.zero_()


@torch.no_grad()
def soften(layer: nn.Linear | nn.Conv2d) -> None:
    """Let a layer begin faintly: so what it makes is much the same for all videos, or in all places, at first."""
    layer.weight *= FAINT

"""What the generators are trained against: a judge of single frames and a judge of motion.

A judge ends in one logit: a linear reading of its features, plus their inner product with an embedding of the class
(Miyato & Koyama 2018), so a frame has to be real and of the class that was asked for. MoCoGAN and DIGAN have no classes
in their judges; the first reads a category off its judge of clips.

Letters: B clips, C channels, n frames of each, H W height and width, F features.
"""

from typing import Literal

import torch
from einops import rearrange, repeat
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from tatslib.baselines.generator import MotionJudge, keep_variance
from tatslib.config import Config
from tatslib.randomness import derive_seed

CONTRAST = 4.0  # makes of pixels in [-0.5, 0.5] numbers of about unit size
SMALLEST = 4  # pixels: where the strided convolutions stop


class JudgesConfig(Config):
    """Shape of both judges."""

    motion: MotionJudge
    frames: int = Field(ge=2)  # n
    clip_frames: int = Field(ge=2)  # of a training clip, the unit of time
    resolution: int = Field(24, ge=8)
    classes: int = Field(1, ge=1)
    channels: int = Field(3, ge=1)
    width: int = Field(32, ge=1)  # after the first convolution; doubles with each


class Judge(nn.Module):
    """Strided convolutions down to a few pixels, one linear layer, one logit; no norm."""

    def __init__(self, dims: Literal[2, 3], channels: int, config: JudgesConfig):
        super().__init__()
        layers: list[nn.Module] = []
        size, frames, width = config.resolution, config.frames, config.width
        while size > SMALLEST:
            if dims == 2:
                layers.append(nn.Conv2d(channels, width, 4, 2, 1))
            else:
                layers.append(nn.Conv3d(channels, width, (3, 4, 4), (min(2, frames), 2, 2), 1))
                frames = (frames + 1) // 2
            layers.append(nn.LeakyReLU(0.2))
            size, channels, width = size // 2, width, 2 * width
        positions = size**2 * (frames if dims == 3 else 1)
        self.layers = nn.Sequential(*layers)
        self.summary = nn.Linear(channels * positions, width)
        self.read, self.of_class = nn.Linear(width, 1), nn.Embedding(config.classes, width)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """(B, C, ...) and int64 (B,) -> logits (B,)."""
        features = F.leaky_relu(self.summary(rearrange(self.layers(x), "b ... -> b (...)")), 0.2)  # (B, F)
        return self.read(features)[:, 0] + (features * self.of_class(labels)).sum(1) / features.shape[1] ** 0.5


class Judges(nn.Module):
    """Both judges, and what each of them looks at.

    Args:
        config: shape of both.
        seed: of the initial weights.
    """

    def __init__(self, config: JudgesConfig, seed: int = 0):
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "baselines/judges"))
            self.image = Judge(2, config.channels, config)
            if config.motion == "pair":
                self.motion = Judge(2, 2 * config.channels + 1, config)
            else:
                self.motion = Judge(3, config.channels, config)
            keep_variance(self)

    def forward(self, frames: Tensor, labels: Tensor, times: Tensor, chosen: Tensor) -> dict[str, Tensor]:
        """Logits (B,) of either judge.

        Args:
            frames: float (B, C, n, H, W) in about [-0.5, 0.5].
            labels: int64 (B,), classes.
            times: int64 (B, n), where in its clip each frame stands.
            chosen: int64 (B,), which of the n frames the judge of single frames looks at.
        """
        frames, rows = CONTRAST * frames, torch.arange(len(frames), device=frames.device)
        single = rearrange(frames, "b c n h w -> b n c h w")[rows, chosen]  # (B, C, H, W)
        seen = frames if self.config.motion == "clip" else self.pair(frames, times)
        return {"image": self.image(single, labels), "motion": self.motion(seen, labels)}

    def pair(self, frames: Tensor, times: Tensor) -> Tensor:
        """Two frames as channels and a plane that holds the time between them, in clips: (B, 2 C + 1, H, W)."""
        gap = (times[:, 1] - times[:, 0]).float() / self.config.clip_frames  # (B,)
        height, width = frames.shape[-2:]
        plane = repeat(gap, "b -> b 1 h w", h=height, w=width)
        return torch.cat([rearrange(frames, "b c n h w -> b (n c) h w"), plane], dim=1)

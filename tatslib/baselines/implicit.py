"""A video as a function of (x, y, t), bent by latents: an implicit generator in DIGAN's way (paper 3.3, Fig. 5, 17).

A pixel is asked for by its place and its time. Its place enters plane waves whose directions and frequencies belong to
the video (content); its time enters sinusoids, the clocks, which move the phases of these waves and the layers that
make a colour of them (motion). No pixel knows of its neighbours or of the frame before, and no time is too late to be
asked for. But long after the training clip the clocks stand to each other as training never showed them. The paper
holds such sinusoids to blame for DIGAN's periodic artefacts (C.3, Fig. 17).

What is simpler than in DIGAN (Yu et al. 2022), or other: one resolution, where DIGAN's layers double it; a layer is
modulated by one factor an input and one shift an output, where DIGAN multiplies weights by matrices of low rank. Here
clocks with periods from half to four training clips, learnt along, reach phases and layers, where DIGAN moves the
phases alone, by a small network of (content, motion, t). The class is told to the generator and to both judges. No
mixing of styles, no penalty on path lengths, no augmentation. Kept are the two latents, the two judges (of single
frames, and of two frames with the time between them), and that a training step makes two frames of a clip.

Letters: B videos, n frames of each, P pixels of a frame, C channels, H W height and width, D width of the content
noise, M of the motion noise, S of the style, F waves, K clocks.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from einops import rearrange, repeat
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from tatslib.baselines.generator import (
    Endless,
    GeneratorConfig,
    Luck,
    MotionJudge,
    in_small_batches,
    keep_variance,
    labels_in_turn,
    soften,
)
from tatslib.randomness import derive_seed, torch_generator
from tatslib.videos import Video

GAIN = 2**0.5  # of a leaky ReLU, so that signals keep their size


class ImplicitConfig(GeneratorConfig):
    """Shape of the generator."""

    style: int = Field(64, ge=1)  # S
    waves: int = Field(64, ge=1)  # F
    frequency: float = Field(3.0, gt=0)  # of the waves at first, radians over half a frame, standard deviation
    clocks: int = Field(8, ge=1)  # K
    width: int = Field(48, ge=1)
    layers: int = Field(3, ge=1)


class ModulatedLayer(nn.Module):
    """A linear layer whose inputs are weighted by the style, and whose thresholds, so edges, are moved by it."""

    def __init__(self, inputs: int, outputs: int, style: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.factors, self.shift = nn.Linear(style, inputs), nn.Linear(style, outputs)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(B, P, inputs), style (B, S) -> (B, P, outputs)."""
        weight = self.weight * (1 + self.factors(style) / 2)[:, None]  # (B, outputs, inputs)
        weight = GAIN * F.normalize(weight, dim=2)
        return torch.baddbmm(self.shift(style)[:, None], x, weight.transpose(1, 2))


class ImplicitGenerator(Endless, nn.Module):
    """Places and times to colours.

    Args:
        config: shape.
        seed: of the initial weights.
    """

    judged_by: MotionJudge = "pair"
    frames_judged = 2
    places: Tensor

    def __init__(self, config: ImplicitConfig, seed: int = 0):
        super().__init__()
        self.config = config
        style, waves, clocks = config.style, config.waves, config.clocks
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "baselines/implicit"))
            self.of_class = nn.Embedding(config.classes, config.content)
            self.mapping = mlp(2 * config.content, style)
            self.clock = nn.Linear(style + config.motion, clocks)  # where each clock stands at time 0
            self.restyle = mlp(style + 2 * clocks, style)
            self.directions, self.phases = nn.Linear(style, 2 * waves), nn.Linear(style, waves)
            self.layers = nn.ModuleList(
                ModulatedLayer(a, b, style) for a, b in pairwise([waves + 2] + [config.width] * config.layers)
            )
            self.colour, self.ground = nn.Linear(config.width, config.channels), nn.Linear(style, config.channels)
            keep_variance(self)
            for layer in (self.colour, self.ground, self.directions, self.phases):
                soften(layer)
            nn.init.normal_(self.directions.bias, std=config.frequency)
            nn.init.uniform_(self.phases.bias, 0, 2 * math.pi)
        periods = torch.logspace(math.log2(config.frames / 2), math.log2(4 * config.frames), clocks, base=2)
        self.rates = nn.Parameter(2 * math.pi / periods)  # radians a frame; learnt
        middle = (torch.arange(config.resolution) + 0.5) / config.resolution * 2 - 1
        self.register_buffer("places", torch.cartesian_prod(middle, middle), persistent=False)  # (P, 2)

    def luck(self, count: int, generator: torch.Generator) -> Luck:
        """A content code and a motion code for each video: (B, D) and (B, M)."""
        content = torch.randn(count, self.config.content, generator=generator)
        return Luck(content, torch.randn(count, self.config.motion, generator=generator))

    def times(self, count: int, generator: torch.Generator) -> Tensor:
        """Two different frames of each clip, the earlier one first: int64 (B, 2)."""
        order = torch.rand(count, self.config.frames, generator=generator).argsort(dim=1)
        return order[:, :2].sort(dim=1).values

    def forward(self, luck: Luck, labels: Tensor, times: Tensor) -> Tensor:
        """Frames `times`, int64 (B, n), of videos of classes `labels`, int64 (B,): (B, C, n, H, W) in [-0.5, 0.5]."""
        content = self.mapping(torch.cat([luck.content, self.of_class(labels)], dim=1))  # (B, S)
        style = self.styles(content, luck.motion, times)  # (B n, S)
        directions = rearrange(self.directions(content), "b (k f) -> b k f", k=2)
        waves = repeat(self.places @ directions, "b p f -> (b n) p f", n=times.shape[1])
        waves = GAIN * (waves + self.phases(style)[:, None]).sin()
        x = torch.cat([waves, repeat(GAIN * self.places, "p d -> b p d", b=len(waves))], dim=2)  # (B n, P, F + 2)
        for layer in self.layers:
            x = F.leaky_relu(layer(x, style), 0.2)
        ground = repeat(self.ground(content), "b c -> (b n) 1 c", n=times.shape[1])  # stays through a video
        x = torch.tanh(self.colour(x) + ground) / 2
        return rearrange(x, "(b n) (h w) c -> b c n h w", b=len(times), h=self.config.resolution)

    def styles(self, content: Tensor, motion: Tensor, times: Tensor) -> Tensor:
        """What the layers of each frame are told: its video's content and where its clocks stand: (B n, S)."""
        start = 2 * self.clock(torch.cat([content, motion], dim=1))  # (B, K)
        angles = start[:, None] + times[..., None] * self.rates  # (B, n, K)
        told = [repeat(content, "b s -> b n s", n=times.shape[1]), angles.sin(), angles.cos()]
        return self.restyle(rearrange(torch.cat(told, dim=2), "b n s -> (b n) s"))

    @torch.inference_mode()
    def stream(self, batch: int, frames: int, seed: int, labels: Tensor | None = None) -> Iterator[Video]:
        """As `Endless.stream`."""
        length, device = self.config.frames, self.places.device
        labels = labels_in_turn(labels, batch, self.config.classes).to(device)
        drawn = [self.luck(1, torch_generator(seed, f"baselines/implicit/{video}")) for video in range(batch)]
        luck = Luck.join(drawn).to(device)
        for first in range(0, frames, length):
            times = torch.arange(first, first + length, device=device)

            def render(some: slice, times: Tensor = times) -> Tensor:
                return self(luck.rows(some), labels[some], repeat(times, "n -> b n", b=len(labels[some])))

            yield in_small_batches(render, batch)[:, : frames - first]


def mlp(inputs: int, width: int) -> nn.Sequential:
    """Two layers, each with a leaky ReLU."""
    return nn.Sequential(nn.Linear(inputs, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2))

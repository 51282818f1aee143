"""A generator whose latents come one after the other: content stays, motion goes on (MoCoGAN's way; paper 3.3, B.2).

A video has one content code. Its motion codes are the states of a GRU that gets fresh noise for every frame. A picture
generator turns each (content, motion) into a frame, and knows of no other frame. So a video can be as long as one
likes, and what becomes of it is up to the GRU, which was trained for the length of a clip.

What is simpler than in MoCoGAN (Tulyakov et al. 2018) and MoCoGAN-HD (Tian et al. 2021): the picture generator is small
and trained along, where MoCoGAN-HD searches the latents of a large one that was trained before, moves along its
principal directions, and has a contrastive term that keeps content from changing. The class is told to the GRU, to the
generator and to the judges; MoCoGAN adds a category to the latents and reads it off its judge. Judges have no norm and
a penalty on their slope. The judge of clips sees `window` consecutive frames of a clip at a time.

Letters: B videos, C channels, T frames of a training clip, n frames that are made, H W height and width, D width of the
content code, M of the noise of a frame, S of the GRU's state.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Self

import torch
from einops import rearrange, repeat
from pydantic import Field, model_validator
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

TURN = 4.0  # how much larger than an orthogonal matrix
KEEP = 0.5  # logit of the share of a state that stays from frame to frame


class RecurrentConfig(GeneratorConfig):
    """Shape of the generator."""

    state: int = Field(64, ge=1)  # S
    width: int = Field(64, ge=1)  # of the smallest maps; halves with each doubling of the size
    smallest: int = Field(6, ge=1)  # maps are not made smaller than this
    window: int = Field(6, ge=2)  # frames of a clip that are made and judged in a training step

    @model_validator(mode="after")
    def _the_window_fits(self) -> Self:
        if self.window > self.frames:
            raise ValueError(f"a window of {self.window} frames does not fit into a clip of {self.frames}")
        return self

    @property
    def sizes(self) -> list[int]:
        """Height of the maps, from the first to the picture's."""
        sizes = [self.resolution]
        while sizes[0] % 2 == 0 and sizes[0] // 2 >= self.smallest:
            sizes.insert(0, sizes[0] // 2)
        return sizes


class PictureGenerator(nn.Module):
    """Codes to pictures: a linear layer to small maps, doubled and convolved in turn, over a ground of one colour."""

    def __init__(self, inputs: int, config: RecurrentConfig):
        super().__init__()
        self.size = config.sizes[0]
        widths = [max(8, config.width // 2**depth) for depth in range(len(config.sizes))]
        self.first = nn.Linear(inputs, widths[0] * self.size**2)
        self.convs = nn.ModuleList(convolution(a, b) for a, b in pairwise(widths))
        self.colour = convolution(widths[-1], config.channels)

    def forward(self, codes: Tensor, ground: Tensor) -> Tensor:
        """Codes (B, D') and the colour of the ground (B, C) -> (B, C, H, W) in [-0.5, 0.5]."""
        x = rearrange(self.first(codes), "b (f h w) -> b f h w", h=self.size, w=self.size)
        x = F.leaky_relu(unit_pixels(x), 0.2)
        for conv in self.convs:
            x = F.interpolate(x, scale_factor=2, mode="bilinear")
            x = F.leaky_relu(unit_pixels(conv(x)), 0.2)
        return torch.tanh(self.colour(x) + ground[..., None, None]) / 2


class RecurrentGenerator(Endless, nn.Module):
    """Content code, GRU and picture generator.

    Args:
        config: shape.
        seed: of the initial weights.
    """

    judged_by: MotionJudge = "clip"

    def __init__(self, config: RecurrentConfig, seed: int = 0):
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "baselines/recurrent"))
            self.of_class = nn.Embedding(config.classes, config.content)
            self.start = nn.Linear(config.motion + config.content, config.state)
            self.gru = nn.GRU(config.motion + config.content, config.state, batch_first=True)
            self.picture = PictureGenerator(2 * config.content + config.state, config)
            self.ground = nn.Linear(2 * config.content, config.channels)
            keep_variance(self)
            keep_moving(self.gru)
            soften(self.picture.colour)
            soften(self.ground)

    @property
    def frames_judged(self) -> int:
        """A window."""
        return self.config.window

    def luck(self, count: int, generator: torch.Generator) -> Luck:
        """A content code, noise for the first state and noise for each frame of a clip: (B, D) and (B, 1 + T, M)."""
        content = torch.randn(count, self.config.content, generator=generator)
        return Luck(content, torch.randn(count, 1 + self.config.frames, self.config.motion, generator=generator))

    def times(self, count: int, generator: torch.Generator) -> Tensor:
        """A window at a random place in each clip: int64 (B, n)."""
        window = self.config.window
        first = torch.randint(self.config.frames - window + 1, (count, 1), generator=generator)
        return first + torch.arange(window)

    def forward(self, luck: Luck, labels: Tensor, times: Tensor) -> Tensor:
        """Frames `times`, int64 (B, n), of clips of classes `labels`, int64 (B,): (B, C, n, H, W) in [-0.5, 0.5]."""
        states = self.go_on(luck.motion[:, 1:], labels, self.begin(luck.motion[:, 0], labels))  # (B, T, S)
        rows = torch.arange(len(states), device=states.device)[:, None]
        return self.render(luck.content, states[rows, times], labels)

    def begin(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Noise (B, M) -> the state before the first frame (B, S)."""
        return torch.tanh(self.start(torch.cat([noise, self.of_class(labels)], dim=1)))

    def go_on(self, noise: Tensor, labels: Tensor, state: Tensor) -> Tensor:
        """Noise (B, n, M) and the state before -> the states of the next n frames (B, n, S)."""
        words = repeat(self.of_class(labels), "b d -> b n d", n=noise.shape[1])
        return self.gru(torch.cat([noise, words], dim=2), state[None])[0]

    def render(self, content: Tensor, states: Tensor, labels: Tensor) -> Tensor:
        """Content (B, D) and states (B, n, S) -> frames (B, C, n, H, W)."""
        fixed = torch.cat([content, self.of_class(labels)], dim=1)
        ground = self.ground(fixed)  # stays through a video
        fixed, ground = (repeat(x, "b d -> (b n) d", n=states.shape[1]) for x in (fixed, ground))
        pictures = self.picture(torch.cat([fixed, rearrange(states, "b n s -> (b n) s")], dim=1), ground)
        return rearrange(pictures, "(b n) c h w -> b c n h w", b=len(states))

    @torch.inference_mode()
    def stream(self, batch: int, frames: int, seed: int, labels: Tensor | None = None) -> Iterator[Video]:
        """As `Endless.stream`."""
        config, device, videos = self.config, self.start.weight.device, range(batch)
        labels = labels_in_turn(labels, batch, config.classes).to(device)
        drawn = [self.luck(1, torch_generator(seed, f"baselines/recurrent/{video}")) for video in videos]
        luck = Luck.join(drawn).to(device)
        state = self.begin(luck.motion[:, 0], labels)
        for piece in range(-(-frames // config.frames)):
            streams = [torch_generator(seed, f"baselines/recurrent/{video}/frames", piece) for video in videos]
            noise = torch.stack([torch.randn(config.frames, config.motion, generator=stream) for stream in streams])
            states = self.go_on(noise.to(device), labels, state)
            state = states[:, -1]

            def render(some: slice, states: Tensor = states) -> Tensor:
                return self.render(luck.content[some], states[some], labels[some])

            yield in_small_batches(render, batch)[:, : frames - piece * config.frames]


def convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """Three pixels wide; beyond an edge there is more of the edge."""
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="replicate")


@torch.no_grad()
def keep_moving(gru: nn.GRU) -> None:
    """Let states wander at first, smoothly and without end.

    With PyTorch's weights they come to rest within five frames, and in training all frames after these stayed alike. A
    state keeps a share of itself and goes on towards an enlarged rotation of itself.
    """
    weights = dict(gru.named_parameters())
    _, share, rotation = weights["weight_hh_l0"].chunk(3)
    nn.init.orthogonal_(rotation, gain=TURN)
    share.zero_()  # for now it is the same whatever the state
    weights["bias_hh_l0"].zero_()
    weights["bias_ih_l0"].zero_()
    reset, keep, _ = weights["bias_ih_l0"].chunk(3)
    reset.fill_(KEEP)
    keep.fill_(KEEP)


def unit_pixels(x: Tensor) -> Tensor:
    """Features of each pixel, dim 1, scaled to a mean square of 1."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-6).rsqrt()

"""The two adversaries of the first stage: one judges single frames, one whole clips (paper Section 2.1, L_disc).

Neither gives one verdict. Each is a stack of convolutions whose last map holds one logit a patch: is this part real?

Letters: B batch, C channels, T H W frames.
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from pydantic import Field
from torch import Tensor, nn

from tatslib.config import Config
from tatslib.randomness import torch_generator
from tatslib.vqgan.config import Norm
from tatslib.vqgan.initial_weights import draw_weights
from tatslib.vqgan.normalisation import normalisation
from tatslib.vqgan.padding import SpatialMode

LARGEST_GROWTH = 8  # a layer is at most this many times as wide as the first


class DiscriminatorConfig(Config):
    """Shape of both discriminators; the defaults are the released ones."""

    channels: int = Field(3, ge=1)  # of the videos
    width: int = Field(64, ge=1)  # after the first convolution; doubles with each layer
    layers: int = Field(3, ge=1)  # strided convolutions
    norm: Norm = "batch"  # the paper's, synchronised over processes; "group" needs a width of at least 16
    padding: SpatialMode = "zeros"  # what stands around every map, in time as well


class Layer(nn.Module):
    """Convolution with a kernel of 4 and a border of 2 around, then norm and leaky ReLU (each may be missing)."""

    def __init__(
        self,
        dims: Literal[2, 3],
        inputs: int,
        outputs: int,
        stride: int,
        norm: Norm,
        padding: SpatialMode = "zeros",
        bare: bool = False,
    ):
        super().__init__()
        convolution = nn.Conv2d if dims == 2 else nn.Conv3d
        self.conv = convolution(inputs, outputs, kernel_size=4, stride=stride)
        self.border = (2,) * 2 * dims  # on every side
        self.padding = "constant" if padding == "zeros" else padding
        self.norm = normalisation(norm, outputs, dims)
        self.slope = 1.0 if bare else 0.2

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) -> (B, C', ...), every axis n becomes n // stride + 1."""
        # padded beforehand: with padding inside the convolution, oneDNN's weight gradient in bfloat16 reads memory that
        # nobody wrote (seen with torch 2.13 on a processor with AVX512_BF16, maps 3 frames long)
        return F.leaky_relu(self.norm(self.conv(F.pad(x, self.border, self.padding))), self.slope)


class PatchDiscriminator(nn.Module):
    """Strided layers, one unstrided, and one that gives a logit a patch; in 3D, time is strided like space."""

    def __init__(self, dims: Literal[2, 3], config: DiscriminatorConfig):
        super().__init__()
        widths = [config.width * min(2**n, LARGEST_GROWTH) for n in range(config.layers + 1)]
        norm, padding = config.norm, config.padding
        layers = [Layer(dims, config.channels, widths[0], 2, "none", padding)]
        layers += [Layer(dims, widths[n - 1], widths[n], 2, norm, padding) for n in range(1, config.layers)]
        layers += [
            Layer(dims, widths[-2], widths[-1], 1, norm, padding),
            Layer(dims, widths[-1], 1, 1, "none", padding, bare=True),
        ]
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """The map after every layer, for feature matching; the last one, (B, 1, ...), holds the logits."""
        maps = []
        for layer in self.layers:
            x = layer(x)
            maps.append(x)
        return maps


class Verdict(NamedTuple):
    """What both discriminators say about one batch: the maps of all layers, the logits last."""

    image: list[Tensor]
    video: list[Tensor]


class Adversaries(nn.Module):
    """The image and the video discriminator, and the choice of the frames that the first one sees.

    Args:
        config: shape of both.
        seed: of the initial weights.
    """

    def __init__(self, config: DiscriminatorConfig, seed: int = 0):
        super().__init__()
        self.config = config
        self.image = PatchDiscriminator(2, config)
        self.video = PatchDiscriminator(3, config)
        draw_weights(self, torch_generator(seed, "adversaries/weights"))

    def forward(self, *videos: Tensor, frames: Tensor) -> list[Verdict]:
        """A verdict on each of `videos`, in the order given (batch norm's running statistics follow it).

        Args:
            videos: float (B, C, T, H, W) in about [-0.5, 0.5]; real ones and reconstructions of them.
            frames: int64 (B,), which frame of each clip the image discriminator looks at, the same in all videos.
        """
        return [Verdict(self.image(pick_frames(video, frames)), self.video(video)) for video in videos]


def pick_frames(video: Tensor, frames: Tensor) -> Tensor:
    """One frame of each clip: (B, C, T, H, W) and int64 (B,) -> (B, C, H, W)."""
    by_frame = rearrange(video, "b c t h w -> b t c h w")
    return by_frame[torch.arange(len(video), device=video.device), frames.to(video.device)]

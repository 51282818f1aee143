"""Feature networks for clips: a random one, which needs no data and favours nobody, and a small trained classifier.

The large networks of the paper, `i3d` and `c3d`, are used in the same way.

Letters: B clips, C channels, T H W frames, F feature dimensions, V videos, n windows of a video, k classes.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Protocol

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from pydantic import Field
from torch import Tensor, nn

from tatslib.config import Config
from tatslib.distributed import gather_rows, world_size
from tatslib.errors import UserError
from tatslib.randomness import derive_seed, torch_generator
from tatslib.videos import Video, to_model
from tatslib.vqgan.normalisation import BatchNorm3d


class FeatureNetwork(Protocol):
    """What makes features of clips. Its weights say on which device."""

    clips_at_once: int

    def features(self, x: Tensor, /) -> Tensor:
        """float (B, 3, T, H, W) in [-0.5, 0.5] -> (B, F)."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """Its weights."""


class Classifier(FeatureNetwork, Protocol):
    """A feature network with a last layer that gives logits of classes."""

    @property
    def head(self) -> nn.Linear:
        """The last layer, features to logits."""


class RandomFeatures(nn.Module):
    """Three strided 3D convolutions with random weights, averaged over time and space.

    A ruler for distances between sets of clips that no training has taught what to overlook. `fit` sets its scale: each
    feature is shifted and divided so that the clips given there have mean 0 and standard deviation 1.
    """

    clips_at_once = 64
    mean: Tensor
    scale: Tensor

    def __init__(self, dimensions: int = 16, seed: int = 0):
        super().__init__()
        widths = (3, 16, 32, dimensions)
        self.layers = nn.ModuleList(nn.Conv3d(a, b, 3, 2, 1) for a, b in pairwise(widths))
        generator = torch_generator(seed, "random features")
        with torch.no_grad():
            for layer in self.layers:
                assert isinstance(layer, nn.Conv3d)
                layer.weight.normal_(std=(2 / layer.weight[0].numel()) ** 0.5, generator=generator)
                assert layer.bias is not None
                layer.bias.zero_()
        self.register_buffer("mean", torch.zeros(dimensions))
        self.register_buffer("scale", torch.ones(dimensions))

    def fit(self, clips: Video) -> "RandomFeatures":
        """Standardise with these clips, uint8 (B, T, H, W, 3)."""
        self.mean.zero_()
        self.scale.fill_(1)
        features = clip_features(self, clips)
        self.mean.copy_(features.mean(0))
        self.scale.copy_(features.std(0))
        return self

    def features(self, x: Tensor) -> Tensor:
        """float (B, 3, T, H, W) in [-0.5, 0.5] -> (B, F)."""
        x = 2 * x
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
        return (reduce(x, "b f t h w -> b f", "mean") - self.mean) / self.scale


class ClassifierConfig(Config):
    """Shape of the toy classifier, the twin of the C3D network behind the paper's IS, CCS and ICS (3.1, 3.3)."""

    classes: tuple[str, ...] = Field(min_length=2)
    frames: int = 16
    resolution: int = 24
    width: int = 24  # F: few, so that a few hundred clips give a Fréchet distance that is more than noise


class ClipClassifier(nn.Module):
    """Four 3D convolutions, an average, a linear layer: which class is a clip of?"""

    clips_at_once = 64

    def __init__(self, config: ClassifierConfig, seed: int = 0):
        super().__init__()
        self.config = config
        widths = (3, config.width // 4, config.width // 2, config.width, config.width)
        strides = ((1, 2, 2), (2, 2, 2), (2, 2, 2), (2, 1, 1))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "classifier"))
            self.layers = nn.ModuleList(
                nn.Sequential(nn.Conv3d(a, b, 3, stride, 1, bias=False), BatchNorm3d(b), nn.ReLU())
                for (a, b), stride in zip(pairwise(widths), strides, strict=True)
            )
            self.head = nn.Linear(config.width, len(config.classes))

    def features(self, x: Tensor) -> Tensor:
        """float (B, 3, T, H, W) in [-0.5, 0.5] -> (B, F)."""
        for layer in self.layers:
            x = layer(x)
        return reduce(x, "b f t h w -> b f", "mean")

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes)."""
        return self.head(self.features(x))


@torch.inference_mode()
def clip_features(network: FeatureNetwork, clips: Video) -> Tensor:
    """Features of uint8 clips (B, T, H, W, 3): float32 (B, F)."""
    device = next(network.parameters()).device
    parts = torch.as_tensor(clips).split(network.clips_at_once)
    return torch.cat([network.features(to_model(part).to(device)).cpu() for part in parts])


def features_of_all(mine: Tensor, clips: int) -> Tensor:
    """The features of all processes, in the order of the clips; in one process, `mine` itself.

    Args:
        mine: float (B, F), of clips r, r + W, r + 2 W, ... where r is the rank and W the number of processes.
        clips: how many there are in all; they need not be a multiple of W.

    Returns:
        float (clips, F), the same on every process.
    """
    rows = -(-clips // world_size())
    return gather_rows(F.pad(mine, (0, 0, 0, rows - len(mine))))[:clips]


@torch.inference_mode()
def classify(network: Classifier, clips: Video) -> Tensor:
    """The likeliest class of each uint8 clip (B, T, H, W, 3): int64 (B,)."""
    return network.head(clip_features(network, clips).to(network.head.weight.device)).argmax(1).cpu()


@torch.inference_mode()
def class_probabilities(network: Classifier, clips: Video) -> Tensor:
    """What the classifier thinks of each uint8 clip (B, T, H, W, 3): probabilities, float64 (B, classes)."""
    logits = network.head(clip_features(network, clips).to(network.head.weight.device))
    return logits.double().softmax(-1).cpu()


def window_probabilities(network: Classifier, videos: Video, frames: int) -> Tensor:
    """The same for windows of long videos side by side, as CCS and ICS take it (paper 3.3).

    Args:
        network: what classifies a window.
        videos: uint8 (V, n T, H, W, 3).
        frames: T, those of a window.

    Returns:
        float64 (V, n, classes).
    """
    clips = rearrange(windows(videos, frames), "v n t h w c -> (v n) t h w c")
    return rearrange(class_probabilities(network, clips), "(v n) k -> v n k", v=len(videos))


def windows(videos: Video, frames: int) -> Video:
    """Cut long videos into windows side by side: uint8 (V, n T, H, W, 3) -> (V, n, T, H, W, 3) (paper 3.3)."""
    return rearrange(videos, "v (n t) h w c -> v n t h w c", t=frames)


def some_windows(videos: Video, frames: int) -> Video:
    """The same, two windows at least, so that there is a first and a later one.

    Raises:
        UserError: if the videos cannot be cut into so many.
    """
    if videos.ndim != 5 or videos.shape[1] % frames or videos.shape[1] < 2 * frames:
        raise UserError(
            f"videos of shape {tuple(videos.shape)} do not divide into two or more windows of {frames} frames: "
            "(videos, frames, height, width, 3) is needed, frames a multiple of the window."
        )
    return windows(videos, frames)

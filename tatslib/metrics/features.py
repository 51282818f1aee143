"""Feature networks for clips: a random one, which needs no data and favours nobody, and a small trained classifier.

Letters: B clips, C channels, T H W frames, F feature dimensions.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from pydantic import Field
from torch import Tensor, nn

from tatslib.config import Config
from tatslib.randomness import derive_seed, torch_generator
from tatslib.videos import Video, to_model
from tatslib.vqgan.normalisation import BatchNorm3d

CLIPS_AT_ONCE = 64


class RandomFeatures(nn.Module):
    """Three strided 3D convolutions with random weights, averaged over time and space.

    A ruler for distances between sets of clips that no training has taught what to overlook. `fit` sets its scale: each
    feature is shifted and divided so that the clips given there have mean 0 and standard deviation 1.
    """

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
def clip_features(network: RandomFeatures | ClipClassifier, clips: Video) -> Tensor:
    """Features of uint8 clips (B, T, H, W, 3): float32 (B, F)."""
    device = next(network.parameters()).device
    parts = torch.as_tensor(clips).split(CLIPS_AT_ONCE)
    return torch.cat([network.features(to_model(part).to(device)).cpu() for part in parts])


@torch.inference_mode()
def classify(network: ClipClassifier, clips: Video) -> Tensor:
    """The likeliest class of each uint8 clip (B, T, H, W, 3): int64 (B,)."""
    return network.head(clip_features(network, clips).to(network.head.weight.device)).argmax(1).cpu()


@torch.inference_mode()
def class_probabilities(network: ClipClassifier, clips: Video) -> Tensor:
    """What the classifier thinks of each uint8 clip (B, T, H, W, 3): probabilities, float64 (B, classes)."""
    logits = network.head(clip_features(network, clips).to(network.head.weight.device))
    return logits.double().softmax(-1).cpu()


def windows(videos: Video, frames: int) -> Video:
    """Cut long videos into windows side by side: uint8 (V, n T, H, W, 3) -> (V, n, T, H, W, 3) (paper 3.3)."""
    return rearrange(videos, "v (n t) h w c -> v n t h w c", t=frames)

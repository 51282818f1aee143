"""What looks at clips: the paper's networks, a small classifier of one's own, or random features; each with a checksum.

A number of one network says nothing beside that of another, so each carries a name and the SHA-256 of its weights.

Letters: B clips, F feature dimensions, k classes.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from tatslib.errors import UserError, did_you_mean
from tatslib.files import sha256
from tatslib.home import home
from tatslib.metrics import c3d, i3d
from tatslib.metrics.features import Classifier, ClassifierConfig, ClipClassifier, RandomFeatures, clip_features
from tatslib.metrics.fidelity import colour_correlation, lpips
from tatslib.metrics.motion import frame_changes, still_share
from tatslib.training.checkpoint import load_model, read_config
from tatslib.training.device import default_device
from tatslib.videos import Video
from tatslib.vqgan import perceptual
from tatslib.vqgan.perceptual import load_perceptual

NAMES = ("i3d", "c3d", "random")
WEIGHTS = "model.safetensors"  # of a classifier
RANDOM_DIMENSIONS = 64
NO_NETWORK = "no network"
VGG16 = "vgg16"  # the name of the official weights of LPIPS
PIXEL_VERSION = 1  # raise it with any change to what `pixel_rows` computes
# A checksum of weights says nothing of the code around them, and kept features of other code would be found again. So
# raise this with any change to what a network makes of the same pixels: their range, resizing or cropping, the layers,
# which of them gives the features, the number format.
FEATURES_VERSION = 1


@dataclass(frozen=True)
class Extractor:
    """What turns clips into rows of numbers."""

    name: str  # i3d, c3d, random, or classifier
    what: str  # the same in words, for the protocol
    checksum: str  # SHA-256 of the weights
    rows: Callable[[Video], Tensor]  # uint8 (B, T, H, W, 3) -> (B, F)
    network: nn.Module | None = None
    dimensions: int = 0  # F
    frames: tuple[int, int | None] = (1, None)  # fewest and most that it takes
    resolution: int | None = None  # that it was trained with, where others make no sense
    dtype: torch.dtype = torch.float32  # of the rows
    # Name and SHA-256 of each file of weights for which none was published, so that nothing known in advance could be
    # held against it: the first download is trusted, and whoever has another file can see it.
    unpublished: tuple[tuple[str, str], ...] = ()

    @property
    def classifies(self) -> bool:
        """Whether the network has a last layer that gives logits of classes."""
        return hasattr(self.network, "head")

    @property
    def folder(self) -> str:
        """The name of the folder of kept rows: other weights or other code are another one."""
        return f"{self.name}-{self.checksum[:16]}-{FEATURES_VERSION}"

    def check(self, frames: int, resolution: int) -> None:
        """Refuse clips that this network cannot look at.

        Raises:
            UserError: for too few or too many frames, or another resolution.
        """
        least, most = self.frames
        if frames < least or (most is not None and frames > most):
            wanted = f"{least}" if least == most else f"{least} or more"
            raise UserError(f"{self.what} takes clips of {wanted} frames, got {frames}.")
        if self.resolution is not None and resolution != self.resolution:
            raise UserError(
                f"{self.what} was trained at {self.resolution}x{self.resolution} pixels, not {resolution}x{resolution}."
            )

    @torch.inference_mode()
    def chances(self, rows: Tensor) -> Tensor:
        """Probabilities of the classes, float64 (B, k), from features (B, F).

        Raises:
            UserError: if this is no classifier.
        """
        head = getattr(self.network, "head", None)
        if head is None:
            raise UserError(f"{self.what} knows no classes: IS takes c3d, or the folder of a classifier.")
        return head(rows.to(head.weight.device)).double().softmax(-1).cpu()


def open_network(name: str, weights: Path | None = None) -> Extractor:
    """A feature network.

    Args:
        name: "i3d", "c3d", "random", or the folder of a classifier, such as that of the recipe actions/classifier.
        weights: the file of I3D's weights; absent, as `load_i3d` finds them.

    Raises:
        UserError: if there is none of this name, or its weights cannot be had.
    """
    if weights is not None and name != "i3d":
        raise UserError(f"{weights} would be a file for i3d, and the features are those of {name}.")
    if name == "i3d":
        network: nn.Module = i3d.load_i3d(weights)
        file = weights or home() / "weights" / i3d.FILE
        checksum = sha256(file)
        found = _extractor("i3d", "I3D (Kinetics-400 logits)", checksum, network, 400, (i3d.SMALLEST, None))
        return replace(found, unpublished=((file.name, checksum),))
    if name == "c3d":
        network = c3d.load_c3d()
        files = {name: sha256(home() / "weights" / name) for name in (c3d.WEIGHTS, c3d.MEAN)}
        checksum, width = hashlib.sha256("".join(files.values()).encode()).hexdigest(), network.fc7.out_features
        found = _extractor("c3d", "C3D (UCF-101)", checksum, network, width, (c3d.FRAMES, c3d.FRAMES))
        return replace(found, unpublished=tuple(files.items()))
    if name == "random":
        network = RandomFeatures(RANDOM_DIMENSIONS)
        weights_of = b"".join(value.numpy().tobytes() for value in network.state_dict().values())
        what = f"{RANDOM_DIMENSIONS} random features (no training)"
        return _extractor("random", what, hashlib.sha256(weights_of).hexdigest(), network, RANDOM_DIMENSIONS)
    folder = Path(name)
    if not (folder / WEIGHTS).is_file():
        raise UserError(
            f"{name!r} is no feature network{did_you_mean(name, NAMES)}: take {', '.join(NAMES)}, or a folder "
            "such as `tats recipes get actions/classifier` prints."
        )
    config = read_config(folder, ClassifierConfig)
    network = ClipClassifier(config)
    load_model(folder, network)
    what, checksum = f"the classifier {folder.resolve().name}", sha256(folder / WEIGHTS)
    exact = (config.frames, config.frames)
    return _extractor("classifier", what, checksum, network, config.width, exact, config.resolution)


def open_perceptual(name: str) -> Extractor:
    """LPIPS of the first and the last frame of each clip (Table 2), by the weights that train the VQGAN.

    Args:
        name: "vgg16", torchvision's weights with the heads of LPIPS 0.1, both checked by their SHA-256; or the file of
            a released VQGAN, which carries the network along. See `load_perceptual`.

    Raises:
        UserError: if the weights cannot be had.
    """
    network = load_perceptual(None if name == VGG16 else Path(name))
    if network is None:
        raise UserError(
            f"LPIPS has no weights: put {perceptual.VGG16} (from {perceptual.VGG16_URL}) into {home() / 'weights'} or "
            "into a folder that TATS_MIRROR names, or give the file of a released VQGAN."
        )
    if name == VGG16:
        checksum = hashlib.sha256((perceptual.VGG16_SHA256 + perceptual.HEADS_SHA256).encode()).hexdigest()
    else:
        checksum = sha256(Path(name))
    network = network.to(default_device()).eval()

    def rows(clips: Video) -> Tensor:
        return lpips(network, clips[:, :1], clips[:, -1:])  # (B, 1)

    return Extractor("lpips", "LPIPS (VGG16)", checksum, rows, network, dimensions=1, frames=(2, None))


def pixels() -> Extractor:
    """Motion and colour of each clip, without a network."""
    checksum = hashlib.sha256(f"pixels {PIXEL_VERSION}".encode()).hexdigest()
    return Extractor("pixels", NO_NETWORK, checksum, pixel_rows, dimensions=3, frames=(2, None), dtype=torch.float64)


def pixel_rows(clips: Video) -> Tensor:
    """Of uint8 (B, T, H, W, 3), two frames or more: float64 (B, 3).

    Mean change from frame to frame, in grey levels; share of frames that hardly differ from the one before; correlation
    of the colour histograms of the first and the last frame (Table 2).
    """
    changes = frame_changes(clips)
    colours = colour_correlation(clips[:, :1], clips[:, -1:])[:, 0]
    return torch.stack([changes.mean(1), still_share(changes), colours], dim=1)


def _extractor(
    name: str,
    what: str,
    checksum: str,
    network: nn.Module,
    dimensions: int,
    frames: tuple[int, int | None] = (1, None),
    resolution: int | None = None,
) -> Extractor:
    network = network.to(default_device()).eval()

    def rows(clips: Video) -> Tensor:
        return clip_features(cast(Classifier, network), clips)

    return Extractor(name, what, checksum, rows, network, dimensions, frames, resolution)

"""C3D, tuned on UCF-101: the classifier behind IS, CCS and ICS of UCF-101 (paper 3.2, 3.3).

The released code has none. The paper takes the network of TGANv2, whose authors publish its weights and a mean clip as
two archives of plain arrays; they are read as such, and the network stands here as a table.

Letters: B clips, C channels, T H W frames, k classes.
"""

import zipfile
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor, nn

from tatslib.downloads import fetch
from tatslib.errors import UserError
from tatslib.home import home

WEIGHTS, MEAN = "conv3d_deepnetA_ucf.npz", "mean2.npz"
URL = "https://github.com/rezoo/tgan2/releases/download/v1.0/"

FRAMES, RESOLUTION = 16, 112
MEAN_SHAPE = (3, FRAMES, 128, 171)  # what the network's authors resized UCF-101 to
# Convolutions by their official names, each with its width in multiples of the first, and pools by their strides.
LAYERS: tuple[tuple[str, int] | tuple[int, int, int], ...] = (
    *(("conv1a", 1), (1, 2, 2)),
    *(("conv2a", 2), (2, 2, 2)),
    *(("conv3a", 4), ("conv3b", 4), (2, 2, 2)),
    *(("conv4a", 8), ("conv4b", 8), (2, 2, 2)),
    *(("conv5a", 8), ("conv5b", 8), (2, 2, 2)),
)
CONVOLUTIONS = {layer[0]: layer[1] for layer in LAYERS if len(layer) == 2}
LINEAR = ("fc6", "fc7", "fc8")
MAP = 4 * 4  # places that are left after the last pool

Preparation = Literal["tganv2", "tgan"]


class C3D(nn.Module):
    """Eight convolutions and three linear layers.

    Args:
        width: of the first convolution; 64 is the published size.
        hidden: of the linear layers; 4,096.
        classes: k; 101.
        preparation: "tganv2", which the paper cites, makes frames 112x112 at once and subtracts the left part of the
            mean clip; "tgan" makes them 128x128 by cubic interpolation, cuts out the middle, and subtracts the middle
            of the mean clip.
    """

    clips_at_once = 8
    mean: Tensor

    def __init__(
        self, width: int = 64, hidden: int = 4096, classes: int = 101, preparation: Preparation = "tganv2"
    ) -> None:
        super().__init__()
        self.preparation = preparation
        inputs = 3
        for name, times in CONVOLUTIONS.items():
            self.add_module(name, nn.Conv3d(inputs, times * width, 3, padding=1))
            inputs = times * width
        self.fc6 = nn.Linear(inputs * MAP, hidden)
        self.fc7 = nn.Linear(hidden, hidden)
        self.fc8 = nn.Linear(hidden, classes)
        self.register_buffer("mean", torch.zeros(MEAN_SHAPE))
        self.requires_grad_(False).eval()

    @property
    def head(self) -> nn.Linear:
        """The last layer: features to logits."""
        return self.fc8

    def features(self, x: Tensor) -> Tensor:
        """The last hidden layer of float (B, 3, 16, H, W) in [-0.5, 0.5], any height and width: (B, 4096).

        Raises:
            UserError: for another number of frames.
        """
        x = self.prepared(x)
        for layer in LAYERS:
            if len(layer) == 2:
                x = F.relu(self.get_submodule(layer[0])(x))
                continue
            x = F.max_pool3d(x, layer, ceil_mode=True)  # where a length is odd, its last place stays
        x = F.relu(self.fc6(rearrange(x, "b c t h w -> b (c t h w)")))
        return F.relu(self.fc7(x))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, k)."""
        return self.fc8(self.features(x))

    def prepared(self, x: Tensor) -> Tensor:
        """What the network sees: blue, green, red from 0 to 256, less the mean clip; (B, 3, 16, 112, 112)."""
        if x.shape[2] != FRAMES:
            raise UserError(f"C3D takes clips of {FRAMES} frames, got {x.shape[2]}.")
        frames = rearrange((256 * x + 128).flip(1), "b c t h w -> (b t) c h w")
        if self.preparation == "tganv2":
            frames = F.interpolate(frames, (RESOLUTION, RESOLUTION), mode="bilinear", align_corners=True)
            top = left = (128 - RESOLUTION) // 2
        else:
            frames = F.interpolate(frames, (128, 128), mode="bicubic", align_corners=False)
            frames = frames[..., 8 : 8 + RESOLUTION, 8 : 8 + RESOLUTION]
            top, left = 8, 21 + 8
        clip = rearrange(frames, "(b t) c h w -> b c t h w", b=len(x))
        return clip - self.mean[:, :, top : top + RESOLUTION, left : left + RESOLUTION]


def load_c3d(weights: Path | None = None, mean: Path | None = None, preparation: Preparation = "tganv2") -> C3D:
    """C3D with its trained weights.

    Args:
        weights: the archive of weights. Absent, it is `weights/conv3d_deepnetA_ucf.npz` under `TATS_HOME`, from the
            folder that `TATS_MIRROR` names, or from TGANv2's release (about 310 MB, once). Its SHA-256 is written
            beside it at the first download, because none was published, and later held against it.
        mean: the archive of the mean clip, likewise `mean2.npz`.
        preparation: as `C3D`.

    Returns:
        The network, of the size of its weights.

    Raises:
        UserError: if a file cannot be had, is another one than before, or holds other arrays than these.
    """
    weights = weights or fetch(URL + WEIGHTS, home() / "weights" / WEIGHTS)
    mean = mean or fetch(URL + MEAN, home() / "weights" / MEAN)
    wanted = [f"{name}/{kind}" for name in (*CONVOLUTIONS, *LINEAR) for kind in "Wb"]
    arrays, average = _arrays(weights, wanted), _arrays(mean, ["mean"])["mean"]
    if average.size != np.prod(MEAN_SHAPE):
        raise UserError(f"{mean} holds a mean clip of shape {average.shape}, not {MEAN_SHAPE}.")
    with torch.device("meta"):  # the tensors come from the file, so none is drawn
        network = C3D(len(arrays["conv1a/b"]), len(arrays["fc6/b"]), len(arrays["fc8/b"]), preparation)
    state = {name.replace("/W", ".weight").replace("/b", ".bias"): torch.from_numpy(a) for name, a in arrays.items()}
    for name, value in network.state_dict().items():
        if name != "mean" and state[name].shape != value.shape:
            raise UserError(
                f"{weights} is not the C3D network: {name} is {tuple(state[name].shape)}, not {tuple(value.shape)}."
            )
    state["mean"] = torch.from_numpy(average.reshape(MEAN_SHAPE))
    network.load_state_dict(state, assign=True)
    return network.requires_grad_(False)


def _arrays(path: Path, names: list[str]) -> dict[str, NDArray[np.float32]]:
    """These arrays of an archive, as float32; nothing that is pickled is read."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive.files]
            if missing:
                raise UserError(f"{path} has no array {missing[0]!r}: is this another file?")
            return {name: np.asarray(archive[name], dtype=np.float32) for name in names}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read as an archive of arrays ({error}): delete it and run again.") from error

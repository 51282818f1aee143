"""I3D, trained on Kinetics-400: the network behind FVD and KVD (paper 3.2), with 400 logits as features.

The file that the released code uses holds plain tensors. The network stands here as a table, so that torch's restricted
reader is enough to open it; files of TorchScript, as other repositories have them, are programs and are not opened.

Letters: B clips, C channels, T H W frames.
"""

import pickle
from itertools import chain
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from torch import Tensor, nn

from tatslib.downloads import fetch
from tatslib.errors import UserError
from tatslib.foreign import check_tensors
from tatslib.home import home

FILE = "i3d_pretrained_400.pt"
URL = f"https://github.com/songweige/TATS/raw/03bbce1daa3da7e9bff8221e9ec433df9484817f/tats/fvd/{FILE}"

RESOLUTION = 224  # height and width that the network was trained with
SMALLEST = 9  # frames without which the last pool, over two moments, finds one

# Name in the official file, then: (width, kernel, stride) of a convolution; (kernel, stride) of a pool; or the widths
# of the six convolutions of an inception block.
Layer = tuple[int, int, int] | tuple[tuple[int, int, int], tuple[int, int, int]] | tuple[int, int, int, int, int, int]
LAYERS: tuple[tuple[str, Layer], ...] = (
    ("Conv3d_1a_7x7", (64, 7, 2)),
    ("MaxPool3d_2a_3x3", ((1, 3, 3), (1, 2, 2))),
    ("Conv3d_2b_1x1", (64, 1, 1)),
    ("Conv3d_2c_3x3", (192, 3, 1)),
    ("MaxPool3d_3a_3x3", ((1, 3, 3), (1, 2, 2))),
    ("Mixed_3b", (64, 96, 128, 16, 32, 32)),
    ("Mixed_3c", (128, 128, 192, 32, 96, 64)),
    ("MaxPool3d_4a_3x3", ((3, 3, 3), (2, 2, 2))),
    ("Mixed_4b", (192, 96, 208, 16, 48, 64)),
    ("Mixed_4c", (160, 112, 224, 24, 64, 64)),
    ("Mixed_4d", (128, 128, 256, 24, 64, 64)),
    ("Mixed_4e", (112, 144, 288, 32, 64, 64)),
    ("Mixed_4f", (256, 160, 320, 32, 128, 128)),
    ("MaxPool3d_5a_2x2", ((2, 2, 2), (2, 2, 2))),
    ("Mixed_5b", (256, 160, 320, 32, 128, 128)),
    ("Mixed_5c", (384, 192, 384, 48, 128, 128)),
)


def same_padding(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Zeros around (B, C, T, H, W) such that each stride begins inside it; where they are odd, one more at the end."""
    totals = [max(k - (n % s or s), 0) for n, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
    return F.pad(x, tuple(chain.from_iterable((total // 2, total - total // 2) for total in reversed(totals))))


class Unit(nn.Module):
    """Convolution, batch norm, rectifier."""

    def __init__(self, inputs: int, width: int, kernel: int, stride: int = 1):
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, width, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, width, T/stride, H/stride, W/stride), rounded up."""
        padded = same_padding(x, self.conv3d.kernel_size, self.conv3d.stride)
        return F.relu(self.bn(self.conv3d(padded)))


class Pool(nn.Module):
    """Maximum over neighbours, those beyond the edge counted as 0."""

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]):
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> the same, each length divided by its stride and rounded up."""
        return F.max_pool3d(same_padding(x, self.kernel, self.stride), self.kernel, self.stride)


class Inception(nn.Module):
    """Four looks at the same place, side by side: one by one, two of three by three, and a pool."""

    def __init__(self, inputs: int, widths: tuple[int, int, int, int, int, int]):
        super().__init__()
        one, two_in, two, three_in, three, four = widths
        self.b0 = Unit(inputs, one, 1)
        self.b1a, self.b1b = Unit(inputs, two_in, 1), Unit(two_in, two, 3)
        self.b2a, self.b2b = Unit(inputs, three_in, 1), Unit(three_in, three, 3)
        self.b3a, self.b3b = Pool((3, 3, 3), (1, 1, 1)), Unit(inputs, four, 1)
        self.width = one + two + three + four

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, width, T, H, W)."""
        looks = self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))
        return torch.cat(looks, dim=1)


class I3D(nn.Module):
    """The network, its tensors named as in the official file."""

    clips_at_once = 8  # one layer of a clip of 16 frames takes up to 26 MB

    def __init__(self, classes: int = 400):
        super().__init__()
        width = 3
        for name, layer in LAYERS:
            made: nn.Module
            if len(layer) == 2:
                made = Pool(*layer)
            elif len(layer) == 3:
                made, width = Unit(width, *layer), layer[0]
            else:
                made = Inception(width, layer)
                width = made.width
            self.add_module(name, made)
        self.logits = nn.ModuleDict({"conv3d": nn.Conv3d(width, classes, 1)})
        self.requires_grad_(False).eval()

    def features(self, x: Tensor) -> Tensor:
        """Logits of float (B, 3, T, H, W) in [-0.5, 0.5], any height and width: float32 (B, 400)."""
        return self(resized(2 * x))

    def forward(self, x: Tensor) -> Tensor:
        """The same of what is prepared already.

        Args:
            x: float (B, 3, T, 224, 224) in [-1, 1], 9 frames or more.

        Raises:
            UserError: for fewer frames.
        """
        if x.shape[2] < SMALLEST:
            raise UserError(f"I3D takes clips of {SMALLEST} frames or more, got {x.shape[2]}.")
        for name, _ in LAYERS:
            x = self.get_submodule(name)(x)
        means = F.avg_pool3d(x, (2, 7, 7), stride=1)
        return reduce(self.logits["conv3d"](means), "b k t 1 1 -> b k", "mean")


def resized(x: Tensor, size: int = RESOLUTION) -> Tensor:
    """(B, 3, T, H, W) -> (B, 3, T, size, size), bilinear between the four nearest pixels, as released."""
    frames = rearrange(x, "b c t h w -> (b t) c h w")
    frames = F.interpolate(frames, (size, size), mode="bilinear", align_corners=False)
    return rearrange(frames, "(b t) c h w -> b c t h w", b=len(x))


def load_i3d(path: Path | None = None) -> I3D:
    """I3D with its trained weights.

    Args:
        path: the file. Absent, it is `weights/i3d_pretrained_400.pt` under `TATS_HOME`, from the folder that
            `TATS_MIRROR` names, or from the authors' repository at a fixed commit (51 MB, once). Its SHA-256 is written
            beside it at the first download, because none was published, and later held against it.

    Raises:
        UserError: if the file cannot be had, is another one than before, or holds other tensors than these.
    """
    path = path or fetch(URL, home() / "weights" / FILE)
    network = I3D()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:200].rstrip(".")
        raise UserError(f"{path} cannot be read as a table of tensors ({reason}): delete it and run again.") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{path} holds no table of tensors: delete it and run again.")
    check_tensors(state, {name: value.shape for name, value in network.state_dict().items()}, path, "I3D network")
    network.load_state_dict(state)
    return network

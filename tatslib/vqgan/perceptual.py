"""How different two pictures look to a trained network: L_match of the paper's Section 2.1, with f_VGG.

The distance is LPIPS: features of VGG16 after five of its stages, compared channel by channel with learned weights.
VGG16 is thirteen convolutions, so they stand here as a table; torchvision, whose build has to match that of torch, is
not needed.

Letters: B batch, C channels, H W frames.
"""

import hashlib
import logging
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from einops import reduce
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tatslib.distributed import rank, world_size
from tatslib.downloads import fetch
from tatslib.errors import UserError
from tatslib.files import refusals_in_words, replacing
from tatslib.foreign import read_lightning
from tatslib.home import home
from tatslib.vqgan.official import released_perceptual_state

Range = Literal["right", "released"]

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # width and convolutions; a max-pool of 2 between any two
SMALLEST = 2 ** (len(STAGES) - 1)  # pixels that survive the pools
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of colours in [-1, 1], as LPIPS was fitted

VGG16 = "vgg16-397923af.pth"  # torchvision's weights, trained on ImageNet
VGG16_URL = f"https://download.pytorch.org/models/{VGG16}"
VGG16_SHA256 = "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"
VGG16_BYTES = 553_433_881
HEADS = "functional/image/lpips_models/vgg.pth"  # LPIPS 0.1, which torchmetrics carries along
HEADS_SHA256 = "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868"


class PerceptualLoss(nn.Module):
    """LPIPS between two batches of frames. Its weights are fixed; gradients reach the reconstruction alone.

    Args:
        input_range: "right" gives the network colours in [-1, 1], to which it was fitted; "released" gives it the
            models' own [-0.5, 0.5], half the contrast.
        dropout: drop half of the channel differences at random in training mode, as happens in the released code.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, input_range: Range = "right", dropout: bool = False):
        super().__init__()
        self.contrast = {"right": 2.0, "released": 1.0}[input_range]
        self.dropout = dropout
        widths = [3, *(width for width, _ in STAGES)]
        self.stages = nn.ModuleList(
            nn.ModuleList(
                nn.Conv2d(inputs if layer == 0 else width, width, 3, padding=1) for layer in range(convolutions)
            )
            for inputs, (width, convolutions) in zip(widths, STAGES, strict=False)
        )
        self.heads = nn.ModuleList(nn.Conv2d(width, 1, 1, bias=False) for width, _ in STAGES)
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)

    def forward(self, reconstruction: Tensor, original: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A distance for each pair of frames.

        Args:
            reconstruction: float (B, C, H, W) in about [-0.5, 0.5], of 16x16 pixels or more; C is 3, or 1 for grey.
            original: the same.
            generator: of what is dropped, where that is on.

        Returns:
            float32 (B,), 0 for equal frames.

        Raises:
            UserError: for smaller frames, or if something is to be dropped and there is no generator.
        """
        if min(original.shape[-2:]) < SMALLEST:
            raise UserError(
                f"the perceptual term takes frames of {SMALLEST}x{SMALLEST} pixels or more, got "
                f"{'x'.join(map(str, original.shape[-2:]))}: switch it off or enlarge them"
            )
        with torch.no_grad():
            truth = self.features(original)
        judged = self.features(reconstruction)
        layers = []
        with torch.autocast(original.device.type, enabled=False):
            for head, real, fake in zip(self.heads, truth, judged, strict=True):
                difference = self._drop((fake - real).square(), generator)
                layers.append(reduce(head(difference), "b 1 h w -> b", "mean"))
        return torch.stack(layers).sum(0)

    def features(self, frames: Tensor) -> list[Tensor]:
        """The map after each stage, (B, width, H', W'), each position scaled to length 1; float32."""
        x = (frames * self.contrast - self.shift) / self.scale
        maps = []
        for number, stage in enumerate(self.stages):
            if number:
                x = F.max_pool2d(x, 2)
            for convolution in stage.children():
                x = F.relu(convolution(x))
            # in float32, because the squares of large features leave the range of float16
            maps.append(x.float() / (torch.linalg.vector_norm(x.float(), dim=1, keepdim=True) + 1e-10))
        return maps

    def _drop(self, difference: Tensor, generator: torch.Generator | None) -> Tensor:
        if not (self.dropout and self.training):
            return difference
        if generator is None:
            raise UserError("the perceptual term drops channels at random: pass a torch.Generator to forward")
        rows, *rest = difference.shape
        kept = torch.empty(rows * world_size(), *rest, device=generator.device).bernoulli_(0.5, generator=generator)
        return difference * kept[rank() :: world_size()].to(difference) * 2  # drawn for all processes, each its rows


def rename_perceptual(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of `PerceptualLoss` under its own names.

    Args:
        state: from a released VQGAN ("net.slice1.0.weight", "lin0.model.1.weight"), from torchvision's VGG16
            ("features.0.weight"), or from LPIPS' file of heads. What is not used here (VGG's classifier, the constants
            of the colour scale) is left out.

    Raises:
        UserError: if a tensor is none of these.
    """
    names = _names()
    unused = ("classifier.", "scaling_layer.")
    for key in state:
        if key not in names and not key.startswith(unused):
            raise UserError(f"{key!r} is not a tensor of LPIPS with VGG16: is this another network?")
    return {names[key]: value for key, value in state.items() if key in names}


@cache
def _names() -> dict[str, str]:
    """Their names and ours. Theirs count every layer of VGG16, convolution, activation and pool."""
    names = {}
    position = count()
    for stage, (_, convolutions) in enumerate(STAGES):
        for layer in range(convolutions):
            theirs = next(position)
            for kind in ("weight", "bias"):
                for prefix in (f"net.slice{stage + 1}", "features"):
                    names[f"{prefix}.{theirs}.{kind}"] = f"stages.{stage}.{layer}.{kind}"
            next(position)  # the activation
        next(position)  # the pool
        names[f"lin{stage}.model.1.weight"] = f"heads.{stage}.weight"
    return names


def load_perceptual(
    path: Path | None = None, input_range: Range = "right", dropout: bool = False
) -> PerceptualLoss | None:
    """LPIPS with its trained weights, or nothing, with a warning, where they cannot be had.

    Args:
        path: a released VQGAN (or transformer), which carries the network along. Absent, VGG16 is torchvision's file
            in the folder `weights` under `TATS_HOME`, from the folder that `TATS_MIRROR` names, or from the network
            (528 MB, once; a copy of the 59 MB that are used is kept), and the heads come with torchmetrics.
        input_range: as `PerceptualLoss`.
        dropout: as `PerceptualLoss`.

    Returns:
        The network, in training mode, which matters to `dropout` only; None if VGG16 is not here and cannot be fetched.

    Raises:
        UserError: if a file that is here is another one than expected, which its SHA-256 tells.
    """
    state = rename_perceptual(released_perceptual_state(read_lightning(path).state)) if path else official_state()
    if state is None:
        return None
    network = PerceptualLoss(input_range, dropout)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} holds another perceptual network than LPIPS with VGG16 ({reason}).") from error
    return network


def official_state() -> dict[str, Tensor] | None:
    """The trained weights, from the copy that was kept or out of the official files; None if VGG16 cannot be had."""
    folder = home() / "weights"
    copy, origin = folder / "perceptual.safetensors", {"vgg16": VGG16_SHA256, "heads": HEADS_SHA256}
    if _origin(copy) == origin:
        return load_file(copy)
    try:
        vgg16 = fetch(VGG16_URL, folder / VGG16, sha256=VGG16_SHA256, bytes=VGG16_BYTES, retries=2)
    except UserError as error:
        if (folder / VGG16).is_file():
            raise
        _say_off(str(error).rstrip("."), folder)
        return None
    state = {**_read(vgg16), **_read(heads_file())}
    with refusals_in_words(copy), replacing(copy) as temporary:
        save_file(state, temporary, metadata=origin)
    return state


def heads_file() -> Path:
    """The learned weights of LPIPS, in the package that ships them.

    Raises:
        UserError: if it ships others.
    """
    found = find_spec("torchmetrics")  # without importing it, which takes seconds
    if found is None or found.origin is None:
        raise UserError("torchmetrics, which carries the weights of LPIPS, is not installed: install it.")
    path = Path(found.origin).parent / HEADS
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != HEADS_SHA256:
        raise UserError(f"{path} is missing or not LPIPS' file of weights for VGG16: install torchmetrics anew.")
    return path


def _read(path: Path) -> dict[str, Tensor]:
    """Tensors of a checked file, under our names."""
    state = rename_perceptual(torch.load(path, map_location="cpu", weights_only=True))
    return {key: value.contiguous() for key, value in state.items()}


def _origin(copy: Path) -> dict[str, str] | None:
    """What a copy says that it was made from; None if it is missing or damaged."""
    try:
        with safe_open(copy, "pt") as file:
            return file.metadata()
    except (OSError, SafetensorError):
        return None


@cache  # once a process is enough
def _say_off(reason: str, folder: Path) -> None:
    logging.getLogger("tatslib").warning(
        f"The perceptual term is OFF, because the weights of VGG16 could not be had ({reason}): reconstructions will "
        f"be blurrier than those of the paper and cannot be compared with them; put {VGG16} (from {VGG16_URL}) into "
        f"{folder} or into a folder that TATS_MIRROR names, and start anew."
    )

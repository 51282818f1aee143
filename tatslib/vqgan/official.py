"""The authors' released models: their names for our tensors."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from tatslib.errors import UserError


def released_names(levels: int) -> dict[str, str]:
    """Every released module (or buffer) of a VQGAN with this many levels, and what it is called here.

    Released models have one residual block a level in the encoder and two in the decoder.
    """
    names = {
        "encoder.conv_first": "encoder.units.0",
        "encoder.final_block.0": "encoder.norm",
        "pre_vq_conv.conv": "to_codes",
        "codebook.embeddings": "codebook.embeddings",
        "codebook.N": "codebook.counts",
        "codebook.z_avg": "codebook.sums",
        "post_vq_conv.conv": "from_codes",
        "decoder.final_block.0": "decoder.norm",
        "decoder.conv_last": f"decoder.units.{3 * levels}",
    }
    for level in range(levels):
        names[f"encoder.conv_blocks.{level}.down"] = f"encoder.units.{2 * level + 1}"
        names[f"encoder.conv_blocks.{level}.res"] = f"encoder.units.{2 * level + 2}"
        names[f"decoder.conv_blocks.{level}.up.convt"] = f"decoder.units.{3 * level}.conv"
        names[f"decoder.conv_blocks.{level}.res1"] = f"decoder.units.{3 * level + 1}"
        names[f"decoder.conv_blocks.{level}.res2"] = f"decoder.units.{3 * level + 2}"
    return names


def rename_key(key: str, names: Mapping[str, str]) -> str:
    """`key` with the module that it starts with renamed.

    Raises:
        UserError: if no module of `names` holds such a tensor.
    """
    for old, new in names.items():
        if key == old or key.startswith(old + "."):
            return new + key.removeprefix(old)
    raise UserError(f"{key!r} is not a tensor of a released VQGAN: is this a checkpoint of another model?")


def rename_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of our `VQGAN` out of a released one's; discriminators and perceptual network are left behind.

    Whether the codebook was initialised is not among the released tensors; those files are trained, so it was.

    Raises:
        UserError: if a tensor is none of a released VQGAN's.
    """
    kept = {key: value for key, value in state.items() if "_discriminator." not in key and "perceptual" not in key}
    levels = 1 + max((int(m[1]) for key in kept if (m := re.match(r"encoder\.conv_blocks\.(\d+)\.", key))), default=-1)
    names = released_names(levels)
    renamed = {rename_key(key, names): value for key, value in kept.items()}
    return {**renamed, "codebook.initialised": torch.tensor(True)}


def rename_discriminator_key(key: str) -> str:
    """A tensor of a released discriminator ("model2.1.weight") by its name in `PatchDiscriminator`."""
    layer, part, rest = key.removeprefix("model").split(".", 2)
    return f"layers.{layer}.{('conv', 'norm')[int(part)]}.{rest}"


def rename_adversaries(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of our `Adversaries` out of a released VQGAN's, which holds both discriminators."""
    renamed = {}
    for key, value in state.items():
        kind, _, rest = key.partition("_discriminator.")
        if rest:
            renamed[f"{kind}.{rename_discriminator_key(rest)}"] = value
    return renamed

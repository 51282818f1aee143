"""The authors' released models: their names for our tensors."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

_PREFIXES = {
    "pre_vq_conv.conv.": "to_codes.",
    "post_vq_conv.conv.": "from_codes.",
    "encoder.final_block.0.": "encoder.norm.",
    "decoder.final_block.0.": "decoder.norm.",
    "encoder.conv_first.": "encoder.units.0.",
    "codebook.N": "codebook.counts",
    "codebook.z_avg": "codebook.sums",
}


def rename_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of our `VQGAN` out of a released one's; discriminators and perceptual network are left behind.

    Released models have one residual block a level in the encoder and two in the decoder. Whether the codebook was
    initialised is not among their tensors; a released file has been trained, so it was.
    """
    kept = {key: value for key, value in state.items() if "discriminator" not in key and "perceptual" not in key}
    levels = 1 + max((int(m[1]) for key in kept if (m := re.match(r"decoder\.conv_blocks\.(\d+)\.", key))), default=-1)
    renamed = {_rename(key, levels): value for key, value in kept.items()}
    return {**renamed, "codebook.initialised": torch.tensor(True)}


def _rename(key: str, levels: int) -> str:
    for theirs, ours in _PREFIXES.items():
        if key.startswith(theirs):
            return ours + key.removeprefix(theirs)
    if key.startswith("decoder.conv_last."):
        return key.replace("conv_last", f"units.{3 * levels}")
    if match := re.fullmatch(r"(encoder|decoder)\.conv_blocks\.(\d+)\.(down|up|res|res1|res2)\.(.+)", key):
        side, level, part, rest = match.groups()
        position = {"down": 1, "res": 2, "up": 0, "res1": 1, "res2": 2}[part]
        units_per_level = 2 if side == "encoder" else 3
        return f"{side}.units.{units_per_level * int(level) + position}.{rest.replace('convt', 'conv')}"
    return key

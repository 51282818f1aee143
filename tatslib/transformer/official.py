"""The released transformer's state, under the names this package uses."""

from collections.abc import Mapping

import torch
from torch import Tensor


def rename_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State of the released GPT to the state of `transformer.gpt.GPT`.

    Args:
        state: keys such as `blocks.0.attn.key.weight`, without the prefix `transformer.` of whole checkpoints.

    Returns:
        The same weights: queries, keys and values joined in that order into one projection, the position table
        (1, N, D) as (N, D), and without the masks that the released code stores in every layer.

    Raises:
        KeyError: if an attention layer lacks one of its three projections.
    """
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        layer, _, last = name.rpartition(".attn.")
        if name == "pos_emb":
            renamed[name] = tensor[0]
        elif last in ("query.weight", "query.bias"):
            kind = last.removeprefix("query.")
            parts = [state[f"{layer}.attn.{part}.{kind}"] for part in ("query", "key", "value")]
            renamed[f"{layer}.attn.qkv.{kind}"] = torch.cat(parts)
        elif last not in ("mask", "key.weight", "key.bias", "value.weight", "value.bias"):
            renamed[name] = tensor
    return renamed

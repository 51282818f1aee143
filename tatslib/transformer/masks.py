"""Attention masks as things to look at: boolean matrices, True where a query may look at a key.

Row p says what the query at position p of the input sequence sees. The input is the condition tokens followed by the
video tokens without the last one, and the output at position p predicts the token at p + 1.

N: length of the input sequence.
"""

import torch
from torch import Tensor


def causal_mask(length: int, device: torch.device | str | None = None) -> Tensor:
    """Every position sees itself and what stands before it (paper 2.1, Fig. 14a).

    Args:
        length: N, the number of positions.
        device: where the mask is to live.

    Returns:
        bool (N, N), the lower triangle with its diagonal.
    """
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()

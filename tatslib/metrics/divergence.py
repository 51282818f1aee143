"""How different two sets of tokens are, whatever is in the picture.

Letters: K codes.
"""

import torch
from torch import Tensor

from tatslib.errors import UserError


def token_histogram(tokens: Tensor, codes: int) -> Tensor:
    """How often each code occurs, as shares.

    Args:
        tokens: int64, any shape, at least one entry, each in 0 .. codes-1.
        codes: K.

    Returns:
        float64 (K,), sums to 1.

    Raises:
        UserError: if there are no tokens or some are not in 0 .. codes-1.
    """
    if not tokens.numel():
        raise UserError("a histogram of no tokens was asked for.")
    if tokens.min() < 0 or tokens.max() >= codes:
        raise UserError(f"tokens run from {tokens.min()} to {tokens.max()}, but there are only codes 0 to {codes - 1}.")
    counts = torch.bincount(tokens.flatten().cpu(), minlength=codes).double()
    return counts / counts.sum()


def jensen_shannon(p: Tensor, q: Tensor) -> float:
    """Jensen-Shannon divergence of two distributions in nats: 0 for equal ones, log 2 for disjoint ones.

    Args:
        p, q: float64 (K,), non-negative, each summing to 1.

    Two finite samples of one distribution never score 0: compare with what two halves of the real data score.
    """
    middle = (p + q) / 2
    entropy = torch.special.entr(torch.stack([p, q, middle])).sum(1)
    return float(entropy[2] - (entropy[0] + entropy[1]) / 2)

"""Inception score: is a classifier sure of each clip, and does it see all classes (paper 3.2, Table 1)?

Letters: B clips, k classes.
"""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from tatslib.errors import UserError
from tatslib.metrics.coherence import check_probabilities


class InceptionSums(NamedTuple):
    """All that an inception score needs to know of its clips."""

    clips: int
    classes: Tensor  # float64 (k,), sum of their class probabilities
    surprise: float  # sum of their entropies, in nats

    def score(self) -> float:
        """exp of the mean Kullback-Leibler divergence of a clip's classes from those of all: 1 to k.

        Raises:
            UserError: if there are no clips.
        """
        if not self.clips:
            raise UserError("an inception score of no clips was asked for.")
        entropy = float(torch.special.entr(self.classes / self.clips).sum())
        return float(torch.tensor(entropy - self.surprise / self.clips, dtype=torch.float64).exp())


def inception_sums(chances: Tensor) -> InceptionSums:
    """Of clips.

    Args:
        chances: class probabilities (B, k).

    Raises:
        UserError: if these are no probabilities of that shape.
    """
    check_probabilities(chances, "clips", "classes")
    x = chances.detach().cpu().double()
    return InceptionSums(len(x), x.sum(0), float(torch.special.entr(x).sum()))


def inception_scores(chances: Tensor, splits: int = 1) -> Tensor:
    """The score of each of `splits` equal parts of the clips, in their order.

    Args:
        chances: class probabilities (B, k).
        splits: 10 is usual for images. For videos, TGANv2, whose C3D network and protocol the paper follows, takes the
            mean and spread over 10 samplings of 2,048 clips with one split each; the paper samples 10,000 clips (B.1).

    Returns:
        float64 (splits,). A score grows with the clips of a split, up to a limit: report their number.

    Raises:
        UserError: if these are no probabilities of that shape, or fewer clips than splits.
    """
    if not 1 <= splits <= len(chances):
        raise UserError(f"{len(chances)} clips cannot be split into {splits} parts.")
    bounds = [len(chances) * part // splits for part in range(splits + 1)]
    parts = [chances[start:stop] for start, stop in pairwise(bounds)]
    return torch.tensor([inception_sums(part).score() for part in parts], dtype=torch.float64)

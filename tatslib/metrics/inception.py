"""Inception score: is a classifier sure of each clip, and does it see all classes (paper 3.2, Table 1)?

Letters: B clips, k classes, W processes.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from tatslib.distributed import sum_over_ranks
from tatslib.errors import UserError
from tatslib.metrics.coherence import check_probabilities


class InceptionSums(NamedTuple):
    """All that an inception score needs to know of its clips: three sums, so that pieces can be added."""

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
    """Of one piece.

    Args:
        chances: class probabilities (B, k).

    Raises:
        UserError: if these are no probabilities of that shape.
    """
    check_probabilities(chances, "clips", "classes")
    x = chances.detach().cpu().double()
    return InceptionSums(len(x), x.sum(0), float(torch.special.entr(x).sum()))


def added(parts: Iterable[InceptionSums]) -> InceptionSums:
    """Of all pieces together; the score does not depend on how the clips were divided.

    Raises:
        UserError: if there are no parts or their classes differ.
    """
    found = list(parts)
    if len({part.classes.shape for part in found}) != 1:
        raise UserError(f"{len(found)} parts with {[len(p.classes) for p in found]} classes have no inception score.")
    clips, surprise = sum(part.clips for part in found), sum(part.surprise for part in found)
    return InceptionSums(clips, torch.stack([part.classes for part in found]).sum(0), surprise)


def over_ranks(part: InceptionSums) -> InceptionSums:
    """Of the pieces of all processes, the same on each; in one process, `part` itself."""
    sums = torch.cat([torch.tensor([part.clips, part.surprise], dtype=torch.float64), part.classes])
    sum_over_ranks(sums)
    return InceptionSums(int(sums[0]), sums[2:], float(sums[1]))


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

"""What the first stage minimises beside reconstruction and commitment: adversarial and feature-matching terms.

Paper Section 2.1, L_disc and L_match. Each function takes what `Adversaries` returns.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

AdversarialLoss = Literal["hinge", "log"]


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """The released loss of a discriminator: logits of the real above 1, of the fake below -1; 1 at logits of 0."""
    return (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2


def log(real: Tensor, fake: Tensor) -> Tensor:
    """The printed loss, -(log D(x) + log(1 - D(x^))) / 2 where D is the logit's sigmoid; log 2 at logits of 0."""
    return (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2


DISCRIMINATOR_LOSSES: dict[AdversarialLoss, Callable[[Tensor, Tensor], Tensor]] = {"hinge": hinge, "log": log}


def generator_loss(fake: Tensor) -> Tensor:
    """The autoencoder's side, for either loss of the discriminator: raise the logits of the reconstruction.

    The paper prints log(1 - D(x^)), whose gradient vanishes where the discriminator is sure; the released code takes
    the mean logit, as here.
    """
    return -fake.mean()


def feature_matching(real: list[Tensor], fake: list[Tensor], logits: bool = False) -> Tensor:
    """L_match: mean absolute difference between the maps of reconstruction and original, summed over layers.

    The mean is the paper's p_i, one over the number of elements. The logits, last in each list, count as a layer if
    `logits` is true, as the printed sum has it; in the released code they do not.
    """
    layers = len(real) if logits else len(real) - 1
    pairs = zip(real[:layers], fake[:layers], strict=True)
    return torch.stack([F.l1_loss(reconstructed, original.detach()) for original, reconstructed in pairs]).sum()

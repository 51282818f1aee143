"""Training a transformer that can be guided: now and then it is not told its condition (Ho & Salimans 2022).

So it learns both what follows given a condition and what follows given none. Sampling then moves away from the second
(`sampling.guidance`). By the loop of the others: the config has one condition token more, and the training drops.

Letters: B batch, n_c condition length.
"""

import torch
from einops import rearrange
from pydantic import Field
from torch import Tensor

from tatslib.randomness import torch_generator
from tatslib.training.loop import Share
from tatslib.training.train_interpolation import InterpolationTraining
from tatslib.training.train_transformer import TransformerTraining
from tatslib.transformer.conditions import null_condition
from tatslib.transformer.gpt import GPTConfig


class GuidedTraining(TransformerTraining):
    """How a transformer is trained that is told its condition only most of the time."""

    condition_dropout: float = Field(0.1, ge=0, lt=1)  # share of the clips that go without their condition

    def told(self, condition: Tensor, config: GPTConfig, step: int, share: Share) -> Tensor:
        """The conditions (B, n_c) of a share of the batch of `step`, some of them replaced by "no condition".

        Raises:
            UserError: if the transformer has no token for that.
        """
        nothing = null_condition(config, len(condition), condition.device)
        draws = torch.rand(self.batch, generator=torch_generator(self.seed, "condition dropout", step))
        dropped = draws[share.index :: share.of] < self.condition_dropout
        return torch.where(rearrange(dropped, "B -> B 1").to(condition.device), nothing, condition)


class GuidedInterpolationTraining(GuidedTraining, InterpolationTraining):
    """The same for a transformer that fills in."""

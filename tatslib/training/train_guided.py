"""Training a transformer that can be guided: now and then it is not told its condition (Ho & Salimans 2022).

So it learns both what follows given a condition and what follows given none. Sampling then moves away from the second
(`sampling.guidance`). By the loop of the others: the config has one condition token more, and the training drops.

Letters: B batch, n_c condition length.
"""

from pathlib import Path

import torch
from einops import rearrange
from pydantic import Field
from torch import Tensor

from tatslib.config import Config
from tatslib.distributed import from_main, stop_all
from tatslib.errors import UserError
from tatslib.randomness import torch_generator
from tatslib.training.loop import Share
from tatslib.training.train_interpolation import InterpolationTraining
from tatslib.training.train_transformer import TransformerTraining
from tatslib.transformer.conditions import null_condition, with_null
from tatslib.transformer.gpt import GPTConfig


class GuidedTraining(TransformerTraining):
    """How a transformer is trained that is told its condition only most of the time."""

    condition_dropout: float = Field(0.1, gt=0, lt=1)  # share of the clips that go without their condition

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


class BegunTraining(Config, extra="ignore"):
    """What the `training.json` of a run, guided or not, says of leaving the condition out."""

    condition_dropout: float = 0.0


def guidable(
    config: GPTConfig, training: TransformerTraining, condition_dropout: float, run: Path
) -> tuple[GPTConfig, TransformerTraining]:
    """The same transformer and the same training, so that it can be guided; both as they are at a dropout of 0.

    Args:
        config: without a null token.
        training: that always tells the condition.
        condition_dropout: share of the clips that go without, in [0, 1).
        run: folder of the run, which may have been begun.

    Raises:
        UserError: for a share outside of [0, 1), if there is no condition to leave out, or if the run was begun with
            another dropout.
    """
    if not 0 <= condition_dropout < 1:
        raise UserError(f"a condition is left out of a share of the clips, from 0 to below 1, not {condition_dropout}.")
    from_main(lambda: _check_begun(run, condition_dropout))
    if condition_dropout == 0:
        return config, training
    kind = GuidedInterpolationTraining if isinstance(training, InterpolationTraining) else GuidedTraining
    guided = kind(**training.model_dump(), condition_dropout=condition_dropout)
    if config.condition_codes < 2:
        stop_all(UserError("these clips have no class, text or sound that could be left out: train without a dropout."))
    return with_null(config), guided


def _check_begun(run: Path, condition_dropout: float) -> None:
    """Refuse another dropout than that of a run that goes on."""
    path = run / "training.json"
    if not path.is_file():
        return
    begun = BegunTraining.from_json(path.read_text(), source=path).condition_dropout
    if begun != condition_dropout:
        how = f"with --condition-dropout {begun}" if begun else "without --condition-dropout"
        raise UserError(f"{run} was begun {how}: say the same to go on, or choose another folder.")

"""A recipe for guidance: the plain transformer once more, told its class most of the time only."""

from typing import ClassVar

from tatslib.datasets.tokens import TokenIndex
from tatslib.recipes.kinds import Recipe, TransformerRecipe
from tatslib.training.presets import Preset
from tatslib.training.train_guided import GuidedTraining
from tatslib.transformer.conditions import GuidedConfig, with_null
from tatslib.transformer.gpt import GPTConfig


class GuidedRecipe(TransformerRecipe):
    """Train an autoregressive transformer that can also go on without its condition (Ho & Salimans 2022)."""

    training: GuidedTraining
    kind: ClassVar[type[GPTConfig]] = GuidedConfig

    def shape(self, index: TokenIndex) -> GPTConfig:
        """The plain transformer's, with a token that says that there is no condition."""
        return with_null(super().shape(index))


def guided_recipes(preset: Preset, seed: int) -> dict[str, Recipe]:
    """`actions/gpt-guided`: as `actions/gpt-replicate`, but for the clips whose class is withheld."""
    training = GuidedTraining(**preset.transformer_training.replace(seed=seed).model_dump())
    recipe = GuidedRecipe(
        tokens="actions/tokens-replicate", training=training, seed=seed, **preset.transformer.model_dump()
    )
    return {"actions/gpt-guided": recipe}

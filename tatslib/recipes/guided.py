"""A recipe for guidance: the plain transformer once more, told its class most of the time only."""

from pathlib import Path
from typing import Any

from tatslib.recipes.kinds import Recipe, Tokens, TrainedTransformer, TransformerRecipe, read_log
from tatslib.training.checkpoint import load_model, read_config
from tatslib.training.device import default_device
from tatslib.training.presets import Preset
from tatslib.training.train_guided import GuidedTraining
from tatslib.training.train_transformer import evaluate_transformer, gpt_config, train_transformer
from tatslib.transformer.conditions import GuidedConfig, with_null
from tatslib.transformer.gpt import GPT


class GuidedRecipe(TransformerRecipe):
    """Train an autoregressive transformer that can also go on without its condition (Ho & Salimans 2022)."""

    training: GuidedTraining

    def build(self, folder: Path, needs: dict[str, Any]) -> dict[str, float]:
        """Train on the train split, measure on the test split, where the class is told."""
        tokens: Tokens = needs[self.tokens]
        config = with_null(gpt_config(tokens.train.index, self.layers, self.heads, self.width))
        gpt = train_transformer(config, self.training, tokens.train, folder, device=default_device(), label=folder.name)
        return {"nll": evaluate_transformer(gpt, tokens.test)}

    def load(self, folder: Path, scores: dict[str, float]) -> TrainedTransformer:
        """The model in evaluation mode."""
        model = GPT(read_config(folder, GuidedConfig))
        load_model(folder, model)
        return TrainedTransformer(folder, model, self.training, read_log(folder), scores)


def guided_recipes(preset: Preset, seed: int) -> dict[str, Recipe]:
    """`actions/gpt-guided`: as `actions/gpt-replicate`, but for the clips whose class is withheld."""
    training = GuidedTraining(**preset.transformer_training.replace(seed=seed).model_dump())
    recipe = GuidedRecipe(
        tokens="actions/tokens-replicate", training=training, seed=seed, **preset.transformer.model_dump()
    )
    return {"actions/gpt-guided": recipe}

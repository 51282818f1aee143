"""Recipes of transformers that are told nothing: the classes are taken away from the clips that they learn from.

What a class word does to coherence (paper 3.3, Fig. 6) shows only beside models that never had one.
"""

import torch

from tatslib.datasets.tokens import TokenClips
from tatslib.recipes.hierarchy import FillerRecipe, SparseRecipe, hierarchy_recipes
from tatslib.recipes.kinds import Recipe, TransformerRecipe
from tatslib.training.presets import Preset


def without_classes(tokens: TokenClips) -> TokenClips:
    """The same clips as an unlabelled data set has them."""
    index = tokens.index.replace(classes=())
    return TokenClips(tokens.tokens, torch.zeros_like(tokens.labels), index, tokens.seed)


class UntoldRecipe(TransformerRecipe):
    """Train an autoregressive transformer that begins with the start token."""

    def clips(self, tokens: TokenClips) -> TokenClips:
        """All of them."""
        return without_classes(super().clips(tokens))


class UntoldSparseRecipe(SparseRecipe):
    """Train one on every `stride`-th latent frame."""

    def clips(self, tokens: TokenClips) -> TokenClips:
        """Every `stride`-th latent frame."""
        return without_classes(super().clips(tokens))


class UntoldFillerRecipe(FillerRecipe):
    """Train an interpolation transformer."""

    def clips(self, tokens: TokenClips) -> TokenClips:
        """Gaps, side by side."""
        return without_classes(super().clips(tokens))


def untold_recipes(preset: Preset, seed: int) -> dict[str, Recipe]:
    """`actions/gpt-untold`, `-untold-sparse` and `-untold-filler`: like gpt-replicate, -sparse and -filler, untold."""
    told = hierarchy_recipes(preset, seed)
    plain = UntoldRecipe(
        tokens="actions/tokens-replicate",
        training=preset.transformer_training.replace(seed=seed),
        seed=seed,
        **preset.transformer.model_dump(),
    )
    return {
        "actions/gpt-untold": plain,
        "actions/gpt-untold-sparse": UntoldSparseRecipe(**dict(told["actions/gpt-sparse"])),
        "actions/gpt-untold-filler": UntoldFillerRecipe(**dict(told["actions/gpt-filler"])),
    }

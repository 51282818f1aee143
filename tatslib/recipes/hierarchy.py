"""Recipes for planning ahead: long token clips, and the transformers of the levels of a hierarchy (paper 2.3, B.2).

A clip of 13 latent frames holds everything for two levels: every 4th latent frame, four of them, for the transformer
that plans; and three gaps between those, side by side, for the one that fills in. Clips of 33 hold a third level.
"""

from pathlib import Path
from typing import Any

from tatslib.recipes.kinds import Recipe, Split, Tokens, TokensRecipe, TrainedTransformer, TransformerRecipe, read_log
from tatslib.training.checkpoint import load_model, read_config
from tatslib.training.device import default_device
from tatslib.training.presets import Preset
from tatslib.training.train_interpolation import InterpolationTraining, evaluate_interpolation, interpolation_config
from tatslib.training.train_transformer import evaluate_transformer, gpt_config, tokenize, train_transformer
from tatslib.transformer.gpt import GPT
from tatslib.transformer.interpolation import InterpolationConfig

RATIO = 4  # a level lies 4 times as dense as the one above it (2.3)
SHARE_OF_CLIPS = 1 / 2  # of the preset's: longer clips overlap more
SPARSE_SHARE_OF_STEPS = 1 / 2  # for filling in between sparse frames, of which there are so few that it overfits


class LongTokensRecipe(TokensRecipe):
    """Encode clips of more latent frames than the tokenizer was trained on; it does not know where a clip begins."""

    latent_frames: int

    def build(self, folder: Path, needs: dict[str, Any]) -> dict[str, float]:
        """Tokenise; all over again if it was cut off, which takes less than two minutes."""
        vqgan, videos = needs[self.vqgan].model.to(default_device()), needs[self.videos]
        counts: dict[Split, int] = {"train": self.train_clips, "test": self.test_clips}
        length = self.latent_frames * vqgan.config.downsample[0] + sum(vqgan.config.margins)
        for split, count in counts.items():
            clips = videos.dataset(split, length=length, resolution=vqgan.config.resolution)
            tokenize(vqgan, clips, count, classes=clips.classes).write(folder / split)
        return {"train_clips": self.train_clips, "test_clips": self.test_clips}


class SparseRecipe(TransformerRecipe):
    """Train an autoregressive transformer on every `stride`-th latent frame."""

    stride: int

    def build(self, folder: Path, needs: dict[str, Any]) -> dict[str, float]:
        """Train on the train split, measure on the test split."""
        train, test = (tokens.every(self.stride) for tokens in both(needs[self.tokens]))
        config = gpt_config(train.index, self.layers, self.heads, self.width)
        gpt = train_transformer(config, self.training, train, folder, device=default_device(), label=folder.name)
        return {"nll": evaluate_transformer(gpt, test)}


class FillerRecipe(TransformerRecipe):
    """Train an interpolation transformer on gaps in every `stride`-th latent frame."""

    stride: int
    training: InterpolationTraining

    def build(self, folder: Path, needs: dict[str, Any]) -> dict[str, float]:
        """Train on the train split, measure on the test split: nats a token of the gap."""
        train, test = (tokens.every(self.stride).windows(RATIO + 1, RATIO) for tokens in both(needs[self.tokens]))
        config = interpolation_config(train.index, self.layers, self.heads, self.width)
        gpt = train_transformer(config, self.training, train, folder, device=default_device(), label=folder.name)
        return {"nll": evaluate_interpolation(gpt, test)}

    def load(self, folder: Path, scores: dict[str, float]) -> TrainedTransformer:
        """The model in evaluation mode."""
        model = GPT(read_config(folder, InterpolationConfig))
        load_model(folder, model)
        return TrainedTransformer(folder, model, self.training, read_log(folder), scores)


def both(tokens: Tokens) -> tuple[Any, Any]:
    """The train and the test split."""
    return tokens.train, tokens.test


def hierarchy_recipes(preset: Preset, seed: int) -> dict[str, Recipe]:
    """The levels of the `actions` hierarchies: every 4th latent frame, then all; and every 16th, every 4th, then all.

    Videos that are shorter than a clip cannot be trained on. The clips of the third level leave a quarter of them, and
    so its window is one frame shorter: the paper met the same with Taichi-HD (B.1).
    """
    videos, vqgan = "actions/videos", "actions/vqgan-replicate"
    window = preset.vqgan.latent_shape[0]
    planning = preset.transformer_training.replace(seed=seed)
    filling = InterpolationTraining(**planning.model_dump())
    sparse_filling = filling.replace(steps=round(planning.steps * SPARSE_SHARE_OF_STEPS))
    size = preset.transformer.model_dump()
    recipes: dict[str, Recipe] = {}
    for name, latent_frames in (("long", (window - 1) * RATIO + 1), ("longest", (window - 2) * RATIO**2 + 1)):
        recipes[f"actions/tokens-{name}"] = LongTokensRecipe(
            videos=videos,
            vqgan=vqgan,
            train_clips=round(preset.train_clips * SHARE_OF_CLIPS),
            test_clips=preset.test_clips,
            latent_frames=latent_frames,
            seed=seed,
        )
    long, longest = {"tokens": "actions/tokens-long", "seed": seed}, {"tokens": "actions/tokens-longest", "seed": seed}
    recipes["actions/gpt-sparse"] = SparseRecipe(stride=RATIO, training=planning, **long, **size)
    recipes["actions/gpt-filler"] = FillerRecipe(stride=1, training=filling, **long, **size)
    recipes["actions/gpt-sparsest"] = SparseRecipe(stride=RATIO**2, training=planning, **longest, **size)
    recipes["actions/gpt-filler-sparse"] = FillerRecipe(stride=RATIO, training=sparse_filling, **longest, **size)
    return recipes

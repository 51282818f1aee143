"""Recipes for planning ahead: long token clips, and the transformers of the levels of a hierarchy (paper 2.3, B.2).

A clip of 13 latent frames holds everything for two levels: every 4th latent frame, four of them, for the transformer
that plans; and three gaps between those, side by side, for the one that fills in. Clips of 33 hold a third level.
"""

from typing import ClassVar

from tatslib.datasets.clips import ClipDataset
from tatslib.datasets.tokens import TokenClips, TokenIndex
from tatslib.recipes.kinds import Recipe, Split, TokensRecipe, TransformerRecipe, Videos
from tatslib.training.presets import Preset
from tatslib.training.train_interpolation import InterpolationTraining, evaluate_interpolation, interpolation_config
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.vqgan.vqgan import VQGANConfig

RATIO = 4  # a level lies 4 times as dense as the one above it (2.3)
SHARE_OF_CLIPS = 1 / 2  # of the preset's: longer clips overlap more
SPARSE_SHARE_OF_STEPS = 1 / 2  # for filling in between sparse frames, of which there are so few that it overfits


class LongTokensRecipe(TokensRecipe):
    """Encode clips of more latent frames than the tokenizer was trained on; it does not know where a clip begins."""

    latent_frames: int

    def clips(self, config: VQGANConfig, videos: Videos, split: Split) -> ClipDataset:
        """The clips to encode, with the real frames around them that `valid` padding asks for."""
        length = self.latent_frames * config.downsample[0] + sum(config.margins)
        return videos.dataset(split, length=length, resolution=config.resolution)


class SparseRecipe(TransformerRecipe):
    """Train an autoregressive transformer on every `stride`-th latent frame."""

    stride: int

    def clips(self, tokens: TokenClips) -> TokenClips:
        """Every `stride`-th latent frame."""
        return tokens.every(self.stride)


class PiecesRecipe(TransformerRecipe):
    """Train an autoregressive transformer on every latent frame of long clips, cut into pieces of its window.

    It reads what the transformers of a hierarchy read; that it begins and goes on like the plain one takes apart what
    a hierarchy owes to its plan, and what to longer clips.
    """

    latent_frames: int

    def clips(self, tokens: TokenClips) -> TokenClips:
        """Pieces that share a latent frame with the next."""
        return tokens.windows(self.latent_frames, self.latent_frames - 1)


class FillerRecipe(TransformerRecipe):
    """Train an interpolation transformer on gaps in every `stride`-th latent frame."""

    stride: int
    training: InterpolationTraining
    kind: ClassVar[type[GPTConfig]] = InterpolationConfig

    def clips(self, tokens: TokenClips) -> TokenClips:
        """Gaps, side by side."""
        return tokens.every(self.stride).windows(RATIO + 1, RATIO)

    def shape(self, index: TokenIndex) -> GPTConfig:
        """The transformer for these gaps."""
        return interpolation_config(index, self.layers, self.heads, self.width)

    def measure(self, gpt: GPT, held_out: TokenClips) -> float:
        """Nats a token of the gap."""
        return evaluate_interpolation(gpt, held_out)


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
    recipes["actions/gpt-pieces"] = PiecesRecipe(latent_frames=window, training=planning, **long, **size)
    recipes["actions/gpt-sparse"] = SparseRecipe(stride=RATIO, training=planning, **long, **size)
    recipes["actions/gpt-filler"] = FillerRecipe(stride=1, training=filling, **long, **size)
    recipes["actions/gpt-sparsest"] = SparseRecipe(stride=RATIO**2, training=planning, **longest, **size)
    recipes["actions/gpt-filler-sparse"] = FillerRecipe(stride=RATIO, training=sparse_filling, **longest, **size)
    return recipes

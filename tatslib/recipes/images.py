"""Recipes for pictures: a clip of one frame, and a transformer over its tokens (paper A.2, Fig. 12).

With one frame and zeros in time, a 3D convolution is a 2D one: of its kernel only the middle slice ever meets a number
other than zero. So this is the 2D VQGAN of the paper's predecessor, and the two recipes differ in one thing alone, in
what stands beyond the four edges of a picture: zeros, or copies of the edge.
"""

from typing import Literal

from tatslib.recipes.kinds import Recipe, TokensRecipe, TransformerRecipe, VQGANRecipe
from tatslib.training.presets import Preset

Edge = Literal["zeros", "replicate"]
EDGES: tuple[Edge, ...] = ("zeros", "replicate")
CODES = 256
EXTENT = 2  # sides of a picture, in sides of a clip's frame: so that the middle of it sees no edge
VQGAN_STEPS = 5 / 7  # of the preset's: a picture is easier than a clip
TRANSFORMER_STEPS = 2 / 3


def image_recipes(preset: Preset, seed: int) -> dict[str, Recipe]:
    """Tokenizer, tokens and transformer of `sky` pictures, once for each kind of edge.

    Pictures are twice as wide and high as the frames of the preset's clips; a step sees as many pixels as one of the
    preset's does. At toy scale a picture is 12 by 12 tokens and a token sees 3 more on every side.
    """
    clip = preset.vqgan
    vqgan_training = preset.vqgan_training.replace(
        steps=round(preset.vqgan_training.steps * VQGAN_STEPS),
        batch=preset.vqgan_training.batch * clip.frames // EXTENT**2,
        seed=seed,
    )
    transformer_steps = round(preset.transformer_training.steps * TRANSFORMER_STEPS)
    recipes: dict[str, Recipe] = {}
    for edge in EDGES:
        vqgan, tokens = f"sky/image-vqgan-{edge}", f"sky/image-tokens-{edge}"
        recipes[vqgan] = VQGANRecipe(
            videos="sky/videos",
            model=clip.replace(
                frames=1,
                resolution=EXTENT * clip.resolution,
                downsample=(1, *clip.downsample[1:]),
                codes=min(CODES, clip.codes),
                padding="zeros",
                spatial_padding=edge,
            ),
            training=vqgan_training,
            seed=seed,
        )
        recipes[tokens] = TokensRecipe(
            videos="sky/videos",
            vqgan=vqgan,
            train_clips=preset.train_clips,
            test_clips=preset.test_clips,
            seed=seed,
        )
        recipes[f"sky/image-gpt-{edge}"] = TransformerRecipe(
            tokens=tokens,
            training=preset.transformer_training.replace(steps=transformer_steps, seed=seed),
            seed=seed,
            **preset.transformer.model_dump(),
        )
    return recipes

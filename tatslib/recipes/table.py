"""The table of recipes: which names exist at a scale, what each needs, and in which folder it lives."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from tatslib.errors import UserError, did_you_mean
from tatslib.home import home
from tatslib.recipes.baselines import baseline_recipes
from tatslib.recipes.conditioned import conditioned_recipes
from tatslib.recipes.guided import guided_recipes
from tatslib.recipes.hierarchy import hierarchy_recipes
from tatslib.recipes.images import image_recipes
from tatslib.recipes.kinds import ClassifierRecipe, Recipe, TokensRecipe, TransformerRecipe, VideosRecipe, VQGANRecipe
from tatslib.recipes.padding_study import variants
from tatslib.recipes.untold import untold_recipes
from tatslib.training.presets import PRESETS, Scale
from tatslib.vqgan.padding import SpatialMode
from tatslib.worlds import actions, drums, platform, sky, taichi

TRAINING_VERSION = 1  # raise it with any change to the code that makes other models from the same settings


def table(scale: Scale, seed: int = 0) -> dict[str, Recipe]:
    """All recipes of a scale by name; `seed` is that of the models, the videos are the same for every seed."""
    preset = PRESETS[scale]
    recipes: dict[str, Recipe] = {
        "actions/videos": VideosRecipe(world="actions", drawing=actions.VERSION, settings=preset.worlds),
        "sky/videos": VideosRecipe(world="sky", drawing=sky.VERSION, settings=preset.worlds),
        "taichi/videos": VideosRecipe(world="taichi", drawing=taichi.VERSION, settings=preset.worlds),
        "drums/videos": VideosRecipe(world="drums", drawing=drums.VERSION, settings=preset.worlds),
        "platform/videos": VideosRecipe(world="platform", drawing=platform.VERSION, settings=preset.worlds),
        "actions/classifier": ClassifierRecipe(
            videos="actions/videos",
            frames=preset.vqgan.frames,
            resolution=preset.vqgan.resolution,
            training=preset.classifier,
        ),
    }
    for world in ("actions", "sky", "taichi"):
        for padding in get_args(SpatialMode):
            vqgan, tokens = f"{world}/vqgan-{padding}", f"{world}/tokens-{padding}"
            recipes[vqgan] = VQGANRecipe(
                videos=f"{world}/videos",
                model=preset.vqgan.replace(padding=padding),
                training=preset.vqgan_training.replace(seed=seed),
                seed=seed,
            )
            recipes[tokens] = TokensRecipe(
                videos=f"{world}/videos",
                vqgan=vqgan,
                train_clips=preset.train_clips,
                test_clips=preset.test_clips,
                seed=seed,
            )
            recipes[f"{world}/gpt-{padding}"] = TransformerRecipe(
                tokens=tokens,
                training=preset.transformer_training.replace(seed=seed),
                seed=seed,
                **preset.transformer.model_dump(),
            )
        if preset.adversarial is not None:
            recipes[f"{world}/vqgan-gan"] = VQGANRecipe(
                videos=f"{world}/videos",
                model=preset.vqgan.replace(padding="replicate"),
                training=preset.adversarial.replace(seed=seed),
                start=f"{world}/vqgan-replicate",
                seed=seed,
            )
    for variant, config in variants(preset.vqgan).items():
        recipes[f"actions/study-{variant}"] = VQGANRecipe(
            videos="actions/videos",
            model=config,
            training=preset.vqgan_training.replace(seed=seed, steps=preset.study_steps),
            seed=seed,
        )
    recipes |= image_recipes(preset, seed)
    recipes |= hierarchy_recipes(preset, seed)
    recipes |= guided_recipes(preset, seed)
    recipes |= conditioned_recipes(scale, seed)
    recipes |= baseline_recipes(preset, seed)
    recipes |= untold_recipes(preset, seed)
    return recipes


def find(recipes: dict[str, Recipe], name: str) -> Recipe:
    """The recipe `name`.

    Raises:
        UserError: if there is none; the nearest name is offered.
    """
    if name not in recipes:
        near = did_you_mean(name, list(recipes))
        raise UserError(f"There is no recipe {name!r}{near}. Known: {', '.join(recipes)}.")
    return recipes[name]


def in_order(recipes: dict[str, Recipe], name: str) -> Iterator[str]:
    """`name` and all that it needs, each once, dependencies first."""
    seen: set[str] = set()

    def visit(current: str) -> Iterator[str]:
        for needed in recipes[current].needs:
            yield from visit(needed)
        if current not in seen:
            seen.add(current)
            yield current

    return visit(name)


def fingerprint(recipes: dict[str, Recipe], name: str, scale: Scale) -> str:
    """Twelve digits that change with the recipe, with anything that it needs, with the scale and with our version."""
    recipe = recipes[name]
    version = "" if isinstance(recipe, VideosRecipe) else str(TRAINING_VERSION)
    needs = (fingerprint(recipes, needed, scale) for needed in recipe.needs)
    parts = [type(recipe).__name__ + version, scale, recipe.fingerprint, *needs]
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:12]


def folder_of(recipes: dict[str, Recipe], name: str, scale: Scale) -> Path:
    """Where the artefact lives or will live."""
    return home() / "recipes" / f"{name.replace('/', '-')}-{fingerprint(recipes, name, scale)}"

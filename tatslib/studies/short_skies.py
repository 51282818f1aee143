"""Clips of worlds without classes, no longer than those of training, under the ruler of the others (Table 1a and 1b).

Skies, and exercises of somebody who does T'ai-chi, of which a clip takes every fourth frame (B.1).
"""

from collections.abc import Iterator
from functools import partial

from tatslib import recipes
from tatslib.recipes.kinds import World
from tatslib.studies.drift import through_tokenizer
from tatslib.studies.results import Numbers, Study
from tatslib.studies.short_videos import CLIPS, REPEATS, TOP_P, floor, made_clips, measure, ruler

MODELS = ("replicate", "implicit")  # TATS-base and the DIGAN-like generator
OF_CLASSES = ("is", "named")  # what nothing can be said of where there are no classes


def run(seed: int, world: World = "sky") -> Numbers:
    """Real clips, reconstructions and models, of one training."""
    rods = ruler(world)
    _, rebuilt = through_tokenizer(recipes.get(f"{world}/vqgan-replicate", seed).model, rods.held_out)
    arms = {name: made_clips(name, seed, rods.labels, training=seed, world=world) for name in MODELS}
    numbers: Numbers = {
        "held_out": measure(rods.held_out, rods.held_out_labels, rods, rods.held_out_videos),
        "rebuilt_replicate": measure(rebuilt, rods.held_out_labels, rods, rods.held_out_videos),
        **{name: measure(clips, rods.labels, rods) for name, clips in arms.items()},
    }
    for found in numbers.values():
        for name in OF_CLASSES:
            del found[name]
    return {"floor": floor(rods), **numbers}


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocol."""
    yield Study(
        "short-skies",
        f"""The study short-videos with the sky world in the place of the six motions, and so without classes, inception
        scores and names: {CLIPS} clips of 16 frames against {REPEATS} draws of {CLIPS} random training clips of skies.
        replicate: TATS-base (sky/vqgan-replicate, sky/gpt-replicate), top-p {TOP_P}. implicit: a generator without
        tokens, DIGAN-like (sky/implicit). Features: those of the classifier of the actions, which has never seen a sky,
        and random ones on the scale of skies. The seed is that of the training of all three, and of the draws.""",
        run,
    )
    yield Study(
        "short-taichi",
        f"""The study short-videos with the taichi world in the place of the six motions, every fourth frame of it, and
        so without classes, inception scores and names: {CLIPS} clips of 16 frames against {REPEATS} draws of {CLIPS}
        random training clips. replicate: TATS-base (taichi/vqgan-replicate, taichi/gpt-replicate), top-p {TOP_P}, with
        the settings of the other worlds. implicit: a generator without tokens, DIGAN-like (taichi/implicit). Features:
        those of the classifier of the actions, which was not trained on this world, and random ones on its scale. The
        seed is that of the training of all three, and of the draws.""",
        partial(run, world="taichi"),
    )

"""A few long videos of two and of three levels, and without a plan, packed into numbers for a page to show (Fig. 3).

Which ones is fixed here, before any was drawn: the first video of two classes. None is chosen.

Letters: V videos, T H W frames, F latent frames, h w latent grid.
"""

from collections.abc import Iterator

import torch

from tatslib import recipes
from tatslib.studies import hierarchy
from tatslib.studies.drift import TOP_P
from tatslib.studies.packing import pack
from tatslib.studies.pictures import decoded_films
from tatslib.studies.results import Numbers, Study
from tatslib.training.device import default_device
from tatslib.worlds.actions import CLASSES

FRAMES = 1024
EVERY = 50  # frames
SHOWN = ("JumpingJack", "SwingingPendulum")  # as in the chapter's other pictures


def run(seed: int) -> Numbers:
    """Every `EVERY`-th frame of each video, by arm; see `packing.unpack`, which makes uint8 (V, T, H, W, 3) of it."""
    vqgan = recipes.get("actions/vqgan-replicate", seed).model.to(default_device())
    words = torch.tensor([[CLASSES.index(name)] for name in SHOWN])  # (V, 1)
    latent_frames = FRAMES // vqgan.config.downsample[0]
    numbers: Numbers = {"classes": list(SHOWN), "every": EVERY}
    samplers = {"base-1": hierarchy.base(seed, 1)}
    samplers |= {name: hierarchy.planned(seed, levels) for name, levels in hierarchy.LEVELS.items()}
    for name, sampler in samplers.items():
        tokens = sampler(words, latent_frames, seed)  # (V, F, h, w)
        numbers[name] = pack(decoded_films(vqgan, tokens)[:, ::EVERY])
    return numbers


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocol."""
    yield Study(
        "hierarchy-samples",
        f"""Pictures of seed 0 to look at; nothing is chosen. The first video of {FRAMES} frames of each of
        {len(SHOWN)} classes ({", ".join(SHOWN)}), every {EVERY}th frame. base-1: the sliding window that looks back
        upon 1 latent frame; two-levels, three-levels: planned ahead; models as in the study hierarchy. Top-p {TOP_P} at
        every level.""",
        run,
    )

"""Which clips a repeat takes: "we run the evaluations for 10 times and report the standard deviations" (paper B.1).

The paper does not say what is drawn anew. Here it is real clips and generated videos, on each side where there are more
of them than a draw takes. Where there are not, every draw is the same one, and what depends on that side alone has no
spread.

No clip is twice in a draw. Of 2,048 clips that were drawn with repetition from as many windows, only 63 % would be
different ones: fewer than the rank of a covariance asks for, and a kernel distance that is unbiased without repetition
would compare clips with themselves.
"""

import numpy as np
import torch

from tatslib.datasets.clips import ClipDataset
from tatslib.randomness import numpy_generator, torch_generator

Place = tuple[int, int]  # index of a video, first frame of a clip


def real_draws(real: ClipDataset, clips: int, draws: int, seed: int) -> list[list[Place]]:
    """Which clips each draw takes: so many different windows, each equally likely, another choice each time.

    All of them, in their order, if there are no more: a draw is then smaller than what was asked for.
    """
    if clips >= real.windows:
        return [real.places_of(np.arange(real.windows))] * draws
    generators = (numpy_generator(seed, "real clips", draw) for draw in range(draws))
    return [real.places_of(one.choice(real.windows, clips, replace=False)) for one in generators]


def generated_draws(videos: int, clips: int, draws: int, seed: int) -> list[list[Place]]:
    """So many videos, without repetition, another choice each time; all of them if there are no more."""
    if clips == videos:
        return [[(video, 0) for video in range(videos)]] * draws
    orders = (torch.randperm(videos, generator=torch_generator(seed, "generated clips", d)) for d in range(draws))
    return [[(video, 0) for video in sorted(order[:clips].tolist())] for order in orders]


def draws_that_differ(there: int, clips: int, draws: int) -> int:
    """Of so many draws of videos or of windows that are there: one where each would take all of them."""
    return 1 if clips >= there else draws

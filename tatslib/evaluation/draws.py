"""Which clips a repeat takes: "we run the evaluations for 10 times and report the standard deviations" (paper B.1).

The paper does not say what is drawn anew. Here it is real clips, and generated videos where there are more of them than
a draw takes. Where there are not, every draw is the same one, and what depends on generated videos alone has no spread.
"""

import torch

from tatslib.datasets.clips import ClipDataset
from tatslib.randomness import torch_generator

Place = tuple[int, int]  # index of a video, first frame of a clip


def real_draws(real: ClipDataset, clips: int, draws: int, seed: int) -> list[list[Place]]:
    """Which clips each draw takes: any window of any video, each equally likely, another choice each time."""
    return [real.places(draw, clips, seed) for draw in range(draws)]


def generated_draws(videos: int, clips: int, draws: int, seed: int) -> list[list[Place]]:
    """So many videos, without repetition, another choice each time; all of them if there are no more."""
    if clips == videos:
        return [[(video, 0) for video in range(videos)]] * draws
    orders = (torch.randperm(videos, generator=torch_generator(seed, "generated clips", d)) for d in range(draws))
    return [[(video, 0) for video in sorted(order[:clips].tolist())] for order in orders]


def draws_that_differ(videos: int, clips: int, draws: int) -> int:
    """Of so many draws of generated videos: one where each would take all of them."""
    return 1 if clips == videos else draws

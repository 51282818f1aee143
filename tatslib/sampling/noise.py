"""The luck of a draw, so that a token depends on (seed, video, latent frame) and on nothing that was done beside it.

P: sequences side by side · V: what can be drawn.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor

from tatslib.randomness import torch_generator
from tatslib.sampling.filters import exponential_noise


class Row(NamedTuple):
    """A row of tokens in a latent video: number of the video, and latent frame times h plus row of the frame."""

    video: int
    row: int


def row_noise(
    seed: int, rows: Sequence[Row], row_tokens: int, width: int, device: torch.device | str = "cpu"
) -> Tensor:
    """Exponential noise for one row in each of P sequences, float32 (row_tokens, P, width).

    `row_tokens` tokens (one row of the latent grid) share a generator, since making one costs more than a draw.
    """
    generators = [torch_generator(seed, f"sample/{video}", row, device) for video, row in rows]
    return torch.stack([exponential_noise((row_tokens, width), generator) for generator in generators], dim=1)


def seeded_noise(
    seed: int,
    videos: Iterable[int],
    width: int,
    row_tokens: int,
    device: torch.device | str = "cpu",
    rows: Iterable[int] | None = None,
) -> Iterator[Tensor]:
    """Exponential noise (P, width) for each token of some rows in turn, the same rows in every video.

    Args:
        seed: of all.
        videos: numbers of the P videos.
        width: V.
        row_tokens: tokens of a row.
        device: where it is drawn. A GPU draws other numbers than a CPU.
        rows: numbers of the rows; all from 0 on when absent.
    """
    videos = tuple(videos)
    for row in count() if rows is None else rows:
        yield from row_noise(seed, [Row(video, row) for video in videos], row_tokens, width, device)

"""Pictures larger than the training pictures: a window slides over rows and columns of tokens (paper A.2, Fig. 12).

Dimension letters
    B batch · h w window, the latent grid of training · h' w' latent grid of the large picture · N tokens of a window
    n_c condition length · V vocabulary
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Literal, NamedTuple

import torch
from einops import rearrange
from torch import Tensor

from tatslib.errors import UserError
from tatslib.progress import progress as progress_bar
from tatslib.sampling.decode import Decoder
from tatslib.sampling.filters import Filters
from tatslib.sampling.noise import seeded_noise
from tatslib.sampling.sliding_window import check_condition
from tatslib.transformer.gpt import GPT

Position = Literal["centre", "border"]


class Run(NamedTuple):
    """Tokens that follow each other in reading order and are drawn inside one window."""

    top: int  # row and column of the window's first token in the large picture
    left: int
    first: int  # number of the first of them in the window's reading order
    length: int  # how many


def window_start(token: int, window: int, size: int, position: Position) -> int:
    """Where the window for a token begins along one axis.

    Args:
        token: row (or column) of the token in the large picture.
        window: rows of the window.
        size: rows of the large picture.
        position: "centre" puts the token at place window // 2 of the window, "border" at the last place.

    Returns:
        The window's first row. At the borders of the picture the window stands still, and the token is where it is.
    """
    ideal = token - (window // 2 if position == "centre" else window - 1)
    return min(max(ideal, 0), size - window)


def plan_windows(window: tuple[int, int], size: tuple[int, int], position: Position) -> list[Run]:
    """The windows in the order in which they are read: (h, w) and (h', w') to runs that cover all h' * w' tokens.

    A picture of the training size is one run. Elsewhere the window moves with nearly every token.

    Raises:
        UserError: if the picture is smaller than the window or the position is unknown.
    """
    if position not in ("centre", "border"):
        raise UserError(f'position is "centre" or "border", got {position!r}.')
    (h, w), (rows, columns) = window, size
    if rows < h or columns < w:
        raise UserError(
            f"a picture of {rows} by {columns} tokens is smaller than the window of {h} by {w}; ask for a larger one."
        )
    places = [
        (window_start(row, h, rows, position), window_start(column, w, columns, position), row, column)
        for row in range(rows)
        for column in range(columns)
    ]
    runs = []
    for (top, left), group in groupby(places, key=lambda place: place[:2]):
        tokens = list(group)
        _, _, row, column = tokens[0]
        runs.append(Run(top, left, (row - top) * w + column - left, len(tokens)))
    return runs


def sample_pictures(
    model: GPT,
    condition: Tensor,
    size: tuple[int, int],
    position: Position = "centre",
    filters: Filters | None = None,
    seed: int = 0,
    first_picture: int = 0,
    noise: Iterable[Tensor] | None = None,
    progress: bool = True,
) -> Tensor:
    """Draw B pictures side by side, token by token in reading order.

    Each token is drawn inside a window of the training size that holds it, given the tokens of that window which stand
    before it there. They all exist: what stands above it or left of it in the window does so in the picture, too. The
    transformer takes the window for a whole picture.

    Args:
        model: a transformer over pictures, which are videos of one latent frame.
        condition: int64 (B, n_c).
        size: (h', w'), at least the training size.
        position: where in its window a token is drawn, away from the borders of the picture: in the "centre", as
            high-resolution pictures have always been made, or at the "border", in the last row and column.
        filters: temperature, top-k, top-p; none when absent. Condition tokens are never drawn.
        seed: picture b depends on the seed and on its number `first_picture + b` alone. Both positions get the same
            luck, so that they draw the same tokens until their windows part.
        first_picture: number of the first picture in this batch.
        noise: exponential noise (B, K) for each token in turn, in place of what `seed` would draw.
        progress: show a bar.

    Returns:
        int64 (B, h', w') codes.

    Raises:
        UserError: for a model of longer videos, a condition of the wrong shape, and as `plan_windows` does.
    """
    config, device = model.config, model.head.weight.device
    frames, h, w = config.latent_shape
    if frames != 1:
        raise UserError(f"this transformer writes videos of {frames} latent frames; pictures need one of 1.")
    check_condition(config, condition)
    runs = plan_windows((h, w), size, position)
    if noise is None:
        pictures = range(first_picture, first_picture + len(condition))
        noise = seeded_noise(seed, pictures, config.codes, size[1], device)
    noise, filters, condition = iter(noise), filters or Filters(), condition.to(device)
    decoder = Decoder(model, len(condition), first_token=config.condition_codes)
    drawn = torch.zeros(len(condition), *size, dtype=torch.int64, device=device)  # of the joint vocabulary
    done = 0
    with progress_bar(label="sampling", total=size[0] * size[1], unit="token", disable=not progress) as bar:
        for run in runs:
            window = drawn[:, run.top : run.top + h, run.left : run.left + w]
            known = rearrange(window, "B h w -> B (h w)")[:, : run.first]
            logits = decoder.prefill(torch.cat([condition, known], dim=1))
            drawn.view(len(condition), -1)[:, done : done + run.length] = decoder.generate(
                logits, run.length, filters, noise
            )
            done += run.length
            bar.update(run.length)
    return drawn - config.condition_codes

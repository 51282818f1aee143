"""The table of presets: one row a scale, each paper value with its section. The only reader of `TATS_SCALE`.

toy    two CPU cores, minutes             colab  a T4 with 16 GB, under half an hour a chapter
gpu    one data-centre GPU, minutes       paper  section B.2 of the paper, 8 GPUs and days
"""

import difflib
import os
from typing import Literal, get_args

from tatslib.errors import UserError
from tatslib.training.train_transformer import TransformerTraining
from tatslib.training.train_vqgan import VQGANTraining
from tatslib.transformer.gpt import GPTConfig
from tatslib.vqgan.padding import PaddingMode
from tatslib.vqgan.vqgan import VQGANConfig

Scale = Literal["toy", "paper"]


def scale() -> Scale:
    """The scale that this process works at, from `TATS_SCALE` (default: toy).

    Raises:
        UserError: if the variable holds something else.
    """
    value = os.environ.get("TATS_SCALE", "toy")
    for known in get_args(Scale):
        if value == known:
            return known
    raise UserError(f"TATS_SCALE is {value!r}; it can be {' or '.join(get_args(Scale))}{did_you_mean(value, get_args(Scale))}.")


def did_you_mean(word: str, known: tuple[str, ...] | list[str]) -> str:
    """" (perhaps you meant X)" for the nearest known word, or nothing."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (perhaps you meant {near[0]!r})" if near else ""

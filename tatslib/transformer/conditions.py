"""What stands before the video: class labels, text and sound as prefix tokens (paper 2.3 "storyline", 3.1, B.2).

Dimension letters
    B batch · n_c condition length · t h w latent grid of the sound's own tokens

Condition tokens come first in the joint vocabulary, video codes are shifted up behind them (`gpt.py` does it):

    kind    tokens                                      n_c                  condition codes (as released)
    none    the start token, 0                          1                    0; here 1, unless loaded from there
    class   the number of the class                     1                    classes
    text    ids of CLIP's byte pairs, filled up         256                  49408
    sound   tokens of a VQ-VAE over the spectrogram     t * h * w            codes of that VQ-VAE

A transformer that is to be guided knows one condition token more, which says that there is no condition (Ho & Salimans
2022, "Classifier-free diffusion guidance"). It is the last of them, so that nothing else moves but the video codes.
"""

from typing import Literal, Self

import torch
from einops import rearrange
from pydantic import PositiveInt, model_validator
from torch import Tensor

from tatslib.config import Config
from tatslib.errors import UserError
from tatslib.transformer.gpt import GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.transformer.masks import PADDING
from tatslib.vqgan.layout import Condition
from tatslib.vqgan.sound import SoundVQGANConfig

TEXT_PADDING = 0  # what released texts are filled up with; as an id of CLIP it is also "!"
Padding = Literal["masked", "released"]


class Prefix(Config):
    """The kind, the number and the vocabulary of the tokens before a video."""

    kind: Condition
    codes: PositiveInt  # condition tokens that there are
    length: PositiveInt = 1  # n_c

    def before(self, config: GPTConfig) -> GPTConfig:
        """A transformer's config with this prefix in place of its own."""
        return config.replace(condition_codes=self.codes, condition_length=self.length)

    def check(self, condition: Tensor) -> None:
        """Refuse condition rows that are not int64 (B, n_c), or hold what is no token of this prefix.

        Raises:
            UserError: with what was found and what is needed.
        """
        if condition.ndim != 2 or condition.shape[1] != self.length or condition.dtype != torch.int64:
            raise UserError(
                f"conditions of kind {self.kind!r} are int64 (clips, {self.length}), got {condition.dtype} "
                f"{tuple(condition.shape)}."
            )
        if len(condition) and (condition.min() < PADDING or condition.max() >= self.codes or condition[:, 0].min() < 0):
            raise UserError(
                f"conditions of kind {self.kind!r} hold 0 to {self.codes - 1}, or {PADDING} behind the first token; "
                f"got {condition.min()} to {condition.max()}, beginning with {condition[:, 0].min()}."
            )


START = Prefix(kind="none", codes=1)
RELEASED_TEXT = Prefix(kind="text", codes=49408, length=256)  # CLIP's ids, as MUGEN's transformer reads them


def class_prefix(classes: int) -> Prefix:
    """One token, the class."""
    return Prefix(kind="class", codes=classes)


def sound_prefix(config: SoundVQGANConfig, frames: int | None = None) -> Prefix:
    """The tokens of the sound of so many frames; of a clip of the VQ-VAE's own length when absent."""
    frames = config.frames if frames is None else frames
    return Prefix(kind="sound", codes=config.codes, length=config.tokens(frames))


def start_condition(batch: int) -> Tensor:
    """int64 (B, 1): the start token, for videos without a condition."""
    return torch.zeros(batch, 1, dtype=torch.int64)


def class_condition(labels: Tensor) -> Tensor:
    """Class indices, int64 (B,), as condition tokens (B, 1)."""
    return rearrange(labels, "B -> B 1")


def text_condition(ids: Tensor, padding: Padding = "masked") -> Tensor:
    """Texts as condition tokens.

    Args:
        ids: int64 (B, n_c), each text with its end token, then filled up with `TEXT_PADDING`.
        padding: "masked" makes `masks.PADDING` of what a text is filled up with, which no token looks at. "released"
            leaves it, as the released transformer reads it: a row of exclamation marks that everybody looks at.

    Returns:
        int64 (B, n_c).

    Raises:
        UserError: for another shape or type, negative ids, or a text without a single token.
    """
    if padding not in ("masked", "released"):
        raise UserError(f'padding is "masked" or "released", got {padding!r}.')
    if ids.ndim != 2 or ids.dtype != torch.int64 or not ids.shape[1]:
        raise UserError(f"text ids are int64 (texts, length), got {ids.dtype} {tuple(ids.shape)}.")
    if ids.numel() and ids.min() < 0:
        raise UserError(f"text ids start at 0, got {ids.min()}: a text is filled up with {TEXT_PADDING}.")
    if padding == "released":
        return ids
    written = (ids != TEXT_PADDING).flip(1).cumsum(1).flip(1) > 0  # an id, or some id comes later
    if not written[:, 0].all():
        raise UserError(f"text {int(written[:, 0].int().argmin())} of {len(ids)} has no token: every text has an end.")
    return ids.masked_fill(~written, PADDING)


def sound_condition(tokens: Tensor) -> Tensor:
    """Sound tokens, int64 (B, t, h, w), row by row as condition tokens (B, n_c)."""
    return rearrange(tokens, "B t h w -> B (t h w)")


class GuidedConfig(GPTConfig):
    """A transformer that can be guided: its last condition token says that there is no condition."""

    null_condition: Literal[True] = True

    @model_validator(mode="after")
    def _something_can_be_given(self) -> Self:
        if self.condition_codes < 2:
            raise ValueError(f"condition_codes {self.condition_codes} leave no condition beside the one that says none")
        return self

    @property
    def null_token(self) -> int:
        """The condition token that says "no condition"."""
        return self.condition_codes - 1


class GuidedInterpolationConfig(InterpolationConfig, GuidedConfig):
    """A transformer that fills in and can be guided."""


def with_null(config: GPTConfig) -> GPTConfig:
    """The config of the same transformer with a condition token more, so that it can be guided.

    Raises:
        UserError: if it has one already.
    """
    if config.null_token is not None:
        raise UserError(f"this transformer has a null token already, {config.null_token} of its condition tokens.")
    kind = GuidedInterpolationConfig if isinstance(config, InterpolationConfig) else GuidedConfig
    return kind(**{**config.model_dump(), "condition_codes": config.condition_codes + 1})


def null_condition(config: GPTConfig, batch: int, device: torch.device | str | None = None) -> Tensor:
    """int64 (B, n_c): no condition.

    Raises:
        UserError: if the transformer knows no such thing.
    """
    return torch.full((batch, config.condition_length), null_token_of(config), dtype=torch.int64, device=device)


def null_token_of(config: GPTConfig, who: str = "this transformer") -> int:
    """The condition token that says "no condition".

    Raises:
        UserError: if the transformer, which the sentence calls `who`, has no condition or was always told it.
    """
    if config.null_token is not None:
        return config.null_token
    if config.condition_codes < 2:
        raise UserError(
            f"{who} makes videos without a condition, so there is nothing to guide it by: leave guidance at 1."
        )
    raise UserError(
        f"{who} was always told its condition, so it knows no other voice to be guided away from: train it with a "
        "condition dropout (--condition-dropout), or leave guidance at 1."
    )

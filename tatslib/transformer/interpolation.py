"""The interpolation transformer: a GPT that fills in the latent frames between two that are given (paper 2.3, A.4).

Its sequence is the condition, the first anchor, the frames to fill in and the last anchor, in the order of the video.
t h w: latent grid of one such window, anchors included.
"""

from pydantic import PositiveInt, model_validator

from tatslib.transformer.gpt import GPTConfig
from tatslib.transformer.masks import AttentionMask, MaskKind


class InterpolationConfig(GPTConfig):
    """Shape of a GPT that fills in; the defaults are the paper's, which has 3 latent frames between two anchors.

    As in the released model, the sequence ends one token early, so that the last token of the last anchor is never
    read.
    """

    latent_shape: tuple[PositiveInt, PositiveInt, PositiveInt] = (5, 16, 16)
    mask: MaskKind = "interpolation"

    @model_validator(mode="after")
    def _there_is_a_gap(self) -> "InterpolationConfig":
        self.attention  # noqa: B018  which refuses windows without a gap
        return self

    @property
    def attention(self) -> AttentionMask:
        """Who may look at whom."""
        return AttentionMask(self.mask, self.condition_length, self.latent_shape[0], self.frame_tokens)

    @property
    def ratio(self) -> int:
        """How many times denser frames lie once they are filled in: t - 1, of which t - 2 are new."""
        return self.latent_shape[0] - 1

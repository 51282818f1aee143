"""Training a transformer that fills in between two latent frames (paper 2.3, A.4), by the loop of the other one.

What differs stands in two configs: the mask in the model's, and in the training's what the loss is made of. So
`train_transformer` trains it, on tokens of clips that are one latent frame longer than a gap needs.
"""

from typing import Literal

from tatslib.datasets.tokens import TokenClips, TokenIndex
from tatslib.errors import UserError
from tatslib.training.train_transformer import TransformerTraining, evaluate_transformer, gpt_config
from tatslib.transformer.gpt import ALL, GPT
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.transformer.masks import MaskKind

GAP = slice(1, -1)  # the latent frames between the anchors


class InterpolationTraining(TransformerTraining):
    """How an interpolation transformer is trained.

    "gap" counts the tokens to be filled in. "all", as released, counts those of the anchors as well, almost all of
    which their own output can see: 511 of the paper's 1280 targets only have to be copied, and a loss over all says
    little about filling in.
    """

    loss_over: Literal["gap", "all"] = "gap"

    @property
    def counted_frames(self) -> slice:
        """The latent frames whose tokens make up the loss."""
        return GAP if self.loss_over == "gap" else ALL


def interpolation_config(
    index: TokenIndex, layers: int, heads: int, width: int, mask: MaskKind = "interpolation"
) -> InterpolationConfig:
    """The interpolation transformer for a token set, whose first and last latent frame are the anchors.

    Raises:
        UserError: if the clips have less than 3 latent frames, or latent frames less than 2 tokens.
    """
    if index.latent_shape[0] < 3:
        raise UserError(f"clips of {index.latent_shape[0]} latent frames have no gap to fill in: tokenise longer ones.")
    return InterpolationConfig(**gpt_config(index, layers, heads, width).model_dump(), mask=mask)


def evaluate_interpolation(gpt: GPT, data: TokenClips, batch: int = 32) -> float:
    """Mean negative log-likelihood of held-out tokens between the anchors, in nats a token."""
    return evaluate_transformer(gpt, data, batch, GAP)

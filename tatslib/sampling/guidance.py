"""Guidance: sampling says louder what the condition changes (Ho & Salimans 2022, "Classifier-free diffusion guidance").

    logits = l(no condition) + s (l(condition) - l(no condition))

s = 0 ignores the condition, 1 is the plain sampler, more than 1 exaggerates what the condition makes likelier. It takes
a transformer that was trained both with and without (`training.train_guided`), and twice the work: both streams run as
one batch and read the same tokens.

B batch · N tokens read at once · V logits · n_c condition length
"""

from math import isfinite

import torch
from torch import Tensor

from tatslib.errors import UserError
from tatslib.sampling.decode import OWN, Decoder, Engine, Layout
from tatslib.transformer.conditions import null_condition, null_token_of
from tatslib.transformer.gpt import GPT, GPTConfig


class GuidedDecoder(Decoder):
    """A `Decoder` of 2 B sequences in the place of one of B, told and not told the condition.

    Args:
        model: the transformer, with a null token.
        batch: B at most.
        first_token: as in `Decoder`.
        guidance: s.
        engine: how to compute.

    Raises:
        UserError: if the transformer has no null token.
    """

    def __init__(
        self, model: GPT, batch: int, first_token: int = 0, guidance: float = 1.0, engine: Engine = OWN
    ) -> None:
        super().__init__(model, 2 * batch, first_token, engine)
        self.guidance = guidance
        self.nothing = null_condition(model.config, 1, model.head.weight.device)  # (1, n_c)

    @torch.inference_mode()
    def prefill(self, tokens: Tensor, layout: Layout | None = None) -> Tensor:
        """Forget all and read a prefix, int64 (B, N) with its condition; logits (B, V) of the token that comes next."""
        nothing = self.nothing.expand(len(tokens), -1)
        untold = torch.cat([nothing, tokens[:, nothing.shape[1] :]], dim=1)
        return self._steer(super().prefill(torch.cat([tokens, untold]), layout))

    def _read(self, tokens: Tensor) -> Tensor:
        return self._steer(super()._read(torch.cat([tokens, tokens])))

    def _steer(self, logits: Tensor) -> Tensor:
        told, untold = logits.chunk(2)
        return torch.lerp(untold, told, self.guidance)  # which at 1 is `told` to the last bit


def decoder_for(model: GPT, batch: int, first_token: int, guidance: float, engine: Engine = OWN) -> Decoder:
    """The decoder that a sampler needs: at a guidance of 1 the plain one, for half the work."""
    if guidance == 1:
        return Decoder(model, batch, first_token, engine)
    return GuidedDecoder(model, batch, first_token, guidance, engine)


def check_guidance(config: GPTConfig, guidance: float, who: str = "this transformer") -> None:
    """Refuse a guidance that is no number from 0 on, or a transformer that cannot be guided, in a sentence.

    Args:
        config: the transformer's.
        guidance: s.
        who: what the sentence calls the transformer.
    """
    if not (isfinite(guidance) and guidance >= 0):
        raise UserError(f"guidance is a number from 0 on, 1 for none, got {guidance}.")
    if guidance != 1:
        null_token_of(config, who)

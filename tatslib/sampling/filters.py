"""What may be drawn next: temperature, top-k and top-p (paper B.2: k = 2048, p = 0.80), and the draw itself.

B: batch; V: vocabulary.
"""

import torch
from pydantic import Field
from torch import Tensor

from tatslib.config import Config


class Filters(Config):
    """Settings of a draw: divide by `temperature`, keep the `top_k` likeliest, then the nucleus of mass `top_p`.

    None switches a filter off. Tokens of equal logit share one fate: ties at the k-th place all survive, and so do
    ties at the edge of the nucleus. top_k = 1 is greedy.

    `mask_condition_tokens` keeps the draw to video codes. The released code drew from the whole vocabulary and
    changed a drawn condition token to video code 0 at the end of the video; False does the same.
    """

    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    top_k: int | None = Field(default=None, ge=1)
    top_p: float | None = Field(default=None, ge=0, le=1)
    mask_condition_tokens: bool = True

    def __call__(self, logits: Tensor) -> Tensor:
        """Logits (B, V), divided by the temperature, with -inf where a token may not be drawn."""
        logits = logits / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            best = logits.topk(self.top_k).values  # (B, k), descending
            logits = logits.masked_fill(logits < best[..., -1:], float("-inf"))
        elif self.top_p is not None:
            best = logits.sort(descending=True).values  # (B, V)
        if self.top_p is not None and self.top_p < 1:
            logits = logits.masked_fill(logits < edge_of_nucleus(logits, best, self.top_p), float("-inf"))
        return logits

    def draw(self, logits: Tensor, noise: Tensor) -> Tensor:
        """Draw one token for each row: argmax(p / e), which is distributed as p when e is exponential noise.

        Args:
            logits: (B, V), unfiltered.
            noise: (B, V), positive, drawn from Exp(1), see `exponential_noise`.

        Returns:
            int64 (B,).

        This is what torch.multinomial computes for one draw, with the noise in the open.
        """
        return (self(logits).softmax(-1) / noise).argmax(-1)


def edge_of_nucleus(survivors: Tensor, best: Tensor, top_p: float) -> Tensor:
    """The lowest logit (B, 1) inside the nucleus: of the tokens in order, the first whose running mass exceeds p.

    `best` holds the survivors in descending order; of those tied with its last entry it may lack some, which
    leaves the edge where it is. Hence no sort over the whole vocabulary after top-k.
    """
    mass = (best - survivors.logsumexp(-1, keepdim=True)).exp()  # (B, k)
    inside = (mass.cumsum(-1) <= top_p).sum(-1, keepdim=True)  # (B, 1), tokens before the one that exceeds p
    return best.gather(-1, inside.clamp(max=best.shape[-1] - 1))


def exponential_noise(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Float32 noise from Exp(1) on the generator's device, positive and finite.

    Written as -log(u), since on a CPU this takes a sixth of the time of `Tensor.exponential_`.
    """
    uniform = torch.rand(shape, generator=generator, device=generator.device)
    return uniform.clamp_(min=2**-25).log_().neg_()  # u = 0 would make noise that no token survives

"""What may be drawn next: temperature, top-k and top-p (paper B.2: k = 2048, p = 0.80), and the draw itself.

B: batch; V: vocabulary; C: latent frames of context.
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

    `repetition_penalty` lowers the logit of a code by so much for each latent frame of the context in which it stood at
    the same row and column, after the idea of Keskar et al. (2019), who scale the logits of what has been written. It
    works against pictures that stand still, acts on what a window draws (not on gaps between two given frames) and is
    off at 0.
    """

    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    top_k: int | None = Field(default=None, ge=1)
    top_p: float | None = Field(default=None, ge=0, le=1)
    mask_condition_tokens: bool = True
    repetition_penalty: float = Field(default=0.0, ge=0, allow_inf_nan=False)

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
        nothing_cut = self.top_k is None or self.top_k >= logits.shape[-1]
        if self.top_p is not None and self.top_p < 1 and nothing_cut and logits.device.type == "cpu":
            return self._draw_before_sorting(logits, noise, self.top_p)
        return (self(logits).softmax(-1) / noise).argmax(-1)

    def _draw_before_sorting(self, logits: Tensor, noise: Tensor, top_p: float) -> Tensor:
        """The same where top-p is the only filter: most draws can do without a sort.

        A token that wins against the whole vocabulary wins against any part of it. So draw from all, and look whether
        the winner is in the nucleus: it is if all likelier tokens together do not exceed p. Only where it is not, the
        nucleus has to be found. (On a GPU the question would have to wait for the answer.)
        """
        scaled = logits if self.temperature == 1 else logits / self.temperature
        probabilities = scaled.softmax(-1)
        winner = (probabilities / noise).argmax(-1, keepdim=True)  # (B, 1)
        likelier = probabilities.masked_fill(scaled <= scaled.gather(-1, winner), 0).sum(-1)  # (B,)
        outside = likelier > top_p
        winner = winner[:, 0]
        if outside.any():
            winner[outside] = (self(logits[outside]).softmax(-1) / noise[outside]).argmax(-1)
        return winner

    def discourage(self, logits: Tensor, seen: Tensor) -> Tensor:
        """Logits (B, V) with the penalty on tokens int64 (B, C), once for each time that they stand there."""
        if not self.repetition_penalty or not seen.shape[1]:
            return logits
        return logits.scatter_add(-1, seen, logits.new_full((), -self.repetition_penalty).expand(seen.shape))


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

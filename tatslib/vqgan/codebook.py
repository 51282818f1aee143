"""The codebook: latent vectors become indices of their nearest codes (paper Section 2.1, vector quantisation).

Codes are not trained by gradients: each follows the running mean of the vectors it wins.

Letters: B batch, t h w latent grid, N = t h w, M = B N vectors, K codes, D code width.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from tatslib.distributed import gather_rows, sum_over_ranks
from tatslib.errors import UserError

DISTANCES_AT_ONCE = 2**22  # 16 MB of float32, whatever the number of vectors


class Quantised(NamedTuple):
    """What the codebook says about one batch of latents."""

    latents: Tensor  # float32 (B, D, t, h, w): code vectors whose gradient passes straight to the encoder
    tokens: Tensor  # int64 (B, t, h, w)
    commitment_loss: Tensor  # float32 (), already weighted
    perplexity: Tensor  # float32 (): how many codes the batch uses, were all used equally often


def nearest_codes(vectors: Tensor, codes: Tensor) -> Tensor:
    """Index of the nearest code by Euclidean distance; of equally near ones the first.

    Args:
        vectors: float32 (M, D).
        codes: float32 (K, D).

    Returns:
        int64 (M,). Never holds more than `DISTANCES_AT_ONCE` distances (or one row of K).
    """
    half_norms = codes.square().sum(1) / 2
    chunks = vectors.split(max(1, DISTANCES_AT_ONCE // len(codes)))
    # |v - c|^2 = |v|^2 - 2 (v.c - |c|^2 / 2), and |v|^2 is the same for every code
    return torch.cat([torch.addmm(half_norms, chunk, codes.T, alpha=-1).argmin(1) for chunk in chunks])


def code_statistics(vectors: Tensor, tokens: Tensor, codes: int) -> tuple[Tensor, Tensor]:
    """How often each code was chosen, (K,), and the sum of the vectors that chose it, (K, D); both float32.

    In this process alone: `sum_over_ranks` makes the batch of a step out of it.
    """
    counts = torch.bincount(tokens, minlength=codes).to(vectors.dtype)
    sums = vectors.new_zeros(codes, vectors.shape[1]).index_add_(0, tokens, vectors)
    return counts, sums


def perplexity_of(counts: Tensor) -> Tensor:
    """exp(entropy) of the shares in `counts` (K,): between 1 and K."""
    shares = counts / counts.sum()
    return torch.special.entr(shares).sum().exp()


def draw_candidates(vectors: Tensor, codes: int, generator: torch.Generator) -> Tensor:
    """As many random rows of `vectors` (M, D) as there are codes, to fill new codes with: (K, D).

    Where there are fewer rows than codes, each is repeated with a little noise, so that no two codes coincide.
    """
    rows, width = vectors.shape
    if rows < codes:
        vectors = repeat(vectors, "m d -> (r m) d", r=-(-codes // rows))
        noise = torch.randn(vectors.shape, generator=generator, device=generator.device)
        vectors = vectors + noise.to(vectors) * (0.01 / width**0.5)
    order = torch.randperm(len(vectors), generator=generator, device=generator.device)
    return vectors[order[:codes].to(vectors.device)]


class Codebook(nn.Module):
    """K code vectors that follow the exponential moving average of what they win.

    Where several processes train, they win what all of them together hold, and random vectors are drawn from all, with
    equal generators: every process keeps the same codes, those of one process with the whole batch.

    Args:
        codes: K.
        width: D.
        decay: of the moving averages.
        commitment_weight: beta, which scales the pull of a vector towards its code.
        restart_below_count: re-seed, with random vectors of the batch, codes whose average count falls below this.
        restart_below_mean: or below this share of the mean of all average counts. With neither, codes may die.
        restart_statistics: also give a re-seeded code its new vector and the mean count as statistics. Without, as
            in the released code, the next update takes the code back to where its old statistics are.
    """

    embeddings: Tensor
    counts: Tensor
    sums: Tensor
    initialised: Tensor

    def __init__(
        self,
        codes: int,
        width: int,
        decay: float = 0.99,
        commitment_weight: float = 0.25,
        restart_below_count: float | None = None,
        restart_below_mean: float | None = None,
        restart_statistics: bool = True,
    ):
        super().__init__()
        self.decay = decay
        self.commitment_weight = commitment_weight
        self.restart_below_count = restart_below_count
        self.restart_below_mean = restart_below_mean
        self.restart_statistics = restart_statistics
        self.register_buffer("embeddings", torch.zeros(codes, width))
        self.register_buffer("counts", torch.zeros(codes))
        self.register_buffer("sums", torch.zeros(codes, width))
        # saved with the weights: a resumed run must not draw its codes anew
        self.register_buffer("initialised", torch.tensor(False))

    @property
    def restarts(self) -> bool:
        """Whether codes that fall out of use are re-seeded."""
        return self.restart_below_count is not None or self.restart_below_mean is not None

    def forward(
        self, z: Tensor, generator: torch.Generator | None = None, candidates: Tensor | None = None
    ) -> Quantised:
        """Quantise; in training mode, then let the codes follow.

        Args:
            z: float (B, D, t, h, w), of any floating type; distances are taken in float32.
            generator: draws `candidates` where a training step needs them (first step, restarts).
            candidates: (K, D), used in place of drawing any; the first call's codes and each restart's come from here.

        Raises:
            UserError: if a training step needs random vectors and has no generator.
        """
        with torch.autocast(z.device.type, enabled=False):
            clips = rearrange(z.float(), "b d t h w -> b (t h w) d")
            vectors = rearrange(clips, "b n d -> (b n) d")
            if self.training and not self.initialised:
                self.initialise(self._candidates(clips, generator, candidates))
            tokens = nearest_codes(vectors.detach(), self.embeddings)
            chosen = F.embedding(tokens, self.embeddings)
            commitment_loss = self.commitment_weight * F.mse_loss(vectors, chosen)
            straight_through = vectors + (chosen - vectors).detach()
            counts, sums = code_statistics(vectors.detach(), tokens, len(self.embeddings))
            if self.training:
                sum_over_ranks(counts, sums)
                self._follow(counts, sums)
                if self.restarts:
                    self._restart(self._candidates(clips, generator, candidates))
        batch, _, t, h, w = z.shape
        grid = {"b": batch, "t": t, "h": h, "w": w}
        return Quantised(
            latents=rearrange(straight_through, "(b t h w) d -> b d t h w", **grid),
            tokens=rearrange(tokens, "(b t h w) -> b t h w", **grid),
            commitment_loss=commitment_loss,
            perplexity=perplexity_of(counts),
        )

    def encode(self, z: Tensor) -> Tensor:
        """float (B, D, t, h, w) -> int64 (B, t, h, w), and nothing else is computed."""
        with torch.autocast(z.device.type, enabled=False):
            tokens = nearest_codes(rearrange(z.float(), "b d t h w -> (b t h w) d"), self.embeddings)
        return tokens.view(z.shape[0], *z.shape[2:])

    def decode(self, tokens: Tensor) -> Tensor:
        """int64 (B, t, h, w) -> the code vectors, float32 (B, D, t, h, w)."""
        return rearrange(F.embedding(tokens, self.embeddings), "b t h w d -> b d t h w")

    @torch.no_grad()
    def initialise(self, candidates: Tensor) -> None:
        """Take K vectors (K, D) of an encoder as the codes, each as if it had been chosen once."""
        self.embeddings.copy_(candidates)
        self.sums.copy_(candidates)
        self.counts.fill_(1)
        self.initialised.fill_(True)

    @torch.no_grad()
    def _follow(self, counts: Tensor, sums: Tensor) -> None:
        """Move each code to the running mean of the vectors it won."""
        self.counts.lerp_(counts, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        total, floor = self.counts.sum(), 1e-7  # the floor keeps a code that never wins from dividing by zero
        smoothed = (self.counts + floor) / (total + len(self.counts) * floor) * total
        self.embeddings.copy_(self.sums / smoothed.unsqueeze(1))

    @torch.no_grad()
    def _restart(self, candidates: Tensor) -> None:
        """Give the codes that have fallen out of use a vector of the batch."""
        mean = self.counts.mean()
        unused = (self.counts < (self.restart_below_count or 0)) | (self.counts < mean * (self.restart_below_mean or 0))
        self.embeddings.copy_(torch.where(unused.unsqueeze(1), candidates, self.embeddings))
        if self.restart_statistics:
            self.counts.copy_(torch.where(unused, mean, self.counts))
            self.sums.copy_(torch.where(unused.unsqueeze(1), candidates * mean, self.sums))

    def _candidates(self, clips: Tensor, generator: torch.Generator | None, candidates: Tensor | None) -> Tensor:
        if candidates is not None:
            return candidates
        if generator is None:
            raise UserError("this training step gives codes new vectors at random: pass a torch.Generator to forward")
        vectors = rearrange(gather_rows(clips), "b n d -> (b n) d")
        return draw_candidates(vectors, len(self.embeddings), generator)

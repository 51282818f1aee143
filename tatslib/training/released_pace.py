"""How the released code computes, restated plainly, to measure our speed against; nothing else uses this.

Full float32 in the default memory layout. The nearest code comes out of a matrix of all distances, and a matrix of ones
and zeros, tokens by codes, is made of it in every encoding to count how often each code was chosen. A long video is
decoded in one call. A training step runs the whole model once for either optimiser, and the discriminators from the
first step on.

Letters: B batch, C channels, T H W frames, t h w latent grid, K codes, D code width.
"""

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from tatslib.training.train_vqgan import VQGANTraining
from tatslib.vqgan.codebook import Codebook, perplexity_of
from tatslib.vqgan.vqgan import VQGAN


def encode_as_released(vqgan: VQGAN, x: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens (B, t, h, w) of clips (B, C, T, H, W), and their perplexity, which is computed although nobody asked."""
    return look_up_as_released(vqgan.codebook, vqgan.latents(x))


def look_up_as_released(codebook: Codebook, z: Tensor) -> tuple[Tensor, Tensor]:
    """The same of latents (B, D, t, h, w)."""
    vectors, codes = rearrange(z, "b d t h w -> (b t h w) d"), codebook.embeddings
    squares = vectors.square().sum(1, keepdim=True) + codes.square().sum(1)
    tokens = (squares - 2 * vectors @ codes.T).argmin(1)
    chosen = F.one_hot(tokens, len(codes)).to(vectors.dtype)  # (B t h w, K)
    batch, _, t, h, w = z.shape
    return rearrange(tokens, "(b t h w) -> b t h w", b=batch, t=t, h=h, w=w), perplexity_of(chosen.sum(0))


def train_as_released(training: VQGANTraining) -> VQGANTraining:
    """The same training with two passes a batch and in float32."""
    return training.replace(second_pass=True, precision="float32")


# Measured with the released code itself on another machine: 2 virtual cores of an Intel Xeon with AMX, torch 2.13,
# float32, one clip of 16 frames of 128x128 at the paper's size, random weights; runs differed by up to 40 %.
MEASURED_ELSEWHERE = (
    "measured elsewhere, the released code itself, one clip, 2 cores of a Xeon with AMX:  1 thread   2 threads",
    "  encode                                                                              0.99 s      0.47 s",
    "    of which looking up codes, with the matrix of ones and zeros                      0.32 s      0.19 s",
    "  decode                                                                              6.9 s       3.7 s",
    "  peak memory                                                                         1.0 GB",
)

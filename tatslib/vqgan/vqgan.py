"""The first stage: a video becomes a grid of tokens and back (paper Section 2.1, Fig. 2).

Letters: B batch, C channels, T H W frames, t h w latent grid, K codes, D code width.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from tatslib.randomness import torch_generator
from tatslib.vqgan.autoencoder import Decoder, Encoder, ResidualBlock
from tatslib.vqgan.codebook import Codebook
from tatslib.vqgan.config import VQGANConfig, receptive_field
from tatslib.vqgan.initial_weights import draw_weights

__all__ = ["VQGAN", "VQGANConfig", "VQGANOutput", "receptive_field"]


class VQGANOutput(NamedTuple):
    """One pass through encoder, codebook and decoder."""

    reconstruction: Tensor  # float (B, C, T, H, W), unbounded
    tokens: Tensor | None  # int64 (B, t, h, w), with a valid decoder's latent margins; None without quantisation
    commitment_loss: Tensor  # float32 (), already weighted by beta
    perplexity: Tensor  # float32 (), effective number of codes in use; 0 without quantisation


class VQGAN(nn.Module):
    """Encoder, codebook, decoder.

    Args:
        config: the architecture.
        seed: of the initial weights, which depend on nothing else.

    Clips are float (B, C, T, H, W) in [-0.5, 0.5], of any number of latent frames. Where padding is `valid`, real
    frames stand around them: `config.margins` for `encode`, `config.latent_margins` (latent frames) for `decode`,
    `config.forward_margins` for `forward`.
    """

    def __init__(self, config: VQGANConfig, seed: int = 0):
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.to_codes = nn.Conv3d(config.widths[-1], config.code_width, 1)
        self.codebook = Codebook(
            config.codes,
            config.code_width,
            decay=config.codebook_decay,
            commitment_weight=config.commitment_weight,
            restart_below_count=config.restart_below_count,
            restart_below_mean=config.restart_below_mean,
            restart_statistics=config.restart_statistics,
        )
        self.from_codes = nn.Conv3d(config.code_width, config.widths[-1], 1)
        self.decoder = Decoder(config)
        self._initialise(torch_generator(seed, "vqgan/weights"))

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator) -> None:
        draw_weights(self, generator)
        for module in self.modules():
            if isinstance(module, ResidualBlock):
                module.conv2.conv.weight *= self.config.residual_gain
        self.codebook.embeddings.normal_(generator=generator)

    def latents(self, x: Tensor) -> Tensor:
        """What the codebook sees: (B, C, T, H, W) -> (B, D, t, h, w)."""
        return self.to_codes(self.encoder(x))

    def encode(self, x: Tensor) -> Tensor:
        """Tokens of a clip: (B, C, before + T + after, H, W) -> int64 (B, t, h, w)."""
        return self.codebook.encode(self.latents(x))

    def decode(self, tokens: Tensor) -> Tensor:
        """Frames of tokens: int64 (B, before + t + after, h, w) -> (B, C, T, H, W), not clamped to [-0.5, 0.5]."""
        return self.decoder(self.from_codes(self.codebook.decode(tokens)))

    def forward(self, x: Tensor, quantise: bool = True, generator: torch.Generator | None = None) -> VQGANOutput:
        """Reconstruct a clip; in training mode the codebook learns on the way.

        Args:
            x: float (B, C, before + T + after, H, W).
            quantise: False leaves the codebook out and untouched (a plain autoencoder, to warm up).
            generator: needed by training steps that fill codes at random (the first, and every one with restarts).

        Raises:
            UserError: if such a step has no generator.
        """
        z = self.latents(x)
        if not quantise:
            zero = z.new_zeros((), dtype=torch.float32)
            return VQGANOutput(self.decoder(self.from_codes(z)), None, zero, zero)
        quantised = self.codebook(z, generator)
        reconstruction = self.decoder(self.from_codes(quantised.latents))
        return VQGANOutput(reconstruction, quantised.tokens, quantised.commitment_loss, quantised.perplexity)

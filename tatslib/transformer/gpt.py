"""The second stage: a decoder-only transformer over condition and video tokens (paper 2.1, B.2).

Dimension letters
    B batch · N sequence length · D width · V vocabulary · K codes · n_c condition length · t h w latent grid
    heads and d: D = heads * d · M keys attended to (N, or what a cache holds)

The vocabulary holds the condition tokens first (0 .. condition_codes-1), then the video codes, shifted up by
condition_codes. A sequence is the condition followed by the latent frames, each row by row. A condition that is shorter
than n_c is filled up with `masks.PADDING`, which nobody looks at.
"""

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from einops import rearrange
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from tatslib.config import Config
from tatslib.errors import UserError
from tatslib.transformer.masks import AttentionMask, causal_mask, padding_of, without_padding

ALL = slice(None)  # latent frames that count


class GPTConfig(Config):
    """Shape of the transformer and of the sequences it reads; the defaults are the paper's UCF-101 model (B.2).

    What stands before the video decides `condition_codes` and `condition_length`:

    * class labels: as many condition codes as classes, length 1;
    * nothing, with a start token of its own: 1 and 1 (the default);
    * nothing, as in the released unconditional checkpoints: 0 and 1. The start token is then number 0 and shares its
      embedding with video code 0.
    """

    codes: PositiveInt = 16384
    condition_codes: int = Field(default=1, ge=0)
    condition_length: PositiveInt = 1
    latent_shape: tuple[PositiveInt, PositiveInt, PositiveInt] = (4, 16, 16)
    layers: PositiveInt = 24
    heads: PositiveInt = 16
    width: PositiveInt = 1024

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "GPTConfig":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be shared evenly by {self.heads} heads")
        return self

    @property
    def vocabulary(self) -> int:
        """V: condition tokens and video codes together."""
        return self.condition_codes + self.codes

    @property
    def frame_tokens(self) -> int:
        """Tokens in one latent frame: h * w."""
        return self.latent_shape[1] * self.latent_shape[2]

    @property
    def block_size(self) -> int:
        """The longest input: condition and window, without the last token, which is only ever predicted."""
        return self.condition_length + self.latent_shape[0] * self.frame_tokens - 1

    @property
    def attention(self) -> AttentionMask | None:
        """Who may look at whom in a sequence of `block_size`; None is causal, and for shorter sequences as well."""
        return None

    @property
    def null_token(self) -> int | None:
        """The condition token that says "no condition", for models that were trained to be guided; else None."""
        return None


class Cache(Protocol):
    """What attention asks of a key-value cache."""

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store (B, heads, N, d) keys and values of one layer; return all (B, heads, M, d) to attend to."""
        ...


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention, by the fastest way for the device at hand.

    Args:
        queries: (B, heads, N, d).
        keys: (B, heads, M, d).
        values: (B, heads, M, d).
        mask: bool (N, M), or (B, 1, N, M) where sequences differ, True where a query may look. Without one a sequence
            (N > 1) is read causally and a single query sees every key.

    Returns:
        (B, heads, N, d).

    The fused kernel is the better one everywhere but in one place: its backward pass in bfloat16 on a CPU. There the
    written-out softmax made the whole training step 2.1 times faster (4 layers, width 128, 16 x 144 tokens, one thread
    of a Xeon with AMX; in float32 the fused kernel was ahead by a tenth).
    """
    if queries.device.type == "cpu" and queries.dtype == torch.bfloat16 and torch.is_grad_enabled():
        if mask is None and queries.shape[-2] > 1:
            mask = causal_mask(queries.shape[-2], queries.device)
        scores = (queries * queries.shape[-1] ** -0.5) @ keys.mT  # (B, heads, N, M)
        if mask is not None:
            scores = scores + torch.zeros_like(mask, dtype=scores.dtype).masked_fill_(~mask, float("-inf"))
        return scores.softmax(-1) @ values
    causal = mask is None and queries.shape[-2] > 1
    return F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, is_causal=causal)


class Attention(nn.Module):
    """Multi-head self-attention; queries, keys and values come from one fused projection."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.layer, self.heads = layer, config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.proj = nn.Linear(config.width, config.width)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, cache: Cache | None = None, speaker: int | None = None
    ) -> Tensor:
        """(B, N, D) to (B, N, D); see `attend` for the mask. With a cache the keys already in it are attended to.

        With a speaker, the answer is that token's alone, (B, 1, D); without a mask it sees all.
        """
        pattern = "B N (three heads d) -> three B heads N d"
        queries, keys, values = rearrange(self.qkv(x), pattern, three=3, heads=self.heads)
        if cache is not None:
            keys, values = cache.extend(self.layer, keys, values)  # (B, heads, M, d)
        if speaker is not None:
            queries = queries[:, :, speaker : speaker + 1]
            mask = None if mask is None else mask[..., speaker : speaker + 1, :]
        attended = attend(queries, keys, values, mask)
        return self.proj(rearrange(attended, "B heads N d -> B N (heads d)"))


class Block(nn.Module):
    """Attention, then a two-layer perceptron; each is normalised before and added to its input."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(config.width, eps=1e-5)
        self.attn = Attention(config, layer)
        self.ln2 = nn.LayerNorm(config.width, eps=1e-5)
        self.mlp = nn.Sequential(
            nn.Linear(config.width, 4 * config.width), nn.GELU(), nn.Linear(4 * config.width, config.width)
        )

    def forward(
        self, x: Tensor, mask: Tensor | None = None, cache: Cache | None = None, speaker: int | None = None
    ) -> Tensor:
        """(B, N, D) to (B, N, D), or to (B, 1, D) with a speaker."""
        attended = self.attn(self.ln1(x), mask, cache, speaker)
        x = (x if speaker is None else x[:, speaker : speaker + 1]) + attended
        return x + self.mlp(self.ln2(x))


class GPT(nn.Module):
    """Next-token model of a latent video given its condition (paper 2.1): p(z_i | c, z_0 .. z_{i-1}).

    Positions are learned and absolute. There is no dropout, as in the released models.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.tok_emb = nn.Embedding(config.vocabulary, config.width)
        self.pos_emb = nn.Parameter(torch.zeros(config.block_size, config.width))
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.ln_f = nn.LayerNorm(config.width, eps=1e-5)
        self.head = nn.Linear(config.width, config.vocabulary, bias=False)
        self.apply(initialise)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits for the token after each position.

        Args:
            tokens: int64 (B, N) of the joint vocabulary, N at most `block_size`; `PADDING` only in the condition.
            mask: bool (N, N), True where a query (row) may look at a key (column); absent, what `config.attention`
                says.

        Returns:
            (B, N, V).

        Raises:
            UserError: if the sequence is longer than `block_size` or the mask has another shape than (N, N).
        """
        return self.logits(self._read(tokens, mask))

    def hidden(
        self,
        tokens: Tensor,
        positions: Tensor,
        mask: Tensor | None = None,
        cache: Cache | None = None,
        speaker: int | None = None,
    ) -> Tensor:
        """Tokens (B, N) at positions (N,) to features (B, N, D) before the last normalisation.

        With a speaker, to those of that token alone, (B, 1, D): of the others the last layer makes keys and values.
        """
        if len(positions) > self.config.block_size:
            raise UserError(
                f"a sequence of {len(positions)} tokens does not fit this transformer, which reads at most "
                f"{self.config.block_size}; shorten the condition or the window."
            )
        x = self.tok_emb(tokens) + self.pos_emb[positions]  # (B, N, D)
        *early, last = self.blocks
        for block in early:
            x = block(x, mask, cache)
        return last(x, mask, cache, speaker)

    def logits(self, x: Tensor, first_token: int = 0) -> Tensor:
        """Features (..., D) to logits (..., V - first_token), of the vocabulary from `first_token` on."""
        return F.linear(self.ln_f(x), self.head.weight[first_token:])

    def loss(self, condition: Tensor, tokens: Tensor, frames: slice = ALL) -> Tensor:
        """Mean cross-entropy of video tokens given the condition and the tokens that each may see, in nats.

        Args:
            condition: int64 (B, n_c), each in 0 .. condition_codes-1 (0 where there are no condition codes) or, but
                for the first, `PADDING`.
            tokens: int64 (B, t, h, w) video codes, not shifted.
            frames: the latent frames whose tokens count, without a stride; all when absent.

        Returns:
            float32 scalar.

        The softmax runs over the joint vocabulary, as in the released code: part of what is learned is that
        condition tokens never follow.
        """
        logits, targets = self._predictions(condition, tokens, frames)
        return F.cross_entropy(rearrange(logits, "B N V -> (B N) V").float(), targets.flatten())

    def token_losses(self, condition: Tensor, tokens: Tensor) -> Tensor:
        """The same for each token alone, not averaged: float32 (B, t, h, w), in nats."""
        logits, targets = self._predictions(condition, tokens)
        losses = F.cross_entropy(rearrange(logits, "B N V -> B V N").float(), targets, reduction="none")
        _, t, h, w = tokens.shape
        return rearrange(losses, "B (t h w) -> B t h w", t=t, h=h, w=w)

    def _predictions(self, condition: Tensor, tokens: Tensor, frames: slice = ALL) -> tuple[Tensor, Tensor]:
        """Logits (B, t*h*w, V) of every video token that counts and what they should have predicted, (B, t*h*w)."""
        targets = rearrange(tokens, "B t h w -> B (t h w)") + self.config.condition_codes
        sequence = torch.cat([condition, targets[:, :-1]], dim=1)  # (B, N)
        _, t, h, w = tokens.shape
        first, last, _ = frames.indices(t)
        counted = slice(first * h * w, last * h * w)
        x = self._read(sequence)[:, condition.shape[1] - 1 :]  # (B, t*h*w, D), outputs that predict video
        return self.logits(x[:, counted]), targets[:, counted]

    def _read(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """A whole sequence (B, N) to its features (B, N, D)."""
        length, device = tokens.shape[1], tokens.device
        if mask is None and self.config.attention is not None:
            mask = self.config.attention.tensor(device)
        if mask is not None and mask.shape != (length, length):
            raise UserError(f"the attention mask is {tuple(mask.shape)} but the sequence needs {(length, length)}.")
        padding = padding_of(tokens, self.config.condition_length)
        if padding is not None:
            tokens, mask = tokens.clamp(min=0), without_padding(mask, padding)
        return self.hidden(tokens, torch.arange(length, device=device), mask)


def initialise(module: nn.Module) -> None:
    """N(0, 0.02) for linear and embedding weights, zero biases; norms start as identity and positions as zeros."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


def parameter_groups(model: nn.Module, weight_decay: float = 0.01) -> list[dict[str, Any]]:
    """Groups for AdamW: the weights of linear layers decay; biases, norms and embeddings do not (as released)."""
    decayed = [module.weight for module in model.modules() if isinstance(module, nn.Linear)]
    chosen = {id(parameter) for parameter in decayed}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in chosen]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]

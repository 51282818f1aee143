"""How the released code samples, restated plainly, to measure the pace of ours against; nothing else uses this.

The weights are those of our GPT and the answers are the same: given the same noise, the same tokens. Only the way to
them is the released one:

* queries, keys and values come out of three products a layer, and attention is written out;
* the cache is a list with one entry for every forward pass so far, of keys and values of all layers. Each step joins
  the whole list to one tensor, and each layer joins its part with what is new: the cache is copied twice a token;
* logits are computed for every position and the whole vocabulary, and a nucleus takes a sort of all of them;
* a window that moves is read again from the start; gaps are filled one after another.

In one point it is not the released one. There the anchors of a gap are read otherwise than in training
(`tatslib.sampling.interpolation.prefix_of`); here as in training, or tokens could not be compared. Nor are there the
dropout layers that do nothing while sampling.

B batch · N tokens read at once · M tokens held · D width · V vocabulary · L layers · h w latent grid · F latent frames
"""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from tatslib.sampling.filters import Filters
from tatslib.sampling.hierarchical import Hierarchy
from tatslib.sampling.interpolation import prefix_of
from tatslib.transformer.gpt import GPT
from tatslib.transformer.masks import causal_mask

Luck = Callable[[int], Iterator[Tensor]]  # number of a latent frame to the noise (B, V) of each of its tokens


class ReleasedAttention(nn.Module):
    """Attention with a product each for queries, keys and values, and the past put before the present by copying."""

    def __init__(self, theirs: nn.Module) -> None:
        super().__init__()
        self.heads, self.proj = theirs.heads, theirs.proj
        parts = zip(theirs.qkv.weight.chunk(3), theirs.qkv.bias.chunk(3), strict=True)
        self.query, self.key, self.value = (linear(weight, bias) for weight, bias in parts)

    def forward(self, x: Tensor, mask: Tensor | None, past: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, N, D) to the same, and the new keys and values (2, B, heads, N, d)."""
        batch, length, width = x.shape
        split = (batch, length, self.heads, width // self.heads)
        queries = self.query(x).view(split).transpose(1, 2)
        keys = self.key(x).view(split).transpose(1, 2)
        values = self.value(x).view(split).transpose(1, 2)
        present = torch.stack([keys, values])
        if past is not None:
            keys, values = torch.cat([past[0], keys], dim=-2), torch.cat([past[1], values], dim=-2)
        scores = queries @ keys.transpose(-2, -1) * (width // self.heads) ** -0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        attended = F.softmax(scores, dim=-1) @ values
        return self.proj(attended.transpose(1, 2).contiguous().view(x.shape)), present


class ReleasedBlock(nn.Module):
    """One layer, which hands its keys and values out."""

    def __init__(self, theirs: nn.Module) -> None:
        super().__init__()
        self.ln1, self.ln2, self.mlp = theirs.ln1, theirs.ln2, theirs.mlp
        self.attn = ReleasedAttention(theirs.attn)

    def forward(self, x: Tensor, mask: Tensor | None, past: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, N, D) to the same, and the new keys and values."""
        attended, present = self.attn(self.ln1(x), mask, past)
        x = x + attended
        return x + self.mlp(self.ln2(x)), present


class ReleasedGPT(nn.Module):
    """Our GPT, run in the released way."""

    def __init__(self, ours: GPT) -> None:
        super().__init__()
        self.config, self.tok_emb, self.pos_emb, self.ln_f, self.head = (
            ours.config,
            ours.tok_emb,
            ours.pos_emb,
            ours.ln_f,
            ours.head,
        )
        self.blocks = nn.ModuleList(ReleasedBlock(block) for block in ours.blocks)

    def forward(
        self, tokens: Tensor, positions: Tensor, mask: Tensor | None = None, past: list[Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, N, V) of all positions, and what is to be appended to the past (L, 2, B, heads, N, d)."""
        x = self.tok_emb(tokens) + self.pos_emb[positions]
        joined = torch.cat(past, dim=-2) if past else None  # the whole cache, copied once
        presents = []
        for layer, block in enumerate(self.blocks):
            x, present = block(x, mask, None if joined is None else joined[layer])  # and once more in there
            presents.append(present)
        return self.head(self.ln_f(x)), torch.stack(presents)


def linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A layer that holds these."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    layer.weight, layer.bias = nn.Parameter(weight.detach().clone()), nn.Parameter(bias.detach().clone())
    return layer


def draw(logits: Tensor, filters: Filters, noise: Tensor | None) -> Tensor:
    """One token (B,) of logits (B, V): top-k, then the nucleus with a sort of the whole vocabulary, then the draw."""
    logits = logits / filters.temperature
    if filters.top_k is not None:
        kth = torch.topk(logits, min(filters.top_k, logits.shape[-1])).values[..., -1, None]
        logits = logits.masked_fill(logits < kth, float("-inf"))
    if filters.top_p is not None and filters.top_p < 1:
        ordered, order = torch.sort(logits, descending=True)
        beyond = F.softmax(ordered, dim=-1).cumsum(dim=-1) > filters.top_p
        beyond[..., 1:] = beyond[..., :-1].clone()  # the one that exceeds p is kept
        beyond[..., 0] = False
        logits = logits.masked_fill(beyond.scatter(1, order, beyond), float("-inf"))
    probabilities = F.softmax(logits, dim=-1)
    if noise is None:
        return torch.multinomial(probabilities, num_samples=1)[:, 0]
    return (probabilities / noise).argmax(-1)  # what multinomial does, with the noise in the open


def go_on(
    gpt: ReleasedGPT,
    prefix: Tensor,
    count: int,
    filters: Filters,
    noise: Iterator[Tensor] | None,
    layout: tuple[Tensor, Tensor | None, int, int] | None = None,
) -> Tensor:
    """Read a prefix (B, N) of the joint vocabulary afresh and draw `count` tokens after it, (B, count)."""
    first = gpt.config.condition_codes if filters.mask_condition_tokens else 0
    length = prefix.shape[1]
    if layout is None:
        positions, mask, speaker, following = torch.arange(length), None, length - 1, length
    else:
        positions, mask, speaker, following = layout
    mask = causal_mask(length, prefix.device) if mask is None else mask
    logits, present = gpt(prefix, positions.to(prefix.device), mask)
    past, drawn = [present], []
    for number in range(count):
        token = draw(logits[:, speaker, first:], filters, None if noise is None else next(noise)) + first
        drawn.append(token)
        if number < count - 1:
            position = torch.tensor([following + number], device=prefix.device)
            logits, present = gpt(token[:, None], position, past=past)
            past.append(present)
            speaker = 0
    return torch.stack(drawn, dim=1)


@torch.no_grad()
def slide(
    gpt: ReleasedGPT,
    condition: Tensor,
    latent_frames: int,
    filters: Filters,
    context_frames: int,
    luck: Luck | None = None,
) -> Tensor:
    """A video (B, F, h, w) by a sliding window: the first `context_frames` in one run, each other after a new start."""
    config, tokens = gpt.config, condition[:, :0]
    size, frame = config.frame_tokens, 0
    while frame < latent_frames:
        count = min(context_frames, latent_frames) if frame == 0 else 1
        prefix = torch.cat([condition, tokens[:, max(0, frame - context_frames) * size :]], dim=1)
        noise = None if luck is None else (one for number in range(frame, frame + count) for one in luck(number))
        tokens = torch.cat([tokens, go_on(gpt, prefix, count * size, filters, noise)], dim=1)
        frame += count
    codes = (tokens - config.condition_codes).clamp(0, config.codes - 1)
    return rearrange(codes, "B (F h w) -> B F h w", h=config.latent_shape[1], w=config.latent_shape[2])


@torch.no_grad()
def fill(gpt: ReleasedGPT, condition: Tensor, ends: Tensor, filters: Filters, noise: Iterator[Tensor] | None) -> Tensor:
    """What lies between two latent frames (B, 2, h, w): (B, t - 2, h, w)."""
    config = gpt.config
    t, h, w = config.latent_shape
    known, future = rearrange(ends, "B two h w -> two B (h w)") + config.condition_codes
    layout, last_tokens = prefix_of(config, device=ends.device)
    prefix = torch.cat([condition, known, future[:, :last_tokens]], dim=1)
    codes = go_on(gpt, prefix, (t - 2) * h * w, filters, noise, layout) - config.condition_codes
    return rearrange(codes.clamp(0, config.codes - 1), "B (t h w) -> B t h w", h=h, w=w)


def plan_ahead(
    hierarchy: Hierarchy,
    condition: Tensor,
    latent_frames: int,
    filters: Filters,
    context_frames: int,
    luck: Luck | None = None,
) -> Tensor:
    """A video (B, F, h, w): sparse latent frames, then one gap after another, level by level."""
    strides, count = hierarchy.strides, hierarchy.needed(latent_frames)[0]
    sparse = None if luck is None else lambda frame: luck(frame * strides[0])
    found = slide(ReleasedGPT(hierarchy.anchors), condition, count, filters, context_frames, sparse)
    for model, above, stride in zip(hierarchy.fillers, strides, strides[1:], strict=False):
        gpt, frames = ReleasedGPT(model), [found[:, :1]]
        for gap in range(found.shape[1] - 1):
            between = range(gap * above + stride, (gap + 1) * above, stride)
            noise = None if luck is None else (one for frame in between for one in luck(frame))
            ends = found[:, gap : gap + 2]
            frames += [fill(gpt, condition, ends, filters, noise), ends[:, 1:]]
        found = torch.cat(frames, dim=1)
    return found[:, :latent_frames]

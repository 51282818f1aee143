"""One more token of each sequence through the transformer, in as few operations as it takes.

A step at batch 1 is a chain of products with single vectors. On a small model asking for them takes longer than
computing them, on a large one computing takes as long as the weights take to arrive; so what counts is how many
operations there are, and that nothing is moved that need not be. Compared with `GPT.hidden`, which is there to be read:

* buffers, and views of them, are made once; a step writes into them;
* keys and values go from the product that makes them to the cache in one copy, and heads are never moved;
* scales (that of attention, the root of two in GELU) ride along as factors of products;
* a residual is added by the product that makes it;
* keys are read up to the next multiple of `STRETCH`, behind a row that hides what is not yet filled, so that views last
  for so many steps.

Weights are used where they lie unless smaller ones are asked for (`products`). What changes from step to step are the
numbers in those buffers: a GPU can record the step once and play it back (`recording`).

Dimension letters
    B batch · D width · V logits · M keys attended to · heads and d: D = heads * d
"""

from collections.abc import Callable
from functools import partial
from math import sqrt
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from tatslib.sampling.kv_cache import KVCache
from tatslib.sampling.products import Product, Weights, product_of
from tatslib.transformer.gpt import GPT

WRITTEN_OUT = 8192  # numbers up to which GELU written out is faster than the library's, which starts slowly


class Layer(NamedTuple):
    """What a step needs of a block."""

    norm1: Callable[[Tensor], Tensor]
    qkv: Product
    proj: Product
    norm2: Callable[[Tensor], Tensor]
    up: Product
    down: Product
    store: Tensor  # (2, B, heads, capacity, d), its part of the cache


class Sight(NamedTuple):
    """What is looked at as long as the cache's stretch is the same: views, and room for the scores.

    Heads are in one with the batch, B * heads, or apart, (B, heads): see `FastStep.heads_apart`.
    """

    shown: Tensor  # (1 or B * heads, 1, M) or (1 or B, 1 or heads, 1, M), 0 where there is something to see, else -inf
    keys: list[Tensor]  # for each layer (B * heads, d, M) or (B, heads, M, d)
    values: list[Tensor]  # for each layer (B * heads, M, d) or (B, heads, M, d)
    scores: Tensor  # (B * heads, 1, M)


class Room(NamedTuple):
    """Where a step writes what it finds on its way, and views of that."""

    x: Tensor  # (B, D)
    qkv: Tensor  # (B, 3 * D)
    queries: Tensor  # (B, heads, 1, d), of `qkv`
    news: Tensor  # (2, B, heads, 1, d), keys and values, of `qkv`
    gathered: Tensor  # (B, heads, 1, d), queries side by side
    flat: Tensor  # (B * heads, 1, d), of `gathered`
    attended: Tensor  # (B, D)
    rows: Tensor  # (B * heads, 1, d), of `attended`
    up: Tensor  # (B, 4 * D)
    bent: Tensor  # (B, 4 * D)


class FastStep:
    """The step of B sequences that share a cache.

    Args:
        model: the transformer.
        cache: in which lies what was read before.
        batch: B; they are the first B of the cache.
        first_token: logits begin at this token of the vocabulary.
        weights: in which numbers the layers' weights are held.
        compiled: fuse operations with torch.compile, which takes minutes at the first step.
    """

    def __init__(
        self, model: GPT, cache: KVCache, batch: int, first_token: int, weights: Weights, compiled: bool = False
    ) -> None:
        self.heads, self.width, head = model.config.heads, model.config.width, model.head.weight.detach()
        self.cache, self.batch, self.scale = cache, batch, (self.width // self.heads) ** -0.5
        self.token_rows, self.position_rows = model.tok_emb.weight.detach(), model.pos_emb.detach()
        self.layers = []
        for block, store in zip(model.blocks, cache.stores, strict=True):
            ln1, qkv, proj, ln2, up, down = parts_of(block)
            make = partial(product_of, weights=weights)
            self.layers.append(
                Layer(norm_of(ln1), make(qkv), make(proj), norm_of(ln2), make(up), make(down), store[:, :batch])
            )
        self.norm, self.head = norm_of(model.ln_f), head[first_token:].t()
        self.tokens = torch.zeros(batch, dtype=torch.int64, device=head.device)
        self.position = torch.zeros(1, dtype=torch.int64, device=head.device)
        self.logits = head.new_zeros(batch, self.head.shape[1])
        self.exact = head.dtype in (torch.float32, torch.float64)  # else scores that are written down lose digits
        # as the library's attention wants it on a GPU: there it has nothing fused for three dimensions
        self.heads_apart = not self.exact and head.device.type != "cpu"
        self.room, self.sights = self._room(), dict[int, Sight]()
        self.fused: Callable[[int], Tensor] | None = None
        if compiled:
            self.fused = torch.compile(self._run_afresh, dynamic=False, mode="max-autotune-no-cudagraphs")

    def seek(self, position: int) -> None:
        """Say at which position the next step reads."""
        self.position.fill_(position)

    def __call__(self, tokens: Tensor) -> Tensor:
        """Read int64 (B,) into the slot that the cache has opened; logits (B, V) of what comes next.

        The next step overwrites the logits. The same step once more changes nothing.
        """
        self.tokens.copy_(tokens)
        stretch = self.cache.stretch
        if self.fused is not None:
            self.fused(stretch)
        else:
            if stretch not in self.sights:
                self.sights[stretch] = self._look(stretch)
            self._run(self.room, self.sights[stretch])
        return self.logits

    def _room(self) -> Room:
        room = partial(torch.zeros, dtype=self.head.dtype, device=self.head.device)
        batch, heads, width = self.batch, self.heads, self.width
        qkv, attended = room(batch, 3 * width), room(batch, width)
        split = rearrange(qkv, "B (three heads d) -> three B heads 1 d", three=3, heads=heads)
        # only a single sequence has its queries side by side; those of several are copied together
        gathered = split[0] if batch == 1 else room(batch, heads, 1, width // heads)
        return Room(
            x=room(batch, width),
            qkv=qkv,
            queries=split[0],
            news=split[1:],
            gathered=gathered,
            flat=rearrange(gathered, "B heads 1 d -> (B heads) 1 d"),
            attended=attended,
            rows=rearrange(attended, "B (heads d) -> (B heads) 1 d", heads=heads),
            up=room(batch, 4 * width),
            bent=room(batch, 4 * width),
        )

    def _look(self, stretch: int) -> Sight:
        rows = self.batch * self.heads
        shown = self.cache.shown[:rows, :, :stretch]
        scores = torch.zeros(rows, 1, stretch, dtype=self.head.dtype, device=self.head.device)
        keys, values = ([layer.store[kind, ..., :stretch, :] for layer in self.layers] for kind in (0, 1))
        if self.heads_apart:
            shown = rearrange(shown, "(B heads) 1 M -> B heads 1 M", heads=min(self.heads, len(shown)))
        else:
            keys = [rearrange(each, "B heads M d -> (B heads) d M") for each in keys]
            values = [rearrange(each, "B heads M d -> (B heads) M d") for each in values]
        return Sight(shown, keys, values, scores)

    def _run_afresh(self, stretch: int) -> Tensor:
        """`_run` for a compiler, which is to see where buffers and views come from.

        Given ready-made views of the cache it could not tell whether they overlap, and would copy the whole cache
        twice to be safe.
        """
        return self._run(self._room(), self._look(stretch))

    def _run(self, room: Room, sight: Sight) -> Tensor:
        """Nothing but operations on buffers that stay, and on `room`."""
        slot, x, qkv, up, bent = self.cache.slot, room.x, room.qkv, room.up, room.bent
        written_out = self.exact and up.numel() <= WRITTEN_OUT
        torch.index_select(self.token_rows, 0, self.tokens, out=x)
        x.add_(self.position_rows.index_select(0, self.position))
        for layer, keys, values in zip(self.layers, sight.keys, sight.values, strict=True):
            layer.qkv.into(layer.norm1(x), qkv)
            layer.store.index_copy_(3, slot, room.news)
            layer.proj.onto(self._attend(room, sight, keys, values), x)
            if written_out:  # h/2 (1 + erf(h / sqrt 2)), where `up` is h / sqrt 2
                layer.up.into(layer.norm2(x), up, scale=1 / sqrt(2))
                torch.addcmul(up, up, torch.erf(up, out=bent), out=bent)
                layer.down.onto(bent, x, scale=1 / sqrt(2))
            else:
                layer.up.into(layer.norm2(x), up)
                layer.down.onto(F.gelu(up), x)
        return torch.mm(self.norm(x), self.head, out=self.logits)

    def _attend(self, room: Room, sight: Sight, keys: Tensor, values: Tensor) -> Tensor:
        """(B, D)."""
        if self.heads_apart:
            attended = F.scaled_dot_product_attention(room.queries, keys, values, attn_mask=sight.shown)
            return attended.flatten(1)  # of (B, heads, 1, d)
        if self.batch > 1:
            room.gathered.copy_(room.queries)
        if self.exact:
            torch.baddbmm(sight.shown, room.flat, keys, alpha=self.scale, out=sight.scores)
            torch.softmax(sight.scores, -1, out=sight.scores)
            torch.bmm(sight.scores, values, out=room.rows)
        else:
            room.rows.copy_(F.scaled_dot_product_attention(room.flat, keys.mT, values, attn_mask=sight.shown))
        return room.attended


def parts_of(block: Any) -> tuple[nn.LayerNorm, nn.Linear, nn.Linear, nn.LayerNorm, nn.Linear, nn.Linear]:
    """What a `gpt.Block` is made of, in the order in which it is used."""
    return block.ln1, block.attn.qkv, block.attn.proj, block.ln2, block.mlp[0], block.mlp[2]


def norm_of(layer: nn.LayerNorm) -> Callable[[Tensor], Tensor]:
    """The layer as a function, without the layers of calls around it."""
    shape, weight, bias, eps = layer.normalized_shape, layer.weight.detach(), layer.bias.detach(), layer.eps
    return lambda x: torch.layer_norm(x, shape, weight, bias, eps)

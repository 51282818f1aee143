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
numbers in those buffers: a GPU can record the step once and play it back.

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
Work = Callable[[], object]


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
    """What is looked at as long as the cache's stretch is the same: views, and room for the scores."""

    shown: Tensor  # (1 or B * heads, 1, M), 0 where there is something to see, else minus infinity
    keys: list[Tensor]  # for each layer (B * heads, d, M)
    values: list[Tensor]  # for each layer (B * heads, M, d)
    scores: Tensor  # (B * heads, 1, M)


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
        heads, width, head = model.config.heads, model.config.width, model.head.weight.detach()
        room = partial(torch.zeros, dtype=head.dtype, device=head.device)
        self.cache, self.batch, self.scale = cache, batch, (width // heads) ** -0.5
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
        self.x, self.attended = room(batch, width), room(batch, width)
        self.qkv, self.up, self.bent = room(batch, 3 * width), room(batch, 4 * width), room(batch, 4 * width)
        self.logits = room(batch, self.head.shape[1])
        # views of these, as the cache and the products of attention want them
        split = rearrange(self.qkv, "B (three heads d) -> three B heads 1 d", three=3, heads=heads)
        self.queries, self.news = split[0], split[1:]
        self.rows = rearrange(self.attended, "B (heads d) -> (B heads) 1 d", heads=heads)
        # only a single sequence has its queries side by side; those of several are copied together
        self.gathered = self.queries if batch == 1 else room(batch, heads, 1, width // heads)
        self.flat = rearrange(self.gathered, "B heads 1 d -> (B heads) 1 d")
        self.exact = head.dtype in (torch.float32, torch.float64)  # else scores that are written down lose digits
        self.sights: dict[int, Sight] = {}
        self.recorded: Work | None = None
        self.run: Callable[[Sight], Tensor] = self._run
        if compiled:
            self.run = torch.compile(self._run, dynamic=False, mode="max-autotune-no-cudagraphs")

    def __call__(self, tokens: Tensor, position: int) -> Tensor:
        """Read int64 (B,) at a position into the slot that the cache has opened; logits (B, V) of what comes next.

        The next step overwrites the logits.
        """
        self.tokens.copy_(tokens)
        self.position.fill_(position)
        sight = self.sights.get(self.cache.stretch) or self._look(self.cache.stretch)
        if self.logits.device.type == "cuda" and self.cache.fixed_shapes:
            self.recorded = self.recorded or record(partial(self.run, sight))
            self.recorded()
        else:
            self.run(sight)
        return self.logits

    def _look(self, stretch: int) -> Sight:
        stores = [
            rearrange(layer.store[..., :stretch, :], "two B heads M d -> two (B heads) M d") for layer in self.layers
        ]
        self.sights[stretch] = Sight(
            shown=self.cache.shown[: len(self.rows), :, :stretch],
            keys=[store[0].mT for store in stores],
            values=[store[1] for store in stores],
            scores=self.x.new_zeros(len(self.rows), 1, stretch),
        )
        return self.sights[stretch]

    def _run(self, sight: Sight) -> Tensor:
        """Nothing but operations on buffers that stay."""
        slot, x, qkv, up, bent = self.cache.slot, self.x, self.qkv, self.up, self.bent
        written_out = self.exact and up.numel() <= WRITTEN_OUT
        torch.index_select(self.token_rows, 0, self.tokens, out=x)
        x.add_(self.position_rows.index_select(0, self.position))
        for layer, keys, values in zip(self.layers, sight.keys, sight.values, strict=True):
            layer.qkv.into(layer.norm1(x), qkv)
            layer.store.index_copy_(3, slot, self.news)
            self._attend(sight, keys, values)
            layer.proj.onto(self.attended, x)
            if written_out:  # h/2 (1 + erf(h / sqrt 2)), where `up` is h / sqrt 2
                layer.up.into(layer.norm2(x), up, scale=1 / sqrt(2))
                torch.addcmul(up, up, torch.erf(up, out=bent), out=bent)
                layer.down.onto(bent, x, scale=1 / sqrt(2))
            else:
                layer.up.into(layer.norm2(x), up)
                layer.down.onto(F.gelu(up), x)
        return torch.mm(self.norm(x), self.head, out=self.logits)

    def _attend(self, sight: Sight, keys: Tensor, values: Tensor) -> None:
        if self.batch > 1:
            self.gathered.copy_(self.queries)
        if self.exact:
            torch.baddbmm(sight.shown, self.flat, keys, alpha=self.scale, out=sight.scores)
            torch.softmax(sight.scores, -1, out=sight.scores)
            torch.bmm(sight.scores, values, out=self.rows)
        else:
            self.rows.copy_(F.scaled_dot_product_attention(self.flat, keys.mT, values, attn_mask=sight.shown))


def parts_of(block: Any) -> tuple[nn.LayerNorm, nn.Linear, nn.Linear, nn.LayerNorm, nn.Linear, nn.Linear]:
    """What a `gpt.Block` is made of, in the order in which it is used."""
    return block.ln1, block.attn.qkv, block.attn.proj, block.ln2, block.mlp[0], block.mlp[2]


def norm_of(layer: nn.LayerNorm) -> Callable[[Tensor], Tensor]:
    """The layer as a function, without the layers of calls around it."""
    shape, weight, bias, eps = layer.normalized_shape, layer.weight.detach(), layer.bias.detach(), layer.eps
    return lambda x: torch.layer_norm(x, shape, weight, bias, eps)


def record(work: Work) -> Work:
    """Record what a GPU is asked to do, to be played back in one call; `work` runs a few times to warm up."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay

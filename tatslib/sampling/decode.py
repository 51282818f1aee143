"""One token after another: a transformer that remembers the keys and values of what it has read.

B batch · N tokens read at once · M tokens held · V vocabulary · d head width
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from tatslib.errors import UserError
from tatslib.sampling.filters import Filters
from tatslib.transformer.gpt import GPT


class Layout(NamedTuple):
    """How a prefix is read at once: where its tokens stand, who sees whom, who speaks first."""

    positions: Tensor  # int64 (N,)
    mask: Tensor | None  # bool (N, N), True where a query may look at a key; None: causal
    speaker: int  # index of the token whose output predicts the first one that is drawn
    next: int  # position of the first one that is drawn; those after it follow


class KVCache:
    """Keys and values of every layer, in buffers that are allocated once and written in order of arrival.

    Attention does not ask where a key stands, the position having been added to the token before: so the order of
    slots is the order of arrival, and a token that belongs to a later position may be read early.

    Args:
        model: whose keys and values.
        batch: sequences at most.
        capacity: tokens of each at most.
        fixed_shapes: single tokens attend to the whole buffer through a mask, so that all steps have the same shapes,
            as compiled and captured code wants them; else to the part that is filled, which is less to read.
    """

    def __init__(self, model: GPT, batch: int, capacity: int, fixed_shapes: bool = False) -> None:
        heads, dtype, device = model.config.heads, model.head.weight.dtype, model.head.weight.device
        if torch.is_autocast_enabled(device.type):
            dtype = torch.get_autocast_dtype(device.type)
        shape = (batch, heads, capacity, model.config.width // heads)
        self.keys = [torch.zeros(shape, dtype=dtype, device=device) for _ in model.blocks]
        self.values = [torch.zeros_like(buffer) for buffer in self.keys]
        self.fixed_shapes, self.held = fixed_shapes, 0
        self.slot = torch.zeros(1, dtype=torch.int64, device=device)  # of a single token: always the same memory
        self.slots = self.slot
        self.places = torch.arange(capacity, device=device)

    def clear(self) -> None:
        """Forget everything; the buffers stay."""
        self.held = 0

    def open(self, count: int) -> None:
        """Make the next `count` slots those that `extend` writes, in every layer; a UserError if there are fewer."""
        capacity = self.keys[0].shape[2]
        if self.held + count > capacity:
            raise UserError(
                f"{self.held + count} tokens do not fit a window of {capacity}; start again with `prefill`."
            )
        self.slots = self.slot.fill_(self.held) if count == 1 else self.places[self.held : self.held + count]
        self.held += count

    def sight(self) -> Tensor | None:
        """What a single token may look at: bool (1, capacity) in a cache of fixed shapes, else None, for all."""
        return (self.places <= self.slots)[None] if self.fixed_shapes else None

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write (B, heads, N, d) keys and values into the open slots; return views (B, heads, M, d) of all held."""
        batch, _, count, _ = keys.shape
        stored = self.keys[layer][:batch], self.values[layer][:batch]
        for buffer, new in zip(stored, (keys, values), strict=True):
            buffer.index_copy_(2, self.slots, new)
        visible = None if self.fixed_shapes and count == 1 else self.held
        return stored[0][:, :, :visible], stored[1][:, :, :visible]


class Decoder:
    """Reads a prefix, then single tokens, and gives the logits of what comes next: the released GPT, remembered.

    One for all ways of sampling: a clip, a sliding window, sparse frames, the gaps between two anchors. What differs
    is the `Layout` of the prefix. `first_token` cuts the logits to the vocabulary from that token on; the video codes
    begin at condition_codes. Logits are float32, or float64 from a model in float64.

    `batch` is the largest number of sequences; fewer can be read. Nothing is allocated per step but activations, and
    nothing waits for the device: slot and position of a step are tensors there.
    """

    def __init__(self, model: GPT, batch: int, first_token: int = 0, fixed_shapes: bool = False) -> None:
        self.model, self.first_token = model, first_token
        self.cache = KVCache(model, batch, model.config.block_size, fixed_shapes)
        self.position = torch.zeros_like(self.cache.slot)  # of a single token: always the same memory
        self.next = 0

    @torch.inference_mode()
    def prefill(self, tokens: Tensor, layout: Layout | None = None) -> Tensor:
        """Forget all and read a prefix; logits (B, V - first_token) of the token that comes next.

        Args:
            tokens: int64 (B, N) of the joint vocabulary.
            layout: how they lie; absent, from position 0 on and causally.

        Raises:
            UserError: if the prefix is longer than the transformer's block.
        """
        length = tokens.shape[1]
        self.cache.clear()
        self.cache.open(length)
        if layout is None:
            layout = Layout(torch.arange(length, device=tokens.device), None, length - 1, length)
        self.next = layout.next
        mask = self.cache.sight() if length == 1 else layout.mask
        return self._read(tokens, layout.positions, mask, layout.speaker)

    @torch.inference_mode()
    def step(self, tokens: Tensor) -> Tensor:
        """Read one more token of each sequence, int64 (B,); logits (B, V - first_token) of the next.

        Raises:
            UserError: if the block is full.
        """
        self.cache.open(1)
        self.position.fill_(self.next)
        self.next += 1
        return self._read(tokens[:, None], self.position, self.cache.sight(), speaker=0)

    @torch.inference_mode()
    def generate(self, logits: Tensor, count: int, filters: Filters, noise: Iterator[Tensor]) -> Tensor:
        """Draw `count` tokens one after another, int64 (B, count) of the joint vocabulary.

        Args:
            logits: (B, V - first_token) of the first of them, from `prefill` or `step`.
            count: tokens to draw; the last is not read.
            filters: what may be drawn.
            noise: one (B, V - first_token) for each draw, see `Filters.draw`.

        Raises:
            UserError: if any logit was not finite.
        """
        tokens = [filters.draw(logits, next(noise)) + self.first_token]
        checksum = logits.sum()
        for _ in range(count - 1):
            logits = self.step(tokens[-1])
            checksum = checksum + logits.sum()
            tokens.append(filters.draw(logits, next(noise)) + self.first_token)
        if not torch.isfinite(checksum):  # the only question to the device: a sum is finite if all that went in was
            raise UserError(
                "the transformer gave logits that are not finite: its weights are damaged or its numbers overflow; "
                "load another checkpoint or use float32."
            )
        return torch.stack(tokens, dim=1)

    def _read(self, tokens: Tensor, positions: Tensor, mask: Tensor | None, speaker: int) -> Tensor:
        x = self.model.hidden(tokens, positions, mask, self.cache)  # (B, N, D)
        logits = self.model.logits(x[:, speaker], self.first_token)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))  # top-p adds up thousands of small numbers

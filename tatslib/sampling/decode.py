"""One token after another: a transformer that remembers the keys and values of what it has read.

B batch · N tokens read at once · M tokens held · V vocabulary · d head width
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from tatslib.errors import UserError
from tatslib.sampling.filters import Filters
from tatslib.transformer.gpt import GPT


class KVCache:
    """Keys and values of every layer, in buffers that are allocated once and written in order of arrival.

    Attention does not ask where a key stands, the position having been added to the token before: so the order of
    slots is the order of arrival, and a token that belongs to a later position may be read early.
    """

    def __init__(self, model: GPT, batch: int, capacity: int) -> None:
        heads, dtype, device = model.config.heads, model.head.weight.dtype, model.head.weight.device
        if torch.is_autocast_enabled(device.type):
            dtype = torch.get_autocast_dtype(device.type)
        shape = (batch, heads, capacity, model.config.width // heads)
        self.keys = [torch.zeros(shape, dtype=dtype, device=device) for _ in model.blocks]
        self.values = [torch.zeros_like(buffer) for buffer in self.keys]
        self.slots = torch.empty(0, dtype=torch.int64, device=device)
        self.held = 0

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
        self.slots = torch.arange(self.held, self.held + count, device=self.slots.device)
        self.held += count

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write (B, heads, N, d) keys and values into the open slots; return views (B, heads, M, d) of all held."""
        self.keys[layer].index_copy_(2, self.slots, keys)
        self.values[layer].index_copy_(2, self.slots, values)
        return self.keys[layer][:, :, : self.held], self.values[layer][:, :, : self.held]


class Decoder:
    """Reads a prefix, then single tokens, and gives the logits of what comes next: the released GPT, remembered.

    `first_token` cuts the logits to the vocabulary from that token on; the video codes begin at condition_codes.
    Logits are float32, or float64 from a model in float64.
    Nothing is allocated per step but activations, and nothing waits for the device.
    """

    def __init__(self, model: GPT, batch: int, first_token: int = 0) -> None:
        self.model, self.first_token = model, first_token
        self.cache = KVCache(model, batch, model.config.block_size)

    @torch.inference_mode()
    def prefill(self, tokens: Tensor) -> Tensor:
        """Forget all, read a prefix causally from position 0; logits (B, V - first_token) of the next token.

        Args:
            tokens: int64 (B, N) of the joint vocabulary.

        Raises:
            UserError: if the prefix is longer than the transformer's block.
        """
        self.cache.clear()
        self.positions = torch.arange(tokens.shape[1], device=tokens.device)
        return self._read(tokens)

    @torch.inference_mode()
    def step(self, tokens: Tensor) -> Tensor:
        """Read one more token of each sequence, int64 (B,); logits (B, V - first_token) of the next.

        Raises:
            UserError: if the block is full.
        """
        self.positions = self.positions[-1:] + 1
        return self._read(tokens[:, None])

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

    def _read(self, tokens: Tensor) -> Tensor:
        self.cache.open(tokens.shape[1])
        x = self.model.hidden(tokens, self.positions, cache=self.cache)  # (B, N, D)
        logits = self.model.logits(x[:, -1], self.first_token)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))  # top-p adds up thousands of small numbers

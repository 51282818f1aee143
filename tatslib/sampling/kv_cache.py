"""The keys and values of what a transformer has read.

B batch · N tokens read at once · M tokens held · heads and d: D = heads * d, the width
"""

import torch
from einops import repeat
from torch import Tensor

from tatslib.errors import UserError
from tatslib.transformer.gpt import GPT

STRETCH = 32  # slots


class KVCache:
    """Keys and values of every layer, in buffers that are allocated once and written in order of arrival.

    Attention does not ask where a key stands, the position having been added to the token before: so the order of
    slots is the order of arrival, and a token that belongs to a later position may be read early.

    Args:
        model: whose keys and values.
        batch: sequences at most.
        capacity: tokens of each at most.
        fixed_shapes: single tokens attend to the whole buffer behind a row that hides what is not filled, so that all
            steps have the same shapes, as compiled and recorded code wants them; else to little more than is filled.
    """

    def __init__(self, model: GPT, batch: int, capacity: int, fixed_shapes: bool = False) -> None:
        heads, dtype, device = model.config.heads, model.head.weight.dtype, model.head.weight.device
        shape = (2, batch, heads, capacity, model.config.width // heads)
        self.stores = [torch.zeros(shape, dtype=dtype, device=device) for _ in model.blocks]  # keys, then values
        self.capacity, self.fixed_shapes, self.held = capacity, fixed_shapes, 0
        self.slot = torch.zeros(1, dtype=torch.int64, device=device)  # of a single token: always the same memory
        self.slots = self.slot
        self.places = torch.arange(capacity, device=device)
        # 0 where a slot is filled; one row for all, or one a sequence and head where conditions may hold padding
        rows = batch * heads if model.config.condition_length > 1 else 1
        self.shown = torch.full((rows, 1, capacity), float("-inf"), dtype=dtype, device=device)

    def clear(self) -> None:
        """Forget everything; the buffers stay."""
        self.held = 0
        self.shown.fill_(float("-inf"))

    def open(self, count: int) -> None:
        """Make the next `count` slots those that are written, in every layer; a UserError if there are fewer."""
        if self.held + count > self.capacity:
            raise UserError(
                f"{self.held + count} tokens do not fit a window of {self.capacity}; start again with `prefill`."
            )
        self.slots = self.slot.fill_(self.held) if count == 1 else self.places[self.held : self.held + count]
        self.shown[..., self.held : self.held + count].zero_()
        self.held += count

    def hide(self, padding: Tensor) -> None:
        """Let single tokens look past some of the first N slots: bool (B, N), True where one is not to be seen."""
        heads = self.stores[0].shape[2]
        rows = repeat(padding, "B N -> (B heads) 1 N", heads=heads)
        self.shown[: len(rows), :, : padding.shape[1]].masked_fill_(rows, float("-inf"))

    @property
    def stretch(self) -> int:
        """How many slots a single token attends to, filled or hidden: the next multiple of `STRETCH`, or all."""
        return self.capacity if self.fixed_shapes else min(self.capacity, -(-self.held // STRETCH) * STRETCH)

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write (B, heads, N, d) keys and values into the open slots; return views (B, heads, M, d) of all held."""
        stored = self.stores[layer][:, : keys.shape[0]]  # (2, B, heads, capacity, d)
        for buffer, new in zip(stored, (keys, values), strict=True):
            buffer.index_copy_(2, self.slots, new)
        return stored[0, :, :, : self.held], stored[1, :, :, : self.held]

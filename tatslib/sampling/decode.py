"""One token after another: a transformer that remembers the keys and values of what it has read.

B batch · N tokens read at once · V vocabulary · C latent frames of context
"""

from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from tatslib.errors import UserError
from tatslib.sampling.fast_step import FastStep
from tatslib.sampling.filters import Filters
from tatslib.sampling.kv_cache import KVCache
from tatslib.sampling.native_step import NativeStep, native_step
from tatslib.sampling.products import Weights
from tatslib.sampling.recording import Recording
from tatslib.transformer.gpt import GPT
from tatslib.transformer.masks import padding_of, without_padding

Result = TypeVar("Result")


class Layout(NamedTuple):
    """How a prefix is read at once: where its tokens stand, who sees whom, who speaks first."""

    positions: Tensor  # int64 (N,)
    mask: Tensor | None  # bool (N, N), True where a query may look at a key; None: causal
    speaker: int  # index of the token whose output predicts the first one that is drawn
    next: int  # position of the first one that is drawn; those after it follow


class Engine(NamedTuple):
    """How to compute. The defaults give the model's own answers; of the others, only small weights change them.

    Where weights have to come from memory, smaller ones take less time. On one thread of an AMD EPYC of the fourth
    generation, a vector times 1024 by 4096 weights took 0.42 of the time of float32 in 8 bits and 0.81 in bfloat16; for
    32 vectors at once it was 0.90 and 0.44. A toy model lies in the processor's own memory and gains nothing.
    """

    weights: Weights = "own"  # numbers in which the layers' weights are held for steps; a prefix is read with the own
    compiled: bool = False  # fuse a step's operations, on a GPU with fixed shapes: takes minutes at the first step
    native: bool = True  # single sequences of small models on a processor: all in C, if there is a compiler
    fixed_shapes: bool | None = None  # look at the whole cache in every step; None: on a GPU, to play steps back


OWN = Engine()


class Decoder:
    """Reads a prefix, then single tokens, and gives the logits of what comes next: the released GPT, remembered.

    One for all ways of sampling: a clip, a sliding window, sparse frames, the gaps between two anchors. What differs
    is the `Layout` of the prefix. `first_token` cuts the logits to the vocabulary from that token on; the video codes
    begin at condition_codes. Logits are float32, or float64 from a model in float64. Autocast has no say here: to
    compute in other numbers convert the model, or choose the weights of the `Engine`.

    `batch` is the largest number of sequences; fewer can be read. Nothing is allocated per step but activations, and
    nothing waits for the device: slot and position of a step are tensors there. With fixed shapes a GPU records a step
    and the draw after it, and plays them back.
    """

    def __init__(self, model: GPT, batch: int, first_token: int = 0, engine: Engine = OWN) -> None:
        self.model, self.first_token, self.engine = model, first_token, engine
        self.device, fixed_shapes = model.head.weight.device, engine.fixed_shapes
        if fixed_shapes is None:
            fixed_shapes = self.device.type == "cuda"
        self.cache = KVCache(model, batch, model.config.block_size, fixed_shapes)
        self.fast: FastStep | NativeStep | None = None
        self.made_for: list[tuple[int, int]] = []
        self.recorded = self.device.type == "cuda" and fixed_shapes
        self.recordings: dict[Hashable, Recording[Any]] = {}
        self.next = 0

    @torch.inference_mode()
    def prefill(self, tokens: Tensor, layout: Layout | None = None) -> Tensor:
        """Forget all and read a prefix; logits (B, V - first_token) of the token that comes next.

        Args:
            tokens: int64 (B, N) of the joint vocabulary; conditions may hold `PADDING`, which nobody will look at.
            layout: how they lie; absent, from position 0 on and causally.

        Raises:
            UserError: if the prefix is longer than the transformer's block.
        """
        batch, length = tokens.shape
        self.cache.clear()
        self.cache.open(length)
        if layout is None:
            layout = Layout(torch.arange(length, device=tokens.device), None, length - 1, length)
        padding = padding_of(tokens, self.model.config.condition_length)
        if padding is not None:
            tokens, layout = tokens.clamp(min=0), layout._replace(mask=without_padding(layout.mask, padding))
            self.cache.hide(padding)
        self.next = layout.next
        self._make_step(batch)
        if isinstance(self.fast, NativeStep) and self.fast.reads(length):
            return self.fast.read(tokens, layout.positions, layout.mask, layout.speaker).clone()
        with torch.autocast(self.device.type, enabled=False):
            x = self.model.hidden(tokens, layout.positions, layout.mask, self.cache, layout.speaker)  # (B, 1, D)
            return widened(self.model.logits(x[:, 0], self.first_token))

    @torch.inference_mode()
    def step(self, tokens: Tensor) -> Tensor:
        """Read one more token of each sequence, int64 (B,); logits (B, V - first_token) of the next.

        Raises:
            UserError: if the block is full.
        """
        with torch.autocast(self.device.type, enabled=False):
            self._open()
            return self._play("step", self._read, tokens.to(self.device)).clone()

    @torch.inference_mode()
    def generate(
        self, logits: Tensor, count: int, filters: Filters, noise: Iterator[Tensor], seen: Tensor | None = None
    ) -> Tensor:
        """Draw `count` tokens one after another, int64 (B, count) of the joint vocabulary.

        Args:
            logits: (B, V - first_token) of the first of them, from `prefill` or `step`.
            count: tokens to draw; the last is not read.
            filters: what may be drawn.
            noise: one (B, V - first_token) for each draw, see `Filters.draw`.
            seen: int64 (B, C, count) of the joint vocabulary, what stood at the places of these tokens before; needed
                for a `repetition_penalty` and otherwise ignored.

        Raises:
            UserError: if any logit was not finite.
        """
        if seen is not None:
            seen = seen - self.first_token
        if isinstance(self.fast, NativeStep):
            held = self.cache.held
            for _ in range(count - 1):
                self.cache.open(1)
            luck = [next(noise) for _ in range(count)]
            drawn = self.fast.generate(logits, luck, filters, seen, self.next, held)
            self.next += count - 1
        else:
            drawn = self._generate(logits, count, filters, noise, seen)
        if drawn is None:
            for store in self.cache.stores:
                store.zero_()  # hidden, but a hidden key that is not a number would spoil what is read next
            raise UserError(
                "the transformer gave logits that are not finite: its weights are damaged or its numbers overflow; "
                "load another checkpoint or use float32."
            )
        return drawn

    def _generate(
        self, logits: Tensor, count: int, filters: Filters, noise: Iterator[Tensor], seen: Tensor | None
    ) -> Tensor | None:
        """`generate` in torch; None if any logit was not finite."""
        tokens, checksum, turn = list[Tensor](), logits.new_zeros(()), partial(self._turn, filters)
        with torch.autocast(self.device.type, enabled=False):
            for place in range(count):
                before = None if seen is None else seen[:, :, place]  # (B, C)
                if place == 0:
                    token, total = self._draw(filters, logits, next(noise), before)
                else:
                    self._open()
                    token, total = self._play(filters, turn, tokens[-1], next(noise), before)
                checksum.add_(total)
                tokens.append(token.clone() if self.recorded else token)  # the next is written over a recorded one
        finite = torch.isfinite(checksum)  # the only question to the device: a sum is finite if all that went in was
        return torch.stack(tokens, dim=1) if finite else None

    def _turn(self, filters: Filters, tokens: Tensor, luck: Tensor, seen: Tensor | None) -> tuple[Tensor, Tensor]:
        """Read a token of each sequence and draw the next: see `_draw`."""
        return self._draw(filters, self._read(tokens), luck, seen)

    def _draw(self, filters: Filters, logits: Tensor, luck: Tensor, seen: Tensor | None) -> tuple[Tensor, Tensor]:
        """A token of each sequence, int64 (B,) of the joint vocabulary, and the sum of all logits."""
        total = logits.sum()
        if seen is not None:
            logits = filters.discourage(logits, seen)
        token = filters.draw(logits, luck)
        return token + self.first_token if self.first_token else token, total

    def _open(self) -> None:
        """Make room for one more token of each sequence, which stands at the next position."""
        assert self.fast is not None, "a prefix comes first"
        self.cache.open(1)
        self.fast.seek(self.next)
        self.next += 1

    def _read(self, tokens: Tensor) -> Tensor:
        """Read int64 (B,) into the open slot; logits (B, V - first_token), which the next step may overwrite."""
        assert self.fast is not None, "a prefix comes first"
        return widened(self.fast(tokens))

    def _play(self, name: Hashable, work: Callable[..., Result], *given: Tensor | None) -> Result:
        """Do work; where steps are recorded, play it back. A name tells it from other work on tensors of its shapes."""
        if not self.recorded:
            return work(*given)
        key = (name, *(None if one is None else (one.shape, one.dtype) for one in given))
        if key not in self.recordings:
            self.recordings[key] = Recording(work, *given)
        return self.recordings[key](*given)

    def _make_step(self, batch: int) -> None:
        """See to it that the next steps use the model's weights as they are now, wherever they are now."""
        weights = self.model.parameters()
        now = [(weight.data_ptr(), 0 if weight.is_inference() else weight._version) for weight in weights]
        if self.fast is None or self.fast.batch != batch or now != self.made_for:
            engine, self.made_for, self.fast = self.engine, now, None
            self.recordings.clear()
            if engine.native and batch == 1 and engine.weights == "own" and not self.cache.fixed_shapes:
                self.fast = native_step(self.model, self.cache, self.first_token)
            if self.fast is None:
                compiled = engine.compiled and self.recorded
                self.fast = FastStep(self.model, self.cache, batch, self.first_token, engine.weights, compiled)


def widened(logits: Tensor) -> Tensor:
    """In float32 at least: top-p adds up thousands of small numbers."""
    return logits if logits.dtype in (torch.float32, torch.float64) else logits.float()

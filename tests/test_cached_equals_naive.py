"""The guard of the decode engine: cached sampling draws what a naive masked forward pass draws, token for token.

One engine serves a clip, a sliding window, sparse latent frames, the gaps between two, and hierarchies of these. Cases
are drawn over masks, windows, contexts, lengths of the prefix, its padding, batches, filters, latent frames that are
given, both kinds of cache and both kinds of step; a case is counted when it agreed, by what it held.
`pytest --hypothesis-show-statistics tests/test_cached_equals_naive.py` shows the count.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
import torch
from hypothesis import event, given, settings
from hypothesis import strategies as st
from torch import Tensor

from tatslib.randomness import derive_seed
from tatslib.sampling import hierarchical, sliding_window
from tatslib.sampling.decode import Decoder, Engine
from tatslib.sampling.filters import Filters
from tatslib.sampling.hierarchical import Hierarchy
from tatslib.sampling.interpolation import fill_in, prefix_of
from tatslib.sampling.native_step import NativeStep
from tatslib.sampling.noise import seeded_noise
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.transformer.masks import KINDS, PADDING
from tests import naive
from tests.test_decode import lively_gpt

Choice = TypeVar("Choice")
FILTERS = st.builds(
    Filters,
    temperature=st.sampled_from([0.5, 1.0, 1.5]),
    top_k=st.none() | st.integers(1, 12),
    top_p=st.none() | st.sampled_from([0.0, 0.5, 0.92, 1.0]),
    mask_condition_tokens=st.booleans(),
    repetition_penalty=st.sampled_from([0.0, 0.7, 5.0]),
)
ALONE = (1, Engine(fixed_shapes=False))  # a sequence, and how: the only way that is computed in C, if there is one
RUNS = (
    *(ALONE, ALONE, (1, Engine(fixed_shapes=False, native=False)), (1, Engine(fixed_shapes=True))),
    *((2, Engine(fixed_shapes=False)), (2, Engine(fixed_shapes=True)), (3, Engine(fixed_shapes=False))),
)


@dataclass
class Case:
    """What all transformers of a case share, and the luck of its draws."""

    data: st.DataObject
    seed: int
    facts: list[str] = field(default_factory=list)  # what it holds
    choices: int = 0  # how many were made

    def __post_init__(self) -> None:
        draw = self.data.draw
        self.way = self.any_of(*WAYS)
        self.facts.append(f"way: {self.way}")
        self.grid = draw(st.sampled_from([(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (2, 3)]))
        if self.way != "slides" and self.grid == (1, 1):
            self.grid = (1, 2)  # an anchor of one token would not be read
        self.codes, self.condition_codes = draw(st.integers(2, 12)), draw(st.integers(0, 4))
        self.condition_length = self.any_of(1, 2, 3, 4, 5)
        (self.batch, self.engine), self.filters = self.any_of(*RUNS), draw(FILTERS)
        self.first_video = draw(st.integers(0, 5))
        condition = torch.arange(self.batch * self.condition_length).view(self.batch, -1)
        written = draw(st.lists(st.integers(1, self.condition_length), min_size=self.batch, max_size=self.batch))
        padding = torch.arange(self.condition_length) >= torch.tensor(written)[:, None]
        self.condition = (condition % max(self.condition_codes, 1)).masked_fill(padding, PADDING)
        self.facts.append(f"padding: {bool(padding.any())}")
        self.facts.append(f"condition tokens: {self.condition_length}")
        self.facts.append(f"cache: {'fixed shapes' if self.engine.fixed_shapes else 'what is filled'}")

    def any_of(self, *choices: Choice) -> Choice:
        """One of a few. A search comes up most with what is listed first, and the seed says what that is."""
        first = derive_seed(self.seed, "test/first choice", self.choices) % len(choices)
        self.choices += 1
        return self.data.draw(st.sampled_from([*choices[first:], *choices[:first]]))

    def frames(self, *shape: int, shift: int = 0) -> Tensor:
        """Some latent frames (B, ..., h, w)."""
        shape = (self.batch, *shape, *self.grid)
        return (torch.arange(torch.Size(shape).numel()) * 5 + shift).view(shape) % self.codes

    def shape(self) -> dict[str, int]:
        """A transformer's shape, apart from its window."""
        heads = self.data.draw(st.integers(1, 2))
        layers = self.data.draw(st.integers(1, 3))
        own = {"codes": self.codes, "condition_codes": self.condition_codes, "condition_length": self.condition_length}
        return {**own, "layers": layers, "heads": heads, "width": 4 * heads}

    def autoregressive(self) -> tuple[GPT, int]:
        """A transformer and how many latent frames it looks back upon."""
        context, window = self.any_of((1, 2), (1, 3), (2, 3), (1, 4), (2, 4), (3, 4))
        self.facts.append(f"context of a window: {context} of {window}")
        return lively_gpt(GPTConfig(**self.shape(), latent_shape=(window, *self.grid)), self.seed, scale=1), context

    def interpolating(self, level: int = 1, widest: int = 5) -> GPT:
        """An interpolation transformer of any mask."""
        window, kind = self.any_of(*range(3, widest + 1)), self.any_of(*KINDS)
        self.facts += [f"mask: {kind}", f"window of a gap: {window}"]
        config = InterpolationConfig(**self.shape(), latent_shape=(window, *self.grid), mask=kind)
        return lively_gpt(config, self.seed + level, scale=1)

    def luck(self, video: int, frames: range) -> list[Tensor]:
        """What the seed draws for the tokens of some latent frames of one video: noise (1, V) for each."""
        h, w = self.grid
        width = self.codes + (0 if self.filters.mask_condition_tokens else self.condition_codes)
        rows = [frame * h + row for frame in frames for row in range(h)]
        return list(seeded_noise(self.seed, [self.first_video + video], width, w, "cpu", rows))

    def expect(self, cached: Tensor, video_by_video: Callable[[int], Tensor]) -> None:
        """Compare each video of a batch with what the definition gives for it alone."""
        for video in range(self.batch):
            assert torch.equal(cached[video : video + 1], video_by_video(video))


def slides(case: Case) -> None:
    """A clip or a longer video, from nothing or from latent frames that are given."""
    gpt, context = case.autoregressive()
    frames = case.any_of(*range(1, 8))
    start = case.frames(case.any_of(*range(min(4, frames))))
    case.facts.append(f"latent frames given: {start.shape[1]}")
    cached = sliding_window.sample(
        gpt,
        case.condition,
        frames,
        case.filters,
        context,
        case.seed,
        case.first_video,
        progress=False,
        start=start,
        engine=case.engine,
    )

    def expected(video: int) -> Tensor:
        luck = case.luck(video, range(start.shape[1], frames))
        own = slice(video, video + 1)
        return naive.slide(gpt, case.condition[own], frames, case.filters, context, luck, start[own])

    case.expect(cached, expected)


def fills(case: Case) -> None:
    """The gaps between two latent frames."""
    gpt = case.interpolating()
    first, last = case.frames(), case.frames(shift=3)
    cached = fill_in(
        gpt,
        case.condition,
        first,
        last,
        case.filters,
        seed=case.seed,
        first_gap=case.first_video,
        engine=case.engine,
    )

    def expected(gap: int) -> Tensor:
        own, luck = slice(gap, gap + 1), case.luck(gap, range(1, gpt.config.latent_shape[0] - 1))
        return naive.fill(gpt, case.condition[own], first[own], last[own], case.filters, luck)

    case.expect(cached, expected)


def plans_ahead(case: Case) -> None:
    """Sparse latent frames and one to three levels of gaps, which are drawn one by one in the definition."""
    anchors, context = case.autoregressive()
    levels = case.any_of(1, 2, 3)
    case.facts.append(f"levels of gaps: {levels}")
    widest = 5 if levels < 3 else 4  # the definition reads everything for each token: 64 latent frames take too long
    hierarchy = Hierarchy(anchors, [case.interpolating(level + 1, widest) for level in range(levels)])
    frames, gaps_at_once = case.data.draw(st.integers(1, 20)), case.data.draw(st.integers(1, 4))
    cached = hierarchical.sample(
        hierarchy,
        case.condition,
        frames,
        case.filters,
        context,
        case.seed,
        case.first_video,
        gaps_at_once,
        progress=False,
        engine=case.engine,
    )
    assert cached.shape == (case.batch, frames, *case.grid)

    def expected(video: int) -> Tensor:
        own, strides, count = case.condition[video : video + 1], hierarchy.strides, hierarchy.needed(frames)[0]
        luck = case.luck(video, range(0, count * strides[0], strides[0]))
        found = naive.slide(anchors, own, count, case.filters, context, luck)
        for filler, above, stride in zip(hierarchy.fillers, strides, strides[1:], strict=False):
            denser = [found[:, 0]]
            for number, (first, last) in enumerate(zip(found.unbind(1), found[:, 1:].unbind(1), strict=False)):
                luck = case.luck(video, range(number * above + stride, (number + 1) * above, stride))
                denser += [*naive.fill(filler, own, first, last, case.filters, luck).unbind(1), last]
            found = torch.stack(denser, dim=1)
        return found[:, :frames]

    case.expect(cached, expected)


WAYS = {"slides": slides, "fills in": fills, "plans ahead": plans_ahead}


@contextmanager
def steps_taken() -> Iterator[set[str]]:
    """How tokens are drawn meanwhile; what an engine is asked for it does not always do."""
    taken, generate = set[str](), Decoder.generate

    def watched(self: Decoder, *given: object) -> Tensor:
        taken.add("in C, of single sequences" if isinstance(self.fast, NativeStep) else "in torch")
        return generate(self, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Decoder, "generate", watched)
        yield taken


@settings(max_examples=100, deadline=None)
@given(data=st.data(), seed=st.integers(0, 10**6))
def test_cached_sampling_equals_the_naive_masked_forward_token_for_token(data: st.DataObject, seed: int) -> None:
    case = Case(data, seed)
    with steps_taken() as steps:
        WAYS[case.way](case)
    for fact in (*dict.fromkeys(case.facts), *(f"step: {how}" for how in sorted(steps))):
        event(fact)


@pytest.mark.parametrize("what", ["positions", "mask", "speaker"])
def test_the_guard_sees_each_of_the_three_faults_of_the_released_sampler(what: str) -> None:
    config = InterpolationConfig(codes=12, latent_shape=(4, 2, 2), layers=2, heads=2, width=8)
    gpt, condition = lively_gpt(config, scale=1), torch.zeros(4, 1, dtype=torch.int64)
    first, last = (torch.arange(16).view(4, 2, 2) * 5 + shift for shift in (0, 3))
    noise = list(seeded_noise(0, range(4), 12, 2, "cpu", range(4)))
    right, released = prefix_of(config), prefix_of(config, "released")
    fault = {
        "positions": released.layout.positions[:-1],
        "mask": released.layout.mask[:-1, :-1],
        "speaker": right.layout.speaker + config.frame_tokens - 1,
    }[what]
    expected = naive.fill(gpt, condition, first % 12, last % 12, Filters(), noise)
    assert torch.equal(fill_in(gpt, condition, first % 12, last % 12, noise=noise), expected)
    faulty = right._replace(layout=right.layout._replace(**{what: fault}))
    assert not torch.equal(fill_in(gpt, condition, first % 12, last % 12, noise=noise, prefix=faulty), expected)

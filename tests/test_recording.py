"""Steps and draws that are played back: the tokens of those that are not, and next to nothing to ask for."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

from tatslib.sampling import hierarchical, recording, sliding_window
from tatslib.sampling.decode import Decoder, Engine
from tatslib.sampling.filters import Filters
from tatslib.sampling.hierarchical import Hierarchy
from tatslib.sampling.interpolation import GapFiller, fill_in
from tatslib.sampling.noise import seeded_noise
from tatslib.transformer.conditions import with_null
from tatslib.transformer.gpt import GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.transformer.masks import PADDING
from tests.test_decode import lively_gpt

FIXED = Engine(fixed_shapes=True)
SHAPE = {"codes": 11, "condition_codes": 3, "layers": 2, "heads": 2, "width": 8}
GPT = lively_gpt(GPTConfig(**SHAPE, latent_shape=(3, 2, 2)), scale=1)
FILLER = lively_gpt(InterpolationConfig(**SHAPE, latent_shape=(4, 2, 2)), seed=1, scale=1)
CONDITION = torch.tensor([[0], [2], [1]])
FILTERS = [Filters(), Filters(top_k=6, top_p=0.8, temperature=0.9), Filters(top_k=5, mask_condition_tokens=False)]


class Tape(TorchDispatchMode):
    """What a GPU's recording is, on a processor: the operations that were asked for, with the memory they were given.

    Numbers that Python had at hand are in it for ever, and a question to the device fails.
    """

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[Callable[..., Any], Any, Any, Any]] = []

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        assert all(isinstance(each, Tensor) for each in tree_leaves(result)), "a recording cannot wait for an answer"
        self.done.append((operation, args, kwargs or {}, result))
        return result

    def play(self) -> None:
        with _disable_current_modes():  # what is played back is not asked for
            for operation, args, kwargs, result in self.done:
                for old, new in zip(tree_leaves(result), tree_leaves(operation(*args, **kwargs)), strict=True):
                    if old.data_ptr() != new.data_ptr():
                        old.copy_(new)


class Asked(TorchDispatchMode):
    """Counts the operations that are asked for, but for views."""

    count = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not operation.is_view and operation is not torch.ops.aten.empty.memory_format
        return operation(*args, **(kwargs or {}))


@pytest.fixture
def tapes(monkeypatch: pytest.MonkeyPatch) -> list[Tape]:
    """Those that were recorded, while all decoders of fixed shapes record as they would on a GPU."""
    made: list[Tape] = []
    build = Decoder.__init__

    def record(work: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        for _ in range(recording.WARM_UP):
            work()
        made.append(Tape())
        with made[-1]:
            result = work()
        return made[-1].play, result

    def build_recorded(decoder: Decoder, *args: Any, **kwargs: Any) -> None:
        build(decoder, *args, **kwargs)
        decoder.recorded = decoder.cache.fixed_shapes

    monkeypatch.setattr(recording, "record", record)
    monkeypatch.setattr(Decoder, "__init__", build_recorded)
    return made


@pytest.mark.parametrize("filters", FILTERS)
@pytest.mark.parametrize("penalty", [0.0, 2.0])
def test_windows_draw_the_same_tokens(tapes: list[Tape], filters: Filters, penalty: float) -> None:
    filters = filters.replace(repetition_penalty=penalty)
    for start in (None, torch.zeros(3, 1, 2, 2, dtype=torch.int64)):
        plain, played = (
            sliding_window.sample(GPT, CONDITION, 6, filters, progress=False, start=start, engine=engine)
            for engine in (Engine(), FIXED)
        )
        assert torch.equal(plain, played)
    # turns (with no latent frame, one and two behind them, if that matters), and steps without a draw
    assert len(tapes) == (3 + 1 + 2 + 1 if penalty else 1 + 1 + 1 + 1)


def test_gaps_guided_ones_and_those_with_padding_draw_the_same_tokens(tapes: list[Tape]) -> None:
    first, last = torch.arange(24).view(2, 3, 2, 2) % 11
    long = lively_gpt(InterpolationConfig(**SHAPE, condition_length=3, latent_shape=(3, 2, 2)), seed=2, scale=1)
    guided = lively_gpt(with_null(FILLER.config), seed=3, scale=1)
    padded = torch.tensor([[0, 1, 2], [2, PADDING, PADDING], [1, 0, PADDING]])
    for model, condition, guidance in ((FILLER, CONDITION, 1.0), (long, padded, 1.0), (guided, CONDITION, 2.0)):
        plain, played = (
            fill_in(model, condition, first, last, FILTERS[1], engine=engine, guidance=guidance)
            for engine in (Engine(), FIXED)
        )
        assert torch.equal(plain, played)
    assert len(tapes) == 3


def test_a_last_group_of_fewer_gaps_is_filled_by_what_was_recorded_for_more(tapes: list[Tape]) -> None:
    hierarchy = Hierarchy(GPT, [FILLER])
    plain, played = (
        hierarchical.sample(hierarchy, CONDITION, 20, FILTERS[1], gaps_at_once=4, progress=False, engine=engine)
        for engine in (Engine(), FIXED)
    )
    assert torch.equal(plain, played)
    assert len(tapes) == 3  # a step and a turn of the sparse frames; a turn for 4 gaps of each video, then 3


def test_groups_of_gaps_may_grow_and_shrink(tapes: list[Tape]) -> None:
    filler, frames = GapFiller(FILLER, 3, FILTERS[1], engine=FIXED), torch.arange(24).view(2, 3, 2, 2) % 11
    for group, recorded in ((slice(1, 2), 1), (slice(0, 3), 2), (slice(1, 3), 2), (slice(2, 3), 2)):
        given = CONDITION[group], frames[0, group], frames[1, group]
        noise = seeded_noise(0, range(3)[group], filler.width, 2, "cpu", range(2, 6))
        assert torch.equal(filler(*given, noise), fill_in(FILLER, *given, FILTERS[1], first_gap=group.start))
        assert len(tapes) == recorded


def test_of_a_token_only_what_changes_is_asked_for(tapes: list[Tape]) -> None:
    luck, asked = [torch.ones(3, 11)] * 11, {}
    for engine in (Engine(), FIXED):
        decoder = Decoder(GPT, 3, first_token=3, engine=engine)
        for count in (2, 2, 11):  # the first time is recorded
            logits = decoder.prefill(CONDITION)
            with Asked() as counter:
                decoder.generate(logits, count, FILTERS[1], iter(luck))
            asked[engine, count] = counter.count
    per_token = [(asked[engine, 11] - asked[engine, 2]) / 9 for engine in (Engine(), FIXED)]
    # where it is read and that this is seen; the token and its luck; what is to be kept of it, and its logits' sum
    assert per_token[1] == 2 + 1 + 2 + 2 and per_token[0] > 40


def test_weights_that_have_changed_are_recorded_anew(tapes: list[Tape]) -> None:
    gpt, other = (lively_gpt(GPT.config, seed, scale=1) for seed in (4, 5))
    decoder, found = Decoder(gpt, 3, engine=FIXED), []
    for expected in (gpt, other):
        gpt.load_state_dict(expected.state_dict())
        found.append([decoder.prefill(CONDITION), decoder.step(CONDITION[:, 0]), decoder.step(CONDITION[:, 0])])
        fresh = Decoder(expected, 3)
        again = [fresh.prefill(CONDITION), fresh.step(CONDITION[:, 0]), fresh.step(CONDITION[:, 0])]
        torch.testing.assert_close(found[-1], again, atol=1e-10, rtol=1e-10)
    assert len(tapes) == 2 and not torch.equal(found[0][2], found[1][2])


@pytest.mark.parametrize(("fixed_shapes", "times"), [(True, 1), (False, 0)])
def test_only_what_is_recorded_is_compiled(
    tapes: list[Tape], monkeypatch: pytest.MonkeyPatch, fixed_shapes: bool, times: int
) -> None:
    expected = sliding_window.sample(GPT, CONDITION, 4, progress=False)
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda work, **_: compiled.append(work) or work)
    engine = Engine(compiled=True, fixed_shapes=fixed_shapes)
    assert torch.equal(sliding_window.sample(GPT, CONDITION, 4, progress=False, engine=engine), expected)
    assert len(compiled) == times


def test_a_tape_refuses_a_question_to_the_device(tapes: list[Tape]) -> None:
    decoder = Decoder(GPT, 3, engine=FIXED)
    logits = decoder.prefill(CONDITION)
    with pytest.raises(AssertionError, match="cannot wait"):  # which a processor is asked where top-p is alone
        decoder.generate(logits, 2, Filters(top_p=0.5), iter(torch.ones(2, 3, 14)))

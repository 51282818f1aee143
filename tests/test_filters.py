"""Temperature, top-k, top-p and the draw, against their definitions."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from tatslib.randomness import torch_generator
from tatslib.sampling.filters import Filters, exponential_noise


def kept_by_definition(logits: list[float], filters: Filters) -> set[int]:
    """Indices that survive, one token at a time and in double precision."""
    scaled = [logit / filters.temperature for logit in logits]
    order = sorted(range(len(scaled)), key=lambda index: -scaled[index])
    if filters.top_k is not None and filters.top_k < len(order):
        kth = scaled[order[filters.top_k - 1]]
        order = [index for index in order if scaled[index] >= kth]
    if filters.top_p is None or filters.top_p == 1:
        return set(order)
    weights = [math.exp(scaled[index] - scaled[order[0]]) for index in order]
    running, edge = 0.0, scaled[order[-1]]
    for index, weight in zip(order, weights, strict=True):
        running += weight / sum(weights)
        if running > filters.top_p:
            edge = scaled[index]
            break
    return {index for index in order if scaled[index] >= edge}


# Eighths make ties likely. The odd denominators of top_p keep its sums away from p, where rounding would decide.
LOGITS = st.lists(st.integers(-40, 40).map(lambda eighths: eighths / 8), min_size=1, max_size=40)
FILTERS = st.builds(
    Filters,
    temperature=st.sampled_from([0.5, 1.0, 2.0]),
    top_k=st.none() | st.integers(1, 45),
    top_p=st.none() | st.just(0.0) | st.just(1.0) | st.integers(1, 996).map(lambda part: part / 997 + 1e-7 * math.pi),
)


@settings(max_examples=300, deadline=None)
@given(rows=st.lists(LOGITS, min_size=1, max_size=3), filters=FILTERS)
def test_the_survivors_are_those_of_the_definition(rows: list[list[float]], filters: Filters) -> None:
    size = min(map(len, rows))
    logits = torch.tensor([row[:size] for row in rows], dtype=torch.float64)
    filtered = filters(logits)
    for row, result in zip(logits.tolist(), filtered, strict=True):
        assert set(result.isfinite().nonzero().flatten().tolist()) == kept_by_definition(row, filters)
    survivors = filtered.isfinite()
    assert torch.equal(filtered[survivors], (logits / filters.temperature)[survivors]), "survivors keep their logits"


def test_tokens_tied_at_the_kth_place_all_survive() -> None:
    kept = Filters(top_k=2)(torch.tensor([[1.0, 3.0, 2.0, 2.0, 2.0, 0.0]])).isfinite()
    assert kept.tolist() == [[False, True, True, True, True, False]]


def test_top_p_weighs_ties_at_the_kth_place_that_a_list_of_k_lacks() -> None:
    logits = torch.tensor([[0.6, 0.1, 0.1, 0.1, 0.1]]).log()
    # After top_k = 2 the survivors are still all five, and the first holds 0.6 of their mass, not 0.6 / 0.7.
    assert Filters(top_k=2, top_p=0.7)(logits).isfinite().all()
    assert Filters(top_k=2, top_p=0.5)(logits).isfinite().sum() == 1


def test_temperature_divides_before_the_nucleus_is_measured() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log()
    assert Filters(top_p=0.55)(logits).isfinite().tolist() == [[True, True, False]]
    assert Filters(top_p=0.55, temperature=0.25)(logits).isfinite().tolist() == [[True, False, False]]


@pytest.mark.parametrize("filters", [Filters(), Filters(top_k=3, temperature=0.7), Filters(top_p=0.8)])
def test_draws_are_distributed_as_the_filtered_probabilities(filters: Filters) -> None:
    logits = torch.tensor([2.0, 1.0, 0.5, 0.0, -1.0, -4.0])
    count = 40_000
    rows = logits.expand(count, -1)
    drawn = filters.draw(rows, exponential_noise((count, 6), torch_generator(0, "test")))
    expected = filters(logits[None])[0].softmax(-1)
    spread = (expected * (1 - expected) / count).sqrt()
    assert ((drawn.bincount(minlength=6) / count - expected).abs() <= 4.5 * spread).all()


def test_the_draw_is_the_one_torch_multinomial_makes_of_the_same_noise() -> None:
    logits = torch.randn(5, 50, generator=torch_generator(0, "test"))
    seed = torch_generator(1, "test").initial_seed()
    noise = torch.empty(5, 50).exponential_(generator=torch.Generator().manual_seed(seed))
    multinomial = torch.multinomial(logits.softmax(-1), 1, generator=torch.Generator().manual_seed(seed))[:, 0]
    assert torch.equal(Filters().draw(logits, noise), multinomial)


def test_noise_is_positive_finite_and_exponential() -> None:
    noise: Tensor = exponential_noise((300_000,), torch_generator(0, "test"))
    assert noise.isfinite().all() and (noise > 0).all()
    assert abs(noise.mean().item() - 1) < 0.01 and abs(noise.var().item() - 1) < 0.02


@pytest.mark.parametrize(
    "wrong", [{"temperature": 0.0}, {"temperature": math.inf}, {"top_k": 0}, {"top_p": 1.5}, {"top_p": -0.1}]
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Filters(**wrong)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(LOGITS, min_size=1, max_size=4), top_p=st.integers(1, 996), seed=st.integers(0, 10**6))
def test_drawing_before_sorting_draws_the_same(rows: list[list[float]], top_p: int, seed: int) -> None:
    size = min(map(len, rows))
    logits = torch.tensor([row[:size] for row in rows], dtype=torch.float64)
    filters = Filters(top_p=top_p / 997 + 1e-7 * math.pi, temperature=0.7)
    noise = exponential_noise((len(rows), size), torch_generator(seed, "test"))
    plain = (filters(logits).softmax(-1) / noise).argmax(-1)
    assert torch.equal(filters.draw(logits, noise), plain)


def test_the_penalty_is_subtracted_once_for_each_time_that_a_code_stood_there() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    seen = torch.tensor([[3, 1, 3]])
    assert Filters(repetition_penalty=0.5).discourage(logits, seen).tolist() == [[1.0, 1.5, 3.0, 3.0]]
    assert Filters().discourage(logits, seen) is logits
    assert Filters(repetition_penalty=0.5).discourage(logits, seen[:, :0]) is logits

"""Large pictures: the moving window shows the transformer what it should, and at training size it changes nothing."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tatslib.errors import UserError
from tatslib.sampling.filters import Filters
from tatslib.sampling.image_window import Position, plan_windows, sample_pictures, window_start
from tatslib.sampling.noise import seeded_noise
from tatslib.sampling.sliding_window import sample
from tatslib.transformer.gpt import GPT, GPTConfig
from tests.test_decode import lively_gpt

CONFIG = GPTConfig(codes=11, condition_codes=2, latent_shape=(1, 3, 4), layers=2, heads=2, width=8)
CONDITION = torch.tensor([[0], [1], [0]])
POSITIONS: tuple[Position, ...] = ("centre", "border")


@torch.no_grad()
def naive(
    gpt: GPT, condition: Tensor, size: tuple[int, int], position: Position, filters: Filters, noise: Tensor
) -> Tensor:
    """The definition: for every token one forward pass over all that precedes it in its window."""
    (_, h, w), first = gpt.config.latent_shape, gpt.config.condition_codes
    drawn = torch.full((len(condition), *size), -1)
    for number, (row, column) in enumerate(itertools.product(range(size[0]), range(size[1]))):
        back_rows, back_columns = (h // 2, w // 2) if position == "centre" else (h - 1, w - 1)
        top = min(max(row - back_rows, 0), size[0] - h)
        left = min(max(column - back_columns, 0), size[1] - w)
        before = [
            drawn[:, r, c]
            for r, c in itertools.product(range(top, top + h), range(left, left + w))
            if (r, c) < (row, column)
        ]
        assert all((token >= 0).all() for token in before), "a token was read before it was drawn"
        known = torch.stack(before, dim=1) + first if before else condition[:, :0]
        logits = gpt(torch.cat([condition, known], dim=1))[:, -1, first:]
        drawn[:, row, column] = filters.draw(logits, noise[number])
    return drawn


@pytest.mark.parametrize("position", POSITIONS)
def test_a_picture_of_the_training_size_is_sampled_as_a_plain_sequence(position):
    gpt = lively_gpt(CONFIG)
    plain = sample(gpt, CONDITION, latent_frames=1, filters=Filters(top_p=0.9), seed=4, progress=False)
    window = sample_pictures(gpt, CONDITION, (3, 4), position, Filters(top_p=0.9), seed=4, progress=False)
    assert torch.equal(window, plain[:, 0])


@settings(max_examples=30, deadline=None)
@given(
    window=st.tuples(st.integers(1, 3), st.integers(1, 4)),
    extra=st.tuples(st.integers(0, 3), st.integers(0, 4)),
    position=st.sampled_from(POSITIONS),
    condition_codes=st.integers(0, 2),
    seed=st.integers(0, 10**6),
)
def test_sampling_equals_the_definition_token_for_token(window, extra, position, condition_codes, seed):
    gpt = lively_gpt(CONFIG.replace(latent_shape=(1, *window), condition_codes=condition_codes), seed)
    condition = torch.arange(3)[:, None] % max(condition_codes, 1)
    size = (window[0] + extra[0], window[1] + extra[1])
    noise = torch.stack(list(itertools.islice(seeded_noise(seed, range(3), 11, size[1]), size[0] * size[1])))
    filters = Filters(top_k=7)
    drawn = sample_pictures(gpt, condition, size, position, filters, seed=seed, progress=False)
    assert torch.equal(drawn, naive(gpt, condition, size, position, filters, noise))
    given_noise = sample_pictures(gpt, condition, size, position, filters, noise=noise, progress=False)
    assert torch.equal(drawn, given_noise), "the seed draws the same noise"


def test_the_window_keeps_its_token_in_the_middle_or_at_the_end_until_the_picture_ends():
    starts = {p: [window_start(token, window=4, size=9, position=p) for token in range(9)] for p in POSITIONS}
    assert starts["centre"] == [0, 0, 0, 1, 2, 3, 4, 5, 5]  # places 0 1 2 2 2 2 2 2 3 of the window
    assert starts["border"] == [0, 0, 0, 0, 1, 2, 3, 4, 5]  # places 0 1 2 3 3 3 3 3 3


def test_windows_of_a_wide_picture_by_hand():
    # two rows, as many as the window has; a window of 3 columns moves over 5
    assert plan_windows((2, 3), (2, 5), "border") == [
        (0, 0, 0, 3), (0, 1, 2, 1), (0, 2, 2, 1),
        (0, 0, 3, 3), (0, 1, 5, 1), (0, 2, 5, 1),
    ]  # fmt: skip
    assert plan_windows((2, 3), (2, 5), "centre") == [
        (0, 0, 0, 2), (0, 1, 1, 1), (0, 2, 1, 2),
        (0, 0, 3, 2), (0, 1, 4, 1), (0, 2, 4, 2),
    ]  # fmt: skip


def test_windows_of_a_high_picture_by_hand():
    # the window stands still over a row, and over rows where it cannot move down yet
    assert plan_windows((2, 3), (4, 3), "border") == [(0, 0, 0, 6), (1, 0, 3, 3), (2, 0, 3, 3)]
    assert plan_windows((3, 2), (5, 2), "centre") == [(0, 0, 0, 4), (1, 0, 2, 2), (2, 0, 2, 4)]


def test_the_two_positions_draw_the_same_tokens_until_their_windows_part():
    gpt = lively_gpt(CONFIG)
    centre, border = (sample_pictures(gpt, CONDITION, (3, 12), p, seed=1, progress=False) for p in POSITIONS)
    assert torch.equal(centre[:, 0, :3], border[:, 0, :3])
    assert not torch.equal(centre, border)


def test_a_picture_does_not_depend_on_its_neighbours_in_the_batch():
    gpt = lively_gpt(CONFIG)
    together = sample_pictures(gpt, CONDITION, (4, 6), "border", seed=2, progress=False)
    alone = sample_pictures(gpt, CONDITION[2:], (4, 6), "border", seed=2, first_picture=2, progress=False)
    assert torch.equal(together[2:], alone)


def test_what_cannot_be_drawn_is_refused_in_a_sentence():
    gpt = lively_gpt(CONFIG)
    with pytest.raises(UserError, match="3 by 3 tokens is smaller than the window of 3 by 4"):
        sample_pictures(gpt, CONDITION, (3, 3))
    with pytest.raises(UserError, match='position is "centre" or "border", got \'corner\''):
        sample_pictures(gpt, CONDITION, (3, 9), "corner")
    with pytest.raises(UserError, match=r"of shape \(3,\), but this transformer needs int64 of shape \(batch, 1\)"):
        sample_pictures(gpt, CONDITION[:, 0], (3, 9))
    with pytest.raises(UserError, match="videos of 2 latent frames; pictures need one of 1"):
        sample_pictures(lively_gpt(CONFIG.replace(latent_shape=(2, 3, 4))), CONDITION, (3, 9))

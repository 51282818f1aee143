"""Votes: known counts, the interval's own definition, and what repeated raters change."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tatslib.errors import UserError
from tatslib.metrics.preference import (
    Vote,
    at_least,
    by_pair,
    counted,
    effective_votes,
    fewest_votes,
    preference,
    read_votes,
)


def test_ten_votes_of_ten_are_two_in_1024_by_chance() -> None:
    found = preference(10, 0)
    assert found.p_value == 2 / 1024 and found.share == found.high == 1
    assert found.low == pytest.approx(0.025**0.1)  # the closed form where no vote is against


def test_as_many_for_as_against_is_no_evidence() -> None:
    found = preference(7, 7)
    assert found.p_value == 1 and found.low + found.high == pytest.approx(1)


def test_a_count_from_the_literature_has_its_known_interval() -> None:
    """4 of 20: the table of Clopper and Pearson's method gives 0.0573 to 0.4366."""
    found = preference(4, 16)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0573, 0.4366)
    assert found.p_value == pytest.approx(0.011818, abs=1e-6)


def test_the_human_study_of_the_paper_is_as_it_says() -> None:
    found = preference(355, 175)
    assert f"{found.share:.0%}" == "67%" and found.p_value < 1e-14
    assert (round(found.low, 3), round(found.high, 3)) == (0.628, 0.710)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 30), st.integers(1, 30), st.sampled_from([0.8, 0.95, 0.99]))
def test_at_each_end_of_the_interval_the_count_is_as_unlikely_as_was_asked(first: int, second: int, level: float):
    found, n = preference(first, second, level), first + second
    assert found.low <= found.share <= found.high
    if first:
        assert at_least(first, n, found.low) == pytest.approx((1 - level) / 2, rel=1e-6)
    assert 1 - at_least(first + 1, n, found.high) == pytest.approx((1 - level) / 2, rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 30), st.integers(1, 30))
def test_exchanging_the_methods_turns_everything_round(first: int, second: int) -> None:
    one, other = preference(first, second), preference(second, first)
    assert one.p_value == other.p_value
    assert one.low == pytest.approx(1 - other.high, abs=1e-12)


def test_large_counts_do_not_run_out_of_numbers() -> None:
    found = preference(900, 600)
    assert 0.57 < found.low < 0.6 < found.high < 0.63 and 0 < found.p_value < 1e-13


def test_a_tail_is_the_sum_of_its_terms() -> None:
    assert at_least(2, 3, 0.5) == pytest.approx(0.5)
    assert at_least(0, 5, 0.3) == pytest.approx(1) and at_least(1, 5, 0.0) == 0 and at_least(5, 5, 1.0) == 1


def test_raters_who_always_agree_about_a_pair_are_worth_one_vote_a_pair() -> None:
    assert effective_votes(530, 5.3, 1.0) == pytest.approx(100)
    assert effective_votes(530, 5.3, 0.0) == 530
    assert 100 < effective_votes(530, 5.3, 0.3) < 530


def test_the_fewest_votes_are_enough_and_one_less_is_not() -> None:
    n = fewest_votes(0.67)
    assert preference(round(0.67 * n), n - round(0.67 * n)).p_value < 0.05
    assert preference(round(0.67 * (n - 1)), n - 1 - round(0.67 * (n - 1))).p_value >= 0.05


def test_one_vote_a_pair_is_more_careful_than_all_votes() -> None:
    votes = [Vote(str(pair), str(rater), pair < 8) for pair in range(10) for rater in range(5)]
    votes += [Vote("undecided", "0", True), Vote("undecided", "1", False)]
    together, pairs = counted(votes), by_pair(votes)
    assert (together.first, together.second, pairs.first, pairs.second) == (41, 11, 8, 2)
    assert together.p_value < 0.001 < 0.05 < pairs.p_value and pairs.low < together.low


def test_votes_are_read_by_the_names_of_their_columns(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text("choice,seconds,pair,rater\nA,1.5,0,me\nB,2.5,1,me\n")
    assert read_votes(path) == [Vote("0", "me", True), Vote("1", "me", False)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pair,choice\n0,A\n", "no column 'rater'"),
        ("pair,rater,choice\n0,me,left\n", "the choice 'left'"),
        ("pair,rater,choice\n", "no votes"),
    ],
)
def test_a_file_that_is_no_votes_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "votes.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"votes\.csv has .*{words}|{words}"):
        read_votes(path)


@pytest.mark.parametrize("counts", [(0, 0), (-1, 3), (3, -1)])
def test_no_votes_are_no_count(counts: tuple[int, int]) -> None:
    with pytest.raises(UserError, match="not both 0"):
        preference(*counts)


def test_numbers_outside_their_range_are_refused() -> None:
    with pytest.raises(UserError, match="between 0 and 1"):
        preference(3, 4, level=95)
    with pytest.raises(UserError, match="agreement 2"):
        effective_votes(10, 2, 2)
    with pytest.raises(UserError, match="says little"):
        fewest_votes(0.5)
    assert math.isclose(preference(3, 4, level=0.5).share, 3 / 7)

"""The count of what the equality test of the samplers has come up with, as pytest prints it."""

import make_cases
import pytest

from tatslib.errors import UserError

PRINTED = """
  - during reuse phase (0.10 seconds):
    - 2 passing, 0 failing, and 0 invalid test cases
    - Events:
      * 100.00%, way: fills in

  - during generate phase (17.03 seconds):
    - Typical runtimes: ~ 21-536 ms, of which ~ 0-29 ms in data generation
    - 100 passing, 0 failing, and 25 invalid test cases
    - Events:
      * 48.80%, way: slides
      *  7.20%, levels of gaps: 3
      * 28.00%, step: in C, of single sequences
"""


def test_shares_are_of_the_cases_that_agreed_and_what_none_held_is_zero() -> None:
    found = make_cases.counted(PRINTED)
    assert found["cases"] == 100
    assert found["share"]["way"] == pytest.approx({"slides": 61.0, "fills in": 0.0, "plans ahead": 0.0})
    assert found["share"]["levels of gaps"]["3"] == pytest.approx(9.0)
    assert found["share"]["step"]["in C, of single sequences"] == pytest.approx(35.0)
    assert list(found["share"]) == list(make_cases.LISTED)


def test_an_older_wording_of_the_count_is_understood() -> None:
    older = PRINTED.replace(
        "100 passing, 0 failing, and 25 invalid test cases",
        "100 passing examples, 0 failing examples, 25 invalid examples",
    )
    assert make_cases.counted(older) == make_cases.counted(PRINTED)


def test_what_the_test_names_and_the_count_does_not_list_is_refused() -> None:
    with pytest.raises(UserError, match=r"\['window: 2'\]: add them to LISTED"):
        make_cases.counted(PRINTED + "      * 10.00%, window: 2\n")

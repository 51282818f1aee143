"""The count of what the equality test of the samplers has come up with, as pytest prints it."""

import make_cases

PRINTED = """
    - 100 passing examples, 0 failing examples, 0 invalid examples
    - Events:
      * 61.00%, way: slides
      *  9.00%, levels of gaps: 3
      * 53.39%, window 2, context 1
      * 28.50%, step: in C, of single sequences
"""


def test_what_no_case_held_is_zero_and_what_is_not_listed_is_left_out() -> None:
    found = make_cases.shares(PRINTED)
    assert found["way"] == {"slides": 61.0, "fills in": 0.0, "plans ahead": 0.0}
    assert found["levels of gaps"]["3"] == 9.0 and found["step"]["in C, of single sequences"] == 28.5
    assert list(found) == list(make_cases.LISTED)

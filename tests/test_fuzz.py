"""A thousand spoilt data sets of all five layouts end in clips or in one line, and what can be noticed is named."""

from pathlib import Path

from tests.fuzz_drill import drill, table
from tests.spoiling import KINDS, KINDS_OF_LISTS


def test_a_thousand_spoilt_data_sets_end_in_clips_or_in_one_line_that_names_what_is_wrong(tmp_path: Path) -> None:
    ends = drill(1000, tmp_path, seed=1)
    assert sum(ends[kind, end] for kind in KINDS + KINDS_OF_LISTS for end in ("clips", "one line")) == 1000
    assert all(ends[kind, end] for kind in KINDS + KINDS_OF_LISTS for end in ("clips", "one line"))
    for kind in ("mislabelled", "wrong entry", "climbing"):  # nobody may overlook these
        assert ends[kind, "named"] == ends[kind, "clips"] + ends[kind, "one line"] > 30
    assert all(ends[kind, "named"] > 30 for kind in KINDS) and "1,000" in table(ends).splitlines()[-1]

"""Spoilt data sets of all five layouts end in clips or in one line: some of those of `tests.fuzz_drill`."""

from pathlib import Path

from tests.fuzz_drill import KINDS, drill


def test_two_hundred_spoilt_data_sets_end_in_clips_or_in_one_line(tmp_path: Path) -> None:
    ends = drill(200, tmp_path, seed=1)
    assert sum(ends.values()) == 200
    assert all(ends[kind, "clips"] for kind in KINDS) and sum(ends[kind, "one line"] for kind in KINDS) > 3

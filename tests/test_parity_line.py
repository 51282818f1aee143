"""Parity tests that compared nothing say so where it is seen."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_a_run_without_fixtures_says_in_one_line_that_nothing_was_compared(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/parity/test_data_preprocess.py"],
        cwd=ROOT,
        env={**os.environ, "TATS_FIXTURES": str(tmp_path / folder)},
        capture_output=True,
        text=True,
    )
    lines = [line for line in run.stdout.splitlines() if line.startswith("parity: ")]
    assert len(lines) == 1 and f"no fixtures in {tmp_path / folder} " in lines[0] and "nothing was compared" in lines[0]

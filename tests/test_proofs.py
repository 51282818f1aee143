"""The page of proofs: its commands exist, and what it shows of them is what stands elsewhere."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.golden.record import FILE
from tests.test_distributed import CHECKS

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "book" / "proofs.md").read_text()
WIDTH = 34  # of the first column of what `tests.test_distributed` prints


def test_every_program_and_file_that_a_command_names_is_there() -> None:
    programs = {f"{name.replace('.', '/')}.py" for name in re.findall(r"-m (tests\.\w+)", PAGE)}
    files = set(re.findall(r"\btests/[\w/]+\.py", PAGE))
    assert len(programs) == 4 and len(files) > 3
    assert sorted(name for name in programs | files if not (ROOT / name).is_file()) == []


def test_the_table_of_spoilt_data_sets_is_that_of_the_contributors() -> None:
    told = re.findall(r"what was spoilt.*?all +1,000[^\n]*", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert [re.sub(r"^  ", "", table, flags=re.M) for table in told] == re.findall(
        r"what was spoilt.*?all +1,000[^\n]*", PAGE, re.DOTALL
    )


def test_the_checks_of_two_processes_and_the_machines_with_stored_losses_are_all_there() -> None:
    printed = [check for check in CHECKS if any(word in check for word in ("norm", "codebook", "dropout", "stage"))]
    shown = {line[:WIDTH].rstrip() for line in PAGE.splitlines()}
    assert [check for check in printed if check not in shown] == []
    for entry in json.loads(FILE.read_text()):
        assert " ".join(entry["machine"].values()) in PAGE


def test_what_the_page_shows_of_shards_is_what_the_drill_prints() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TATS_STATIC": "1"}
    command = [sys.executable, "-m", "tests.shard_drill"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    def timeless(text: str) -> str:
        return re.sub(r"[\d.]+ clips/s", "clips/s", text)

    assert "clips/s" in done.stdout and timeless(f"```text\n{done.stdout}```\n") in timeless(PAGE)

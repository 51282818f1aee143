"""kill -9 at any moment: the run goes on as if nothing had happened."""

import os
import subprocess
import sys
from pathlib import Path

KILLS = 20


def test_twenty_random_kills_leave_every_later_loss_as_it_was():
    command = [sys.executable, "-m", "tests.kill_drill", "--kills", str(KILLS)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TATS_STATIC": "1"}
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    assert f"{KILLS} kills" in done.stdout and done.stdout.count("in the middle of a save") > 1

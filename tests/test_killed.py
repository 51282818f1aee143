"""kill -9 at any moment: the run goes on as if nothing had happened."""

import json
import os
import subprocess
import sys
from pathlib import Path

RUNS, AT_LEAST_IN_A_SAVE, TWICE = 20, 5, 5


def test_runs_that_are_killed_at_random_end_with_the_losses_gradients_and_model_of_one_that_was_not():
    command = [sys.executable, "-m", "tests.kill_drill", "--runs", str(RUNS)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TATS_STATIC": "1"}
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["runs"] == RUNS and found["killed twice"] == TWICE and found["kills"] == RUNS + TWICE
    assert found["in a save"] >= AT_LEAST_IN_A_SAVE

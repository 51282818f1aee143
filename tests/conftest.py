"""One thread for all tests and the processes they start: losses are compared to the last bit."""

import os

import torch

from tests.parity.table import pytest_terminal_summary  # noqa: F401  a hook, which pytest finds here

os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

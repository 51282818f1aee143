"""What the parity tests share: one way to compare, which also enters each comparison in the table of `table.py`."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.parity.table import PROPERTY, Entry

Compare = Callable[[str, str, Tensor, Tensor, Mapping[str, Any]], None]


@pytest.fixture
def compare(record_property: Callable[[str, object], None]) -> Compare:
    """compare(fixture, quantity, ours, theirs, tolerance): fails beyond the tolerance, enters the error in the table.

    `tolerance` holds atol and rtol (0 where it does not); integers are compared exactly, whatever it says.
    """

    def enter(entry: Entry) -> None:
        record_property(PROPERTY, tuple(entry))  # plain, so that it can travel between processes

    def check(fixture: str, quantity: str, ours: Tensor, theirs: Tensor, tolerance: Mapping[str, Any]) -> None:
        assert ours.shape == theirs.shape, f"{fixture}, {quantity}: {tuple(ours.shape)} against {tuple(theirs.shape)}"
        if theirs.is_floating_point():
            difference = torch.where(ours == theirs, torch.zeros_like(ours), ours - theirs)  # equal infinities count 0
            error = difference.abs().max().item() if difference.numel() else 0.0
            enter(Entry(fixture, quantity, error, 0, 0))
            limits = {key: tolerance.get(key, 0) for key in ("atol", "rtol")}
            torch.testing.assert_close(ours, theirs, msg=lambda text: f"{fixture}, {quantity}: {text}", **limits)
        else:
            differing = int((ours != theirs).sum())
            enter(Entry(fixture, quantity, None, differing, theirs.numel()))
            assert not differing, f"{fixture}, {quantity}: {differing} of {theirs.numel()} differ"

    return check

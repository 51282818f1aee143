"""A table at the end of the run: which fixture was compared, and how far off we were at most.

Without fixtures there is one line in its place, because nobody notices a module that was skipped.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.parity import fixtures

Compare = Callable[[str, str, Tensor, Tensor, dict[str, Any]], None]


@pytest.fixture
def compare(record_property: Callable[[str, object], None]) -> Compare:
    """compare(fixture, quantity, ours, theirs, tolerance): fails beyond the tolerance, enters the error in the table.

    `tolerance` holds atol and rtol; integers are compared exactly, whatever it says.
    """

    def check(fixture: str, quantity: str, ours: Tensor, theirs: Tensor, tolerance: dict[str, Any]) -> None:
        if theirs.is_floating_point():
            difference = torch.where(ours == theirs, torch.zeros_like(ours), ours - theirs)  # equal infinities count 0
            error = f"{difference.abs().max().item():.2e}"
        else:
            error = f"{(ours != theirs).sum().item()} of {theirs.numel()} differ"
        record_property("parity", (fixture, quantity, error))
        if theirs.is_floating_point():
            torch.testing.assert_close(ours, theirs, atol=tolerance["atol"], rtol=tolerance["rtol"])
        else:
            assert torch.equal(ours, theirs), f"{fixture}, {quantity}: {error}"

    return check


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not fixtures.present():
        terminalreporter.write_line(
            f"parity: no fixtures in {fixtures.FOLDER} (TATS_FIXTURES names another folder), nothing was compared"
        )
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    rows = [value for report in reports for name, value in report.user_properties if name == "parity"]
    if rows:
        terminalreporter.section("parity with the released code: fixture, quantity, largest error")
        for fixture, quantity, error in rows:
            terminalreporter.write_line(f"{fixture:<24} {quantity:<36} {error}")

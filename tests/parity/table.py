"""The table at the end of a run: each fixture that was compared, and how far off we were at most.

Without fixtures there is one line in its place, because nobody notices a module that was skipped. The hook is taken up
by `tests/conftest.py`, which every way of starting pytest reads (on several processes, the one that prints reads no
other).
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import pytest

from tests.parity import fixtures

PROPERTY = "parity"
HEAD = ("fixture", "largest error", "where", "integers that differ", "quantities")


class Entry(NamedTuple):
    """One comparison."""

    fixture: str
    quantity: str
    error: float | None  # largest absolute one; None for integers
    differing: int  # integers that are not equal
    integers: int  # of this many


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [report.nodeid for report in terminalreporter.stats.get("skipped", [])]
    if any(nodeid.startswith("tests/parity/") for nodeid in skipped) and not fixtures.present():
        terminalreporter.write_line(
            f"parity: no fixtures in {fixtures.FOLDER} (TATS_FIXTURES names another folder), nothing was compared"
        )
    entries: dict[str, list[Entry]] = {}
    failed: set[str] = set()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", []):
                if name == PROPERTY:
                    entry = Entry(*value)
                    entries.setdefault(entry.fixture, []).append(entry)
                    failed |= {entry.fixture} if outcome == "failed" else set()
    if entries:
        rows = [(*row(name, found), "FAILED" if name in failed else "") for name, found in sorted(entries.items())]
        terminalreporter.section("parity with the released code")
        for line in aligned([(*HEAD, ""), *rows]):
            terminalreporter.write_line(line)


def row(fixture: str, entries: list[Entry]) -> tuple[str, ...]:
    """One line of the table: the worst of a fixture's comparisons, and how many there were."""
    errors = [(entry.error, entry.quantity) for entry in entries if entry.error is not None]
    error, quantity = max(errors, key=lambda e: math.inf if math.isnan(e[0]) else e[0], default=(None, ""))
    integers, differing = sum(entry.integers for entry in entries), sum(entry.differing for entry in entries)
    where = f" ({max(entries, key=lambda entry: entry.differing).quantity})" if differing else ""
    return (
        fixture,
        "-" if error is None else f"{error:.1e}" if error else "0",
        quantity if error else "",
        f"{differing} of {integers}{where}" if integers else "-",
        str(len(entries)),
    )


def aligned(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows of cells as lines in which the columns stand below each other."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return [line.rstrip() for line in lines]

"""The ledger of differences: every row has its five cells, and what a row points at is there."""

import json
import re
from pathlib import Path

import measured
import pytest

from tatslib.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
LEDGER = (ROOT / "book" / "ledger.md").read_text()
HEAD = ["Topic", "Paper", "Released code", "This book", "Measured effect"]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def tables() -> list[list[list[str]]]:
    lines = [line.splitlines() for line in re.findall(r"^\{\.ledger\}\n((?:\|.*\n?)+)", LEDGER, re.M)]
    return [[cells(line) for line in table] for table in lines]


def test_every_table_has_the_five_columns_and_no_cell_is_empty() -> None:
    assert len(tables()) == LEDGER.count("\n## ")
    for head, rule, *rows in tables():
        assert head == HEAD and len(rule) == len(HEAD)
        assert [row[0] for row in rows if len(row) != len(HEAD) or not all(row)] == []


def test_no_topic_stands_there_twice() -> None:
    topics = [row[0] for table in tables() for row in table[2:]]
    assert len(topics) == len(set(topics))


def test_a_measured_effect_leads_somewhere_or_says_in_words_why_there_is_none() -> None:
    effects = [row[4] for table in tables() for row in table[2:]]
    reasons = ("not", "nothing", "none", "arithmetic", "counted", "see", "the row above", "at toy scale, see")
    assert [e for e in effects if "](" not in e and "`tests/" not in e and not e.startswith(reasons)] == []


def test_chapters_pages_and_tests_that_are_named_exist() -> None:
    named = {ROOT / "book" / page for page in re.findall(r"\]\((\w+\.md)\)", LEDGER)}
    named |= {ROOT / chapter for chapter in re.findall(r"\]\((notebooks/\w+\.ipynb)\)", LEDGER)}
    named |= {ROOT / test for test in re.findall(r"`(tests/[\w/]+\.py)`", LEDGER)}
    assert len(named) > 30
    assert sorted(str(path) for path in named if not path.is_file()) == []


def test_a_quote_follows_what_the_chapter_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = [{"text": ["reported:\n"]}, {"text": ["1.25 over all\n"]}, {"data": {}}]
    (tmp_path / "chapter.ipynb").write_text(json.dumps({"cells": [{"source": []}, {"outputs": outputs}]}))
    monkeypatch.setattr(measured, "CHAPTERS", tmp_path)
    quote = measured.Quote("page", "chapter", r"reported:.*?([\d.]+) over all", "{0} nats")
    assert measured.quoted(quote) == "1.25 nats"
    with pytest.raises(UserError, match="chapter prints nothing like"):
        measured.quoted(measured.Quote("page", "chapter", "never", ""))

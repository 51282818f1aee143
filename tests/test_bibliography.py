"""Whom a page or a chapter cites stands in the bibliography, under that name and year."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXTS = sorted([*(ROOT / "notebooks").glob("*.py"), *(ROOT / "book").glob("*.md")])
CITED = re.compile(r"\b([A-Z][\w-]+) (?:et al\.|and [A-Z][\w-]+),? \(?((?:19|20)\d\d)\b")
BIBLIOGRAPHY = (ROOT / "book" / "references.bib").read_text()


def entries() -> set[tuple[str, str]]:
    """Family name of the first author, and year, of each entry."""
    found = set()
    for entry in BIBLIOGRAPHY.split("\n@"):
        names, year = re.search(r"author = \{([^,]+),", entry), re.search(r"year = \{(\d{4})\}", entry)
        assert names and year, f"an author and a year in {entry.splitlines()[0]}"
        found.add((names[1], year[1]))
    return found


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_what_is_cited_by_name_and_year_has_an_entry(path: Path) -> None:
    text = re.sub(r"\s*\n(?:# )?", " ", path.read_text())
    assert set(CITED.findall(text)) <= entries()


def test_citations_are_found_in_each_form_that_the_chapters_use() -> None:
    text = "(Ho and Salimans, 2022), (Islam et al., 2020; Yu et al., 2024, Table 1), the table of Wang et al. (2025)"
    assert CITED.findall(text) == [("Ho", "2022"), ("Islam", "2020"), ("Yu", "2024"), ("Wang", "2025")]


def test_what_is_cited_by_key_has_an_entry_and_no_key_is_given_twice() -> None:
    keys = re.findall(r"@\w+\{(\w+),", BIBLIOGRAPHY)
    assert len(keys) == len(set(keys))
    for path in TEXTS:
        assert set(re.findall(r"\{cite:\w+\}`(\w+)`", path.read_text())) <= set(keys), path.name

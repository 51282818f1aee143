"""The page on every figure and table of the paper: none is left out, and what it names here exists."""

import re

import pytest
import yaml
from chapters import CHAPTERS, ROOT

WORDS = ("same", "smaller", "partly", "negative", "absent")
MENTION = re.compile(r"\bFigure (\d+)\.(\d+)\b")
CHAPTER_LINK = re.compile(r"\]\(notebooks/(\d\d)_\w+\.ipynb")
TEXTS = {int(chapter.name[:2]): chapter.text.read_text() for chapter in CHAPTERS}
PAGE = (ROOT / "book" / "figures.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith(("| Figure", "| Table"))
]
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].split(":")[0])


def test_each_figure_and_table_of_the_paper_has_its_row_in_order() -> None:
    tables = [f"Table {name}" for name in ("1a", "1b", "1c", "1d", "2", "3")]
    assert [row[0].split(":")[0] for row in ROWS] == [f"Figure {k}" for k in range(1, 21)] + tables


@each_row
def test_a_row_has_a_word_and_says_what_is_missing(row: list[str]) -> None:
    _, here, _, word, why = row
    assert word in WORDS and why
    assert MENTION.search(here) or row[0].startswith("Table") or word == "absent"


@each_row
def test_the_figures_that_a_row_names_are_in_the_chapters_that_it_links(row: list[str]) -> None:
    named = [(int(chapter), number) for chapter, number in MENTION.findall(" ".join(row[1:]))]
    linked = {int(chapter) for chapter in CHAPTER_LINK.findall(" ".join(row[1:]))}
    assert linked and {chapter for chapter, _ in named} <= linked
    for chapter, number in named:
        assert f'number="{chapter}.{number}"' in TEXTS[chapter], f"Figure {chapter}.{number}"


@each_row
def test_the_sections_that_a_row_links_are_there(row: list[str]) -> None:
    for chapter, slug in re.findall(r"notebooks/(\d\d)_\w+\.ipynb#([\w-]+)", " ".join(row)):
        heads = re.findall(r"^# ## (.+)$", TEXTS[int(chapter)], re.MULTILINE)
        assert slug in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_the_page_stands_in_the_table_of_contents() -> None:
    contents = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
    assert {"file": "figures"} in [chapter for part in contents["parts"] for chapter in part["chapters"]]

"""The gate on numbers: what the book says now passes, and each way to smuggle a number in is found."""

import json
import re
from pathlib import Path
from typing import Any

import check_numbers
import measured
import pytest

from tatslib.studies.results import Results

NUMBERS = {
    0: {"a": {"psnr": 20.0, "curve": [1.0, 2.0]}, "b": {"psnr": 21.0, "curve": [1.0, 2.0]}},
    1: {"a": {"psnr": 22.0, "curve": [1.0, 2.0]}, "b": {"psnr": 23.5, "curve": [1.0, 2.0]}},
    2: {"a": {"psnr": 24.0, "curve": [1.0, 2.0]}, "b": {"psnr": 25.2, "curve": [1.0, 2.0]}},
}
STORED = Results("made-up", "", {}, NUMBERS)


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_numbers, "load", lambda name: STORED)
    monkeypatch.setattr(measured, "load", lambda name: STORED)


def chapter(folder: Path, *cells: tuple[str, str] | str | dict[str, Any]) -> Path:
    """A notebook of texts, of (code, what it printed) and of cells as they are stored."""
    made = [
        {"cell_type": "markdown", "source": [cell]}
        if isinstance(cell, str)
        else cell
        if isinstance(cell, dict)
        else {"cell_type": "code", "source": [cell[0]], "outputs": [{"output_type": "stream", "text": [cell[1]]}]}
        for cell in cells
    ]
    path = folder / "99_made_up.ipynb"
    path.write_text(json.dumps({"cells": made}))
    return path


def without_source(folder: Path, *cells: tuple[str, str] | str | dict[str, Any]) -> list[str]:
    found = check_numbers.chapter_complaints(chapter(folder, *cells))
    return [re.search("'(.*?)' has no source", sentence)[1] for sentence in found]


def test_every_number_of_the_book_has_a_source() -> None:
    assert check_numbers.complaints() == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("It scores 0.73 here.", ["0.73"]),
        ("It costs 1.2 dB and 12 % of the tokens.", ["1.2 dB", "12 %"]),
        ("It takes 40 seconds.", ["40 seconds"]),
        ("The gap is 0.7 ± 1.1 grey levels.", ["0.7 ± 1.1"]),
        ("A loss of 3e-4 is small.", ["3e-4"]),
        ("Sixteen frames, 36 tokens, 1024 frames, three seeds.", []),
        ("See Section 2.2, Figure 3.1, Eq. 1 and `top_p=0.8`; $p = 0.5$.", []),
        ("[Here](03_x.ipynb#1.5) and <https://a.b/1.5>.", []),
        ("The paper has 0.75.", []),
        ("The paper has 0.75. We have 0.79.", ["0.79"]),
        ("The paper has 0.75, and 0.79 is seen here.", ["0.79"]),
        ("The paper has 0.75; the other one 0.79.", ["0.79"]),
        ("We reach 0.79 where the paper has 0.75.", ["0.79"]),
        ("It scores 0.79 (the paper: 0.75).", ["0.79"]),
        ("It takes 7.5 minutes (B.2), or 7.4 minutes (Table 2).", ["7.4 minutes"]),
        ("As section 3.1 says.", []),
        ("| | the paper | here |\n|---|---|---|\n| score | 0.75 | 0.79 |", ["0.79"]),
    ],
)
def test_what_counts_as_measured_and_whose_it_is(tmp_path: Path, text: str, shown: list[str]) -> None:
    assert without_source(tmp_path, text) == shown


def test_a_number_is_backed_by_an_output_above_it_after_rounding(tmp_path: Path) -> None:
    cell = ("print(score)", "score 0.7349, share 0.124")
    assert without_source(tmp_path, cell, "It scores 0.73, and 12 % are wrong.") == []
    assert without_source(tmp_path, cell, "It scores 0.74.") == ["0.74"]
    assert without_source(tmp_path, "It scores 0.73.", cell) == ["0.73"], "the cell comes too late"


def test_settings_count_and_what_is_said_about_them_does_not(tmp_path: Path) -> None:
    for source in ("decay = 0.97", "train(decay=0.97)", "def train(decay=0.97): ...", "x: float = 2 * 0.97"):
        assert without_source(tmp_path, (source, ""), "The decay is 0.97.") == [], source
    for source in ("# it scores 0.97", '"""It scores 0.97."""', "x = 1  # 0.97", "0.97", 'x = "0.97"'):
        assert without_source(tmp_path, (source, ""), "It scores 0.97.") == ["0.97"], source


def test_coordinates_and_styles_of_a_figure_are_no_print(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "source": ["viz.show_figure(figure)"]}
    cell["outputs"] = [{"data": {"text/html": ['<svg x="0.97">'], "text/plain": ["ends at 0.55"]}}]
    assert without_source(tmp_path, cell, "It scores 0.97, and ends at 0.55.") == ["0.97"]


@pytest.mark.parametrize("keyword", ["alt", "caption"])
def test_words_below_a_figure_are_held_to_the_same(tmp_path: Path, keyword: str) -> None:
    typed = (f'viz.show_figure(figure, {keyword}="It scores 0.97, " + f"at best {{x:.2f}} of 0.99.")', "")
    assert without_source(tmp_path, typed) == ["0.97", "0.99"]
    assert without_source(tmp_path, ("print(x)", "0.9702"), typed) == ["0.99"]
    assert without_source(tmp_path, (typed[0], "0.9702 and 0.991")) == [], "printed by the same cell"
    drawn = {"cell_type": "code", "source": [typed[0]], "outputs": [{"data": {"text/plain": ["It scores 0.97"]}}]}
    assert without_source(tmp_path, drawn) == ["0.97", "0.99"], "its own description is no print"
    theirs = (f'viz.show_figure(figure, {keyword}="The paper has 0.97.")', "")
    assert without_source(tmp_path, theirs) == []


def test_numbers_of_a_live_run_alone_are_listed(tmp_path: Path, study: None) -> None:
    cells = ('stored, k = results.load("made-up"), 0.31', "live 0.7349, stored 22.0"), "It has 22.0, at 0.31, and 0.73."
    (found,) = check_numbers.live_only(chapter(tmp_path, *cells))
    assert found.startswith("99_made_up: '0.73' is printed by a live run alone")


def test_a_pair_needs_its_mean_and_its_spread_from_one_place(tmp_path: Path, study: None) -> None:
    cell = ('results.load("made-up")', "")
    assert without_source(tmp_path, cell, "It has 22.0 ± 2.0 dB.") == [], "mean and spread of a/psnr"
    assert without_source(tmp_path, cell, "It gains 1.2 ± 0.6 dB.") == [], "b - a, and its interval"
    assert without_source(tmp_path, cell, "It has 22.0 ± 0.6 dB.") == ["22.0 ± 0.6"], "of two different things"


def test_a_page_says_what_is_computed_for_it_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("It costs 1.2 to 1.4 dB at\na stroke, and 5 % more.")
    (found,) = check_numbers.page_complaints(page, ["1.2 to 1.4 dB at a stroke"])
    assert "page.md: '5 %' has no source" in found
    gone, *others = check_numbers.page_complaints(page, ["1.3 to 1.5 dB"])
    assert "does not say '1.3 to 1.5 dB'" in gone and len(others) == 3


def test_phrases_are_computed_from_results(monkeypatch: pytest.MonkeyPatch, study: None) -> None:
    words = measured.Phrase("page", "made-up", lambda s: measured.span(measured.minus(s, "a/psnr", "b/psnr"), 1, "dB"))
    monkeypatch.setattr(measured, "PHRASES", [words])
    assert measured.phrases()["page"] == ["1.0 to 1.5 dB"]
    assert measured.interval(STORED, "b/psnr", "a/psnr", 1, "dB") == "1.2 ± 0.6 dB"


def test_what_is_settled_by_definition_still_stands_in_the_text() -> None:
    texts = {path.stem: " ".join(path.read_text().split()) for path in (check_numbers.ROOT / "book").glob("*.md")}
    for path in (check_numbers.ROOT / "notebooks").glob("*.py"):
        texts[path.stem] = " ".join(line.removeprefix("# ") for line in path.read_text().splitlines())
    assert [(page, words) for page, words in measured.SETTLED if words not in " ".join(texts[page].split())] == []

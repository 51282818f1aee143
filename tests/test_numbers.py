"""The gate on numbers: what the book says now passes, and each way to smuggle a number in is found."""

import json
import re
from pathlib import Path
from typing import Any

import check_numbers
import measured
import pytest
from settled import SETTLED

from tatslib.errors import UserError
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
    monkeypatch.setattr(check_numbers, "exists", lambda name, scale: True)
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
        ("It changes by -3.2 dB, or by −0.4 dB.", ["-3.2 dB", "−0.4 dB"]),
        ("80% of 5 TB in 40 s, 3 percent, 3.2x as fast.", ["80%", "5 TB", "40 s", "3 percent", "3.2x"]),
        ("It is 0.1-0.9 dB, and 0.5/0.7.", ["0.1", "0.9 dB", "0.5", "0.7"]),
        ("Ours (0.7), at 0.5, 0.7.", ["0.7", "0.5", "0.7"]),
        ("From a<b by 0.7, c>d.", ["0.7"]),
        ('Pictures <img width="0.7"/> of 128 x 128 pixels, <a href="x">16x16</a>.', []),
        ("As the paper has it (3.1, 3.3 to 3.4, B.1, C).", []),
        ("The released code reaches 0.75.", ["0.75"]),
        ("Published are 0.75; in a paper-like setting 0.79.", ["0.79"]),
        ("- The paper has\n- 0.79 in all", ["0.79"]),
        (
            "It shows 0.1:\n| a | b 0.2 |\n|---|---|\n| x | 0.3 | 0.4 |\n: below 0.5",
            ["0.2", "0.3", "0.4", "0.1", "0.5"],
        ),
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


@pytest.mark.parametrize(
    "source",
    [
        "axes.plot(x, linewidth=0.97)",
        "axes[0].plot(x, alpha=0.97)",
        "figure, axes = plt.subplots(figsize=(0.97, 2))",
        "viz.show_figure(figure, width=0.97)",
        "last = b[:, 12][0.97]",
    ],
)
def test_looks_and_places_are_no_settings(tmp_path: Path, source: str) -> None:
    assert without_source(tmp_path, (source, ""), "It scores 0.97, at 12 %.") == ["0.97", "12 %"]


def test_a_wrapped_modulo_is_code_and_a_magic_is_not(tmp_path: Path) -> None:
    source = "%matplotlib inline\n!pip install x\nleft = (\n    7\n    % 0.97\n)"
    assert without_source(tmp_path, (source, ""), "It scores 0.97.") == []


def test_what_a_cell_types_into_its_strings_is_no_output(tmp_path: Path) -> None:
    cell = ('print(f"of 0.97 at most {x:.2f}", "0.55")', "of 0.97 at most 0.31 0.55")
    assert without_source(tmp_path, cell, "It scores 0.97, 0.31 and 0.55.") == ["0.97", "0.55"]
    assert without_source(tmp_path, ('print(f"{x:9.2f}", "1")', " 9.21 10.51"), "It has 9.21 and 10.51.") == []


def test_progress_bars_are_no_output(tmp_path: Path) -> None:
    streams = [
        {"output_type": "stream", "name": name, "text": [text]}
        for name, text in (("stderr", "0.97"), ("stdout", "0.31"))
    ]
    cell = {"cell_type": "code", "source": ["train()"], "outputs": streams}
    assert without_source(tmp_path, cell, "It scores 0.97 and 0.31.") == ["0.97"]


def test_outputs_and_studies_speak_for_their_section(tmp_path: Path, study: None) -> None:
    cells = [
        ('made = load("made-up")\nprint(x)', "0.97 and 12"),
        "It has 0.97, 22.0 and 12 %.",
        "## Later\nIt has 0.97, 22.0 and 12 %.",
    ]
    assert without_source(tmp_path, *cells) == ["0.97", "22.0", "12 %"]
    again = ('print(made.text("a/psnr"))', "")
    assert without_source(
        tmp_path, *cells[:2], "## Later", again, "It has 22.0 and 22.2, and it gains 1.2 ± 0.6 dB."
    ) == ["22.2"]
    assert without_source(tmp_path, *cells[:2], "## Later", "It gains 1.2 ± 0.6 dB.") == ["1.2 ± 0.6"]


def test_a_minus_needs_a_minus(tmp_path: Path) -> None:
    cell = ("print(x)", "changes: -0.31, 0.97, -0.12 ± 0.34, +1.25 ± 0.31")
    assert without_source(tmp_path, cell, "It changes by −0.31 and loses 0.31, by -0.97 and 0.97.") == ["-0.97"]
    assert without_source(tmp_path, cell, "By −0.12±0.34, -1.2 ± 0.3 and 1.25 ± 0.31.") == ["-1.2 ± 0.3"]


def test_a_pair_is_no_part_of_another(tmp_path: Path) -> None:
    assert without_source(tmp_path, ("print(x)", "11.2 ± 0.35"), "It has 1.2 ± 0.3.") == ["1.2 ± 0.3"]


def test_a_settled_number_is_settled_with_all_its_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        check_numbers, "SETTLED", dict.fromkeys([("99_made_up", "8.6"), ("99_made_up", "at most 0.9")], "")
    )
    assert without_source(tmp_path, "It is at most 0.9.") == []
    assert without_source(tmp_path, "It is at most 0.97, or 8.6.") == ["0.97", "8.6"]
    assert without_source(tmp_path, "| a |\n|---|\n| 8.6 |\n| 8.6999 |") == ["8.6999"], "a bare number, in a cell alone"


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
    less = measured.minus(STORED, "a/psnr", "b/psnr")
    words = measured.Phrase("page", "made-up", lambda s: measured.span(less, 1, "dB", -1))
    monkeypatch.setattr(measured, "PHRASES", [words])
    assert measured.phrases()["page"] == ["1.0 to 1.5 dB"]
    assert measured.interval(STORED, "b/psnr", "a/psnr", 1, "dB") == "1.2 ± 0.6 dB"
    assert measured.interval(STORED, "a/psnr", "b/psnr", 1, "dB", sign=-1) == "1.2 ± 0.6 dB"
    with pytest.raises(UserError, match=r"below 0: 1\.2"):
        measured.interval(STORED, "b/psnr", "a/psnr", 1, "dB", sign=-1)
    for sign in (1, -1):
        with pytest.raises(UserError, match="speak of a number"):
            measured.span([-0.1, 0.2], 1, "dB", sign)


def test_a_chapter_says_what_is_computed_for_it(tmp_path: Path) -> None:
    said = chapter(tmp_path, "It costs 0.8 dB\nin one seed.")
    assert list(check_numbers.chapter_complaints(said, ["0.8 dB in one seed"])) == []
    first, second = check_numbers.chapter_complaints(said, ["0.9 dB in one seed"])
    assert "does not say '0.9 dB in one seed'" in first and "'0.8 dB' has no source" in second


def test_a_placeholder_stands_only_for_a_pending_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = measured.Phrase(
        "page", "to-come", lambda s: f"takes {s.mean('ratio'):.1f} times, {max(s.values('x')):.0f} MB"
    )
    monkeypatch.setattr(measured, "PHRASES", [words])
    with pytest.raises(UserError, match="no results to-come"):
        measured.phrases()
    monkeypatch.setattr(measured, "NOT_YET", ("to-come",))
    waiting = measured.placeholders()["page"]
    assert "page" not in measured.phrases() and waiting == ["takes ? times, ? MB"]
    page = tmp_path / "page.md"
    page.write_text("Why? It takes ? times, ? MB in all. Is it so?\n\n| a | b |\n|---|---|\n| x | costs ? dB |")
    (found,) = check_numbers.page_complaints(page, [], waiting)
    assert "'?' stands for a number" in found and "costs ? dB" in found
    assert len(list(check_numbers.page_complaints(page, []))) == 3


def test_what_is_settled_by_definition_still_stands_in_the_text() -> None:
    texts = {path.stem: " ".join(path.read_text().split()) for path in (check_numbers.ROOT / "book").glob("*.md")}
    for path in (check_numbers.ROOT / "notebooks").glob("*.py"):
        texts[path.stem] = " ".join(line.removeprefix("# ") for line in path.read_text().splitlines())
    assert [(page, words) for page, words in SETTLED if words not in " ".join(texts[page].split())] == []
    bare = [words for page, words in SETTLED if not re.search(r"[^\W\d]{2}", re.sub(r"dB|GB|MB", "", words))]
    assert set(bare) <= {"8.6", "0.1", "0.3", "0.5"}, "words say which number is meant; these are cells of a table"

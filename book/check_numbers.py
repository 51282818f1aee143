"""The gate on numbers: a measured number that no cell and no result file stands behind stops the build.

What counts as measured: "a ± b", every number with a decimal point, and every whole number with a unit behind it (%,
dB, nats, grey levels, seconds, GB ...). Numbers in code, mathematics, links, and of sections and figures are not.

- In a chapter such a number is printed by a cell above it in the same section (since the last "## "), or is the mean of
  a key of a study that this section names, or is set in the code of any cell above, after rounding. An "a ± b" is
  printed as a pair, or is the mean and spread of one key, or a difference and its interval. A minus has to be there; a
  number without one may stand for it ("loses 0.3 dB"). What is typed into captions and descriptions of figures is held
  to the same. No print are comments, strings, progress bars, and the coordinates and looks of a figure.
- On a page of the book, and in a chapter as well, it lies inside a phrase that `measured.py` computes from the results,
  letter by letter.
- Or it is marked as somebody else's: it stands in a column, or in a part of a sentence, that names the paper or its
  authors, and no word of ours ("we", "here") is nearer to it. What the released code was measured to do is ours.

    check_numbers.py          say what has no source
    check_numbers.py --list   also name the numbers that a live run alone stands behind, and no stored result

The committed notebooks are read, never those that this machine ran: another processor may print another last digit.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import permutations
from pathlib import Path
from typing import Literal

import cell_text
import make_claims
import measured
from number_text import FIGURE, PAIR, SIGN, numbers, pieces, rounds_to, value
from settled import SETTLED

from tatslib.errors import UserError
from tatslib.studies import long_videos
from tatslib.studies.results import Results, exists, load

ROOT = Path(__file__).resolve().parent.parent
GENERATED = (make_claims.PAGE.stem,)  # written by a program from the results, and compared with them below
PLACEHOLDER = re.compile(r"(?<=[^|?!.] )\?(?=[\s,.;:)])")
SECTION = re.compile(r"^(?=## )", re.MULTILINE)
TOGETHER = "long_videos.together()"
Source = Literal["setting", "result", "live run"]


# ------------------------------------------------------------------------------------------------------------- chapters
@dataclass
class Above:
    """What stands above a place in a chapter.

    Outputs and code are those of its section: in all that a chapter prints, almost any number is to be found.
    """

    shown: str = ""
    code: str = ""
    settings: str = ""  # of the whole chapter
    loaded: dict[str, Results] = field(default_factory=dict)  # by the study's name, and by that of the variable

    @property
    def studies(self) -> list[Results]:
        """Those that the section names."""
        named = {
            id(study): study
            for name, study in self.loaded.items()
            if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", self.code)
        }
        return list(named.values())

    def read(self, source: str) -> None:
        """Take in the code of the next cell."""
        self.code += source + "\n"
        self.settings += cell_text.settings(source) + "\n"
        for study, variables in cell_text.loads(source):
            if study == TOGETHER or exists(study, "toy"):
                found = long_videos.together() if study == TOGETHER else load(study)
                self.loaded |= dict.fromkeys((study, *variables), found)

    def source(self, number: re.Match[str], pair: re.Match[str] | None) -> Source | None:
        """What stands behind a number, as far as this is known."""
        if pair is not None:
            if any(pair_of_study(pair, study) for study in self.studies):
                return "result"
            return "live run" if any(same_pair(pair, other) for other in PAIR.finditer(self.shown)) else None
        if backed_by(number, self.settings):
            return "setting"
        if any(mean_of_study(number, study) for study in self.studies):
            return "result"
        return "live run" if backed_by(number, self.shown) else None


def backed_by(number: re.Match[str], text: str) -> bool:
    """Whether a number in this text, rounded, is this one; for a percentage, also as a share."""
    scales = (1, 100) if (number["unit"] or "").strip() in ("%", "percent") else (1,)
    return any(rounds_to(scale * x, number["figure"], number["sign"]) for x in figures(text) for scale in scales)


@cache
def figures(text: str) -> list[float]:
    """All numbers of a text."""
    return [value(figure) for figure in re.findall(SIGN + FIGURE, text)]


def mean_of_study(number: re.Match[str], study: Results) -> bool:
    """Whether a number with a decimal point is the mean of a key over its seeds."""
    if "." not in number["figure"]:
        return False
    return any(rounds_to(study.mean(key), number["figure"], number["sign"]) for key in measured.keys(study))


def same_pair(pair: re.Match[str], other: re.Match[str]) -> bool:
    """Whether two "a ± b" are one, to the digits of the first."""
    mean = value(other["sign"] + other["mean"])
    return rounds_to(mean, pair["mean"], pair["sign"]) and rounds_to(value(other["spread"]), pair["spread"])


def pair_of_study(pair: re.Match[str], study: Results) -> bool:
    """Whether "a ± b" is the mean and spread of a key, or a paired difference and its 95 % interval."""
    keys = measured.keys(study)
    candidates = [(study.mean(key), study.spread(key)) for key in keys]
    for one, other in permutations(keys, 2):
        if one.rpartition("/")[2] == other.rpartition("/")[2] or one.rpartition("/")[0] == other.rpartition("/")[0]:
            candidates.append(study.difference(one, other))
    return any(rounds_to(a, pair["mean"], pair["sign"]) and rounds_to(b, pair["spread"]) for a, b in candidates)


def of_chapter(notebook: Path) -> Iterator[tuple[str, re.Match[str], Source | None]]:
    """Each measured number of a chapter's text, captions and descriptions: around it, itself, what stands behind it."""
    above = Above()
    for cell in json.loads(notebook.read_text())["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            above.read(source)
            before, above.shown = above.shown, above.shown + cell_text.printed(cell) + "\n"
            for words in cell_text.below_figures(source):
                yield from sources(words, above)
            above.shown = before + cell_text.shown(cell) + "\n"
        elif cell["cell_type"] == "markdown":
            for part in SECTION.split(source):
                if SECTION.match(part):
                    above.shown = above.code = ""
                yield from sources(part, above)


def sources(words: str, above: Above) -> Iterator[tuple[str, re.Match[str], Source | None]]:
    """The same for one text of a chapter."""
    for text in pieces(words):
        for number, pair in numbers(text):
            yield text, number, above.source(number, pair)


def chapter_complaints(notebook: Path, phrases: Sequence[str] = ()) -> Iterator[str]:
    """Numbers in a chapter that nothing above them printed, and phrases computed for it that it does not have."""
    cells = json.loads(notebook.read_text())["cells"]
    flat = " ".join(" ".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown").split())
    yield from missing(notebook.stem, flat, phrases)
    for text, number, source in of_chapter(notebook):
        if source is None and not inside(text, phrases, number) and not settled(notebook.stem, text, number):
            yield complaint(notebook.stem, text, number)


def live_only(notebook: Path) -> Iterator[str]:
    """Numbers that an output stands behind and no setting and no mean, spread or difference of a stored study."""
    for text, number, source in of_chapter(notebook):
        if source == "live run" and not settled(notebook.stem, text, number):
            shown, around = shown_around(text, number)
            yield f"{notebook.stem}: {shown!r} is printed by a live run alone, in {around!r}."


# ---------------------------------------------------------------------------------------------------------------- pages
def page_complaints(page: Path, phrases: list[str], placeholders: Sequence[str] = ()) -> Iterator[str]:
    """Numbers of a page outside the phrases that were computed for it, and phrases that it does not have.

    While a study is pending its phrase may stand there with "?" for each number; no other "?" stands for a number.
    """
    content = page.read_text()
    flat = " ".join(content.split())
    yield from missing(page.name, flat, phrases)
    waiting = flat
    for phrase in sorted(placeholders, key=len, reverse=True):
        waiting = waiting.replace(phrase, "")
    for found in PLACEHOLDER.finditer(waiting):
        around = waiting[max(0, found.start() - 60) : found.end() + 40]
        yield f"{page.name}: '?' stands for a number, in {around!r}, and no study is pending that would give it."
    for text in pieces(re.sub(r"\A---\n.*?\n---\n", "", content, flags=re.DOTALL)):
        squeezed = " ".join(text.split())
        for number, _ in numbers(squeezed):
            if not inside(squeezed, phrases, number) and not settled(page.stem, squeezed, number):
                yield complaint(page.name, squeezed, number)


def missing(name: str, flat: str, phrases: Sequence[str]) -> Iterator[str]:
    """Phrases that a text does not have."""
    for phrase in phrases:
        if phrase not in flat:
            yield f"{name} does not say {phrase!r}, which book/measured.py computes from the results for it."


def settled(page: str, text: str, number: re.Match[str]) -> bool:
    """Whether this number follows from a definition, with the reason on record in `settled.py`."""
    here = [phrase for where, phrase in SETTLED if where == page]
    # a bare number, as the cell of a table may be, speaks for that cell alone
    whole = [phrase for phrase in here if re.search(r"[^\W\d]", phrase) or phrase == text.strip()]
    return inside(text, whole, number)


def inside(text: str, phrases: Sequence[str], number: re.Match[str]) -> bool:
    """Whether a number of a text lies in one of these phrases."""
    return any(covers(found, number) for phrase in phrases for found in re.finditer(re.escape(phrase), text))


def covers(words: re.Match[str], number: re.Match[str]) -> bool:
    """Whether a number stands in these words with all of its digits."""
    ends = [number.end(name) for name in ("figure", "spread") if name in number.re.groupindex]
    return words.start() <= number.start() and all(end <= words.end() for end in ends)


def complaint(page: str, text: str, number: re.Match[str]) -> str:
    """The sentence that names page and number."""
    shown, around = shown_around(text, number)
    return (
        f"{page}: {shown!r} has no source, in {around!r}. No cell above prints it in its section, no phrase of "
        "book/measured.py has it, and it is not marked as the paper's."
    )


def shown_around(text: str, number: re.Match[str]) -> tuple[str, str]:
    """A number, and the words around it."""
    around = text[max(0, number.start() - 60) : number.end() + 40]
    return " ".join(number[0].split()), " ".join(around.split())


def complaints(root: Path = ROOT) -> list[str]:
    """One sentence for each number without a source, in all chapters and pages."""
    found: list[str] = []
    said, waiting = measured.phrases(), measured.placeholders()
    for name in sorted({phrase.study for phrase in measured.PHRASES if measured.pending(phrase.study)}):
        print(f"{name} has no results yet: what the book says of it is not compared.")
    for notebook in sorted((root / "notebooks").glob("*.ipynb")):
        found += chapter_complaints(notebook, said.get(notebook.stem, []))
    for page in sorted((root / "book").glob("*.md")):
        if page.stem not in GENERATED:
            found += page_complaints(page, said.get(page.stem, []), waiting.get(page.stem, []))
    return found + make_claims.stale()


def main() -> None:
    """Say what has no source, and with --list what has a live run alone."""
    if "--list" in sys.argv:
        for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
            print("\n".join(live_only(notebook)))
    if found := complaints():
        raise SystemExit("\n".join(found))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(str(error)) from None

"""The gate on numbers: a measured number that no cell and no result file stands behind stops the build.

What counts as measured: "a ± b", every number with a decimal point, and every whole number with a unit behind it (%,
dB, nats, grey levels, seconds, GB ...). Numbers in code, mathematics, links, and of sections and figures are not.

- In a chapter such a number is printed by a cell above it, or set in that cell's code, after rounding. An "a ± b" is
  printed as a pair, or is the mean and spread of one key, or a difference and its interval, of a study it loads.
  What is typed into captions and descriptions of figures is held to the same. Comments are no print, nor are the
  coordinates of a figure.
- On a page of the book it lies inside a phrase that `measured.py` computes from the results, letter by letter.
- Or it is marked as somebody else's: it stands in a column, or in a part of a sentence, that names the paper or the
  released code, and no word of ours ("we", "here") is nearer to it.

    check_numbers.py          say what has no source
    check_numbers.py --list   also name the numbers that a live run alone stands behind, and no stored result

The committed notebooks are read, never those that this machine ran: another processor may print another last digit.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import permutations
from pathlib import Path
from typing import Literal

import cell_text
import make_claims
import measured

from tatslib.errors import UserError
from tatslib.studies import long_videos
from tatslib.studies.results import Results, load

ROOT = Path(__file__).resolve().parent.parent
GENERATED = (make_claims.PAGE.stem,)  # written by a program from the results, and compared with them below
COSTS = "**What it costs.**"  # held to the recorded run by tests/test_gates.py

FIGURE = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e-?\d+)?"
UNIT = r"%|dB\b|nats?\b|grey levels?\b|(?:milli)?seconds?\b|ms\b|minutes?\b|hours?\b|[KMG]i?B\b|tokens/s\b"
NUMBER = re.compile(rf"(?<![\w.,^_/-])(?P<figure>{FIGURE})(?P<unit>\s(?:{UNIT}))?(?![\w^]|[.,/-]\w)")
PAIR = re.compile(rf"(?P<mean>[-+−]?{FIGURE})\s*±\s*(?P<spread>{FIGURE})")
CODE = r"```.*?```|:::|<!--.*?-->|<svg.*?</svg>|\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|\]\([^)]*\)|https?://\S+|<[^>]+>"
PLACES = r"\b(?:[Ss]ections?|Chapters?|Figures?|Fig\.|Tables?|Equations?|Eq\.|Exercises?|versions?|Python|Supplement)"
SILENT = re.compile(
    rf"{CODE}|{PLACES}\s[A-D]?\.?\d+(?:\.\d+)?|\(\d\.\d\)|\bCC BY \d\.\d|\b\d\.\d(?:, \d\.\d)+", re.DOTALL
)
MARKED = re.compile(r"\b(?:[Pp]aper|[Aa]uthors|[Rr]eleased)\b|\b[ABC]\.[1-4]\b")
OURS = re.compile(r"\b(?:[Ww]e|[Oo]urs?|[Hh]ere|[Tt]oy)\b")
SENTENCE = re.compile(r"(?<=[.!?:;])\s+(?=[A-Z*\"(\[])")
CLAUSE = re.compile(r"[,;]\s|\s[–—]\s|\s\(|\)|\b(?:and|but|or|while|whereas)\b")
CITED = re.compile(r"\s\((?P<where>[^()]*)\)")
LOADED = re.compile(r"(?:load|by_scale)\(\s*\"([\w-]+)\"")
TOGETHER = "long_videos.together()"
Source = Literal["setting", "result", "live run"]


def blank(found: re.Match[str]) -> str:
    """As many spaces, so that places in the text stay the same."""
    return re.sub(r"\S", " ", found[0])


def pieces(text: str) -> Iterator[str]:
    """Sentences and table cells; what is marked as somebody else's, code and mathematics are blanked out."""
    for paragraph in re.split(r"\n\s*\n", text):
        if paragraph.startswith(COSTS):
            continue
        lines = paragraph.splitlines()
        rows = [line for line in lines if line.startswith("|")]
        if len(rows) > 2:
            heads = rows[0].strip("|").split("|")
            for row in rows[2:]:
                cells = re.split(r"(?<!\\)\|", SILENT.sub(blank, row.strip("|")))
                yield from (cell for head, cell in zip(heads, cells, strict=False) if not MARKED.search(head))
        else:
            found = " ".join(line.strip() for line in lines)
            yield from (ours(sentence) for sentence in SENTENCE.split(SILENT.sub(blank, found)))


def ours(sentence: str) -> str:
    """A sentence without the numbers that are the paper's.

    A mark speaks for its own clause alone, and in it for the numbers that are nearer to it than to a word of ours. A
    place of the paper in brackets belongs to the clause before it: "it took 7.5 minutes (B.2)".
    """
    kept = list(sentence)
    for start, stop in clauses(sentence):
        theirs, own = ([m.span() for m in marks.finditer(sentence, start, stop)] for marks in (MARKED, OURS))
        for number, _ in numbers(sentence[start:stop]):
            first, last = start + number.start(), start + number.end()
            to_theirs, to_own = (
                min((max(a - last, first - b) for a, b in spans), default=len(sentence)) for spans in (theirs, own)
            )
            if theirs and to_theirs <= to_own:
                kept[first:last] = " " * (last - first)
    return "".join(kept)


def clauses(sentence: str) -> list[tuple[int, int]]:
    """Where each clause of a sentence begins and ends."""
    cited = [m.span() for m in CITED.finditer(sentence) if MARKED.search(m["where"]) and not any(numbers(m["where"]))]
    bounds = [
        m.span() for m in CLAUSE.finditer(sentence) if not any(start <= m.start() < stop for start, stop in cited)
    ]
    return list(zip([0, *(stop for _, stop in bounds)], [*(start for start, _ in bounds), len(sentence)], strict=True))


def numbers(text: str) -> Iterator[tuple[re.Match[str], re.Match[str] | None]]:
    """Every measured number of a piece of text; with it the second match if it is an "a ± b"."""
    taken: list[tuple[int, int]] = []
    for pair in PAIR.finditer(text):
        taken.append(pair.span())
        yield pair, pair
    for number in NUMBER.finditer(text):
        inside = any(start <= number.start("figure") < stop for start, stop in taken)
        if not inside and ("." in number["figure"] or "e-" in number["figure"] or number["unit"]):
            yield number, None


def value(figure: str) -> float:
    """What the digits say."""
    return float(figure.replace(",", "").replace("−", "-"))


def rounds_to(found: float, figure: str) -> bool:
    """Whether a number, rounded to the digits shown, is the one that is shown; signs are the text's affair."""
    mantissa, _, exponent = figure.lstrip("+-−").partition("e")
    half = 0.5 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return abs(abs(found) - abs(value(figure))) <= half * (1 + 1e-9)


# ------------------------------------------------------------------------------------------------------------- chapters
@dataclass
class Above:
    """What stands above a place in a chapter."""

    shown: str = ""
    settings: str = ""
    studies: list[Results] = field(default_factory=list)

    def source(self, number: re.Match[str], pair: re.Match[str] | None) -> Source | None:
        """What stands behind a number, as far as this is known."""
        if pair is not None:
            if any(pair_of_study(pair, study) for study in self.studies):
                return "result"
            return "live run" if pair[0] in self.shown else None
        if backed_by(number, self.settings):
            return "setting"
        if any(mean_of_study(number, study) for study in self.studies):
            return "result"
        return "live run" if backed_by(number, self.shown) else None


def backed_by(number: re.Match[str], text: str) -> bool:
    """Whether a number in this text, rounded, is this one; for a percentage, also as a share."""
    found = figures(text)
    percent = (number["unit"] or "").strip() == "%"
    return any(rounds_to(x, number["figure"]) or (percent and rounds_to(100 * x, number["figure"])) for x in found)


@cache
def figures(text: str) -> list[float]:
    """All numbers of a text."""
    return [value(figure) for figure in re.findall(FIGURE, text)]


def mean_of_study(number: re.Match[str], study: Results) -> bool:
    """Whether a number with a decimal point is the mean of a key over its seeds."""
    figure = number["figure"]
    return "." in figure and any(rounds_to(study.mean(key), figure) for key in measured.keys(study))


def pair_of_study(pair: re.Match[str], study: Results) -> bool:
    """Whether "a ± b" is the mean and spread of a key, or a paired difference and its 95 % interval."""
    keys = measured.keys(study)
    candidates = [(study.mean(key), study.spread(key)) for key in keys]
    for one, other in permutations(keys, 2):
        if one.rpartition("/")[2] == other.rpartition("/")[2] or one.rpartition("/")[0] == other.rpartition("/")[0]:
            candidates.append(study.difference(one, other))
    return any(rounds_to(a, pair["mean"]) and rounds_to(b, pair["spread"]) for a, b in candidates)


def of_chapter(notebook: Path) -> Iterator[tuple[str, re.Match[str], Source | None]]:
    """Each measured number of a chapter's text, captions and descriptions: around it, itself, what stands behind it."""
    above = Above()
    for cell in json.loads(notebook.read_text())["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            above.settings += cell_text.settings(source) + "\n"
            above.studies += [load(name) for name in LOADED.findall(source)]
            above.studies += [long_videos.together()] if TOGETHER in source else []
            own = Above(above.shown + cell_text.printed(cell), above.settings, above.studies)
            for words in cell_text.below_figures(source):
                yield from sources(words, own)
            above.shown += cell_text.shown(cell) + "\n"
        elif cell["cell_type"] == "markdown":
            yield from sources(source, above)


def sources(words: str, above: Above) -> Iterator[tuple[str, re.Match[str], Source | None]]:
    """The same for one text of a chapter."""
    for text in pieces(words):
        for number, pair in numbers(text):
            yield text, number, above.source(number, pair)


def chapter_complaints(notebook: Path) -> Iterator[str]:
    """Numbers in a chapter that nothing above them printed."""
    for text, number, source in of_chapter(notebook):
        if source is None and not settled(notebook.stem, text, number):
            yield complaint(notebook.stem, text, number)


def live_only(notebook: Path) -> Iterator[str]:
    """Numbers that an output stands behind and no setting and no mean, spread or difference of a stored study."""
    for text, number, source in of_chapter(notebook):
        if source == "live run" and not settled(notebook.stem, text, number):
            shown, around = shown_around(text, number)
            yield f"{notebook.stem}: {shown!r} is printed by a live run alone, in {around!r}."


# ---------------------------------------------------------------------------------------------------------------- pages
def page_complaints(page: Path, phrases: list[str]) -> Iterator[str]:
    """Numbers of a page outside the phrases that were computed for it, and phrases that it does not have."""
    content = page.read_text()
    flat = " ".join(content.split())
    for phrase in phrases:
        if phrase not in flat:
            yield f"{page.name} does not say {phrase!r}, which book/measured.py computes from the results for it."
    for text in pieces(re.sub(r"\A---\n.*?\n---\n", "", content, flags=re.DOTALL)):
        squeezed = " ".join(text.split())
        covered = [m.span() for phrase in phrases for m in re.finditer(re.escape(phrase), squeezed)]
        for number, _ in numbers(squeezed):
            inside = any(start <= number.start() and number.end() <= stop for start, stop in covered)
            if not inside and not settled(page.stem, squeezed, number):
                yield complaint(page.name, squeezed, number)


def settled(page: str, text: str, number: re.Match[str]) -> bool:
    """Whether this number follows from a definition, with the reason on record in `measured.SETTLED`."""
    return any(
        page == where and any(m.start() <= number.start() < m.end() for m in re.finditer(re.escape(phrase), text))
        for where, phrase in measured.SETTLED
    )


def complaint(page: str, text: str, number: re.Match[str]) -> str:
    """The sentence that names page and number."""
    shown, around = shown_around(text, number)
    return (
        f"{page}: {shown!r} has no source, in {around!r}. It is printed by no cell above, stands in no phrase of "
        "book/measured.py, and is not marked as the paper's."
    )


def shown_around(text: str, number: re.Match[str]) -> tuple[str, str]:
    """A number, and the words around it."""
    around = text[max(0, number.start() - 60) : number.end() + 40]
    return " ".join(number[0].split()), " ".join(around.split())


def complaints(root: Path = ROOT) -> list[str]:
    """One sentence for each number without a source, in all chapters and pages."""
    found: list[str] = []
    for notebook in sorted((root / "notebooks").glob("*.ipynb")):
        found += chapter_complaints(notebook)
    said = measured.phrases()
    for page in sorted((root / "book").glob("*.md")):
        if page.stem not in GENERATED:
            found += page_complaints(page, said.get(page.stem, []))
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

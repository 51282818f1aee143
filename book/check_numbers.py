"""The gate on numbers: a measured number that no cell and no result file stands behind stops the build.

What counts as measured: "a ± b", every number with a decimal point, and every whole number with a unit behind it (%,
dB, nats, grey levels, seconds, GB ...). Numbers in code, mathematics, links, and of sections and figures are not.

- In a chapter such a number is printed by a cell above it, or set in that cell's code, after rounding. An "a ± b" is
  printed as a pair, or is the mean and spread of one key, or a difference and its interval, of a study it loads.
- On a page of the book it lies inside a phrase that `measured.py` computes from the results, letter by letter.
- Or it is marked as somebody else's: it stands in a column or a sentence that names the paper or the released code.

The committed notebooks are read, never those that this machine ran: another processor may print another last digit.
"""

import json
import re
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import make_claims
import measured

from tatslib.errors import UserError
from tatslib.studies.results import Results, load

ROOT = Path(__file__).resolve().parent.parent
GENERATED = (make_claims.PAGE.stem,)  # written by a program from the results, and compared with them below
COSTS = "**What it costs.**"  # held to the recorded run by tests/test_gates.py

FIGURE = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e-?\d+)?"
UNIT = r"%|dB\b|nats?\b|grey levels?\b|(?:milli)?seconds?\b|ms\b|minutes?\b|hours?\b|[KMG]i?B\b|tokens/s\b"
NUMBER = re.compile(rf"(?<![\w.,^_/-])(?P<figure>{FIGURE})(?P<unit>\s(?:{UNIT}))?(?![\w^]|[.,/-]\w)")
PAIR = re.compile(rf"(?P<mean>[-+−]?{FIGURE})\s*±\s*(?P<spread>{FIGURE})")
CODE = r"```.*?```|:::|<!--.*?-->|<svg.*?</svg>|\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|\]\([^)]*\)|https?://\S+|<[^>]+>"
PLACES = r"\b(?:Sections?|Chapters?|Figures?|Fig\.|Tables?|Equations?|Eq\.|Exercises?|versions?|Python|Supplement)"
SILENT = re.compile(
    rf"{CODE}|{PLACES}\s[A-D]?\.?\d+(?:\.\d+)?|\(\d\.\d\)|\bCC BY \d\.\d|\b\d\.\d(?:, \d\.\d)+", re.DOTALL
)
MARKED = re.compile(r"\b(?:[Pp]aper|[Aa]uthors|[Rr]eleased)\b|\b[ABC]\.[1-4]\b")
SENTENCE = re.compile(r"(?<=[.!?:;])\s+(?=[A-Z*\"(\[])")
DATA = re.compile(r"data:[a-z0-9/+-]+;base64,[A-Za-z0-9+/=]+")
LOADED = re.compile(r"(?:load|by_scale)\(\s*\"([\w-]+)\"")


def blank(found: re.Match[str]) -> str:
    """As many spaces, so that places in the text stay the same."""
    return re.sub(r"\S", " ", found[0])


def pieces(text: str) -> Iterator[str]:
    """Sentences and table cells that are not marked as somebody else's; code and mathematics blanked out."""
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
            yield from (s for s in SENTENCE.split(SILENT.sub(blank, found)) if not MARKED.search(s))


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
def printed(cell: dict[str, Any]) -> str:
    """A code cell's source and all it shows, without pictures."""
    parts = ["".join(cell["source"])]
    for output in cell["outputs"]:
        data = output.get("data", {})
        parts += [
            "".join(output.get("text", [])),
            *("".join(data.get(kind, [])) for kind in ("text/plain", "text/html")),
        ]
    return DATA.sub("", "\n".join(parts))


def backed_by_cells(number: re.Match[str], above: str) -> bool:
    """Whether a number above, rounded, is this one; for a percentage, also as a share."""
    found = [value(figure) for figure in re.findall(FIGURE, above)]
    percent = (number["unit"] or "").strip() == "%"
    return any(rounds_to(x, number["figure"]) or (percent and rounds_to(100 * x, number["figure"])) for x in found)


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


def chapter_complaints(notebook: Path) -> Iterator[str]:
    """Numbers in a chapter's text that nothing above them printed."""
    above, studies = "", list[Results]()
    for cell in json.loads(notebook.read_text())["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            above += printed(cell)
            studies += [load(name) for name in LOADED.findall(source)]
            continue
        for text in pieces(source):
            for number, pair in numbers(text):
                if pair is not None:
                    fine = pair[0] in above or any(pair_of_study(pair, study) for study in studies)
                else:
                    fine = backed_by_cells(number, above) or any(mean_of_study(number, s) for s in studies)
                if not fine and not settled(notebook.stem, text, number):
                    yield complaint(notebook.stem, text, number)


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
    shown, around = (" ".join(x.split()) for x in (number[0], text[max(0, number.start() - 60) : number.end() + 40]))
    return (
        f"{page}: {shown!r} has no source, in {around!r}. It is printed by no cell above, stands in no phrase of "
        "book/measured.py, and is not marked as the paper's."
    )


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
    """Say what has no source."""
    if found := complaints():
        raise SystemExit("\n".join(found))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(str(error)) from None

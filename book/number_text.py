"""What counts as a measured number in a text, whose it is, and what it is equal to: read for the gate on numbers."""

import re
from collections.abc import Iterator
from itertools import zip_longest

COSTS = "**What it costs.**"  # held to the recorded run by tests/test_gates.py

FIGURE = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e-?\d+)?"
UNIT = r"%|(?:percent|dB|nats?|grey levels?|(?:milli)?seconds?|m?s|minutes?|hours?|[KMGT]i?B|tokens/s)\b"
SIGN = r"(?:(?<![\w)])[-−])?"
FIRST, LAST = r"(?<![\w.^_])(?<![A-Za-z_][/-])", r"(?![\w^]|\.\w|[/-][A-Za-z_])"  # no part of a name, version or path
NUMBER = re.compile(rf"{FIRST}(?P<sign>{SIGN})(?P<figure>{FIGURE})(?P<unit>\s?(?:{UNIT})|x\b)?{LAST}")
PAIR = re.compile(rf"(?P<sign>{SIGN})(?P<mean>(?<![\d.]){FIGURE})\s*±\s*(?P<spread>{FIGURE}){LAST}")
TAG = r"</?[A-Za-z][\w-]*(?:\s+[\w:-]+(?:=\"[^\"]*\")?)*\s*/?>"
CODE = rf"```.*?```|:::|<!--.*?-->|<svg.*?</svg>|\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|\]\([^)]*\)|https?://\S+|{TAG}"
PLACES = r"\b(?:[Ss]ections?|Chapters?|Figures?|Fig\.|Tables?|Equations?|Eq\.|Exercises?|versions?|Python|Supplement)"
SECTIONS = r"\([1-5]\.[1-4](?:(?:,| to) (?:[1-5A-C]\.[1-4]|[A-C]))*\)"  # of the paper
SILENT = re.compile(rf"{CODE}|{PLACES}\s[A-D]?\.?\d+(?:\.\d+)?|{SECTIONS}|\bCC BY \d\.\d", re.DOTALL)
MARKED = re.compile(r"(?<=\b[Tt]he )(?:paper|authors)\b|\b[Pp]ublished\b|^\W*Paper\b|\b[ABC]\.[1-4]\b")
OURS = re.compile(r"\b(?:[Ww]e|[Oo]urs?|[Hh]ere|[Tt]oy)\b")
SENTENCE = re.compile(r"(?<=[.!?:;])\s+(?=[A-Z*\"(\[])")
CLAUSE = re.compile(r"[,;]\s|\s[–—]\s|\s\(|\)|\b(?:and|but|or|while|whereas)\b")
ITEM = re.compile(r"^\s*(?:[-*+]|\d+[.)]|#+)\s", re.MULTILINE)  # how an item of a list or a heading begins
CITED = re.compile(r"\s\((?P<where>[^()]*)\)")


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
            heads = split_row(rows[0])
            yield from (ours(head) for head in heads)
            for row in rows[2:]:
                cells = zip_longest(heads, split_row(row), fillvalue="")
                yield from (cell for head, cell in cells if not MARKED.search(head))
            lines = [line for line in lines if not line.startswith("|")]
        for item in ITEM.split(SILENT.sub(blank, "\n".join(lines))):
            found = " ".join(line.strip() for line in item.splitlines())
            yield from (ours(sentence) for sentence in SENTENCE.split(found))


def split_row(row: str) -> list[str]:
    """The cells of one line of a table."""
    return re.split(r"(?<!\\)\|", SILENT.sub(blank, row.strip().strip("|")))


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


def rounds_to(found: float, figure: str, sign: str = "") -> bool:
    """Whether a number, rounded to the digits shown, is the one that is shown.

    A minus that is shown has to be there; without one the words around may say it ("loses 0.3 dB").
    """
    mantissa, _, exponent = figure.partition("e")
    half = 0.5 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2])) * (1 + 1e-9)
    shown = value(figure)
    return abs(found + shown) <= half or (not is_minus(sign) and abs(found - shown) <= half)


def is_minus(sign: str) -> bool:
    """Whether this is a minus, typed or printed."""
    return sign in ("-", "−")

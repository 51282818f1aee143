"""Docstrings as Markdown: plain text in, the same words out, with Google's sections as lists.

What a docstring may hold: paragraphs; `code` in backticks; lists; lines set in by four or more, which are tables,
formulas or programs and keep their shape; a legend of letters; and the sections Args, Returns, Yields, Raises and
Attributes, after which the text may go on. What Markdown would take for a sign of its own is escaped.
"""

import re
from collections.abc import Callable, Iterator
from itertools import groupby
from textwrap import dedent, indent

Words = Callable[[str], str]  # how a piece of code in backticks is set

SECTIONS = {
    "Args": "Arguments",
    "Returns": "Returns",
    "Yields": "Yields",
    "Raises": "Raises",
    "Attributes": "Attributes",
}
ITEM = re.compile(r"(\*{0,2}\w[\w.]*(?:, \*{0,2}\w[\w.]*)*):(?: (.*))?$")
BULLET = re.compile(r"[*-] ")
SPECIAL = re.compile(r"([\\*_\[\]<>|$#~{}&`])")
AT_THE_START = re.compile(r"^(\d+(?=[.)])|)([-+=:!.)])")  # of a line: lists, rules, definitions


def described(text: str, words: Words) -> list[str]:
    """The Markdown blocks of a docstring."""
    blocks: list[str] = []
    lines = text.splitlines()
    while lines:
        head = lines[0].removesuffix(":")
        if lines[0].endswith(":") and head in SECTIONS:
            end = next((n for n, line in enumerate(lines[1:], 1) if line and not line.startswith(" ")), len(lines))
            blocks += section(SECTIONS[head], dedent("\n".join(lines[1:end])).strip("\n"), words)
        else:
            heads = [
                n for n, line in enumerate(lines[1:], 1) if line.removesuffix(":") in SECTIONS and line[-1:] == ":"
            ]
            end = min(heads, default=len(lines))
            blocks += prose("\n".join(lines[:end]), words)
        lines = lines[end:]
    return blocks


def section(head: str, text: str, words: Words) -> Iterator[str]:
    """A section: its name, and a list of what it names, or the text where it names nothing."""
    parts = list(items(text))
    if head in ("Returns", "Yields") or not parts:
        first, *rest = prose(text, words)
        yield f"**{head}** {first}"
        yield from rest
        return
    yield f"**{head}**"
    rows = []
    for name, said in parts:
        body = "\n\n".join(prose(said, words)) or "\\ "
        rows.append(f"`{name}`\n: {indent(body, '  ').lstrip()}")
    yield "{.api-items}\n" + "\n\n".join(rows)


def items(text: str) -> Iterator[tuple[str, str]]:
    """Name and words of each item; nothing if the text is not made of items."""
    lines = text.splitlines()
    starts = [n for n, line in enumerate(lines) if line and not line.startswith(" ")]
    heads = [ITEM.match(lines[n]) for n in starts]
    if not all(heads):
        return
    for head, start, end in zip(heads, starts, [*starts[1:], len(lines)], strict=True):
        assert head is not None
        yield head[1], "\n".join([head[2] or "", dedent("\n".join(lines[start + 1 : end]))]).strip()


def prose(text: str, words: Words) -> list[str]:
    """Paragraphs, lists and what keeps its shape."""
    blocks: list[str] = []
    for piece in re.split(r"\n\s*\n", text.strip("\n")):
        lines = piece.splitlines()
        if any(BULLET.match(line) for line in lines):
            blocks += bullets(lines, words)
            continue
        for is_set_in, group in groupby(lines, key=lambda line: line.startswith("    ")):
            rows = list(group)
            if not is_set_in:
                blocks.append(paragraph(rows, words))
            elif blocks and re.match(r"(Dimension letters|Letters)\b", blocks[-1]):
                blocks[-1] = f"**{blocks[-1]}**: {paragraph(rows, words)}"
            else:
                blocks.append("~~~~text\n" + dedent("\n".join(rows)) + "\n~~~~")
    return [block for block in blocks if block]


def bullets(lines: list[str], words: Words) -> Iterator[str]:
    """A paragraph with a list in it, which may have lines before it."""
    starts = [n for n, line in enumerate(lines) if BULLET.match(line)]
    if starts[0]:
        yield paragraph(lines[: starts[0]], words)
    ends = [*starts[1:], len(lines)]
    points = [paragraph([lines[a][2:], *lines[a + 1 : b]], words) for a, b in zip(starts, ends, strict=True)]
    yield "\n".join(f"- {point}" for point in points)


def paragraph(lines: list[str], words: Words) -> str:
    """Lines as one, escaped, but for what is code."""
    line = " ".join(row.strip() for row in lines)
    pieces = re.split(r"`([^`]+)`", line)
    said = [words(piece) if n % 2 else SPECIAL.sub(r"\\\1", piece) for n, piece in enumerate(pieces)]
    return AT_THE_START.sub(r"\1\\\2", "".join(said))

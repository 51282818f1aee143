"""Where a claim is computed: the cell of a chapter, found by a piece of its source.

Ids of cells follow from their sources (`run_chapters.build_notebook`), so that an id stays when a chapter is run again
and changes when the cell is rewritten. A claim therefore names a piece of source, and the id is looked up.
"""

import json
import re
from functools import cache
from pathlib import Path

from tatslib.errors import UserError

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def find(chapter: str, piece: str) -> dict[str, str]:
    """The code cell in the committed notebook of a chapter that holds this piece of source.

    Args:
        chapter: number and section, such as "04 What it costs".
        piece: text that no other code cell of the chapter has.

    Returns:
        "id" of the cell, "notebook" it is in, and "anchor" of its section there.

    Raises:
        UserError: if there is no such chapter, no cell or several with that piece, or it stands in another section.
    """
    number, _, section = chapter.partition(" ")
    notebooks = sorted(NOTEBOOKS.glob(f"{number}_*.ipynb"))
    if not number or not notebooks:
        raise UserError(f"there is no chapter {number!r}, whose cell with {piece!r} computes a claim.")
    holding = [(name, under) for name, under, source in cells(notebooks[0]) if piece in source]
    if len(holding) != 1:
        count = f"{len(holding)} cells" if holding else "no cell"
        raise UserError(f"{notebooks[0].name} has {count} with {piece!r}: a claim needs one.")
    name, under = holding[0]
    if under != section:
        raise UserError(f"in {notebooks[0].name} the cell with {piece!r} stands under {under!r}, not {section!r}.")
    return {"id": name, "notebook": f"notebooks/{notebooks[0].name}", "anchor": anchor(section)}


@cache
def cells(notebook: Path) -> tuple[tuple[str, str, str], ...]:
    """Id, section (the last heading of second level above it) and source of each code cell."""
    found, section = [], ""
    for cell in json.loads(notebook.read_text())["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            found.append((cell["id"], section, source))
        elif headings := re.findall(r"^## (.+)$", source, re.MULTILINE):
            section = headings[-1].strip()
    return tuple(found)


def anchor(section: str) -> str:
    """What the renderer makes of a heading in an address: "What it costs" to "what-it-costs"."""
    return re.sub(r"[^\w\u4e00-\u9fff\- ]", "", section.lower().replace(" ", "-"))

"""Render the book into book/_build/html, with warnings as errors, and print where it is.

    render.py --chapters notebooks                 from the outputs that are stored in the repository
    render.py --chapters book/_build/notebooks     from the runs of this machine

The renderer is given a copy of the sources whose root stands for the repository's root, so that the addresses behind
the Colab buttons are right, and whose chapters are the ones asked for.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import api_pages
import check_numbers
import yaml

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
SOURCE = BOOK / "_build" / "source"
HTML = BOOK / "_build" / "html"
MARK = "# NBVAL_CHECK_OUTPUT\n"


def contents() -> dict[str, Any]:
    """The table of contents, with a page for each room of the package below the one that lists them."""
    table = yaml.safe_load((BOOK / "_toc.yml").read_text())
    for chapter in (chapter for part in table["parts"] for chapter in part["chapters"]):
        if chapter["file"] == "api":
            chapter["sections"] = [{"file": f"api/{room}"} for room in api_pages.rooms()]
    return table


def pages() -> list[str]:
    """What the table of contents names, in its order."""
    table = contents()
    chapters = [chapter for part in table["parts"] for chapter in part["chapters"]]
    return [table["root"], *(e["file"] for chapter in chapters for e in [chapter, *chapter.get("sections", [])])]


def lay_out(chapters: Path, or_stored: bool = False) -> None:
    """Fill `SOURCE` afresh.

    Args:
        chapters: folder with the executed notebooks.
        or_stored: take a chapter that is not there as it is stored in the repository.
    """
    for folder in (SOURCE, HTML, BOOK / "_build" / ".doctrees"):
        shutil.rmtree(folder, ignore_errors=True)
    (SOURCE / "notebooks").mkdir(parents=True)
    for name in ("_config.yml", "references.bib"):
        shutil.copy(BOOK / name, SOURCE / name)
    (SOURCE / "_toc.yml").write_text(yaml.safe_dump(contents(), sort_keys=False))
    api_pages.write(SOURCE / "api")
    for name in ("_static", "_ext"):
        shutil.copytree(BOOK / name, SOURCE / name, ignore=shutil.ignore_patterns("__pycache__"))
    for page in pages():
        if page.startswith("notebooks/"):
            chapter = chapters / f"{Path(page).name}.ipynb"
            if or_stored and not chapter.exists():
                chapter = ROOT / f"{page}.ipynb"
            if not chapter.exists():
                sys.exit(f"{chapter} does not exist: run book/run_chapters.py first.")
            (SOURCE / "notebooks" / chapter.name).write_text(without_marks(chapter.read_text()))
        elif not page.startswith("api/"):
            shutil.copy(BOOK / f"{page}.md", SOURCE)


def without_marks(notebook: str) -> str:
    """A notebook without the first lines that ask for outputs to be compared: tests read them, nobody else."""
    content = json.loads(notebook)
    for cell in content["cells"]:
        source = "".join(cell["source"])
        cell["source"] = source.removeprefix(MARK) if cell["cell_type"] == "code" else source
    return json.dumps(content)


def main() -> None:
    """Check the numbers, lay out, render, say where."""
    parser = argparse.ArgumentParser(description="Render the book.")
    parser.add_argument("--chapters", type=Path, required=True, help="folder with the executed notebooks")
    parser.add_argument("--or-stored", action="store_true", help="those that are not there as the repository has them")
    options = parser.parse_args()
    if found := check_numbers.complaints():
        sys.exit("\n".join([*found, "The book was not rendered: numbers without a source, see above."]))
    lay_out(ROOT / options.chapters, options.or_stored)
    # The renderer numbers nothing from the clock, but asks git and the time zone; give it the same answers everywhere.
    environment = os.environ | {"TZ": "UTC", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(SOURCE), "--path-output", str(BOOK)]
    strict = ["-W", "-n", "--keep-going"]
    done = subprocess.run([*command, *strict], env=environment, check=False, capture_output=True, text=True)
    if done.returncode or not (HTML / "index.html").exists():
        sys.exit(f"{done.stdout}\n{done.stderr}\nThe book was not rendered, see above.")
    print(f"The book: {HTML / 'index.html'}")


if __name__ == "__main__":
    main()

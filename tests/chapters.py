"""What the gates look at: each chapter's text, notebook, and what its outputs show."""

import json
import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
COLAB = "https://colab.research.google.com/" + REPOSITORY.removeprefix("https://").replace("github.com", "github", 1)
DATA_ADDRESS = re.compile(r"data:[a-z0-9/+-]+;base64,[A-Za-z0-9+/=]+")


class Shown(HTMLParser):
    """Pictures, drawings, videos and figures in a piece of HTML, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("img", "svg", "video", "figure"):
            self.tags.append((tag, {name: value or "" for name, value in attrs}))


@dataclass(frozen=True)
class Chapter:
    """notebooks/NN_name.py and the notebook made from it."""

    text: Path

    @property
    def name(self) -> str:
        return self.text.stem

    @property
    def notebook(self) -> Path:
        return self.text.with_suffix(".ipynb")

    @cached_property
    def content(self) -> dict[str, Any]:
        return json.loads(self.notebook.read_text())

    def cells(self, kind: str) -> list[dict[str, Any]]:
        return [cell for cell in self.content["cells"] if cell["cell_type"] == kind]

    def sources(self, kind: str) -> list[str]:
        return ["".join(cell["source"]) for cell in self.cells(kind)]

    def outputs(self) -> list[dict[str, Any]]:
        return [output for cell in self.cells("code") for output in cell["outputs"]]

    def html(self) -> list[str]:
        return ["".join(o["data"]["text/html"]) for o in self.outputs() if "text/html" in o.get("data", {})]

    def shown(self) -> list[tuple[str, dict[str, str]]]:
        return [tag for html in self.html() for tag in Shown(html).tags]

    def printed(self) -> str:
        """All text of all outputs, without the pictures in it."""
        return DATA_ADDRESS.sub("", json.dumps(self.outputs()))


CHAPTERS = [Chapter(path) for path in sorted((ROOT / "notebooks").glob("*.py"))]

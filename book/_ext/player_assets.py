"""The players of `tatslib.viz` for the pages that are not notebooks: one style sheet, the same scripts."""

import shutil
from pathlib import Path
from typing import Any

import tatslib.viz

FILES = ["viz.css", "player.js", "flipbook.js"]


def copy_assets(app: Any, error: Exception | None) -> None:
    """Copy the files into the built site."""
    if error is None and app.builder.format == "html":
        for name in FILES:
            shutil.copy(Path(tatslib.viz.__file__).parent / name, Path(app.outdir) / "_static" / name)


def setup(app: Any) -> dict[str, bool]:
    """Sphinx calls this."""
    app.add_css_file("viz.css")
    app.add_js_file("player.js", loading_method="defer")
    app.connect("build-finished", copy_assets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

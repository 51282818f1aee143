"""MathJax from this site instead of a CDN: the one script and the fonts the book needs, out of a package of 24 MB."""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FILES = ["tex-chtml.js", "output/chtml/fonts/woff-v2"]


def copy_mathjax(app: Any, error: Exception | None) -> None:
    """Copy the files into the built site."""
    if error is not None or app.builder.format != "html":
        return
    spec = find_spec("sphinx-mathjax-offline")
    assert spec is not None and spec.origin is not None, "sphinx-mathjax-offline is in the extra `book`"
    source = Path(spec.origin).parent / "static" / "mathjax"
    target = Path(app.outdir) / "_static" / "mathjax"
    for name in FILES:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, dirs_exist_ok=True)
        else:
            shutil.copy(source / name, target / name)


def setup(app: Any) -> dict[str, bool]:
    """Sphinx calls this."""
    app.config.mathjax_path = "mathjax/tex-chtml.js"
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Turn "Figure 3.2" in the text into a link to that figure, in whichever chapter it stands.

Notebooks must read well on Colab too, where cross-reference syntax would show as it is typed. So the text just says
"Figure 3.2", and the address is filled in here. A figure that is mentioned and does not exist is a warning, and the
book is built with warnings as errors.
"""

import re
from typing import Any

from docutils import nodes
from sphinx.util import logging

MENTION = re.compile(r"\bFigure ([0-9A-Z]+\.[0-9]+)\b")
ANCHOR = re.compile(r'<figure[^>]* id="(fig-[0-9a-z]+-[0-9]+)"')
logger = logging.getLogger(__name__)


def collect(app: Any, document: nodes.document) -> None:
    """Remember on which page each figure stands."""
    found = app.env.tats_figures
    for raw in document.findall(nodes.raw):
        for anchor in ANCHOR.findall(raw.astext()):
            if found.setdefault(anchor, app.env.docname) != app.env.docname:
                logger.warning("%s stands in %s as well", anchor, found[anchor], location=app.env.docname)


def link(app: Any, document: nodes.document, page: str) -> None:
    """Replace mentions by links, but for those in code, titles, links and the figures themselves."""
    fixed = (nodes.literal, nodes.literal_block, nodes.reference, nodes.title, nodes.raw)
    for text in list(document.findall(nodes.Text)):
        parent = text.parent
        if MENTION.search(text) is None or any(isinstance(node, fixed) for node in ancestors(text)):
            continue
        pieces: list[nodes.Node] = []
        end = 0
        for mention in MENTION.finditer(text):
            anchor = "fig-" + mention.group(1).replace(".", "-").lower()
            pieces.append(nodes.Text(text[end : mention.start()]))
            pieces.append(reference(app, page, anchor, mention.group()))
            end = mention.end()
        pieces.append(nodes.Text(text[end:]))
        parent.replace(text, pieces)


def reference(app: Any, page: str, anchor: str, words: str) -> nodes.Node:
    """A link to a figure, or the bare words and a warning where there is no such figure."""
    target = app.env.tats_figures.get(anchor)
    if target is None:
        logger.warning("the text mentions %s, which does not exist", words, location=page)
        return nodes.Text(words)
    address = "" if target == page else app.builder.get_relative_uri(page, target)
    return nodes.reference("", words, refuri=f"{address}#{anchor}", internal=True)


def ancestors(node: nodes.Node) -> list[nodes.Node]:
    """The nodes around a node, from the inside out."""
    around = []
    while node.parent is not None:
        node = node.parent
        around.append(node)
    return around


def start(app: Any) -> None:
    """Begin each build with a fresh table."""
    app.env.tats_figures = {}


def setup(app: Any) -> dict[str, bool]:
    """Sphinx calls this."""
    app.connect("builder-inited", start)
    app.connect("doctree-read", collect)
    app.connect("doctree-resolved", link)
    return {"parallel_read_safe": False, "parallel_write_safe": True}

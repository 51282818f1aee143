"""Print the rendered book into one PDF, through the Chromium of the browser tests: `make pdf`.

The pages are joined into one, `book/_build/html/print.html`, without their scripts. So every widget is the picture
that it is where scripts are switched off; a video is its poster, and answers are open. Links between chapters lead to
pages of the PDF. The reference of the package is left out.
"""

import re
import sys
from collections.abc import Iterator
from html import escape
from pathlib import PurePosixPath

import render
import yaml
from browser import NO_BROWSER, find_browser
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import sync_playwright

PAGE = render.HTML / "print.html"
PDF = render.BOOK / "_build" / "long-videos-step-by-step.pdf"
OUTSIDE = ("http:", "https:", "mailto:", "data:")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
MINUTES = 10 * 60_000  # mathematics of a whole book, on a busy machine
MATHEMATICS = '<script>window.MathJax = {"options": {"processHtmlClass": "math"}}</script>'


def printed() -> list[str]:
    """The pages that are printed, in their order."""
    return [page for page in render.pages() if not page.startswith("api")]


def anchor(page: str, fragment: str = "") -> str:
    """Where a place of a page is found in the joined one."""
    return re.sub(r"\W", "-", page) + (f"--{fragment}" if fragment else "")


def article(page: str) -> tuple[str, str]:
    """Title and text of a page, fit for paper."""
    soup = BeautifulSoup((render.HTML / f"{page}.html").read_text(), "html.parser")
    text = soup.find("article", class_="bd-article")
    assert isinstance(text, Tag) and text.h1, f"{page} has a text with a heading"
    for gone in text.select("script, noscript, a.headerlink, .tats-bar, .tats-sound, .toctree-wrapper"):
        gone.decompose()
    title = text.h1.get_text().strip()
    for video in text.find_all("video"):
        video.replace_with(soup.new_tag("img", src=video["poster"], alt=video.get("aria-label", "")))
    for answer in text.find_all("details"):
        opened = answer.summary
        assert opened is not None
        opened.replace_with(BeautifulSoup('<p class="answer">Answer</p>', "html.parser"))
        answer.name = "div"
    for place in text.find_all(id=True):
        if not place.find_parents("svg") and place.name != "svg":
            place["id"] = anchor(page, place["id"])
    for link in text.find_all("a", href=True):
        link["href"] = target(page, link["href"])
        if not link["href"]:
            link.unwrap()
    for picture in text.find_all("img", src=True):
        if not picture["src"].startswith(OUTSIDE):
            picture["src"] = beside(page, picture["src"])
    return title, f'<article class="bd-article" id="{anchor(page)}">{text.decode_contents()}</article>'


def beside(page: str, address: str) -> str:
    """An address that a page gives, as seen from the root of the book."""
    parts: list[str] = []
    for part in (PurePosixPath(page).parent / address).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def target(page: str, address: str) -> str:
    """Where a link leads on paper; nowhere, if what it leads to is not printed."""
    if address.startswith(OUTSIDE):
        return address
    path, _, fragment = address.partition("#")
    other = beside(page, path).removesuffix(".html") if path else page
    return f"#{anchor(other, fragment)}" if other in printed() else ""


def joined() -> Iterator[str]:
    """The one page, piece by piece."""
    config = yaml.safe_load((render.BOOK / "_config.yml").read_text())
    texts = [article(page) for page in printed()]
    first = BeautifulSoup((render.HTML / "index.html").read_text(), "html.parser")
    yield '<!DOCTYPE html><html lang="en" data-theme="light" data-mode="light"><head><meta charset="utf-8">'
    yield f"<title>{escape(config['title'])}</title>"
    for sheet in first.find_all("link", rel="stylesheet"):
        yield f'<link rel="stylesheet" href="{escape(sheet["href"])}">'
    # inside the page: whatever lies in _static, Jupyter Book hangs on every page of the site
    yield f"<style>{(render.BOOK / 'print.css').read_text()}</style>{MATHEMATICS}"
    yield '<script defer src="_static/mathjax/tex-chtml.js"></script></head><body><div class="bd-content">'
    yield f'<div class="title-page"><img src="{config["logo"]}" alt=""><p class="title">{escape(config["title"])}</p>'
    yield f"<p>{escape(config['author'])}, {config['copyright']}</p>"
    yield "<p>Text and figures CC BY 4.0, code MIT. Videos are shown by their first pictures, answers are open; what "
    yield f"moves, and the reference of the package, is in the book:<br>{escape(config['repository']['url'])}</p></div>"
    yield '<nav class="book-contents"><p class="head">Contents</p><ol>'
    for page, (title, _) in zip(printed(), texts, strict=True):
        number = re.match(r"notebooks/(\d+)_", page)
        yield f'<li><b>{int(number[1]) if number else ""}</b><a href="#{anchor(page)}">{escape(title)}</a></li>'
    yield "</ol></nav>"
    for _, text in texts:
        yield text
    yield "</div></body></html>"


def main() -> None:
    """Join, print, say where."""
    if not (render.HTML / "index.html").exists():
        sys.exit("There is no rendered book to print: run `make book` first.")
    path = find_browser()
    if path is None:
        sys.exit(NO_BROWSER)
    PAGE.write_text("\n".join(joined()))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page()
        page.set_default_timeout(MINUTES)
        page.goto(PAGE.as_uri())
        page.evaluate("MathJax.startup.promise.then(() => document.fonts.ready).then(() => true)")
        page.pdf(path=PDF, prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
        browser.close()
    PAGE.unlink()
    print(f"The book: {PDF}")


if __name__ == "__main__":
    main()

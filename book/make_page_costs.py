"""Measure what opening each page of the rendered book costs a reader, and write book/results/page-costs.json.

Run it after `make book`, on an idle machine. Pages come from this machine, so the times are those of reading and
drawing; what travels over a network on top is the megabytes.
"""

import functools
import http.server
import json
import sys
import threading

import render
from browser import NO_BROWSER, find_browser
from playwright.sync_api import Browser, sync_playwright

from tatslib.files import replacing
from tatslib.progress import progress
from tatslib.studies.results import STORED, Numbers, provenance, rounded

REPETITIONS = 3
COMMAND = "PYTHONPATH=tools python book/make_page_costs.py"
PROTOCOL = f"""Every page of the book, opened {REPETITIONS} times in a new window of a headless Chromium, 1280 by 900
    pixels, which has seen none of it before, from a server on the same machine. seconds: until the load event, pictures
    and scripts included. megabytes: of all that was transferred until then, videos as far as they were asked for.
    heaviest, slowest: the largest of a page over all pages. Seeds are repetitions."""
LOOK = """() => {
    const [page] = performance.getEntriesByType("navigation"), parts = performance.getEntriesByType("resource");
    return [page.loadEventEnd / 1000, [page, ...parts].reduce((sum, part) => sum + part.transferSize, 0) / 1e6];
}"""


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves the book and says nothing of it."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def open_all(browser: Browser, address: str) -> Numbers:
    """Seconds and megabytes of each page by its name, and the largest of each."""
    pages: Numbers = {}
    for name in progress(render.pages(), "opening the pages", unit="page"):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.goto(f"{address}{name}.html", wait_until="load", timeout=120_000)
        page.wait_for_function("performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
        seconds, megabytes = page.evaluate(LOOK)
        pages[name.replace("/", ".")] = {"seconds": seconds, "megabytes": megabytes}
        context.close()
    largest = {what: max(page[what] for page in pages.values()) for what in ("seconds", "megabytes")}
    return {"slowest": largest["seconds"], "heaviest": largest["megabytes"], "pages": pages}


def main() -> None:
    """Serve the rendered book, open every page, store."""
    path = find_browser()
    if path is None:
        sys.exit(NO_BROWSER)
    if not (render.HTML / "index.html").exists():
        sys.exit("There is no rendered book: run `make book` first.")
    origin = provenance(COMMAND)
    handler = functools.partial(QuietHandler, directory=str(render.HTML))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        address = f"http://127.0.0.1:{server.server_port}/"
        seeds = {str(k): rounded(open_all(browser, address), 3) for k in range(REPETITIONS)}
        browser.close()
        server.shutdown()
    content = {"study": "page-costs", "protocol": " ".join(PROTOCOL.split()), "provenance": origin, "seeds": seeds}
    with replacing(STORED / "page-costs.json") as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    first = seeds["0"]["pages"]
    for name in sorted(first, key=lambda name: -first[name]["megabytes"])[:5]:
        print(f"{name:48s}{first[name]['megabytes']:8.2f} MB{first[name]['seconds']:8.2f} s")


if __name__ == "__main__":
    main()

"""One Chromium for all browser tests: playwright cannot be started twice in a process."""

import os
from collections.abc import Iterator

import pytest
from browser import NO_BROWSER, find_browser
from playwright.sync_api import Browser, sync_playwright

# Chromium on a machine without a screen, as root, and without its own traffic to the outside.
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"),
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = find_browser()
    if path is None and os.environ.get("TATS_NO_BROWSER") == "1":
        pytest.skip("TATS_NO_BROWSER=1: the reader asked to go without the browser tests")
    assert path is not None, NO_BROWSER
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()

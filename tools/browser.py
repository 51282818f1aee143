"""Find a Chromium for the browser tests, or get one.

Looked for in this order: `TATS_BROWSER`, Chromium or Chrome on the PATH, the one playwright downloaded. With
`--install` a missing one is installed: by apt-get for root on Debian and Ubuntu, else by playwright's own download.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
NO_BROWSER = (
    "NO BROWSER: the built page was NOT tested, because no Chromium was found and none could be installed; "
    "install Chromium, or name one in TATS_BROWSER, or set TATS_NO_BROWSER=1 to go without this test."
)


def find_browser() -> str | None:
    """Path of a Chromium that can be started, or None."""
    named = os.environ.get("TATS_BROWSER")
    for name in [named] if named else NAMES:
        if found := shutil.which(name):
            return found
    if named:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return str(own) if own.exists() else None


def install_browser() -> None:
    """Try the ways there are; whether one worked is seen by looking again."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        print("[browser] installing chromium with apt-get", flush=True)
        for command in ["apt-get -qq update", "apt-get -qq install -y --no-install-recommends chromium"]:
            subprocess.run(command.split(), env=environment, stdout=subprocess.DEVNULL, check=False)
    else:
        print("[browser] downloading chromium with playwright", flush=True)
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


def main() -> None:
    """Exit 0 where a browser is there (or is not wanted), 1 with one loud sentence where none can be had."""
    if find_browser() is None and "--install" in sys.argv:
        install_browser()
    if find_browser() is None:
        if os.environ.get("TATS_NO_BROWSER") != "1":
            sys.exit(NO_BROWSER)
        print("[browser] none, and TATS_NO_BROWSER=1: the built page is NOT tested.", flush=True)


if __name__ == "__main__":
    main()

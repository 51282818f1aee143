"""Where everything that is built or cached lives; the one place that reads `TATS_HOME`."""

import os
from pathlib import Path


def home() -> Path:
    """The folder named by `TATS_HOME`, or `~/.cache/tatslib`. It is not created here."""
    return Path(os.environ.get("TATS_HOME") or "~/.cache/tatslib").expanduser()

"""Numbers recorded from the released code, which the parity tests hold this package to.

The fixtures are not part of the repository. Their folder is named by `TATS_FIXTURES`; the default lies beside the
repository. Where there is no such folder, the test module that asks for it is skipped and says why in one line.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from torch import Tensor

FOLDER = Path(os.environ.get("TATS_FIXTURES") or Path(__file__).parents[2] / ".." / "shared" / "reference" / "fixtures")


def load(name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Description and tensors of one fixture; skips the calling module where the folder is missing."""
    _require_folder()
    meta = json.loads((FOLDER / f"{name}.json").read_text())
    return meta, load_file(FOLDER / f"{name}.safetensors")


def names_of_kind(kind: str) -> list[str]:
    """Names of all fixtures of one kind, sorted."""
    _require_folder()
    return sorted(name for name, found in _kinds().items() if found == kind)


@cache
def _kinds() -> dict[str, str]:
    return {path.stem: json.loads(path.read_text()).get("kind", "") for path in FOLDER.glob("*.json")}


def _require_folder() -> None:
    if not FOLDER.is_dir():
        pytest.skip(f"no parity fixtures in {FOLDER} (set TATS_FIXTURES)", allow_module_level=True)

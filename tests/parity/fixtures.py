"""Numbers recorded from the released code, which the parity tests hold this package to.

The fixtures are not part of the repository. Their folder is named by `TATS_FIXTURES`; the default lies beside the
repository. Where there are none, the test modules that ask for them are skipped, and one line at the end of the run
says so.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from torch import Tensor

DEFAULT = Path(__file__).parents[3] / "shared" / "reference" / "fixtures"
FOLDER = Path(os.environ.get("TATS_FIXTURES") or DEFAULT).resolve()


def load(name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Description and tensors of one fixture; skips the calling module where there are none."""
    _require_fixtures()
    meta = json.loads((FOLDER / f"{name}.json").read_text())
    return meta, load_file(FOLDER / f"{name}.safetensors")


def names_of_kind(kind: str) -> list[str]:
    """Names of all fixtures of one kind, sorted."""
    _require_fixtures()
    return sorted(name for name, found in _kinds().items() if found == kind)


@cache
def _kinds() -> dict[str, str]:
    return {path.stem: json.loads(path.read_text()).get("kind", "") for path in FOLDER.glob("*.json")}


def present() -> bool:
    """Whether the folder holds any fixture."""
    return bool(_kinds())


def _require_fixtures() -> None:
    if not present():
        pytest.skip(f"no fixtures in {FOLDER} (set TATS_FIXTURES)", allow_module_level=True)

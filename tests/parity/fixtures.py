"""Numbers recorded from the released code, which the parity tests hold this package to.

The fixtures are not part of the repository. Their folder is named by `TATS_FIXTURES`; the default lies beside the
repository. Where there are none, the test modules that ask for them are skipped, and one line at the end of the run
says so. Nothing is known about a fixture beforehand but its kind: names, sizes and seeds are read from its files.
"""

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from torch import Tensor

DEFAULT = Path(__file__).parents[3] / "shared" / "reference" / "fixtures"
FOLDER = Path(os.environ.get("TATS_FIXTURES") or DEFAULT).resolve()


def load(name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Description and tensors of one fixture."""
    meta = json.loads((FOLDER / f"{name}.json").read_text())
    return meta, load_file(FOLDER / f"{name}.safetensors")


def names_of_kind(kind: str) -> list[str]:
    """Names of all fixtures of one kind, sorted; skips the calling module where there are no fixtures at all."""
    if not present():
        pytest.skip(f"no fixtures in {FOLDER} (set TATS_FIXTURES)", allow_module_level=True)
    return sorted(name for name, found in _kinds().items() if found == kind)


def files_beside(folder: str, pattern: str) -> list[Path]:
    """Files of another kind, in a folder beside the fixtures; skips the calling module where there are none."""
    found = sorted((FOLDER.parent / folder).glob(pattern))
    if not found:
        pytest.skip(f"no {pattern} in {FOLDER.parent / folder} (beside TATS_FIXTURES)", allow_module_level=True)
    return found


def present() -> bool:
    """Whether the folder holds any fixture."""
    return bool(_kinds())


@cache
def _kinds() -> dict[str, str]:
    found = (path for path in FOLDER.glob("*.json") if path.with_suffix(".safetensors").exists())
    return {path.stem: json.loads(path.read_text())["kind"] for path in found}


def state_of(tensors: dict[str, Tensor], module: str = "") -> dict[str, Tensor]:
    """The weights of a fixture, or of one module in it; what is stored in half precision comes in float32."""
    prefix = f"state/{module}"
    state = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    return {key: value.float() if value.is_floating_point() else value for key, value in state.items()}


def certain(tolerance: dict[str, Any], margin: Tensor) -> Tensor:
    """Where tokens have to agree: bool, of the shape of `margin` (how much farther off the second-best code is).

    The description says it in words: "exact", "exact where out/token_margin > 1e-3" or "... > 1e-2 * median".
    """
    bound = re.search(r"token_margin > ([\d.e-]+)( \* median)?", tolerance.get("tokens", "exact"))
    if not bound:
        return margin >= 0
    return margin > float(bound[1]) * (margin.median() if bound[2] else 1)

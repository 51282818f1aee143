"""Which part of the package may import which: the list stands in CONTRIBUTING.md and is read from there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RULES = (ROOT / "CONTRIBUTING.md").read_text()
RULE = re.search(r"- Imports point down this list only: (.*?),\s+and below them (.*?)\n- ", RULES, re.S)
assert RULE is not None
ROOMS, FLOOR = (re.findall(r"`(\w+)`", names) for names in RULE.groups())
HEIGHT = {name: height for height, name in enumerate(reversed(ROOMS), start=1)} | dict.fromkeys(FLOOR, 0)


def imported(path: Path) -> set[str]:
    """The parts of the package that a file imports, wherever in the file it does so."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("tatslib.")}


def test_the_list_names_every_part_of_the_package():
    inits, files = (ROOT / "tatslib").glob("*/__init__.py"), (ROOT / "tatslib").glob("*.py")
    assert set(HEIGHT) == {path.parent.name for path in inits} | {path.stem for path in files} - {"__init__"}


def test_imports_point_downwards_only():
    for path in sorted((ROOT / "tatslib").rglob("*.py")):
        room = path.relative_to(ROOT / "tatslib").parts[0].removesuffix(".py")
        for other in imported(path) - {room}:
            above = room != "__init__" and HEIGHT[other] > HEIGHT[room]
            assert not above, f"{path.relative_to(ROOT)} imports {other}, which stands above {room}"

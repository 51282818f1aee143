"""What a code cell shows, what it sets, and the words it puts below its figures: read for the gate on numbers."""

import ast
from collections.abc import Iterator
from typing import Any

WORDS = ("alt", "caption")  # arguments of what `tatslib.viz` shows


def printed(cell: dict[str, Any]) -> str:
    """What a cell wrote with `print`."""
    return "\n".join("".join(output.get("text", [])) for output in cell["outputs"])


def shown(cell: dict[str, Any]) -> str:
    """All of a cell's outputs in words.

    Without their HTML: a figure brings its styles and the coordinates of its curves, some thousand numbers, among which
    is every number that anybody could write.
    """
    described = ("".join(output.get("data", {}).get("text/plain", [])) for output in cell["outputs"])
    return "\n".join([printed(cell), *described])


def settings(source: str) -> str:
    """Numbers that a cell's code sets: assigned, given as an argument by name, or as a default.

    Comments and strings are not code: a number there is somebody's word.
    """
    values: list[ast.expr | None] = []
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.keyword):
            values.append(node.value)
        elif isinstance(node, ast.arguments):
            values += [*node.defaults, *node.kw_defaults]
    inside = [node for value in values if value is not None for node in ast.walk(value)]
    return " ".join(str(x.value) for x in inside if isinstance(x, ast.Constant) and type(x.value) in (int, float))


def below_figures(source: str) -> Iterator[str]:
    """Captions and descriptions as far as they are typed; what is computed in them is an ellipsis."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.keyword) and node.arg in WORDS:
            yield typed(node.value)


def typed(value: ast.AST) -> str:
    """The literal words of an expression, in their order."""
    if isinstance(value, ast.Constant):
        return value.value if isinstance(value.value, str) else ""
    if isinstance(value, ast.Call):  # of which only "; ".join(...) brings words of its own
        joins = isinstance(value.func, ast.Attribute) and value.func.attr == "join"
        return "… " + " ".join(typed(argument) for argument in value.args) if joins else "…"
    inner: dict[type[ast.AST], tuple[str, ...]] = {
        ast.BinOp: ("left", "right"),
        ast.JoinedStr: ("values",),
        ast.IfExp: ("body", "orelse"),
        ast.GeneratorExp: ("elt",),
        ast.ListComp: ("elt",),
        ast.List: ("elts",),
        ast.Tuple: ("elts",),
    }
    if type(value) not in inner:
        return "…"
    fields = (getattr(value, name) for name in inner[type(value)])
    return "".join(typed(part) for field in fields for part in (field if isinstance(field, list) else [field]))


def parsed(source: str) -> ast.Module:
    """The code of a cell, without the lines that only a notebook understands."""
    return ast.parse("\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()))

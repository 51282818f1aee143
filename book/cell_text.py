"""What a code cell shows, what it sets, and the words it puts below its figures: read for the gate on numbers."""

import ast
import re
from collections.abc import Iterator
from typing import Any

WORDS = ("alt", "caption")  # arguments of what `tatslib.viz` shows
DRAWS = re.compile(r"(?:ax|axes|axis|figure|fig|plt|viz|panel|left|right|above|below)")  # names of what draws
LOADED = re.compile(r"(?:load|by_scale)\('([\w-]+)'|(long_videos\.together\(\))")
MAGIC = re.compile(r"\s*(?:%{1,2}[a-z]|!(?!=))")


def printed(cell: dict[str, Any]) -> str:
    """What a cell wrote with `print`: no progress bars and timings, and no figure that was typed into its strings."""
    said = ("".join(o.get("text", [])) for o in cell["outputs"] if o.get("name", "stdout") == "stdout")
    return computed("\n".join(said), "".join(cell["source"]))


def shown(cell: dict[str, Any]) -> str:
    """All of a cell's outputs in words.

    Without their HTML: a figure brings its styles and the coordinates of its curves, some thousand numbers, among which
    is every number that anybody could write.
    """
    described = ("".join(output.get("data", {}).get("text/plain", [])) for output in cell["outputs"])
    return "\n".join([printed(cell), computed("\n".join(described), "".join(cell["source"]))])


def computed(output: str, source: str) -> str:
    """An output without the figures that stand in the code's own strings, word for word."""
    code = parsed(source)
    formats = [x.format_spec for x in ast.walk(code) if isinstance(x, ast.FormattedValue) and x.format_spec]
    widths = {id(x) for spec in formats for x in ast.walk(spec)}  # ".2f" says how, not what
    literals = (x for x in ast.walk(code) if isinstance(x, ast.Constant) and id(x) not in widths)
    strings = [x.value for x in literals if isinstance(x.value, str)]
    for words in sorted({line for string in strings for line in lines_with_figures(string)}, key=len, reverse=True):
        whole = rf"(?<![\w.]){re.escape(words)}(?!\w|\.\d)" if words[0].isdigit() else rf"{re.escape(words)}(?!\d)"
        output = re.sub(whole, lambda found: re.sub(r"\d", " ", found[0]), output)
    return output


def lines_with_figures(string: str) -> list[str]:
    """The lines of a string that have a figure in them."""
    return [line.strip() for line in string.splitlines() if re.search(r"\d", line)]


def settings(source: str) -> str:
    """Numbers that a cell's code sets: assigned, given as an argument by name, or as a default.

    Comments and strings are not code: a number there is somebody's word. Nor are the looks of a figure a setting, or
    the place of an entry in a table.
    """
    return " ".join(str(number) for number in set_by(parsed(source), inside=False))


def set_by(node: ast.AST, inside: bool) -> Iterator[int | float]:
    """The numbers of a piece of code that are set; inside of what is set that is every one."""
    if isinstance(node, ast.Constant):
        if inside and type(node.value) in (int, float):
            yield node.value
        return
    if isinstance(node, ast.Subscript):
        yield from set_by(node.value, inside)
        return
    if isinstance(node, ast.Call) and DRAWS.fullmatch(root(node.func)):
        for argument in (node.func, *node.args):
            yield from set_by(argument, inside=False)
        return
    sets = isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.keyword)
    for name, field in ast.iter_fields(node):
        now = inside or (sets and name == "value") or name in ("defaults", "kw_defaults")
        for part in field if isinstance(field, list) else [field]:
            if isinstance(part, ast.AST):
                yield from set_by(part, now)


def root(expression: ast.expr) -> str:
    """The name that a chain such as `axes[0].xaxis.set_ticks` begins with."""
    while isinstance(expression, ast.Attribute | ast.Subscript | ast.Call):
        expression = expression.func if isinstance(expression, ast.Call) else expression.value
    return expression.id if isinstance(expression, ast.Name) else ""


def loads(source: str) -> Iterator[tuple[str, list[str]]]:
    """Each study that a cell loads, or the call that loads several, with the variables that hold it."""
    code = parsed(source)
    for found in LOADED.finditer(ast.unparse(code)):
        yield found[1] or found[2], []
    for node in ast.walk(code):
        if isinstance(node, ast.Assign):
            for variable, made in zip(*side_by_side(node), strict=True):
                for found in LOADED.finditer(ast.unparse(made)):
                    yield found[1] or found[2], [x.id for x in ast.walk(variable) if isinstance(x, ast.Name)]


def side_by_side(node: ast.Assign) -> tuple[list[ast.expr], list[ast.expr]]:
    """Targets and values of an assignment, one by one where both are tuples."""
    (target, *_), made = node.targets, node.value
    if isinstance(target, ast.Tuple) and isinstance(made, ast.Tuple) and len(target.elts) == len(made.elts):
        return target.elts, made.elts
    return [target], [made]


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
    return ast.parse("\n".join("" if MAGIC.match(line) else line for line in source.splitlines()))

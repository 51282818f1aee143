"""The reference of `tatslib`, one page a room, written from signatures and docstrings when the book is rendered.

Files are read, not imported: nothing is run, and what stands here is what stands in the file, down to the comment
behind a field. The docstrings are plain text in Google's shape (`docstrings`).
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from docstrings import Words, described

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tatslib"
ORDER = r"- Imports point down this list only: (.*?),\s+and below them (.*?)\n- "
REPOSITORY = r'^Repository = "(.*)"'
FLOOR = "floor"  # the page of the small modules on which all rooms stand
WIDTH = 84  # of a line of code, in characters
SHOWN = {"property", "cached_property", "classmethod", "staticmethod", "contextmanager", "abstractmethod"}


@dataclass(frozen=True)
class Entry:
    """A public class, function or method as its file has it."""

    name: str
    code: str  # the signature; of a class also its fields, with their comments
    text: str  # the docstring, dedented
    line: int
    arguments: frozenset[str] = frozenset()
    methods: tuple["Entry", ...] = ()


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    path: Path  # from the root of the repository
    text: str
    entries: tuple[Entry, ...]

    @property
    def dotted(self) -> str:
        """As in an import: tatslib.sampling.decode."""
        return ".".join(self.path.with_suffix("").parts).removesuffix(".__init__")

    @property
    def label(self) -> str:
        """What links lead to."""
        return "api-" + re.sub(r"\W|_", "-", self.dotted.lower()).removeprefix("tatslib-")


@dataclass
class Source:
    """The text of a file, by places of its syntax tree."""

    text: str
    lines: list[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = self.text.encode().splitlines()

    def of(self, node: ast.expr | ast.arg) -> str:
        """What was written for a node, on one line. Places count bytes, not characters."""
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        piece = self.lines[first : last + 1]
        piece[-1] = piece[-1][: node.end_col_offset]
        piece[0] = piece[0][node.col_offset :]
        return re.sub(r"(?<=[\[(]) | (?=[\])])", "", " ".join(line.decode().strip() for line in piece))

    def rows(self, first: int, last: int) -> list[str]:
        """Whole lines, counted from 1."""
        return [line.decode() for line in self.lines[first - 1 : last]]


# ---------------------------------------------------------------------------------------------------- reading the files
def read(path: Path) -> Module:
    """What is public in a file and described."""
    source = Source(path.read_text())
    tree = ast.parse(source.text)
    entries = tuple(entry for node in tree.body if (entry := public(node, source)))
    return Module(path.relative_to(PACKAGE.parent), ast.get_docstring(tree) or "", entries)


def public(node: ast.stmt, source: Source) -> Entry | None:
    """The entry of a class or function, None of anything else, of what has no docstring, and of what is private."""
    if not isinstance(node, ast.FunctionDef | ast.ClassDef) or re.match(r"_(?!_)", node.name):
        return None
    text = ast.get_docstring(node)
    if text is None:
        return None
    if isinstance(node, ast.FunctionDef):
        return Entry(node.name, signature(node, source), text, node.lineno, frozenset(names(node.args)))
    methods = tuple(entry for inner in node.body if (entry := public(inner, source)))
    return Entry(node.name, outline(node, source), text, node.lineno, methods=methods)


def names(arguments: ast.arguments) -> list[str]:
    """Of all arguments."""
    some = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return [argument.arg for argument in some if argument]


def signature(node: ast.FunctionDef, source: Source) -> str:
    """`def` and what follows up to the colon; one argument a line where it does not fit."""
    marks = [f"@{source.of(mark)}" for mark in node.decorator_list if source.of(mark).split(".")[-1] in SHOWN]
    returns = f" -> {source.of(node.returns)}" if node.returns else ""
    said = list(parameters(node.args, source))
    line = f"def {node.name}({', '.join(said)}){returns}"
    if len(line) > WIDTH:
        line = "\n".join([f"def {node.name}(", *(f"    {each}," for each in said), f"){returns}"])
    return "\n".join([*marks, line])


def parameters(arguments: ast.arguments, source: Source) -> Iterator[str]:
    """Each argument with its type and default, and the signs between them."""
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(plain) - len(arguments.defaults)) + [*arguments.defaults]
    for place, (argument, default) in enumerate(zip(plain, defaults, strict=True), start=1):
        yield parameter(argument, default, source)
        if place == len(arguments.posonlyargs):
            yield "/"
    if arguments.vararg:
        yield "*" + source.of(arguments.vararg)
    elif arguments.kwonlyargs:
        yield "*"
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield parameter(argument, default, source)
    if arguments.kwarg:
        yield "**" + source.of(arguments.kwarg)


def parameter(argument: ast.arg, default: ast.expr | None, source: Source) -> str:
    """One argument."""
    if default is None:
        return source.of(argument)
    return source.of(argument) + (" = " if argument.annotation else "=") + source.of(default)


def outline(node: ast.ClassDef, source: Source) -> str:
    """The head of a class, its fields as they are written, and how it is made."""
    bases = [source.of(base) for base in node.bases] + [f"{k.arg}={source.of(k.value)}" for k in node.keywords]
    marks = [f"@{source.of(mark)}" for mark in node.decorator_list]
    head = f"class {node.name}({', '.join(bases)})" if bases else f"class {node.name}"
    rows: list[str] = []
    end = node.body[0].end_lineno or node.lineno
    for inner in node.body[1:]:
        last = inner.end_lineno or inner.lineno
        if isinstance(inner, ast.AnnAssign | ast.Assign) and not re.match(r"model_config|_", named(inner)):
            between = source.rows(end + 1, inner.lineno - 1)
            rows += [row for row in between if row.strip().startswith("#") or (rows and not row.strip())]
            rows += source.rows(inner.lineno, last)
        elif isinstance(inner, ast.FunctionDef) and inner.name == "__init__" and not ast.get_docstring(inner):
            rows += [*([""] if rows else []), *(f"    {row}" for row in signature(inner, source).splitlines())]
        end = last
    return "\n".join([*marks, head + (":" if rows else ""), *(row.rstrip() for row in rows)])


def named(node: ast.AnnAssign | ast.Assign) -> str:
    """What is assigned to."""
    target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
    return target.id if isinstance(target, ast.Name) else "_"


# ------------------------------------------------------------------------------------------------------ rooms and pages
@cache
def rooms() -> dict[str, tuple[Module, ...]]:
    """The modules of each page: the rooms in the order of CONTRIBUTING.md, then what lies below them all."""
    rule = re.search(ORDER, (ROOT / "CONTRIBUTING.md").read_text(), re.S)
    assert rule is not None, "CONTRIBUTING.md holds the list of rooms"
    high, low = (re.findall(r"`(\w+)`", part) for part in rule.groups())
    new = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - set(high)
    found = {name: tuple(read(path) for path in files(name)) for name in [*high, *sorted(new)]}
    return found | {FLOOR: tuple(read(path) for name in low for path in files(name))}


def files(room: str) -> list[Path]:
    """Of a room, which is a folder or a file."""
    folder = PACKAGE / room
    return sorted(folder.glob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


@cache
def addresses() -> dict[str, list[tuple[Module, str]]]:
    """Where each name leads: by itself, behind its module, behind its class."""
    found: dict[str, list[tuple[Module, str]]] = {}
    for module in (module for modules in rooms().values() for module in modules):
        tail = module.dotted.removeprefix("tatslib.")
        for name in {module.dotted, tail} if "." in tail else {module.dotted}:
            found.setdefault(name, []).append((module, module.label))
        for entry in module.entries:
            label = label_of(module, entry)
            for name in [entry.name, *(f"{entry.name}.{method.name}" for method in entry.methods)]:
                for key in (name, f"{tail.split('.')[-1]}.{name}", f"{tail}.{name}"):
                    found.setdefault(key, []).append((module, label))
    return found


def label_of(module: Module, entry: Entry) -> str:
    """What links to an entry lead to: case does not count there, and there are `Moments` and `moments`."""
    kind = "-class" if re.search(r"^class ", entry.code, re.M) else ""
    return f"{module.label}-{entry.name.lower().replace('_', '-')}{kind}"


def linked(module: Module, entry: Entry | None, around: Entry | None = None) -> Words:
    """How a word in backticks is set: as a link where it names one public thing, the nearest one first."""
    known = {module.label} if entry is None else {label_of(module, around or entry)}
    local = frozenset[str]() if entry is None else entry.arguments

    def words(said: str) -> str:
        name = said.removesuffix("()")
        found = addresses().get(name, []) if name not in local else []
        for nearer in (
            [label for other, label in found if other is module],
            [label for other, label in found if other.path.parent == module.path.parent],
            [label for _, label in found],
        ):
            if len(nearer) == 1 and nearer[0] not in known:
                return f"[`{said}`](#{nearer[0]})"
            if nearer:
                break
        return f"`{said}`"

    return words


def page(room: str) -> str:
    """The Markdown of a room's page."""
    modules = rooms()[room]
    alone = (PACKAGE / f"{room}.py").exists()
    first = "What everything stands on" if room == FLOOR else f"tatslib.{room}"
    blocks = [f"(api-{room})=\n# {first}"]
    for module in modules:
        opening = module.path.name == "__init__.py"
        if opening and not module.entries and not module.text:
            continue
        depth = 1 if alone or opening else 2
        if depth == 2:
            blocks += [f"({module.label})=\n## {module.dotted.split('.')[-1]}"]
        blocks += [f"[{module.path}]({address(module.path)})", *described(module.text, linked(module, None))]
        for entry in module.entries:
            blocks += [f"({label_of(module, entry)})=\n{'#' * (depth + 1)} {entry.name}", *of_entry(module, entry)]
    return "\n\n".join(blocks) + "\n"


def of_entry(module: Module, entry: Entry, around: Entry | None = None) -> Iterator[str]:
    """Signature, text, where it is written, and the same of each method."""
    yield f"```python\n{entry.code}\n```"
    yield from described(entry.text, linked(module, entry, around))
    if around is None:
        yield f"{{.api-source}}\n[source]({address(module.path)}#L{entry.line})"
    for method in entry.methods:
        yield "\n\n".join([":::{div} api-method", *of_entry(module, method, entry), ":::"])


@cache
def repository() -> str:
    """The address of the repository, from pyproject.toml."""
    found = re.search(REPOSITORY, (ROOT / "pyproject.toml").read_text(), re.M)
    assert found is not None, "pyproject.toml says where the repository is"
    return found[1]


def address(path: Path) -> str:
    """A file in the repository."""
    return f"{repository()}/blob/main/{path}"


def write(folder: Path) -> None:
    """All pages, into a folder that is there or not."""
    folder.mkdir(parents=True, exist_ok=True)
    for room in rooms():
        (folder / f"{room}.md").write_text(page(room))

"""The reference of the package: nothing public is left out, nothing is lost on the way from docstring to page."""

import ast
import re
from collections import Counter

import api_pages
import pytest
import yaml
from docstrings import described
from test_architecture import FLOOR, ROOMS

BOOK = api_pages.ROOT / "book"
CONTENTS = yaml.safe_load((BOOK / "_toc.yml").read_text())
PAGES = {room: api_pages.page(room) for room in api_pages.rooms()}
ENTRIES = [
    (room, module, entry)
    for room, modules in api_pages.rooms().items()
    for module in modules
    for entry in module.entries
]


def plain(said: str) -> str:
    return f"`{said}`"


def test_every_room_has_a_page_that_the_list_of_rooms_leads_to():
    assert list(PAGES)[: len(ROOMS)] == ROOMS
    listed = re.findall(r"\(#api-(\w+)\)", (BOOK / "api.md").read_text())
    assert sorted(listed) == sorted(PAGES)
    assert "api" in [chapter["file"] for part in CONTENTS["parts"] for chapter in part["chapters"]]
    assert {module.path.stem for module in api_pages.rooms()[api_pages.FLOOR]} == set(FLOOR)


def test_no_page_is_empty():
    for room in PAGES:
        assert any(module.entries for module in api_pages.rooms()[room]), f"nothing public in {room}"


def test_every_public_class_and_function_that_is_described_is_on_its_page_with_its_first_sentence():
    unlinked = {room: re.sub(r"\[(`[^`]+`)\]\(#[^)]*\)", r"\1", page) for room, page in PAGES.items()}
    for path in sorted(api_pages.PACKAGE.rglob("*.py")):
        name = path.relative_to(api_pages.PACKAGE).parts[0].removesuffix(".py")
        text = unlinked.get(name, unlinked[api_pages.FLOOR])
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            kind = "class" if isinstance(node, ast.ClassDef) else "def"
            assert f"# {node.name}\n\n" in text and f"{kind} {node.name}" in text, f"{path}: {node.name}"
            first = described((ast.get_docstring(node) or "").split("\n\n")[0], plain)[0]
            assert first in text, f"{path}: {node.name}: {first}"


def test_labels_are_unique_and_links_lead_to_one():
    labels = Counter(label for page in PAGES.values() for label in re.findall(r"^\(([\w-]+)\)=$", page, re.M))
    assert [label for label, count in labels.items() if count > 1] == []
    assert {link for page in PAGES.values() for link in re.findall(r"\]\(#([\w-]+)\)", page)} <= set(labels)


def test_no_word_of_a_docstring_is_lost():
    for _, _, entry in ENTRIES:
        for part in (entry, *entry.methods):
            said = re.sub(r"^(Args|Returns|Yields|Raises|Attributes):$", "", part.text, flags=re.M)
            shown = " ".join(described(part.text, plain)).replace("\\", "")
            assert Counter(re.findall(r"\w+", said)) - Counter(re.findall(r"\w+", shown)) == Counter(), part.name


def test_sections_become_lists_and_the_text_behind_them_goes_on():
    text = "Say |v|.\n\nArgs:\n    x: of `B`.\n        Two lines.\n    y, z: more.\n\nRaises:\n    UserError: if not."
    text += "\n\nAnd on."
    assert described(text, plain) == [
        "Say \\|v\\|.",
        "**Arguments**",
        "{.api-items}\n`x`\n: of `B`. Two lines.\n\n`y, z`\n: more.",
        "**Raises**",
        "{.api-items}\n`UserError`\n: if not.",
        "And on.",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("See:\n\n    a  b\n    1  2", ["See:", "~~~~text\na  b\n1  2\n~~~~"]),
        ("Dimension letters\n    B batch\n    N *tokens*", ["**Dimension letters**: B batch N \\*tokens\\*"]),
        ("Two:\n\n* one\n  line\n* other", ["Two:", "- one line\n- other"]),
        ("- 1 is <less>\n- than `a_b` $2", ["- 1 is \\<less\\>\n- than `a_b` \\$2"]),
        ("1. of\nmany", ["1\\. of many"]),
    ],
)
def test_what_markdown_would_take_for_a_sign_of_its_own_is_what_it_was(text, expected):
    assert described(text, plain) == expected


def test_a_signature_that_is_long_has_one_argument_a_line_and_keeps_what_was_written():
    source = api_pages.Source(
        'def short(a, /, b: int = 2**20, *, c="é") -> str:\n    """X."""\n'
        'class Few(NamedTuple):\n    """X."""\n\n    # before\n    a: int  # behind\n    _b: int = 1\n'
        f"def long({', '.join(f'argument_{n}: int' for n in range(6))}):\n    '''X.'''\n"
    )
    short, few, long = (api_pages.public(node, source) for node in ast.parse(source.text).body)
    assert short and short.code == 'def short(a, /, b: int = 2**20, *, c="é") -> str'
    assert few and few.code == "class Few(NamedTuple):\n    # before\n    a: int  # behind"
    assert long and long.code.splitlines()[:2] == ["def long(", "    argument_0: int,"]

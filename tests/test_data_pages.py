"""The pages on the five data sets: each is there, is led to, says what is needed, and gives commands that exist."""

import re
import shlex
from contextlib import suppress
from pathlib import Path
from typing import get_args

import pytest
import yaml

from tatslib import cli
from tatslib.commands.opening import READERS, DataSet
from tatslib.datasets.check import LAYOUTS

ROOT = Path(__file__).resolve().parent.parent
DATA_SETS = list(get_args(DataSet))
ROWS = ("Where", "Licence", "Size", "Videos", "Frames", "Splits", "In the paper")
each_data_set = pytest.mark.parametrize("name", DATA_SETS)


def page(name: str) -> str:
    return (ROOT / "book" / f"data_{name}.md").read_text()


def commands(text: str) -> list[str]:
    return [line for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) for line in block.splitlines() if line]


def test_each_data_set_that_commands_take_has_its_page_in_the_table_of_contents() -> None:
    contents = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
    (part,) = (part for part in contents["parts"] if part["caption"] == "Data sets")
    assert [chapter["file"] for chapter in part["chapters"]] == [f"data_{name}" for name in DATA_SETS]
    assert set(DATA_SETS) == set(READERS) == set(LAYOUTS)


@each_data_set
def test_chapter_readme_and_front_page_lead_to_it(name: str) -> None:
    for place in ("notebooks/01_videos_as_data.py", "README.md", "book/index.md"):
        assert f"data_{name}.md" in (ROOT / place).read_text(), place


@each_data_set
def test_a_page_says_where_it_is_had_what_it_holds_and_how_it_lies_on_disk(name: str) -> None:
    text = page(name)
    assert text.startswith(f"# {LAYOUTS[name].name}\n") and 250 <= len(text.split()) <= 500
    assert re.findall(r"^\| ([A-Z][\w ]+) \|", text, re.MULTILINE) == list(ROWS)
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == ["Layout", "Use", "Pitfalls"] and "├── " in text and "**Toy twin.** `tats data make " in text


@each_data_set
def test_the_commands_of_a_page_have_options_that_exist(name: str, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TATS_HOME", str(tmp_path / "home"))
    asked = commands(page(name))
    assert asked[0].startswith("tats data check ") and len(asked) >= 4
    for command in asked:
        monkeypatch.setattr("sys.argv", shlex.split(command))
        with suppress(SystemExit):
            cli.main()
        said = capsys.readouterr().err
        assert re.search(r"not found|is not a run|holds no token set|No data set's layout", said), f"{command}: {said}"

"""Every command of the README runs. Those that train go after the chapters, which have built what they need."""

import os
import re
import shlex
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tatslib import cli

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
# What make test is made of, or waits for a visitor: checked for existence, not run from inside itself.
NOT_FROM_HERE = {"make test", "make book", "make serve"}
# What needs the internet, or files from there: `tests/test_downloads.py` and `tests/test_convert.py` run the same on
# files that they make. These are checked for options that exist.
FROM_THE_INTERNET = ("tats download ucf101-class", "tats convert released/", "tats sample --vqgan models/")


def commands() -> list[str]:
    lines = [line for block in BLOCKS for line in re.sub(r"\\\n\s*", " ", block).splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def test_every_make_target_that_the_documents_name_exists():
    documents = [README, (ROOT / "CONTRIBUTING.md").read_text(), *(p.read_text() for p in (ROOT / "book").glob("*.md"))]
    named = {
        target
        for text in documents
        for target in re.findall(r"`?\bmake ([a-z-]+)`|^make ([a-z-]+)$", text, re.M)
        for target in target
        if target
    }
    assert {"book", "test", "demo"} <= named
    for target in sorted(named):
        done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_commands_that_need_the_internet_have_options_that_exist(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TATS_MIRROR", str(tmp_path))
    (tmp_path / "ucf101-class.ckpt").write_bytes(b"PK and no more")
    asked = [command for command in commands() if command.startswith(FROM_THE_INTERNET)]
    assert len(asked) == len(FROM_THE_INTERNET)
    said = []
    for command in asked:
        monkeypatch.setattr("sys.argv", shlex.split(command))
        with suppress(SystemExit):
            cli.main()
        said.append(capsys.readouterr())
    assert said[0].out.startswith("released/ucf101-class.ckpt")
    assert "released/ucf101-class.ckpt is cut short" in said[1].err
    assert "models/ucf101/transformer is not a run or a model" in said[2].err


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_commands_of_the_readme_run_one_after_the_other(tmp_path):
    environment = os.environ | {"PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    for command in [c for c in commands() if c not in NOT_FROM_HERE and not c.startswith(FROM_THE_INTERNET)]:
        place = ROOT if command.startswith("make ") else tmp_path
        done = subprocess.run(
            ["bash", "-c", command], cwd=place, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

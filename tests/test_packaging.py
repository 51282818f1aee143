"""What installs where: floors in pyproject.toml, exact versions in constraints.txt, the same floors for conda."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import environment
import pytest
import yaml
from rattler import MatchSpec

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def name_of(requirement: str) -> str:
    return re.split(r"[<>=;\[ ]", requirement)[0].lower().replace("_", "-")


def pins() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    return {name_of(line): line.split("==")[1] for line in lines}


def test_the_package_asks_for_floors_only():
    for requirement in PROJECT["dependencies"]:
        assert re.fullmatch(r"[\w-]+>=[\d.]+", requirement)


def test_everything_that_make_installs_has_an_exact_version_but_torch():
    extras = PROJECT["optional-dependencies"]
    wanted = {name_of(r) for r in [*PROJECT["dependencies"], *extras["book"], *extras["dev"]]}
    assert wanted - set(pins()) == {"torch"}


def test_conda_reads_the_environment_and_its_floors_are_ours():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    specs = {
        str(spec.name.normalized): str(spec.version) for spec in (MatchSpec(x) for x in listed if isinstance(x, str))
    }
    for requirement in PROJECT["dependencies"]:
        name, floor = requirement.split(">=")
        assert specs[CONDA_NAMES.get(name, name)] == f">={floor}"
    assert specs["python"].startswith(PROJECT["requires-python"])


# --------------------------------------------------------------------------------------- tools/environment.py
def test_what_make_accepts_on_a_machine_is_what_the_package_asks_for():
    floors = dict(requirement.split(">=") for requirement in PROJECT["dependencies"])
    assert ".".join(map(str, environment.TORCH_FLOOR)) == floors["torch"]
    assert ">=" + ".".join(map(str, environment.FLOOR)) == PROJECT["requires-python"]


def test_pip_is_quiet_about_warnings_and_loud_about_errors(tmp_path, monkeypatch, capfd):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho warnings: $PYTHONWARNINGS; echo what went wrong >&2; exit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(environment, "PYTHON", script)
    with pytest.raises(SystemExit, match="pip failed, see above"):
        environment.pip("einops")
    said = capfd.readouterr()
    assert "warnings: ignore" in said.out and "what went wrong" in said.err


def fake_python(folder: Path, answer: str) -> None:
    """An interpreter that answers the probe as told."""
    script = folder / "python3"
    script.write_text(f"#!/bin/sh\nprintf {shlex.quote(answer)}\n")
    script.chmod(0o755)


def python_with_torch(folder: Path, version: str) -> Path:
    """An environment that holds a package called torch, of the given version."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "torch").mkdir()
    (site / "torch" / "__init__.py").write_text(f"__version__ = {version!r}\n")
    (site / f"torch-{version}.dist-info").mkdir()
    (site / f"torch-{version}.dist-info" / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n"
    )
    return folder / "bin" / "python"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("tats 3 9\nvenv\n", "Python 3.11 or newer is needed; found .*python3 is 3.9."),
        ("tats 3 12\n", "cannot make environments; on Debian or Ubuntu run: apt-get install python3-venv"),
        ("", "Python 3.11 or newer is needed; found none."),
    ],
)
def test_an_unfit_python_ends_in_one_sentence(tmp_path, monkeypatch, answer, sentence):
    fake_python(tmp_path, answer)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=sentence):
        environment.find_python()


@pytest.mark.parametrize(("version", "is_kept"), [("2.8.0", True), ("2.11.0+cu128", True), ("2.7.1", False)])
def test_a_torch_is_kept_if_it_satisfies_the_floor(tmp_path, version, is_kept):
    found = environment.existing_torch(python_with_torch(tmp_path / "theirs", version))
    assert found == ((version, str(next(tmp_path.glob("theirs/lib/python*/site-packages")))) if is_kept else None)


def test_the_torch_of_an_active_environment_is_used_and_not_replaced(tmp_path, monkeypatch):
    theirs = python_with_torch(tmp_path / "theirs", "2.9.1")
    before = sorted(path.name for path in (tmp_path / "theirs").rglob("*"))
    ours = tmp_path / "ours"
    monkeypatch.setattr(environment, "VENV", ours)
    monkeypatch.setattr(environment, "PYTHON", ours / "bin" / "python")
    monkeypatch.setattr(environment, "find_python", lambda: str(theirs))
    environment.make_venv()
    command = [str(ours / "bin" / "python"), "-m", "pip", "install", "--no-deps", "torch>=2.8"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Requirement already satisfied: torch>=2.8" in done.stdout
    assert sorted(path.name for path in (tmp_path / "theirs").rglob("*")) == before


def test_the_fingerprint_changes_with_what_is_to_be_installed(tmp_path, monkeypatch):
    for name in ("pyproject.toml", "constraints.txt", "tools/environment.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("one")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    first = environment.fingerprint()
    (tmp_path / "constraints.txt").write_text("two")
    assert environment.fingerprint() != first


# --------------------------------------------------------------------------------------------------- tools/browser.py
@pytest.mark.parametrize(("switch", "status"), [("", 1), ("1", 0)])
def test_a_missing_browser_is_said_loudly_and_fails_unless_it_was_asked_for(switch, status):
    command = [sys.executable, str(ROOT / "tools" / "browser.py")]
    there_is_none = {"PATH": "", "TATS_BROWSER": "no-such-browser", "TATS_NO_BROWSER": switch}
    done = subprocess.run(command, env=there_is_none, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert "NOT tested" in done.stdout + done.stderr

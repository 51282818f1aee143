"""Prepare `.venv` so that every make target works on a machine that has Python 3.11 or newer and nothing else.

Run by the Makefile as `python3 tools/environment.py`. Only the standard library is used, and the syntax is old enough
for any Python 3 to read, so that a Python that is too old ends in a sentence and not in a SyntaxError.

A second run costs a tenth of a second: `.venv/stamp` holds a fingerprint of everything the installation depends on.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "stamp"
FLOOR = (3, 11)

# torch comes first and alone, in the version the book was made with. Asked for through another package, pip would take
# the newest build there is, on Linux one with several GB of CUDA libraries; asked for by this name it takes what the
# machine offers for this version. It is not in constraints.txt, so that a torch that is there already can stay.
TORCH = "torch==2.13.0"
TORCH_FLOOR = (2, 8)
# A pip that says at once which versions do not fit; Debian 12's 23.0 tried for six minutes before it gave up.
PIP = "pip>=24.2"
EXTRAS = "book,dev"

# One line per question, so that the answer survives whatever the interpreter prints on start-up.
PROBE_PYTHON = "import sys; print('tats', *sys.version_info[:2]); import ensurepip, venv; print('venv')"
PROBE_TORCH = (
    "import importlib.metadata as m, importlib.util as u, os;"
    "print('torch', m.version('torch'), os.path.dirname(os.path.dirname(u.find_spec('torch').origin)))"
)


def say(text):
    """Print one line about what is being done, at once."""
    print("[environment] " + text, flush=True)


def stop(sentence):
    """End with one sentence that says what is missing and how to get it."""
    sys.exit("[environment] " + sentence)


def ask(python, code):
    """What `code` prints under `python`, or "" where that interpreter is missing or broken."""
    try:
        done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def find_python():
    """The first interpreter that is new enough and can make environments; the active one is asked first."""
    too_old, without_venv = [], []
    for name in ["python3", "python3.13", "python3.12", "python3.11", "python3.14", "python"]:
        path = shutil.which(name)
        words = ask(path, PROBE_PYTHON).split() if path else []
        if "tats" not in words:
            continue
        version = tuple(int(word) for word in words[1:3])
        if version < FLOOR:
            too_old.append("%s is %d.%d" % (path, *version))
        elif "venv" not in words:
            without_venv.append(path)
        else:
            return path
    if without_venv:
        stop("%s cannot make environments; on Debian or Ubuntu run: apt-get install python3-venv" % without_venv[0])
    stop("Python 3.11 or newer is needed; found %s." % (", ".join(too_old) or "none"))


def existing_torch(python):
    """(version, folder) of a torch that `python` already has and that satisfies the floor, else None."""
    for line in ask(python, PROBE_TORCH).splitlines():
        if line.startswith("torch "):
            _, version, folder = line.split(" ", 2)
            if tuple(int(part) for part in version.split(".")[:2]) >= TORCH_FLOOR:
                return version, folder
    return None


def fingerprint():
    """Hash of what the installation depends on: where it is and what it is told to install."""
    digest = hashlib.sha256(str(ROOT).encode())
    for name in ["pyproject.toml", "constraints.txt", "tools/environment.py"]:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def pip(*arguments):
    """Run pip of `.venv`; pip itself says what went wrong."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *arguments]
    # Warnings are for the authors of build tools (setuptools says which hook it will drop); errors come as ever.
    environment = dict(os.environ, PYTHONWARNINGS="ignore")
    if subprocess.run(command, cwd=str(ROOT), env=environment, check=False).returncode:
        stop("pip failed, see above; once the cause is gone, the same make command goes on from here.")


def make_venv():
    """Create `.venv` where it is missing, broken, or was moved here from elsewhere."""
    if "tats" in ask(PYTHON, PROBE_PYTHON) and ask(PYTHON, "import sys; print(sys.prefix)").strip() == str(VENV):
        return
    python = find_python()
    say("making .venv with " + python)
    if subprocess.run([python, "-m", "venv", "--clear", str(VENV)], check=False).returncode:
        stop("%s could not make %s." % (python, VENV))
    # The interpreter that is active may belong to a virtualenv, to conda or to Colab. Whichever it is, its torch is
    # made visible by naming its folder, behind our own packages: read from there, never written to.
    kept = existing_torch(python)
    if kept:
        say("keeping torch %s from %s" % kept)
        site = ask(PYTHON, "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        Path(site, "torch-of-this-machine.pth").write_text(kept[1] + "\n")


def main():
    """Bring `.venv` up to date, or do nothing where it is."""
    if STAMP.exists() and STAMP.read_text() == fingerprint() and PYTHON.exists():
        return
    make_venv()
    STAMP.unlink(missing_ok=True)
    pip("--upgrade", PIP)
    if existing_torch(PYTHON) is None:
        say("installing " + TORCH + " (once; up to several GB, depending on the machine)")
        pip(TORCH)
    say("installing tatslib and the tools of the book")
    pip("--constraint", "constraints.txt", "--editable", ".[%s]" % EXTRAS)
    STAMP.write_text(fingerprint())
    say("ready: .venv")


if __name__ == "__main__":
    # Unbuffered and without a user's own packages, which would otherwise mix into the answers above.
    os.environ.pop("PYTHONPATH", None)
    main()

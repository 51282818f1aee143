"""Run the chapters and keep what they print and draw.

A chapter is a text file, notebooks/NN_name.py (jupytext py:percent), reviewed and diffed, beside the notebook made from
it, notebooks/NN_name.ipynb, which holds the outputs of its last run.

    run_chapters.py                  what this machine has not run yet, into book/_build/notebooks (a reader)
    run_chapters.py --in-place       what changed since it was stored, into notebooks/ (an author; commit the result)
    run_chapters.py 01 --force       one chapter, whether it changed or not

An author's chapters build their artefacts anew for each version of the package, in .tatslib/ (or where TATS_HOME says);
a reader's use the common home. "Changed" goes by content: the hash of the chapter's text and, for a reader, of the
package, the scale and the device, which decide what the same text computes.
"""

import argparse
import asyncio
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from build_ahead import build_ahead
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from tatslib.training.device import available_cores
from tatslib.training.presets import current_scale

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
EXECUTED = ROOT / "book" / "_build" / "notebooks"
ENVIRONMENT = {
    "TATS_STATIC": "1",  # nothing that moves is drawn, because outputs are stored
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else some interpreters warn on stderr about frozen modules
    "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel of this environment, not one of the same name in the user's home
}
# What Colab and Jupyter need to know about a chapter, the same for all of them.
METADATA = {
    "accelerator": "GPU",
    "colab": {"gpuType": "T4"},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
}
PACKAGE_FILES = (".py", ".js", ".css", ".json", ".c", ".gz", ".LICENSE")
COLOUR_CODES = re.compile(r"\x1b\[[0-9;]*m")


def sha256(*parts: bytes) -> str:
    """One hash of several byte strings."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def package_hash() -> str:
    """Hash of the package's files, code, styles, scripts and tables, in a fixed order."""
    files = sorted(path for path in (ROOT / "tatslib").rglob("*") if path.suffix in PACKAGE_FILES)
    return sha256(*(path.read_bytes() for path in files))


def text_hash(text: Path) -> str:
    """Hash of a chapter's text."""
    return sha256(text.read_bytes())


def run_hash(text: Path) -> str:
    """Hash of all that decides what a run of this chapter prints on this machine."""
    scale = current_scale() + os.environ.get("CUDA_VISIBLE_DEVICES", "")
    results = [path.read_bytes() for path in sorted((ROOT / "book" / "results").glob("*.json"))]
    return sha256(text.read_bytes(), package_hash().encode(), *results, scale.encode(), platform.machine().encode())


def build_notebook(text: Path) -> NotebookNode:
    """The notebook of a chapter's text, without outputs; cell ids come from the sources, so that diffs are small."""
    notebook = jupytext.read(text, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(METADATA)
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        name = hashlib.sha256(cell.source.encode()).hexdigest()[:12]
        seen[name] = seen.get(name, 0) + 1
        cell.id = name if seen[name] == 1 else f"{name}-{seen[name]}"
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


class Run:
    """One execution of one chapter, with a line of progress a cell on a terminal."""

    def __init__(self, name: str, notebook: NotebookNode, timeout: float) -> None:
        """Prepare; nothing is started yet."""
        self.name, self.notebook = name, notebook
        self.started = time.monotonic()
        self.cells = sum(cell.cell_type == "code" for cell in notebook.cells)
        self.done = 0
        # record_timing would store the time of each cell, and every run would differ from the last.
        # Coalesced, because where the kernel cuts what it prints into messages is chance.
        self.client = NotebookClient(
            notebook, timeout=timeout, kernel_name="python3", record_timing=False, coalesce_streams=True
        )
        # The kernel listens on this machine only; its warnings that the line is not encrypted, and that it is being
        # stopped, would alarm for nothing. What goes wrong in a cell comes back as that cell's error.
        self.client.extra_arguments = ["--log-level=50"]
        self.client.on_cell_execute = self.show
        self.client.on_cell_executed = self.count

    def show(self, cell: NotebookNode, cell_index: int) -> None:
        """Say which cell runs now."""
        if cell.cell_type == "code" and sys.stdout.isatty():
            lines = [line for line in cell.source.splitlines() if line.strip()]
            first = lines[0] if lines else ""
            elapsed = time.monotonic() - self.started
            print(
                f"\r\x1b[K  {self.name}  {self.done + 1}/{self.cells}  {elapsed:4.0f} s  {first[:70]}",
                end="",
                flush=True,
            )

    def count(self, cell: NotebookNode, cell_index: int, execute_reply: dict) -> None:
        """Note that a cell is done."""
        self.done += 1

    async def execute(self) -> dict[str, Any]:
        """Run all cells from the notebooks folder; returns what the run cost."""
        async with self.client.async_setup_kernel(cwd=str(NOTEBOOKS)):
            info = await self.client.kc.kernel_info(reply=True, timeout=60)
            self.notebook.metadata["language_info"]["version"] = info["content"]["language_info"]["version"]
            for index, cell in enumerate(self.notebook.cells):
                await self.client.async_execute_cell(cell, index)
            peak = await self.peak_memory()
        return {"seconds": round(time.monotonic() - self.started, 1), "peak_memory_mib": peak}

    async def peak_memory(self) -> int:
        """Peak resident memory of the kernel in MiB, asked of the kernel itself after its last cell."""
        question = "__import__('resource').getrusage(0).ru_maxrss"
        reply = await self.client.kc.execute("", silent=True, user_expressions={"m": question}, reply=True, timeout=60)
        unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes on a Mac, KiB elsewhere
        return int(reply["content"]["user_expressions"]["m"]["data"]["text/plain"]) // unit


def run_chapter(text: Path, target: Path, timeout: float) -> None:
    """Execute one chapter and write its notebook, or end with the cell that failed."""
    notebook = build_notebook(text)
    run = Run(text.stem, notebook, timeout)
    try:
        cost = asyncio.run(run.execute())
    except CellExecutionError as error:
        cell = next(c for c in notebook.cells if any(o.output_type == "error" for o in c.get("outputs", [])))
        sys.exit(f"\n{text.name}: this cell failed\n\n{cell.source}\n\n{COLOUR_CODES.sub('', error.traceback)}")
    except Exception as error:  # a dead kernel or a cell past its time: nbclient has several types for these
        sys.exit(f"\n{text.name}: stopped after {run.done} of {run.cells} cells: {type(error).__name__}: {error}")
    notebook.metadata["tats"] = {
        "text": text_hash(text),
        "package": package_hash(),
        "run": run_hash(text),
        **cost,
        "scale": current_scale(),
        "cores": os.cpu_count(),
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_text(nbformat.writes(notebook).rstrip("\n") + "\n")
    partial.replace(target)
    end = "\r\x1b[K" if sys.stdout.isatty() else ""
    size = target.stat().st_size / 1000
    print(f"{end}  {text.stem}  {cost['seconds']:.0f} s  {cost['peak_memory_mib']} MiB  {size:.0f} kB", flush=True)


def run_side_by_side(texts: list[Path], timeout: float) -> None:
    """Run chapters in processes of their own, two at a time, the long ones at the end of the book first.

    Their artefacts are there by now, and what a chapter does with them gains little from a second thread.
    """
    threads = os.environ.get("OMP_NUM_THREADS", str(max(1, available_cores() // 2)))
    environment = os.environ | {"OMP_NUM_THREADS": threads}

    def run(text: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, __file__, text.stem, "--force", "--timeout", str(timeout)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    print(f"  running {len(texts)} chapters, two at a time", flush=True)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(run, text) for text in reversed(texts)]:
            print(done.result().stdout, end="", flush=True)
            if done.result().returncode:
                pool.shutdown(cancel_futures=True)
                sys.exit(done.result().stderr)


def is_stored(text: Path, target: Path, in_place: bool) -> bool:
    """Whether the outputs in `target` belong to this content."""
    if not target.exists():
        return False
    metadata = json.loads(target.read_text())["metadata"].get("tats", {})
    return metadata.get("text") == text_hash(text) if in_place else metadata.get("run") == run_hash(text)


def main() -> None:
    """Run what has to be run, in the order of the book."""
    parser = argparse.ArgumentParser(description="Run the chapters of the book and store their outputs.")
    parser.add_argument("chapters", nargs="*", help="beginnings of chapter names, such as 00; all if none is given")
    parser.add_argument("--in-place", action="store_true", help="store in notebooks/, for a commit")
    parser.add_argument("--force", action="store_true", help="run even what is stored for this content")
    parser.add_argument(
        "--fresh", action="store_true", help="with --in-place: build everything anew, as a newcomer does"
    )
    parser.add_argument("--timeout", type=float, default=1200, help="seconds a cell may take")
    options = parser.parse_args()

    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    texts = [
        path for path in sorted(NOTEBOOKS.glob("[0-9a-z]*.py")) if path.stem.startswith(tuple(options.chapters or [""]))
    ]
    if not texts:
        sys.exit(f"no chapter in notebooks/ begins with {' or '.join(options.chapters) or 'anything'}")
    folder = NOTEBOOKS if options.in_place else EXECUTED
    if options.in_place:
        # What is committed must come from the code as it is now, not from artefacts that an older version built.
        home = ROOT / ".tatslib" / f"chapters-{package_hash()[:12]}"
        if options.fresh:  # whatever TATS_HOME says: only what we made ourselves is ever removed
            shutil.rmtree(home, ignore_errors=True)
            os.environ["TATS_HOME"] = str(home)
        os.environ.setdefault("TATS_HOME", str(home))
    with tempfile.TemporaryDirectory() as profile:  # a user's own IPython start-up files must not change a chapter
        os.environ["IPYTHONDIR"] = profile
        todo = [t for t in texts if options.force or not is_stored(t, folder / f"{t.stem}.ipynb", options.in_place)]
        for text in texts:
            if text not in todo:
                print(f"  {text.stem}  already run", flush=True)
        if len(todo) > 1 and not options.in_place:  # an author measures what each chapter costs alone
            build_ahead()
            run_side_by_side(todo, options.timeout)
        else:
            for text in todo:
                run_chapter(text, folder / f"{text.stem}.ipynb", options.timeout)


if __name__ == "__main__":
    main()

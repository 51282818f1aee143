"""Numbers with their origin: how studies are run over seeds, stored, read back and compared with a live run."""

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from math import isfinite
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal
from urllib.request import urlopen

import torch

from tatslib.errors import UserError, did_you_mean
from tatslib.files import replacing
from tatslib.home import home
from tatslib.training.device import has_fast_bfloat16
from tatslib.training.presets import Scale, current_scale

REPOSITORY = Path(__file__).resolve().parents[2]
STORED = REPOSITORY / "book" / "results"
SECONDS_TO_WAIT = 20
STUDENT_95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}  # by N - 1

Numbers = dict[str, Any]  # nested: names to numbers, lists of numbers, or further dicts
# What a seed is a repetition of, and so what a spread over seeds speaks of: everything trained anew; videos drawn anew
# from one training; a measurement of time or memory taken again; weights drawn anew and not trained.
SeedsOf = Literal["trainings", "draws", "repetitions", "initialisations"]


@dataclass(frozen=True)
class Study:
    """One experiment."""

    name: str
    protocol: str  # what is done and measured, written before the first run
    run: Callable[[int], Numbers]
    version: int = 1  # raise it with any change of the protocol: stored parts of another version are not used
    seeds_of: SeedsOf = "trainings"


@dataclass(frozen=True)
class Results:
    """What a study gave, seed by seed."""

    study: str
    protocol: str
    provenance: dict[str, str]
    seeds: dict[int, Numbers]

    def values(self, key: str) -> list[Any]:
        """The value at a path such as "zeros/score", one for each seed."""
        found = []
        for numbers in self.seeds.values():
            value: Any = numbers
            for part in key.split("/"):
                if part not in value:
                    raise UserError(f"{self.study} has no {key!r}{did_you_mean(part, list(value))}.")
                value = value[part]
            found.append(value)
        return found

    def mean(self, key: str) -> float:
        """Mean over seeds."""
        return fmean(self.values(key))

    def spread(self, key: str) -> float:
        """Standard deviation over seeds (N - 1)."""
        return stdev(self.values(key))

    def text(self, key: str, digits: int = 2) -> str:
        """Mean and spread over seeds, such as "0.73 ± 0.02"."""
        return f"{self.mean(key):.{digits}f} ± {self.spread(key):.{digits}f}"

    def difference(self, key: str, other: str) -> tuple[float, float]:
        """Mean over seeds of (value at `key` - value at `other`), and the half-width of its 95 % confidence interval.

        Pairs are those of one seed; the interval is Student's, which takes 3 seeds for what they are worth.
        """
        differences = [a - b for a, b in zip(self.values(key), self.values(other), strict=True)]
        if len(differences) - 1 not in STUDENT_95:
            raise UserError(f"{self.study} has {len(differences)} seeds: an interval needs 2 to 10.")
        return fmean(differences), STUDENT_95[len(differences) - 1] * stdev(differences) / len(differences) ** 0.5

    def origin(self) -> str:
        """One line: seeds, scale, hardware, commit, date, command."""
        p = self.provenance
        seeds = ", ".join(str(seed) for seed in self.seeds)
        return f"seeds {seeds}; {p['scale']} scale; {p['hardware']}; commit {p['commit']}; {p['date']}; {p['command']}"

    def check(self, key: str, live: float, digits: int = 2) -> str:
        """A line that sets a live value beside the stored ones.

        A run on another kind of machine is like a run of another seed, and three seeds do not say how far apart runs
        can be. So "as stored" means: no further below the lowest or above the highest stored value than these two are
        apart, a tenth of the value, and what rounding to `digits` hides.
        """
        low, high = min(self.values(key)), max(self.values(key))
        room = high - low + 0.1 * max(abs(low), abs(high)) + 0.5 * 10**-digits
        verdict = "as stored" if low - room <= live <= high + room else "OUTSIDE what is stored"
        shown = ", ".join(f"{value:.{digits}f}" for value in self.values(key))
        return f"{key:32s} live {live:8.{digits}f}   stored {shown}   {verdict}"


def load(name: str, scale: Scale = "toy") -> Results:
    """The committed results of a study, from the repository, or fetched from it where only the package is installed.

    Raises:
        UserError: if there are none at this scale, or they cannot be fetched.
    """
    file = file_name(name, scale)
    path = STORED / file
    if path.is_file():
        content = json.loads(path.read_text())
    elif STORED.is_dir():
        raise UserError(f"there are no results {file} in {STORED.name}/: `make results` makes them.")
    else:
        content = _fetch(file)
    seeds = {int(seed): numbers for seed, numbers in content["seeds"].items()}
    return Results(content["study"], content["protocol"], content["provenance"], seeds)


def exists(name: str, scale: Scale) -> bool:
    """Whether there are results of this study at this scale, here or where only the package is installed, online."""
    if STORED.is_dir():
        return (STORED / file_name(name, scale)).is_file()
    try:
        _fetch(file_name(name, scale))
    except UserError:
        return False
    return True


def by_scale(name: str, keys: Sequence[str], digits: int = 2) -> str:
    """Toy and gpu scale side by side, one line a key; where there are no gpu results, a sentence that says so."""
    scales: list[Scale] = ["toy", *(["gpu"] if exists(name, "gpu") else [])]  # type: ignore[list-item]
    found = {scale: load(name, scale) for scale in scales}
    lines = [f"{'':32s}" + "".join(f"{scale:>20s}" for scale in found)]
    lines += [f"{key:32s}" + "".join(f"{r.text(key, digits):>20s}" for r in found.values()) for key in keys]
    lines += [f"{scale}: {r.origin()}" for scale, r in found.items()]
    if "gpu" not in found:
        lines.append("gpu scale: no results yet; `make gpu` on a machine with a GPU measures them and stores them here")
    return "\n".join(lines)


def file_name(name: str, scale: Scale) -> str:
    """`drift.json` at toy scale, `drift-gpu.json` at another."""
    return f"{name}.json" if scale == "toy" else f"{name}-{scale}.json"


def collect(study: Study, seeds: Sequence[int], command: str = "make results") -> Path:
    """Run a study for every seed (a seed that was done before is not done again) and store all of it.

    Returns:
        The file that was written.
    """
    parts = {seed: part(study, seed, command) for seed in seeds}
    origins = [found["provenance"] for found in parts.values()]
    content = {
        "study": study.name,
        "protocol": " ".join(study.protocol.split()),
        "provenance": {key: ", ".join(dict.fromkeys(origin[key] for origin in origins)) for key in origins[0]},
        "seeds": {str(seed): rounded(found["numbers"]) for seed, found in parts.items()},
    }
    path = STORED / file_name(study.name, current_scale())
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    return path


def provenance(command: str) -> dict[str, str]:
    """Where and when numbers were made: commit, date, scale, hardware, torch, command."""
    return {
        "commit": commit_of(REPOSITORY),
        "date": datetime.date.today().isoformat(),
        "scale": current_scale(),
        "hardware": hardware(),
        "torch": torch.__version__,
        "command": command,
    }


def commit_of(repository: Path) -> str:
    """The commit that a folder is at, "-dirty" behind it if a file of its differs; "unknown" where there is no commit.

    Results do not count: one study writes its file while the next is measured.
    """

    def git(*words: str) -> str:
        command = ["git", "-C", str(repository), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    commit = git("describe", "--always", "--exclude=*").strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!book/results")
    return f"{commit}-dirty" if commit and changed else commit or "unknown"


def hardware() -> str:
    """The machine in words: what is computed on, and in which number format."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    bfloat16 = "with" if has_fast_bfloat16(torch.device("cpu")) else "without"
    return f"{os.cpu_count()} {platform.machine()} cores {bfloat16} bfloat16 units, no GPU"


def rounded(numbers: Any, digits: int = 5) -> Any:
    """Numbers as they are stored: floats with so many significant digits; None where there is no number (JSON has no
    word for infinity, such as the PSNR of a video against itself).
    """
    if isinstance(numbers, dict):
        return {str(name): rounded(value, digits) for name, value in numbers.items()}
    if isinstance(numbers, list | tuple):
        return [rounded(value, digits) for value in numbers]
    if isinstance(numbers, float):
        return float(f"{numbers:.{digits}g}") if isfinite(numbers) else None
    return numbers


def leaves(numbers: Numbers, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every number with its path, and for a list of numbers its length."""
    for name, value in numbers.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}/")
        else:
            yield prefix + name, len(value) if isinstance(value, list) else value


def part(study: Study, seed: int, command: str = "make results") -> dict[str, Any]:
    """What a study gives for one seed, "numbers" and their "provenance"; kept in the home and computed once."""
    path = home() / "results" / "parts" / f"{study.name}-v{study.version}-{current_scale()}-{seed}.json"
    if not path.is_file():
        print(f"{study.name}, seed {seed}", flush=True)
        origin = provenance(command)  # before the run: of the code that computes it
        content = {"provenance": origin, "numbers": rounded(study.run(seed))}
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(content) + "\n")
    return json.loads(path.read_text())


def _fetch(file: str) -> dict[str, Any]:
    """From the repository named in the package's metadata; the copy in the home serves where that cannot be reached."""
    kept = home() / "results" / file
    urls = metadata.metadata("tatslib").get_all("Project-URL") or []
    repository = next(url.split(", ")[1] for url in urls if url.startswith("Repository"))
    address = repository.replace("github.com", "raw.githubusercontent.com") + f"/main/book/results/{file}"
    try:
        with urlopen(address, timeout=SECONDS_TO_WAIT) as answer:
            text = answer.read().decode()
    except OSError as error:
        if not kept.is_file():
            raise UserError(f"the results {file} could not be fetched from {address} ({error}).") from error
    else:
        with replacing(kept) as temporary:
            temporary.write_text(text)
    return json.loads(kept.read_text())

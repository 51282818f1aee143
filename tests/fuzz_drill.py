"""Spoilt data sets, one after another: `python -m tests.fuzz_drill 1000` prints what became of each kind.

All five layouts are written once. Then, a thousand times, one thing in one of them is spoilt: a file cut off, its bytes
changed, its contents swapped for those of another file, its name made hostile, a label or a path in a list or in JSON
replaced, a path made to climb out of the folder. The data set is read. It has to give clips, or one clear line; it must
not hang, and it must not read what lies outside.
"""

import json
import logging
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tatslib.datasets.audioset_drum import audioset_drum
from tatslib.datasets.clips import ClipDataset
from tatslib.datasets.mugen import mugen
from tatslib.datasets.sky_timelapse import sky_timelapse
from tatslib.datasets.taichi import taichi
from tatslib.datasets.ucf101 import ucf101
from tatslib.errors import UserError, one_line
from tatslib.worlds import actions, drums, platform_files, sky
from tatslib.worlds import taichi as taichi_world

SIZE, LENGTH, STRIDE, PATIENCE = 16, 4, 1, 30  # pixels, frames of a clip, their distance, seconds
WRITERS: dict[str, Callable[[Path], Path]] = {
    "ucf101": lambda folder: actions.write(folder, groups=8, mean_frames=6, size=SIZE),
    "sky": lambda folder: sky.write(folder, train=3, test=1, mean_frames=6, size=SIZE),
    "taichi": lambda folder: taichi_world.write(folder, train=3, test=1, mean_frames=12, size=SIZE),
    "drums": lambda folder: drums.write(folder, train=3, test=1, size=SIZE),
    "mugen": lambda folder: platform_files.write(folder, train=3, test=1, mean_frames=20, size=SIZE),
}
READERS: dict[str, Callable[..., ClipDataset]] = {
    "ucf101": ucf101,
    "sky": sky_timelapse,
    "taichi": taichi,
    "drums": audioset_drum,
    "mugen": mugen,
}
ODD: list[Any] = [None, True, -1, 0, 10**400, 1e308, float("nan"), "", "x", "\ud800\x00", "../x.json", [], {}, [[]]]
NAMES = ["new\nline", "-rf", "\u202emirrored", "\U0001f941 drums", "a" * 200, "%00", "..", "c:\\x", "'; drop", "\udce9"]
OUTSIDE = "outside"  # stands in the names of all that lies outside of the data sets
CLIMBING = [f"../../{OUTSIDE}", f"/../{OUTSIDE}", f"..\\..\\{OUTSIDE}", f"x/../../../{OUTSIDE}", "~/x", "/etc/passwd"]


def spoil(value: Any, odd: random.Random, choices: list[Any]) -> None:
    """Change or remove one thing somewhere inside what a JSON file holds."""
    while isinstance(value, dict | list) and value:
        key = odd.choice(list(value) if isinstance(value, dict) else list(range(len(value))))
        inner = value[key]
        if not isinstance(inner, dict | list) or not inner or odd.random() < 0.15:
            if odd.random() < 0.2:
                del value[key]
            else:
                value[key] = odd.choice(choices)
            return
        value = inner


def relabelled(content: bytes, name: str, odd: random.Random, climb: bool) -> bytes:
    """A list or JSON with some entries replaced: by what is no entry, or by a path that climbs out."""
    if name.endswith(".json"):
        loaded = json.loads(content)
        suffix = odd.choice([".mp4", ".json", ""])
        for _ in range(odd.randint(1, 3)):
            spoil(loaded, odd, [path + suffix for path in CLIMBING] if climb else ODD)
        return json.dumps(loaded).encode()
    lines = content.decode().splitlines() or [""]
    for _ in range(odd.randint(1, 3)):
        row, words = odd.randrange(len(lines)), odd.choice(lines).split() or ["x"]
        label = words[-1] if len(words) > 1 else ""
        odd_name = odd.choice(CLIMBING) + odd.choice([".avi", ""]) if climb else odd.choice(["", "9" * 30, *NAMES[:-1]])
        lines[row] = odd.choice([f"{odd_name} {label}", f"{words[0]} {odd_name}", odd_name])
    return "\n".join(lines).encode()


class DataSets:
    """The five data sets, whole, in a folder; outside of them lies what nobody may read."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.roots = folder, {}
        for name, write in WRITERS.items():
            self.roots[name] = write(folder / name / "data")
            self.read(name, 0)  # fills the cache, so that what was not spoilt is not decoded again
        for suffix in (".mp4", ".avi", ".json", ""):
            source = next((self.roots["taichi"] / "train").glob("*.mp4"))
            (folder / f"{OUTSIDE}{suffix}").write_bytes(source.read_bytes())

    def read(self, name: str, step: int) -> ClipDataset:
        """Clips of one of them; with what is said or heard in them, where there is such a thing."""
        where = {"cache": self.folder / f"cache-{name}", "length": LENGTH, "stride": STRIDE, "resolution": SIZE}
        data = READERS[name](self.roots[name], "train", **where)
        take = {"mugen": "clips_with_text", "drums": "clips_with_sound"}.get(name, "clips")
        clips, beside = getattr(data, take)(step, 2)
        assert clips.shape == (2, LENGTH, SIZE, SIZE, 3) and len(beside) == 2
        assert not [path for path in data.paths if OUTSIDE in str(path.resolve())], "read what lies outside"
        return data

    @contextmanager
    def spoilt(self, name: str, kind: str, odd: random.Random) -> Iterator[None]:
        """One of them, with one thing wrong in it."""
        root = self.roots[name]
        files = sorted(path for path in root.rglob("*") if path.is_file())
        lists = [path for path in files if path.suffix in (".txt", ".json")]
        if kind in ("mislabelled", "climbing") and not lists:
            kind = "swapped"
        # lists are few among many videos, and much depends on them
        path = odd.choice(lists if kind in ("mislabelled", "climbing") or (lists and odd.random() < 0.2) else files)
        whole = path.read_bytes()
        moved = path.with_name(odd.choice(NAMES) + path.suffix)
        if kind == "cut off" and whole:
            path.write_bytes(whole[: odd.randrange(len(whole))])
        elif kind == "bytes changed":
            start = odd.randrange(len(whole))
            path.write_bytes(whole[:start] + odd.randbytes(odd.choice([1, 8, 64])) + whole[start + 8 :])
        elif kind == "swapped":
            path.write_bytes(odd.choice(files).read_bytes())
        elif kind == "gone":
            path.unlink()
        elif kind == "hostile name":
            path.rename(moved)
        else:
            path.write_bytes(relabelled(whole, path.name, odd, kind == "climbing"))
        try:
            yield
        finally:
            if moved != path:
                moved.unlink(missing_ok=True)
            path.write_bytes(whole)


KINDS = ("cut off", "bytes changed", "swapped", "gone", "hostile name", "mislabelled", "climbing")


def drill(turns: int, folder: Path, seed: int = 0) -> Counter[tuple[str, str]]:
    """Spoil and read so many times; how often each kind ended in clips and in a refusal.

    Raises:
        AssertionError: if something ended otherwise; it names the turn.
    """
    said: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("tatslib")
    logger.addHandler(listener)
    propagated, logger.propagate = logger.propagate, False
    sets, ends = DataSets(folder), Counter[tuple[str, str]]()
    try:
        for turn in range(turns):
            odd = random.Random(f"{seed} {turn}")
            name, kind = odd.choice(list(WRITERS)), odd.choice(KINDS)
            where = f"turn {turn}: {name}, {kind}"
            said.clear()
            with sets.spoilt(name, kind, odd), in_time(where):
                try:
                    sets.read(name, turn)
                    ends[kind, "clips"] += 1
                except UserError as error:
                    said.append(str(error))
                    ends[kind, "one line"] += 1
                except Exception as error:
                    raise AssertionError(f"{where}: {type(error).__name__}: {error}") from error
            assert all(one_line(line) == line and line.isprintable() for line in said), f"{where}: {said}"
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagated
    return ends


@contextmanager
def in_time(where: str) -> Iterator[None]:
    """Stop what hangs."""

    def stop(*_: object) -> None:
        raise AssertionError(f"{where}: no end after {PATIENCE} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as place:
        started = time.perf_counter()
        found = drill(count, Path(place))
        for spoilt_by in KINDS:
            print(f"{spoilt_by:14} {found[spoilt_by, 'clips']:5} clips {found[spoilt_by, 'one line']:5} refused")
        print(f"{count} spoilt data sets in {time.perf_counter() - started:.0f} s: no crash, no hang")

"""Spoilt data sets, one after another: `python -m tests.fuzz_drill 1000` prints what became of each kind.

All five layouts are written once. Then, a thousand times, one thing that the train split of one of them uses is spoilt
(`tests.spoiling` says how). The data set is read and checked. It has to give clips, or one clear line; what can be
noticed has to be named, by the reader and by the check; both have to take the same videos for good; nothing may hang,
or reach what lies outside.
"""

import logging
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from tatslib.commands.opening import READERS
from tatslib.datasets import check as checking
from tatslib.datasets.check import LAYOUTS, ListedGame, Report, check
from tatslib.datasets.clips import ClipDataset
from tatslib.datasets.frame_cache import count_frames
from tatslib.datasets.game_log import GameLog, read_game_log
from tatslib.errors import UserError, one_line
from tatslib.files import state_key
from tatslib.worlds import actions, drums, platform_files, sky
from tatslib.worlds import taichi as taichi_world
from tests import spoiling
from tests.spoiling import KINDS, KINDS_OF_LISTS, OUTSIDE, Spoilt, content_of

SIZE, LENGTH, STRIDE, PATIENCE = 16, 4, 1, 30  # pixels, frames of a clip, their distance, seconds
WRITERS: dict[str, Callable[[Path], Path]] = {
    "ucf101": lambda folder: actions.write(folder, groups=8, mean_frames=6, size=SIZE),
    "sky": lambda folder: sky.write(folder, train=3, test=1, mean_frames=8, size=SIZE),
    "taichi": lambda folder: taichi_world.write(folder, train=3, test=1, mean_frames=12, size=SIZE),
    "drums": lambda folder: drums.write(folder, train=3, test=1, size=SIZE),
    "mugen": lambda folder: platform_files.write(folder, train=3, test=1, mean_frames=20, size=SIZE),
}
LISTS = {
    "ucf101": ("ucfTrainTestlist/classInd.txt", "ucfTrainTestlist/trainlist01.txt"),
    "mugen": ("coinrun_dataset_jsons/release/train.json",),
}
NAMED_ELSEWHERE = ("ucf101", "drums", "mugen")  # a file that is gone is missed there


class DataSets:
    """The five data sets, whole, in a folder; outside of them lies what nobody may read."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.roots = folder, {name: write(folder / name / "data") for name, write in WRITERS.items()}
        tests = self.roots["ucf101"] / "ucfTrainTestlist" / "testlist01.txt"
        tests.write_text(tests.read_text().splitlines()[0])  # nothing is spoilt there, and the check looks at each
        self.files: dict[str, list[Path]] = {}
        self.frames: dict[Path, int] = {}
        for name, root in self.roots.items():
            self.read(name, 0)  # fills the cache, so that what was not spoilt is not decoded again
            listed = LAYOUTS[name].listing(root, "train")
            files = [root / path for path in LISTS.get(name, ())]
            for video in listed:
                belongs = video.entry.log if isinstance(video, ListedGame) else video.beside
                pictures = sorted(video.path.iterdir()) if video.path.is_dir() else [video.path]
                files += [*pictures, *([belongs] if belongs else [])]
            self.files[name] = files
            self.frames |= {video.path: video.frames for video in check(root, name).videos["train"]}
        samples = {content_of(path): path for files in self.files.values() for path in files}
        del samples["list"], samples["classes"]
        self.contents = spoiling.other_contents(samples)
        for suffix in (".mp4", ".avi", ".json", ""):
            (folder / f"{OUTSIDE}{suffix}").write_bytes(self.contents["log" if suffix == ".json" else "video"])

    def read(self, name: str, step: int) -> ClipDataset:
        """Clips of one of them; with what is said or heard in them, where there is such a thing."""
        where = {"cache": self.folder / f"cache-{name}", "length": LENGTH, "stride": STRIDE, "resolution": SIZE}
        data = READERS[name](self.roots[name], "train", **where)
        take = {"mugen": "clips_with_text", "drums": "clips_with_sound"}.get(name, "clips")
        clips, beside = getattr(data, take)(step, 2)
        assert clips.shape == (2, LENGTH, SIZE, SIZE, 3) and len(beside) == 2
        return data

    @contextmanager
    def spoilt(self, name: str, kind: str, odd: random.Random) -> Iterator[Spoilt]:
        """One of them, with one thing wrong in it that its train split uses."""
        files = self.files[name]
        lists = [path for path in files if content_of(path) in ("list", "classes", "games")]
        with_entries = [path for path in files if content_of(path) in ("list", "classes", "games", "log")]
        with_paths = [path for path in lists if content_of(path) != "classes"]
        # lists are few among many videos, and much depends on them
        some = {"climbing": with_paths, "wrong entry": with_entries, "odd entry": with_entries}.get(kind, files)
        path = odd.choice(lists if lists and some is not with_paths and odd.random() < 0.2 else some)
        whole, status = path.read_bytes(), path.stat()
        moved = path.with_name(odd.choice(spoiling.NAMES) + path.suffix)
        is_listed = name in NAMED_ELSEWHERE
        do: dict[str, Callable[[], Spoilt]] = {
            "cut off": lambda: spoiling.cut_off(path, self.frames.get(path, 0), odd),
            "bytes changed": lambda: spoiling.change_bytes(path, odd),
            "swapped": lambda: spoiling.swap(path, files, odd),
            "mislabelled": lambda: spoiling.mislabel(path, self.contents, odd),
            "gone": lambda: spoiling.remove(path, is_listed),
            "hostile name": lambda: spoiling.remove(path, is_listed),
            "wrong entry": lambda: spoiling.wrong_entry(path, odd),
            "climbing": lambda: spoiling.climb(path, odd),
            "odd entry": lambda: spoiling.odd_entry(path, odd),
        }
        done = do[kind]()
        if kind == "hostile name":
            moved.write_bytes(whole)
        try:
            yield done
        finally:
            if kind == "hostile name":
                moved.unlink()
            path.write_bytes(whole)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # what was decoded of it still holds


def attempt(sets: DataSets, name: str, turn: int, said: list[str]) -> tuple[ClipDataset | None, Report | None]:
    """What the reader makes of a data set, and the check; `said` gets the reader's lines."""
    data, report = None, None
    try:
        data = sets.read(name, turn)
    except UserError as error:
        said.append(str(error))
    try:
        report = check(sets.roots[name], name)
    except UserError as error:
        assert data is None, f"read, and refused by the check: {error}"
    return data, report


def agree(data: ClipDataset | None, report: Report | None) -> None:
    """Reader and check take the same videos for good, and none of them lies outside."""
    found = report.videos.get("train", []) if report is not None else []
    good = Counter(video.path for video in found if not video.problem and video.frames >= LENGTH)
    used = Counter(data.paths if data is not None else [])
    assert good == used, f"the check alone takes {good - used} for good, the reader alone {used - good}"
    assert not [path for path in used if OUTSIDE in str(path.resolve())], "read what lies outside"


def drill(turns: int, folder: Path, seed: int = 0) -> Counter[tuple[str, str]]:
    """Spoil, read and check so many times.

    Returns:
        How often each kind ended in "clips" and in "one line", and how often something had to be "named" and was.

    Raises:
        AssertionError: if something ended otherwise; it names the turn.
    """
    said: list[str] = []
    ends = Counter[tuple[str, str]]()
    with listening(said), counted_once_only():
        sets = DataSets(folder)
        for turn in range(turns):
            odd = random.Random(f"{seed} {turn}")
            name = odd.choice(list(WRITERS))
            kind = odd.choice(KINDS + KINDS_OF_LISTS if name in LISTS else KINDS)
            said.clear()
            with sets.spoilt(name, kind, odd) as spoilt:
                where = f"turn {turn}: {name}, {kind}, {one_line(str(spoilt.path))}"
                try:
                    with in_time():
                        data, report = attempt(sets, name, turn, said)
                    agree(data, report)
                except (Exception, NoEnd) as error:
                    raise AssertionError(f"{where}: {type(error).__name__}: {error}") from error
            told = [*report.problems, *report.remarks] if report is not None else said
            for lines, named in ((said, spoilt.reader), (told, spoilt.check)):
                assert all(line.isprintable() for line in lines), f"{where}: {lines}"
                assert any(one_line(named) in line for line in lines) or not named, f"{where}: no {named} in {lines}"
            ends[kind, "clips" if data is not None else "one line"] += 1
            ends[kind, "named"] += bool(spoilt.reader or spoilt.check)
        assert not list(folder.rglob(f"{OUTSIDE}-executed")), "ran what was in a file"
    return ends


@contextmanager
def listening(said: list[str]) -> Iterator[None]:
    """Put what is logged into a list."""
    listener, logger = logging.Handler(), logging.getLogger("tatslib")
    listener.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(listener)
    propagated, logger.propagate = logger.propagate, False
    try:
        yield
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagated


@contextmanager
def counted_once_only() -> Iterator[None]:
    """Let the check remember what it counted and read in files that are as they were: a thousand times, most are."""
    frames: dict[str, int] = {}
    logs: dict[str, GameLog] = {}

    def count(path: Path) -> int:
        if not path.is_file():
            return count_frames(path)
        if (key := state_key(path, "frames")) not in frames:
            frames[key] = count_frames(path)
        return frames[key]

    def read(path: Path) -> GameLog:
        if not path.is_file():
            return read_game_log(path)
        if (key := state_key(path, "log")) not in logs:
            logs[key] = read_game_log(path)
        return logs[key]

    with patch.object(checking, "count_frames", count), patch.object(checking, "read_game_log", read):
        yield


class NoEnd(BaseException):
    """Nothing that catches whatever a file provokes may catch this, too."""


@contextmanager
def in_time() -> Iterator[None]:
    """Stop what hangs."""

    def stop(*_: object) -> None:
        raise NoEnd(f"after {PATIENCE} seconds")

    before = signal.signal(signal.SIGPROF, stop)  # seconds at work: a busy machine is no hang, and SIGALRM is pytest's
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def table(ends: Counter[tuple[str, str]]) -> str:
    """What became of each kind, and of all."""
    rows = [f"{'what was spoilt':16}{'times':>7}{'clips':>7}{'refused':>9}{'had to be named, and was':>26}"]
    every = KINDS + KINDS_OF_LISTS
    for label, kinds in [*((kind, (kind,)) for kind in every), ("all", every)]:
        clips, refused, named = (sum(ends[kind, end] for kind in kinds) for end in ("clips", "one line", "named"))
        rows.append(f"{label:16}{clips + refused:7,}{clips:7,}{refused:9,}{named:26,}")
    return "\n".join(rows)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as place:
        started = time.perf_counter()
        print(table(drill(count, Path(place))))
        print(
            f"{count:,} spoilt data sets in {time.perf_counter() - started:.0f} s: no crash, no hang, a line for each"
        )

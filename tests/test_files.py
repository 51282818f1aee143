"""Files that are whole or absent: many writers of one path, and what a killed one leaves behind."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from tatslib.errors import UserError
from tatslib.files import LEFTOVER_AFTER, refusals_in_words, replacing


def test_threads_that_write_the_same_path_do_not_meet(tmp_path: Path) -> None:
    together = Barrier(4)

    def write(number: int) -> Path:
        with replacing(tmp_path / "a.txt") as temporary:
            temporary.write_text(str(number))
            together.wait(timeout=10)
            assert temporary.read_text() == str(number)
        return temporary

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(write, range(4)))) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_machines_that_count_their_processes_alike_do_not_meet(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.txt") as first, replacing(tmp_path / "a.txt") as second:
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "a.txt").read_text() == "first", "the last rename wins"


def test_what_a_killed_writer_left_is_removed_after_a_day(tmp_path: Path) -> None:
    file, folder, fresh = (tmp_path / f".{name}" for name in ("a.12ab.partial.mp4", "b.34cd.partial", "c.56ef.partial"))
    others = [tmp_path / name for name in ("old.txt", ".old.partial", "old.12ab.partial")]
    folder.mkdir()
    for path in (file, fresh, folder / "inside.txt", *others):
        path.write_text("half")
    two_days_ago = time.time() - 2 * LEFTOVER_AFTER
    for path in (file, folder, *others):
        os.utime(path, (two_days_ago, two_days_ago))

    with replacing(tmp_path / "new.txt") as temporary:
        temporary.write_text("whole")

    assert set(tmp_path.iterdir()) == {fresh, *others, tmp_path / "new.txt"}


def test_what_the_system_refuses_becomes_one_sentence_and_nothing_else_does() -> None:
    with pytest.raises(UserError, match=r"video cannot be written .*No space left"), refusals_in_words(Path("video")):
        raise OSError(28, "No space left on device")
    with pytest.raises(KeyError), refusals_in_words(Path("video")):
        raise KeyError("a mistake of ours")

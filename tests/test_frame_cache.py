"""The frame cache: what lies in it, when a video is decoded anew, and what an interruption or a full disk leaves."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tatslib.datasets import frame_cache
from tatslib.datasets.clips import ClipDataset
from tatslib.datasets.frame_cache import FrameCache
from tatslib.errors import UserError
from tatslib.videos import read_frames, resize_and_crop, write_video
from tests.test_datasets import numbered_video
from tests.test_videos import smooth_video


def test_cached_frames_are_the_resized_decoded_frames(tmp_path: Path) -> None:
    write_video(tmp_path / "a.avi", smooth_video(70, 24, 40))
    for antialias in (True, False):
        data = ClipDataset([tmp_path / "a.avi"], resolution=16, antialias=antialias, cache=tmp_path / "cache")
        expected = resize_and_crop(read_frames(tmp_path / "a.avi"), 16, antialias)
        assert np.array_equal(data.video(0), expected)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_video_is_decoded_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    decode = FrameCache._decode_into
    monkeypatch.setattr(
        FrameCache, "_decode_into", lambda self, *args: (decoded.append(args[1].name), decode(self, *args))[1]
    )
    write_video(tmp_path / "a.avi", numbered_video(20))
    write_video(tmp_path / "b", numbered_video(20))
    paths = [tmp_path / "a.avi", tmp_path / "b"]
    for _ in range(3):
        ClipDataset(paths, resolution=8, cache=tmp_path / "cache")
    assert decoded == ["a.avi", "b"]
    write_video(tmp_path / "a.avi", numbered_video(24))
    Image.fromarray(numbered_video(1)[0]).save(tmp_path / "b" / "b_frames_00000021.jpg")
    data = ClipDataset(paths, resolution=8, cache=tmp_path / "cache")
    assert decoded == ["a.avi", "b"] * 2 and data.frames == [24, 21]


def test_the_cache_lies_in_the_home_folder_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TATS_HOME", str(tmp_path / "home"))
    write_video(tmp_path / "a.avi", numbered_video(20))
    ClipDataset([tmp_path / "a.avi"], resolution=8)
    assert [path.stat().st_size for path in (tmp_path / "home" / "frames").iterdir()] == [20 * 8 * 8 * 3]


def test_an_interrupted_decoding_leaves_nothing_that_looks_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "a.avi", numbered_video(40))

    def interrupted(path: Path):
        yield from numbered_video(33)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(frame_cache, "iter_frames", interrupted)
        ClipDataset([tmp_path / "a.avi"], resolution=8, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    assert ClipDataset([tmp_path / "a.avi"], resolution=8, cache=tmp_path / "cache").frames == [40]


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    write_video(tmp_path / "a.avi", numbered_video(20))

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FrameCache, "_decode_into", full)
    with pytest.raises(UserError, match=r"No space left in .*cache for the frames of"):
        ClipDataset([tmp_path / "a.avi"], resolution=8, cache=tmp_path / "cache")


def test_decoding_into_the_cache_and_cutting_clips_never_hold_a_long_video(tmp_path: Path) -> None:
    frame_bytes = 32 * 32 * 3
    write_video(tmp_path / "long.avi", (np.full((32, 32, 3), t % 100, np.uint8) for t in range(3000)))
    tracemalloc.start()
    data = ClipDataset([tmp_path / "long.avi"], resolution=32, cache=tmp_path / "cache")
    data.clips(0, 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert data.frames == [3000]
    assert peak < 300 * frame_bytes

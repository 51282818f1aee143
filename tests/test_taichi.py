"""The taichi world, and Taichi-HD as it is read: its own layout, its stride of 4."""

import hashlib
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tatslib.datasets.taichi import taichi
from tatslib.errors import UserError
from tatslib.randomness import numpy_generator
from tatslib.videos import read_frames, write_video
from tatslib.worlds import taichi as world


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.write(tmp_path_factory.mktemp("taichi"), train=3, test=2, mean_frames=90, size=16, seed=2)


# ------------------------------------------------------------------------------------------------------------ the world
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), frame=st.integers(0, 10**7))
def test_a_frame_alone_equals_the_same_frame_within_a_range(seed: int, frame: int) -> None:
    within = world.render(seed, range(frame, frame + 5), 24)
    assert np.array_equal(within[3], world.render(seed, [frame + 3], 24)[0])


def test_the_same_seed_gives_the_same_bytes_on_every_machine() -> None:
    video = np.concatenate([world.render(seed, range(0, 600, 100), 24) for seed in range(4)])
    assert hashlib.sha256(video.tobytes()).hexdigest()[:16] == "973e6b8524f717df"


def test_no_hundred_frames_of_a_long_video_come_twice() -> None:
    video = world.render(5, range(0, 40_000, 20), 8)
    assert len({video[start : start + 5].tobytes() for start in range(len(video) - 4)}) == len(video) - 4


@pytest.mark.parametrize("seed", range(4))
def test_the_motion_is_slow_continuous_and_comes_round_in_about_132_frames(seed: int) -> None:
    period = world.draw_scene(seed).period
    assert 118 < period < 146
    video = world.render(seed, range(300), 24).astype(float)
    change = np.abs(np.diff(video, axis=0)).mean(axis=(1, 2, 3))
    assert change.min() > 0 and change.max() < 6
    distance = np.abs(video - video[0]).mean(axis=(1, 2, 3))
    assert distance[round(period) - 8 : round(period) + 9].min() < 0.75 * distance[20 : round(period) - 20].max()


def test_limbs_keep_their_length_and_feet_their_place() -> None:
    for seed in range(6):
        figure = world.pose(world.draw_scene(seed), range(0, 5000, 7))
        for limbs, lengths in ((figure.arms, (0.18, 0.18)), (figure.legs, (0.21, 0.21))):
            for limb in limbs:
                for (x0, y0), (x1, y1), length in zip(limb[:-1], limb[1:], lengths, strict=True):
                    assert np.allclose(np.hypot(x1 - x0, y1 - y0), length, atol=1e-6)
        for x, y in [leg[-1] for leg in figure.legs]:
            assert np.ptp(x) < 1e-3 and np.ptp(y) < 1e-3
        points = [figure.head, *(joint for limb in (*figure.arms, *figure.legs) for joint in limb)]
        assert all(x.min() > 0.05 and x.max() < 0.95 and y.min() > 0.05 for x, y in points), "nobody leaves the picture"


def test_all_three_forms_are_danced_and_flow_into_each_other() -> None:
    weights = world._forms_at(np.linspace(0, 1, 1000))
    assert np.allclose(weights.sum(axis=1), 1) and (weights.max(axis=0) == 1).all()
    assert np.abs(np.diff(weights, axis=0)).max() < 0.02


def test_a_wide_picture_has_the_square_one_in_its_middle() -> None:
    square, wide = world.render(7, [0, 50], 32), world.render(7, [0, 50], 32, width=48)
    assert np.abs(wide[:, :, 8:40].astype(int) - square).max() <= 1


def test_the_world_is_written_in_the_layout_of_taichi_hd(root: Path) -> None:
    assert {path.name for path in root.iterdir()} == {"train", "test"}
    for path in root.rglob("*.mp4"):
        recording, first, last = path.stem.split("#")
        assert len(recording) == 11 and len(first) == len(last) == 6
        assert read_frames(path).shape == (int(last) - int(first), 16, 16, 3)
    with pytest.raises(UserError, match="exists already"):
        world.write(root)


def test_about_60_of_100_videos_are_too_short_for_64_frames_at_stride_4() -> None:
    pieces = world._pieces(numpy_generator(0, "any"), 2000, 270)
    lengths = np.array([len(numbers) for _, _, numbers in pieces])
    assert 0.55 < (lengths < 253).mean() < 0.65 and lengths.min() >= 67


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for folder in ("first", "second"):
        world.write(tmp_path / folder, train=1, test=1, mean_frames=8, size=16)
        files = sorted((tmp_path / folder).rglob("*.mp4"))
        contents.append({path.relative_to(tmp_path / folder): path.read_bytes() for path in files})
    assert contents[0] == contents[1] and contents[0]


def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="starts at 8, got 7"):
        world.write(tmp_path / "world", size=7)
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match=r"cannot be written .*: choose another place"):
        world.write(tmp_path / "file" / "below")

    def broken(path: Path, *_: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(world, "write_video", broken)
    with pytest.raises(KeyboardInterrupt):
        world.write(tmp_path / "world", train=1, test=1)
    assert [path.name for path in tmp_path.iterdir() if path.name != "file"] == ["world"]
    assert list((tmp_path / "world").iterdir()) == []


# ----------------------------------------------------------------------------------------------------------- the reader
def test_clips_have_a_stride_of_4_unless_told_otherwise(root: Path, tmp_path: Path) -> None:
    train = taichi(root, length=4, resolution=16, cache=tmp_path)
    assert train.stride == 4 and train.span == 13 and train.classes == ()
    assert all(path.parent.name == "train" for path in train.paths)
    frames = read_frames(train.paths[0])
    assert np.array_equal(train.clip(0, 2), frames[2:15:4])
    dense = taichi(root, "test", stride=1, length=4, resolution=16, cache=tmp_path)
    assert dense.span == 4 and all(path.parent.name == "test" for path in dense.paths)


def test_files_and_folders_of_frames_are_read_alike_and_from_the_folder_above(root: Path, tmp_path: Path) -> None:
    options = {"length": 4, "resolution": 16, "cache": tmp_path / "cache"}
    files = taichi(root, **options)
    for path in files.paths:
        folder = tmp_path / "taichi-png" / "train" / path.name  # the official script keeps the suffix
        folder.mkdir(parents=True)
        for number, frame in enumerate(read_frames(path)):
            Image.fromarray(frame).save(folder / f"{number:07d}.png")
    folders = taichi(tmp_path, **options)
    assert [path.name for path in folders.paths] == [path.name for path in files.paths]
    assert torch.equal(folders.clips(3, 4)[0], files.clips(3, 4)[0])


def test_a_wrong_folder_ends_in_one_sentence(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'splits "train" and "test", got \'val\''):
        taichi(root, "val")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="does not exist"):
        taichi(tmp_path / "nowhere")
    (tmp_path / "train" / "a").mkdir(parents=True)
    with pytest.raises(UserError, match=r"holds no video .* holds a\."):
        taichi(tmp_path)


def test_bad_files_and_hostile_names_cost_one_line_each(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train = tmp_path / "train"
    shutil.copytree(root / "train", train)
    good = sorted(train.iterdir())
    whole = good[0].read_bytes()
    bad = {
        "zero.mp4": b"",
        "cut.mp4": whole[: len(whole) // 2],
        "text.avi": b"no video",
        "half\nline.mp4": b"",
        "caf\udce9.mp4": whole[:100],
        "\x1b[31mred.mp4": b"",
        "-rf *.mp4": b"",
        "月 $(id) %s.webm": b"",
    }
    for name, content in bad.items():
        (train / name).write_bytes(content)
    shutil.copy(good[0], train / "mislabelled\udcff\n.webm")
    (train / "loop").symlink_to(train)
    (train / ".hidden.mp4").write_bytes(b"")
    write_video(train / "short.mp4", np.zeros((3, 16, 16, 3), np.uint8))
    with caplog.at_level(logging.WARNING, logger="tatslib"):
        data = taichi(tmp_path, length=2, resolution=16, cache=tmp_path / "cache")
    assert sorted(data.paths) == sorted([*good, train / "mislabelled\udcff\n.webm"])
    assert len(caplog.messages) == len(bad) + 1 and all(line.isprintable() for line in caplog.messages)
    assert set(data.skipped) == {train / name for name in [*bad, "short.mp4"]}

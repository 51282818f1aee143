"""From folders of videos to clips: the official layouts, the choice of clips, and every bad file."""

import json
import logging
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tatslib.datasets.benchmark import bench_data
from tatslib.datasets.clips import ClipDataset
from tatslib.datasets.sky_timelapse import sky_timelapse
from tatslib.datasets.ucf101 import ucf101
from tatslib.errors import UserError
from tatslib.videos import write_video
from tatslib.worlds import actions, sky
from tests.test_videos import smooth_video, write_audio


def numbered_video(length: int, size: int = 16) -> np.ndarray:
    """Frame t is a flat grey of brightness 4 t, so that a clip tells where it was cut."""
    return np.broadcast_to((4 * np.arange(length, dtype=np.uint8))[:, None, None, None], (length, size, size, 3))


def frame_numbers(clip: np.ndarray) -> list[int]:
    return np.rint(clip.mean(axis=(1, 2, 3)) / 4).astype(int).tolist()


@pytest.fixture(scope="module")
def ucf_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return actions.write(tmp_path_factory.mktemp("ucf"), groups=9, mean_frames=12, size=24, seed=1)


@pytest.fixture(scope="module")
def sky_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sky.write(tmp_path_factory.mktemp("sky"), train=4, test=2, mean_frames=20, size=24, seed=1)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], Path]:
    """Three numbered videos, one of each kind on disk, and a cache folder."""
    root = tmp_path_factory.mktemp("numbered")
    for name, length in (("a.avi", 20), ("b.mp4", 50), ("c", 30)):
        write_video(
            root / name, numbered_video(length), quality=1 if name == "a.avi" else 10 if name == "b.mp4" else 95
        )
    return [root / "a.avi", root / "b.mp4", root / "c"], root / "cache"


# ------------------------------------------------------------------------------------------------------ choosing clips
@settings(max_examples=60, deadline=None)
@given(length=st.integers(1, 12), stride=st.integers(1, 4), step=st.integers(0, 1000), seed=st.integers(0, 99))
def test_clips_lie_within_their_video_and_frames_are_stride_apart(
    numbered: tuple[list[Path], Path], length: int, stride: int, step: int, seed: int
) -> None:
    paths, cache = numbered
    data = ClipDataset(paths, length=length, stride=stride, resolution=8, seed=seed, cache=cache)
    clips, labels = data.clips(step, 3)
    assert clips.shape == (3, length, 8, 8, 3) and clips.dtype == torch.uint8
    assert labels.tolist() == [0, 0, 0] and labels.dtype == torch.int64
    for clip in clips:
        numbers = frame_numbers(clip.numpy())
        assert numbers == list(range(numbers[0], numbers[0] + (length - 1) * stride + 1, stride))
        assert numbers[-1] < 50


def test_length_counts_sampled_frames_for_files_and_folders_alike(numbered: tuple[list[Path], Path]) -> None:
    paths, cache = numbered
    data = ClipDataset(paths, length=5, stride=4, resolution=8, cache=cache)
    assert data.span == 17
    for video in range(3):
        assert frame_numbers(data.clip(video, 1)) == [1, 5, 9, 13, 17]


def test_every_window_is_equally_likely(numbered: tuple[list[Path], Path]) -> None:
    paths, cache = numbered
    data = ClipDataset(paths, length=10, resolution=8, cache=cache)
    assert data.windows == 11 + 41 + 21
    places = [place for step in range(60) for place in data.places(step, 100)]
    counts = np.array(
        [places.count((video, start)) for video, room in enumerate((11, 41, 21)) for start in range(room)]
    )
    assert counts.sum() == 6000 and counts.min() > 45 and counts.max() < 125


def test_a_batch_depends_on_seed_and_step_alone(numbered: tuple[list[Path], Path]) -> None:
    paths, cache = numbered
    data = ClipDataset(paths, length=4, resolution=8, seed=3, cache=cache)
    again = pickle.loads(pickle.dumps(data))
    later = again.clips(7, 4)[0]
    for step in range(7):
        data.clips(step, 4)
    assert torch.equal(data.clips(7, 4)[0], later)
    assert not torch.equal(data.clips(8, 4)[0], later)
    assert not torch.equal(data.clips(7, 4, seed=4)[0], later)
    assert torch.equal(ClipDataset(paths, length=4, resolution=8, seed=4, cache=cache).clips(7, 4, seed=3)[0], later)


def test_ranks_share_one_batch_without_overlap(numbered: tuple[list[Path], Path]) -> None:
    paths, cache = numbered
    data = ClipDataset(paths, length=4, resolution=8, cache=cache)
    whole = data.clips(5, 8)[0]
    shares = [data.clips(5, 4, rank=rank, world_size=2)[0] for rank in range(2)]
    assert torch.equal(torch.stack(shares, dim=1).flatten(0, 1), whole)


def test_the_centre_clip_of_each_video_comes_in_turn(numbered: tuple[list[Path], Path]) -> None:
    paths, cache = numbered
    data = ClipDataset(paths, length=10, resolution=8, position="centre", cache=cache)
    starts = [frame_numbers(clip.numpy())[0] for step in range(2) for clip in data.clips(step, 2)[0]]
    assert starts == [5, 20, 10, 5]


def test_clips_outside_their_video_are_refused(numbered: tuple[list[Path], Path]) -> None:
    paths, cache = numbered
    data = ClipDataset(paths, length=10, resolution=8, cache=cache)
    assert frame_numbers(data.clip(0, 10)) == list(range(10, 20))
    for start in (-1, 11):
        with pytest.raises(UserError, match=rf"a\.avi can start at 0 to 10, not at {start}"):
            data.clip(0, start)


@pytest.mark.parametrize("wrong", [{"length": 0}, {"stride": 0}, {"resolution": 0}, {"position": "middle"}])
def test_impossible_settings_are_named(numbered: tuple[list[Path], Path], wrong: dict) -> None:
    with pytest.raises(UserError, match=str(next(iter(wrong.values())))):
        ClipDataset(numbered[0], cache=numbered[1], **wrong)


def test_decoding_in_threads_gives_the_same_data_set(numbered: tuple[list[Path], Path], tmp_path: Path) -> None:
    one = ClipDataset(numbered[0], resolution=8, cache=tmp_path / "one")
    many = ClipDataset(numbered[0], resolution=8, cache=tmp_path / "many", workers=3)
    assert one.frames == many.frames and torch.equal(one.clips(0, 8)[0], many.clips(0, 8)[0])


def test_the_benchmark_ends_with_one_json_line(
    numbered: tuple[list[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data = ClipDataset(numbered[0], length=4, resolution=8, cache=numbered[1])
    result = bench_data(data, seconds=0.05)
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == result
    assert result["cached_clips_per_s"] > result["sequential_clips_per_s"] > 0


# ----------------------------------------------------------------------------------------------------------- bad files
def test_each_bad_file_is_named_in_one_line_and_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    good = tmp_path / "good.avi"
    write_video(good, smooth_video(40))
    whole = good.read_bytes()
    (tmp_path / "truncated.avi").write_bytes(whole[: len(whole) // 2])
    write_video(tmp_path / "b.mp4", smooth_video(40))
    whole = (tmp_path / "b.mp4").read_bytes()
    (tmp_path / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "zero.avi").touch()
    (tmp_path / "text.webm").write_text("no video")
    write_audio(tmp_path / "audio.wav")
    shutil.move(tmp_path / "audio.wav", tmp_path / "audio_only.avi")
    (tmp_path / "empty_folder").mkdir()
    write_video(tmp_path / "short.avi", smooth_video(15))
    write_video(tmp_path / "Ünicode 月 short", smooth_video(3))
    shutil.move(tmp_path / "b.mp4", tmp_path / "swapped.avi")
    names = ["truncated.avi", "truncated.mp4", "zero.avi", "text.webm", "audio_only.avi", "empty_folder", "missing.avi"]
    short = ["short.avi", "Ünicode 月 short"]
    paths = [tmp_path / name for name in ["good.avi", *names, *short, "swapped.avi"]]

    with caplog.at_level(logging.WARNING, logger="tatslib"):
        data = ClipDataset(paths, labels=range(11), length=16, resolution=16, cache=tmp_path / "cache")

    assert [path.name for path in data.paths] == ["good.avi", "swapped.avi"]
    assert data.labels == [0, 10]
    for name in names:
        lines = [line for line in caplog.messages if name in line]
        assert len(lines) == 1 and lines[0].startswith("Skipped: ") and "\n" not in lines[0]
    assert caplog.messages[-1] == (
        "Skipped: shorter than the 16 frames that a clip spans: short.avi (15), Ünicode 月 short (3)."
    )
    assert len(caplog.messages) == len(names) + 1
    assert set(data.skipped) == {tmp_path / name for name in [*names, *short]}


def test_an_avi_that_honestly_lacks_its_last_frames_is_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_video(tmp_path / "a.avi", smooth_video(60))
    whole = (tmp_path / "a.avi").read_bytes()
    last_frame = whole.rindex(b"00dc", 0, whole.rindex(b"idx1"))
    (tmp_path / "a.avi").write_bytes(whole[:last_frame])
    data = ClipDataset([tmp_path / "a.avi"], resolution=16, cache=tmp_path / "cache")
    assert data.frames == [59] and not caplog.messages


def test_an_avi_that_was_cut_near_its_end_is_named_and_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noise = np.random.default_rng(0).integers(
        0, 256, (100, 32, 32, 3), dtype=np.uint8
    )  # so that frames are equally big
    for name in ("whole.avi", "cut.avi"):
        write_video(tmp_path / name, noise)
    whole = (tmp_path / "cut.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: int(0.955 * len(whole))])
    data = ClipDataset([tmp_path / "whole.avi", tmp_path / "cut.avi"], resolution=16, cache=tmp_path / "cache")
    assert [path.name for path in data.paths] == ["whole.avi"]
    assert len(caplog.messages) == 1 and "cut.avi was cut off: only 9" in caplog.messages[0]


def test_a_broken_last_packet_costs_that_frame_and_a_broken_middle_the_video(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_video(tmp_path / "end.avi", smooth_video(60))
    whole = (tmp_path / "end.avi").read_bytes()
    end = whole.rindex(b"00dc", 0, whole.rindex(b"idx1"))
    middle = whole.index(b"00dc", len(whole) // 2)
    (tmp_path / "end.avi").write_bytes(whole[: end + 8] + bytes(len(whole) - end - 8))
    (tmp_path / "middle.avi").write_bytes(whole[:middle] + bytes(len(whole) - middle))
    data = ClipDataset([tmp_path / "end.avi", tmp_path / "middle.avi"], resolution=16, cache=tmp_path / "cache")
    assert [path.name for path in data.paths] == ["end.avi"] and 58 <= data.frames[0] <= 60
    assert len(caplog.messages) == 1 and "middle.avi" in caplog.messages[0]


def test_a_picture_size_that_changes_on_the_way_is_damage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_video(tmp_path / "good", smooth_video(20, 16, 16))
    write_video(tmp_path / "changing", smooth_video(20, 16, 16))
    Image.new("RGB", (20, 20)).save(tmp_path / "changing" / "changing_frames_00000005.jpg")
    data = ClipDataset([tmp_path / "good", tmp_path / "changing"], resolution=8, cache=tmp_path / "cache")
    assert len(data) == 1 and "changes its picture size" in caplog.messages[0]


def test_many_bad_files_do_not_flood_the_screen(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_video(tmp_path / "good.avi", smooth_video(20))
    paths = [tmp_path / "good.avi"] + [tmp_path / f"missing{number}.avi" for number in range(30)]
    data = ClipDataset(paths, resolution=8, cache=tmp_path / "cache")
    assert len(caplog.messages) == 11 and "20 more" in caplog.messages[-1]
    assert len(data.skipped) == 30


def test_nothing_usable_says_what_was_looked_for_and_found(tmp_path: Path) -> None:
    write_video(tmp_path / "a.avi", smooth_video(20))
    (tmp_path / "b.avi").touch()
    with pytest.raises(UserError, match=r"16 frames with stride 4 span 61 frames, the longest of 2 videos has 20"):
        ClipDataset([tmp_path / "a.avi", tmp_path / "b.avi"], stride=4, resolution=8, cache=tmp_path / "cache")
    with pytest.raises(UserError, match=r"None of 1 videos can be decoded; the first: .*b\.avi is an empty file"):
        ClipDataset([tmp_path / "b.avi"], resolution=8, cache=tmp_path / "cache")


# -------------------------------------------------------------------------------------------------------------- UCF-101
def test_ucf101_takes_labels_and_splits_from_the_official_lists(ucf_root: Path, tmp_path: Path) -> None:
    train = ucf101(ucf_root, length=4, resolution=16, cache=tmp_path)
    test = ucf101(ucf_root, split="test", length=4, resolution=16, cache=tmp_path)
    assert train.classes == actions.CLASSES
    assert {path.name[-10:-8] for path in train.paths} == {"08", "09"}
    assert {int(path.name[-10:-8]) for path in test.paths} == set(range(1, 8))
    for data in (train, test):
        assert all(
            actions.CLASSES[label] == path.parent.name for path, label in zip(data.paths, data.labels, strict=True)
        )
    assert {
        int(path.name[-10:-8]) for path in ucf101(ucf_root, "test", 2, length=4, resolution=16, cache=tmp_path).paths
    } == {8, 9}


def test_ucf101_is_found_as_the_archives_unpack(ucf_root: Path, tmp_path: Path) -> None:
    options = {"length": 4, "resolution": 16, "cache": tmp_path / "cache"}
    expected = ucf101(ucf_root, **options).clips(0, 4)[0]
    assert torch.equal(ucf101(ucf_root / "UCF-101", **options).clips(0, 4)[0], expected)  # lists beside the videos
    inside = tmp_path / "inside"
    shutil.copytree(ucf_root / "UCF-101", inside)
    shutil.copytree(ucf_root / "ucfTrainTestlist", inside / "ucfTrainTestlist")
    for path in (inside / "ucfTrainTestlist").iterdir():  # the official lists have Windows line ends
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert torch.equal(ucf101(inside, **options).clips(0, 4)[0], expected)


def test_a_wrong_ucf101_folder_ends_in_one_sentence(ucf_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "ucf"
    shutil.copytree(ucf_root, root)

    def sentence(folder: Path, **options: object) -> str:
        with pytest.raises(UserError) as caught:
            ucf101(folder, length=4, resolution=16, cache=tmp_path / "cache", **options)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "got 'validation' and 1" in sentence(root, split="validation")
    assert "got 'train' and 4" in sentence(root, fold=4)
    assert f"{tmp_path / 'nowhere'} does not exist" in sentence(tmp_path / "nowhere")
    (tmp_path / "empty" / "deep").mkdir(parents=True)
    assert f"{tmp_path / 'empty' / 'deep'} is empty" in sentence(tmp_path / "empty" / "deep")
    (root / "ucfTrainTestlist" / "trainlist03.txt").unlink()
    assert "trainlist03.txt is missing" in sentence(root, fold=3)
    (root / "ucfTrainTestlist" / "trainlist02.txt").write_text("")
    assert "trainlist02.txt is empty" in sentence(root, fold=2)
    (root / "ucfTrainTestlist" / "trainlist02.txt").write_text("Cartwheel/v_Cartwheel_g08_c01.avi 1\n")
    assert "knows no such class" in sentence(root, fold=2)
    assert "No video is long enough: 4 frames with stride 50" in sentence(root, stride=50)
    shutil.move(root / "UCF-101", root / "videos")
    assert "looked for" in sentence(root) and "ucfTrainTestlist, videos" in sentence(root)
    (root / "ucfTrainTestlist" / "classInd.txt").write_text("PulsingRing\n")
    shutil.move(root / "videos", root / "UCF-101")
    assert "is not a class list" in sentence(root)


# ------------------------------------------------------------------------------------------------------- Sky Time-lapse
def test_every_folder_of_frames_is_a_sky_video(sky_root: Path, tmp_path: Path) -> None:
    options = {"length": 4, "resolution": 16, "cache": tmp_path / "cache"}
    train, test = sky_timelapse(sky_root, **options), sky_timelapse(sky_root, split="test", **options)
    assert train.classes == () and train.clips(0, 2)[1].tolist() == [0, 0]
    assert all(path.parent.parent.name == "sky_train" for path in train.paths)
    assert set(train.paths).isdisjoint(test.paths)
    assert train.frames == [len(list(path.glob("*.jpg"))) for path in train.paths]
    shutil.copytree(sky_root, tmp_path / "archive" / "sky_timelapse")
    assert torch.equal(sky_timelapse(tmp_path / "archive", **options).clips(3, 2)[0], train.clips(3, 2)[0])


def test_a_wrong_sky_folder_ends_in_one_sentence(sky_root: Path, ucf_root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'splits "train" and "test", got'):
        sky_timelapse(sky_root, split="val")
    with pytest.raises(UserError, match=r"sky_train.* not found: looked for .* holds UCF-101, ucfTrainTestlist"):
        sky_timelapse(ucf_root)
    (tmp_path / "sky_train" / "a" / "a_1").mkdir(parents=True)
    with pytest.raises(UserError, match=r"holds no folder with frames .* holds a\."):
        sky_timelapse(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        sky_timelapse(tmp_path / "nowhere")


def test_the_length_of_the_longest_video_is_the_limit(sky_root: Path, tmp_path: Path) -> None:
    longest = max(sky_timelapse(sky_root, length=1, resolution=16, cache=tmp_path).frames)
    assert len(sky_timelapse(sky_root, length=longest, resolution=16, cache=tmp_path)) >= 1
    with pytest.raises(UserError, match=f"has {longest}"):
        sky_timelapse(sky_root, length=longest + 1, resolution=16, cache=tmp_path)

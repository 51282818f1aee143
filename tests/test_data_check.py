"""What a folder holds: all layouts are recognised, everything missing or damaged is one line, clips are counted."""

import pickle
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tatslib.cli import main
from tatslib.commands.evaluate import open_real
from tatslib.datasets.audioset_drum import audioset_drum
from tatslib.datasets.check import LAYOUTS, check, clips_of, detect, share_at_least
from tatslib.datasets.taichi import taichi
from tatslib.datasets.ucf101 import ucf101
from tatslib.errors import UserError, one_line
from tatslib.videos import frame_paths, write_video
from tatslib.viz.lengths import draw_lengths
from tatslib.worlds import actions, drums, sky
from tatslib.worlds import taichi as taichi_world
from tests.test_datasets import numbered_video

SMALL = {
    "ucf101": lambda folder: actions.write(folder, groups=8, mean_frames=4, size=8),
    "sky": lambda folder: sky.write(folder, train=1, test=1, mean_frames=6, size=8),
    "taichi": lambda folder: taichi_world.write(folder, train=2, test=1, mean_frames=12, size=8),
    "drums": lambda folder: drums.write(folder, train=1, test=1, size=8),
}


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: write(tmp_path_factory.mktemp(name)) for name, write in SMALL.items()}


@pytest.mark.parametrize("name", list(SMALL))
def test_every_world_is_recognised_by_its_layout_and_found_whole(roots: dict[str, Path], name: str) -> None:
    report = check(roots[name])
    assert detect(roots[name]) == report.dataset == name and not report.problems
    files = {"ucf101": "*.avi", "taichi": "*.mp4", "drums": "*.mp4"}
    found = sum(len(videos) for videos in report.videos.values())
    if name in files:
        assert found == len(list(roots[name].rglob(files[name])))
    words = report.describe(length=2, stride=1)
    assert LAYOUTS[name].name in words and words.count("\n") == 6 and "!" not in words


def test_frames_are_counted_and_clips_are_those_that_the_reader_gives(roots: dict[str, Path], tmp_path: Path) -> None:
    report = check(roots["taichi"])
    data = taichi(roots["taichi"], length=2, resolution=8, cache=tmp_path)
    assert sorted(frames for frames in report.frames("train") if frames >= 5) == sorted(data.frames)
    assert clips_of(report.frames("train"), 2, 4) == (len(data), data.windows)
    assert f"{len(data)} videos are long enough" in report.describe(length=2)
    assert "stride 4 span 5" in report.describe(length=2) and "stride 1 span 2" in report.describe(2, 1)


def test_what_is_missing_or_damaged_is_one_line_each(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_video(tmp_path / "train" / f"{name}.mp4", numbered_video(12))
    whole = (tmp_path / "train" / "b.mp4").read_bytes()
    (tmp_path / "train" / "b.mp4").write_bytes(whole[: int(0.8 * len(whole))])
    (tmp_path / "train" / "c.mp4").write_bytes(pickle.dumps([1]))
    (tmp_path / "train" / "new\nline\udce9.mp4").touch()
    report = check(tmp_path, "taichi", workers=3)
    assert [video.path.name for video in report.videos["train"] if not video.problem] == ["a.mp4"]
    words = report.describe(length=2)
    assert "train: 4 videos, 1 good, 3 not" in words
    bad = [line for line in words.splitlines() if line.startswith("! ")]
    assert len(bad) == 4 and all(line.isprintable() for line in bad)
    assert "The test split of Taichi-HD not found" in bad[0] and "b.mp4" in bad[1] and "c.mp4" in bad[2]
    assert words.encode()


def test_what_the_official_lists_name_and_is_not_there_is_missing(tmp_path: Path) -> None:
    actions.write(tmp_path, groups=8, mean_frames=4, size=8)
    gone = sorted((tmp_path / "UCF-101" / "PulsingRing").iterdir())[0]
    gone.unlink()
    problems = check(tmp_path).problems
    assert len(problems) == 1 and f"{gone} does not exist" in problems[0]


def test_a_spectrogram_that_does_not_fit_is_named(tmp_path: Path) -> None:
    drums.write(tmp_path, train=2, test=1, size=8)
    (tmp_path / "stft" / "train" / "00001.pickle").write_bytes(pickle.dumps(np.zeros((80, 4, 4))))
    (tmp_path / "stft" / "train" / "00002.pickle").unlink()
    problems = check(tmp_path).problems
    assert len(problems) == 2 and "has the sound of 80 frames" in problems[0]
    assert problems[0].endswith("00001.mp4 announces 90.")
    assert "00002.pickle does not exist" in problems[1]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((90, 4, 4), np.nan), "holds infinite numbers or none at all"),
        (np.full((90, 4, 4), 1e300), "holds infinite numbers or none at all"),  # too large for what it is stored as
        (np.zeros((90, 5000, 1)), "holds an array (90, 5000, 1), not one picture"),
        (np.zeros((90, 0, 4)), "holds an array (90, 0, 4), not one picture"),
        (np.zeros((90, 4)), "holds an array (90, 4), not one picture"),
    ],
    ids=["nan", "huge numbers", "huge", "no frequencies", "flat"],
)
def test_a_sound_that_the_reader_refuses_is_no_good_to_the_check_either(
    roots: dict[str, Path], tmp_path: Path, array: NDArray, words: str
) -> None:
    shutil.copytree(roots["drums"], tmp_path / "data")
    for number in (2, 3):  # beside a good video
        shutil.copy(tmp_path / "data/video/train/00001.mp4", tmp_path / f"data/video/train/0000{number}.mp4")
        shutil.copy(tmp_path / "data/stft/train/00001.pickle", tmp_path / f"data/stft/train/0000{number}.pickle")
    (tmp_path / "data/stft/train/00002.pickle").write_bytes(pickle.dumps(array))
    for quick in (False, True):
        report = check(tmp_path / "data", quick=quick)
        assert len(report.problems) == 1 and words in report.problems[0] and "00002.pickle" in report.problems[0]
    data = audioset_drum(tmp_path / "data", resolution=8, cache=tmp_path / "cache")
    assert data.paths == [video.path for video in report.videos["train"] if not video.problem] and len(data) == 2
    assert list(data.skipped.values()) == report.problems


def test_frames_that_are_missing_inside_a_folder_are_named_though_the_reader_bridges_them(
    roots: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(roots["sky"], tmp_path / "data")
    folder = max((tmp_path / "data/sky_train").glob("*/*"), key=lambda part: len(list(part.iterdir())))
    frames = frame_paths(folder)
    (folder / ".hidden_99999999.jpg").touch()
    assert not check(tmp_path / "data").remarks
    for lost in (frames[2], frames[3], frames[-2]):
        lost.unlink()
    for quick in (False, True):
        report = check(tmp_path / "data", quick=quick)
        assert report.remarks == [f"{folder}: 3 frames are missing inside the numbering (first: {frames[2].name})."]
        assert not report.problems and len(frames) - 3 in report.frames("train")
        assert [line for line in report.describe().splitlines() if line.startswith("! ")] == [f"! {report.remarks[0]}"]
    frames[-2].with_name("new\nline.jpg").write_bytes(frames[0].read_bytes())  # has no place in the numbering
    assert "3 frames are missing" in check(tmp_path / "data").remarks[0]


def test_every_tenth_frame_kept_with_its_number_is_a_numbering_without_gaps(tmp_path: Path) -> None:
    write_video(tmp_path / "train" / "a", numbered_video(1), first=10)
    (first,) = (tmp_path / "train" / "a").iterdir()
    for number in (20, 30, 50):
        shutil.copy(first, first.with_name(f"a_frames_{number:08}.jpg"))
    (remark,) = check(tmp_path, "taichi").remarks
    assert remark.endswith("a: 1 frame is missing inside the numbering (first: a_frames_00000040.jpg).")


def test_what_a_train_list_says_of_a_class_has_to_fit_the_list_of_classes(tmp_path: Path) -> None:
    actions.write(tmp_path, groups=8, mean_frames=4, size=8)
    listed = tmp_path / "ucfTrainTestlist" / "trainlist01.txt"
    whole, name = listed.read_text(), listed.read_text().split()[0]
    for label in ("2", "x", "9" * 30):
        listed.write_text(whole.replace(f"{name} 1\n", f"{name} {label}\n"))
        (problem,) = check(tmp_path).problems
        assert f"{listed} lists {name} as class {label}, but" in problem and "numbers BouncingBall 1" in problem
        with pytest.raises(UserError, match=r"but .*classInd\.txt numbers BouncingBall 1"):
            ucf101(tmp_path, length=2, resolution=8, cache=tmp_path / "cache")
    listed.write_text(whole.replace(f"{name} 1\n", f"{name}\n"))  # a list may say nothing of classes
    assert not check(tmp_path).problems


def test_each_of_the_three_folds_of_lists_can_be_looked_at(roots: dict[str, Path], tmp_path: Path) -> None:
    root = shutil.copytree(roots["ucf101"], tmp_path / "data")
    names = sorted(path.relative_to(root / "UCF-101").as_posix() for path in root.rglob("*.avi"))
    for fold in (1, 2, 3):
        tests = names[fold::4]
        for split, listed in (("train", sorted(set(names) - set(tests))), ("test", tests)):
            (root / "ucfTrainTestlist" / f"{split}list0{fold}.txt").write_text("\n".join(listed))
        report = check(root, fold=fold, quick=True)
        found = {
            split: [video.path.relative_to(root / "UCF-101").as_posix() for video in videos]
            for split, videos in report.videos.items()
        }
        assert found == {"train": sorted(set(names) - set(tests)), "test": tests} and not report.problems
        assert report.describe().startswith(f"{root} has the layout of UCF-101, fold {fold} (official")
    assert check(root, quick=True).videos == check(root, fold=1, quick=True).videos
    with pytest.raises(UserError, match="folds 1, 2 and 3, got 'train' and 4"):
        check(root, fold=4)
    with pytest.raises(UserError, match=r"lists of UCF-101, and .* has the layout of Taichi-HD: leave fold 2 out"):
        check(roots["taichi"], fold=2)
    (root / "ucfTrainTestlist" / "testlist03.txt").unlink()
    (problem,) = check(root, fold=3, quick=True).problems
    assert "testlist03.txt is missing" in problem


def test_the_quick_check_believes_what_files_announce(tmp_path: Path) -> None:
    write_video(tmp_path / "train" / "a.mp4", numbered_video(12))
    whole = (tmp_path / "train" / "a.mp4").read_bytes()
    (tmp_path / "train" / "a.mp4").write_bytes(whole[:-60])
    assert check(tmp_path, "taichi", quick=True).frames("train") == [12]
    assert "frames announced" in check(tmp_path, "taichi", quick=True).describe()
    assert not check(tmp_path, "taichi").frames("train")


def test_a_folder_without_a_data_set_is_one_sentence(tmp_path: Path) -> None:
    for folder, words in ((tmp_path, "is empty"), (tmp_path / "nowhere", "does not exist")):
        with pytest.raises(UserError, match=rf"No data set's layout is found there .*{words}"):
            check(folder)
    with pytest.raises(UserError, match=r"There is no data set 'taich' \(perhaps you meant 'taichi'\)"):
        check(tmp_path, "taich")
    (tmp_path / "train").mkdir()
    with pytest.raises(UserError, match=r"No data set's layout is found there .* holds train\.$"):
        check(tmp_path)
    with pytest.raises(UserError, match="The train split of Taichi-HD"):
        check(tmp_path, "taichi")


def test_folders_of_classes_as_the_released_code_wants_ucf101_are_not_taken_for_taichi(tmp_path: Path) -> None:
    for split, name in (("train", "v_Archery_g01_c01"), ("test", "v_Archery_g08_c01")):
        write_video(tmp_path / split / "Archery" / f"{name}.avi", numbered_video(6))
    (tmp_path / "train" / ".DS_Store").touch()
    with pytest.raises(UserError) as caught:
        check(tmp_path)
    sentence = one_line(str(caught.value))
    assert "holds folders of classes (Archery)" in sentence and "as the released code wants UCF-101" in sentence
    assert "one folder UCF-101" in sentence and "ucfTrainTestlist beside it" in sentence
    real, layout = open_real(tmp_path, None, "train", None, {"length": 4, "resolution": 16, "cache": tmp_path / "c"})
    assert layout == "folder" and real.stride == 1 and real.windows == 2 * 3
    assert check(tmp_path, "taichi").layout.stride == 4  # who says so has it read so


def test_what_the_sentence_about_folders_of_classes_says_to_do_makes_them_read(tmp_path: Path) -> None:
    actions.write(tmp_path / "own", groups=8, mean_frames=4, size=8)
    for video in (tmp_path / "own" / "UCF-101").rglob("*.avi"):
        split = "test" if "_g08_" in video.name else "train"
        shutil.copytree(video.parent, tmp_path / "released" / split / video.parent.name, dirs_exist_ok=True)
    with pytest.raises(UserError, match=r"into one folder UCF-101 and ucfTrainTestlist beside it"):
        detect(tmp_path / "released")
    for split in ("train", "test"):
        shutil.copytree(tmp_path / "released" / split, tmp_path / "videos" / "UCF-101", dirs_exist_ok=True)
    shutil.copytree(tmp_path / "own" / "ucfTrainTestlist", tmp_path / "videos" / "ucfTrainTestlist")
    assert check(tmp_path / "videos").dataset == "ucf101" and not check(tmp_path / "videos").problems


def test_videos_that_merely_lie_in_train_and_test_are_not_taken_for_taichi(
    roots: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"No data set's layout .* the folder above has that of AudioSet-Drum: name it"):
        check(roots["drums"] / "video")
    for name in ("a.mp4", "b#1.mp4"):
        write_video(tmp_path / "train" / name, numbered_video(6))
    with pytest.raises(UserError, match=r"No data set's layout .* say --dataset taichi if they are Taichi-HD's"):
        check(tmp_path)
    assert check(tmp_path, "taichi").frames("train") == [6, 6]


@pytest.mark.parametrize("above", ["", "taichi", "taichi-png"])
def test_real_taichi_is_recognised_as_files_as_folders_of_frames_and_from_the_folder_above(
    tmp_path: Path, above: str
) -> None:
    for split, name in (("train", "u6rJiF-gPx8#000080#000300.mp4"), ("test", "-RH8E-0kPKc#000000#000128.mp4")):
        video = tmp_path / above / split / name
        if above == "taichi-png":
            write_video(video.with_suffix(""), numbered_video(6), stem="", first=0)
            video.with_suffix("").rename(video)  # the official script keeps the suffix
        else:
            write_video(video, numbered_video(6))
    report = check(tmp_path)
    assert report.dataset == "taichi" and report.frames("train") == report.frames("test") == [6]
    shutil.rmtree(tmp_path / above / "train")  # one split is enough to know it by
    assert detect(tmp_path) == "taichi"


def test_the_curve_of_figure_15_is_the_share_of_videos_that_are_long_enough() -> None:
    assert share_at_least([10, 20, 20, 40], [0, 10, 11, 20, 21, 40, 41]) == [1, 1, 0.75, 0.75, 0.25, 0.25, 0]
    figure = draw_lengths({"train": [10, 20, 20, 40], "test": [5], "empty": []}, spans={"16 frames": 16})
    left, right = figure.axes
    curve = left.lines[0]
    for length in (9.5, 10.5, 20.5, 39.5):
        place = np.searchsorted(curve.get_xdata(), length)  # drawn as steps that end at the right
        assert curve.get_ydata()[place] == share_at_least([10, 20, 20, 40], [int(np.ceil(length))])[0]
    assert [line.get_label() for line in left.lines] == ["train (4)", "test (1)", "16 frames"]
    assert right.get_ylabel() == "share of videos" and len(figure.axes) == 2


def test_the_bars_of_figure_16_are_the_mean_lengths_of_the_classes(roots: dict[str, Path]) -> None:
    means = check(roots["ucf101"]).class_means()
    assert set(means) == set(actions.CLASSES)
    right = draw_lengths({"train": [1, 2]}, means).axes[1]
    assert [bar.get_width() for bar in right.patches] == sorted(means.values())
    assert len(right.get_yticklabels()) == len(means)
    assert right.figure.get_size_inches().tolist() == [7.0, 3.2]
    with pytest.raises(UserError, match="no video whose length could be drawn"):
        draw_lengths({"train": []})


@pytest.mark.parametrize("classes", [1, 14, 15, 30, 101])
def test_every_class_of_figure_16_is_named_and_no_name_touches_the_next(classes: int) -> None:
    means = {f"ClassWithALongName{number}": 100.0 + number for number in range(classes)}
    figure = draw_lengths({"train": [1, 200]}, means)
    figure.draw_without_rendering()
    left, right = figure.axes
    names = right.get_yticklabels()
    assert [name.get_text() for name in names] == list(means)
    boxes = [name.get_window_extent() for name in names]
    assert all(lower.y1 <= upper.y0 for lower, upper in pairwise(boxes))
    width, height = figure.get_size_inches() * figure.dpi
    assert all(box.x0 >= left.get_window_extent().x1 and box.y0 >= 0 and box.y1 <= height for box in boxes)
    assert right.get_window_extent().width > width / 5
    assert 2 < left.get_window_extent().height / figure.dpi < 3  # does not grow with the classes
    label = left.yaxis.label.get_window_extent()
    assert label.x0 >= 0 and label.y0 >= 0 and label.y1 <= height


def test_the_command_prints_the_report_and_draws_the_figure(
    roots: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def tats(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["tats", "data", "check", *arguments])
        main()
        return capsys.readouterr().out

    picture = tmp_path / "lengths.png"
    printed = tats(str(roots["taichi"]), "--length", "2", "--figure", str(picture))
    assert "has the layout of Taichi-HD" in printed and "drew the lengths" in printed
    assert picture.read_bytes()[1:4] == b"PNG"
    assert "has the layout of UCF-101, fold 3 " in tats(str(roots["ucf101"]), "--fold", "3", "--quick")
    for wrong, sentence in (
        ([str(tmp_path / "new\nline")], "No data set's layout"),
        ([str(tmp_path), "--length", "0"], "start at 1, got 0 and None"),
        ([str(tmp_path), "--figure", "a.doc"], "a.doc cannot be drawn"),
        ([str(roots["sky"]), "--fold", "2"], "leave fold 2 out"),
    ):
        with pytest.raises(SystemExit) as caught:
            tats(*wrong)
        complaint = capsys.readouterr().err
        assert caught.value.code == 2 and len(complaint.splitlines()) == 1 and sentence in complaint

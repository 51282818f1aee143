"""What a folder holds: all layouts are recognised, everything missing or damaged is one line, clips are counted."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from tatslib.cli import main
from tatslib.datasets.check import LAYOUTS, check, clips_of, detect, share_at_least
from tatslib.datasets.taichi import taichi
from tatslib.errors import UserError
from tatslib.videos import write_video
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
    assert len(problems) == 2 and "an array (80, 4, 4), and 00001.mp4 has 90 frames" in problems[0]
    assert "00002.pickle does not exist" in problems[1]


def test_the_quick_check_believes_what_files_announce(tmp_path: Path) -> None:
    write_video(tmp_path / "train" / "a.mp4", numbered_video(12))
    whole = (tmp_path / "train" / "a.mp4").read_bytes()
    (tmp_path / "train" / "a.mp4").write_bytes(whole[:-60])
    assert check(tmp_path, quick=True).frames("train") == [12]
    assert "frames announced" in check(tmp_path, quick=True).describe()
    assert not check(tmp_path).frames("train")


def test_a_folder_without_a_data_set_is_one_sentence(tmp_path: Path) -> None:
    for folder, words in ((tmp_path, "is empty"), (tmp_path / "nowhere", "does not exist")):
        with pytest.raises(UserError, match=rf"No data set's layout is found there .*{words}"):
            check(folder)
    with pytest.raises(UserError, match=r"There is no data set 'taich' \(perhaps you meant 'taichi'\)"):
        check(tmp_path, "taich")
    (tmp_path / "train").mkdir()
    with pytest.raises(UserError, match="The train split of Taichi-HD"):
        check(tmp_path)


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
    with pytest.raises(UserError, match="no video whose length could be drawn"):
        draw_lengths({"train": []})


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
    for wrong, sentence in (
        ([str(tmp_path / "new\nline")], "No data set's layout"),
        ([str(tmp_path), "--length", "0"], "start at 1, got 0 and None"),
        ([str(tmp_path), "--figure", "a.doc"], "a.doc cannot be drawn"),
    ):
        with pytest.raises(SystemExit) as caught:
            tats(*wrong)
        complaint = capsys.readouterr().err
        assert caught.value.code == 2 and len(complaint.splitlines()) == 1 and sentence in complaint

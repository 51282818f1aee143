"""The procedural worlds: closed formulas, byte for byte; and the real layouts they are written in."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tatslib.errors import UserError
from tatslib.videos import frame_paths, read_frames
from tatslib.worlds import actions, sky

RENDERERS = {"actions": actions.render, "sky": sky.render}


@settings(max_examples=25, deadline=None)
@given(world=st.sampled_from(["actions", "sky"]), seed=st.integers(0, 2**31), frame=st.integers(0, 10**7))
def test_a_frame_alone_equals_the_same_frame_within_a_range(world: str, seed: int, frame: int) -> None:
    render = RENDERERS[world]
    within = render(seed, range(frame, frame + 5), 24)
    alone = render(seed, [frame + 3], 24)
    assert np.array_equal(within[3], alone[0])


@pytest.mark.parametrize(
    ("world", "digest"),
    [
        ("actions", "2e5daaba88fd983a"),
        ("sky", "453df46da74000b4"),
    ],
)
def test_the_same_seed_gives_the_same_bytes_on_every_machine(world: str, digest: str) -> None:
    video = np.concatenate([RENDERERS[world](seed, range(0, 600, 100), 24) for seed in range(4)])
    assert hashlib.sha256(video.tobytes()).hexdigest()[:16] == digest


@pytest.mark.parametrize("world", ["actions", "sky"])
def test_no_hundred_frames_of_a_long_video_come_twice(world: str) -> None:
    video = RENDERERS[world](5, range(0, 20_000, 10), 8)
    windows = {video[start : start + 10].tobytes() for start in range(len(video) - 9)}
    assert len(windows) == len(video) - 9


@pytest.mark.parametrize("action", actions.CLASSES)
def test_every_action_moves_and_comes_round_in_about_33_frames(action: str) -> None:
    period = actions.draw_scene(3, action).period
    assert 29 < period < 37
    video = actions.render(3, range(200), 24, action=action).astype(float)
    change = np.abs(np.diff(video, axis=0)).mean(axis=(1, 2, 3))
    assert (change > 0).all()
    rows = video.mean(axis=2)  # blind to the slow drift sideways that some actions have
    distance = np.abs(rows - rows[0]).mean(axis=(1, 2))
    assert distance[27:40].min() < 0.4 * distance[5:25].max(), "after one round it looks almost as at the start"


def test_actions_differ_and_looks_are_shared_within_a_group() -> None:
    first, second = actions.draw_scene(1, "PulsingRing", look=9), actions.draw_scene(2, "PulsingRing", look=9)
    assert (first.hue, first.background) == (second.hue, second.background)
    assert first.start != second.start
    drawn = {actions.draw_scene(seed).action for seed in range(60)}
    assert drawn == set(actions.CLASSES)
    with pytest.raises(UserError, match="no action 'Cartwheel'; choose one of BouncingBall"):
        actions.render(0, [0], action="Cartwheel")


@pytest.mark.parametrize("action", actions.CLASSES)
def test_jitter_and_texture_are_off_unless_asked_for(action: str) -> None:
    plain = actions.render(4, [0, 10], 48, action=action)
    assert (plain[:, 0, 0] == actions.draw_scene(4, action).background).all()
    trembling = actions.render(4, [0, 10], 48, action=action, jitter=0.03)
    assert trembling.shape == plain.shape and not np.array_equal(plain, trembling)
    textured = actions.render(4, [0, 10], 48, action=action, texture=0.5)
    assert textured[:, 0].std(axis=(0, 1)).min() > plain[:, 0].std(axis=(0, 1)).min()


@pytest.mark.parametrize("world", ["actions", "sky"])
def test_a_wide_picture_has_the_square_one_in_its_middle(world: str) -> None:
    square, wide = RENDERERS[world](7, [0, 50], 32), RENDERERS[world](7, [0, 50], 32, width=48)
    assert np.abs(wide[:, :, 8:40].astype(int) - square).max() <= 1


def test_the_sky_has_days_and_nights_and_changes_smoothly() -> None:
    brightness = sky.render(0, range(0, 300, 4), 24).mean(axis=(1, 2, 3))
    assert brightness.max() > 2.5 * brightness.min()
    video = sky.render(0, range(60), 24).astype(float)
    assert np.abs(np.diff(video, axis=0)).mean(axis=(1, 2, 3)).max() < 6


def test_actions_are_written_in_the_layout_of_ucf101(tmp_path: Path) -> None:
    actions.write(tmp_path, groups=25, mean_frames=4, size=16, seed=3)
    lists = tmp_path / "ucfTrainTestlist"
    assert (lists / "classInd.txt").read_text().splitlines()[:2] == ["1 BouncingBall", "2 JumpingJack"]
    files = {path.relative_to(tmp_path / "UCF-101").as_posix() for path in (tmp_path / "UCF-101").rglob("*.avi")}
    for fold, groups in ((1, range(1, 8)), (2, range(8, 15)), (3, range(15, 22))):
        train = [line.split() for line in (lists / f"trainlist0{fold}.txt").read_text().splitlines()]
        test = (lists / f"testlist0{fold}.txt").read_text().splitlines()
        assert {name for name, _ in train} | set(test) == files
        assert {int(name[-10:-8]) for name in test} == set(groups)
        assert all(actions.CLASSES[int(number) - 1] == name.split("/")[0] for name, number in train)
    video = read_frames(tmp_path / "UCF-101" / "JumpingJack" / "v_JumpingJack_g01_c01.avi")
    assert video.shape[1:] == (16, 22, 3)
    with pytest.raises(UserError, match="exists already"):
        actions.write(tmp_path)


def test_the_sky_is_written_in_the_layout_of_sky_time_lapse(tmp_path: Path) -> None:
    sky.write(tmp_path, train=4, test=2, mean_frames=10, size=16, seed=3)
    assert {path.name for path in tmp_path.iterdir()} == {"sky_train", "sky_test"}
    parts = [part for video in (tmp_path / "sky_train").iterdir() for part in video.iterdir()]
    for part in parts:
        assert part.name.rpartition("_")[0] == part.parent.name
        numbers = [int(path.stem.rpartition("_frames_")[2]) for path in frame_paths(part)]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert all(path.name.startswith(f"{part.parent.name}_frames_") for path in frame_paths(part))
        assert (numbers[0] == 1) == part.name.endswith("_1")
        assert read_frames(part).shape[1:] == (16, 28, 3)


@pytest.mark.parametrize("world", [actions, sky])
def test_writing_twice_gives_the_same_bytes(world, tmp_path: Path) -> None:
    small = {"groups": 1} if world is actions else {"train": 2, "test": 1}
    for folder in ("first", "second"):
        world.write(tmp_path / folder, mean_frames=8, size=16, **small)
    first, second = (
        {path.relative_to(tmp_path / folder): path.read_bytes() for path in (tmp_path / folder).rglob("*.*")}
        for folder in ("first", "second")
    )
    assert first == second


@pytest.mark.parametrize("world", [actions, sky])
@pytest.mark.parametrize("size", [-64, 0, 7])
def test_a_size_in_which_nothing_can_be_painted_is_refused(world, size: int, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"starts at 8, got {size}"):
        world.write(tmp_path / "world", size=size)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("world", [actions, sky])
@pytest.mark.parametrize("place", ["file", "file/below", "file/far/below"])
def test_a_folder_that_is_a_file_or_lies_below_one_is_refused(world, place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match=f"{place} cannot be written .*: choose another place") as caught:
        world.write(tmp_path / place)
    assert "\n" not in str(caught.value)


def test_a_sky_without_test_videos_has_an_empty_folder_for_them(tmp_path: Path) -> None:
    sky.write(tmp_path, train=1, test=0, mean_frames=4, size=8)
    assert {path.name for path in tmp_path.iterdir()} == {"sky_train", "sky_test"}


def test_a_broken_off_writing_leaves_no_half_collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path, frames: object, *args: object, **options: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(sky, "write_video", broken)
    with pytest.raises(KeyboardInterrupt):
        sky.write(tmp_path, train=2, test=1)
    assert list(tmp_path.iterdir()) == []

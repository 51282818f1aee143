"""MUGEN's lists, logs and videos: clips with a text for their frames, and every bad file in one line."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tatslib.datasets.check import check
from tatslib.datasets.event_cache import EventCache
from tatslib.datasets.game_log import read_game_log, read_json
from tatslib.datasets.mugen import mugen, mugen_entries
from tatslib.errors import UserError
from tatslib.videos import read_frames, write_video
from tatslib.worlds import platform_files
from tatslib.worlds.platform_files import collection
from tatslib.worlds.story import Event, tell
from tatslib.worlds.story_check import check as check_text

LISTS = Path("coinrun_dataset_jsons") / "release"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos to train on and one to test on, with the frames and events read from them."""
    root = platform_files.write(tmp_path_factory.mktemp("mugen"), train=3, test=1, mean_frames=20, size=16, seed=2)
    for split in ("train", "test"):
        mugen(root, split, resolution=16, cache=root / "cache")
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(made, tmp_path / "mugen"))


def read(root: Path, split: str = "train", **options: Any) -> Any:
    return mugen(root, split, **{"resolution": 16, "cache": root / "cache", "length": 16} | options)


def change(root: Path, spoil: Any, split: str = "train") -> None:
    """Let `spoil` change the list of a split."""
    path = root / LISTS / f"{split}.json"
    content = json.loads(path.read_text())
    spoil(content)
    path.write_text(json.dumps(content))


# ------------------------------------------------------------------------------------------------------ what is read
def test_a_clip_comes_with_the_text_of_its_own_frames(made: Path) -> None:
    data = read(made, stride=3)
    truth = {game.name: game for game in collection(3, 1, 20, 2)}
    clips, texts = data.clips_with_text(4, 5)
    assert clips.shape == (5, 16, 16, 16, 3) and clips.dtype == torch.uint8
    assert torch.equal(clips, data.clips(4, 5)[0])
    for (video, start), text in zip(data.places(4, 5), texts, strict=True):
        happened = platform_files.happenings(truth[data.paths[video].stem])
        assert list(data.events(video)) == happened
        assert text == tell(happened, range(start, start + 46)) == data.text(video, start)
        assert all(true for _, true in check_text(text, happened, range(start, start + 46)))


def test_the_same_step_gives_the_same_clips_and_texts_whatever_was_asked_before_and_over_processes(made: Path) -> None:
    first, second = read(made, wording="varied", seed=3), read(made, wording="varied", seed=3)
    second.clips_with_text(0, 7)
    clips, texts = first.clips_with_text(9, 4)
    assert second.clips_with_text(9, 4)[1] == texts
    halves = [first.clips_with_text(9, 2, rank, 2) for rank in (0, 1)]
    assert [text for pair in zip(*(half[1] for half in halves), strict=True) for text in pair] == texts
    assert torch.equal(torch.stack([half[0] for half in halves], 1).flatten(0, 1), clips)


def test_varied_wording_says_the_same_in_other_words(made: Path) -> None:
    plain, varied = read(made), read(made, wording="varied")
    starts = range(0, 60, 3)
    told = [(plain.text(0, start), varied.text(0, start)) for start in starts]
    assert any(one != other for one, other in told)
    for start, (_, other) in zip(starts, told, strict=True):
        assert all(true for _, true in check_text(other, plain.events(0), range(start, start + 16)))
    assert read(made, name="alienBlue").text(0).startswith("alienBlue ")


def test_a_sentence_of_a_person_comes_only_with_the_whole_video(made: Path) -> None:
    data = read(made, text="manual", stride=6)
    assert len(data) == 3 and set(data.frames) == {96}
    entries = {entry.video: entry for entry in mugen_entries(made, "train")}
    assert all(data.text(video) in entries[data.paths[video]].manual for video in range(3))
    with pytest.raises(UserError, match="has 96 frames, and a clip that spans 16 does not show them all"):
        read(made, text="manual")


def test_the_layout_of_the_released_code_is_read_too(made: Path, tmp_path: Path) -> None:
    for entry in mugen_entries(made, "test"):
        (tmp_path / "test").mkdir()
        shutil.copy(entry.log, tmp_path / "test")
        shutil.copy(entry.video, tmp_path / "test")
    data = read(tmp_path, "test")
    assert len(data) == 1 and data.text(0, 0) == read(made, "test").text(0, 0)
    with pytest.raises(UserError, match="no annotation of a person"):
        read(tmp_path, "test", text="manual")


def test_the_third_split_of_the_release_is_read_and_listed_where_it_is_there(root: Path, made: Path) -> None:
    assert list(check(root).videos) == ["train", "test"]
    shutil.copy(root / LISTS / "test.json", root / LISTS / "val.json")
    assert read(root, "val").paths == read(root, "test").paths
    report = check(root)
    assert {split: len(report.frames(split)) for split in report.videos} == {"train": 3, "val": 1, "test": 1}
    assert "val: 1 videos, 1 good" in report.describe() and not report.problems
    (root / LISTS / "val.json").write_text("{")
    (problem,) = check(root).problems
    assert f"{root / LISTS / 'val.json'} is no JSON file" in problem


def test_logs_of_a_third_split_are_listed_too(root: Path, tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / "logs" / split).mkdir(parents=True)
        for entry in mugen_entries(root, "test"):
            shutil.copy(entry.log, tmp_path / "logs" / split)
            shutil.copy(entry.video, tmp_path / "logs" / split)
    report = check(tmp_path / "logs")
    assert report.dataset == "mugen" and list(report.videos) == ["train", "val"]
    assert len(report.problems) == 1 and "The test split of MUGEN not found" in report.problems[0]


def test_check_knows_the_layout_and_names_what_is_wrong(root: Path) -> None:
    assert check(root).dataset == "mugen" and not check(root).problems
    games = collection(3, 1, 20, 2)
    folder = root / platform_files.DATA / games[0].player
    (folder / "videos" / f"{games[0].name}.mp4").unlink()
    (folder / "video_metadata" / f"{games[1].name}.json").write_text("[]")
    change(root, lambda content: content["data"][2].pop("video"))
    problems = check(root).problems
    assert len(problems) == 3 and check(root).frames("test") == [96]
    for words in ("does not exist", "is no log of a game: it has no list of frames", "entry 2: it has no `video`"):
        assert sum(words in problem for problem in problems) == 1


# ------------------------------------------------------------------------------------------- frames to events, by hand
def frame(x: float = 1.0, y: float = 1.0, vx: float = 0.0, vy: float = 0.0, **more: Any) -> dict[str, Any]:
    agent = {
        "x": x,
        "y": y,
        "vx": vx,
        "vy": vy,
        **{key: more.pop(key) for key in ("is_killed", "ladder") if key in more},
    }
    return {"agent": agent, "monsters": [], "coins_eaten": [], **more}


def story(tmp_path: Path, frames: list[dict[str, Any]], **level: Any) -> list[Event]:
    (tmp_path / "log.json").write_text(json.dumps({"frames": frames, **level}))
    return list(read_game_log(tmp_path / "log.json").events)


def test_postures_follow_from_speed_ladder_and_death(tmp_path: Path) -> None:
    frames = [frame()] * 3 + [frame(vx=-0.1)] * 3 + [frame(ladder=True, vy=0.1)] * 3 + [frame(is_killed=True)] * 3
    assert story(tmp_path, frames) == [
        Event(0, 3, "stand"),
        Event(3, 6, "walk", "", "left"),
        Event(6, 9, "climb", "", "up"),
        Event(9, 12, "killed"),
    ]


def test_a_bumped_head_does_not_break_a_jump_in_two(tmp_path: Path) -> None:
    jump = [frame(vy=0.2)] * 5
    assert story(tmp_path, [frame(), *jump, frame(vx=0.1), *jump]) == [Event(0, 1, "stand"), Event(1, 12, "jump")]


def test_gems_are_told_from_coins_by_the_level_and_monsters_by_their_number(tmp_path: Path) -> None:
    foe = {"m_id": 7, "x": 2.0, "y": 1.0, "theme": 2, "is_dead": False}
    frames = [
        frame(monsters=[foe]),
        frame(monsters=[{**foe, "is_dead": True}], coins_eaten=[[1, 0]]),
        frame(monsters=[{**foe, "is_dead": True}], coins_eaten=[[1, 0], [0, 0]]),
    ]
    names = {"ground": ["sawHalf", "barnacle"], "walking": ["slimeBlock"], "flying": []}
    assert story(tmp_path, frames, maze=["12"], monster_names=names)[1:] == [
        Event(1, 2, "collect", "gem"),
        Event(1, 2, "kill", "face"),
        Event(2, 3, "collect", "coin"),
    ]


# ------------------------------------------------------------------------------------------------------ what is wrong
PLAYER = "model_platform_seed_2"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("../../secret.mp4", "leads out of"),
        (f"{PLAYER}/../../../x.mp4", "leads out of"),
        ("/etc/passwd.mp4", "leads out of"),
        ("C:\\x.mp4", "leads out of"),
        ("a\\..\\x.mp4", "leads out of"),
        ("x.avi", "is no name of a .mp4 file"),
        (f"{'x' * 300}.mp4", "is no name of a .mp4 file"),
        ("a\x00b.mp4", "is no name of a .mp4 file"),
        ("a\nb.mp4", "is no name of a .mp4 file"),
        ("\ud800.mp4", "is no name of a .mp4 file"),
        ("", "is no name of a .mp4 file"),
        (7, "no path"),
        (None, "no path"),
        (["x.mp4"], "no path"),
        ("absent/ünï cödé.mp4", "does not exist"),
    ],
)
def test_a_path_that_leads_out_or_nowhere_is_one_line_and_the_others_are_used(root: Path, caplog, path, words) -> None:
    change(root, lambda content: content["data"][1]["video"].update(video_file=path))
    with caplog.at_level(logging.WARNING, "tatslib"):
        data = read(root)
    assert len(data) == 2
    (line,) = [record.getMessage() for record in caplog.records]
    assert words in line and line.isprintable()


@pytest.mark.parametrize("text", ["auto", "manual"])
def test_a_file_whose_name_has_a_line_break_is_one_line(root: Path, tmp_path: Path, caplog, text: str) -> None:
    (tmp_path / "logs" / "train").mkdir(parents=True)
    for entry in mugen_entries(root, "test"):
        shutil.copy(entry.log, tmp_path / "logs" / "train" / "new\nline.json")
        shutil.copy(entry.video, tmp_path / "logs" / "train" / "new\nline.mp4")
    with caplog.at_level(logging.WARNING, "tatslib"), pytest.raises(UserError):
        read(tmp_path / "logs", text=text, length=100)
    assert caplog.messages or text == "auto"
    assert all(line.isprintable() for line in caplog.messages)


def test_why_a_video_was_skipped_is_one_line(root: Path, tmp_path: Path) -> None:
    (tmp_path / "logs" / "train").mkdir(parents=True)
    (short, long, _) = mugen_entries(root, "train")
    frames = json.loads(short.log.read_text())
    shutil.copy(long.log, tmp_path / "logs" / "train")
    shutil.copy(long.video, tmp_path / "logs" / "train")
    write_video(tmp_path / "logs" / "train" / "new\nline.mp4", read_frames(short.video)[:20])
    (tmp_path / "logs" / "train" / "new\nline.json").write_text(json.dumps(frames | {"frames": frames["frames"][:20]}))
    data = read(tmp_path / "logs", length=30)
    (reason,) = data.skipped.values()
    assert reason.endswith("new\\nline.mp4 has 20 frames, a clip spans 30.") and reason.isprintable()


def test_the_folder_that_a_list_names_cannot_lead_out_of_the_data_set(root: Path) -> None:
    for named in ("/", "/etc", "../..", "..", "/checkpoint/x/coinrun_v2_video_data", "\x00", 5, None):
        change(root, lambda content, named=named: content["metadata"].update(data_folder=named))
        assert len(read(root)) == 3


def test_a_list_without_videos_finds_them_beside_the_logs(root: Path) -> None:
    change(root, lambda content: [entry["video"].pop("video_file") for entry in content["data"]])
    assert len(read(root)) == 3


def test_what_is_missing_or_wrong_altogether_is_an_error_in_one_sentence(root: Path, tmp_path: Path) -> None:
    listed = root / LISTS / "train.json"
    whole = listed.read_bytes()
    for content, words in (
        (b"", "is empty"),
        (whole[:-200], "no JSON file, or was cut short"),
        (b"\xff\xfe\x00", "no JSON file, or was cut short"),
        (b"[" * 100_000, "nested too deeply"),
        (b"1" * 5000, "no JSON file, or was cut short"),
        (b"[]", "no list of MUGEN"),
        (b'{"data": {}}', "no list of MUGEN"),
        (b'{"data": []}', "no list of MUGEN"),
        (b'{"data": [1, null, {}]}', "None of 3 videos can be used"),
    ):
        listed.write_bytes(content)
        with pytest.raises(UserError, match=words) as caught:
            read(root)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="The train split of MUGEN not found"):
        read(tmp_path / "nowhere")
    with pytest.raises(UserError, match='splits "train", "val" and "test", got \'validation\''):
        read(root, "validation")
    with pytest.raises(UserError, match="The val split of MUGEN not found"):
        read(root, "val")
    with pytest.raises(UserError, match="got 'automatic' and 'plain'"):
        read(root, text="automatic")
    with pytest.raises(UserError, match="at most 3 are read"):
        read_json(root / LISTS / "test.json", largest=3)


def test_a_video_listed_twice_counts_once(root: Path) -> None:
    change(root, lambda content: content["data"].append(content["data"][0]))
    data, report = read(root), check(root)
    assert len(data) == 3 and len(report.frames("train")) == 3
    (problem,) = report.problems
    assert problem == f"{data.paths[0]} is listed twice." and list(data.skipped.values()) == [problem]
    assert "train: 4 videos, 3 good, 1 not" in report.describe()


def test_of_a_video_listed_twice_the_first_good_entry_counts(root: Path) -> None:
    def first_one_wrong(content: Any) -> None:
        content["data"].append(json.loads(json.dumps(content["data"][0])))
        content["data"][0]["video"]["num_frames"] = 50

    change(root, first_one_wrong)
    data, report = read(root), check(root)
    assert len(data) == 3 and len(report.frames("train")) == 3
    (problem,) = report.problems
    assert "its list has 50" in problem and list(data.skipped.values()) == [problem]


def test_a_log_of_another_game_is_found_out(root: Path) -> None:
    log = mugen_entries(root, "train")[0].log
    content = json.loads(log.read_text())
    content["frames"] = content["frames"][:40]
    log.write_text(json.dumps(content))
    data = read(root)
    assert len(data) == 2 and any("the story of 40 frames" in reason for reason in data.skipped.values())


def test_a_spoilt_file_of_events_is_made_anew(root: Path, tmp_path: Path) -> None:
    log, stories = mugen_entries(root, "train")[0].log, EventCache(tmp_path / "events")
    story = stories.read(log)
    (stored,) = (tmp_path / "events").glob("*.events")
    for content in ("", "{}", "[]", '{"frames": 96, "events": [[1]]}', '{"frames": null, "events": []}'):
        stored.write_text(content)
        assert stories.read(log) == story

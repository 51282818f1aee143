"""The platform world: a script that is a formula of its seed, true sentences about any frames, and MUGEN's layout."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tatslib.datasets.game_log import read_game_log
from tatslib.errors import UserError
from tatslib.randomness import numpy_generator
from tatslib.videos import read_frames
from tatslib.worlds import platform, platform_files
from tatslib.worlds.platform import HUES, draw_script, render
from tatslib.worlds.script import PACE, START, TOUCH, Script, Writer, events, script_from
from tatslib.worlds.story import LASTING, MIN_FRAMES, Event, Statement, facts, say, tell
from tatslib.worlds.story_check import check, parse, share_that_happens

SEEDS = st.integers(0, 2**31)


@st.composite
def spans(draw: st.DrawFn) -> tuple[Script, range]:
    """A video and some of its frames."""
    script = draw_script(draw(SEEDS))
    start = draw(st.integers(0, script.frames - 1))
    return script, range(start, draw(st.integers(start + 1, script.frames)))


# ------------------------------------------------------------------------------------------------------- the pictures
@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, frame=st.integers(0, 700))
def test_a_frame_alone_equals_the_same_frame_within_a_range(seed: int, frame: int) -> None:
    within, alone = render(seed, range(frame, frame + 5), 24), render(seed, [frame + 3], 24)
    assert np.array_equal(within[3], alone[0])


def test_the_same_seed_gives_the_same_bytes_on_every_machine() -> None:
    video = np.concatenate([render(seed, range(0, 600, 100), 24) for seed in range(4)])
    assert hashlib.sha256(video.tobytes()).hexdigest()[:16] == "c665a1ec115f8ea6"


def test_a_wide_picture_has_the_square_one_in_its_middle() -> None:
    square, wide = render(7, [0, 50], 32), render(7, [0, 50], 32, width=48)
    assert np.abs(wide[:, :, 8:40].astype(int) - square).max() <= 1


def test_behind_the_end_the_last_frame_stays() -> None:
    script = draw_script(5)
    late = render(5, [script.frames - 1, script.frames, 10**9], 24)
    assert np.array_equal(late[0], late[1]) and np.array_equal(late[0], late[2])


def near(video: np.ndarray, hue: tuple[int, int, int]) -> np.ndarray:
    """Where a colour is seen."""
    return np.abs(video.astype(int) - np.asarray(hue)).max(axis=-1) < 40


@pytest.mark.parametrize("monster", sorted(HUES))
def test_at_24_pixels_a_killed_monster_is_gone_and_a_killed_mugen_too(monster: str) -> None:
    script = script_from([Statement("kill", monster)])
    happened = next(event for event in events(script) if event.kind == "kill")
    video = render(0, range(script.frames), 24, script=script)
    assert near(video[happened.start - 1], HUES[monster]).sum() > 4
    assert not near(video[happened.start + platform.FLAT], HUES[monster]).any()
    assert near(video, platform.SUIT).any(axis=(1, 2)).all()
    script = script_from([Statement("killed", monster)])
    video = render(0, range(script.frames), 24, script=script)
    assert near(video[-1], HUES[monster]).any() and not near(video[-1], platform.SUIT).any()


def test_a_coin_is_seen_until_the_frame_in_which_it_is_collected() -> None:
    script = script_from("walks right, collects a coin")
    found = next(event.start for event in events(script) if event.kind == "collect")
    gold = near(render(0, range(script.frames), 24, script=script), platform.GOLD).any(axis=(1, 2))
    assert gold[: found - 2].all() and not gold[found:].any()  # just before, Mugen stands in front of it


# --------------------------------------------------------------------------------------------------------- the script
@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, frames=st.none() | st.integers(Writer.DEATH, 700))
def test_a_script_is_whole_and_mugen_stays_on_the_ground_and_alive_unless_it_says_so(seed, frames) -> None:
    script = draw_script(seed, frames)
    assert script.frames == frames or (frames is None and 96 <= script.frames <= 602)
    now = platform.state(script, range(script.frames))
    assert np.abs(np.diff(now.x)).max() <= PACE and now.x.min() >= START - 8
    holes = {tile for start, stop in script.gaps for tile in range(start, stop)}
    on_ground = [x for x, kind in zip(now.x, now.kind, strict=True) if kind in ("walk", "stand")]
    assert not holes & set(np.floor(np.array(on_ground) + 0.5).astype(int).tolist())
    dead = script.moves[-1].start if script.moves[-1].kind == "hit" else script.frames
    for monster in script.monsters:
        met = np.abs(now.x - monster.x) < TOUCH
        walking = np.array([kind in ("walk", "stand") for kind in now.kind])
        alive = np.arange(script.frames) < min(monster.killed, dead)
        assert not (met & walking & alive).any()
    for coin in script.coins:
        assert now.x[coin.gone] == coin.x and coin.gone < script.frames


def test_half_of_the_videos_end_with_a_death_and_all_that_can_happen_happens_often() -> None:
    happened = [events(draw_script(seed)) for seed in range(200)]
    assert 0.35 < np.mean([found[-1].kind == "killed" for found in happened]) < 0.65
    kinds = {(event.kind, event.what, event.direction) for found in happened for event in found}
    for kind, whats in (("jump", ["", "gap", *HUES]), ("kill", HUES), ("killed", HUES), ("collect", ["coin"])):
        assert {(kind, what, "") for what in whats} <= kinds
    assert {("walk", "", "right"), ("walk", "", "left"), ("stand", "", "")} <= kinds


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_at_every_frame_exactly_one_thing_lasts(seed: int) -> None:
    script = draw_script(seed)
    lasting = [event for event in events(script) if event.kind in LASTING or event.kind == "killed"]
    edges = [edge for event in lasting for edge in (event.start, event.end)]
    assert edges == sorted(edges) and edges[0] == 0 and edges[-1] == script.frames
    assert edges[1:-1:2] == edges[2::2]


# ------------------------------------------------------------------------------------------------------ the sentences
@settings(max_examples=200, deadline=None)
@given(shown=spans(), wording=st.none() | st.integers(0, 100))
def test_whatever_is_said_of_a_span_happens_in_it_and_is_understood(shown: tuple[Script, range], wording) -> None:
    script, span = shown
    happened = events(script)
    text = tell(happened, span, wording=None if wording is None else numpy_generator(wording, "words"))
    assert parse(text) == facts(happened, span) != []
    assert all(true for _, true in check(text, happened, span))
    assert share_that_happens(text, happened, span) == 1


@settings(max_examples=200, deadline=None)
@given(shown=spans())
def test_whatever_happens_in_a_span_is_said_of_it(shown: tuple[Script, range]) -> None:
    script, span = shown
    statements = facts(events(script), span)
    for event in events(script):
        seen = len(range(max(event.start, span.start), min(event.end, span.stop)))
        said = [one for one in statements if one.kind == event.kind]
        if event.kind in LASTING and seen >= MIN_FRAMES:
            over = event.what if event.moment in span else ""
            assert [one for one in said if one.direction == event.direction and one.what == over]
        elif event.kind not in LASTING and seen and (event.kind == "killed" or event.start > span.start):
            assert [one for one in said if one.what == event.what]


@settings(max_examples=100, deadline=None)
@given(shown=spans(), theme=st.integers(0, 2))
def test_a_script_made_after_a_text_shows_what_the_text_says(shown: tuple[Script, range], theme: int) -> None:
    script, span = shown
    text = tell(events(script), span)
    forced = script_from(text, theme)
    assert share_that_happens(text, events(forced)) == 1
    moments = [(event.kind, event.what) for event in events(forced) if event.kind not in LASTING]
    wanted = [(one.kind, one.what) for one in parse(text) if one.kind not in LASTING for _ in range(one.count)]
    assert moments == wanted, "in the order of the text, and nothing else"


@settings(max_examples=100, deadline=None)
@given(shown=spans())
def test_what_did_not_happen_is_found_out(shown: tuple[Script, range]) -> None:
    script, span = shown
    kills = [one for one in facts(events(script), span) if one.kind in ("kill", "killed", "collect")]
    spared = [event for event in events(script) if event.kind not in ("kill", "killed", "collect")]
    assert not any(true for _, true in check(kills, spared, span))


def test_one_word_changes_the_fate_of_mugen() -> None:
    fates = [
        [event.kind for event in events(script_from(f"Mugen walks to the right, and {fate} a face."))]
        for fate in ("is killed by", "kills")
    ]
    assert fates == [["walk", "killed"], ["walk", "jump", "kill", "walk"]]


def test_what_is_counted_has_to_happen_as_often() -> None:
    coin, kill = Event(4, 5, "collect", "coin"), Event(9, 10, "kill", "worm")
    happened = [coin, replace(coin, start=6, end=7), kill]
    assert [true for _, true in check("collects two coins, kills a worm, kills a worm", happened)] == [
        True,
        True,
        False,
    ]
    assert [true for _, true in check("picks up three coins, and kills a slime", happened)] == [False, False]
    assert share_that_happens("collects a coin and a coin and kills a monster", happened) == 1
    assert check("kills a worm", happened, range(0, 9)) == [(Statement("kill", "worm"), False)]
    assert share_that_happens("", happened) == 0


def test_the_words_of_people_and_of_mugens_own_texts_are_understood() -> None:
    told = "Mugen walks to the left, and jumps up to the right to a crate and collects a coin, and killed by a gear"
    assert parse(told) == [
        Statement("walk", direction="left"),
        Statement("jump"),
        Statement("collect", "coin"),
        Statement("killed", "gear"),
    ]
    assert parse("He climbs up on a ladder, and doesn't collect 3 gems!") == [
        Statement("climb", direction="up"),
        Statement("collect", "gem", count=3, denied=True),
    ]
    assert parse("leaps over a pit and killed a slimeBlue and a mouse, then gets a few coins") == [
        Statement("jump", "gap"),
        Statement("kill", "slime"),
        Statement("kill", "mouse"),
        Statement("collect", "coin", count=2),
    ]
    assert parse("the sky is blue") == [] and parse("") == []


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    assert len(check(text, events(draw_script(1)))) == len(parse(text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nothing of note", "Nothing that happens is stated"),
        ("is killed by a face, and walks to the right", "Nothing can happen after Mugen has been killed"),
        ("kills a bee", "face, slime, worm, but no 'bee'"),
        ("climbs up a ladder", "neither ladders nor gems"),
        ("collects a gem", "neither ladders nor gems"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        script_from(text)
    assert "\n" not in str(caught.value)


def test_a_video_is_long_enough_to_die_in() -> None:
    with pytest.raises(UserError, match="at least 28 frames, got 27"):
        draw_script(0, 27)
    assert say([]) == "Mugen does nothing."


# ----------------------------------------------------------------------------------------------------------- as files
@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_the_log_of_a_game_tells_exactly_what_happens(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    script, path = draw_script(seed), tmp_path_factory.getbasetemp() / "log.json"
    path.write_text(json.dumps(platform_files.game_log(script)))
    story = read_game_log(path)
    assert story.frames == script.frames and list(story.events) == events(script)


def test_the_world_is_written_in_mugens_layout(tmp_path) -> None:
    platform_files.write(tmp_path, train=2, test=1, mean_frames=20, size=24, seed=3)
    games = platform_files.collection(2, 1, 20, 3)
    assert [game.split for game in games] == ["train", "train", "test"]
    content = json.loads((tmp_path / "coinrun_dataset_jsons" / "release" / "train.json").read_text())
    assert content["metadata"]["split"] == "train" and len(content["data"]) == 2
    data = tmp_path / content["metadata"]["data_folder"]
    for entry, game in zip(content["data"], games, strict=False):
        video, (auto, manual) = entry["video"], entry["annotations"]
        assert video["id"] == game.name and video["num_frames"] == game.frames == 96
        drawn = render(0, range(96), 24, script=game.script).astype(int)
        assert (
            np.abs(read_frames(data / video["video_file"]) - drawn).mean() < 8
        )  # the codec stores colour at half size
        assert list(read_game_log(data / video["json_file"]).events) == platform_files.happenings(game)
        assert (auto["type"], manual["type"]) == ("auto", "manual")
        assert parse(auto["text"]) == parse(manual["text"]) == facts(platform_files.happenings(game), range(96))
        assert {event.kind for event in platform_files.happenings(game)} >= {
            {"collect_coin": "collect", "kill_monster": "kill", "killed_by_monster": "killed"}[name]
            for name in video["game_events"]
        }
    with pytest.raises(UserError, match="exists already"):
        platform_files.write(tmp_path, train=1, test=0)
    with pytest.raises(UserError, match="starts at 8, got 4"):
        platform_files.write(tmp_path / "small", size=4)

"""The drums world, seen and heard, and AudioSet-Drum as it is read: clips with the spectrogram of their frames."""

import base64
import hashlib
import logging
import pickle
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tatslib.datasets.audioset_drum import audioset_drum, drum_pairs
from tatslib.datasets.sound_cache import SoundCache, stated_rate
from tatslib.errors import UserError, one_line
from tatslib.sound import RATE, read_sound, spectrogram, write_video_with_sound
from tatslib.videos import read_frames
from tatslib.viz import show_videos
from tatslib.worlds import drums
from tests.test_viz import ALT, shown  # noqa: F401  a fixture


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drums.write(tmp_path_factory.mktemp("drums"), train=4, test=2, size=16, seed=1)


# ------------------------------------------------------------------------------------------------------------ the world
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**31), frame=st.integers(0, 10**7))
def test_a_frame_or_its_sound_alone_equals_the_same_within_a_range(seed: int, frame: int) -> None:
    within = drums.render(seed, range(frame, frame + 5), 24)
    assert np.array_equal(within[3], drums.render(seed, [frame + 3], 24)[0])
    heard = drums.listen(seed, range(frame, frame + 5))
    assert np.array_equal(heard[3 * 800 : 4 * 800], drums.listen(seed, range(frame + 3, frame + 4)))


def test_the_same_seed_gives_the_same_bytes_on_every_machine() -> None:
    video = np.concatenate([drums.render(seed, range(0, 600, 25), 24) for seed in range(4)])
    assert hashlib.sha256(video.tobytes()).hexdigest()[:16] == "c241ae84a9feddf8"
    assert [drums.strikes(seed, range(3000, 3012)) for seed in range(3)] == [
        [(3003, "kick"), (3003, "hihat"), (3011, "snare")],
        [(3003, "tom")],
        [(3006, "snare"), (3006, "hihat")],
    ]


def test_no_second_of_a_long_video_comes_twice() -> None:
    video = drums.render(5, range(0, 9_000, 3), 8)
    assert len({video[start : start + 30].tobytes() for start in range(len(video) - 29)}) == len(video) - 29


def test_a_list_of_strikes_does_not_depend_on_where_one_starts_to_list() -> None:
    whole = drums.strikes(3, range(600))
    pieces = [strike for start in range(0, 600, 37) for strike in drums.strikes(3, range(start, min(start + 37, 600)))]
    assert pieces == whole and whole == sorted(whole, key=lambda strike: strike[0])
    assert {drum for _, drum in whole} == set(drums.DRUMS)
    for drum in drums.DRUMS:
        frames = [frame for frame, struck in whole if struck == drum]
        assert min(np.diff(frames)) >= 7, "a strike is over before the next one"


def test_each_strike_lights_its_drum_up_and_brings_its_stick_down() -> None:
    spots = {"kick": (0.52, 0.8), "snare": (0.2, 0.77), "hihat": (0.12, 0.31), "tom": (0.86, 0.53)}
    for seed in range(3):
        video = drums.render(seed, range(150), 64).astype(int)
        strikes = drums.strikes(seed, range(150))
        for drum, (x, y) in spots.items():
            light = video[:, int(y * 64), int(x * 64)].min(axis=1)
            rises = [frame for frame in range(1, 150) if light[frame] > light[frame - 1] + 20]
            assert rises == [frame for frame, struck in strikes if struck == drum and frame > 0]
        for index, drum in enumerate(drums.DRUMS):
            x, y = drums.STICKS[index][2]
            down = np.abs(video[:, int(y * 64), int(x * 64)] - drums.STICK).max(axis=1) < 24
            assert all(down[frame] for frame, struck in strikes if struck == drum)


def test_each_strike_is_heard_from_its_frame_on_in_the_band_of_its_drum() -> None:
    bands = {"kick": slice(0, 2), "snare": slice(14, 33), "hihat": slice(48, 63), "tom": slice(3, 5)}
    for seed in range(4):
        pictures = spectrogram(drums.listen(seed, range(120)), 120, drums.FPS)
        alone = {drum: [] for drum in drums.DRUMS}
        for frame, drum in drums.strikes(seed, range(120)):
            alone[drum].append(frame)
        for drum, band in bands.items():
            loud = pictures[:, band].mean(axis=(1, 2))
            onsets = [frame for frame in range(1, 120) if loud[frame] > loud[frame - 1] + 0.08]
            found = [frame for frame in alone[drum] if frame in onsets]
            assert len(found) >= 0.9 * len([frame for frame in alone[drum] if frame]), (seed, drum)


def test_what_comes_next_is_not_settled_by_what_came_before() -> None:
    bars = [tuple(drums._bar(0, index)) for index in range(40)]
    steps = {tuple(tuple(frame - bar_start for frame in row) for row in bar)
             for bar, bar_start in ((bar, min(sum(bar, (10**9,)))) for bar in bars)}  # fmt: skip
    assert len(steps) > 30


def test_a_wide_picture_has_the_square_one_in_its_middle() -> None:
    square, wide = drums.render(7, [0, 50], 32), drums.render(7, [0, 50], 32, width=48)
    assert np.abs(wide[:, :, 8:40].astype(int) - square).max() <= 1


def test_the_world_is_written_in_the_layout_that_the_released_code_reads(root: Path) -> None:
    files = {path.relative_to(root).as_posix() for path in root.rglob("*.*")}
    names = [f"{split}/{n:05d}" for split, count in (("train", 4), ("test", 2)) for n in range(1, count + 1)]
    assert files == {f"video/{name}.mp4" for name in names} | {f"stft/{name}.pickle" for name in names}
    for clip in drums.collection(4, 2, seed=1):
        video = root / "video" / clip.split / f"{clip.name}.mp4"
        assert video.as_posix() == (root / "stft" / clip.split / f"{clip.name}.pickle").as_posix().replace(
            "/stft/", "/video/"
        ).replace(".pickle", ".mp4")
        assert (
            np.abs(read_frames(video).astype(int) - drums.render(clip.seed, clip.frames, 16)).mean() < 16
        )  # colours at half size
        stored = pickle.loads((root / "stft" / clip.split / f"{clip.name}.pickle").read_bytes())  # as released
        assert stored.shape == (90, 64, 16) and stored.min() >= 0 and 0.5 < stored.max() <= 1
        assert np.array_equal(stored, spectrogram(drums.listen(clip.seed, clip.frames), 90, 30))
        assert len(read_sound(video, 3.0)) == 3 * RATE
        assert all(0 <= frame < 90 for frame, _ in clip.strikes) and len(clip.strikes) > 5
    with pytest.raises(UserError, match="exists already"):
        drums.write(root)


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for folder in ("first", "second"):
        drums.write(tmp_path / folder, train=1, test=1, size=8)
        files = sorted((tmp_path / folder).rglob("*.*"))
        contents.append({path.relative_to(tmp_path / folder): path.read_bytes() for path in files})
    assert contents[0] == contents[1] and len(contents[0]) == 4
    with pytest.raises(UserError, match="starts at 8, got 7"):
        drums.write(tmp_path / "world", size=7)


# ----------------------------------------------------------------------------------------------------------- the reader
def test_a_clip_has_the_sound_of_its_own_frames(root: Path, tmp_path: Path) -> None:
    data = audioset_drum(root, length=16, resolution=16, cache=tmp_path)
    assert len(data) == 4 and data.frames == [90] * 4 and data.windows == 4 * 75
    clips, sounds = data.clips_with_sound(3, 5)
    assert clips.shape == (5, 16, 16, 16, 3) and clips.dtype == torch.uint8
    assert sounds.shape == (5, 1, 16, 64, 16) and sounds.dtype == torch.float32
    assert torch.equal(clips, data.clips(3, 5)[0]), "the same clips as without sound"
    for sound, (video, start) in zip(sounds, data.places(3, 5), strict=True):
        stored = pickle.loads((root / "stft" / "train" / f"{data.paths[video].stem}.pickle").read_bytes())
        assert torch.equal(sound[0], torch.from_numpy(stored[start : start + 16] * 2 - 1))
    shares = [data.clips_with_sound(3, 4, rank, 2)[1] for rank in range(2)]
    assert torch.equal(torch.stack(shares, 1).flatten(0, 1), data.clips_with_sound(3, 8)[1])


def test_with_a_stride_picture_and_sound_stay_together(root: Path, tmp_path: Path) -> None:
    data = audioset_drum(root, "test", length=5, stride=3, resolution=16, cache=tmp_path)
    stored = pickle.loads((root / "stft" / "test" / f"{data.paths[1].stem}.pickle").read_bytes())
    assert np.array_equal(data.sound(1, 10), stored[10:23:3] * 2 - 1)
    assert np.array_equal(data.clip(1, 10), data.video(1)[10:23:3])


def test_sound_from_the_track_is_nearly_that_of_the_pickle(root: Path, tmp_path: Path) -> None:
    for path in (root / "video").rglob("*.mp4"):
        (tmp_path / "video" / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "video" / path.parent.name)
    options = {"length": 90, "resolution": 16, "position": "centre"}
    theirs = audioset_drum(root, cache=tmp_path / "a", **options)
    ours = audioset_drum(tmp_path, sound="track", cache=tmp_path / "b", **options)  # the pickles are not needed
    for video in range(4):
        difference = np.abs(theirs.sound(video) - ours.sound(video))
        assert difference.mean() < 0.06 and theirs.sound(video).std() > 0.3


def clicked(path: Path, fps: float, frame: int = 50, frames: int = 60) -> None:
    """A video with a short tone that sets in with one of its frames."""
    start, length = int(np.ceil(frame * RATE / fps)), int(frames * RATE / fps)
    sound = np.zeros(length, np.float32)
    sound[start : start + 300] = 0.8 * np.sin(2 * np.pi * 1500 * np.arange(300) / RATE)
    write_video_with_sound(path, np.zeros((frames, 16, 16, 3), np.uint8), sound, fps)


@pytest.mark.parametrize("fps", [30, 25, 29.97, 15])
def test_a_click_in_a_track_is_heard_in_its_frame_at_whatever_rate_the_file_states(tmp_path: Path, fps: float) -> None:
    path = tmp_path / "video" / "train" / "1.mp4"
    path.parent.mkdir(parents=True)
    clicked(path, fps)
    assert stated_rate(path) == pytest.approx(fps)
    data = audioset_drum(tmp_path, sound="track", length=60, resolution=16, cache=tmp_path / "cache")
    loudest = data.sound(0, 0).max(axis=(1, 2))
    assert loudest.argmax() == 50 and loudest[:49].max() < loudest[50] - 0.5
    assert data.told == ("sound from tracks" if fps == 30 else "sound from tracks at their own frame rates")


def test_a_cached_sound_is_not_taken_for_that_at_another_rate(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    clicked(path, 25)
    cache = SoundCache(tmp_path / "cache")
    wrong, right = cache.from_track(path, 60, 30.0), cache.from_track(path, 60, stated_rate(path))
    assert wrong != right and len(list((tmp_path / "cache").iterdir())) == 2
    assert cache.read(right).max(axis=(1, 2)).argmax() == 50
    assert cache.from_track(path, 60, 25.0) == right


def test_a_rate_with_which_no_sound_can_be_cut_is_refused_with_its_numbers(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(root / "video", tmp_path / "video")
    options = {"sound": "track", "resolution": 16, "cache": tmp_path / "cache"}
    for rate, words in ((0.0, "90 frames at 0 a second"), (0.001, "90 frames at 0.001 a second")):
        monkeypatch.setattr("tatslib.datasets.audioset_drum.stated_rate", lambda path, rate=rate: rate)
        with pytest.raises(UserError, match=rf"None of 4 .*00001\.mp4 announces {words}: .*mend the file"):
            audioset_drum(tmp_path, **options)


def test_the_papers_resolution_is_the_default(root: Path, tmp_path: Path) -> None:
    assert audioset_drum(root, "test", cache=tmp_path).clip(0).shape == (16, 64, 64, 3)


def test_features_of_another_size_are_resized_and_the_archives_own_layout_is_read(root: Path, tmp_path: Path) -> None:
    base = tmp_path / "AudioSet_Dataset"
    for split in ("train", "test"):
        shutil.copytree(root / "video" / split, base / split / "mp4")
        (base / split / "stft_pickle").mkdir()
        for path in (base / split / "mp4").iterdir():
            array = np.random.default_rng(0).uniform(0, 1, (90, 45, 17))
            (base / split / "stft_pickle" / f"{path.stem}.pickle").write_bytes(pickle.dumps(array, 4))
    for folder in (tmp_path, base):
        data = audioset_drum(folder, "test", resolution=16, cache=tmp_path / "cache")
        assert data.sound(0).shape == (16, 64, 16) and data.sound(0).min() >= -1
        assert len(data) == 2


def test_a_wrong_folder_or_word_ends_in_one_sentence(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'splits "train" and "test", got \'val\''):
        audioset_drum(root, "val")  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r'a "pickle" or the "track" of a video, got \'mic\''):
        audioset_drum(root, sound="mic")  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"train split of AudioSet-Drum not found: looked for .*does not exist"):
        audioset_drum(tmp_path / "nowhere")


def damaged(root: Path, folder: Path) -> dict[str, str]:
    """A copy of the world with a bad clip of every kind beside its good ones: name to a part of the sentence."""
    for kind in ("video", "stft"):
        shutil.copytree(root / kind, folder / kind)
    videos, sounds = folder / "video" / "train", folder / "stft" / "train"
    mp4, array = (videos / "00001.mp4").read_bytes(), pickle.dumps(np.zeros((90, 8, 8), np.float32))
    kinds: dict[str, tuple[bytes | None, bytes | None, str]] = {
        "no_video": (None, array, "does not exist"),
        "no_sound": (mp4, None, "does not exist"),
        "zero_video": (b"", array, "empty file"),
        "zero_sound": (mp4, b"", "empty file"),
        "cut_sound": (mp4, array[:900], "cut short"),
        "cut_video": (mp4[: len(mp4) // 3], array, "cut off|decoding broke off|cannot be opened"),
        "swapped": (array, mp4, "cannot be opened"),
        "few": (mp4, pickle.dumps(np.zeros((80, 8, 8))), "the sound of 80 frames"),
        "flat": (mp4, pickle.dumps(np.zeros((90, 8))), r"an array \(90, 8\)"),
        "nan": (mp4, pickle.dumps(np.full((90, 8, 8), np.nan)), "infinite numbers"),
        "evil": (mp4, b"cos\nsystem\n(S'id'\ntR.", "os.system"),
        "list": (mp4, pickle.dumps([1, 2]), "EMPTY_LIST"),
        "new\nline": (b"", array, "empty file"),
        "caf\udce9": (b"", array, "empty file"),
        "月 $(id)": (mp4, b"", "empty file"),
    }
    for name, (video, sound, _) in kinds.items():
        for path, content in ((videos / f"{name}.mp4", video), (sounds / f"{name}.pickle", sound)):
            if content is not None:
                path.write_bytes(content)
    return {name: sentence for name, (_, _, sentence) in kinds.items()}


def test_bad_clips_cost_one_line_each_and_the_good_ones_are_read(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tatslib.datasets.audioset_drum.LINES_ABOUT_DAMAGE", 99)
    sentences = damaged(root, tmp_path / "data")
    with caplog.at_level(logging.WARNING, logger="tatslib"):
        data = audioset_drum(tmp_path / "data", resolution=16, cache=tmp_path / "cache")
    assert [path.stem for path in data.paths] == ["00001", "00002", "00003", "00004"]
    assert len(caplog.messages) == len(sentences) and all(line.isprintable() for line in caplog.messages)
    for name, sentence in sentences.items():
        skipped = data.skipped[tmp_path / "data" / "video" / "train" / f"{name}.mp4"]
        assert any(part in skipped for part in sentence.replace("\\", "").split("|")), skipped


def test_a_split_without_one_usable_sound_is_an_error(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "video", tmp_path / "video")
    with pytest.raises(UserError, match=r"None of 4 videos has a usable sound; the first: .*does not exist"):
        audioset_drum(tmp_path, resolution=16, cache=tmp_path / "cache")


def test_forty_damaged_videos_are_read_or_refused_in_one_line(root: Path, tmp_path: Path) -> None:
    chance = random.Random(0)
    whole = (root / "video" / "train" / "00001.mp4").read_bytes()
    for number in range(40):
        content = bytearray(whole)
        for _ in range(chance.choice([1, 4, 32])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        if chance.random() < 0.4:
            content = content[: chance.randrange(len(content))]
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(content)
        for read in (read_sound, read_frames):
            try:
                assert len(read(path))
            except UserError as error:
                assert one_line(str(error)) == str(error)


# -------------------------------------------------------------------------------------------------------------- showing
def test_a_video_with_sound_carries_its_track_and_a_button(shown: list, tmp_path: Path) -> None:  # noqa: F811
    video, sound = drums.render(0, range(30), 24), drums.listen(0, range(30))
    show_videos({"a": video, "b": video}, number="9.1", alt=ALT, caption="", fps=30, sounds={"a": sound})
    show_videos({"a": video}, number="9.2", alt=ALT, caption="", fps=30)
    html = shown[0][0]
    assert html.count('class="tats-sound"') == 1 and 'aria-label="Sound of a" hidden' in html
    assert html.count("muted loop playsinline controls") == 2, "no page makes a noise by itself"
    assert "tats-sound" not in shown[1][0].partition("</style>")[2], "a figure without sound is as it was"
    tracks = [base64.b64decode(uri.split('"')[0]) for uri in html.split("data:video/mp4;base64,")[1:]]
    for name, content in zip("ab", tracks, strict=True):
        (tmp_path / f"{name}.mp4").write_bytes(content)
    heard = read_sound(tmp_path / "a.mp4", 1.0)
    assert np.corrcoef(heard, sound[: len(heard)])[0, 1] > 0.95
    with pytest.raises(UserError, match="has no sound track"):
        read_sound(tmp_path / "b.mp4")


def test_a_sound_must_fit_its_video(shown: list) -> None:  # noqa: F811
    video, sound = drums.render(0, range(30), 8), drums.listen(0, range(30))
    with pytest.raises(UserError, match=r"the sound of 'a' takes 1\.00 seconds and its video, at 12 .* 2\.50"):
        show_videos({"a": video}, number="9.1", alt=ALT, caption="", sounds={"a": sound})
    with pytest.raises(UserError, match="has a sound for 'b', but no such video"):
        show_videos({"a": video}, number="9.1", alt=ALT, caption="", fps=30, sounds={"b": sound})


def test_pairs_are_listed_whether_both_halves_are_there_or_not(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "stft", tmp_path / "stft")
    pairs = drum_pairs(tmp_path, "train")
    assert [video.name for video, _ in pairs] == ["00001.mp4", "00002.mp4", "00003.mp4", "00004.mp4"]

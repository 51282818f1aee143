"""Sound tracks, spectrograms, and arrays that somebody else pickled."""

import os
import pickle
import random
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tatslib.errors import UserError, one_line
from tatslib.foreign_arrays import read_array, write_array
from tatslib.sound import (
    RATE,
    as_released,
    encode_mp4_with_sound,
    read_sound,
    spectrogram,
    write_video_with_sound,
)
from tatslib.videos import read_frames, write_video
from tests.test_videos import smooth_video, write_audio


def clicks(*samples: int, length: int = RATE) -> np.ndarray:
    """Short tones of 1,500 hertz, each setting in at its sample."""
    sound = np.zeros(length, np.float32)
    tone = 0.8 * np.sin(2 * np.pi * 1500 * np.arange(1200) / RATE) * np.exp(-np.arange(1200) / 300)
    for sample in samples:
        sound[sample : sample + 1200] += tone[: length - sample].astype(np.float32)
    return sound


# ----------------------------------------------------------------------------------------------------------- the tracks
def test_a_sound_comes_back_from_an_mp4_at_the_same_place(tmp_path: Path) -> None:
    sound = clicks(0, 4_000, 16_800)
    write_video_with_sound(tmp_path / "a.mp4", smooth_video(30), sound, 30)
    assert read_frames(tmp_path / "a.mp4").shape == smooth_video(30).shape
    heard = read_sound(tmp_path / "a.mp4", 1.0)
    assert heard.dtype == np.float32 and len(heard) == RATE and np.abs(heard).max() <= 1
    shifts = {shift: float(np.dot(sound[2000:20000], np.roll(heard, shift)[2000:20000])) for shift in range(-40, 41)}
    assert max(shifts, key=shifts.get) == 0


def test_the_pictures_are_the_same_with_and_without_sound(tmp_path: Path) -> None:
    write_video(tmp_path / "silent.mp4", smooth_video(20), 30)
    write_video_with_sound(tmp_path / "heard.mp4", smooth_video(20), clicks(0), 30)
    assert np.array_equal(read_frames(tmp_path / "silent.mp4"), read_frames(tmp_path / "heard.mp4"))


def test_the_same_video_and_sound_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (encode_mp4_with_sound(smooth_video(10, 15, 17), clicks(0, length=8000), 30) for _ in range(2))
    assert first == second
    (tmp_path / "a.mp4").write_bytes(first)
    assert read_frames(tmp_path / "a.mp4").shape == (10, 16, 18, 3), "odd sides are made even"


def test_a_track_of_another_rate_and_with_two_channels_is_brought_to_ours(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav")
    heard = read_sound(tmp_path / "a.wav")
    assert heard.ndim == 1 and 0 < len(heard) < 10 * RATE


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("silent.mp4", "has no sound track"),
        ("missing.mp4", "does not exist"),
        ("folder", "is a folder"),
        ("text.mp4", "is damaged"),
        ("empty.mp4", "is damaged"),
    ],
)
def test_a_file_without_a_usable_sound_is_one_sentence(tmp_path: Path, name: str, sentence: str) -> None:
    write_video(tmp_path / "silent.mp4", smooth_video(4))
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.mp4").write_text("no sound")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(UserError, match=sentence) as caught:
        read_sound(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "sound", [np.zeros(0, np.float32), np.zeros((2, 9), np.float32), np.zeros(9), np.full(9, np.nan, np.float32)]
)
def test_what_is_no_sound_is_not_written(tmp_path: Path, sound: np.ndarray) -> None:
    with pytest.raises(UserError, match="needs a sound of finite float32"):
        write_video_with_sound(tmp_path / "a.mp4", smooth_video(2), sound, 30)
    with pytest.raises(UserError, match=r"only \.mp4"):
        write_video_with_sound(tmp_path / "a.avi", smooth_video(2), clicks(0), 30)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------------ the spectrogram
@pytest.mark.parametrize("fps", [30, 25, 29.97])
def test_a_click_is_seen_in_the_frame_that_it_is_heard_in(fps: float) -> None:
    for frame in (0, 7, 19):
        sound = clicks(int(np.ceil(frame * RATE / fps)))
        pictures = spectrogram(sound, 20, fps)
        assert pictures.shape == (20, 64, 16) and pictures.dtype == np.float32
        loud = pictures.max(axis=(1, 2))
        assert loud.argmax() == frame and pictures.min() >= 0 and pictures.max() <= 1
        assert not pictures[: max(frame - 1, 0)].any(), "nothing is heard a whole frame before it sets in"
        assert pictures[frame].max(axis=1).argmax() == 15, "bands lie 93.75 hertz apart and start with the first"


def test_a_full_tone_is_one_and_a_sound_that_ends_early_ends_in_silence() -> None:
    tone = np.sin(2 * np.pi * 10 * RATE / 256 * np.arange(RATE // 2) / RATE).astype(np.float32)
    pictures = spectrogram(tone, 30, 30)
    assert pictures[5, 9].min() == pytest.approx(1, abs=0.01)
    assert not pictures[16:].any() and not spectrogram(np.zeros(0, np.float32), 3, 30).any()


def test_features_are_resized_frame_by_frame_as_in_the_released_code() -> None:
    stored = np.random.default_rng(0).uniform(0, 1, (90, 45, 17))
    ours = as_released(stored)
    clip = (torch.tensor(stored[20:36].astype(np.float32)) * 2 - 1)[None]  # (1, T, F, M), as a batch of pictures
    released = F.interpolate(clip, size=(64, 16), mode="bilinear", align_corners=False)[0]
    assert ours.shape == (90, 64, 16) and torch.allclose(torch.from_numpy(ours[20:36]), released, atol=1e-6)


# ------------------------------------------------------------------------------------------------------- foreign arrays
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_array_of_numbers_is_read_from_a_pickle_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    rng = np.random.default_rng(0)
    for array in (
        rng.uniform(size=(9, 5, 7)),
        rng.uniform(size=(9, 5, 7)).astype(np.float32)[:, ::2],
        np.asfortranarray(rng.uniform(size=(4, 3, 2)).astype(np.float16)),
        np.arange(12).reshape(3, 4).astype(">i4"),
        np.array([True, False]),
    ):
        (tmp_path / "a.pickle").write_bytes(pickle.dumps(array, protocol))
        found = read_array(tmp_path / "a.pickle")
        assert np.array_equal(found, array) and found.dtype == array.dtype.newbyteorder("=")


def test_our_pickles_open_the_ordinary_way_and_are_always_the_same_bytes(tmp_path: Path) -> None:
    array = np.random.default_rng(0).uniform(size=(3, 4, 5)).astype(np.float32)
    for name in ("a", "b"):
        write_array(tmp_path / name, array)
    content = (tmp_path / "a").read_bytes()
    assert content == (tmp_path / "b").read_bytes() and b"numpy._core" not in content
    assert np.array_equal(pickle.loads(content), array) and np.array_equal(read_array(tmp_path / "a"), array)


def test_a_pickle_of_python_2_is_read(tmp_path: Path) -> None:
    content = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02\x85"
        b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"U\x08" + struct.pack("<2f", 0.25, -1.5) + b"tb."
    )
    (tmp_path / "a").write_bytes(content)
    assert read_array(tmp_path / "a").tolist() == [0.25, -1.5]


class Malice:
    """Leaves a file behind wherever it is opened the ordinary way."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.trace),)


def test_a_pickle_that_would_run_something_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(pickle.dumps(Malice(tmp_path / "trace")))
    with pytest.raises(UserError, match=r"asks for 'posix.mkdir', which no array needs: it was refused"):
        read_array(tmp_path / "a")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    "thing",
    [
        *([1, 2], {"a": 1}, "text", 3, None, {1}, np.float32(3), np.array(["a"]), np.array([None])),
        *([np.zeros(3), np.zeros(3)], np.zeros(2, [("a", "f4")]), np.zeros(2, "M8[s]")),
    ],
)
def test_anything_but_one_array_of_numbers_is_refused(tmp_path: Path, thing: object) -> None:
    (tmp_path / "a").write_bytes(pickle.dumps(thing))
    with pytest.raises(UserError) as caught:
        read_array(tmp_path / "a")
    assert str(caught.value).startswith(f"{tmp_path / 'a'} ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fK\x01.",  # a frame of 2^63 bytes
        b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"abc.",  # a bytearray of a terabyte
        b"\x80\x02K\x01r\xff\xff\xff\x7f.",  # a memo with two thousand million places
        b"\x80\x02" + b"(" * 100_000 + b"K\x01" + b"t" * 100_000 + b".",  # tuples, a hundred thousand deep
        b"\x80\x02" + b")q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"}h\x00K\x01s.",  # 2^60 tuples as the key of a dict
        b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R.",
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x04\x00\x00\x00zlib\x86R.",
    ],
)
def test_a_pickle_made_to_fill_the_memory_or_to_hang_is_refused_at_once(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_array(tmp_path / "a")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of strange escapes in damaged text
def test_five_hundred_damaged_pickles_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    chance = random.Random(0)
    array = np.random.default_rng(0).uniform(size=(4, 3, 2)).astype(np.float32)
    whole = [pickle.dumps(array, protocol) for protocol in range(6)]
    refused = 0
    for _ in range(500):
        content = bytearray(chance.choice(whole))
        for _ in range(chance.choice([1, 1, 2, 8])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        if chance.random() < 0.3:
            content = content[: chance.randrange(len(content))]
        (tmp_path / "a").write_bytes(content)
        try:
            found = read_array(tmp_path / "a")
            assert isinstance(found, np.ndarray) and found.dtype.kind in "biuf"
        except UserError as error:
            refused += 1
            assert one_line(str(error)) == str(error)
    assert refused > 250

"""Reading, writing and showing videos: round trips, memory, and every way in which a file can be bad."""

import shutil
import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tatslib import videos
from tatslib.errors import UserError
from tatslib.videos import Video


def smooth_video(length: int = 40, height: int = 48, width: int = 64) -> Video:
    """A video whose every frame differs and which codecs like: a soft gradient that moves."""
    t, y, x = np.meshgrid(np.arange(length), np.arange(height), np.arange(width), indexing="ij")
    channels = [np.sin((x + 3 * t) / 15), np.sin((y - 2 * t) / 11), np.cos((x + y + t) / 21)]
    return np.uint8(np.stack(channels, -1) * 110 + 128)


def psnr(a: Video, b: Video) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2)))


def write_audio(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(("name", "floor"), [("a.mp4", 36), ("a.avi", 36), ("folder", 38)])
def test_what_is_written_is_read_back(tmp_path: Path, name: str, floor: float) -> None:
    video = smooth_video()
    videos.write_video(tmp_path / name, video)
    back = videos.read_frames(tmp_path / name)
    assert back.shape == video.shape and back.dtype == np.uint8
    assert psnr(video, back) > floor
    assert videos.claimed_frames(tmp_path / name) == len(video)


def test_webm_is_read(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.webm"), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=25, options={"crf": "20", "cpu-used": "8"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for frame in smooth_video(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    assert psnr(videos.read_frames(tmp_path / "a.webm"), smooth_video(12)) > 33
    assert videos.claimed_frames(tmp_path / "a.webm") == 12


@settings(max_examples=40, deadline=None)
@given(start=st.integers(0, 20), length=st.integers(1, 12), stride=st.integers(1, 5))
def test_reading_a_part_equals_slicing_the_whole(
    tmp_path_factory: pytest.TempPathFactory, start: int, length: int, stride: int
) -> None:
    root = tmp_path_factory.getbasetemp()
    for name in ("part.mp4", "part.avi", "part"):
        if not (root / name).exists():
            videos.write_video(root / name, smooth_video(30, 16, 16))
        expected = videos.read_frames(root / name)[start : start + (length - 1) * stride + 1 : stride]
        if len(expected) == length:
            assert np.array_equal(videos.read_frames(root / name, start, length, stride), expected)
        else:
            with pytest.raises(UserError, match=f"only {len(expected)} of {length} frames from frame {start}"):
                videos.read_frames(root / name, start, length, stride)


@pytest.mark.parametrize("name", ["b_frames.avi", "b_frames.mp4"])
def test_b_frames_come_in_the_order_they_are_shown(tmp_path: Path, name: str) -> None:
    brightness = np.arange(50, dtype=np.uint8) * 5
    with av.open(str(tmp_path / name), "w") as container:
        options = {"bf": "2", "flags": "+qscale", "global_quality": "236"} if name.endswith("avi") else {"bf": "2"}
        stream = container.add_stream("mpeg4" if name.endswith("avi") else "libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for value in brightness:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((32, 32, 3), value), format="rgb24")))
        container.mux(stream.encode(None))
    seen = videos.read_frames(tmp_path / name).mean(axis=(1, 2, 3))
    assert np.abs(seen - brightness).max() < 2.5


def test_sixteen_frames_of_a_long_video_cost_the_memory_of_sixteen_frames(tmp_path: Path) -> None:
    frame_bytes = 64 * 64 * 3
    long = (np.full((64, 64, 3), t % 200, np.uint8) for t in range(1500))
    tracemalloc.start()
    videos.write_video(tmp_path / "long.avi", long)
    assert tracemalloc.get_traced_memory()[1] < 40 * frame_bytes, "writing from a generator must not collect the frames"
    tracemalloc.reset_peak()
    clip = videos.read_frames(tmp_path / "long.avi", start=1300, length=16, stride=4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert clip.shape == (16, 64, 64, 3)
    assert peak < 40 * frame_bytes, "the 1300 frames before the clip must not be kept"


def test_frames_are_decoded_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos.write_video(tmp_path / "a.mp4", smooth_video(100, 16, 16))
    decoded = []
    decode = videos._decode
    monkeypatch.setattr(videos, "_decode", lambda path: (decoded.append(1) or frame for frame in decode(path)))
    videos.read_frames(tmp_path / "a.mp4", start=2, length=5)
    assert len(decoded) == 7


def test_frames_of_a_folder_follow_their_numbers_not_the_alphabet(tmp_path: Path) -> None:
    for number in (1, 2, 10, 9, 30):  # numbers may have gaps and need no leading zeros
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"v_3_frames_{number}.png")
    (tmp_path / ".hidden_5.png").write_bytes(b"not an image")
    (tmp_path / "notes.txt").write_text("not a frame")
    assert videos.read_frames(tmp_path)[:, 0, 0, 0].tolist() == [1, 2, 9, 10, 30]


@pytest.mark.parametrize("pattern", ["img{:d}.png", "frame-{:d}.png", "{:d}.PNG", "shot.{:d}.png", "a_b{:d}c.png"])
def test_other_ways_to_number_frames_are_understood(tmp_path: Path, pattern: str) -> None:
    for number in (1, 2, 10):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / pattern.format(number), format="png")
    assert videos.read_frames(tmp_path)[:, 0, 0, 0].tolist() == [1, 2, 10]


def test_grey_and_transparent_images_become_rgb(tmp_path: Path) -> None:
    Image.new("L", (8, 8), 7).save(tmp_path / "f_1.png")
    Image.new("RGBA", (8, 8), (7, 7, 7, 100)).save(tmp_path / "f_2.png")
    assert (videos.read_frames(tmp_path) == 7).all()


def test_unicode_names_and_spaces_are_ordinary(tmp_path: Path) -> None:
    for name in ("Überflug 月.mp4", "Überflug 月.avi", "Überflug 月"):
        videos.write_video(tmp_path / "été 1" / name, smooth_video(4, 16, 16))
        assert len(videos.read_frames(tmp_path / "été 1" / name)) == 4


def test_a_swapped_suffix_does_not_matter(tmp_path: Path) -> None:
    videos.write_video(tmp_path / "a.mp4", smooth_video(6))
    shutil.move(tmp_path / "a.mp4", tmp_path / "a.avi")
    assert len(videos.read_frames(tmp_path / "a.avi")) == 6


def test_a_truncated_mp4_says_so(tmp_path: Path) -> None:
    videos.write_video(tmp_path / "a.mp4", smooth_video(60))
    whole = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"a\.mp4 is damaged: decoding broke off"):
        videos.read_frames(tmp_path / "a.mp4")
    (tmp_path / "a.mp4").write_bytes(whole[:100])
    with pytest.raises(UserError, match=r"a\.mp4 (cannot be opened|holds no video stream)"):
        videos.read_frames(tmp_path / "a.mp4")


def test_a_truncated_avi_claims_more_than_it_holds(tmp_path: Path) -> None:
    videos.write_video(tmp_path / "a.avi", smooth_video(60))
    whole = (tmp_path / "a.avi").read_bytes()
    (tmp_path / "a.avi").write_bytes(whole[: len(whole) // 2])
    assert videos.claimed_frames(tmp_path / "a.avi") == 60
    assert len(videos.read_frames(tmp_path / "a.avi")) < 50


def test_files_that_are_no_videos_are_named_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "zero.avi").touch()
    (tmp_path / "text.mp4").write_text("not a video at all")
    write_audio(tmp_path / "audio.wav")
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    Image.fromarray(smooth_video(1)[0]).save(tmp_path / "whole.jpg")
    (tmp_path / "damaged" / "f_1.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:400])
    sentences = {
        "zero.avi": "is an empty file",
        "text.mp4": "cannot be opened as a video",
        "audio.wav": r"holds no video stream \(audio\)",
        "missing.avi": "does not exist",
        "empty": "holds no frames",
        "damaged": r"f_1\.jpg cannot be read as an image",
    }
    for name, sentence in sentences.items():
        with pytest.raises(UserError, match=sentence) as caught:
            list(videos.iter_frames(tmp_path / name))
        assert name in str(caught.value) and "\n" not in str(caught.value)


def test_a_png_with_a_broken_chunk_is_named_in_one_sentence(tmp_path: Path) -> None:
    Image.fromarray(smooth_video(1)[0]).save(tmp_path / "f_1.png")
    whole = (tmp_path / "f_1.png").read_bytes()
    pixels = whole.index(b"IDAT")  # the four bytes before it are the chunk's length: where the next one is looked for
    (tmp_path / "f_1.png").write_bytes(whole[: pixels - 4] + (50).to_bytes(4, "big") + whole[pixels:])
    with pytest.raises(UserError, match=r"f_1\.png cannot be read as an image: broken png file"):
        videos.read_frames(tmp_path)


@pytest.mark.parametrize("error", [SyntaxError("broken PNG file"), ValueError("makes no sense"), OSError("cut off")])
def test_whatever_pillow_says_about_an_image_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "f_1.png")

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(Image.Image, "convert", refuse)
    with pytest.raises(UserError, match=rf"f_1\.png cannot be read as an image: {str(error).lower()}"):
        videos.read_frames(tmp_path)


def test_sound_that_goes_on_after_the_pictures_is_no_loss_of_frames(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream, sound = container.add_stream("mpeg4", rate=25), container.add_stream("pcm_s16le", rate=8000)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for frame in smooth_video(20, 32, 32):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode(None))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 8000), np.int16), format="s16", layout="mono")
        silence.sample_rate = 8000
        container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
    assert videos.claimed_frames(tmp_path / "a.mkv") == 20


def test_writing_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="even height and width, got 15x16"):
        videos.write_video(tmp_path / "odd.mp4", smooth_video(2, 15, 16))
    with pytest.raises(UserError, match="there are no frames"):
        videos.write_video(tmp_path / "none.avi", [])
    with pytest.raises(UserError, match="there are no frames"):
        videos.write_video(tmp_path / "none", [])
    with pytest.raises(UserError, match=r"use \.mp4"):
        videos.write_video(tmp_path / "a.gif", smooth_video(2))
    with pytest.raises(UserError, match="needs uint8 frames"):
        videos.write_video(tmp_path / "changing.avi", [smooth_video(1, 16, 16)[0], smooth_video(1, 16, 18)[0]])

    def interrupted():
        yield smooth_video(1)[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        videos.write_video(tmp_path / "half.mp4", interrupted())
    assert list(tmp_path.iterdir()) == []


def test_a_suffix_can_be_refused_before_there_are_frames() -> None:
    for name in ("a.mp4", "a.avi", "folder"):
        videos.check_suffix(name)
    with pytest.raises(UserError, match=r"a\.gif cannot be written: use \.mp4"):
        videos.check_suffix("a.gif")


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "folder"])
def test_a_place_that_the_system_refuses_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=rf"file/{name} cannot be written .*file.*: choose another place") as caught:
        videos.write_video(tmp_path / "file" / name, smooth_video(2, 16, 16))
    assert "\n" not in str(caught.value)


def test_an_existing_folder_is_not_overwritten(tmp_path: Path) -> None:
    videos.write_video(tmp_path / "v", smooth_video(2))
    with pytest.raises(UserError, match="exists already"):
        videos.write_video(tmp_path / "v", smooth_video(3))
    assert len(videos.read_frames(tmp_path / "v")) == 2


@pytest.mark.parametrize("name", ["a.mp4", "a.avi"])
def test_the_same_frames_give_the_same_bytes(tmp_path: Path, name: str) -> None:
    written = set()
    for _ in range(10):
        videos.write_video(tmp_path / name, smooth_video(10))
        written.add((tmp_path / name).read_bytes())
    assert len(written) == 1


def test_an_encoded_page_video_is_even_and_has_its_index_first(tmp_path: Path) -> None:
    data = videos.encode_mp4(smooth_video(5, 15, 17))
    assert data.index(b"moov") < data.index(b"mdat")
    (tmp_path / "a.mp4").write_bytes(data)
    assert videos.read_frames(tmp_path / "a.mp4").shape == (5, 16, 18, 3)


def test_every_byte_survives_the_way_into_the_model_and_back() -> None:
    video = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    inside = videos.to_model(video)
    assert inside.shape == (3, 1, 16, 16) and inside.dtype == torch.float32
    assert inside.min() == -0.5 and inside.max() == 0.5
    assert np.array_equal(videos.to_uint8(inside), video)
    batch = np.stack([video, 255 - video])
    assert np.array_equal(videos.to_uint8(videos.to_model(torch.from_numpy(batch))), batch)


def test_values_out_of_range_are_clamped_not_wrapped() -> None:
    outside = torch.tensor([-3.0, 0.0, 3.0]).reshape(3, 1, 1, 1)
    assert videos.to_uint8(outside).reshape(-1).tolist() == [0, 128, 255]


@settings(max_examples=30, deadline=None)
@given(height=st.integers(9, 60), width=st.integers(9, 60), size=st.integers(4, 24), antialias=st.booleans())
def test_any_shape_becomes_a_square_of_the_same_grey(height: int, width: int, size: int, antialias: bool) -> None:
    grey = np.full((2, height, width, 3), 77, np.uint8)
    square = videos.resize_and_crop(grey, size, antialias)
    assert square.shape == (2, size, size, 3) and (square == 77).all()


def test_the_centre_is_kept_and_a_fitting_video_is_untouched() -> None:
    wide = np.zeros((1, 16, 48, 3), np.uint8)
    wide[:, :, 16:32] = 255
    assert (videos.resize_and_crop(wide, 16) == 255).all()


def test_antialiasing_removes_what_a_small_picture_cannot_hold() -> None:
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = 255
    assert videos.resize_and_crop(stripes, 16).std() < 10
    shifted = videos.resize_and_crop(np.roll(stripes, 1, axis=2)[:, :, :63], 16, antialias=False)
    assert shifted.std() > 30, "without averaging, stripes of one pixel come out as coarse false stripes"


def test_tiles_stand_in_reading_order() -> None:
    batch = np.stack([np.full((4, 5, 6, 3), value, np.uint8) for value in (10, 20, 30)])
    sheet = videos.tile(batch, columns=2, gap=1)
    assert sheet.shape == (4, 11, 13, 3)
    assert sheet[0, [0, 0, 6, 6], [0, 7, 0, 7], 0].tolist() == [10, 20, 30, 255]
    assert (sheet[:, 5] == 255).all() and (sheet[:, :, 6] == 255).all()
    with pytest.raises(ValueError, match="one shape"):
        videos.tile([batch[0], batch[0][:, :4]])


def test_a_contact_sheet_shows_every_nth_frame() -> None:
    video = np.arange(20, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3).repeat(4, axis=1).repeat(4, axis=2)
    sheet = videos.contact_sheet(video, columns=3, every=4, gap=0)
    assert sheet.shape == (8, 12, 3)
    assert sheet[::4, ::4, 0].tolist() == [[0, 4, 8], [12, 16, 255]]

"""SSIM and PSNR of generated videos and the real ones of their names."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tatslib import cli
from tatslib.errors import UserError
from tatslib.evaluation.pairs import partners
from tatslib.metrics.fidelity import psnr, ssim
from tatslib.randomness import numpy_generator
from tatslib.videos import read_frames, write_video


def noise(number: int, frames: int = 12) -> np.ndarray:
    """Large smooth patches, so that a codec leaves something of them."""
    small = numpy_generator(number, "test pairs").integers(0, 256, (frames, 4, 4, 3), dtype=np.uint8)
    return small.repeat(4, 1).repeat(4, 2)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Real videos, and of three of them made ones, of which one is the real one and one is a folder of frames."""
    monkeypatch.setenv("TATS_HOME", str(tmp_path / "home"))
    for number in range(5):
        write_video(tmp_path / "real" / f"{number:03d}.avi", noise(number))
    write_video(tmp_path / "made" / "001.mp4", noise(11))
    write_video(tmp_path / "made" / "004", noise(14))
    (tmp_path / "made" / "002").mkdir()
    for number, frame in enumerate(read_frames(tmp_path / "real" / "002.avi")):
        Image.fromarray(frame).save(tmp_path / "made" / "002" / f"{number:02d}.png")
    return tmp_path


def test_pairs_are_compared_at_one_frame_counted_from_1(place, monkeypatch, capsys):
    line = f"tats evaluate {place / 'made'} --against {place / 'real'} --metric ssim psnr --frames 8 --frame 7"
    monkeypatch.setattr("sys.argv", [*line.split(), "--resolution", "16", "--out", str(place / "n.json")])
    cli.main()
    printed, stored = capsys.readouterr().out, json.loads((place / "n.json").read_text())
    made = [read_frames(place / "made" / name)[6][None] for name in ("001.mp4", "002", "004")]
    real = [read_frames(place / "real" / f"{name}.avi")[6][None] for name in ("001", "002", "004")]
    scores = ssim(np.stack(made), np.stack(real))[:, 0]
    assert stored["metrics"]["ssim"]["mean"] == pytest.approx(float(scores.mean())) and scores[1] == 1
    signal = psnr(np.stack(made), np.stack(real))[[0, 2], 0]
    assert stored["metrics"]["psnr"]["mean"] == pytest.approx(float(signal.mean()))
    assert [stored["metrics"][name]["equal"] for name in ("psnr", "ssim")] == [1, 1]
    assert printed.count("1 pairs are equal") == 2 and printed.count("1 pairs are equal, and left out") == 1
    assert "3 pairs of videos of one name, frame 7 of each, 16x16" in stored["metrics"]["psnr"]["protocol"]
    assert stored["metrics"]["psnr"]["protocol"] in printed and "bootstrap over pairs" in printed
    assert stored["protocol"]["real"]["position"] == "first frames"


def test_pairs_that_are_all_equal_have_no_psnr_and_the_file_is_json(place, monkeypatch, capsys):
    line = f"tats evaluate {place / 'made'} --against {place / 'made'} --metric psnr --frames 8 --frame 8"
    monkeypatch.setattr("sys.argv", [*line.split(), "--resolution", "16", "--out", str(place / "n.json")])
    cli.main()
    found = json.loads((place / "n.json").read_text(), parse_constant=pytest.fail)["metrics"]["psnr"]
    assert (found["mean"], found["interval"], found["equal"]) == (None, None, 3)
    assert "PSNR, dB: none (no interval); 3 pairs are equal" in capsys.readouterr().out


def test_partners_are_found_by_name_whatever_kind_of_file_they_are():
    real = [Path("a/x.avi"), Path("b/y.avi"), Path("b/z.avi")]
    assert partners([Path("z.mp4"), Path("x.mp4")], real, {}) == [2, 0]
    with pytest.raises(UserError, match="named 'w'"):
        partners([Path("w.mp4")], real, {})
    with pytest.raises(UserError, match=r"a/x\.avi and c/x\.mp4 have one name"):
        partners([Path("x.mp4")], [*real, Path("c/x.mp4")], {})
    assert partners([Path("y.mp4")], [*real, Path("c/x.mp4")], {}) == [1], "nobody asks for the other two"
    with pytest.raises(UserError, match=r"a/y\.mp4 and b/y\.mp4 have one name"):
        partners([Path("a/y.mp4"), Path("b/y.mp4")], real, {})


def test_a_partner_that_is_too_short_or_damaged_is_named_with_the_reason():
    skipped = {Path("b/w.avi"): "b/w.avi has 5 frames, a clip spans 8."}
    with pytest.raises(UserError, match=r"w\.mp4 has a partner that cannot be used: b/w\.avi has 5 frames"):
        partners([Path("w.mp4")], [Path("a/x.avi")], skipped)

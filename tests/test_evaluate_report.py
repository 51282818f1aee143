"""What a user of `tats evaluate --long` reads and sees: table, file and map; and which rows another protocol reuses."""

import json
import re
from functools import partial

import numpy as np
import torch
from PIL import Image

from tatslib.evaluation import gathering, long_folder
from tatslib.evaluation import report as report_module
from tatslib.evaluation.protocol import Protocol
from tatslib.evaluation.report import as_json, report
from tatslib.evaluation.videos_folder import VideosFolder
from tatslib.viz.differences import BLACK, draw_differences, save_on_white
from tatslib.viz.style import INK
from tests import test_evaluate_long
from tests.test_evaluate import SHAPE
from tests.test_evaluate_long import FRAMES, measured

place = test_evaluate_long.place  # the fixture


def test_a_curve_has_a_column_a_window_and_of_many_windows_some_are_printed(place, tmp_path, monkeypatch):
    found = measured(place, tmp_path)
    lines = report(found).splitlines()
    head = next(line for line in lines if "from frame" in line)
    assert head.split()[2:] == ["1", "9", "17", "25", "33"]
    first = lines.index("nearest earlier part of the video, grey levels:") + 1
    begins = [match.end() for match in re.finditer(r"\d+", head)]
    assert [match.end() for match in re.finditer(r"\S+", lines[first])] == begins[1:], "it has no first window"
    monkeypatch.setattr(report_module, "SHOWN", 3)
    text = report(found)
    assert "3 of 5 windows of 8 frames; --out writes all" in text
    assert next(line for line in text.splitlines() if "from frame" in line).split()[2:] == ["1", "17", "33"]


def test_what_is_written_names_each_number_and_its_protocol_is_read_back_as_it_was(place, tmp_path):
    found = measured(place, tmp_path)
    stored = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert Protocol.model_validate(stored["protocol"]) == found.protocol
    numbers = stored["metrics"]["long"]
    assert set(numbers["names"]) == set(numbers) - {"names", "protocol"}
    assert numbers["names"]["quality"].startswith("Fréchet distance in other features than FVD's")
    assert numbers["names"]["nearest"].endswith("grey levels")


def test_another_protocol_finds_no_rows_but_those_it_would_have_computed(place, tmp_path):
    computed = measured(place, tmp_path).computed
    assert computed > 0 == measured(place, tmp_path).computed
    assert measured(place, tmp_path, seed=1).computed == 10, "other real clips, so only what is nearest"
    assert measured(place, tmp_path, repeats=2).computed == 0, "a part of the same draws"
    shorter = VideosFolder(place / "made", **{**SHAPE, "length": FRAMES - 8})
    rows = [partial(shorter.clip, number) for number in range(10)]
    whole, _ = long_folder.row_extractors(np.zeros((1, 8, 16, 16, 3), np.uint8), 4, None)
    assert gathering.gather_along(rows, (4, 8), [whole], [], tmp_path, "")[2] == 10, "other frames"
    other = {**SHAPE, "length": FRAMES, "resolution": 12}
    coarse, finer = (VideosFolder(place / "made", **other, antialias=flag) for flag in (True, False))
    whole, _ = long_folder.row_extractors(np.zeros((1, 8, 12, 12, 3), np.uint8), 5, None)
    for made in (coarse, finer):
        rows = [partial(made.clip, number) for number in range(10)]
        assert gathering.gather_along(rows, (5, 8), [whole], [], tmp_path, "")[2] == 10, "other pixels"


def test_the_drawn_map_says_whose_it_is_and_its_scale_begins_at_nothing():
    difference = torch.arange(64.0).reshape(8, 8)
    axes, scale = draw_differences(difference, 1000, 1024, 9, "TATS $x$ 1_000").axes
    assert np.array_equal(axes.images[0].get_array(), difference) and axes.images[0].get_clim() == (0, 63)
    assert axes.get_title(loc="left") == "Where frames 1,000 and 1,024 differ\nTATS $x$ 1_000: mean over 9 videos"
    assert "grey levels" in scale.get_ylabel() and axes.get_xlabel() == "8x8 pixels"
    still = draw_differences(torch.zeros(8, 8), 1, 25, 1, "长" * 3 + "n" * 60).axes[0]
    assert still.images[0].get_clim() == (0, 1)
    assert still.get_title(loc="left").endswith(f"\n???{'n' * 36}…: 1 video")


def test_a_map_in_a_file_is_black_on_white_and_says_what_it_is(tmp_path):
    drawn = draw_differences(torch.ones(8, 8), 16, 40, 9, "made")
    save_on_white(drawn, tmp_path / "map.svg", "9 videos")
    text = (tmp_path / "map.svg").read_text().lower()
    assert INK not in text
    assert BLACK in text
    save_on_white(drawn, tmp_path / "map.png", "9 videos")
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.text["Description"] == "9 videos"
        assert picture.convert("RGBA").getpixel((2, 2)) == (255, 255, 255, 255)

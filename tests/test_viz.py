import base64
import io
import json
import re
from html import unescape

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from tatslib.errors import UserError
from tatslib.training.presets import PRESETS
from tatslib.viz import show_figure, show_flipbook, show_pictures, show_videos, subplots
from tatslib.viz.markup import png_uri
from tatslib.viz.padding_explorer import padding_pages, stand_in

ALT = "a grey square that brightens from left to right"


@pytest.fixture
def shown(monkeypatch):
    """What would have been shown: a list of (html, plain text)."""
    found = []
    monkeypatch.setattr(
        "IPython.display.display", lambda data, raw: found.append((data["text/html"], data["text/plain"]))
    )
    return found


def video(frames: int = 16, size: int = 24) -> np.ndarray:
    ramp = np.linspace(0, 255, size).astype(np.uint8)
    return np.broadcast_to(ramp[None, None, :, None], (frames, size, size, 3)).copy()


def test_a_video_carries_its_data_its_poster_and_its_description(shown):
    show_videos({"real": video(), "sampled <1>": video()}, number="3.2", alt=ALT, caption="Look & see.")
    html, plain = shown[0]
    assert plain == ALT
    assert html.count('type="video/mp4"') == html.count('poster="data:image/png;base64,') == 2
    assert html.count("muted loop playsinline controls") == 2
    assert 'id="fig-3-2"' in html and "<b>Figure 3.2.</b> Look &amp; see." in html
    assert f'aria-label="sampled &lt;1&gt;: {ALT}"' in html
    assert 'max="15"' in html
    assert "http" not in html, "nothing may be fetched"


def test_a_long_video_stays_small(shown):
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3))
    moving = np.stack([np.roll(np.kron(noise, np.ones((16, 16, 1))), t, axis=1) for t in range(1024)]).astype(np.uint8)
    show_videos({"": moving}, number="0.1", alt=ALT, caption="")
    assert len(shown[0][0]) < 700_000


def test_small_videos_are_enlarged_before_encoding_and_shown_larger(shown, monkeypatch):
    encoded = []
    monkeypatch.setattr("tatslib.viz.player.encode_mp4", lambda frames, fps, crf: encoded.append(frames.shape) or b"")
    show_videos({"a": video(4, 24), "b": video(8, 24)}, number="1.1", alt=ALT, caption="")
    assert encoded == [(4, 96, 96, 3), (8, 96, 96, 3)]
    assert "--item:176px" in shown[0][0]


def test_a_plot_takes_the_colour_of_its_page_and_is_the_same_each_time(shown):
    for _ in range(2):
        figure, axes = subplots()
        axes.plot([1, 2, 4], label="loss")
        axes.legend()
        show_figure(figure, number="2.1", alt=ALT, caption="A loss.")
    first, second = (html for html, _ in shown)
    assert first == second
    drawing = first[first.index("<svg") : first.index("</svg>")]
    assert "currentColor" in drawing
    assert "#000000" not in drawing and "#ffffff" not in drawing
    assert f'role="img" aria-label="{ALT}"' in drawing


def test_pictures_keep_their_pixels(shown):
    show_pictures({"one": video()[0], "": video()[0, :, :, 0]}, number="2.2", alt=ALT, caption="", zoom=3)
    assert shown[0][0].count('width="72"') == 2
    assert f'alt="one: {ALT}"' in shown[0][0] and f'alt="{ALT}"' in shown[0][0]


def test_a_long_class_name_may_be_broken_between_its_words(shown):
    show_pictures({"SwingingPendulum": video()[0]}, number="2.2", alt=ALT, caption="")
    assert "<span>Swinging<wbr>Pendulum</span>" in shown[0][0]


def test_a_strip_of_pictures_scrolls_sideways_rather_than_shrink(shown):
    strip = np.tile(video()[0], (1, 16, 1))
    show_pictures({"": strip}, number="2.2", alt=ALT, caption="")
    show_pictures({"": video()[0]}, number="2.3", alt=ALT, caption="")
    assert ['class="tats-scroll" tabindex' in html for html, _ in shown] == [True, False]


def test_a_plot_is_written_short_and_its_letters_keep_their_size(shown):
    figure, axes = subplots()
    axes.plot([1, 2, 4])
    show_figure(figure, number="2.1", alt=ALT, caption="A loss.")
    drawing = shown[0][0][shown[0][0].index("<svg") :]
    assert "scale(0.015625)" in drawing
    paths = re.findall(r' d="([^"]*)"', drawing)
    assert paths and not any("\n" in path or re.search(r"\.\d{3}", path) for path in paths)


def test_a_flipbook_shows_one_page_and_works_without_scripts(shown):
    figure, axes = subplots()
    axes.plot([0, 1])
    show_flipbook({"0": video()[0], "10": figure}, number="4.1", alt=ALT, caption="", slider="step", first=1)
    pages = re.findall(r'<div class="tats-page" data-label="(\d+)"( hidden)?>', shown[0][0])
    assert pages == [("0", " hidden"), ("10", "")]
    assert 'class="tats-bar" hidden' in shown[0][0], "a slider that cannot move must not be seen"
    assert f"step 0: {ALT}" in shown[0][0]
    assert '<div class="tats-stage tats-scroll" tabindex="0">' in shown[0][0], "a plot must not shrink on a phone"


def grid(*sizes: int) -> dict[tuple[str, ...], np.ndarray]:
    """A page for every pair of a padding and a depth, each of its own grey."""
    labels = [
        (padding, f"{depth} <deep>") for padding in ("zeros", "replicate")[: sizes[0]] for depth in range(sizes[1])
    ]
    return {label: np.full((8, 8), 10 * grey, np.uint8) for grey, label in enumerate(labels)}


def test_a_flipbook_has_one_slider_for_each_part_of_its_labels(shown):
    pages = grid(2, 3)
    show_flipbook(pages, number="4.1", alt=ALT, caption="", slider=("padding", "depth"), first=4)
    html = shown[0][0]
    sliders = re.findall(
        r'<input type="range" min="0" max="(\d)" value="(\d)" aria-label="(\w+)" data-values="(.*?)">', html
    )
    depths = ["0 <deep>", "1 <deep>", "2 <deep>"]
    assert [slider[:3] for slider in sliders] == [("1", "1", "padding"), ("2", "1", "depth")]
    assert [json.loads(unescape(slider[3])) for slider in sliders] == [["zeros", "replicate"], depths]
    labels = re.findall(r'<div class="tats-page" data-label="([^"]*)"( hidden)?>', html)
    assert [unescape(label) for label, _ in labels] == [", ".join(label) for label in pages]
    assert [hidden == "" for _, hidden in labels] == [False] * 4 + [True, False], "without scripts: the page asked for"
    assert html.count('class="tats-bar" hidden') == html.count("<output") == 2
    assert f'alt="padding replicate, depth 1 &lt;deep&gt;: {ALT}"' in html


def test_the_pages_of_a_flipbook_stand_in_the_order_that_its_sliders_count_in(shown):
    pages = grid(2, 2)
    shuffled = {label: pages[label] for label in sorted(pages, key=lambda label: label[1])}
    for book in (pages, shuffled):
        show_flipbook(book, number="4.1", alt=ALT, caption="", slider=("padding", "depth"), first=2)
    in_order, from_shuffled = (re.findall(r'data-label="[^"]*"', html) for html, _ in shown)
    assert in_order == from_shuffled
    opened = [re.search(r'data-label="(\w+), (\d)[^"]*">', html).groups() for html, _ in shown]
    assert opened == [("replicate", "0"), ("zeros", "1")], "`first` counts in the order of the pages as given"


@pytest.mark.parametrize(
    ("pages", "slider", "first", "complaint"),
    [
        ({}, "step", 0, r"figure 4\.1 has no page"),
        ({"a": np.zeros((8, 8), np.uint8)}, "step", 1, "pages 0 to 0, so that page 1"),
        (
            {"a": np.zeros((8, 8), np.uint8)},
            ("padding", "depth"),
            0,
            r"has a page \('a',\), but .* for each slider: padding, depth",
        ),
        (
            dict(list(grid(2, 2).items())[:3]),
            ("padding", "depth"),
            0,
            "lacks the page for padding replicate, depth 1 <deep>",
        ),
    ],
)
def test_a_flipbook_says_what_is_missing(shown, pages, slider, first, complaint):
    with pytest.raises(UserError, match=complaint):
        show_flipbook(pages, number="4.1", alt=ALT, caption="", slider=slider, first=first)


@pytest.mark.parametrize("number", ["3", "3.2.1", "Figure 3.2", ""])
def test_a_figure_needs_a_number_that_can_be_linked_to(shown, number):
    with pytest.raises(UserError, match="a figure number looks like"):
        show_pictures({"": video()[0]}, number=number, alt=ALT, caption="")


def test_a_figure_needs_a_description(shown):
    with pytest.raises(UserError, match="for those who cannot see it"):
        show_pictures({"": video()[0]}, number="1.1", alt="plot", caption="")


def test_there_must_be_a_video_to_show(shown):
    with pytest.raises(UserError, match=r"figure 1\.1 has no video"):
        show_videos({}, number="1.1", alt=ALT, caption="")


def test_what_stands_beyond_a_clip_is_what_torch_puts_there() -> None:
    clip = torch.arange(5.0).view(1, 1, 5)
    for padding in ("replicate", "reflect", "circular"):
        ours = [stand_in(padding, frame, 5) for frame in range(-4, 9)]
        assert ours == F.pad(clip, (4, 4), mode=padding).flatten().tolist()
    assert [stand_in("zeros", frame, 5) for frame in (-1, 0, 4, 5)] == [None, 0, 4, None]
    with pytest.raises(UserError, match="no rule for padding 'real'"):
        stand_in("real", 7, 5)


def test_the_padding_explorer_has_a_page_for_every_padding_unit_and_position() -> None:
    config = PRESETS["toy"].vqgan
    rows = [torch.full((frames,), 0.25, dtype=torch.float64) for frames in (16, 8, 8, 4, 4)]
    pages = padding_pages(config, {"zeros": rows, "replicate": rows})
    assert len(pages) == 2 * 5 * 4
    assert {page.shape for page in pages.values()} == {(112, 480, 3)}
    assert max(len(png_uri(page)) for page in pages.values()) < 5000


def test_pictures_of_few_colours_keep_every_pixel_in_fewer_bytes() -> None:
    picture = np.random.default_rng(0).integers(0, 5, (20, 30, 3)).astype(np.uint8) * 50
    stored = np.asarray(Image.open(io.BytesIO(base64.b64decode(png_uri(picture).partition(",")[2]))).convert("RGB"))
    assert np.array_equal(stored, picture)

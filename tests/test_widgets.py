"""The mask explorer and the hierarchy player: what they say, carry, and show where no script runs."""

import json
import re
from html import unescape
from itertools import pairwise

import numpy as np
import pytest

from tatslib.errors import UserError
from tatslib.sampling.plan import order_of_drawing
from tatslib.transformer.masks import KINDS, AttentionMask
from tatslib.viz import show_masks, show_plans
from tatslib.viz.mask_explorer import names_of, row_in_words, way_back
from tests.test_viz import ALT, shown  # noqa: F401  a fixture

MASKS = {f"({letter}) {kind}": AttentionMask(kind, 1, 5, 2) for letter, kind in zip("abc", KINDS, strict=True)}
LEAKING, RIGHT = MASKS["(b) leaking"], MASKS["(c) interpolation"]


def test_positions_have_names_that_say_what_stands_there() -> None:
    assert " ".join(names_of(RIGHT)) == "c Aa Ab 1a 1b 2a 2b 3a 3b Ba Bb"
    assert names_of(AttentionMask("causal", 2, 3, 2))[:3] == ["c1", "c2", "Aa"]


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_there_is_a_way_back_exactly_where_the_mask_says_that_a_target_is_a_copy(kind, layers) -> None:
    mask = AttentionMask(kind, 2, 4, 3)
    copies = mask.copies(layers).flatten()
    for target, copied in enumerate(copies.tolist()):
        way = way_back(mask, mask.condition_length - 1 + target, layers)
        assert (way is not None) == copied
        if way is not None:
            assert len(way) <= layers + 1 and all(mask.sees(a, b) for a, b in pairwise(way))
            assert (way[0], way[-1]) == (mask.condition_length - 1 + target, mask.condition_length + target)


def test_the_leak_takes_two_layers_and_goes_through_the_last_anchor() -> None:
    names = names_of(LEAKING)
    row = names.index("1a")
    assert way_back(LEAKING, row, 1) is None
    assert [names[place] for place in way_back(LEAKING, row, 2)] == ["1a", "Ba", "1b"]
    assert row_in_words(LEAKING, row, 2) == (
        "1a is to predict 1b and sees c Aab 1a Ba. Ba looks at 1b; 1a looks at Ba: a leak in 2 layers."
    )
    assert row_in_words(RIGHT, row, 2).endswith("1b cannot reach it.")
    assert row_in_words(RIGHT, 0, 2).endswith("Aa is among them: a copy.")


def test_the_explorer_shows_every_cell_of_every_mask_and_one_picked_row(shown) -> None:  # noqa: F811
    show_masks(MASKS, number="8.1", alt=ALT, caption="Look.", first=3)
    html, plain = shown[0]
    assert plain == ALT and html.count(f": {ALT}") == 3 and html.count('role="img"') == 3
    body = html.split("</style>")[1]
    for mask, drawing in zip(MASKS.values(), body.split("<svg")[1:], strict=True):
        cells = re.findall(r'<rect class="(given|gap|none)"', drawing)
        assert [kind != "none" for kind in cells] == mask.tensor().flatten().tolist()
    assert re.findall(r'class="(\w+) picked" data-row="(\d+)"', body) == [("row", "3"), ("marks", "3")] * 3
    words = [json.loads(unescape(found)) for found in re.findall(r'data-words="([^"]*)"', body)]
    assert [len(rows) for rows in words] == [10] * 3
    assert re.search(r"a leak in 2 layers\.</p>", body), "the picked row is told without scripts"
    assert 'class="tats-bar" hidden' in body and 'type="range" min="0" max="9" value="3"' in body
    assert "http" not in html, "nothing may be fetched"


@pytest.mark.parametrize(
    ("masks", "first", "complaint"),
    [
        ({}, 0, "no mask"),
        ({"a": AttentionMask("causal", 1, 5, 2), "b": AttentionMask("causal", 1, 4, 2)}, 0, "got 2 sequences"),
        ({"a": AttentionMask("causal", 1, 5, 9)}, 0, "of 45 positions"),
        (MASKS, 10, "rows 0 to 9, so that row 10"),
    ],
)
def test_the_explorer_says_what_it_cannot_draw(shown, masks, first, complaint) -> None:  # noqa: F811
    with pytest.raises(UserError, match=complaint):
        show_masks(masks, number="8.1", alt=ALT, caption="", first=first)


PLANS = {"frame by frame": order_of_drawing((1,), 9, 8), "planned": order_of_drawing((4, 1), 9, 8)}
PICTURES = {label: np.zeros((9, 24, 24, 3), np.uint8) for label in PLANS}


def test_the_player_shows_all_frames_with_the_step_that_drew_them_where_no_script_runs(shown) -> None:  # noqa: F811
    show_plans(PLANS, PICTURES, number="8.2", alt=ALT, caption="Watch.")
    html, plain = shown[0]
    assert plain == ALT and html.count(f'role="img" aria-label="planned: {ALT}"') == 1
    first, planned = html.split("</style>")[1].split('<div data-steps="')[1:]
    cell = r'<span class="level(\d)" data-step="(\d+)"><i style="background-position-x:-?\d+px"></i>\d+</span>'
    assert [int(step) for _, step in re.findall(cell, first)] == list(range(1, 10))
    assert [(int(level), int(step)) for level, step in re.findall(cell, planned)] == [
        *((0, 1), (1, 4), (1, 5), (1, 6)),
        *((0, 2), (1, 4), (1, 5), (1, 6)),
        (0, 3),
    ]
    assert first.startswith("9") and planned.startswith("6") and "planned: 6 steps" in planned
    assert 'class="tats-bar" hidden' in html and 'max="9" value="9"' in html
    assert "waiting" not in html.split("</style>")[1].split("<script>")[0]
    assert "http" not in html, "nothing may be fetched"


@pytest.mark.parametrize(
    ("plans", "pictures", "complaint"),
    [
        ({}, {}, "needs pictures for each plan"),
        (PLANS, {"planned": PICTURES["planned"]}, "needs pictures for each plan"),
        ({"planned": PLANS["planned"][:-1]}, {"planned": PICTURES["planned"]}, "draws 7 of 9 latent frames"),
        ({"four": order_of_drawing((8, 4, 2, 1), 9, 8)}, {"four": PICTURES["planned"]}, "on 4 levels"),
    ],
)
def test_the_player_says_what_is_missing(shown, plans, pictures, complaint) -> None:  # noqa: F811
    with pytest.raises(UserError, match=complaint):
        show_plans(plans, pictures, number="8.2", alt=ALT, caption="")


def test_a_gap_of_more_than_nine_latent_frames_keeps_their_names_apart():
    words = row_in_words(AttentionMask("interpolation", 1, 12, 2), 22, 2)
    assert " 9ab 10ab " in words and "10a0b" not in words

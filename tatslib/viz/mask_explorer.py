"""The mask explorer: for a row of an attention mask, what it sees, and by which way it may know its own target (A.4).

N: length of the sequence.
"""

import json
from collections.abc import Mapping
from functools import partial
from html import escape
from itertools import groupby, pairwise

from tatslib.errors import UserError
from tatslib.transformer.masks import AttentionMask
from tatslib.viz.markup import figure_markup, grid_style, label_tag, show_markup

CELL, EDGE = 18, 30  # of the drawing, in its own units: a cell, and room for the letters
LARGEST = 24  # positions: more rows than this could not be told apart


def show_masks(
    masks: Mapping[str, AttentionMask],
    *,
    number: str,
    alt: str,
    caption: str,
    layers: int = 2,
    first: int = 0,
) -> None:
    """Show masks side by side, with one row picked out in all of them by pointer, finger or a slider.

    A picked row shows what it looks at in one layer, and where its own target can come back to it within `layers`
    layers, the way. Without scripts row `first` is picked.

    Args:
        masks: label to mask, all of the same frames and tokens.
        number: chapter and figure, such as "8.1".
        alt: what a reader who cannot see it must know.
        caption: what to look for.
        layers: how many layers of attention a way may take.
        first: the row that is picked at first.

    Raises:
        UserError: if there is no mask, the masks differ in their sequences, or these are too long to be drawn.
    """
    if not masks:
        raise UserError(f"figure {number} has no mask to show.")
    shapes = {(mask.condition_length, mask.frames, mask.frame_tokens) for mask in masks.values()}
    length = next(iter(masks.values())).length
    if len(shapes) > 1 or length > LARGEST:
        raise UserError(
            f"figure {number} takes masks of one sequence of {LARGEST} positions or less; got {len(shapes)} sequences, "
            f"the first of {length} positions."
        )
    if not 0 <= first < length:
        raise UserError(f"figure {number} has rows 0 to {length - 1}, so that row {first} cannot be its first.")
    items = [_mask_item(label, mask, layers, first, alt) for label, mask in masks.items()]
    names = names_of(next(iter(masks.values())))
    bar = (
        f'<div class="tats-bar" hidden><input type="range" min="0" max="{length - 1}" value="{first}" '
        f'aria-label="row" data-values="{escape(json.dumps(names[:-1]))}"><output></output></div>'
    )
    side = EDGE + CELL * length + 2
    grid = f'<div class="tats-grid" style="{grid_style(len(items), 3, side)}">{"".join(items)}</div>'
    show_markup(figure_markup(grid + bar, "masks", number, alt, caption, script="mask_explorer.js"), alt)


def names_of(mask: AttentionMask) -> list[str]:
    """What the N positions and the very last target are called: c, A1, A2 for the first anchor, 1a..., B1, B2."""
    names = []
    frames = [*mask.places, mask.places[-1]._replace(token=mask.frame_tokens - 1)]
    for role, frame, token in frames:
        if role == "condition":
            names.append("c" if mask.condition_length == 1 else f"c{token + 1}")
        elif role == "gap":
            names.append(f"{frame}{chr(97 + token)}")
        else:
            names.append(f"{'A' if role == 'first anchor' else 'B'}{chr(97 + token)}")
    return names


def way_back(mask: AttentionMask, row: int, layers: int) -> list[int] | None:
    """The shortest way by which the output of a row can know its own target, the token at `row + 1`.

    Returns:
        Positions from the row to the target, one step a layer; None if there is no way in so many layers.
    """
    if row + 1 >= mask.length:  # the very last token is never read
        return None
    ways = [[row]]
    for _ in range(layers):
        ways = [[*way, key] for way in ways for key in range(mask.length) if mask.sees(way[-1], key)]
        for way in ways:
            if way[-1] == row + 1:
                return way
        ways = list({way[-1]: way for way in reversed(ways)}.values())  # one way to each place is enough
    return None


def _mask_item(label: str, mask: AttentionMask, layers: int, first: int, alt: str) -> str:
    words = [row_in_words(mask, row, layers) for row in range(mask.length)]
    names, side = names_of(mask), EDGE + CELL * mask.length + 2  # with room for the frame of a row
    tops = "".join(
        f'<text x="{EDGE + CELL * (key + 0.5):g}" y="{EDGE - 7}">{name}</text>' for key, name in enumerate(names[:-1])
    )
    layers_of_drawing = "".join(  # the marks lie above all cells
        f'<g class="{kind}{" picked" if row == first else ""}" data-row="{row}">{content}</g>'
        for kind, draw in (("row", _cells), ("marks", partial(_marks, layers=layers)))
        for row, content in enumerate(draw(mask, row) for row in range(mask.length))
    )
    return (
        f'<div><svg viewBox="0 0 {side} {side}" role="img" aria-label="{escape(f"{label}: {alt}")}" '
        f'style="width:{side}px;aspect-ratio:1">{tops}{layers_of_drawing}</svg>{label_tag(label)}'
        f'<p aria-live="polite" data-words="{escape(json.dumps(words))}">{escape(words[first])}</p></div>'
    )


def _cells(mask: AttentionMask, row: int) -> str:
    """One row of the drawing: its name and its cells, on a ground that a finger finds."""
    top, places = EDGE + CELL * row, mask.places
    ground = f'<rect class="ground" x="0" y="{top}" width="{EDGE + CELL * mask.length}" height="{CELL}"/>'
    name = f'<text x="{EDGE / 2}" y="{top + 13}">{names_of(mask)[row]}</text>'
    cells = []
    for key in range(mask.length):
        kind = "none" if not mask.sees(row, key) else "gap" if places[key].role == "gap" else "given"
        cells.append(f'<rect class="{kind}" x="{EDGE + CELL * key + 1}" y="{top + 1}" width="16" height="16"/>')
    return ground + name + "".join(cells)


def _marks(mask: AttentionMask, row: int, layers: int) -> str:
    """A frame around a row; and the way back to its target, or a ring where that stays out of sight."""
    top, width = EDGE + CELL * row, CELL * mask.length
    frame = f'<rect x="{EDGE - 1}" y="{top - 1}" width="{width + 2}" height="{CELL + 2}"/>'
    way = way_back(mask, row, layers)
    if way is None:
        if row + 1 == mask.length:
            return frame
        x, y = _centre(row, row + 1)
        return f'{frame}<circle class="safe" cx="{x:g}" cy="{y:g}" r="5"/>'
    corners = []
    for query, key in pairwise(way):
        corners += [_centre(query, key), _centre(key, key)]  # what was a column becomes a row
    points = " ".join(f"{x:g},{y:g}" for x, y in corners[:-1])
    dots = "".join(f'<circle cx="{x:g}" cy="{y:g}" r="5"/>' for x, y in corners[:-1:2])
    return f'{frame}<polyline points="{points}"/>{dots}'


def row_in_words(mask: AttentionMask, row: int, layers: int) -> str:
    """What a row sees, and whether it can know what it is to predict."""
    names = names_of(mask)
    seen = [names[key] for key in range(mask.length) if mask.sees(row, key)]
    words = f"{names[row]} is to predict {names[row + 1]} and sees {' '.join(_runs(seen))}."
    way = way_back(mask, row, layers)
    if way is None:
        return f"{words} {names[row + 1]} cannot reach it."
    given = (row + 1 < mask.length) and mask.places[row + 1].role != "gap"
    what = "a copy" if given else "a leak"
    if len(way) == 2:
        return f"{words} {names[row + 1]} is among them: {what}."
    steps = [f"{names[query]} looks at {names[key]}" for query, key in pairwise(way)]
    return f"{words} {'; '.join(reversed(steps))}: {what} in {len(way) - 1} layers."


def _runs(names: list[str]) -> list[str]:
    """Names of one frame drawn together: Aa Ab 1a 10a becomes Aab 1a 10a."""

    def frame(name: str) -> str:
        return "c" if name.startswith("c") else name[:-1]

    return [
        name + "".join(member.removeprefix(name) for member in members) for name, members in groupby(names, key=frame)
    ]


def _centre(query: int, key: int) -> tuple[float, float]:
    return EDGE + CELL * (key + 0.5), EDGE + CELL * (query + 0.5)

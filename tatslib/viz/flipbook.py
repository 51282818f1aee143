"""A flipbook: sliders over pictures drawn beforehand. It moves in the static page, without a kernel."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from itertools import product

from matplotlib.figure import Figure

from tatslib.errors import UserError
from tatslib.viz.figures import to_svg
from tatslib.viz.markup import Picture, figure_markup, picture_tag, show_markup

Page = Picture | Figure
Label = tuple[str, ...]  # one value for each slider


def show_flipbook(
    pages: Mapping[str, Page] | Mapping[tuple[str, ...], Page],
    *,
    number: str,
    alt: str,
    caption: str,
    slider: str | Sequence[str] = "page",
    zoom: int | None = None,
    first: int = 0,
) -> None:
    """Show one of several pictures or plots, chosen by one or more sliders (mouse, finger or arrow keys).

    Without scripts the page `first` stands there as a picture.

    Args:
        pages: label to uint8 (H, W, 3) or a matplotlib figure; the label is shown beside the slider and read aloud.
            For several sliders the labels are tuples, one value a slider, and every combination has its page.
        number: chapter and figure, such as "3.2".
        alt: what a reader who cannot see it must know about the whole series.
        caption: what to look for.
        slider: what the slider changes, such as "training step"; for several, one name each.
        zoom: shown size of one pixel; None enlarges small pictures to 96 pixels.
        first: index of the page that is shown at first, in the order of `pages`.

    Raises:
        UserError: if there is no page, a combination of values has none, or labels and sliders differ in number.
    """
    names = (slider,) if isinstance(slider, str) else tuple(slider)
    book: dict[Label, Page] = {(key,) if isinstance(key, str) else key: page for key, page in pages.items()}
    values = _values_of_sliders(book, names, number)
    if not 0 <= first < len(book):
        raise UserError(f"figure {number} has pages 0 to {len(book) - 1}, so that page {first} cannot be its first.")
    opened = list(book)[first]
    sheets = []
    for label in product(*values):  # the script counts on this order
        page, words = book[label], f"{_in_words(names, label)}: {alt}"
        drawn = to_svg(page, words) if isinstance(page, Figure) else picture_tag(page, words, zoom)
        hidden = "" if label == opened else " hidden"
        sheets.append(f'<div class="tats-page" data-label="{escape(", ".join(label))}"{hidden}>{drawn}</div>')
    # Room for the longest words beside any slider: none changes its length while it is dragged, and all are alike.
    room = max(len(f"{name} {value}") for name, choices in zip(names, values, strict=True) for value in choices)
    bars = [
        f'<div class="tats-bar" hidden><input type="range" min="0" max="{len(choices) - 1}" '
        f'value="{choices.index(value)}" aria-label="{escape(name)}" data-values="{escape(json.dumps(choices))}">'
        f'<output aria-live="polite" style="width:min({room}ch,60%)"></output></div>'
        for name, choices, value in zip(names, values, opened, strict=True)
    ]
    # As elsewhere, a plot scrolls sideways on a phone; all pages together, so that turning keeps the place.
    scroll = ' tats-scroll" tabindex="0' if any(isinstance(page, Figure) for page in book.values()) else ""
    body = f'<div class="tats-stage{scroll}">{"".join(sheets)}</div>{"".join(bars)}'
    show_markup(figure_markup(body, "flipbook", number, alt, caption, script="flipbook.js"), alt)


def _values_of_sliders(book: Mapping[Label, Page], names: Label, number: str) -> list[list[str]]:
    """The values of each slider in order of first appearance; every combination of them must be in the book."""
    if not book:
        raise UserError(f"figure {number} has no page to show.")
    for label in book:
        if len(label) != len(names):
            raise UserError(
                f"figure {number} has a page {label!r}, but a page is named by one value for each slider: "
                f"{', '.join(names)}."
            )
    values = [list(dict.fromkeys(column)) for column in zip(*book, strict=True)]
    for label in product(*values):
        if label not in book:
            raise UserError(f"figure {number} lacks the page for {_in_words(names, label)}; draw every combination.")
    return values


def _in_words(names: Label, label: Label) -> str:
    """Such as "padding zeros, depth 3"."""
    return ", ".join(f"{name} {value}" for name, value in zip(names, label, strict=True))

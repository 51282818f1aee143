"""A flipbook: a slider over pictures drawn beforehand. It moves in the static page, without a kernel."""

from collections.abc import Mapping
from html import escape

from matplotlib.figure import Figure

from tatslib.viz.figures import to_svg
from tatslib.viz.markup import Picture, figure_markup, picture_tag, show_markup


def show_flipbook(
    pages: Mapping[str, Picture | Figure],
    *,
    number: str,
    alt: str,
    caption: str,
    slider: str = "page",
    zoom: int | None = None,
    first: int = 0,
) -> None:
    """Show one of several pictures or plots, chosen by a slider (mouse, finger or arrow keys).

    Without scripts the first page stands there as a picture.

    Args:
        pages: label to uint8 (H, W, 3) or a matplotlib figure; the label is shown beside the slider and read aloud.
        number: chapter and figure, such as "3.2".
        alt: what a reader who cannot see it must know about the whole series.
        caption: what to look for.
        slider: what the slider changes, such as "training step".
        zoom: shown size of one pixel; None enlarges small pictures to 96 pixels.
        first: index of the page that is shown at first.
    """
    sheets = []
    for index, (label, page) in enumerate(pages.items()):
        words = f"{slider} {label}: {alt}"
        drawn = to_svg(page, words) if isinstance(page, Figure) else picture_tag(page, words, zoom)
        hidden = "" if index == first else " hidden"
        sheets.append(f'<div class="tats-page" data-label="{escape(label)}"{hidden}>{drawn}</div>')
    body = (
        f'<div class="tats-stage">{"".join(sheets)}</div><div class="tats-bar" hidden>'
        f'<input type="range" min="0" max="{len(sheets) - 1}" value="{first}" aria-label="{escape(slider)}">'
        f'<output aria-live="polite"></output></div>'
    )
    data = f'data-slider="{escape(slider)}"'
    show_markup(figure_markup(body, "flipbook", number, alt, caption, data, "flipbook.js"), alt)

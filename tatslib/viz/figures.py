"""Things that stand still: plots and pictures, with a number, a caption and a description in words."""

import io
import re
from collections.abc import Mapping
from html import escape

import matplotlib as mpl
from matplotlib.figure import Figure

from tatslib.viz.markup import Picture, figure_markup, grid_style, label_tag, picture_tag, show_markup, zoom_for
from tatslib.viz.style import INK, STYLE

WIDE = 4  # pictures wider than this many times their height are strips, which scroll sideways on a phone


def show_figure(figure: Figure, *, number: str, alt: str, caption: str) -> None:
    """Show a matplotlib figure (from `subplots`) as a drawing in the page's own text colour.

    Args:
        figure: what to show.
        number: chapter and figure, such as "3.2"; the text refers to it as "Figure 3.2".
        alt: what a reader who cannot see it must know: the finding with its numbers, not the kind of plot.
        caption: what to look for.
    """
    # On a phone a wide plot scrolls sideways, rather than shrink until nobody can read its numbers.
    body = f'<div class="tats-scroll" tabindex="0">{to_svg(figure, alt)}</div>'
    show_markup(figure_markup(body, "plot", number, alt, caption), alt)


def show_pictures(
    pictures: Mapping[str, Picture],
    *,
    number: str,
    alt: str,
    caption: str,
    zoom: int | None = None,
    columns: int | None = None,
) -> None:
    """Show pictures side by side, pixel by pixel.

    Args:
        pictures: label to uint8 (H, W, 3) or (H, W); an empty label is not printed.
        number: chapter and figure, such as "3.2".
        alt: what a reader who cannot see them must know.
        caption: what to look for.
        zoom: shown size of one pixel; None enlarges small pictures to 96 pixels.
        columns: how many in a row at the most.
    """
    items = []
    for label, picture in pictures.items():
        tag = picture_tag(picture, f"{label}: {alt}" if label else alt, zoom)
        items.append(f"<div>{tag}{label_tag(label)}</div>")
    height, width = next(iter(pictures.values())).shape[:2]
    style = grid_style(len(items), columns, width * zoom_for(height, width, zoom))
    body = f'<div class="tats-grid" style="{style}">{"".join(items)}</div>'
    if width > WIDE * height:
        body = f'<div class="tats-scroll" tabindex="0">{body}</div>'
    show_markup(figure_markup(body, "pictures", number, alt, caption), alt)


def to_svg(figure: Figure, alt: str) -> str:
    """A matplotlib figure as an `<svg>` element: same bytes for the same drawing, text in the page's colour."""
    buffer = io.StringIO()
    # The salt keeps the names inside the drawing the same from run to run, and apart from those of other drawings.
    with mpl.rc_context(STYLE | {"svg.hashsalt": alt}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # One line a path, in hundredths of a point, which is enough for any screen. Factors of scale keep their digits.
    svg = re.sub(r' d="[^"]*"', lambda path: re.sub(r"\s+", " ", path[0]), svg)
    svg = re.sub(r' [dxy]="[^"]*"|translate\([^)]*\)', lambda place: re.sub(r"(\.\d\d)\d+", r"\1", place[0]), svg)
    svg = re.sub(r">\s+<", "><", svg)
    width, height = figure.get_size_inches()
    size = f'style="width:{96 * width:.0f}px;aspect-ratio:{width:g}/{height:g}"'
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" {size} ', 1)

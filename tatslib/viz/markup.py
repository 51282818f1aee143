"""The HTML around everything we show: number, caption, description, and pictures that carry their own data."""

import base64
import io
import re
from functools import cache
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tatslib.errors import UserError

Picture = NDArray[np.uint8]
SMALLEST_SIDE = 96  # pixels; anything smaller is enlarged by a whole number before it is shown


@cache
def asset(name: str) -> str:
    """Text of a style sheet or script that lies beside this file."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def figure_id(number: str) -> str:
    """The address of a figure inside its page: "3.2" is at #fig-3-2."""
    if not re.fullmatch(r"[0-9A-Z]+\.[0-9]+", number):
        raise UserError(f"a figure number looks like '3.2' (chapter, figure), got {number!r}.")
    return "fig-" + number.replace(".", "-").lower()


def figure_markup(body: str, kind: str, number: str, alt: str, caption: str, data: str = "", script: str = "") -> str:
    """A whole numbered figure.

    Args:
        body: HTML of what is shown.
        kind: a word for the style sheet and the script, such as "videos".
        number: chapter and figure, such as "3.2".
        alt: what a reader who cannot see it must know, in a sentence or two.
        caption: what to look for; plain text.
        data: further attributes of the figure element.
        script: file with the script that makes it move, "" for a picture that stands still.
    """
    if len(alt.split()) < 4:
        raise UserError(f"describe figure {number} in a sentence, for those who cannot see it; got alt={alt!r}.")
    moving = f"<script>{asset(script)}</script>" if script else ""
    return (
        f"<style>{asset('viz.css')}</style>"
        f'<figure class="tats-figure tats-{kind}" id="{figure_id(number)}" {data}>'
        f"{body}<figcaption><b>Figure {number}.</b> {escape(caption)}</figcaption></figure>{moving}"
    )


def show_markup(markup: str, alt: str) -> None:
    """Hand the HTML to the notebook; a front end without HTML gets the description."""
    from IPython.display import display  # the command line draws nothing and must not need IPython

    display({"text/html": markup, "text/plain": alt}, raw=True)


def enlarge(frames: Picture, zoom: int) -> Picture:
    """Repeat every pixel `zoom` times in both directions; uint8 (..., H, W, 3)."""
    return frames.repeat(zoom, axis=-3).repeat(zoom, axis=-2)


def zoom_for(height: int, width: int, zoom: int | None) -> int:
    """`zoom`, or the smallest whole number that brings the shorter side to `SMALLEST_SIDE`."""
    return zoom if zoom is not None else max(1, -(-SMALLEST_SIDE // min(height, width)))


def png_uri(picture: Picture) -> str:
    """A picture as a data address; uint8 (H, W, 3) or (H, W)."""
    buffer = io.BytesIO()
    _few_colours(picture).save(buffer, format="png", optimize=True)
    return data_uri(buffer.getvalue(), "image/png")


def _few_colours(picture: Picture) -> Image.Image:
    """The same picture with a palette where at most 256 colours occur, which takes a third of the bytes."""
    if picture.ndim == 3:
        colours, indices = np.unique(picture.reshape(-1, 3), axis=0, return_inverse=True)
        if len(colours) <= 256:
            image = Image.fromarray(indices.reshape(picture.shape[:2]).astype(np.uint8))
            image.putpalette(colours.tobytes())
            return image
    return Image.fromarray(picture)


def data_uri(content: bytes, kind: str) -> str:
    """Any bytes as a data address."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def grid_style(count: int, columns: int | None, width: int) -> str:
    """Columns of equal width that become fewer on a narrow screen and never exceed `columns`."""
    columns = min(count, columns or 4)
    return f"--columns:{columns};--item:{width}px"


def label_tag(label: str) -> str:
    """The words under a picture; a class name such as SwingingPendulum may be broken between its words."""
    return f"<span>{re.sub('(?<=[a-z])(?=[A-Z])', '<wbr>', escape(label))}</span>" if label else ""


def picture_tag(picture: Picture, alt: str, zoom: int | None = None) -> str:
    """An image that stays sharp when it is enlarged: small ones keep their pixels, the browser repeats them."""
    height, width = picture.shape[:2]
    shown = width * zoom_for(height, width, zoom)
    return f'<img src="{png_uri(picture)}" alt="{escape(alt)}" width="{shown}" style="aspect-ratio:{width}/{height}">'

"""The padding explorer: for a kind of padding, a depth and a position, how much of a feature is not the video's.

Letters: T frames of a clip.
"""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from tatslib.errors import UserError
from tatslib.viz.markup import Picture
from tatslib.vqgan.config import VQGANConfig
from tatslib.vqgan.padding import field_of_view

CELL, FIRST, LAST = 8, -22, 37  # pixels a frame; the frames that are drawn
WIDTH, HEIGHT, TOP = CELL * (LAST - FIRST + 1), 112, 44
PAPER, LINE, TEXT, NOTHING = (24, 27, 38), (240, 190, 80), (232, 234, 240), (62, 66, 80)
POSITIONS = ("first", "second", "third", "last")


def padding_pages(
    config: VQGANConfig, corruption: Mapping[str, Sequence[Tensor]]
) -> dict[tuple[str, str, str], Picture]:
    """Pages for `show_flipbook` with the sliders padding, unit and position.

    Args:
        config: of the encoder; the kinds of padding share its units.
        corruption: kind of padding to what `metrics.equivariance.corruption_by_depth` gave for it.

    Returns:
        uint8 (112, 480, 3) each. The strip shows which frame stands where: inside the clip its own, beyond it what the
        padding puts there. (Padding is done anew inside each unit; the strip shows the same rule at the input.)
    """
    units, clip = config.encoder_units, config.frames
    pages = {}
    for padding, rows in corruption.items():
        for depth, row in enumerate(rows, start=1):
            name = f"{depth} ({units[depth - 1].kind})"
            before, after = field_of_view(units[:depth], axis=0)
            stretch = clip // len(row)
            for quarter, position in enumerate(POSITIONS):
                place = round(quarter * (len(row) - 1) / 3)
                field = (place * stretch - before, place * stretch + stretch - 1 + after)
                pages[padding, name, position] = _page(padding, field, float(row[place]), clip)
    return pages


def stand_in(padding: str, frame: int, clip: int) -> int | None:
    """The frame of the clip that stands at `frame`, or None for nothing at all; a UserError for an unknown padding."""
    if padding not in ("zeros", "replicate", "reflect", "circular"):
        raise UserError(f"there is no rule for padding {padding!r}; known are zeros, replicate, reflect and circular.")
    if 0 <= frame < clip:
        return frame
    if padding == "replicate":
        return min(max(frame, 0), clip - 1)
    if padding == "circular":
        return frame % clip
    if padding == "reflect":
        turned = frame % (2 * clip - 2)
        return min(turned, 2 * clip - 2 - turned)
    return None


def _page(padding: str, field: tuple[int, int], error: float, clip: int) -> Picture:
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(image)
    colours = mpl.colormaps["viridis"]
    for frame in range(FIRST, LAST + 1):
        shown = stand_in(padding, frame, clip)
        red, green, blue, _ = colours(0.15 + 0.8 * (shown or 0) / (clip - 1), bytes=True)
        left = CELL * (frame - FIRST)
        colour = NOTHING if shown is None else (int(red), int(green), int(blue))
        draw.rectangle((left, TOP, left + CELL - 2, TOP + 17), fill=colour)
    edges = [CELL * (frame - FIRST) - 1 for frame in (0, clip)]
    draw.rectangle((edges[0], TOP - 5, edges[1], TOP + 22), outline=TEXT)
    seen = [CELL * (max(field[0], FIRST) - FIRST), CELL * (min(field[1], LAST) - FIRST + 1) - 2]
    draw.rectangle((seen[0], TOP + 29, seen[1], TOP + 34), fill=LINE)
    frames = range(field[0], field[1] + 1)
    beyond = sum(not 0 <= frame < clip for frame in frames)
    font = ImageFont.load_default(15)
    draw.text((6, 8), "the clip is framed; beyond it: " + padding, fill=TEXT, font=font)
    words = f"sees {len(frames)} frames, {beyond} of them beyond the clip ({beyond / len(frames):.0%})"
    draw.text((6, TOP + 38), f"{words}; off by {error:.0%}", fill=LINE, font=font)
    return np.asarray(image.quantize(48, dither=Image.Dither.NONE).convert("RGB"))  # few colours: small pages

"""Where two moments of videos differ, as the paper draws it (Fig. 17)."""

from pathlib import Path

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text
from torch import Tensor

from tatslib.viz.style import INK, subplots

BLACK = "#1a1a1a"  # of letters and axes on white
LONGEST_NAME = 40  # letters that fit over the map


def draw_differences(difference: Tensor, first: int, second: int, videos: int, name: str) -> Figure:
    """A mean map of differences with its scale, which begins at 0: a pattern looks as strong as it is.

    Args:
        difference: float (H, W), grey levels, as `fidelity.difference_map` gives it.
        first: number of a frame, from 1.
        second: of the other.
        videos: over how many the mean was taken.
        name: of these videos; shortened where it is too long, and "?" for what the font does not have.

    Returns:
        A figure for `show_figure`, or, by way of `save_on_white`, for a file.
    """
    values = difference.cpu().numpy()
    height, width = values.shape
    figure, axes = subplots(width=4.8, height=4.3)
    # the scale of videos that stand still is as good as any, but must have a length
    picture = axes.imshow(values, vmin=0, vmax=float(values.max()) or 1)
    whose = "1 video" if videos == 1 else f"mean over {videos:,} videos"
    axes.set(xticks=[], yticks=[], xlabel=f"{width}x{height} pixels")
    axes.spines[:].set_visible(False)
    axes.set_title(f"Where frames {first:,} and {second:,} differ\n{_printable(name)}: {whose}", parse_math=False)
    figure.colorbar(picture, ax=axes, label="absolute difference, grey levels of 255")
    return figure


def save_on_white(figure: Figure, path: Path, description: str) -> None:
    """Write a figure with letters and axes in black, not in the page's own colour: a file has no page.

    Args:
        figure: which stays black.
        path: of the picture; the suffix decides its kind.
        description: goes into the file, so that the picture can say what it is when its name is lost.
    """

    def in_ink(artist: Artist) -> bool:
        return isinstance(artist, Text) and artist.get_color() == INK

    for text in figure.findobj(in_ink):
        text.set(color=BLACK)
    for axes in figure.axes:
        axes.tick_params(colors=BLACK)
        axes.spines[:].set_edgecolor(BLACK)
    figure.savefig(path, facecolor="white", dpi=150, metadata={"Description": description})


def _printable(name: str) -> str:
    font = get_font(findfont(FontProperties()))
    known = "".join(letter if font.get_char_index(ord(letter)) else "?" for letter in name)
    return known if len(known) <= LONGEST_NAME else f"{known[: LONGEST_NAME - 1]}…"

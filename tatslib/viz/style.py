"""How plots look: no background of their own, the page's own text colour, six colours that can be told apart.

A chapter is read on white and on near-black. Instead of two versions of every plot there is one, drawn with `INK` for
everything that is text or axis; `figures.to_svg` then writes `currentColor` in its place, and the page decides.
"""

from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.figure import Figure

# A grey that nobody would choose, so that it can be found again in the drawing.
INK = "#818283"

# Middle tones with a contrast of at least 3 on white and on the book's dark page, apart for the colour-blind as well.
COLOURS = ("#3b82c4", "#d9782d", "#2f9e77", "#a06cc8", "#d1495b", "#a8861f")

STYLE: dict[Any, Any] = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.titlesize": "medium",
    "axes.titlelocation": "left",
    "axes.prop_cycle": cycler(color=COLOURS),
    "font.size": 10.0,
    "lines.linewidth": 1.8,
    "image.cmap": "viridis",
    "image.interpolation": "nearest",
    "figure.constrained_layout.use": True,
    "svg.fonttype": "path",  # letters as outlines: the layout is the same whatever fonts the reader has
}


def subplots(rows: int = 1, columns: int = 1, width: float = 7.0, height: float = 3.0, **options: Any) -> tuple:
    """A figure and its axes in the book's style; from here on whatever is drawn (legends, labels) has it too.

    Unlike `plt.subplots` it registers the figure nowhere, so that it is shown once, by `show_figure`.

    Args:
        rows: rows of axes.
        columns: columns of axes.
        width: width of the whole figure in inches; 7 fills the text column.
        height: height of the whole figure in inches.
        options: go to `Figure.subplots`, such as `sharey=True`.

    Returns:
        (figure, axes); show the figure with `show_figure`.
    """
    mpl.rcParams.update(STYLE)
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots(rows, columns, **options)

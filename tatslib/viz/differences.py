"""Where two moments of videos differ, as the paper draws it (Fig. 17)."""

from matplotlib.figure import Figure
from torch import Tensor

from tatslib.viz.style import subplots


def draw_differences(difference: Tensor, first: int, second: int, videos: int) -> Figure:
    """A mean map of differences with its scale.

    Args:
        difference: float (H, W), grey levels, as `fidelity.difference_map` gives it.
        first: number of a frame, from 1.
        second: of the other.
        videos: over how many the mean was taken.

    Returns:
        A figure for `show_figure`.
    """
    figure, axes = subplots(width=4.6, height=4.0)
    picture = axes.imshow(difference.cpu().numpy(), vmin=0)
    axes.set(xticks=[], yticks=[], title=f"frames {first:,} and {second:,}, {videos:,} videos")
    figure.colorbar(picture, ax=axes, label="mean difference, grey levels")
    return figure

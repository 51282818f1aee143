"""What chapters show: plots, pictures, videos and flipbooks, each with a number, a caption and a description.

Everything is drawn as HTML that carries its own data, style and script, so that it looks and works the same in Jupyter,
in a Colab output frame and in the static page. Text and axes take the colour of the page around them, light or dark.
"""

from tatslib.viz.figures import show_figure, show_pictures
from tatslib.viz.flipbook import show_flipbook
from tatslib.viz.hierarchy_player import show_plans
from tatslib.viz.mask_explorer import show_masks
from tatslib.viz.player import show_videos
from tatslib.viz.style import COLOURS, subplots

__all__ = [
    "COLOURS",
    "show_figure",
    "show_flipbook",
    "show_masks",
    "show_pictures",
    "show_plans",
    "show_videos",
    "subplots",
]

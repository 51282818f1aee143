"""How long the videos of a data set are, as the paper draws it (Fig. 15 and 16)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from tatslib.errors import UserError
from tatslib.viz.style import COLOURS, subplots

HEIGHT, AROUND = 3.2, 0.7  # of the figure, and of what is not bars, in inches
MOST_NAMES = 14  # classes whose names fit beside their bars at the usual size of type and the usual height
ROW, SMALL = 0.115, 6.5  # height of a bar with its name, in inches, and type in points, where there are more classes


def draw_lengths(
    frames: Mapping[str, Sequence[int]],
    class_means: Mapping[str, float] | None = None,
    spans: Mapping[str, int] | None = None,
) -> Figure:
    """Two plots: how many videos are long enough for a clip (Fig. 15), and mean lengths by class (Fig. 16).

    Args:
        frames: lengths of the videos by what they are called, such as a split or a data set.
        class_means: mean length of each class; where there are none, the right plot is a histogram of lengths. Many
            classes make the figure taller, so that each has its name.
        spans: clips to mark on the left, by what they are called, such as {"16 frames at stride 4": 61}.

    Returns:
        A figure for `show_figure`.

    Raises:
        UserError: if there is no video.
    """
    counts = {label: np.sort(lengths) for label, lengths in frames.items() if len(lengths)}
    if not counts:
        raise UserError("There is no video whose length could be drawn.")
    classes = len(class_means or {})
    height = max(HEIGHT, AROUND + ROW * classes)
    figure, (left, right) = subplots(1, 2, height=height)
    longest = max(lengths[-1] for lengths in counts.values())
    for label, lengths in counts.items():
        places = np.unique(np.concatenate([[0], lengths, lengths + 1]))
        share = 1 - np.searchsorted(lengths, places) / len(lengths)
        left.plot(places, share, drawstyle="steps-pre", label=f"{label} ({len(lengths):,})")
    for index, (label, span) in enumerate((spans or {}).items()):
        left.axvline(span, color=COLOURS[(3 + index) % len(COLOURS)], linewidth=1.2, linestyle="--", label=label)
    left.set(xlabel="frames", ylabel="share of videos with at least as many", ylim=(0, 1.04), xlim=(0, 1.04 * longest))
    left.legend(fontsize="small")
    if class_means:
        ordered = sorted(class_means.items(), key=lambda item: item[1])
        right.barh(range(len(ordered)), [mean for _, mean in ordered], color=COLOURS[0])
        right.set_yticks(range(classes), [name for name, _ in ordered])
        right.set_xlabel("mean frames")
        if classes > MOST_NAMES:
            right.tick_params(axis="y", labelsize=SMALL, length=0)
            right.set_ylim(-0.6, classes - 0.4)  # no margins, which grow with the classes
        if height > HEIGHT:
            left.set_box_aspect(1.05)  # as tall as ever, at the top
            left.set_anchor("N")
        right.grid(axis="y", visible=False)
    else:
        bins = np.linspace(0, longest + 1, 21)
        shares = [np.full(len(lengths), 1 / len(lengths)) for lengths in counts.values()]
        right.hist(list(counts.values()), bins, weights=shares, label=list(counts))
        right.set(xlabel="frames", ylabel="share of videos")
    return figure

"""The hierarchy player: which latent frames of a long video are drawn when, plan beside plan (paper 2.3, Fig. 3).

Letters: F latent frames of the video.
"""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from PIL import Image

from tatslib.errors import UserError
from tatslib.sampling.plan import Step
from tatslib.viz.markup import Picture, figure_markup, label_tag, png_uri, show_markup

SIDE = 38  # CSS pixels of a thumbnail; seventeen fill a line of the book
COLOURS = 64  # of all thumbnails of a plan together, which take half of the bytes then
LEVELS = 3  # as many have a colour of their own


def show_plans(
    plans: Mapping[str, Sequence[Step]],
    pictures: Mapping[str, Picture],
    *,
    number: str,
    alt: str,
    caption: str,
    steps_a_second: float = 2.5,
) -> None:
    """Play plans in step: a latent frame appears as a thumbnail when it is drawn, in the colour of its level.

    They play while they are in view, unless the reader's system asks for less motion; a bar below goes from step to
    step. Without scripts all frames are there, each with the number of the step that drew it.

    Args:
        plans: label to steps, from `sampling.plan.order_of_drawing`; frames beyond the video are left out.
        pictures: the same labels to uint8 (F, H, W, 3), a picture for each latent frame.
        number: chapter and figure, such as "8.1".
        alt: what a reader who cannot see it must know: how many steps each plan takes.
        caption: what to look for.
        steps_a_second: pace.

    Raises:
        UserError: if there is no plan, labels differ, a latent frame is never drawn, or there are too many levels.
    """
    if not plans or set(plans) != set(pictures):
        raise UserError(f"figure {number} needs pictures for each plan; got {list(plans)} and {list(pictures)}.")
    items = [_plan_item(label, steps, pictures[label], number, alt) for label, steps in plans.items()]
    longest = max(len(steps) for steps in plans.values())
    bar = (
        '<div class="tats-bar" hidden><button type="button" aria-label="Pause"></button>'
        f'<input type="range" min="0" max="{longest}" value="{longest}" aria-label="Step"><output></output></div>'
    )
    data = f'data-pace="{steps_a_second:g}"'
    body = f'<div class="tats-plans">{"".join(items)}</div>{bar}'
    show_markup(figure_markup(body, "hierarchy", number, alt, caption, data, "hierarchy_player.js"), alt)


def _plan_item(label: str, steps: Sequence[Step], pictures: Picture, number: str, alt: str) -> str:
    drawn = {frame: (place, step.level) for place, step in enumerate(steps, start=1) for frame in step.frames}
    missing = [frame for frame in range(len(pictures)) if frame not in drawn]
    if missing or max(step.level for step in steps) >= LEVELS:
        raise UserError(
            f"figure {number}: {label!r} draws {len(pictures) - len(missing)} of {len(pictures)} latent frames on "
            f"{1 + max(step.level for step in steps)} levels; all of them have to be drawn, on {LEVELS} levels at most."
        )
    sheet = Image.fromarray(np.concatenate(list(pictures), axis=1))  # one file for all, side by side, of few colours
    source = png_uri(np.asarray(sheet.quantize(COLOURS, dither=Image.Dither.NONE).convert("RGB")))
    cells = []
    for frame in range(len(pictures)):
        place, level = drawn[frame]
        cells.append(
            f'<span class="level{level}" data-step="{place}"><i style="background-position-x:{-SIDE * frame}px"></i>'
            f"{place}</span>"
        )
    style = f"--sheet:url({source});--side:{SIDE}px;--wide:{SIDE * len(pictures)}px"
    return (
        f'<div data-steps="{len(steps)}">{label_tag(f"{label}: {len(steps)} steps")}'
        f'<div class="tats-cells" role="img" aria-label="{escape(f"{label}: {alt}")}" style="{style}">'
        f"{''.join(cells)}</div></div>"
    )

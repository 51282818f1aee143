"""A few videos that were drawn by sound and by text, packed into numbers, so that a page can show them.

Which ones is fixed here, before any was drawn: the first held-out videos, the first edits, one story. None is chosen.

Letters: T frames, H W their height and width.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np

from tatslib.sampling.storyline import Story
from tatslib.studies import conditions_sound, conditions_text
from tatslib.studies.conditions import SAMPLING
from tatslib.studies.packing import pack
from tatslib.studies.results import Numbers, Study

CONCERTS, GIVEN = 2, 4  # videos by sound, and the real frames with which they begin
TALES = 4  # edits of each kind
CLAUSES = Story(
    (
        ("walks to the right, and collects a coin", 24),
        ("jumps, and kills a slime", 24),
        ("stands still", 24),
        ("walks to the right, and is killed by a face", 32),
    ),
    between=", and ",
)
STORY_FRAMES = sum(length for _, length in CLAUSES.pieces)


def story(frames: range) -> str:
    """What is told of some frames of the long video: one sentence, as in training, of all clauses that they touch."""
    return f"Mugen {CLAUSES(frames)}."


def run(seed: int) -> Numbers:
    """Videos by sound with the strikes that are heard, edited texts with both videos, and the story."""
    concert = conditions_sound.sample_videos(seed, CONCERTS, GIVEN)
    numbers: Numbers = {
        "sound": {
            "told": pack(concert.told),
            "untold": pack(concert.untold),
            "strikes": [[list(strike) for strike in strikes] for strikes in concert.strikes],
        }
    }
    return numbers | run_texts(seed, conditions_text.COARSE)


def run_texts(seed: int, names: conditions_text.Names) -> Numbers:
    """Edited texts with both videos, and the story."""
    numbers: Numbers = {}
    for kind in conditions_text.EDITING:
        pairs = conditions_text.sample_edits(seed, kind, TALES, names)
        for side, tales in zip(("before", "after"), zip(*pairs, strict=True), strict=True):
            numbers[f"{kind}-{side}"] = {
                "texts": [tale.text for tale in tales],
                "videos": pack(np.stack([tale.video for tale in tales])),
            }
    return numbers | {"story": pack(conditions_text.sample_story(seed, story, STORY_FRAMES, names))}


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocol."""
    clauses = "; ".join(f"{text} ({length} frames)" for text, length in CLAUSES.pieces)
    yield Study(
        "condition-samples",
        f"""Videos to look at, of seed 0, by the transformers of the studies condition-sound and condition-text; nothing
        is measured. They were fixed before any was drawn and are not chosen. Sampling: {SAMPLING}. sound: the first
        {CONCERTS} videos of the test split, of which {GIVEN} real frames are given, led by their sound (told) or by
        none (untold) with the same luck; strikes: that are heard, frame and drum. fate, monster: the first {TALES}
        texts of held-out clips that can be edited, as in condition-text, before and after, with the same luck. story:
        {STORY_FRAMES} frames, told anew whenever the window moves; the sentence is made of all clauses that the window
        touches: {clauses}. Videos are uint8, packed without a loss.""",
        run,
    )
    yield Study(
        "condition-samples-fine",
        """The same edits and the same story as in condition-samples, by the transformer of seed 0 of the study
        condition-text-fine.""",
        partial(run_texts, names=conditions_text.FINE),
    )

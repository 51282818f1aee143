"""What happens in a platform game: its events, which of them a span of frames shows, and sentences that say so.

MUGEN calls its own generator of such sentences auto-text: it reads the log of a game, cuts it into walks, jumps and
climbs, and says what was collected, killed or jumped over in each (released code; the paper trains on such texts, B.1).
The idea is MUGEN's and the order of the clauses; the wording, and the rule for what is said of a span, are ours:

- what takes a moment (a coin is collected, a monster is killed) is said if its frame lies in the span and so does the
  frame before, without which nothing is seen to change; and that Mugen is killed, if the span shows any frame of it;
- what lasts (walking, standing, jumping, climbing) is said if the span shows `MIN_FRAMES` of it; if it shows so much of
  nothing, then what it shows most of;
- a jump is said to go over something if the frame in which that is done lies in the span.

So every sentence is true of exactly the frames it was made for, and nothing above this measure is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Kind = Literal["walk", "stand", "jump", "climb", "collect", "kill", "killed"]
LASTING: tuple[Kind, ...] = ("walk", "stand", "jump", "climb")

# as MUGEN numbers them (released code), by the names of its annotations
MONSTERS = ("gear", "barnacle", "face", "slime", "mouse", "snail", "ladybug", "worm", "frog", "bee")

MIN_FRAMES = 4  # of something that lasts, before it is worth a clause


@dataclass(frozen=True, order=True)
class Event:
    """Something that happens in frames start..end-1 of a video.

    `what` is a monster, or "gap" (jumped over), "coin" or "gem" (collected), or "" where there is nothing to name.
    `direction` is that of a walk (right, left) or a climb (up, down). `at` is the frame in which a jump has passed what
    it goes over, and in all else the first one.
    """

    start: int
    end: int
    kind: Kind
    what: str = ""
    direction: str = ""
    at: int = -1

    @property
    def moment(self) -> int:
        """The frame that decides whether a span shows `what`."""
        return self.start if self.at < 0 else self.at


@dataclass(frozen=True)
class Statement:
    """What one clause says; "" is what it leaves open. `denied` is for a clause that says that it does not happen."""

    kind: Kind
    what: str = ""
    direction: str = ""
    count: int = 1
    denied: bool = False


def facts(events: Sequence[Event], span: range) -> list[Statement]:
    """What is to be said of some frames, in the order of time.

    Args:
        events: of the whole video.
        span: the frames, such as range(32, 48); at least one.
    """
    seen = [(event, _overlap(event, span)) for event in sorted(events)]
    lasting = [frames for event, frames in seen if event.kind in LASTING]
    enough = min(MIN_FRAMES, max(lasting, default=0))
    said: list[tuple[int, Statement]] = []
    for event, frames in seen:
        if event.kind in LASTING and 0 < enough <= frames:
            what = event.what if event.moment in span else ""
            said.append((max(event.start, span.start), Statement(event.kind, what, event.direction)))
        elif event.kind not in LASTING and frames and (event.kind == "killed" or event.start > span.start):
            said.append((max(event.start, span.start), Statement(event.kind, event.what)))
    if enough < MIN_FRAMES:  # a span too short for a rule: only what it shows most of
        said = _first_of_those_that_last(said)
    return _merged([statement for _, statement in sorted(said, key=lambda pair: pair[0])])


def _overlap(event: Event, span: range) -> int:
    return max(0, min(event.end, span.stop) - max(event.start, span.start))


def _first_of_those_that_last(said: list[tuple[int, Statement]]) -> list[tuple[int, Statement]]:
    lasting = [pair for pair in said if pair[1].kind in LASTING]
    return [pair for pair in said if pair[1].kind not in LASTING or pair is lasting[0]]


def _merged(statements: list[Statement]) -> list[Statement]:
    """One statement for two coins in a row, and one for a walk that was interrupted for a few frames."""
    merged: list[Statement] = []
    for statement in statements:
        last = merged[-1] if merged else None
        if last is not None and replace(last, count=1) == statement and statement.kind in ("walk", "stand", "climb"):
            continue
        if last is not None and replace(last, count=1) == statement and statement.kind in ("collect", "kill"):
            merged[-1] = replace(last, count=last.count + 1)
        else:
            merged.append(statement)
    return merged


# ----------------------------------------------------------------------------------------------------------- sentences
# the first of each is the plain wording
VERBS: dict[Kind, tuple[str, ...]] = {
    "walk": ("walks", "moves", "goes"),
    "stand": ("stands still", "waits", "stops"),
    "jump": ("jumps", "leaps", "hops"),
    "climb": ("climbs", "climbs"),
    "collect": ("collects", "picks up", "takes"),
    "kill": ("kills", "squashes", "defeats"),
    "killed": ("is killed by", "is defeated by", "dies from"),
}
DIRECTIONS = {
    "right": (" to the right", " right"),
    "left": (" to the left", " left"),
    "up": (" up a ladder", " up on a ladder"),
    "down": (" down a ladder", " down on a ladder"),
    "": ("", ""),
}
JOINTS = (", and ", ", then ", " and then ")
NUMBERS = ("no", "a", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
PLURALS = {"mouse": "mice"}


def tell(events: Sequence[Event], span: range, name: str = "Mugen", wording: np.random.Generator | None = None) -> str:
    """One sentence that says what some frames of a video show.

    Args:
        events: of the whole video.
        span: the frames, such as range(32, 48).
        name: of the one who does it all.
        wording: chooses among verbs and joints; None gives the plain ones, so that equal facts have equal words.

    Returns:
        Such as "Mugen walks to the right, and jumps over a gap, and is killed by a face."
    """
    return say(facts(events, span), name, wording)


def say(statements: Sequence[Statement], name: str = "Mugen", wording: np.random.Generator | None = None) -> str:
    """The sentence that makes these statements; see `tell`."""

    def choose(words: tuple[str, ...]) -> str:
        return words[0 if wording is None else int(wording.integers(len(words)))]

    text = name
    for number, statement in enumerate(statement for statement in statements if not statement.denied):
        text += choose(JOINTS) if number else " "
        text += choose(VERBS[statement.kind]) + choose(DIRECTIONS[statement.direction])
        over = " over" if statement.kind == "jump" else ""
        monster = "monster" if statement.kind in ("kill", "killed") else ""
        if thing := statement.what or monster:
            text += f"{over} {_counted(thing, statement.count)}"
    return f"{text}." if text != name else f"{name} does nothing."


def _counted(thing: str, count: int) -> str:
    if count == 1:
        return f"a {thing}"
    number = NUMBERS[count] if count < len(NUMBERS) else str(count)
    return f"{number} {PLURALS.get(thing, f'{thing}s')}"

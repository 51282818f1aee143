"""Reading a sentence about a platform game, and holding it to what happened: text fidelity.

Nothing here knows how `story.tell` words things: sentences are read by the words that people and MUGEN's own auto-text
use ("walks to the left, and jumps up to the right to a crate and collects a coin, and killed by a gear"). What is not
understood is passed over, so a sentence that is free in form gives fewer statements, not wrong ones.
"""

import re
from collections.abc import Sequence

from tatslib.worlds.story import MONSTERS, Event, Kind, Statement

# the first that is found in a clause decides; "killed by" has to be looked for before "killed"
ACTIONS: tuple[tuple[Kind, str], ...] = (
    ("killed", r"\b(?:killed|slain|defeated|beaten|eaten|destroyed) by\b|\b(?:dies|died|dying)\b"),
    ("kill", r"\b(?:kill|squash|defeat|stomp|slay|destroy)(?:s|es|ed|ing)?\b"),
    ("collect", r"\b(?:collect|pick|take|grab|gather|get|eat)(?:s|ed|ing)?\b|\btaking\b|\bgetting\b|\bate\b|\bgot\b"),
    ("climb", r"\bclimb(?:s|ed|ing)?\b"),
    ("jump", r"\b(?:jump|leap|hop)(?:s|ed|ping|ing)?\b"),
    ("stand", r"\b(?:stand|wait|stop|pause)(?:s|ed|ping|ing)?\b|\bstood\b"),
    ("walk", r"\b(?:walk|move|run|go)(?:s|es|ed|ing)?\b|\bmoving\b|\brunning\b|\bwent\b|\bran\b"),
)
OBJECTS = {name: name for name in MONSTERS} | {
    "mice": "mouse", "ladybugs": "ladybug", "sawhalf": "gear", "saw": "gear", "slimeblock": "face",
    "slimeblue": "slime", "wormpink": "worm", "coin": "coin", "gem": "gem", "gap": "gap", "hole": "gap", "pit": "gap",
    "monster": "", "enemy": "", "enemies": "",
}  # fmt: skip
OBJECT = re.compile(rf"\b(?:(\w+) )?({'|'.join(sorted(OBJECTS, key=len, reverse=True))})s?\b")
NUMBER_WORDS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
MANY = 999  # more of a thing than a video of ten minutes has room for
DIRECTIONS = {"climb": ("up", "down"), "walk": ("right", "left")}
FITTING = {  # what a clause of each kind can be about
    "killed": set(MONSTERS) | {""},
    "kill": set(MONSTERS) | {""},
    "collect": {"coin", "gem"},
    "jump": set(MONSTERS) | {"", "gap"},
}
LONGEST = 20_000  # letters that are read


def parse(text: str) -> list[Statement]:
    """The statements of a text, in its order.

    Args:
        text: any; what lies behind the first 20,000 letters is not read.
    """
    statements: list[Statement] = []
    verb: Kind | None = None
    for clause in re.split(r"[,;:.!?]|\b(?:and|then|before|after|while|but)\b", text[:LONGEST].lower()):
        found = next(((kind, match) for kind, pattern in ACTIONS if (match := re.search(pattern, clause))), None)
        if found is not None:
            verb = found[0]
            rest = clause[found[1].end() :]
        elif verb in ("kill", "collect", "jump", "killed") and OBJECT.search(clause):
            rest = f"over {clause}" if verb == "jump" else clause  # "kills a slime and a worm"
        else:
            continue
        denied = bool(re.search(r"n't\b|\b(?:not|never|without|no)\b", clause))
        if (statement := _statement(verb, rest, denied)) is not None:
            statements.append(statement)
    return statements


def _statement(kind: Kind, rest: str, denied: bool) -> Statement | None:
    direction = next((word for word in DIRECTIONS.get(kind, ()) if re.search(rf"\b{word}\b", rest)), "")
    thing = OBJECT.search(rest)
    what = OBJECTS[thing[2]] if thing else None
    if kind == "jump" and not re.search(r"\b(?:over|across)\b", rest):
        what = None  # "jumps to a ladder" goes over nothing
    if what is None or what not in FITTING.get(kind, ()):
        return None if kind == "collect" else Statement(kind, "", direction, denied=denied)
    return Statement(kind, what, direction, _number(thing[1] if thing else None), denied)


def _number(word: str | None) -> int:
    if word is None:
        return 1
    if re.fullmatch(r"[0-9]{1,3}", word):
        return min(max(int(word), 1), MANY)
    return 2 if word in ("few", "some", "several") else NUMBER_WORDS.get(word, 1)


# ---------------------------------------------------------------------------------------------------------- the check
def check(
    said: str | Sequence[Statement], events: Sequence[Event], span: range | None = None
) -> list[tuple[Statement, bool]]:
    """Which of the statements of a text happen.

    Two kills that are stated need two that happen, and so with jumps and coins; a walk may be told of twice.

    Args:
        said: a text, or its statements.
        events: of the video.
        span: the frames that were shown; None takes the whole video.

    Returns:
        Each statement, in order, and whether it happens.
    """
    statements = parse(said) if isinstance(said, str) else list(said)
    shown = [one for one in sorted(events) if span is None or (one.start < span.stop and one.end > span.start)]
    left = list(shown)
    truth: dict[int, bool] = {}
    # what names more is served first: any jump is "jumps", only one of them "jumps over a gap"
    order = sorted(
        range(len(statements)), key=lambda index: (not statements[index].what, not statements[index].direction)
    )
    for index in order:
        statement = statements[index]
        pool = shown if statement.kind in ("walk", "stand", "climb") or statement.denied else left
        fitting = [event for event in pool if _fits(statement, event, span)]
        happens = len(fitting) >= statement.count
        truth[index] = happens != statement.denied
        if happens and pool is left:
            for event in fitting[: statement.count]:
                left.remove(event)
    return [(statement, truth[index]) for index, statement in enumerate(statements)]


def share_that_happens(text: str, events: Sequence[Event], span: range | None = None) -> float:
    """The share of stated events that happen, in [0, 1]; 0 for a text that states nothing."""
    checked = check(text, events, span)
    return sum(happens for _, happens in checked) / len(checked) if checked else 0.0


def _fits(statement: Statement, event: Event, span: range | None) -> bool:
    if statement.kind != event.kind or (statement.direction and statement.direction != event.direction):
        return False
    seen = (
        event.kind != "jump" or span is None or event.moment in span
    )  # what is jumped over, is jumped over in a frame
    return not statement.what or (statement.what == event.what and seen)

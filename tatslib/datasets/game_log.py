"""What happens in a game of MUGEN, read from its log: a JSON file with the level and every frame's positions.

The released code reads such a log by putting all that is in it into an object's attributes. Here each value is looked
at before it is used, and a log that is none ends in one sentence. How a frame's posture follows from its numbers
(killed, on a ladder, moving up or down, standing, walking) is a fact of the format; how frames become events is ours,
and `tatslib.worlds.story` says what an event is.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from tatslib.errors import UserError
from tatslib.worlds.story import MONSTERS, Event, Kind

LARGEST = 512 * 2**20  # bytes of a JSON file that are read
MOST_FRAMES = 100_000
SOLID = frozenset("SAab#$&%=")  # letters of a level on which one can stand: ground, crates, ladders
FLICKER = 2  # frames: a posture that lasts no longer, between two of another kind, is a bumped head and no event

ANNOTATION_NAMES = {"sawHalf": "gear", "slimeBlock": "face", "slimeBlue": "slime", "wormPink": "worm"}


@dataclass(frozen=True)
class Agent:
    """Mugen in one frame."""

    x: float
    y: float
    posture: Kind
    direction: str


@dataclass(frozen=True)
class Foe:
    """A monster in one frame."""

    x: float
    y: float
    name: str
    dead: bool


@dataclass(frozen=True)
class Frame:
    """What one frame of the log says."""

    agent: Agent
    foes: dict[int, Foe]
    eaten: frozenset[tuple[int, int]]


@dataclass(frozen=True)
class GameLog:
    """How many frames a game has, and what happens in them."""

    frames: int
    events: tuple[Event, ...]


def read_json(path: Path, largest: int = LARGEST) -> Any:
    """What a JSON file holds.

    Raises:
        UserError: if there is no such file, or it is too large, empty, no text or no JSON.
    """
    try:
        if not path.is_file():
            raise UserError(f"{path} does not exist.")
        if (size := path.stat().st_size) > largest:
            raise UserError(f"{path} has {size:,} bytes; at most {largest:,} are read.")
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} cannot be read ({error}).") from error
    if not content.strip():
        raise UserError(f"{path} is empty.")
    try:
        return json.loads(content)
    except RecursionError as error:
        raise UserError(f"{path} is no JSON file that can be read: it is nested too deeply.") from error
    except ValueError as error:  # both no UTF-8 and no JSON
        raise UserError(f"{path} is no JSON file, or was cut short ({str(error)[:120]}).") from error


def read_game_log(path: Path) -> GameLog:
    """Read a log and work out what happens in it.

    Raises:
        UserError: if it is no log of a game; the sentence says in which frame what is wrong.
    """
    content = read_json(path)
    try:
        if not isinstance(content, dict) or not isinstance(content.get("frames"), list) or not content["frames"]:
            raise UserError("it has no list of frames")
        if len(content["frames"]) > MOST_FRAMES:
            raise UserError(f"it has {len(content['frames']):,} frames, more than {MOST_FRAMES:,}")
        maze, names = _maze(content.get("maze")), _names(content.get("monster_names"))
        frames = [_frame(frame, names, number) for number, frame in enumerate(content["frames"])]
    except UserError as error:
        raise UserError(f"{path} is no log of a game: {error}.") from error
    return GameLog(len(frames), tuple(sorted(_events(frames, maze))))


# ------------------------------------------------------------------------------------------------- looking at values
def _maze(maze: object) -> list[str]:
    if maze is None:
        return []
    if not isinstance(maze, list) or any(not isinstance(row, str) for row in maze):
        raise UserError("its maze is no list of rows")
    return maze


def _names(names: object) -> list[str]:
    """The name of each number of a monster, as annotations call it."""
    if names is None:
        return list(MONSTERS)
    lists = [names.get(kind, []) for kind in ("ground", "walking", "flying")] if isinstance(names, dict) else [None]
    if any(not isinstance(one, list) or any(not isinstance(name, str) for name in one) for one in lists):
        raise UserError("its monster_names are not three lists of names")
    return [ANNOTATION_NAMES.get(name, name) for one in lists if one is not None for name in one]


def _frame(frame: object, names: list[str], number: int) -> Frame:
    where = f"frame {number}"
    if not isinstance(frame, dict) or not isinstance(frame.get("agent"), dict):
        raise UserError(f"{where} has no agent")
    agent = frame["agent"]
    x, y, vx, vy = (_number(agent.get(key, 0), f"{key} of the agent in {where}") for key in ("x", "y", "vx", "vy"))
    if "x" not in agent or "y" not in agent:
        raise UserError(f"the agent in {where} is nowhere")
    posture, direction = _posture(agent, vx, vy)
    monsters, eaten = frame.get("monsters", []), frame.get("coins_eaten", [])
    if not isinstance(monsters, list) or not isinstance(eaten, list):
        raise UserError(f"monsters or coins_eaten of {where} are no list")
    foes = dict(_foe(one, index, names, where) for index, one in enumerate(monsters))
    return Frame(Agent(x, y, posture, direction), foes, frozenset(_coin(one, where) for one in eaten))


def _posture(agent: dict[str, Any], vx: float, vy: float) -> tuple[Kind, str]:
    if agent.get("is_killed"):
        return "killed", ""
    if agent.get("ladder"):
        return "climb", "up" if vy > 0 else "down" if vy < 0 else ""
    if vy != 0:
        return "jump", ""
    if vx == 0 or agent.get("spring"):
        return "stand", ""
    return "walk", "right" if vx > 0 else "left"


def _foe(foe: object, index: int, names: list[str], where: str) -> tuple[int, Foe]:
    if not isinstance(foe, dict):
        raise UserError(f"monster {index} of {where} is no monster")
    x, y = (_number(foe.get(key), f"{key} of monster {index} in {where}") for key in ("x", "y"))
    theme, own = foe.get("theme"), foe.get("m_id", index)
    name = names[theme] if type(theme) is int and 0 <= theme < len(names) else ""
    return own if type(own) is int else index, Foe(x, y, name if name in MONSTERS else "", bool(foe.get("is_dead")))


def _coin(coin: object, where: str) -> tuple[int, int]:
    if not isinstance(coin, list) or len(coin) < 2 or type(coin[0]) is not int or type(coin[1]) is not int:
        raise UserError(f"coins_eaten of {where} holds {str(coin)[:40]!r}, no place in the level")
    return coin[0], coin[1]


def _number(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e9 < value < 1e9:
        raise UserError(f"{what} is {str(value)[:40]!r}, no number that makes sense")
    return float(value)


# ------------------------------------------------------------------------------------------------- frames to events
def _events(frames: list[Frame], maze: list[str]) -> Iterator[Event]:
    runs = _runs(frames)
    for start, end, kind, direction in runs:
        if kind == "jump":
            yield _jump(frames, start, end, maze)
        elif kind == "killed":
            yield Event(start, end, "killed", _nearest(frames[start]))
        else:
            yield Event(start, end, kind, "", direction)
    for number in range(1, len(frames)):
        before, now = frames[number - 1], frames[number]
        for x, y in sorted(now.eaten - before.eaten):
            gem = 0 <= y < len(maze) and 0 <= x < len(maze[y]) and maze[y][x] == "2"
            yield Event(number, number + 1, "collect", "gem" if gem else "coin")
        for own, foe in sorted(now.foes.items()):
            if foe.dead and own in before.foes and not before.foes[own].dead:
                yield Event(number, number + 1, "kill", foe.name)


def _runs(frames: list[Frame]) -> list[tuple[int, int, Kind, str]]:
    """Start, end, posture and direction of stretches of frames."""
    runs: list[tuple[int, int, Kind, str]] = []
    start = 0
    for (kind, direction), group in groupby(frames, key=lambda frame: (frame.agent.posture, frame.agent.direction)):
        end = start + len(list(group))
        short = len(runs) > 1 and runs[-1][1] - runs[-1][0] <= FLICKER
        if short and runs[-2][2:] == (kind, direction) and kind != "killed":
            runs.pop()
        if runs and runs[-1][2:] == (kind, direction):
            start = runs.pop()[0]
        runs.append((start, end, kind, direction))
        start = end
    return runs


def _jump(frames: list[Frame], start: int, end: int, maze: list[str]) -> Event:
    """A jump, and what it goes over: a monster that lives on, or a gap in ground of equal height."""
    jump = Event(start, end, "jump")
    origin = frames[max(start - 1, 0)].agent
    landing = frames[min(end, len(frames) - 1)]
    for own, foe in sorted(landing.foes.items()):
        if foe.dead or abs(foe.y - origin.y) > 0.5:
            continue
        for number in range(start, end):
            there = frames[number].foes.get(own, foe)
            before, now = origin.x - there.x, frames[number].agent.x - there.x
            if before and before * now <= 0:  # now he is on its other side
                return replace(jump, what=foe.name, at=number)
    row = round(origin.y) - 1
    if abs(landing.agent.y - origin.y) <= 0.5 and 0 <= row < len(maze):
        tiles = [(number, math.floor(frames[number].agent.x + 0.5)) for number in range(start, end)]
        over = [number for number, tile in tiles if 0 <= tile < len(maze[row]) and maze[row][tile] not in SOLID]
        if over:
            return replace(jump, what="gap", at=over[-1])
    return jump


def _nearest(frame: Frame) -> str:
    """The living monster that is nearest to Mugen; "" if there is none."""
    alive = [foe for foe in frame.foes.values() if not foe.dead]
    x, y = frame.agent.x, frame.agent.y
    return min(alive, key=lambda foe: (foe.x - x) ** 2 + (foe.y - y) ** 2).name if alive else ""

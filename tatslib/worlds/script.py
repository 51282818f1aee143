"""Scripts of the platform world: what Mugen does when, where things lie, and what that makes happen.

A script is written beat by beat from left to right (`Writer`), by chance for a seed (`platform.draw_script`) or after a
text (`script_from`). Its events follow from it exactly.

Lengths are in tiles; tile i reaches from i - 1/2 to i + 1/2. Coins lie on whole tiles, as in MUGEN's logs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tatslib.errors import UserError
from tatslib.worlds.story import Event, Statement
from tatslib.worlds.story_check import parse

MONSTERS_HERE = ("face", "slime", "worm")
NEVER = 2**40  # a frame that no video reaches

PACE = 0.25  # tiles a frame: exact in every float, and four frames are one tile
JUMP, STOMP, HIT = 12, 16, 20  # frames
SQUASH = 9  # frame of a stomp in which Mugen lands on the monster
TOUCH = 1.0  # tiles between Mugen and the monster that kills him
HEIGHT_LOW, HEIGHT_HIGH = 0.9, 2.7  # of coins above the ground
START = 8  # tile on which Mugen begins


@dataclass(frozen=True)
class Move:
    """What Mugen does from frame `start` on, beginning at x, until the next move."""

    kind: str  # walk, stand, jump, stomp (a jump onto a monster) or hit (he is killed)
    start: int
    x: float
    facing: int = 1
    what: str = ""  # what is jumped over or landed on, or who kills him

    @property
    def pace(self) -> float:
        """Tiles a frame, to the right."""
        return 0.0 if self.kind in ("stand", "hit") else PACE * self.facing


@dataclass(frozen=True)
class Coin:
    """A coin, until frame `gone`."""

    x: int
    height: float
    gone: int


@dataclass(frozen=True)
class Monster:
    """A monster, alive until frame `killed`."""

    x: float
    name: str
    killed: int = NEVER


@dataclass(frozen=True)
class Script:
    """A whole video: moves follow each other without a gap and end after `frames`; gaps are tiles start..stop-1."""

    theme: int
    frames: int
    moves: tuple[Move, ...]
    gaps: tuple[tuple[int, int], ...] = ()
    coins: tuple[Coin, ...] = ()
    monsters: tuple[Monster, ...] = ()
    last_tile: int = field(default=0)


def events(script: Script) -> list[Event]:
    """Everything that happens in a video, in the order of time."""
    found = [Event(coin.gone, coin.gone + 1, "collect", "coin") for coin in script.coins if coin.gone < script.frames]
    found += [
        Event(monster.killed, monster.killed + 1, "kill", monster.name)
        for monster in script.monsters
        if monster.killed < script.frames
    ]
    ends = [*(move.start for move in script.moves[1:]), script.frames]
    lasting: list[Event] = []
    for move, end in zip(script.moves, ends, strict=True):
        direction = {1: "right", -1: "left"}[move.facing] if move.kind == "walk" else ""
        last = lasting[-1] if lasting else None
        if move.kind == "hit":
            found.append(Event(move.start, end, "killed", move.what))
        elif move.kind in ("jump", "stomp"):
            over = move.what if move.kind == "jump" else ""
            passed = {"": -1, "gap": move.start + JUMP - 3}.get(over, move.start + JUMP // 2)
            lasting.append(Event(move.start, end, "jump", over, "", passed))
        elif last is not None and (last.kind, last.direction, last.end) == (move.kind, direction, move.start):
            lasting[-1] = Event(last.start, end, last.kind, "", direction)
        else:
            lasting.append(Event(move.start, end, "walk" if move.kind == "walk" else "stand", "", direction))
    return sorted(found + lasting)


class Writer:
    """Writes a script from left to right; each method adds one thing that happens.

    Args:
        theme: which of the three skies.
    """

    DEATH = 8 + HIT  # frames that `killed` takes
    LONGEST_BEAT = 32  # frames of the longest of the other beats, with the walk behind it

    def __init__(self, theme: int = 0) -> None:
        self.theme, self.frame = theme, 0
        self._x = self._front = float(START)  # where he is, and how far he ever was
        self._clear = 0.0  # he may go back as far as here without meeting anything
        self._dead = False
        self._moves: list[Move] = []
        self._gaps: list[tuple[int, int]] = []
        self._coins: list[Coin] = []
        self._monsters: list[Monster] = []

    def walk(self, frames: int) -> None:
        """To the right."""
        self._add("walk", frames)

    def stand(self, frames: int) -> None:
        """Stand still."""
        self._add("stand", frames)

    def back(self, frames: int) -> None:
        """To the left, after as long a walk to the right if something lies there."""
        if self._x - PACE * frames < self._clear:
            self.walk(frames)
        self._add("walk", frames, -1)

    def jump(self, over: str = "") -> None:
        """Over "gap", a monster or nothing."""
        x = self._begin()
        if over == "gap":
            self._gaps.append((x + 1, x + 3))
        elif over:
            self._monsters.append(Monster(x + 1.5, _known(over)))
        self._add("jump", JUMP, what=over)
        self._clear = self._x

    def coin(self) -> None:
        """Collect a coin in passing."""
        x = self._begin()
        self._coins.append(Coin(x + 1, HEIGHT_LOW, self.frame + 4))
        self._add("walk", 8)

    def high_coin(self) -> None:
        """Jump for a coin."""
        x = self._begin()
        self._coins.append(Coin(x + 1, HEIGHT_HIGH, self.frame + 4))
        self._add("jump", JUMP)

    def kill(self, monster: str) -> None:
        """Jump onto a monster."""
        x = self._begin()
        self._monsters.append(Monster(x + PACE * SQUASH, _known(monster), self.frame + SQUASH))
        self._add("stomp", STOMP, what=monster)

    def killed(self, monster: str) -> None:
        """Walk into a monster: the end."""
        self._return()
        self.walk(8)
        self._monsters.append(Monster(self._x + TOUCH, _known(monster)))
        self._add("hit", HIT, what=monster)
        self._dead = True

    def script(self) -> Script:
        """What has been written so far."""
        last = int(max(self._x, self._front)) + 8
        parts = tuple(self._moves), tuple(self._gaps), tuple(self._coins), tuple(self._monsters)
        return Script(self.theme, self.frame, *parts, last_tile=last)

    def _begin(self) -> int:
        """Go where nothing has been placed yet, onto a whole tile."""
        self._return()
        if self._x % 1:
            self.walk(round((1 - self._x % 1) / PACE))
        return int(self._x)

    def _return(self) -> None:
        if self._x < self._front:
            self.walk(round((self._front - self._x) / PACE))

    def _add(self, kind: str, frames: int, facing: int = 1, what: str = "") -> None:
        if self._dead:
            raise UserError("Nothing can happen after Mugen has been killed.")
        self._moves.append(Move(kind, self.frame, self._x, facing, what))
        self._x += self._moves[-1].pace * frames
        self.frame += frames
        self._front = max(self._front, self._x)


def _known(monster: str) -> str:
    if monster not in MONSTERS_HERE:
        raise UserError(f"The platform world has {', '.join(MONSTERS_HERE)}, but no {monster!r}.")
    return monster


# ------------------------------------------------------------------------------------------------------ after a text
def script_from(said: str | Sequence[Statement], theme: int = 0) -> Script:
    """A script in which all that a text states happens, in its order, with short walks between.

    Args:
        said: a text such as `story.tell` makes, or statements.
        theme: which of the three skies.

    Raises:
        UserError: if the text states nothing, something this world does not have, or anything after a death.
    """
    statements = [one for one in (parse(said) if isinstance(said, str) else said) if not one.denied]
    if not statements:
        raise UserError(f"Nothing that happens is stated: {str(said)[:80]!r}.")
    writer = Writer(theme)
    skip = False
    for one, following in pairwise([*statements, None]):
        assert one is not None
        if skip:
            skip = False
            continue
        if one.kind == "jump" and not one.what and following is not None and following.kind in ("kill", "collect"):
            skip = True  # the jump is how he kills or collects it
            _write(writer, following, jumping=True)
        else:
            _write(writer, one)
    return writer.script()


def _write(writer: Writer, one: Statement, jumping: bool = False) -> None:
    """Make one statement come true."""
    if one.kind == "walk":
        writer.back(12) if one.direction == "left" else writer.walk(12)
    elif one.kind == "stand":
        writer.stand(12)
    elif one.kind == "killed":
        writer.killed(one.what or MONSTERS_HERE[0])
    elif one.kind == "climb" or one.what == "gem":
        raise UserError("The platform world has neither ladders nor gems.")
    else:
        for number in range(one.count):
            if one.kind == "jump":
                writer.jump(one.what)
            elif one.kind == "kill":
                writer.kill(one.what or MONSTERS_HERE[0])
            elif jumping and number == 0:
                writer.high_coin()
            else:
                writer.coin()
            if one.kind != "collect" or jumping:
                writer.walk(4)

"""What happens in games, kept on disk: a log of megabytes is read once, and its few events many times."""

import json
from pathlib import Path
from typing import Any

from tatslib.datasets.game_log import GameLog, read_game_log
from tatslib.files import replacing, state_key
from tatslib.home import home
from tatslib.worlds.story import Event

FORM = 1  # raise it with any change of how a log becomes events


class EventCache:
    """The events of any log.

    Args:
        folder: where the files lie; default `<home>/frames`, beside the frames.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder) if folder is not None else home() / "frames"

    def read(self, log: Path) -> GameLog:
        """The events of a log, worked out unless that was done before.

        Raises:
            UserError: if there is no such log, or it is none.
        """
        stored = self.folder / f"{state_key(log, f'events {FORM}')}.events"
        if stored.is_file() and (kept := _kept(stored)) is not None:
            return kept
        story = read_game_log(log)
        with replacing(stored) as temporary:
            events = [[e.start, e.end, e.kind, e.what, e.direction, e.at] for e in story.events]
            temporary.write_text(json.dumps({"frames": story.frames, "events": events}))
        return story


def _kept(stored: Path) -> GameLog | None:
    """What was stored; None if that is damaged, and has to be made again."""
    try:
        content: dict[str, Any] = json.loads(stored.read_text())
        return GameLog(int(content["frames"]), tuple(Event(*fields) for fields in content["events"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None

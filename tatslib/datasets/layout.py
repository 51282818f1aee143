"""Finding the folders of a data set, and saying what was there instead when they are missing."""

from collections.abc import Sequence
from pathlib import Path

from tatslib.errors import UserError


def find_folder(candidates: Sequence[Path], what: str) -> Path:
    """The first of several possible folders that exists and holds something.

    Raises:
        UserError: if none does; the sentence says what was looked for and what stands in its place.
    """
    for folder in candidates:
        if folder.is_dir() and any(folder.iterdir()):
            return folder
    looked = " or ".join(str(folder) for folder in candidates)
    raise UserError(f"{what} not found: looked for {looked}; {contents(candidates[0].parent)}.")


def contents(folder: Path) -> str:
    """What a folder holds, in a few words."""
    if not folder.is_dir():
        return f"{folder} does not exist"
    names = sorted(path.name for path in folder.iterdir())
    if not names:
        return f"{folder} is empty"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{folder} holds {', '.join(names[:5])}{more}"

"""Files that are either whole or absent."""

import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from tatslib.errors import UserError

PARTIAL = re.compile(r"\..+\.[0-9a-f]+\.partial(\.[^.]+)?")  # the temporary names that `replacing` gives
LEFTOVER_AFTER = 24 * 60 * 60  # seconds without a change after which nobody is writing there any more


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary sibling of `path` to write to, and rename it to `path` when the block ends without an error.

    Works for a file and for a folder; whatever stood at `path` before is replaced by a file, while a folder must not be
    there yet. The suffix is kept, because some writers choose their format by it. Writers of the same path do not meet,
    be they threads, processes or machines that share the folder: each has a random name, and the last rename wins.

    A killed process cannot tidy up. What such a one left in the same folder more than a day ago is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path.parent.resolve())
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.partial{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        _remove(temporary)


@contextmanager
def refusals_in_words(path: Path) -> Iterator[None]:
    """Wrap what writes to `path` for a user: the system's refusal (full, read-only, no folder) becomes one sentence.

    Raises:
        UserError: with the path and the system's reason.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error}): choose another place or mend this one.") from error


def sha256(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state_key(path: Path, what: str) -> str:
    """A name for what is made of a file: 24 digits that change with its place, size, time of change, and with `what`.

    Raises:
        UserError: if there is no such file.
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise UserError(f"{path} does not exist, or cannot be read.") from error
    identity = f"{path.absolute()}|{what}|{status.st_size}|{status.st_mtime_ns}"
    return hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:24]


def fsync(path: Path) -> None:
    """Ask the system to put a file or folder on the disk now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@cache  # once a folder is enough: reading a folder of ten thousand videos again for each of them is not
def _remove_leftovers(folder: Path) -> None:
    with suppress(OSError):  # a folder may be written to but not read, and what others own may not be removed
        for entry in folder.iterdir():
            if PARTIAL.fullmatch(entry.name) and time.time() - entry.stat().st_mtime > LEFTOVER_AFTER:
                _remove(entry)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

"""Features on disk, found by what a clip shows: a run that was cut off goes on where it was, on any number of machines.

A row is known by the SHA-256 of the clip's pixels, so that nothing has to be believed about names, times of change,
strides or resolutions: other pixels are another key. Rows are written a batch at a time, each batch to a file of its
own that appears when it is whole. Processes that share the folder share the rows, and never write the same name with
different contents. A damaged file is removed. A folder or a disk that refuses is no damage: it is told, and nothing is
removed.

Letters: B clips, T H W frames, F feature dimensions.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from tatslib.errors import UserError
from tatslib.files import refusals_in_words, replacing
from tatslib.videos import Video

KEYS = "keys"  # in the head of each file


class FeatureCache:
    """The rows that one network has made so far.

    Args:
        folder: of these rows and of no other network's.

    Raises:
        UserError: if a file is there and the system refuses to read it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._place: dict[str, tuple[Path, int]] = {}  # file and row in it; the rows of all models are not held
        for path in sorted(folder.glob("*.safetensors")) if folder.is_dir() else []:
            if not path.name.startswith("."):  # what another process is just writing
                self._place |= _places(path, _keys(path))

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._place)

    def __contains__(self, key: str) -> bool:
        """Whether the row of a clip is there."""
        return key in self._place

    def find(self, keys: Sequence[str]) -> dict[str, Tensor]:
        """The rows of these clips, each (F,), as far as they are there: a file may have gone since it was seen.

        Raises:
            UserError: if a file is there and the system refuses to read it.
        """
        places = {key: self._place[key] for key in keys if key in self._place}
        tables = {path: _table(path) for path in {path for path, _ in places.values()}}
        gone = {path for path, table in tables.items() if table is None}
        self._place = {key: place for key, place in self._place.items() if place[0] not in gone}
        found = ((key, tables[path], row) for key, (path, row) in places.items())
        return {key: table[row] for key, table, row in found if table is not None}

    def add(self, keys: Sequence[str], rows: Tensor) -> None:
        """Keep the rows (B, F) of these clips.

        Raises:
            UserError: if they cannot be written.
        """
        name = hashlib.sha256("".join(keys).encode()).hexdigest()[:24]
        path = self.folder / f"{name}.safetensors"
        with refusals_in_words(path):
            try:
                with replacing(path) as temporary:
                    save_file({"rows": rows.contiguous()}, temporary, metadata={KEYS: " ".join(keys)})
            except SafetensorError as error:  # what a full disk is to safetensors
                raise OSError(str(error)) from error
        self._place |= _places(path, keys)


def clip_key(clip: Video) -> str:
    """32 digits that change with any pixel of uint8 (T, H, W, 3), and with its shape."""
    digest = hashlib.sha256(f"{clip.shape}".encode())
    digest.update(np.ascontiguousarray(clip).data)
    return digest.hexdigest()[:32]


def _places(path: Path, keys: Sequence[str]) -> dict[str, tuple[Path, int]]:
    return {key: (path, row) for row, key in enumerate(keys)}


def _keys(path: Path) -> list[str]:
    """Whose rows a file holds: none where it is damaged or gone."""
    keys, rows = [""], 0
    with _readable(path), safe_open(path, framework="pt") as file:
        keys, rows = (file.metadata() or {}).get(KEYS, "").split(), file.get_slice("rows").get_shape()[0]
    return keys if len(keys) == rows else []


def _table(path: Path) -> Tensor | None:
    """All rows of a file, (B, F): None where it is damaged or gone."""
    with _readable(path):
        return load_file(path)["rows"]
    return None


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Ends the block where a file is damaged, and removes it, or gone: its clips are looked at again."""
    try:
        try:
            yield
        except SafetensorError:
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error}): mend it, or name another folder by --cache.") from error

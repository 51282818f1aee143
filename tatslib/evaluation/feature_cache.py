"""Features on disk, found by what a clip shows: a run that was cut off goes on where it was, on any number of machines.

A row is known by the SHA-256 of the clip's pixels, so that nothing has to be believed about names, times of change,
strides or resolutions: other pixels are another key. Rows are written a batch at a time, each batch to a file of its
own that appears when it is whole. Processes that share the folder share the rows, and never write the same name with
different contents.

Letters: B clips, T H W frames, F feature dimensions.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from tatslib.files import refusals_in_words, replacing
from tatslib.videos import Video

KEYS = "keys"  # in the head of each file


class FeatureCache:
    """The rows that one network has made so far.

    Args:
        folder: of these rows and of no other network's.
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

    def rows(self, keys: Sequence[str]) -> Tensor:
        """The rows of these clips, (B, F); each has to be there."""
        places = [self._place[key] for key in keys]
        tables = {path: load_file(path)["rows"] for path in {path for path, _ in places}}
        return torch.stack([tables[path][row] for path, row in places])

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
    """Whose rows a file holds; one that is damaged is removed, and its clips are looked at again."""
    try:
        with safe_open(path, framework="pt") as file:
            keys, rows = (file.metadata() or {}).get(KEYS, "").split(), file.get_slice("rows").get_shape()[0]
    except (SafetensorError, OSError):
        path.unlink(missing_ok=True)
        return []
    return keys if len(keys) == rows else []

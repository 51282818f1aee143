"""Arrays that somebody else pickled, read without running anything that is in the file.

A pickle is a program for a small machine. The programs that numpy writes for one array use few of its instructions,
never one for a dictionary or a set, and four functions. Here the instructions are read through before any is executed;
a file with another one, or with more of them than an array needs, is refused. What remains is executed by a reader that
knows stand-ins for the four functions and nothing else, so that no name in the file is ever looked up.
"""

import io
import math
import pickle
import pickletools
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatslib.errors import UserError

LARGEST = 256 * 2**20  # bytes of a file: a hundred times an AudioSet-Drum spectrogram
MOST_INSTRUCTIONS = 128  # an array takes 50 to 75
INSTRUCTIONS = {
    *("PROTO", "FRAME", "STOP", "MARK", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "TUPLE"),
    *("EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "NONE", "NEWTRUE", "NEWFALSE"),
    *("INT", "LONG", "LONG1", "BININT", "BININT1", "BININT2", "STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    *("PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET", "MEMOIZE"),
}
CORES = ("numpy.core", "numpy._core")  # where the functions live, before and since numpy 2


def read_array(path: str | Path) -> NDArray:
    """Read the one numpy array in a pickle.

    Args:
        path: a file that `pickle.dump(array, file)` wrote, with any protocol and any version of numpy.

    Returns:
        An array of booleans, integers or floating-point numbers.

    Raises:
        UserError: if there is no such file, it is too large, cut short or damaged, or holds anything but such an array.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist.")
    if path.stat().st_size > LARGEST:
        raise UserError(f"{path} has {path.stat().st_size:,} bytes, a spectrogram has at most {LARGEST:,}.")
    content = path.read_bytes()
    if not content:
        raise UserError(f"{path} is an empty file (0 bytes).")
    _check_instructions(path, content)
    try:
        array = _ArrayReader(io.BytesIO(content), encoding="latin1").load()
    except UserError as error:
        raise UserError(f"{path} {error}") from error
    except Exception as error:  # whoever wrote the file chose what goes wrong while it is read
        words = " ".join(str(error).split())[:120] or type(error).__name__
        raise UserError(f"{path} cannot be read as an array, and nothing in it was executed ({words}).") from error
    if not isinstance(array, _Array) or array.numbers is None:
        raise UserError(f"{path} holds no array but {str(array)[:40]!r}.")
    return array.numbers


def write_array(path: str | Path, array: NDArray) -> None:
    """Pickle an array as numpy 1 did, so that readers of that time open it too; the same array gives the same bytes."""
    content = pickle.dumps(np.ascontiguousarray(array), protocol=2)
    Path(path).write_bytes(content.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))


def _check_instructions(path: Path, content: bytes) -> None:
    """Refuse a program that numpy did not write for an array, before a single instruction is executed."""
    try:
        for count, (instruction, _, _) in enumerate(pickletools.genops(content), start=1):
            if instruction.name not in INSTRUCTIONS or count > MOST_INSTRUCTIONS:
                raise UserError(
                    f"{path} holds more than one array: it was refused at its instruction {count}, {instruction.name}, "
                    "and nothing in it was executed, because a pickle can run any code when it is opened."
                )
    except UserError:
        raise
    except Exception as error:  # genops raises whatever the bytes provoke
        words = " ".join(str(error).split())[:120] or type(error).__name__
        raise UserError(f"{path} is no pickle, or was cut short ({words}).") from error


class _ArrayReader(pickle._Unpickler):
    """The reader in Python: its memo is a dictionary, while the one in C can be told to fill the memory with its."""

    def find_class(self, module: str, name: str) -> Any:
        """A stand-in for one of the things that numpy names in a pickle of an array."""
        if (module, name) == ("numpy", "ndarray"):
            return "ndarray"
        if (module, name) == ("numpy", "dtype"):
            return _kind
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        if module in (f"{core}.multiarray" for core in CORES) and name == "_reconstruct":
            return _empty
        if module in (f"{core}.numeric" for core in CORES) and name == "_frombuffer":
            return _from_buffer
        raise UserError(
            f"asks for {f'{module}.{name}'[:80]!r}, which no array needs: it was refused, nothing in it was executed."
        )


class _Kind:
    """What numbers an array holds: a letter and a digit, and the order of their bytes."""

    def __init__(self, name: str) -> None:
        self.name, self.order = name, "<"

    def __setstate__(self, state: tuple) -> None:
        self.order = ">" if isinstance(state, tuple) and len(state) > 1 and state[1] == ">" else "<"


class _Array:
    """An array that is still being read: numpy makes an empty one first and tells it all else afterwards."""

    numbers: NDArray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, by_columns, data = state
        self.numbers = _numbers(data, kind, shape, "F" if by_columns else "C")


def _kind(name: str, *_: object) -> _Kind:
    if not isinstance(name, str) or not re.fullmatch(r"b1|[iu][1248]|f[248]", name):
        raise UserError(f"holds an array of kind {str(name)[:40]!r}, not of numbers.")
    return _Kind(name)


def _empty(*_: object) -> _Array:
    return _Array()


def _latin1(text: str, codec: str) -> bytes:
    if not isinstance(text, str) or codec != "latin1":
        raise UserError(f"holds text in {str(codec)[:40]!r}, which no array needs.")
    return text.encode("latin1")


def _from_buffer(data: bytes, kind: _Kind, shape: tuple[int, ...], order: str) -> _Array:
    array = _Array()
    array.numbers = _numbers(data, kind, shape, order)
    return array


def _numbers(data: bytes | str, kind: _Kind, shape: tuple[int, ...], order: str) -> NDArray:
    content = data.encode("latin1") if isinstance(data, str) else bytes(data)  # text is how Python 2 wrote bytes
    dtype = np.dtype((">" if kind.order == ">" else "<") + kind.name)
    if not isinstance(shape, tuple) or any(type(size) is not int or size < 0 for size in shape):
        raise UserError("holds an array whose shape makes no sense.")
    if math.prod(shape) * dtype.itemsize != len(content):
        raise UserError(f"holds {len(content)} bytes for an array of shape {shape}.")
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if order == "F" else "C")
    return array.astype(dtype.newbyteorder("="))

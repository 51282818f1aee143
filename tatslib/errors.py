"""Errors that a user can mend.

Everything raised at a door of this package (a config, a folder, a file, a command line) is a `UserError` whose message
is one sentence: what was found, what was expected, what to do. The command line prints it without a traceback.
"""

import difflib
from collections.abc import Sequence


class UserError(ValueError):
    """A mistake that the person at the keyboard can mend; the message says how, in one line whatever it quotes."""

    def __init__(self, sentence: str) -> None:
        super().__init__(one_line(sentence))


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Words that name the nearest known word, or nothing."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (perhaps you meant {near[0]!r})" if near else ""


def one_line(text: str) -> str:
    """`text` with line breaks and all else that cannot be printed written as in Python source.

    A file name may hold any of it, and a message must stay one line that every terminal can show.
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)

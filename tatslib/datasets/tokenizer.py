"""Text to tokens by byte pair encoding, as CLIP does it: what the paper's text condition is made of (3.1).

A text is cleaned, put in small letters and cut into words, digits and signs. A word begins as the bytes of its letters,
the last of them marked as the end of the word; then the pair of neighbours that stands highest in a list of merges is
made one, again and again, until no pair is in the list. Which tokens there are follows from the list alone: 256 bytes,
the same 256 as ends of words, one for each merge, a start and an end. CLIP's list has 48,894 merges, so 49,408 tokens.

CLIP's merges come with this package: the 48,894 that CLIP uses of the 262,144 in its file bpe_simple_vocab_16e6.txt,
which is Copyright (c) 2021 OpenAI and under the MIT License (`clip_merges.LICENSE` beside this file). `Tokenizer.train`
makes a list of one's own, of the same form: a toy transformer has no use for tens of thousands of words that its texts
never use.

Letters: B texts, N tokens of each.
"""

import gzip
import hashlib
import html
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path

import ftfy
import torch
from torch import Tensor

from tatslib.errors import UserError
from tatslib.files import replacing

LENGTH = 256  # tokens of a text (released code)
PADDING = 0  # as released, though it is also the sign "!" inside a word: what is padding follows from the end token
END_OF_WORD = "</w>"
CLIP_MERGES = Path(__file__).parent / "clip_merges.txt.gz"
CLIP_COUNT = 49_152 - 256 - 2  # merges that CLIP reads of its file
HEADER = "#version: 0.2"
LARGEST = 64 * 2**20  # bytes of a list of merges, unpacked

Merge = tuple[str, str]


class Tokenizer:
    """Texts to tokens and back.

    Args:
        merges: pairs of symbols, the first is merged first.

    Attributes:
        size: number of tokens.
        start, end: the tokens before and behind every text.
    """

    def __init__(self, merges: Sequence[Merge]) -> None:
        letters = list(byte_letters().values())
        symbols = [*letters, *(f"{letter}{END_OF_WORD}" for letter in letters), *("".join(pair) for pair in merges)]
        self.merges = list(merges)
        self.rank = {pair: rank for rank, pair in enumerate(self.merges)}
        self.number = {symbol: number for number, symbol in enumerate(symbols)}
        self.symbols = symbols
        self.start, self.end = len(symbols), len(symbols) + 1
        self.size = len(symbols) + 2
        self._word = lru_cache(maxsize=65_536)(self._encode_word)

    def __call__(self, texts: str | Sequence[str], length: int = LENGTH) -> Tensor:
        """Tokens as the transformer takes them.

        Args:
            texts: one or several.
            length: N. A longer text is cut off, as released, and its last token is still the end: the row does not tell
                that something is missing. It is where `len(encode(text)) + 2` is more than N.

        Returns:
            int64 (B, N): start, text, end, and 0 for the rest.

        Raises:
            UserError: for a length below 2.
        """
        if length < 2:
            raise UserError(f"A text has at least a start and an end, so length starts at 2, got {length}.")
        texts = [texts] if isinstance(texts, str) else texts
        rows = torch.full((len(texts), length), PADDING, dtype=torch.int64)
        for row, text in zip(rows, texts, strict=True):
            tokens = [self.start, *self.encode(text)[: length - 2], self.end]
            row[: len(tokens)] = torch.tensor(tokens)
        return rows

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, without start and end; a text never becomes one of those, whatever it spells."""
        return [token for word in words(text) for token in self._word(word)]

    def decode(self, tokens: Sequence[int] | Tensor) -> str:
        """The text of tokens: from behind the start to the first end.

        The released decoder leaves out ids 49406, 0 and, where it means 49407, 40407: the end token stays in the text
        and the word with that number is lost.

        Raises:
            UserError: for a number that is no token.
        """
        ids = tokens.tolist() if isinstance(tokens, Tensor) else list(tokens)
        ids = ids[: ids.index(self.end)] if self.end in ids else ids
        text = [token for token in ids if token != self.start]
        if (wrong := next((token for token in text if not 0 <= token < self.start), None)) is not None:
            raise UserError(f"{wrong} is no token: there are {self.size}.")
        joined = "".join(self.symbols[token] for token in text)
        spaced = joined.replace(END_OF_WORD, " ")
        as_byte = {letter: byte for byte, letter in byte_letters().items()} | {" ": 32}
        return bytes(as_byte[letter] for letter in spaced).decode("utf-8", "replace").strip()

    def _encode_word(self, word: str) -> tuple[int, ...]:
        letters = byte_letters()
        parts = [letters[byte] for byte in word.encode("utf-8", "replace")]
        parts[-1] += END_OF_WORD
        while len(parts) > 1:
            best = min(pairwise(parts), key=lambda pair: self.rank.get(pair, len(self.rank)))
            if best not in self.rank:
                break
            parts = _merge(parts, best)
        return tuple(self.number[part] for part in parts)

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that differ where some text would become other tokens."""
        merges = "\n".join(f"{first} {second}" for first, second in self.merges)
        return hashlib.sha256(merges.encode()).hexdigest()[:12]

    # ------------------------------------------------------------------------------------------------ lists of merges
    @classmethod
    def read(cls, path: str | Path, count: int = CLIP_COUNT) -> "Tokenizer":
        """Read a list of merges: CLIP's own file, packed or not, or one that `save` wrote.

        Args:
            path: text with a first line that is passed over and two symbols in each other; with gzip if it ends in .gz.
            count: how many merges are taken at most.

        Raises:
            UserError: if there is no such file or it is none.
        """
        path = Path(path)
        lines = _text(path).split("\n")[1 : count + 1]
        merges = [tuple(line.split()) for line in lines if line.strip()]
        known = set(byte_letters().values())
        known |= {f"{letter}{END_OF_WORD}" for letter in known}
        for number, merge in enumerate(merges, start=2):
            if len(merge) != 2 or merge[0] not in known or merge[1] not in known:
                raise UserError(f"{path} is no list of merges: line {number} should hold two known symbols.")
            known.add("".join(merge))
        if not merges:
            raise UserError(f"{path} holds no merges.")
        return cls([(first, second) for first, second in merges])

    @classmethod
    def clip(cls) -> "Tokenizer":
        """CLIP's, with 49,408 tokens."""
        return _clip()

    @classmethod
    def train(cls, texts: Iterable[str], merges: int = 256) -> "Tokenizer":
        """Learn merges from texts: each is the pair of neighbours that is met most often (the first of equals by name).

        Args:
            texts: such as those of a data set.
            merges: how many at most; it ends where every word is one token.

        Raises:
            UserError: for texts without a word.
        """
        counts = Counter(word for text in texts for word in words(text))
        if not counts:
            raise UserError("There is no word to learn from.")
        letters = byte_letters()
        spelled = {word: [letters[byte] for byte in word.encode("utf-8", "replace")] for word in counts}
        for parts in spelled.values():
            parts[-1] += END_OF_WORD
        learned: list[Merge] = []
        while len(learned) < merges:
            met: Counter[Merge] = Counter()
            for word, parts in spelled.items():
                for pair in pairwise(parts):
                    met[pair] += counts[word]
            if not met:
                break
            best = min(met, key=lambda pair: (-met[pair], pair))
            learned.append(best)
            spelled = {word: _merge(parts, best) for word, parts in spelled.items()}
        return cls(learned)

    def save(self, path: str | Path) -> None:
        """Write the merges as CLIP's file has them; packed if the name ends in .gz."""
        path = Path(path)
        text = "\n".join([HEADER, *(f"{first} {second}" for first, second in self.merges)]) + "\n"
        content = text.encode()
        with replacing(path) as temporary:
            temporary.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def words(text: str) -> Iterator[str]:
    """The words, digits and runs of signs of a text, cleaned as CLIP does it.

    Mends broken encodings and curly quotes (ftfy), resolves HTML twice, makes every gap one space and every letter
    small. English endings such as 's stand alone, and so does each digit.
    """
    cleaned = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    cleaned = re.sub(r"\s+", " ", cleaned).strip().lower()
    kinds = "".join(map(_kind, cleaned))
    place = 0
    while place < len(cleaned):
        found = ENDING.match(cleaned, place) or RUN.match(kinds, place)
        if found is not None:
            yield cleaned[place : found.end()]
        place = place + 1 if found is None else found.end()


ENDING = re.compile(r"'(?:s|t|re|ve|m|ll|d)", re.IGNORECASE)
RUN = re.compile(r"W+|N|S+")  # of kinds: a word, a digit, signs


def _kind(letter: str) -> str:
    if letter.isspace():
        return " "
    return {"L": "W", "N": "N"}.get(unicodedata.category(letter)[0], "S")


@cache
def byte_letters() -> dict[int, str]:
    """A letter that can be printed for each byte: itself where it is one, else one from U+0100 on, in order of bytes.

    The order of the dictionary is that of the tokens: first those that stand for themselves.
    """
    themselves = [*range(ord("!"), ord("~") + 1), *range(ord("\xa1"), ord("\xac") + 1), *range(ord("\xae"), 256)]
    others = [byte for byte in range(256) if byte not in themselves]
    return {byte: chr(byte) for byte in themselves} | {byte: chr(256 + n) for n, byte in enumerate(others)}


def _merge(parts: list[str], pair: Merge) -> list[str]:
    """Every place where the pair stands becomes one symbol, from left to right."""
    merged: list[str] = []
    for part in parts:
        if merged and (merged[-1], part) == pair:
            merged[-1] = "".join(pair)
        else:
            merged.append(part)
    return merged


def _text(path: Path) -> str:
    try:
        if path.suffix != ".gz":
            content = path.read_bytes()[: LARGEST + 1]
        else:
            with gzip.open(path) as file:
                content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise UserError(f"{path} is no list of merges: it has more than {LARGEST:,} bytes.")
        return content.decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a list of merges ({error}).") from error


@cache
def _clip() -> Tokenizer:
    return Tokenizer.read(CLIP_MERGES)

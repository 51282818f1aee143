"""Byte pair encoding: CLIP's ids, a list of merges of one's own, and whatever a text or a file may hold."""

import gzip
import random
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tatslib.datasets.tokenizer import CLIP_MERGES, Tokenizer, words
from tatslib.errors import UserError
from tatslib.randomness import numpy_generator
from tatslib.worlds.platform import draw_script
from tatslib.worlds.script import events
from tatslib.worlds.story import tell


@pytest.fixture(scope="module")
def clip() -> Tokenizer:
    return Tokenizer.clip()


@pytest.fixture(scope="module")
def texts() -> list[str]:
    told = []
    for seed in range(40):
        script = draw_script(seed)
        told.append(tell(events(script), range(0, script.frames, 1), wording=numpy_generator(seed, "tokens")))
    return told


def test_clip_has_49408_tokens_of_which_the_last_two_are_start_and_end(clip: Tokenizer) -> None:
    assert (clip.size, clip.start, clip.end) == (49_408, 49_406, 49_407)
    assert len(clip.merges) == 48_894


@pytest.mark.parametrize(
    ("text", "ids"),
    [  # known from CLIP's own tokenizer
        ("a diagram", [320, 22697]),
        ("Mugen jumps over a slime.", [670, 3278, 18911, 962, 320, 29107, 269]),
        ("hello world", [3306, 1002]),
        ("it's", [585, 568]),
        ("", []),
    ],
)
def test_known_ids(clip: Tokenizer, text: str, ids: list[int]) -> None:
    assert clip.encode(text) == ids


def test_a_row_is_start_text_end_and_zeros_and_is_cut_with_the_end_last(clip: Tokenizer) -> None:
    assert clip("hello world", 6).tolist() == [[49_406, 3306, 1002, 49_407, 0, 0]]
    assert clip(["hello world", ""], 3).tolist() == [[49_406, 3306, 49_407], [49_406, 49_407, 0]]
    assert clip(["a"]).shape == (1, 256) and clip([]).shape == (0, 256)
    assert clip("a").dtype == torch.int64
    with pytest.raises(UserError, match="length starts at 2, got 1"):
        clip("a", 1)


def test_text_that_spells_start_or_end_does_not_become_one(clip: Tokenizer) -> None:
    ids = clip.encode("x <|endoftext|> y <|startoftext|>")
    assert max(ids) < clip.start
    assert clip.decode(clip("x <|endoftext|> y", 32)[0]).replace(" ", "") == "x<|endoftext|>y"


def test_the_end_is_no_part_of_the_decoded_text_and_word_40407_is(clip: Tokenizer) -> None:
    word = clip.symbols[40_407].removesuffix("</w>")
    assert clip.decode([clip.start, 40_407, clip.end, 0, 0]) == word
    assert clip.decode(clip("Mugen is killed by a face.", 20)[0]) == "mugen is killed by a face ."
    with pytest.raises(UserError, match="49408 is no token: there are 49408"):
        clip.decode([49_408])
    with pytest.raises(UserError, match="-1 is no token"):
        clip.decode(torch.tensor([-1]))


def test_words_are_cleaned_as_clip_does_it() -> None:
    assert list(words("  HELLO   world&amp;amp;more  ")) == ["hello", "world", "&", "more"]
    assert list(words("It’s 42 co-op’s “GEMS”!?")) == ["it", "'s", "4", "2", "co", "-", "op", "'s", '"', "gems", '"!?']
    assert list(words("'soup x²½")) == ["'s", "oup", "x", "²", "½"]
    assert list(words("\t\n ")) == []


@settings(max_examples=150, deadline=None)
@given(text=st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_decoding_gives_the_words_back(text: str) -> None:
    clip = Tokenizer.clip()
    assert clip.decode(clip.encode(text)) == " ".join(words(text)).strip()
    assert all(0 <= token < clip.start for token in clip.encode(text))


def test_one_s_own_merges_make_each_frequent_word_one_token_and_survive_a_file(
    texts: list[str], tmp_path: Path
) -> None:
    toy = Tokenizer.train(texts)
    assert toy.size == 512 + len(toy.merges) + 2 < 800
    assert toy.encode("Mugen is killed by a face.") == [toy.number[f"{word}</w>"] for word in
                                                        ("mugen", "is", "killed", "by", "a", "face", ".")]  # fmt: skip
    for text in texts:
        assert toy.decode(toy(text, 512)[0]) == " ".join(words(text))
    for name in ("merges.txt", "merges.txt.gz"):
        toy.save(tmp_path / name)
        assert Tokenizer.read(tmp_path / name).merges == toy.merges
    assert Tokenizer.train(texts, merges=10).merges == toy.merges[:10]
    assert Tokenizer.train(reversed(texts)).merges == toy.merges
    with pytest.raises(UserError, match="no word to learn from"):
        Tokenizer.train(["", "  "])


def test_clip_s_own_file_is_longer_and_is_read_as_far_as_clip_reads_it(tmp_path: Path, clip: Tokenizer) -> None:
    lines = gzip.decompress(CLIP_MERGES.read_bytes()).decode() + "jeky ll</w>\n"
    with gzip.open(tmp_path / "bpe_simple_vocab_16e6.txt.gz", "wb", compresslevel=1) as file:
        file.write(lines.encode())
    assert Tokenizer.read(tmp_path / "bpe_simple_vocab_16e6.txt.gz").merges == clip.merges


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("absent.txt", None, "cannot be read as a list of merges"),
        ("empty.txt", b"", "holds no merges"),
        ("header.txt", b"#version: 0.2\n", "holds no merges"),
        ("three.txt", b"#v\na b c\n", "line 2 should hold two known symbols"),
        ("unknown.txt", b"#v\na b\nab zz\n", "line 3 should hold two known symbols"),
        ("binary.txt", bytes(range(256)), "cannot be read as a list of merges"),
        ("plain.txt.gz", b"#v\na b\n", "cannot be read as a list of merges"),
        ("cut.txt.gz", gzip.compress(b"#v\na b\n" * 99, mtime=0)[:-9], "cannot be read as a list of merges"),
        ("bomb.txt.gz", gzip.compress(bytes(70 * 2**20), 1, mtime=0), "more than 67,108,864 bytes"),
    ],
)
def test_a_file_that_is_no_list_of_merges_is_one_sentence(tmp_path: Path, name, content, words) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        Tokenizer.read(tmp_path / name)
    assert str(caught.value).count("\n") == 0


def test_thousands_of_odd_texts_become_tokens(clip: Tokenizer) -> None:
    odd = random.Random(0)
    pieces = [
        "\ud800",
        "\x00",
        "</w>",
        "<|endoftext|>",
        "&lt;",
        "’s",
        "é",
        "ß",
        "İ",
        "中",
        "\u200d",
        "👍🏽",
        "9" * 40,
        " ",
        "\n",
        "a",
    ]
    for _ in range(500):
        text = "".join(odd.choices(pieces, k=odd.randint(0, 30)))
        row = clip(text, 24)
        assert row.shape == (1, 24) and clip.end in row[0]
        clip.decode(row[0])


def test_a_text_that_is_cut_can_be_noticed_and_loses_what_stands_at_its_end(clip: Tokenizer) -> None:
    text = "Mugen walks to the right, and jumps, and is killed by a worm."
    needed = len(clip.encode(text)) + 2
    whole, cut = clip(text, needed)[0], clip(text, needed - 1)[0]
    assert whole[-1] == cut[-1] == clip.end  # so the row itself does not tell
    assert clip.decode(whole).endswith("by a worm .") and clip.decode(cut).endswith("by a worm")

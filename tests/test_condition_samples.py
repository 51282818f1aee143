"""Videos kept as numbers: they come back to the last bit, and each lies beside what it was told."""

import json
from typing import Any

import numpy as np
import pytest

from tatslib.datasets.tokenizer import Tokenizer
from tatslib.errors import UserError
from tatslib.recipes.conditioned import TEXT, platform_words
from tatslib.sampling.storyline import TextStory
from tatslib.studies import condition_samples, conditions_sound, conditions_text, results
from tatslib.studies.condition_samples import STORY_FRAMES, story
from tatslib.studies.conditions_sound import Concert
from tatslib.studies.conditions_text import COARSE, FINE, Names, Tale
from tatslib.studies.packing import pack, unpack
from tatslib.worlds.story_check import parse


@pytest.mark.parametrize("shape", [(3, 4, 5, 3), (2, 3, 4, 5, 3), (1, 4, 5, 3)])
def test_packed_videos_survive_json_to_the_last_bit(shape: tuple[int, ...]) -> None:
    videos = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    back = unpack(json.loads(json.dumps(pack(videos))))
    assert back.dtype == np.uint8 and np.array_equal(back, videos)


def test_what_stands_still_takes_next_to_no_room() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (1, 24, 24, 3), dtype=np.uint8)
    one, many = (len(pack(frame.repeat(count, axis=0))["data"]) for count in (1, 64))
    assert many < one + 200


@pytest.mark.parametrize(
    "spoilt", [{}, {"shape": [2], "data": "?"}, {"shape": [2], "data": "AAAA"}, {"shape": [7, 1, 1, 3]}]
)
def test_what_was_not_packed_is_refused_in_a_sentence(spoilt: dict[str, Any]) -> None:
    packed = pack(np.zeros((2, 1, 1, 3), np.uint8)) if set(spoilt) == {"shape"} else {}
    with pytest.raises(UserError, match="no packed videos"):
        unpack(packed | spoilt)


def test_no_window_of_the_story_says_more_than_the_transformer_can_read() -> None:
    told = {story(range(first, first + 16)) for first in range(-4, STORY_FRAMES, 4)}
    rows = Tokenizer.clip()(sorted(told), 256)
    assert int((rows != 0).sum(1).max()) <= TEXT.length  # or the end of the sentence would be cut off
    words = platform_words()  # raises for a word that training never said
    assert TextStory([story], words, 4).window(3, 4).shape == (1, TEXT.length)


def test_the_story_tells_each_clause_of_its_frames_and_no_other() -> None:
    assert story(range(8, 24)) == "Mugen walks to the right, and collects a coin."
    assert story(range(20, 36)) == "Mugen walks to the right, and collects a coin, and jumps, and kills a slime."
    assert parse(story(range(STORY_FRAMES - 16, STORY_FRAMES)))[-1].kind == "killed"


def test_each_video_lies_beside_what_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def grey(value: int, frames: int = 2) -> np.ndarray:
        return np.full((frames, 2, 2, 3), value, np.uint8)

    asked = []

    def edits(seed: int, kind: str, number: int, names: Names) -> list[tuple[Tale, Tale]]:
        asked.append((seed, kind, number, names))
        return [(Tale(f"{kind} {i}", grey(i)), Tale(f"not {i}", grey(100 + i))) for i in range(number)]

    concert = Concert(grey(1)[None], grey(2)[None], grey(3)[None], [np.zeros(1600, np.float32)], [[(5, "kick")]])
    monkeypatch.setattr(conditions_sound, "sample_videos", lambda seed, videos, given: concert)
    monkeypatch.setattr(conditions_text, "sample_edits", edits)
    monkeypatch.setattr(
        conditions_text, "sample_story", lambda seed, told, frames, names: grey(len(told(range(1))), frames)
    )
    study, fine = condition_samples.studies()
    stored = json.loads(json.dumps(results.rounded(study.run(0))))
    assert asked == [(0, "fate", 4, COARSE), (0, "monster", 4, COARSE)]
    assert stored["sound"]["strikes"] == [[[5, "kick"]]]
    assert [int(unpack(stored["sound"][arm]).mean()) for arm in ("told", "untold")] == [2, 3]
    for side, text, value in (("before", "monster 3", 3), ("after", "not 3", 103)):
        kept = stored[f"monster-{side}"]
        assert kept["texts"][3] == text and int(unpack(kept["videos"])[3].mean()) == value
    assert unpack(stored["story"]).shape == (STORY_FRAMES, 2, 2, 3)
    assert set(fine.run(0)) == set(stored) - {"sound"} and asked[-1] == (0, "monster", 4, FINE)

"""Reading the platform world: what is seen in real frames is what happened, and other pictures break nothing."""

import numpy as np
import pytest

from tatslib.metrics.happenings import seen_events, text_fidelity
from tatslib.randomness import numpy_generator
from tatslib.worlds.platform import draw_script, render
from tatslib.worlds.script import events, script_from
from tatslib.worlds.story import facts, tell
from tatslib.worlds.story_check import check


def clips(count: int, length: int = 16) -> list[tuple[int, range]]:
    """Seeds of videos and spans of them."""
    rng = numpy_generator(0, "tests/happenings")
    found = []
    for _ in range(count):
        seed = int(rng.integers(10**6))
        start = int(rng.integers(draw_script(seed).frames - length + 1))
        found.append((seed, range(start, start + length)))
    return found


@pytest.mark.parametrize(("size", "least"), [(24, 0.94), (48, 0.96)])
def test_what_is_stated_of_real_clips_is_seen_and_what_is_seen_happened(size: int, least: float) -> None:
    found, false = [], []
    for seed, span in clips(60):
        happened, seen = events(draw_script(seed)), seen_events(render(seed, span, size))
        found += [true for _, true in check(facts(happened, span), seen)]
        false += [not true for _, true in check(facts(seen, range(len(span))), happened, span)]
    assert np.mean(found) > least and np.mean(false) < 0.02


def test_the_text_of_another_clip_happens_less_often() -> None:
    told = [(render(seed, span, 24), tell(events(draw_script(seed)), span)) for seed, span in clips(40)]
    own = [text_fidelity(video, text) for video, text in told]
    other = [text_fidelity(video, text) for (video, _), (_, text) in zip(told, told[1:] + told[:1], strict=True)]
    assert np.mean(own) > 0.94 and np.mean(other) < np.mean(own) - 0.2


@pytest.mark.parametrize("monster", ["face", "slime", "worm"])
def test_the_fate_of_mugen_is_seen(monster: str) -> None:
    for fate in ("kills", "is killed by"):
        script = script_from(f"Mugen walks to the right, and {fate} a {monster}.")
        video = render(0, range(script.frames), 24, script=script)
        for other in ("kills", "is killed by"):
            assert text_fidelity(video, f"{other} a {monster}") == (other == fate)


def test_a_blurred_and_noisy_clip_is_still_read() -> None:
    rng = numpy_generator(1, "tests/happenings")
    kept = []
    for seed, span in clips(40):
        noisy = render(seed, span, 24) + rng.normal(0, 12, (16, 24, 24, 3))
        video = np.clip(noisy, 0, 255).astype(np.uint8)
        kept.append(text_fidelity(video, tell(events(draw_script(seed)), span)))
    assert np.mean(kept) > 0.85


def test_pictures_without_a_game_break_nothing() -> None:
    rng = numpy_generator(2, "tests/happenings")
    for video in (
        np.zeros((16, 24, 24, 3), np.uint8),
        np.full((16, 24, 24, 3), 255, np.uint8),
        rng.integers(0, 256, (16, 24, 24, 3), dtype=np.uint8),
        render(3, [0], 24),
        render(3, [0, 1], 8),
    ):
        assert seen_events(video) == sorted(seen_events(video))

"""Strikes counted in pictures: exact on the world itself, within a frame where it is blurred, paired one to one."""

import math

import numpy as np
import pytest

from tatslib.metrics.strikes import Agreement, agreement, light_of_drums, seen_strikes
from tatslib.videos import Video
from tatslib.worlds import drums

FRAMES = range(40, 140)


def true_strikes(seed: int) -> list[tuple[int, str]]:
    return [(frame - FRAMES.start, drum) for frame, drum in drums.strikes(seed, FRAMES)]


def blurred(video: Video, seed: int) -> Video:
    """As a weak model would show it: each frame mixed with its neighbours, with noise."""
    soft = video.astype(float)
    soft[1:-1] = 0.25 * soft[:-2] + 0.5 * soft[1:-1] + 0.25 * soft[2:]
    noise = np.random.default_rng(seed).normal(0, 12, video.shape)
    return np.clip(soft + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [16, 24, 64])
def test_every_strike_of_the_world_is_seen_in_its_frame_and_no_other(size: int) -> None:
    for seed in range(4):
        assert seen_strikes(drums.render(seed, FRAMES, size)) == true_strikes(seed)


def test_light_runs_from_the_drums_own_colour_to_that_of_a_strike() -> None:
    light = light_of_drums(drums.render(1, range(100), 32))
    struck = [light[frame, drums.DRUMS.index(drum)] for frame, drum in drums.strikes(1, range(100))]
    assert light.shape == (100, 4) and min(struck) > 0.85 and light.max() < 1.05 and light.min() > -0.1


def test_in_a_blurred_video_strikes_are_found_within_a_frame() -> None:
    total = Agreement(0, 0, 0)
    for seed in range(6):
        total += agreement(seen_strikes(blurred(drums.render(seed, FRAMES, 24), seed)), true_strikes(seed))
    assert total.precision > 0.9 and total.recall > 0.9


def test_a_video_with_another_sound_agrees_with_it_by_chance_only() -> None:
    right = [agreement(seen_strikes(drums.render(seed, FRAMES, 16)), true_strikes(seed)) for seed in range(6)]
    wrong = [agreement(seen_strikes(drums.render(seed, FRAMES, 16)), true_strikes(seed + 1)) for seed in range(6)]
    assert sum(right, Agreement(0, 0, 0)).recall == 1 and sum(wrong, Agreement(0, 0, 0)).recall < 0.6


def test_strikes_are_paired_one_to_one_and_only_with_the_same_drum() -> None:
    found = [(3, "kick"), (4, "kick"), (9, "tom"), (20, "snare")]
    true = [(4, "kick"), (9, "snare"), (21, "snare"), (30, "tom")]
    counted = agreement(found, true)
    assert counted == Agreement(found=4, true=4, matched=2) and counted.precision == counted.recall == 0.5
    assert agreement(found, true, within=0).matched == 1 and agreement(found, true, within=30).matched == 3
    assert math.isnan(agreement([], true).precision) and agreement([], true).recall == 0
    assert math.isnan(agreement(found, []).recall)

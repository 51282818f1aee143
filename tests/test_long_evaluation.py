"""Long videos measured: known answers for videos that decay, loop, jump, change colour, or do none of it."""

import json

import numpy as np
import pytest
import torch

from tatslib.errors import UserError
from tatslib.evaluation import long
from tatslib.metrics.coherence import area_under
from tatslib.metrics.features import ClassifierConfig, ClipClassifier, RandomFeatures, clip_features

SIZE = 16


def noise(videos: int, frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (videos, frames, SIZE, SIZE, 3), dtype=np.uint8)


def travelling_bar(frames: int, period: float, videos: int = 1) -> np.ndarray:
    """A bar that goes round the picture in so many frames."""
    place = SIZE * (np.arange(frames) / period % 1)[:, None] - np.arange(SIZE)
    light = np.exp(-(((place + SIZE / 2) % SIZE - SIZE / 2) ** 2) / 4)  # (T, W)
    video = np.broadcast_to((200 * light[:, None, :, None]).astype(np.uint8), (frames, SIZE, SIZE, 3))
    return np.repeat(video[None], videos, axis=0)


def test_quality_of_the_first_window_is_what_a_set_of_its_clips_scores_and_decay_shows_in_percent() -> None:
    real = noise(200, 8, seed=1)
    network = RandomFeatures(4).fit(real)
    seen = clip_features(network, real)
    good, worse = noise(60, 8, seed=2), noise(60, 8, seed=3) // 2
    videos = np.concatenate([good, good, worse, worse // 2], axis=1)
    distances = long.quality(long.window_features(network, videos, 8), seen)
    assert distances[0] == distances[1] == long.quality(clip_features(network, good)[:, None], seen)[0]
    change = long.change_in_percent(distances)
    assert change[:2] == [0, 0] and 0 < change[2] < change[3]
    pooled = long.quality(long.window_features(network, videos, 8), seen, together=2)
    assert len(pooled) == 2 and pooled[0] < distances[2]


def test_coherence_leaves_the_first_window_out_of_the_area_because_it_is_always_one() -> None:
    chances = torch.nn.functional.one_hot(torch.tensor([[0, 1, 1, 1], [2, 2, 2, 0]]), 3).double()
    found = long.coherence(chances)
    assert found.ccs == [1, 0.5, 0.5, 0] and found.ics[0] == 0 and found.ics[1] > 100
    assert found.area == area_under(torch.tensor([0.5, 0.5, 0]))


def test_a_video_is_broken_from_the_window_after_its_last_good_one_if_enough_are_bad() -> None:
    bad = torch.tensor(
        [
            [1, 9, 1, 9, 9, 9, 9, 9.0],  # broken from window 3
            [1, 1, 1, 1, 1, 9, 9, 9.0],  # three bad windows are an accident
            [9, 9, 9, 9, 9, 9, 9, 1.0],  # it recovers
            [9, 9, 9, 9, 9, 9, 9, 9.0],  # it never was good
        ]
    )
    assert long.broken_from(bad, limit=2).tolist() == [3, 8, 8, 0]
    assert long.broken_from(bad, limit=2, at_least=3).tolist() == [3, 5, 8, 0]


def test_a_loop_is_found_again_exactly_and_a_recurrent_event_nearly() -> None:
    loop, nearly, never = travelling_bar(128, 20), travelling_bar(128, 20 * 5**0.5 / 2), noise(1, 128)
    exact, near, far = (long.nearest_earlier(video, frames=8)[0] for video in (loop, nearly, never))
    assert exact[:2].min() > 10  # nothing has come round yet
    assert exact[4:].max() == 0
    assert 0 < near[-1] < 10 < near[5] < 60 < far.min()  # the longer it goes on, the nearer something like it has been
    assert long.unique_share(loop) == 20 / 128 and long.unique_share(never) == 1


def test_nothing_counts_as_earlier_that_overlaps_the_window_itself() -> None:
    still_then_new = np.concatenate([np.zeros((1, 16, 4, 4, 3)), np.full((1, 16, 4, 4, 3), 200)], axis=1)
    found = long.nearest_earlier(still_then_new.astype(np.uint8), frames=8, step=4)[0]
    assert found[:2].tolist() == pytest.approx([0, 200])
    assert found[2] == 0  # the window before it


def test_autocorrelation_has_a_peak_of_one_at_the_length_of_a_loop_and_none_for_noise() -> None:
    loop = long.autocorrelation(travelling_bar(400, 20), 50)[0]
    assert loop[19].item() == pytest.approx(1, abs=0.01) and loop[39].item() == pytest.approx(1, abs=0.01)
    assert loop[9] < 0 and loop.argmax() in (19, 39)
    assert long.autocorrelation(noise(1, 400), 50).abs().max() < 0.1
    assert long.autocorrelation(np.full((1, 40, 4, 4, 3), 7, np.uint8), 5).tolist() == [[1] * 5]


def test_colour_shift_counts_grey_levels_of_the_mean_colour_and_is_blind_to_motion() -> None:
    moving = travelling_bar(40, 10)
    assert long.colour_shift(moving, 10).max() < 1
    redder = moving.copy()
    redder[:, 20:, ..., 0] += 30
    assert long.colour_shift(redder, 10)[0].tolist() == pytest.approx([0, 0, 30 / 3**0.5, 30 / 3**0.5], abs=1e-9)


def test_the_largest_jump_is_a_multiple_of_the_usual_step() -> None:
    ramp = np.broadcast_to(np.arange(0, 64, 2)[:, None, None, None], (32, 8, 8, 3)).astype(np.uint8)
    torn = ramp.copy()
    torn[20:] += 100
    still = np.full_like(ramp, 3)
    assert long.largest_jump(np.stack([ramp, torn, still])).tolist() == [1, 51, 1]


def test_stripes_tell_waves_from_blobs_and_from_nothing() -> None:
    x, y = np.meshgrid(np.arange(24), np.arange(24))
    diagonal = torch.as_tensor(10 + 5 * np.cos(2 * np.pi * 4 * (x + y) / 24))
    blob = torch.as_tensor(50 * np.exp(-((x - 12) ** 2 + (y - 12) ** 2) / 30))
    assert long.stripes(diagonal) == pytest.approx(1)
    assert long.stripes(blob) < 0.2
    assert long.stripes(torch.full((24, 24), 7.0)) == 0
    row, column = torch.arange(24)[:, None], torch.arange(24)
    for finest in (row + column, row + 0 * column, 0 * row + column):  # up and down from pixel to pixel
        assert long.stripes((-1.0) ** finest) == pytest.approx(1)


def test_ends_are_alike_where_a_video_comes_back_to_its_beginning() -> None:
    back = noise(2, 3)
    back[:, -1] = back[:, 0]
    alike = long.ends(back)
    assert set(alike) == {"ssim", "colour"} and alike["ssim"].tolist() == alike["colour"].tolist() == [1, 1]
    assert long.ends(noise(2, 3))["ssim"].max() < 0.2


def test_all_together_can_be_stored_as_json_and_has_a_number_for_each_block() -> None:
    real = noise(80, 8, seed=1)
    network = RandomFeatures(4).fit(real)
    classifier = ClipClassifier(ClassifierConfig(classes=("a", "b"), frames=8, resolution=SIZE, width=4)).eval()
    videos, labels = noise(24, 64, seed=2), torch.zeros(24, dtype=torch.int64)
    found = long.evaluate(videos, real, {"random": network}, classifier, labels, limit=1e3, together=2)
    stored = json.loads(json.dumps(found, allow_nan=False))
    for name in ("nearest", "motion", "colour", "earlier", "named"):
        assert len(stored[name]) == 4, name
    assert len(stored["quality"]["random"]) == 4 and len(stored["ccs"]) == len(stored["ics"]) == 8
    assert stored["broken"] == 0 and stored["lasts"] == 64 and stored["change"]["random"][0] == 0
    assert stored["earlier"][0] == pytest.approx(float(long.nearest_earlier(videos, 8)[:, 0].mean()))
    few = long.evaluate(videos, real, {"random": network}, clips_per_dimension=0)
    assert not {"ccs", "named", "broken"} & set(few)


@pytest.mark.parametrize("shape", [(2, 40, 8, 8, 3), (2, 16, 8, 8, 3), (32, 8, 8, 3)])
def test_videos_that_do_not_divide_into_windows_are_refused_in_words(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="two or more windows of 16 frames"):
        long.colour_shift(np.zeros(shape, np.uint8))


def test_a_percentage_of_nothing_and_a_lag_beyond_the_half_are_refused_in_words() -> None:
    with pytest.raises(UserError, match="above 0"):
        long.change_in_percent([0.0, 1.0])
    with pytest.raises(UserError, match="does not fit twice"):
        long.autocorrelation(noise(1, 20), 11)
    with pytest.raises(UserError, match="blocks of 3"):
        long.quality(torch.zeros(20, 4, 2), torch.zeros(40, 2), together=3)

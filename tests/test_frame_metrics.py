"""PSNR, SSIM, LPIPS, colours, repetition and motion: answers that can be worked out by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tatslib.errors import UserError
from tatslib.metrics.fidelity import colour_correlation, difference_map, lpips, psnr, ssim
from tatslib.metrics.motion import frame_changes, period, still_share
from tatslib.metrics.repetition import loop_length, repeated_frames, same_at_lag
from tatslib.randomness import numpy_generator, torch_generator
from tatslib.vqgan.perceptual import PerceptualLoss


def video(seed: int = 0, size: int = 16, videos: int = 2, frames: int = 3) -> np.ndarray:
    shape = (videos, frames, size, size, 3)
    return numpy_generator(seed, "test/video").integers(20, 230, shape).astype(np.uint8)


def grey(*levels: int) -> np.ndarray:
    """One video (1, T, 4, 4, 3), a frame of one level each."""
    return np.stack([np.full((4, 4, 3), level, np.uint8) for level in levels])[None]


# ------------------------------------------------------------------------------------------------------------ fidelity
def test_psnr_is_that_of_each_frame_on_the_scale_of_bytes() -> None:
    found = psnr(grey(10, 10, 0), grey(10, 20, 255))
    assert found.tolist() == [
        [math.inf, pytest.approx(10 * math.log10(255**2 / 100), abs=1e-5), pytest.approx(0, abs=1e-5)]
    ]


def test_ssim_of_flat_frames_is_the_comparison_of_their_levels() -> None:
    a, b = (np.repeat(np.repeat(grey(level), 4, 2), 4, 3) for level in (100, 150))
    constant = (0.01 * 255) ** 2
    assert float(ssim(a, b)) == pytest.approx((2 * 100 * 150 + constant) / (100**2 + 150**2 + constant), rel=1e-9)


def test_ssim_agrees_with_its_formula_in_a_window_worked_out_by_hand() -> None:
    a, b = video(0, 11, 1, 1), video(1, 11, 1, 1)
    x = np.arange(-5, 6)
    window = np.exp(-(x**2) / (2 * 1.5**2))
    window = np.outer(window, window) / window.sum() ** 2

    def at(y: int, x: int) -> float:
        """SSIM at one place of one colour, the border reflected."""
        p, q = (np.pad(v[0, 0, :, :, 0].astype(float), 5, "reflect")[y : y + 11, x : x + 11] for v in (a, b))
        mp, mq = (window * p).sum(), (window * q).sum()
        vp, vq = (window * p * p).sum() - mp**2, (window * q * q).sum() - mq**2
        both = (window * p * q).sum() - mp * mq
        c, d = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        return (2 * mp * mq + c) * (2 * both + d) / ((mp**2 + mq**2 + c) * (vp + vq + d))

    by_hand = np.mean([at(y, x) for y in range(11) for x in range(11)])
    one_colour = [np.repeat(v[..., :1], 3, -1) for v in (a, b)]
    assert float(ssim(*one_colour)) == pytest.approx(by_hand, rel=1e-6)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 20), st.integers(6, 20))
def test_fidelity_is_symmetric_and_best_for_equal_frames(seed: int, size: int) -> None:
    a, b = video(seed, size), video(seed + 1, size)
    for score, best in ((psnr, math.inf), (ssim, 1.0), (colour_correlation, 1.0)):
        assert score(a, a).shape == (2, 3) and torch.allclose(score(a, a), torch.full((2, 3), best).double())
        assert torch.allclose(score(a, b), score(b, a)) and (score(a, b) < best).all()


def test_lpips_of_videos_is_that_of_their_frames_without_dropout() -> None:
    network = PerceptualLoss(dropout=True)
    for parameter in network.parameters():
        parameter.copy_(torch.rand(parameter.shape, generator=torch_generator(0, str(parameter.shape))) * 0.05)
    a, b = video(0), video(1)
    found = lpips(network, a, b)
    assert found.shape == (2, 3) and network.training
    assert torch.equal(found, lpips(network, a, b)) and lpips(network, a, a).eq(0).all()
    frames = [torch.from_numpy(v[1, 2]).permute(2, 0, 1)[None] / 255 - 0.5 for v in (a, b)]
    torch.testing.assert_close(found[1, 2], network.eval()(*frames)[0])


def test_colours_correlate_wherever_they_are_in_the_frame() -> None:
    a = video(0)
    moved = np.roll(a, (3, 5), (2, 3))
    assert torch.allclose(colour_correlation(a, moved), torch.ones(2, 3).double())
    apart = colour_correlation(grey(0, 0, 0), grey(255, 0, 31))
    assert apart.tolist() == [[pytest.approx(-1 / 511), pytest.approx(1), pytest.approx(1)]]
    assert colour_correlation(grey(0), grey(31), bins=16).tolist() == [[pytest.approx(-1 / 4095)]]


def test_colours_correlate_as_numpy_says() -> None:
    a, b = video(0, 24), video(1, 24)
    first, second = (np.histogramdd(v[0, 1].reshape(-1, 3), 4, [(0, 256)] * 3)[0].ravel() for v in (a, b))
    assert float(colour_correlation(a, b, bins=4)[0, 1]) == pytest.approx(np.corrcoef(first, second)[0, 1])


def test_a_difference_map_shows_where_two_frames_differ() -> None:
    frames = np.zeros((2, 5, 4, 6, 3), np.uint8)
    frames[0, 4, 1, 2] = 30
    frames[1, 4, 1, 2, 0] = 30
    found = difference_map(frames, 1, -1)
    assert found.shape == (4, 6) and found[1, 2] == pytest.approx(20) and found.sum() == pytest.approx(20)


def test_videos_that_cannot_be_compared_are_refused() -> None:
    for score in (psnr, ssim, colour_correlation):
        with pytest.raises(UserError, match="cannot be compared"):
            score(video(0), video(0, 8))
        with pytest.raises(UserError, match="bytes"):
            score(video(0), video(0).astype(np.float32))
    with pytest.raises(UserError, match="6x6 pixels or more"):
        ssim(grey(1), grey(1))
    with pytest.raises(UserError, match="1 bins"):
        colour_correlation(grey(1), grey(1), bins=1)


# ---------------------------------------------------------------------------------------------------------- repetition
def tokens(*frames: int) -> torch.Tensor:
    """One video (1, t, 2, 2) of named latent frames."""
    return torch.tensor(frames)[None, :, None, None] * 4 + torch.arange(4).view(1, 1, 2, 2)


def test_a_latent_frame_that_was_there_before_is_found() -> None:
    assert repeated_frames(tokens(1, 2, 3, 2, 2, 4)).tolist() == [[False, False, False, True, True, False]]
    nearly = tokens(1, 1)
    nearly[0, 1, 0, 0] = 99
    assert not repeated_frames(nearly).any()


@pytest.mark.parametrize(
    ("frames", "length"),
    [
        ((1, 2, 3, 4), 0),
        ((1, 2, 3, 3), 1),
        ((9, 1, 2, 1, 2), 2),
        ((1, 2, 3, 1, 2, 3), 3),
        ((1, 2, 1, 2, 9), 0),  # it has ended
        ((1, 2, 3, 1, 2), 0),  # seen less than twice
    ],
)
def test_an_exact_loop_is_found_at_the_end_of_a_video(frames: tuple[int, ...], length: int) -> None:
    assert loop_length(tokens(*frames)).tolist() == [length]


def test_a_loop_may_have_to_be_seen_more_often() -> None:
    assert loop_length(tokens(1, 2, 1, 2, 1, 2), times=3).tolist() == [2]
    assert loop_length(tokens(7, 2, 1, 2), times=3).tolist() == [0]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(2, 4), st.integers(0, 3), st.integers(0, 99))
def test_any_loop_is_found_and_its_frames_repeat(length: int, times: int, before: int, seed: int) -> None:
    generator = torch_generator(seed, "test/loop")
    lead, once = (torch.randint(50, (1, n, 2, 2), generator=generator) for n in (before, length))
    x = torch.cat([lead, *[once] * times], dim=1)
    found = int(loop_length(x, times))
    assert 1 <= found <= length
    assert repeated_frames(x)[0, before + length :].all()
    assert float(same_at_lag(x[:, before:], [length])) == 1


def test_the_share_of_equal_tokens_at_a_lag_is_counted_place_by_place() -> None:
    x = tokens(1, 2, 1, 2, 1)
    x[0, 4, 0, 0] = 99
    assert same_at_lag(x, [1, 2]).tolist() == [[0, pytest.approx(11 / 12)]]
    with pytest.raises(UserError, match=r"lags \[5\] do not fit"):
        same_at_lag(x, [5])


def test_what_is_no_grid_of_tokens_is_refused() -> None:
    for look in (repeated_frames, loop_length, lambda x: same_at_lag(x, [1])):
        with pytest.raises(UserError, match=r"\(videos, t, h, w\)"):
            look(torch.zeros(2, 3))
    with pytest.raises(UserError, match="seen 1 times"):
        loop_length(tokens(1, 2), times=1)


# -------------------------------------------------------------------------------------------------------------- motion
def test_frame_changes_are_mean_differences_in_grey_levels_and_still_frames_are_counted() -> None:
    changes = frame_changes(grey(10, 13, 13, 3))
    assert changes.tolist() == [[3, 0, 10]]
    assert still_share(changes).tolist() == [pytest.approx(1 / 3)]
    with pytest.raises(UserError, match="two frames or more"):
        frame_changes(grey(1))


@pytest.mark.parametrize("frames", [4, 8, 16])
def test_the_period_of_a_wave_is_found(frames: int) -> None:
    wave = [round(128 + 100 * math.cos(2 * math.pi * t / frames)) for t in range(64)]
    found, share = period(grey(*wave))
    assert found.tolist() == [frames] and float(share) > 0.95


def test_a_still_video_has_no_period_and_noise_a_weak_one() -> None:
    found, share = period(np.concatenate([grey(*[7] * 64), video(0, 4, 1, 64)]))
    assert found[0] == math.inf and share[0] == 0
    assert 2 <= found[1] <= 32 and share[1] < 0.2


def test_periods_may_be_left_out_from_below() -> None:
    wave = [128 + 50 * (t % 2) + round(20 * math.cos(math.pi * t / 8)) for t in range(64)]
    assert period(grey(*wave))[0].tolist() == [2] and period(grey(*wave), shortest=3)[0].tolist() == [16]
    with pytest.raises(UserError, match="4 frames or more"):
        period(grey(1, 2, 3))
    with pytest.raises(UserError, match="no period"):
        period(grey(*wave), shortest=40)

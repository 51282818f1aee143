"""Known answers and properties of the metrics."""

import numpy as np
import pytest

from tatslib.errors import UserError
from tatslib.metrics import nearest
from tatslib.metrics.nearest import nearest_real_distance


def test_the_nearest_real_distance_is_a_root_mean_square_in_grey_levels():
    real = np.zeros((3, 2, 4, 4, 3), np.uint8)
    real[1], real[2] = 100, 200
    clips = np.stack([np.full((2, 4, 4, 3), level, np.uint8) for level in (0, 90, 255)])
    np.testing.assert_allclose(nearest_real_distance(clips, real), [0, 10, 55], atol=0.05)


def test_many_real_clips_are_compared_in_blocks(monkeypatch):
    generator = np.random.default_rng(0)
    clips, real = (generator.integers(0, 256, (n, 2, 4, 4, 3), np.uint8) for n in (70, 90))
    whole = nearest_real_distance(clips, real)
    monkeypatch.setattr(nearest, "BYTES_AT_ONCE", 4 * 2 * 4 * 4 * 3 * 40)
    np.testing.assert_allclose(nearest_real_distance(clips, real, 30), whole, rtol=1e-5)


def test_a_copy_is_at_0_but_for_rounding():
    clips = np.random.default_rng(0).integers(0, 256, (40, 4, 16, 16, 3), np.uint8)
    assert nearest_real_distance(clips[:3], clips[:20]).max() == 0
    assert nearest_real_distance(clips, clips, device="cpu").max() < 0.5


def test_clips_of_another_shape_are_refused():
    with pytest.raises(UserError, match="cannot be compared"):
        nearest_real_distance(np.zeros((1, 2, 4, 4, 3), np.uint8), np.zeros((1, 3, 4, 4, 3), np.uint8))

"""The released preprocessing, number for number (resize without antialiasing, crop, value range)."""

import pytest
import torch

from tatslib.videos import resize_and_crop, to_model
from tests.parity.fixtures import load

META, TENSORS = load("data_preprocess")


@pytest.mark.parametrize("name", sorted(META["config"]))
def test_resize_and_crop_equal_the_released_preprocessing(name: str) -> None:
    config = META["config"][name]
    frames = TENSORS[f"in/{name}"][: config["sequence_length"]][:: config["sample_every_n_frames"]]
    expected = TENSORS[f"out/{name}"]  # (3, T, size, size) in [-0.5, 0.5]
    unrounded = torch.from_numpy(resize_and_crop(frames.float() / 255, config["resolution"], antialias=False)) - 0.5
    torch.testing.assert_close(unrounded.permute(3, 0, 1, 2), expected, **META["tolerance"])
    cached = to_model(resize_and_crop(frames, config["resolution"], antialias=False))
    assert (cached - expected).abs().max() <= 0.5 / 255 + 1e-6, "the uint8 cache may differ by rounding, no more"

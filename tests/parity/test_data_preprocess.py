"""The released preprocessing, number for number (resize without antialiasing, crop, value range)."""

import pytest
import torch

from tatslib.videos import resize_and_crop, to_model
from tests.parity.conftest import Compare
from tests.parity.fixtures import load, names_of_kind


@pytest.mark.parametrize("name", names_of_kind("data_preprocess"))
def test_resize_and_crop_equal_the_released_preprocessing(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    for clip, config in meta["config"].items():
        frames = tensors[f"in/{clip}"][: config["sequence_length"]][:: config["sample_every_n_frames"]]
        expected = tensors[f"out/{clip}"]  # (3, T, size, size) in [-0.5, 0.5]
        unrounded = torch.from_numpy(resize_and_crop(frames.float() / 255, config["resolution"], antialias=False)) - 0.5
        compare(name, clip, unrounded.permute(3, 0, 1, 2), expected, meta["tolerance"])
        cached = to_model(resize_and_crop(frames, config["resolution"], antialias=False))
        assert (cached - expected).abs().max() <= 0.5 / 255 + 1e-6, "the uint8 cache may differ by rounding, no more"

"""Distances of feature sets, and the network behind FVD, against the released ones."""

import pytest
import torch
from torch import Tensor

from tatslib.metrics.frechet import frechet_distance
from tatslib.metrics.i3d import I3D, resized
from tatslib.metrics.kernel import kernel_distance
from tatslib.metrics.moments import moments
from tatslib.videos import to_model
from tests.parity.conftest import Compare
from tests.parity.fixtures import load, names_of_kind
from tests.parity.test_perceptual import hash_weights

EXACT = {"rtol": 1e-9}  # for numbers that the released code was made to compute in float64
SINGLE = {"rtol": 1e-6}  # for sums of a few thousand that it computes in float32


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize("name", names_of_kind("metrics"))
def test_distances_of_features_equal_the_released_ones(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    a, b = tensors["in/feat_a"], tensors["in/feat_b"]
    compare(name, "covariance", moments(a).covariance.float(), tensors["out/cov_a"], meta["tolerance"])
    frechet = number(frechet_distance(a, b, clips_per_dimension=0))
    compare(name, "Fréchet distance", frechet, tensors["out/frechet_f64"], EXACT)
    compare(name, "kernel distance", number(kernel_distance(a, b)), tensors["out/polynomial_mmd"], SINGLE)


@pytest.mark.parametrize("name", names_of_kind("metrics"))
def test_clips_are_prepared_for_i3d_as_released(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    (size, _) = meta["config"]["target_resolution"]
    prepared = resized(2 * to_model(tensors["in/video_u8"]), size)
    compare(name, "preparation for I3D", prepared, tensors["out/fvd_preprocess"], {"atol": 1e-6})


@pytest.mark.parametrize("name", names_of_kind("i3d_hash"))
@torch.no_grad()
def test_the_logits_of_i3d_equal_the_released_ones(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    config, recipe, network = meta["config"], hash_weights(), I3D()
    network.load_state_dict(recipe.hash_state(network.state_dict(), config["weight_seed"]))
    video = recipe.hash_tensor(tuple(config["x_shape"]), config["x_seed"], 0, 256).floor().to(torch.uint8)
    x = resized(2 * to_model(video))
    compare(name, "mean of the input", x.mean(), tensors["out/input_mean"], {"atol": 1e-6})
    compare(name, "spread of the input", x.std(), tensors["out/input_std"], {"rtol": 1e-5})
    compare(name, "logits", network(x), tensors["out/logits"], meta["tolerance"])

"""The perceptual distance against the released one, with weights that a hash makes on both sides."""

import importlib.util
from types import ModuleType

import pytest
import torch

from tatslib.vqgan.perceptual import STAGES, PerceptualLoss, rename_perceptual
from tests.parity.conftest import Compare
from tests.parity.fixtures import FOLDER, load, names_of_kind


def hash_weights() -> ModuleType:
    """The recipe of the weights, which lies beside the fixtures."""
    spec = importlib.util.spec_from_file_location("hash_weights", FOLDER / "hash_weights.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def released_shapes() -> dict[str, torch.Tensor]:
    """Tensors of the released network by their names there; only their shapes count."""
    shapes = {"scaling_layer.shift": torch.empty(1, 3, 1, 1), "scaling_layer.scale": torch.empty(1, 3, 1, 1)}
    inputs, position = 3, 0
    for stage, (width, convolutions) in enumerate(STAGES):
        for _ in range(convolutions):
            shapes[f"net.slice{stage + 1}.{position}.weight"] = torch.empty(width, inputs, 3, 3)
            shapes[f"net.slice{stage + 1}.{position}.bias"] = torch.empty(width)
            inputs, position = width, position + 2
        position += 1
        shapes[f"lin{stage}.model.1.weight"] = torch.empty(1, width, 1, 1)
    return shapes


@pytest.mark.parametrize("name", names_of_kind("lpips_hash"))
@torch.no_grad()
def test_the_perceptual_distance_equals_the_released_one(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    state = hash_weights().hash_state(released_shapes(), meta["config"]["weight_seed"])
    network = PerceptualLoss("released").eval()
    network.load_state_dict(rename_perceptual(state))
    distances = network(tensors["in/a"], tensors["in/b"])
    compare(name, "distances", distances, tensors["out/lpips"].flatten(), meta["tolerance"])

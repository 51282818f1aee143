"""The perceptual term: what it measures, what it drops, and where its weights come from."""

import hashlib
import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tatslib.errors import UserError
from tatslib.randomness import torch_generator
from tatslib.vqgan import perceptual
from tatslib.vqgan.perceptual import STAGES, VGG16, PerceptualLoss, heads_file, load_perceptual, rename_perceptual


def frames(seed: int, size: int = 16, channels: int = 3) -> Tensor:
    return torch.rand(2, channels, size, size, generator=torch_generator(seed, "frames")) - 0.5


@pytest.fixture(scope="module")
def network() -> PerceptualLoss:
    network = PerceptualLoss()
    for parameter in network.parameters():
        parameter.copy_(torch.rand(parameter.shape, generator=torch_generator(0, str(parameter.shape))) * 0.05)
    for stage in network.stages:
        for convolution in stage:
            torch.nn.init.kaiming_normal_(convolution.weight, generator=torch_generator(1, "vgg"))
    return network


def vgg16() -> dict[str, Tensor]:
    """A state laid out like torchvision's file, with a small classifier."""
    state, inputs, position = {}, 3, 0
    for width, convolutions in STAGES:
        for _ in range(convolutions):
            state[f"features.{position}.weight"] = torch.full((width, inputs, 3, 3), 1 / width)
            state[f"features.{position}.bias"] = torch.zeros(width)
            inputs, position = width, position + 2
        position += 1
    return {**state, "classifier.0.weight": torch.zeros(4, 4), "classifier.0.bias": torch.zeros(4)}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a file at its full size but for the classifier, in the old format that the real one has."""
    path = tmp_path_factory.mktemp("mirror") / VGG16
    torch.save(vgg16(), path, _use_new_zipfile_serialization=False)
    return path


@pytest.fixture
def official(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file taken for torchvision's, in a mirror; returns the empty home."""
    monkeypatch.setattr(perceptual, "VGG16_SHA256", hashlib.sha256(stored.read_bytes()).hexdigest())
    monkeypatch.setattr(perceptual, "VGG16_BYTES", stored.stat().st_size)
    monkeypatch.setenv("TATS_MIRROR", str(stored.parent))
    monkeypatch.setenv("TATS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


# ------------------------------------------------------------------------------------------------------- the distance
def test_equal_frames_are_at_distance_zero_and_others_are_not(network):
    assert network(frames(0), frames(0)).tolist() == [0, 0]
    assert (network(frames(0), frames(1)) > 0).all()


def test_gradients_reach_the_reconstruction_only(network):
    reconstruction, original = frames(0).requires_grad_(), frames(1).requires_grad_()
    network(reconstruction, original).sum().backward()
    assert reconstruction.grad is not None and reconstruction.grad.isfinite().all() and reconstruction.grad.any()
    assert original.grad is None
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_the_released_range_is_the_right_one_at_half_the_contrast(network):
    released = PerceptualLoss("released")
    released.load_state_dict(network.state_dict())
    assert torch.equal(released(2 * frames(0), 2 * frames(1)), network(frames(0), frames(1)))
    assert not torch.equal(released(frames(0), frames(1)), network(frames(0), frames(1)))


def test_gradients_stay_finite_where_no_feature_is_active(network):
    dead = PerceptualLoss()
    dead.load_state_dict(network.state_dict())
    for convolution in dead.stages[-1]:
        convolution.bias.fill_(-1e6)
    reconstruction = frames(0).requires_grad_()
    dead(reconstruction, frames(1)).sum().backward()
    assert reconstruction.grad.isfinite().all()


def test_the_distance_in_bfloat16_is_about_that_in_float32(network):
    with torch.autocast("cpu", torch.bfloat16):
        found = network(frames(0, 32), frames(1, 32))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, network(frames(0, 32), frames(1, 32)), rtol=0.03, atol=0)


def test_grey_frames_count_as_three_equal_colours(network):
    grey, other = frames(0, channels=1), frames(1, channels=1)
    torch.testing.assert_close(network(grey, other), network(grey.expand(2, 3, 16, 16), other.expand(2, 3, 16, 16)))


def test_frames_that_the_pools_would_swallow_are_refused(network):
    with pytest.raises(UserError, match="16x16 pixels or more, got 8x8"):
        network(frames(0, 8), frames(1, 8))


# -------------------------------------------------------------------------------------------------------- the dropout
def test_what_is_dropped_follows_from_the_generator(network):
    dropping = PerceptualLoss(dropout=True)
    dropping.load_state_dict(network.state_dict())
    one, again, another = (
        dropping(frames(0), frames(1), torch_generator(seed, "perceptual")).tolist() for seed in (0, 0, 1)
    )
    assert one == again != another
    whole = network(frames(0), frames(1))
    assert torch.equal(dropping.eval()(frames(0), frames(1)), whole)
    mean = torch.stack([dropping.train()(frames(0), frames(1), torch_generator(n, "mean")) for n in range(30)]).mean(0)
    torch.testing.assert_close(mean, whole, rtol=0.05, atol=0)


def test_dropping_without_a_generator_is_refused(network):
    with pytest.raises(UserError, match=r"pass a torch.Generator"):
        PerceptualLoss(dropout=True)(frames(0), frames(1))
    network(frames(0), frames(1))  # by default nothing is dropped, in training mode either


# -------------------------------------------------------------------------------------------------------- the weights
def test_the_weights_come_from_the_official_files_and_a_copy_is_kept(official, monkeypatch):
    network = load_perceptual()
    assert network is not None
    state = network.state_dict()
    assert torch.equal(state["stages.0.1.weight"], vgg16()["features.2.weight"])
    heads = torch.load(heads_file(), map_location="cpu", weights_only=True)
    assert torch.equal(state["heads.4.weight"], heads["lin4.model.1.weight"])

    monkeypatch.setattr(perceptual, "fetch", None)  # from now on the copy has to do
    again = load_perceptual(input_range="released", dropout=True)
    assert again is not None and again.dropout and again.contrast == 1
    assert all(torch.equal(value, state[key]) for key, value in again.state_dict().items())


def test_a_damaged_copy_is_made_anew(official):
    assert load_perceptual() is not None
    copy = official / "weights" / "perceptual.safetensors"
    size = copy.stat().st_size
    copy.write_bytes(copy.read_bytes()[:-5])
    assert load_perceptual() is not None
    assert copy.stat().st_size == size


def test_another_file_in_place_of_the_official_one_is_refused(official, monkeypatch):
    (official / "weights").mkdir(parents=True)
    torch.save({}, official / "weights" / VGG16)
    with pytest.raises(UserError, match=r"vgg16-397923af\.pth .* instead of"):
        load_perceptual()


def test_other_heads_than_those_of_lpips_are_refused(official, monkeypatch):
    monkeypatch.setattr(perceptual, "HEADS_SHA256", "0" * 64)
    with pytest.raises(UserError, match=r"not LPIPS' file of weights"):
        load_perceptual()


def test_without_weights_the_term_is_off_and_this_is_said_once(official, monkeypatch, caplog):
    def unreachable(*_: object, **__: object) -> Path:
        raise UserError("the network is down: try again later.")

    monkeypatch.setattr(perceptual, "fetch", unreachable)
    perceptual._say_off.cache_clear()
    with caplog.at_level(logging.WARNING, "tatslib"):
        assert load_perceptual() is None
        assert load_perceptual() is None
    (record,) = caplog.records
    assert "OFF" in record.message and "the network is down" in record.message and "TATS_MIRROR" in record.message


def released_file(path: Path, network: PerceptualLoss, **more: Tensor) -> Path:
    ours = network.state_dict()
    names = {name: here for name, here in perceptual._names().items() if not name.startswith("features")}
    state = {f"perceptual_model.{name}": ours[here] for name, here in names.items()}
    torch.save({"state_dict": {**state, "perceptual_model.scaling_layer.shift": torch.zeros(1, 3, 1, 1), **more}}, path)
    return path


def test_a_released_model_brings_the_network_along(network, tmp_path):
    loaded = load_perceptual(released_file(tmp_path / "vqgan.ckpt", network), input_range="released")
    assert loaded is not None
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in loaded.state_dict().items())


def test_a_released_model_with_another_network_is_refused(network, tmp_path):
    more = {"perceptual_model.lin0.model.1.weight": torch.zeros(1, 32, 1, 1)}
    with pytest.raises(UserError, match="another perceptual network"):
        load_perceptual(released_file(tmp_path / "vqgan.ckpt", network, **more))


def test_a_tensor_of_no_such_network_is_refused():
    with pytest.raises(UserError, match=r"'features\.1\.weight' is not a tensor of LPIPS"):
        rename_perceptual({"features.1.weight": torch.zeros(1)})


def test_a_copy_of_other_origin_is_not_taken(official):
    copy = official / "weights" / "perceptual.safetensors"
    copy.parent.mkdir(parents=True)
    save_file({"heads.0.weight": torch.zeros(1)}, copy, metadata={"vgg16": "another"})
    assert load_perceptual() is not None

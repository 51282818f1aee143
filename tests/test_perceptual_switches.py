"""Two switches of LPIPS in a random network: nothing changes where nothing is switched; what the formula foretells."""

from math import isfinite
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from tatslib.randomness import torch_generator
from tatslib.studies import perceptual_switches
from tatslib.studies.perceptual_switches import change, distances_and_gradient, noise, pairs, random_network
from tatslib.studies.results import leaves
from tatslib.vqgan import perceptual
from tatslib.vqgan.vqgan import VQGAN
from tests.test_equivariance import SMALL

SIZES = ("biases-0", "biases-0.3", "biases-1")


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A VGG16 of fewer channels, as its 15 million weights would take seconds to draw, and fewer draws."""
    monkeypatch.setattr(perceptual_switches, "DRAWS", 5)
    monkeypatch.setattr(perceptual, "STAGES", tuple((width // 4, layers) for width, layers in perceptual.STAGES))


def two_frames() -> tuple[Tensor, Tensor]:
    """A picture and a spoilt one, (2, 3, 16, 16)."""
    generator = torch_generator(0, "test/frames")
    original = torch.rand(2, 3, 16, 16, generator=generator) - 0.5
    return original + 0.05 * torch.randn(original.shape, generator=generator), original


def test_weights_are_those_of_the_seed_and_biases_only_grow() -> None:
    plain, biased, released, other = (
        random_network(0),
        random_network(0, biases=1.0),
        random_network(0, input_range="released", dropout=True),
        random_network(1),
    )
    for (name, value), same in zip(plain.named_parameters(), released.parameters(), strict=True):
        assert torch.equal(value, same), name
        assert torch.equal(value, biased.get_parameter(name)) != name.endswith("bias")
        assert torch.equal(value, other.get_parameter(name)) == name.endswith("bias")
        if name.endswith("bias"):
            assert not value.any()
    assert all((head >= 0).all() and head.any() for head in plain.heads.parameters())
    last = plain.get_parameter("stages.4.2.weight")  # He: the variance is 2 over the 128 * 9 inputs of an output
    assert float(last.var()) == pytest.approx(2 / 1152, rel=0.03)
    assert float(biased.get_parameter("stages.4.2.bias").std()) == pytest.approx(1, rel=0.2)


def test_a_range_that_is_the_same_changes_nothing() -> None:
    network = random_network(0)
    found = change(network, random_network(0), *two_frames())
    assert found == pytest.approx({"term": 1, "gradient": 1, "cosine": 1}, abs=1e-6)


def test_contrast_cancels_without_biases_and_shift_and_is_squared_where_biases_are_all() -> None:
    for biases, ratio in ((0.0, 1.0), (100.0, 0.25)):
        released, right = (random_network(0, biases, kind) for kind in ("released", "right"))
        for network in (released, right):
            network.shift.zero_()
        found = change(released, right, *two_frames())
        assert [found["term"], found["gradient"]] == pytest.approx([ratio, ratio], rel=0.03)
        assert found["cosine"] > 0.95  # a ReLU or a pool here and there chooses otherwise


def test_dropout_that_is_off_adds_no_noise_and_dropout_adds_some() -> None:
    still = noise(random_network(0), *two_frames(), seed=0)
    assert still == pytest.approx({"term": 0, "frame": 0, "cosine": 1}, abs=1e-6)
    found = noise(random_network(0, dropout=True), *two_frames(), seed=0)
    assert 0 < found["term"] < found["frame"] < 1 and 0 < found["cosine"] < 0.999


def test_the_noise_is_the_spread_of_what_training_would_see() -> None:
    network, (reconstruction, original) = random_network(0, dropout=True), two_frames()
    terms = [
        network(reconstruction, original, torch_generator(3, "random LPIPS/dropped", draw)).mean()
        for draw in range(perceptual_switches.DRAWS)
    ]
    calm, gradient = distances_and_gradient(random_network(0), reconstruction, original)
    assert gradient.shape == original.shape
    relative = float(torch.stack(terms).std() / calm.mean())
    assert noise(network, reconstruction, original, 3)["term"] == pytest.approx(relative, rel=1e-3)


@pytest.fixture
def tokenizer(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """An untrained tokenizer and random clips in place of the recipes, fewer frames."""
    made = SimpleNamespace(vqgan=VQGAN(SMALL).eval(), asked=[])
    size = (5, SMALL.frames, SMALL.resolution, SMALL.resolution, 3)
    made.clips = torch.randint(256, size, generator=torch_generator(0, "test/clips"), dtype=torch.uint8)
    trained = {"actions/vqgan-replicate": SimpleNamespace(model=made.vqgan), "actions/videos": "videos"}
    monkeypatch.setattr(perceptual_switches.recipes, "get", lambda name: made.asked.append(name) or trained[name])

    def clips_for(config, videos, split):
        assert config == SMALL and videos == "videos" and split == "test"
        return SimpleNamespace(clips=lambda step, count: (made.clips[:count], None))

    monkeypatch.setattr(perceptual_switches, "clips_for", clips_for)
    monkeypatch.setattr(perceptual_switches, "FRAMES", 5)
    monkeypatch.setattr(perceptual_switches, "AT_ONCE", 3)
    return made


def test_frames_are_held_out_ones_and_stand_beside_their_own_reconstruction(tokenizer) -> None:
    reconstruction, original = pairs()
    assert reconstruction.shape == original.shape == (5, 3, SMALL.resolution, SMALL.resolution)
    video = tokenizer.clips.float().movedim(4, 1) / 255 - 0.5  # (B, 3, T, H, W)
    with torch.no_grad():
        shown = tokenizer.vqgan(video).reconstruction
    for number in range(5):
        near = (video[number] - original[number][:, None]).abs().amax((0, 2, 3))  # (T,)
        assert near.min() < 1e-6
        assert torch.allclose(reconstruction[number], shown[number][:, near.argmin()], atol=1e-5)


def test_the_study_gives_what_its_protocol_names(tokenizer) -> None:
    numbers = perceptual_switches.run(1)
    assert set(tokenizer.asked) == {"actions/vqgan-replicate", "actions/videos"}
    assert tuple(numbers) == ("range", "dropout") and tuple(numbers["range"]) == SIZES
    assert all(tuple(numbers["range"][size]) == ("term", "gradient", "cosine") for size in SIZES)
    assert tuple(numbers["dropout"]) == ("term", "frame", "cosine")
    assert all(isfinite(value) for _, value in leaves(numbers))
    (study,) = perceptual_switches.studies()
    assert study.name == "perceptual-switches" and study.seeds_of == "initialisations"
    for name in ("range:", "dropout:", "term,", "gradient,", "frame,", "cosine,", "biases-N", "not measured"):
        assert name in study.protocol, name

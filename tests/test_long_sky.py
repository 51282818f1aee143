"""The study of long skies at the size of a test: who makes them, where one changes most, what is shown of it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tatslib.baselines.implicit import ImplicitConfig, ImplicitGenerator
from tatslib.metrics.features import ClassifierConfig, ClipClassifier, RandomFeatures
from tatslib.studies import long_sky, long_videos
from tatslib.studies.drift import Ruler
from tatslib.studies.packing import unpack
from tatslib.training.presets import PRESETS
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig
from tatslib.worlds import actions

TINY = VQGANConfig(
    frames=16, resolution=16, downsample=(4, 8, 8), hidden=8, encoder_blocks=0, decoder_blocks=1, codes=8, code_width=4
)
FRAMES = 128


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Everything small and untrained; the list says which models of which training seed were asked for."""
    asked = []

    def get(name: str, seed: int = 0) -> object:
        asked.append((name, seed))
        if name == "sky/implicit":
            return SimpleNamespace(model=ImplicitGenerator(ImplicitConfig(resolution=16, classes=1)))
        gpt = GPTConfig(codes=8, layers=1, heads=2, width=8, latent_shape=(4, 2, 2))
        return SimpleNamespace(model=(VQGAN(TINY) if "vqgan" in name else GPT(gpt)).eval())

    def ruler(clips: int, world: str) -> Ruler:
        assert world == "sky"
        shown = np.random.default_rng(1).integers(0, 256, (60, 16, 16, 16, 3), dtype=np.uint8)
        classifier = ClipClassifier(ClassifierConfig(classes=actions.CLASSES, frames=16, resolution=16, width=4)).eval()
        return Ruler(shown, shown[:20], torch.zeros(20), RandomFeatures(4).fit(shown), classifier)

    monkeypatch.setattr(long_sky, "recipes", SimpleNamespace(get=get))
    monkeypatch.setattr(long_sky, "ruler", ruler)
    monkeypatch.setattr(long_videos, "PRESETS", {"toy": PRESETS["toy"].replace(vqgan=TINY)})
    monkeypatch.setattr(long_videos, "BLOCK", 4)
    for name, value in {"FRAMES": FRAMES, "VIDEOS": 10, "BLOCK": 4}.items():
        monkeypatch.setattr(long_sky, name, value)
    return asked


@pytest.mark.parametrize("arm", [*long_sky.ARMS, *long_sky.OPPONENT])
def test_every_arm_makes_skies_of_the_length_by_models_of_the_seed(tiny, arm: str) -> None:
    frames = (long_sky.ARMS | long_sky.OPPONENT)[arm](2, 3, 32).frames
    assert frames.shape == (3, 32, 16, 16, 3) and frames.dtype == np.uint8
    assert {seed for _, seed in tiny} <= {2}


def test_the_study_measures_every_arm_and_asks_for_no_class(tiny) -> None:
    numbers = long_sky.run(1)
    assert set(numbers) == {"real", "rebuilt", "base-3", "base-1"}
    for made in numbers.values():
        assert set(made["quality"]) == {"random", "classifier"}
        assert {"ssim", "colour"} <= set(made["ends"]) and not {"ccs", "named"} & set(made)


@pytest.mark.parametrize("turn", (60, 100, 150))
def test_the_turn_is_where_the_colours_change_for_good(turn: int) -> None:
    video = np.full((200, 8, 8, 3), 90, np.uint8)
    video[turn:, :4] = 160
    video[40] = 255  # a flash is no turn
    assert abs(long_sky.turning(video) - turn) <= long_sky.APART


def test_three_paces_stay_inside_the_video() -> None:
    for turn in (0, 500, 1023):
        shown = long_sky.paces(turn, 1024)
        assert all(0 <= frame < 1024 for frames in shown.values() for frame in frames)
        assert [len(frames) for frames in shown.values()] == [11, 11, 11]


def test_the_samples_are_frames_of_the_first_video(tiny) -> None:
    numbers = long_sky.samples(0)
    first = long_sky.real(0, 10, FRAMES).frames
    assert np.array_equal(unpack(numbers["real"]["ends"]), first[:, [0, -1]])
    assert np.array_equal(unpack(numbers["real"]["paces"]["every-100th"]), first[0, [0, 100]])


def test_the_opponent_is_measured_by_the_same_rulers(tiny) -> None:
    numbers = long_sky.run(1, long_sky.OPPONENT)
    assert set(numbers) == {"implicit"} and set(numbers["implicit"]) == set(long_sky.run(1)["real"])
    assert ("sky/implicit", 1) in tiny

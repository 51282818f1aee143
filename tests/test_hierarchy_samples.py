"""The pictures of videos of several levels: which they are, and that they are frames of what was drawn."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from tatslib.studies import hierarchy_samples
from tatslib.studies.packing import unpack
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig
from tatslib.worlds import actions

TINY = VQGANConfig(
    frames=8, resolution=16, downsample=(2, 8, 8), hidden=8, encoder_blocks=0, decoder_blocks=1, codes=8, code_width=4
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """The tokenizer untrained, samplers that write down what they are asked for."""
    found: list[tuple[object, ...]] = []
    vqgan = VQGAN(TINY).eval()
    monkeypatch.setattr(hierarchy_samples, "recipes", SimpleNamespace(get=lambda *_: SimpleNamespace(model=vqgan)))

    def sampler(*made_of: object) -> object:
        def sample(words: Tensor, latent_frames: int, seed: int) -> Tensor:
            found.append((*made_of, words.flatten().tolist(), latent_frames, seed))
            return torch.arange(latent_frames)[None, :, None, None].repeat(len(words), 1, 2, 2) % 8

        return sample

    monkeypatch.setattr(hierarchy_samples.hierarchy, "base", sampler)
    monkeypatch.setattr(hierarchy_samples.hierarchy, "planned", sampler)
    return found


def test_the_first_video_of_each_class_is_drawn_by_models_of_the_seed_without_and_with_one_and_two_fillers(asked):
    hierarchy_samples.run(3)
    words = [actions.CLASSES.index(name) for name in hierarchy_samples.SHOWN]
    levels = [1, ("sparse", "filler"), ("sparsest", "filler-sparse", "filler")]
    assert asked == [(3, how, words, 512, 3) for how in levels]


def test_what_is_packed_is_every_50th_frame_of_what_was_drawn(asked, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.random.default_rng(0).integers(0, 256, (2, 1024, 8, 8, 3), dtype=np.uint8)
    monkeypatch.setattr(hierarchy_samples, "decoded_films", lambda *_: drawn)
    numbers = hierarchy_samples.run(0)
    assert numbers["every"] == 50 and numbers["classes"] == list(hierarchy_samples.SHOWN)
    assert set(numbers) == {"classes", "every", "base-1", "two-levels", "three-levels"}
    assert np.array_equal(unpack(numbers["three-levels"]), drawn[:, ::50])

"""What tokens cost and what may be drawn: the studies of the second stage, on small things."""

import numpy as np
import pytest
import torch

from tatslib.errors import UserError
from tatslib.metrics.features import ClassifierConfig, ClipClassifier, RandomFeatures
from tatslib.metrics.variety import variety
from tatslib.randomness import torch_generator
from tatslib.sampling.filters import Filters
from tatslib.studies import draws, drift, likelihood
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.vqgan.vqgan import VQGAN
from tests.test_equivariance import SMALL

CONFIG = GPTConfig(codes=8, condition_codes=3, latent_shape=(2, 2, 2), layers=1, heads=2, width=8)


def gpt() -> GPT:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = GPT(CONFIG)
        torch.nn.init.normal_(model.head.weight)
    return model.eval()


def noise(count: int, frames: int = 16, size: int = 24) -> torch.Tensor:
    generator = torch_generator(0, "test/clips")
    return torch.randint(0, 256, (count, frames, size, size, 3), generator=generator).to(torch.uint8)


def test_variety_is_the_mean_difference_of_pairs_and_zero_for_copies() -> None:
    clips = np.zeros((5, 1, 2, 2, 3), np.uint8)
    clips[1], clips[2] = 30, 90  # class 0 holds clips 0, 1, 2: differences 30, 90, 60
    found = variety(clips, torch.tensor([0, 0, 0, 4, 4]))
    assert found.tolist() == pytest.approx([60, 0])
    with pytest.raises(UserError, match="class 4 has one clip"):
        variety(clips[:4], torch.tensor([0, 0, 0, 4]))


def test_windows_never_drawn_are_all_the_others() -> None:
    class Data:
        frames, span = [4, 5], 3

        def __len__(self) -> int:
            return 2

        def places(self, step: int, count: int) -> list[tuple[int, int]]:
            return [[(0, 0), (1, 2)], [(1, 0), (1, 0)], [(0, 1), (1, 1)]][step][:count]

    assert likelihood.windows_never_drawn(Data(), clips=4, batch=2) == [(0, 1), (1, 1)]
    assert likelihood.windows_never_drawn(Data(), clips=6, batch=2) == []


def test_the_words_of_all_classes_are_tried_and_mixed_by_bayes() -> None:
    model = gpt()
    tokens = torch.randint(0, 8, (5, 2, 2, 2), generator=torch_generator(0, "test/tokens"))
    each = likelihood.under_each_word(model, tokens)
    with torch.no_grad():
        second = model.loss(torch.tensor([[1]]), tokens[3:4])
    assert each.shape == (5, 3) and each[3, 1].item() == pytest.approx(-8 * second.item(), rel=1e-5)
    share = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    mixed = likelihood.without_word(each, share)
    assert torch.allclose(mixed.exp(), (each.exp() * share).sum(1))
    assert torch.allclose(likelihood.without_word(each[:, :1].repeat(1, 3), share), each[:, 0])


def test_clips_are_drawn_class_by_class_with_the_same_luck() -> None:
    model, vqgan = GPT(CONFIG.replace(codes=SMALL.codes, latent_shape=SMALL.latent_shape)).eval(), VQGAN(SMALL).eval()
    assert draws.labels_of(model, 2).tolist() == [0, 0, 1, 1, 2, 2]
    first, again = (draws.draw(model, vqgan, Filters(), seed=3, clips_a_class=2) for _ in range(2))
    assert first.shape[0] == 6 and first.dtype == np.uint8 and np.array_equal(first, again)


def test_real_clips_in_the_place_of_drawn_ones_score_as_real_ones_do() -> None:
    real, training = noise(100).numpy(), noise(140).numpy()
    labels = torch.arange(100) % 2
    classifier = ClipClassifier(ClassifierConfig(classes=("a", "b"), width=8)).eval()
    rods = drift.Ruler(training, real, labels, RandomFeatures(4).fit(training), classifier)
    measured = draws.measure(real, labels, draws.Target.of(real, labels, rods))
    assert set(measured) == set(draws.RULERS)
    assert measured["variety"] == pytest.approx(1)
    assert measured["random"] == measured["classifier"] == measured["nearest"] == pytest.approx(0, abs=1e-6)


def test_the_paper_s_top_k_keeps_the_same_share_of_fewer_codes() -> None:
    paper, ours = draws.settings(16384), draws.settings(512)
    assert paper["paper"] == Filters(top_k=2048, top_p=0.8) and paper["released"] == Filters(top_k=2048, top_p=0.92)
    assert ours["k"].top_k == 64 and list(ours) == list(paper)

"""The interpolation transformer: its shape, its loss, its training, and how its anchors are read."""

import json
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from tatslib.config import explain
from tatslib.datasets.tokens import TokenClips, TokenIndex
from tatslib.errors import UserError
from tatslib.randomness import torch_generator
from tatslib.sampling.interpolation import fill_in
from tatslib.training.checkpoint import load_model, read_config
from tatslib.training.train_interpolation import (
    GAP,
    InterpolationTraining,
    evaluate_interpolation,
    interpolation_config,
)
from tatslib.training.train_transformer import evaluate_transformer, train_transformer
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tests.test_decode import lively_gpt

TINY = InterpolationConfig(codes=9, latent_shape=(4, 1, 3), layers=2, heads=2, width=8)
ONE = torch.zeros(2, 1, dtype=torch.int64)


def crossed(clips: int = 512) -> TokenClips:
    """Clips whose gap is determined by the anchors: first the one's tokens, then the other's."""
    generator = torch_generator(0, "test/crossed")
    a, b = torch.randint(8, (2, clips, 1, 4), generator=generator)
    index = TokenIndex(clips=clips, codes=8, latent_shape=(4, 1, 4), vqgan="0" * 12)
    return TokenClips(torch.stack([a, b, a, b], dim=1), torch.zeros(clips, dtype=torch.int64), index)


@pytest.fixture(scope="module")
def crossing(tmp_path_factory: pytest.TempPathFactory) -> tuple[GPT, Path]:
    data, run = crossed(), tmp_path_factory.mktemp("run")
    training = InterpolationTraining(steps=150, batch=32, learning_rate=5e-3, warmup=20)
    return train_transformer(interpolation_config(data.index, 2, 4, 32), training, data, run), run


def test_the_defaults_are_the_papers_interpolation_transformer() -> None:
    with torch.device("meta"):
        parameters = sum(parameter.numel() for parameter in GPT(InterpolationConfig(condition_codes=0)).parameters())
    assert round(parameters / 1e6, 1) == 337.2
    assert InterpolationConfig().block_size == 1280 and InterpolationConfig().ratio == 4


def test_the_configs_of_other_transformers_stay_what_they_were() -> None:
    assert GPTConfig().fingerprint == "69272dce1390" and "mask" not in GPTConfig().model_dump()


def test_a_window_without_a_gap_is_refused_with_its_numbers() -> None:
    with pytest.raises(ValidationError) as caught:
        InterpolationConfig(latent_shape=(2, 4, 4))
    assert "2 latent frames of 16 tokens after 1 condition tokens leave nothing to fill in" in explain(caught.value)
    with pytest.raises(UserError, match="clips of 2 latent frames have no gap"):
        interpolation_config(crossed().every(2).index, 1, 1, 8)


def test_the_loss_counts_the_gap_or_as_released_everything() -> None:
    gpt = lively_gpt(TINY)
    tokens = torch.randint(9, (2, 4, 1, 3), generator=torch_generator(0, "test"))
    each = gpt.token_losses(ONE, tokens)
    torch.testing.assert_close(gpt.loss(ONE, tokens, GAP), each[:, 1:-1].mean())
    torch.testing.assert_close(gpt.loss(ONE, tokens), each.mean())
    assert InterpolationTraining(steps=1).counted_frames == GAP
    assert InterpolationTraining(steps=1, loss_over="all").counted_frames == slice(None)


def test_a_whole_sequence_is_read_with_the_mask_of_the_config_and_no_other_length_without_one() -> None:
    gpt = lively_gpt(TINY)
    tokens = torch.randint(9, (2, TINY.block_size), generator=torch_generator(0, "test"))
    torch.testing.assert_close(gpt(tokens), gpt(tokens, TINY.attention.tensor()))
    with pytest.raises(UserError, match=r"mask is \(12, 12\) but the sequence needs \(5, 5\)"):
        gpt(tokens[:, :5])


def test_what_two_anchors_determine_is_learned_and_always_right(crossing: tuple[GPT, Path]) -> None:
    gpt, _ = crossing
    data = crossed()
    condition = torch.zeros(len(data), 1, dtype=torch.int64)
    truth = data.tokens[:, 1:-1, :, :-1]  # the last token of the last anchor is not read
    ours = fill_in(gpt, condition, data.tokens[:, 0], data.tokens[:, -1])[..., :-1] == truth
    theirs = fill_in(gpt, condition, data.tokens[:, 0], data.tokens[:, -1], reading="released")[..., :-1] == truth
    assert ours.float().mean() > 0.95
    assert theirs[:, 0].float().mean() < 0.3, "what the last anchor decides comes out by chance"
    assert theirs[:, 1].float().mean() > 0.95, "what the first one decides does not"


def test_the_evaluation_counts_the_gap_alone(crossing: tuple[GPT, Path]) -> None:
    gpt, _ = crossing
    data = crossed()
    assert evaluate_interpolation(gpt, data) == pytest.approx(evaluate_transformer(gpt, data, frames=GAP))
    assert evaluate_interpolation(gpt, data) < 0.5 * evaluate_transformer(gpt, data), "anchors were not trained"


def test_a_run_is_stored_with_its_mask_and_its_loss(crossing: tuple[GPT, Path]) -> None:
    gpt, run = crossing
    config = read_config(run, InterpolationConfig)
    assert config == gpt.config and config.mask == "interpolation"
    assert json.loads((run / "training.json").read_text())["loss_over"] == "gap"
    again = GPT(config)
    load_model(run, again)
    assert torch.equal(again.head.weight, gpt.head.weight)


def test_a_gap_depends_on_its_number_and_not_on_its_neighbours() -> None:
    gpt = lively_gpt(TINY, scale=1)
    first, last = torch.randint(9, (2, 3, 1, 3), generator=torch_generator(0, "test"))
    condition = torch.zeros(3, 1, dtype=torch.int64)
    together = fill_in(gpt, condition, first, last, seed=5)
    assert torch.equal(fill_in(gpt, condition[:1], first[2:], last[2:], seed=5, first_gap=2), together[2:])
    assert not torch.equal(fill_in(gpt, condition, first, last, seed=6), together)


def test_with_a_causal_mask_the_last_anchor_is_not_seen_and_with_the_others_it_is() -> None:
    first, last = torch.randint(9, (2, 64, 1, 3), generator=torch_generator(0, "test"))
    condition = torch.zeros(64, 1, dtype=torch.int64)
    for kind, seen in (("causal", False), ("leaking", True), ("interpolation", True)):
        gpt = lively_gpt(TINY.replace(mask=kind), scale=1)
        one, other = (fill_in(gpt, condition, first, anchor) for anchor in (last, (last + 4) % 9))
        assert torch.equal(one, other) is not seen


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"first": torch.zeros(2, 3, 1, dtype=torch.int64)}, r"the first anchor is .*\(2, frames, 1, 3\)"),
        ({"last": torch.full((2, 1, 3), 9)}, "the last anchor holds codes from 9 to 9"),
        ({"condition": torch.zeros(2, 2, dtype=torch.int64)}, r"shape \(2, 2\)"),
        ({"reading": "backwards"}, 'reading is "trained" or "released"'),
        ({"model": lively_gpt(GPTConfig(codes=9, latent_shape=(4, 1, 3), layers=1, heads=1, width=4))}, "goes on from"),
    ],
)
def test_impossible_requests_end_in_a_sentence(change: dict, sentence: str) -> None:
    anchor = torch.zeros(2, 1, 3, dtype=torch.int64)
    request = {"model": lively_gpt(TINY), "condition": ONE, "first": anchor, "last": anchor, **change}
    with pytest.raises(UserError, match=sentence):
        fill_in(**request)

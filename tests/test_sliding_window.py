"""Long videos: what a sliding window draws, depends on, refuses and keeps in memory."""

import gc

import pytest
import torch
from torch import Tensor

from tatslib.errors import UserError
from tatslib.sampling.filters import Filters
from tatslib.sampling.sliding_window import sample, stream
from tatslib.transformer.gpt import GPTConfig
from tests.test_decode import lively_gpt

CONFIG = GPTConfig(codes=11, condition_codes=3, latent_shape=(3, 2, 2), layers=2, heads=2, width=8)


def test_the_context_defaults_to_all_but_one_of_the_frames_in_the_window() -> None:
    gpt, condition = lively_gpt(CONFIG), torch.zeros(1, 1, dtype=torch.int64)
    default = sample(gpt, condition, 8, progress=False)
    assert torch.equal(default, sample(gpt, condition, 8, context_frames=2, progress=False))
    assert not torch.equal(default, sample(gpt, condition, 8, context_frames=1, progress=False))


def test_a_video_depends_on_its_number_and_not_on_its_neighbours() -> None:
    gpt, condition = lively_gpt(CONFIG), torch.tensor([[0], [1], [2]])
    together = sample(gpt, condition, 5, seed=3, progress=False)
    alone = sample(gpt, condition[2:], 5, seed=3, first_video=2, progress=False)
    assert torch.equal(together[2:], alone)
    assert not torch.equal(sample(gpt, condition, 5, seed=4, progress=False), together)


def test_condition_tokens_are_never_drawn_unless_asked_for() -> None:
    gpt, condition = lively_gpt(CONFIG), torch.zeros(2, 1, dtype=torch.int64)
    with torch.no_grad():
        gpt.ln_f.bias.fill_(1)
        gpt.head.weight[:3] = 50.0  # the model is sure that a condition token follows
        gpt.ln_f.weight.zero_()
    drawn = sample(gpt, condition, 4, progress=False)
    assert drawn.unique().numel() > 5
    released = sample(gpt, condition, 4, Filters(mask_condition_tokens=False), progress=False)
    assert not released.any(), "the released sampler turns drawn condition tokens into video code 0"


def test_frames_leave_while_later_ones_are_still_to_come_and_memory_stays_flat() -> None:
    gpt, condition = lively_gpt(CONFIG), torch.zeros(2, 1, dtype=torch.int64)
    frames = stream(gpt, condition, 10**9, seed=1)
    held = []
    for number, frame in zip(range(40), frames, strict=False):
        assert frame.shape == (2, 2, 2) and not frame.is_inference()
        if number in (5, 39):
            gc.collect()
            held.append(sum(thing.numel() for thing in gc.get_objects() if issubclass(type(thing), Tensor)))
    assert held[0] == held[1]


def test_streamed_frames_are_the_sampled_ones() -> None:
    gpt, condition = lively_gpt(CONFIG), torch.tensor([[1], [2]])
    streamed = torch.stack(list(stream(gpt, condition, 6, Filters(top_k=5), seed=2)), dim=1)
    assert torch.equal(streamed, sample(gpt, condition, 6, Filters(top_k=5), seed=2, progress=False))


def test_sampled_codes_can_be_trained_on() -> None:
    gpt, condition = lively_gpt(CONFIG), torch.zeros(2, 1, dtype=torch.int64)
    gpt.loss(condition, sample(gpt, condition, 3, progress=False)).backward()
    assert gpt.tok_emb.weight.grad is not None


def test_a_video_goes_on_from_latent_frames_that_are_given() -> None:
    gpt, condition = lively_gpt(CONFIG), torch.tensor([[1], [2]])
    whole = sample(gpt, condition, 7, seed=3, progress=False)
    for given in (1, 2, 4):
        rest = sample(gpt, condition, 7, seed=3, progress=False, start=whole[:, :given])
        assert torch.equal(rest, whole), given
    assert len(list(stream(gpt, condition, 7, start=whole[:, :4]))) == 3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"condition": torch.zeros(2, 2, dtype=torch.int64)}, r"shape \(2, 2\).*shape \(batch, 1\)"),
        ({"condition": torch.zeros(2, 1)}, "torch.float32"),
        ({"condition": torch.zeros(0, 1, dtype=torch.int64)}, "at least one"),
        ({"condition": torch.tensor([[3]])}, "from 3 to 3, but this transformer knows 0 to 2"),
        ({"condition": torch.tensor([[-1]])}, "from -1 to -1"),
        ({"latent_frames": 0}, "0 latent frames were asked for"),
        ({"start": torch.zeros(1, 2, 2, 2, dtype=torch.int64)}, "2 latent frames are there already"),
        (
            {"start": torch.zeros(2, 1, 2, 2, dtype=torch.int64)},
            r"start is .*shape \(2, 1, 2, 2\).*\(1, frames, 2, 2\)",
        ),
        ({"start": torch.full((1, 1, 2, 2), 11)}, "start holds codes from 11 to 11, .* 0 to 10"),
        ({"context_frames": 0}, "context of 0 latent frames is impossible.* 1 to 2"),
        ({"context_frames": 3}, "context of 3 latent frames is impossible.* 1 to 2"),
    ],
)
def test_impossible_requests_end_in_a_sentence_before_anything_is_drawn(change: dict, sentence: str) -> None:
    request = {"condition": torch.zeros(1, 1, dtype=torch.int64), "latent_frames": 2, **change}
    with pytest.raises(UserError, match=sentence):
        stream(lively_gpt(CONFIG), **request)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_damaged_model_is_named_in_a_sentence(value: float) -> None:
    gpt = lively_gpt(CONFIG)
    with torch.no_grad():
        gpt.pos_emb[6] = value  # first read for the second latent frame
    with pytest.raises(UserError, match="logits that are not finite"):
        sample(gpt, torch.zeros(1, 1, dtype=torch.int64), 3, progress=False)

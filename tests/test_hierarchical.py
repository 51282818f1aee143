"""Hierarchies: any length, any number of levels, frames that leave early, each decided by its number alone."""

import gc
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tatslib.errors import UserError
from tatslib.sampling import hierarchical, sliding_window
from tatslib.sampling.decode import Engine
from tatslib.sampling.filters import Filters
from tatslib.sampling.hierarchical import Hierarchy, gaps_that_pay, sample, stream
from tatslib.training.claim import claim_run
from tatslib.training.train_interpolation import InterpolationTraining, interpolation_config
from tatslib.training.train_transformer import TransformerTraining, gpt_config, tokenize, train_transformer
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.vqgan.vqgan import VQGAN
from tatslib.vqgan.windows import decode_stream
from tests.test_decode import lively_gpt
from tests.test_training import TINY, Noise

SHAPE = {"codes": 11, "condition_codes": 3, "layers": 1, "heads": 2, "width": 8}
CONDITION = torch.tensor([[1], [2]])


def anchors(**changes: int) -> GPT:
    return lively_gpt(GPTConfig(**{**SHAPE, **changes}, latent_shape=(3, 1, 2)), seed=1, scale=1)


def filler(window: int, seed: int = 2) -> GPT:
    return lively_gpt(InterpolationConfig(**SHAPE, latent_shape=(window, 1, 2)), seed=seed, scale=1)


THREE_LEVELS = Hierarchy(anchors(), [filler(5, 2), filler(5, 3)])


def test_gaps_are_filled_one_by_one_where_single_sequences_are_computed_in_c(monkeypatch) -> None:
    model = filler(5)
    monkeypatch.setattr(hierarchical, "library_for", lambda model: object())
    assert gaps_that_pay(model, 1) == 1
    others = [gaps_that_pay(model, 2), gaps_that_pay(model, 1, guidance=2.0)]
    engines = (Engine(native=False), Engine(weights="int8"), Engine(fixed_shapes=True))
    assert {*others, *(gaps_that_pay(model, 1, engine) for engine in engines)} == {hierarchical.GAPS}
    monkeypatch.setattr(hierarchical, "library_for", lambda model: None)
    assert gaps_that_pay(model, 1) == hierarchical.GAPS


def test_anchors_come_every_16_then_4_then_1() -> None:
    assert THREE_LEVELS.strides == (16, 4, 1)
    assert Hierarchy(anchors()).strides == (1,) and Hierarchy(anchors(), [filler(4)]).strides == (3, 1)
    assert THREE_LEVELS.needed(1) == [1, 1, 1]
    assert THREE_LEVELS.needed(17) == [2, 5, 17] and THREE_LEVELS.needed(18) == [3, 6, 18]


def test_a_hierarchy_without_fillers_is_the_sliding_window() -> None:
    plain = sliding_window.sample(anchors(), CONDITION, 9, seed=4, progress=False)
    assert torch.equal(sample(Hierarchy(anchors()), CONDITION, 9, seed=4, progress=False), plain)


@pytest.mark.parametrize("gaps_at_once", [1, 3, 16])
def test_a_frame_depends_on_its_video_and_number_and_not_on_batches_groups_or_length(gaps_at_once: int) -> None:
    whole = sample(THREE_LEVELS, CONDITION, 50, seed=3, progress=False)
    grouped = sample(THREE_LEVELS, CONDITION, 50, seed=3, gaps_at_once=gaps_at_once, progress=False)
    alone = sample(THREE_LEVELS, CONDITION[1:], 50, seed=3, first_video=1, gaps_at_once=gaps_at_once, progress=False)
    short = sample(THREE_LEVELS, CONDITION, 19, seed=3, gaps_at_once=gaps_at_once, progress=False)
    assert torch.equal(grouped, whole) and torch.equal(alone, whole[1:]) and torch.equal(short, whole[:, :19])
    assert not torch.equal(sample(THREE_LEVELS, CONDITION, 50, seed=4, progress=False), whole)


def test_every_level_has_its_own_filters() -> None:
    greedy, free = Filters(top_k=1), Filters()
    hierarchy = Hierarchy(anchors(), [filler(5)])
    one, other = (sample(hierarchy, CONDITION, 33, [free, greedy], seed=seed, progress=False) for seed in (1, 2))
    assert not torch.equal(one[:, ::4], other[:, ::4])
    one, other = (sample(hierarchy, CONDITION, 33, [greedy, free], seed=seed, progress=False) for seed in (1, 2))
    assert torch.equal(one[:, ::4], other[:, ::4]) and not torch.equal(one, other)


def test_the_first_frame_leaves_before_a_video_without_end_is_planned() -> None:
    frames = stream(THREE_LEVELS, CONDITION, 10**9, gaps_at_once=2)
    assert next(frames).shape == (2, 1, 2)


def test_1024_and_10000_frames_take_the_same_memory() -> None:
    held = {}
    number = 0
    for number, frame in enumerate(stream(THREE_LEVELS, CONDITION[:1], 10_000, seed=1), start=1):
        assert frame.shape == (1, 1, 2)
        if number in (1024, 9984):  # at the same place in a group of gaps of every level
            held[number] = live_tensors()
    assert number == 10_000 and held[1024] == held[9984]


def live_tensors() -> tuple[int, int]:
    """How many there are, and how many numbers they hold."""
    gc.collect()
    sizes = [thing.numel() for thing in gc.get_objects() if issubclass(type(thing), Tensor)]
    return len(sizes), sum(sizes)


def test_from_long_clips_to_the_frames_of_a_longer_video(tmp_path: Path) -> None:
    vqgan = VQGAN(TINY).eval()
    clips = tokenize(vqgan, Noise(length=18), clips=16)  # 9 latent frames
    assert clips.index.latent_shape == (9, 2, 2)
    sparse, middle, dense = clips.every(4), clips.every(2, frames=3), clips.every(1, frames=3)
    training = {"steps": 2, "batch": 4}
    top = train_transformer(gpt_config(sparse.index, 1, 2, 8), TransformerTraining(**training), sparse, tmp_path / "0")
    fillers = [
        train_transformer(
            interpolation_config(data.index, 1, 2, 8), InterpolationTraining(**training), data, tmp_path / str(stride)
        )
        for stride, data in ((2, middle), (1, dense))
    ]
    hierarchy = Hierarchy(top, fillers)
    assert hierarchy.strides == (4, 2, 1)
    condition = torch.zeros(1, 1, dtype=torch.int64)
    tokens = sample(hierarchy, condition, 11, progress=False)
    video = torch.cat(list(decode_stream(vqgan, stream(hierarchy, condition, 11), 11)), dim=2)
    with torch.no_grad():
        torch.testing.assert_close(video, vqgan.decode(tokens), atol=1e-5, rtol=1e-5)
    with pytest.raises(UserError, match="latent_stride is 2 there and 1 here"):
        claim_run(tmp_path / "2", fillers[1].config, InterpolationTraining(**training), dense.index)


def test_a_damaged_filler_is_named_in_a_sentence() -> None:
    broken = filler(4)
    with torch.no_grad():
        broken.pos_emb.fill_(float("nan"))
    with pytest.raises(UserError, match="logits that are not finite"):
        sample(Hierarchy(anchors(), [broken]), CONDITION, 5, progress=False)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"latent_frames": 0}, "0 latent frames were asked for"),
        ({"gaps_at_once": 0}, "0 gaps at once fill nothing"),
        ({"filters": [Filters()]}, "1 filters were given for a hierarchy of 3 levels"),
        ({"condition": torch.tensor([[3]])}, "from 3 to 3, but this transformer knows 0 to 2"),
        ({"context_frames": 3}, "context of 3 latent frames is impossible"),
        ({"reading": "backwards"}, 'reading is "trained" or "released", got .backwards'),
    ],
)
def test_impossible_requests_end_in_a_sentence_before_anything_is_drawn(change: dict, sentence: str) -> None:
    request = {"condition": CONDITION, "latent_frames": 3, **change}
    with pytest.raises(UserError, match=sentence):
        stream(THREE_LEVELS, **request)


def test_transformers_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(UserError, match="filling in takes one trained to interpolate"):
        Hierarchy(anchors(), [anchors()])
    with pytest.raises(UserError, match=r"\(12, 1, 2\) at the top and \(11, 1, 2\) below"):
        Hierarchy(anchors(codes=12), [filler(5)])
    with pytest.raises(UserError, match="fills in between two latent frames: it cannot go on"):
        sample(Hierarchy(filler(5)), CONDITION, 3, progress=False)

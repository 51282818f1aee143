"""Guidance: two streams in one batch, trained by leaving the condition out now and then."""

import shutil
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from tatslib.config import explain
from tatslib.errors import UserError
from tatslib.sampling import hierarchical
from tatslib.sampling.decode import Decoder, Engine
from tatslib.sampling.filters import Filters
from tatslib.sampling.guidance import GuidedDecoder, decoder_for
from tatslib.sampling.hierarchical import Hierarchy
from tatslib.sampling.interpolation import fill_in
from tatslib.sampling.noise import seeded_noise
from tatslib.sampling.sliding_window import sample
from tatslib.sampling.storyline import TokenStory
from tatslib.training.checkpoint import newest, read_config, weights_fingerprint
from tatslib.training.loop import Share
from tatslib.training.train_guided import GuidedInterpolationTraining, GuidedTraining, guidable
from tatslib.training.train_interpolation import GAP, InterpolationTraining
from tatslib.training.train_transformer import TransformerTraining, gpt_config, train_transformer
from tatslib.transformer.conditions import (
    GuidedConfig,
    GuidedInterpolationConfig,
    null_condition,
    with_null,
)
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.transformer.masks import PADDING, causal_mask
from tests.test_decode import lively_gpt
from tests.test_training import stripes_tokens

SHAPE = {"codes": 9, "condition_codes": 4, "condition_length": 2, "layers": 2, "heads": 2, "width": 8}
CONFIG = with_null(GPTConfig(**SHAPE, latent_shape=(3, 2, 2)))
FILLING = with_null(InterpolationConfig(**SHAPE, latent_shape=(4, 2, 2)))
CONDITION = torch.tensor([[1, PADDING], [2, 3], [0, 0]])
FILTERS = Filters(top_k=5)


@torch.no_grad()
def naively_guided(gpt: GPT, condition: Tensor, frames: int, scale: float, noise: list[Tensor]) -> Tensor:
    """A clip by the definition: two whole forward passes for every token."""
    nothing = torch.full_like(condition, gpt.config.condition_codes - 1)
    video, first = condition[:, :0], gpt.config.condition_codes
    for luck in noise[: frames * gpt.config.frame_tokens]:
        told, untold = (
            gpt(torch.cat([words, video], 1), causal_mask(video.shape[1] + 2))[:, -1, first:]
            for words in (condition, nothing)
        )
        token = FILTERS.draw(untold + scale * (told - untold), luck) + first
        video = torch.cat([video, token[:, None]], dim=1)
    return (video - first).unflatten(1, (frames, 2, 2))


def test_one_condition_token_more_says_that_there_is_none() -> None:
    assert isinstance(CONFIG, GuidedConfig) and isinstance(FILLING, GuidedInterpolationConfig)
    assert (CONFIG.condition_codes, CONFIG.null_token, FILLING.null_token) == (5, 4, 4)
    assert null_condition(CONFIG, 2).tolist() == [[4, 4], [4, 4]] and FILLING.attention is not None
    assert GPTConfig().null_token is None and CONFIG.replace(layers=1).null_token == 4
    with pytest.raises(UserError, match="has a null token already, 4"):
        with_null(CONFIG)
    for kind in (GuidedConfig, GuidedInterpolationConfig):
        with pytest.raises(ValidationError) as caught:
            kind(condition_codes=1)
        assert "condition_codes 1 leave no condition beside" in explain(caught.value)


@pytest.mark.parametrize("scale", [0.0, 1.0, 2.5])
def test_guided_sampling_equals_two_naive_forward_passes(scale: float) -> None:
    gpt = lively_gpt(CONFIG, scale=1)
    noise = list(seeded_noise(3, range(3), 9, 2, "cpu", range(6)))
    drawn = sample(gpt, CONDITION, 3, FILTERS, noise=noise, progress=False, guidance=scale)
    assert torch.equal(drawn, naively_guided(gpt, CONDITION, 3, scale, noise))


def test_a_guidance_of_one_is_the_plain_sampler_in_one_stream_and_in_two() -> None:
    gpt = lively_gpt(CONFIG, scale=1)
    assert type(decoder_for(gpt, 2, 0, 1.0)) is Decoder and type(decoder_for(gpt, 2, 0, 1.5)) is GuidedDecoder
    plain = sample(gpt, CONDITION, 8, FILTERS, progress=False)
    assert torch.equal(sample(gpt, CONDITION, 8, FILTERS, progress=False, guidance=1.0), plain)
    one, two = Decoder(gpt, 3), GuidedDecoder(gpt, 3, guidance=1.0)
    tokens = torch.cat([CONDITION, torch.full((3, 2), 7)], dim=1)
    torch.testing.assert_close(two.prefill(tokens), one.prefill(tokens), atol=1e-12, rtol=0)
    for decoder in (one, two):
        noise = seeded_noise(3, range(3), 14, 2, "cpu", range(6))
        decoder.drawn = decoder.generate(decoder.prefill(tokens), 6, FILTERS, noise)  # type: ignore[attr-defined]
    assert torch.equal(one.drawn, two.drawn)  # type: ignore[attr-defined]


def test_without_any_guidance_the_condition_does_not_matter_and_with_more_it_matters_more() -> None:
    gpt = lively_gpt(CONFIG, scale=1)
    ignored = [sample(gpt, words.expand(1, -1), 6, FILTERS, progress=False, guidance=0.0) for words in CONDITION]
    assert all(torch.equal(ignored[0], other) for other in ignored[1:])
    decoder, plain = GuidedDecoder(gpt, 3, guidance=3.0), Decoder(gpt, 3)
    untold = plain.prefill(null_condition(CONFIG, 3))
    told = plain.prefill(CONDITION) - untold
    torch.testing.assert_close(decoder.prefill(CONDITION) - untold, 3 * told, atol=1e-10, rtol=1e-10)


def test_windows_gaps_and_hierarchies_are_guided_and_a_cache_of_fixed_shapes_changes_nothing() -> None:
    gpt, filler = lively_gpt(CONFIG, scale=1), lively_gpt(FILLING, 1, scale=1)
    first, last = torch.arange(24).view(2, 3, 2, 2) % 9
    story = TokenStory(torch.arange(3 * 20).view(3, 20, 1, 1) % 4)
    shapes = (Engine(fixed_shapes=True), Engine(fixed_shapes=False))
    for ways in (
        [sample(gpt, CONDITION, 8, progress=False, engine=engine, guidance=2.0) for engine in shapes],
        [fill_in(filler, CONDITION, first, last, engine=engine, guidance=2.0) for engine in shapes],
        [
            hierarchical.sample(Hierarchy(gpt, [filler]), CONDITION, 8, progress=False, engine=engine, guidance=2.0)
            for engine in shapes
        ],
    ):
        assert torch.equal(*ways)
    plain = fill_in(filler, CONDITION, first, last)
    assert not torch.equal(fill_in(filler, CONDITION, first, last, guidance=2.0), plain)
    single = lively_gpt(with_null(GPTConfig(**{**SHAPE, "condition_length": 3}, latent_shape=(3, 2, 2))), scale=1)
    led = [sample(single, story, 8, progress=False, guidance=scale) for scale in (1.0, 3.0)]
    assert led[0].shape == (3, 8, 2, 2) and not torch.equal(*led)


def test_a_guided_video_does_not_depend_on_its_neighbours() -> None:
    gpt = lively_gpt(CONFIG, scale=1)
    together = sample(gpt, CONDITION, 5, progress=False, guidance=2.0)
    assert torch.equal(sample(gpt, CONDITION[2:], 5, first_video=2, progress=False, guidance=2.0), together[2:])


def test_what_cannot_be_guided_says_why() -> None:
    plain = lively_gpt(GPTConfig(**SHAPE, latent_shape=(3, 2, 2)))
    with pytest.raises(UserError, match=r"condition dropout \(--condition-dropout\), or leave guidance at 1"):
        sample(plain, CONDITION, 2, progress=False, guidance=2.0)
    for bad in (-1.0, float("nan"), float("inf")):
        with pytest.raises(UserError, match="guidance is a number from 0 on, 1 for none"):
            sample(plain, CONDITION, 2, progress=False, guidance=bad)


# ----------------------------------------------------------------------------------------------------------- training
def test_the_condition_is_left_out_for_the_stated_share_whoever_computes_it() -> None:
    training = GuidedTraining(steps=1, batch=12, condition_dropout=0.3)
    rows = torch.arange(12)[:, None] % 3
    config = with_null(GPTConfig(condition_codes=3))

    def told(step: int, share: Share) -> Tensor:
        return training.told(rows[share.index :: share.of], config, step, share)

    whole = [told(step, Share(0, 1)) for step in range(200)]
    left_out = torch.stack(whole) == 3
    assert abs(left_out.float().mean().item() - 0.3) < 0.03
    assert torch.equal(torch.stack(whole)[~left_out], rows.expand(200, 12, 1)[~left_out])
    for step in range(5):
        parts = torch.stack([told(step, Share(index, 4)) for index in range(4)], dim=1).flatten(0, 1)
        assert torch.equal(parts, whole[step])
    assert torch.equal(told(0, Share(0, 1)), whole[0]) and not torch.equal(whole[0], whole[1])
    with pytest.raises(UserError, match="train it with a condition dropout"):
        training.told(rows, GPTConfig(condition_codes=3), 0, Share(0, 1))


def test_a_guided_transformer_learns_both_voices_and_guidance_leans_to_the_one(tmp_path: Path) -> None:
    clips = stripes_tokens()
    config = with_null(gpt_config(clips.index, layers=1, heads=2, width=16))
    training = GuidedTraining(steps=80, batch=8, learning_rate=1e-2, warmup=5, condition_dropout=0.3)
    gpt = train_transformer(config, training, clips, tmp_path)
    assert read_config(tmp_path, GuidedConfig, expected=config).null_token == 2
    even = clips.labels == 0
    tokens, label = clips.tokens[even][:1], torch.zeros(1, 1, dtype=torch.int64)
    first = [gpt.token_losses(words, tokens)[0, 0, 0, 0].item() for words in (label, null_condition(config, 1))]
    assert first[0] < 0.3 < first[1], "half of the clips begin otherwise, and who is not told cannot know"
    plain, guided = Decoder(gpt, 1, config.condition_codes), GuidedDecoder(gpt, 1, config.condition_codes, 3.0)
    even_over_odd = [logits[0, 0] - logits[0, 1] for logits in (plain.prefill(label), guided.prefill(label))]
    assert even_over_odd[1] > even_over_odd[0] + 1


def test_a_guided_run_that_was_broken_off_leaves_out_the_same_conditions(tmp_path: Path) -> None:
    clips = stripes_tokens()
    config = with_null(gpt_config(clips.index, layers=1, heads=2, width=16))
    training = GuidedTraining(steps=6, batch=8, save_every=3, condition_dropout=0.3)
    unbroken = train_transformer(config, training, clips, tmp_path)
    shutil.rmtree(tmp_path / "checkpoints" / "step_00000006")
    resumed = train_transformer(config, training, clips, tmp_path)
    assert newest(tmp_path) is not None and len((tmp_path / "log.jsonl").read_text().splitlines()) == 6
    assert weights_fingerprint(resumed) == weights_fingerprint(unbroken)


def test_a_training_that_can_be_guided_says_so_or_says_why_not(tmp_path: Path) -> None:
    plain, training = GPTConfig(condition_codes=3), InterpolationTraining(steps=5)
    assert guidable(plain, training, 0.0, tmp_path) == (plain, training)
    config, guided = guidable(plain, training, 0.2, tmp_path)
    assert config == with_null(plain) and isinstance(guided, GuidedInterpolationTraining)
    assert guided.model_dump() == {**training.model_dump(), "condition_dropout": 0.2}
    with pytest.raises(UserError, match="these clips have no class, text or sound"):
        guidable(GPTConfig(), training, 0.2, tmp_path)
    for never in (0.0, 1.0):
        with pytest.raises(ValidationError, match="condition_dropout"):
            GuidedTraining(steps=1, condition_dropout=never)


def test_the_plain_training_tells_everything_and_keeps_its_fingerprint() -> None:
    training, rows = TransformerTraining(steps=1), torch.ones(4, 1, dtype=torch.int64)
    assert training.told(rows, GPTConfig(), 0, Share(0, 1)) is rows
    assert "condition_dropout" not in training.model_dump()
    assert GuidedInterpolationTraining(steps=1).counted_frames == GAP
    assert {"condition_dropout", "loss_over"} <= set(GuidedInterpolationTraining(steps=1).model_dump())

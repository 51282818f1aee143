"""What stands before the video: its tokens, its padding that nobody looks at, and where a token set keeps it."""

from pathlib import Path
from unittest import mock

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import Tensor

from tatslib.datasets.tokens import TokenClips, TokenIndex
from tatslib.errors import UserError
from tatslib.randomness import torch_generator
from tatslib.sampling.decode import Decoder
from tatslib.sampling.kv_cache import KVCache
from tatslib.sampling.sliding_window import sample
from tatslib.training.train_sound import SOUND_PRESETS, evaluate_sound, train_sound
from tatslib.training.train_transformer import TransformerTraining, evaluate_transformer, gpt_config, train_transformer
from tatslib.training.train_vqgan import VQGANTraining
from tatslib.transformer.conditions import (
    RELEASED_TEXT,
    START,
    class_condition,
    class_prefix,
    sound_condition,
    sound_prefix,
    start_condition,
    text_condition,
)
from tatslib.transformer.gpt import GPTConfig
from tatslib.transformer.masks import PADDING, causal_mask
from tatslib.vqgan.sound import SoundVQGANConfig, encode_sound
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig
from tests.test_decode import lively_gpt

SHAPE = {"codes": 9, "condition_codes": 4, "condition_length": 5, "latent_shape": (3, 2, 2)}
CONFIG = GPTConfig(**SHAPE, layers=2, heads=2, width=8)
TEXTS = torch.tensor([[2, 0, 3, 1, 0], [1, 0, 0, 0, 0], [3, 2, 1, 3, 1]])  # the 0 in the first one is a word
SOUND = SoundVQGANConfig(frames=4, downsample=(2, 16, 8), hidden=2, decoder_blocks=1, codes=8, code_width=4)


class Hum:
    """Sound with a loud band that moves, a pure function of the step."""

    def clips_with_sound(self, step: int, batch_size: int, rank: int = 0, world_size: int = 1) -> tuple[Tensor, Tensor]:
        phases = torch.rand(batch_size * world_size, generator=torch_generator(0, "hum", step))[rank::world_size]
        bands, frames = torch.arange(64).view(64, 1), torch.arange(4).view(4, 1, 1)
        loud = torch.sin(phases.view(-1, 1, 1, 1) * 7 + frames / 2 + bands / 8)  # (B, T, F, 1)
        return torch.zeros(0), loud.expand(-1, -1, -1, 16)[:, None].contiguous()


def test_what_a_text_is_filled_up_with_is_hidden_and_what_stands_between_its_words_is_not() -> None:
    hidden = text_condition(TEXTS)
    assert hidden.tolist() == [[2, 0, 3, 1, -1], [1, -1, -1, -1, -1], [3, 2, 1, 3, 1]]
    assert torch.equal(text_condition(TEXTS, "released"), TEXTS)


@pytest.mark.parametrize(
    ("ids", "padding", "sentence"),
    [
        (TEXTS.int(), "masked", "text ids are int64"),
        (TEXTS - 1, "masked", "text ids start at 0, got -1"),
        (torch.tensor([[1, 0], [0, 0]]), "masked", "text 1 of 2 has no token"),
        (TEXTS, "hidden", 'padding is "masked" or "released"'),
    ],
)
def test_texts_that_are_none_are_refused(ids: Tensor, padding: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        text_condition(ids, padding)  # type: ignore[arg-type]


def test_padding_is_what_a_mask_for_each_text_would_hide() -> None:
    gpt, condition = lively_gpt(CONFIG), text_condition(TEXTS)
    video = torch.randint(4, 13, (3, 11), generator=torch_generator(0, "test"))
    with torch.no_grad():
        logits = gpt(torch.cat([condition, video], dim=1))
        for text in range(3):
            mask = causal_mask(16)
            mask[:, :5] &= condition[text] >= 0
            expected = gpt(torch.cat([TEXTS[text], video[text]])[None], mask)
            torch.testing.assert_close(logits[text : text + 1], expected, atol=1e-12, rtol=1e-12)


def test_released_padding_is_looked_at_and_changes_what_follows() -> None:
    gpt, video = lively_gpt(CONFIG), torch.zeros(3, 3, 2, 2, dtype=torch.int64)
    masked, released = (gpt.token_losses(text_condition(TEXTS, way), video) for way in ("masked", "released"))
    assert [torch.allclose(*pair, atol=1e-3) for pair in zip(masked, released, strict=True)] == [False, False, True]


def test_gradients_of_a_loss_with_padding_are_finite_in_both_ways_of_attending() -> None:
    video = torch.zeros(3, 3, 2, 2, dtype=torch.int64)
    found = []
    for dtype in (torch.float32, torch.bfloat16):  # the second writes its softmax out
        gpt = lively_gpt(CONFIG, scale=0.1).to(dtype)
        (gradient,) = torch.autograd.grad(gpt.loss(text_condition(TEXTS), video), gpt.tok_emb.weight)
        found.append(gradient.float())
        assert found[-1].isfinite().all()
    torch.testing.assert_close(*found, atol=0.02, rtol=0.1)


def test_nothing_is_paid_for_padding_where_there_is_none() -> None:
    gpt = lively_gpt(CONFIG)
    with mock.patch("tatslib.transformer.gpt.without_padding", side_effect=AssertionError):
        gpt(torch.zeros(2, 9, dtype=torch.int64))
    assert KVCache(lively_gpt(CONFIG.replace(condition_length=1)), 3, 8).shown.shape[0] == 1


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:1]])  # a single sequence may take another way
def test_cached_steps_look_past_the_padding_of_each_sequence(texts: Tensor) -> None:
    gpt, condition = lively_gpt(CONFIG), text_condition(texts)
    video = torch.randint(4, 13, (len(texts), 9), generator=torch_generator(0, "test"))
    with torch.no_grad():
        naive = gpt(torch.cat([condition, video], dim=1))[:, 4:]
    decoder = Decoder(gpt, 4)
    decoder.prefill(torch.cat([text_condition(texts).flip(0), video], dim=1))  # an earlier one must leave no trace

    def cached() -> Tensor:
        first = decoder.prefill(torch.cat([condition, video[:, :2]], dim=1))
        return torch.stack([first, *(decoder.step(token) for token in video[:, 2:].unbind(1))], dim=1)

    torch.testing.assert_close(cached(), naive[:, 2:], atol=1e-10, rtol=1e-10)
    with mock.patch.object(KVCache, "hide"):
        assert not torch.allclose(cached(), naive[:, 2:], atol=1e-3), "the test would not see unmasked steps"


def test_a_condition_that_cannot_be_read_is_refused_in_a_sentence() -> None:
    gpt = lively_gpt(CONFIG)
    for bad, sentence in ((-2, "holds values from -2"), (4, "to 4, but this transformer knows 0 to 3")):
        with pytest.raises(UserError, match=sentence):
            sample(gpt, torch.full((1, 5), bad), 1, progress=False)
    with pytest.raises(UserError, match="begins with padding"):
        sample(gpt, torch.tensor([[PADDING, 1, 1, 1, 1]]), 1, progress=False)
    single = lively_gpt(CONFIG.replace(condition_length=1))
    with pytest.raises(UserError, match="holds values from -1"):
        sample(single, torch.tensor([[PADDING]]), 1, progress=False)


def test_classes_and_sound_become_prefix_tokens_with_the_released_vocabularies() -> None:
    assert class_condition(torch.tensor([3, 5])).tolist() == [[3], [5]]
    assert start_condition(2).tolist() == [[0], [0]]
    tokens = torch.arange(2 * 4 * 3 * 2).view(2, 4, 3, 2)
    assert sound_condition(tokens)[1].tolist() == list(range(24, 48))
    text = RELEASED_TEXT.before(GPTConfig())
    assert (text.vocabulary, text.block_size) == (49408 + 16384, 256 + 1024 - 1)
    assert (class_prefix(101).before(GPTConfig()).block_size, START.before(GPTConfig()).vocabulary) == (1024, 16385)
    assert sound_prefix(SoundVQGANConfig()).length == 128 and sound_prefix(SOUND, frames=6).length == 3 * 4 * 2
    with pytest.raises(UserError, match="the sound of 5 frames is no multiple of the 2"):
        sound_prefix(SOUND, frames=5)


def test_a_prefix_refuses_rows_that_are_not_its_own() -> None:
    prefix = RELEASED_TEXT.replace(codes=4, length=5)
    prefix.check(text_condition(TEXTS))
    for rows, sentence in (
        (TEXTS[:, :3], r"int64 \(clips, 5\), got torch.int64 \(3, 3\)"),
        (TEXTS + 1, "hold 0 to 3, or -1 behind the first token; got 1 to 4"),
        (TEXTS.masked_fill(TEXTS == 1, PADDING), "beginning with -1"),
    ):
        with pytest.raises(UserError, match=sentence):
            prefix.check(rows)


# ------------------------------------------------------------------------------------------------------ token sets
def told_tokens() -> TokenClips:
    """Clips of one token over and over, which their condition names."""
    labels = torch.arange(12) % 2
    tokens = (labels * 3 + 1).view(-1, 1, 1, 1).expand(-1, 2, 2, 2)
    index = TokenIndex(clips=12, codes=8, latent_shape=(2, 2, 2), vqgan="0" * 12)
    return TokenClips(tokens, torch.zeros_like(labels), index, conditions=texts_of(labels))


def texts_of(labels: Tensor) -> Tensor:
    """Two words about the one kind of clip, one about the other."""
    return torch.stack([labels + 1, torch.where(labels == 0, 3, PADDING)], dim=1)


def test_conditions_stay_with_their_clips_and_come_back_from_disk(tmp_path: Path) -> None:
    clips = told_tokens()
    clips.write(tmp_path)
    back = TokenClips.read(tmp_path)
    texts = texts_of(torch.arange(12) % 2)
    assert back.conditions is not None and torch.equal(back.conditions, texts)
    for step, rank in ((0, 0), (5, 1)):
        tokens, _ = back.batch(step, 3, rank=rank, world_size=2)
        rows = back.batch_conditions(step, 3, rank=rank, world_size=2)
        assert rows is not None and rows.dtype == torch.int64
        assert torch.equal((rows[:, 0] - 1) * 3 + 1, tokens[:, 0, 0, 0])
    pair = back.windows(2, 1).conditions
    assert pair is not None and torch.equal(pair, texts)
    for cut in (lambda: back.windows(1, 1), lambda: back.every(2)):
        with pytest.raises(UserError, match="of 2 latent frames is not that of 1 of them"):
            cut()
    with pytest.raises(UserError, match=r"conditions are \(3, 2\) beside 12 clips"):
        back.with_conditions(torch.zeros(3, 2))


def test_a_set_without_conditions_is_written_as_ever(tmp_path: Path) -> None:
    clips = told_tokens()
    TokenClips(clips.tokens, clips.labels, clips.index).write(tmp_path)
    assert set(load_file(tmp_path / "tokens.safetensors")) == {"tokens", "labels"}
    assert TokenClips.read(tmp_path).batch_conditions(0, 2) is None


def test_a_transformer_learns_what_its_texts_say(tmp_path: Path) -> None:
    clips = told_tokens()
    prefix = RELEASED_TEXT.replace(codes=4, length=2)
    config = prefix.before(gpt_config(clips.index, layers=1, heads=2, width=16))
    training = TransformerTraining(steps=40, batch=4, learning_rate=2e-2, warmup=5)
    gpt = train_transformer(config, training, clips, tmp_path)
    misled = clips.with_conditions(texts_of(1 - torch.arange(12) % 2))
    assert evaluate_transformer(gpt, clips) < 0.2 < evaluate_transformer(gpt, misled)


# ----------------------------------------------------------------------------------------------------------- sound
def test_the_vqvae_of_sound_has_one_channel_and_a_grid_that_is_no_square() -> None:
    assert SoundVQGANConfig().latent_shape == (4, 8, 4) and SOUND.latent_shape == (2, 4, 2)
    vqgan = VQGAN(SOUND).eval()
    spectrograms = Hum().clips_with_sound(0, 3)[1]
    tokens = encode_sound(vqgan, spectrograms)
    assert tokens.shape == (3, 2, 4, 2) and tokens.dtype == torch.int64 and tokens.device.type == "cpu"
    assert vqgan.decode(tokens).shape == (3, 1, 4, 64, 16)
    assert sound_condition(tokens).shape == (3, sound_prefix(SOUND).length)
    with pytest.raises(UserError, match=r"\(batch, 1, frames, 64, 16\)"):
        encode_sound(vqgan, spectrograms[:, 0])
    with pytest.raises(UserError, match="turns videos into tokens"):
        encode_sound(VQGAN(VQGANConfig(hidden=1, resolution=16, code_width=2, codes=4)), spectrograms)
    with pytest.raises(ValidationError):
        SoundVQGANConfig(channels=3)
    with pytest.raises(ValidationError, match="bands 60 is not a multiple"):
        SoundVQGANConfig(bands=60)


def test_the_vqvae_of_sound_learns_in_a_folder_of_its_own(tmp_path: Path) -> None:
    training = VQGANTraining(steps=16, batch=4, learning_rate=3e-3, warmup_without_codes=4, l2_weight=2.0)
    vqgan = train_sound(SOUND, training, Hum(), tmp_path)
    scores = evaluate_sound(vqgan, Hum(), batches=2, batch=4)
    assert scores["psnr"] > evaluate_sound(VQGAN(SOUND), Hum(), batches=2, batch=4)["psnr"] + 1
    assert scores["clips"] == 8 and 0 < scores["used_codes"] <= 1
    with pytest.raises(UserError, match="says otherwise"):
        train_sound(SOUND.replace(codes=9), training, Hum(), tmp_path)


def test_every_scale_has_a_recipe_for_sound() -> None:
    for preset in SOUND_PRESETS.values():
        assert preset.vqgan.channels == 1 and preset.training.gan_start is None
        assert preset.training.perceptual_weight == 0, "a network that knows pictures has no say about sound"

"""Condition tokens, number for number: what the released stages make of labels, sound and nothing, and of text."""

import pytest
import torch

from tatslib.sampling.filters import Filters
from tatslib.sampling.sliding_window import sample
from tatslib.sampling.storyline import Constant
from tatslib.transformer.conditions import (
    Prefix,
    class_condition,
    class_prefix,
    sound_condition,
    sound_prefix,
    start_condition,
    text_condition,
)
from tatslib.transformer.gpt import GPTConfig
from tatslib.transformer.masks import PADDING
from tatslib.vqgan.official import config_of, rename_state
from tatslib.vqgan.sound import SoundVQGANConfig, encode_sound
from tatslib.vqgan.vqgan import VQGAN
from tests.parity.conftest import Compare
from tests.parity.fixtures import load, names_of_kind, state_of
from tests.parity.test_gpt import load_gpt, shape_of


@torch.no_grad()
@pytest.mark.parametrize("name", names_of_kind("net2net"))
def test_prefix_tokens_and_the_loss_given_them_equal_the_released_ones(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    config, tolerance, codes = meta["config"], meta["tolerance"], tensors["out/z_indices"]
    if config["stft_vqgan"]:
        released = config_of(config["stft_vqgan"])
        sound = SoundVQGANConfig(**released.model_dump())
        vqgan = VQGAN(sound).eval()
        vqgan.load_state_dict(rename_state(state_of(tensors, "cond_stage_model.")), strict=False)
        condition = sound_condition(encode_sound(vqgan, tensors["in/cond"]))
        prefix = sound_prefix(sound, tensors["in/cond"].shape[2])
    elif config["gpt"]["unconditional"]:
        condition, prefix = start_condition(len(codes)), None
    else:
        condition, prefix = class_condition(tensors["in/cond"]), class_prefix(config["gpt"]["class_cond_dim"])
    compare(name, "prefix tokens", condition, tensors["out/c_indices"], tolerance)
    theirs = int(tensors["out/cond_stage_vocab_size"])
    assert (prefix.codes if prefix else 0) == theirs
    assert (prefix.length if prefix else 1) == condition.shape[1]
    shape = shape_of(config["gpt"], int(tensors["out/first_stage_vocab_size"]), theirs, condition.shape[1])
    assert prefix is None or prefix.before(shape) == shape
    loss = load_gpt(shape, state_of(tensors, "transformer.")).loss(condition, codes[:, :, None, None])
    compare(name, "loss given our prefix", loss, tensors["out/loss"], tolerance)


@pytest.mark.parametrize("name", names_of_kind("tokenizer"))
def test_the_padding_of_released_texts_is_found_and_nothing_else(name: str) -> None:
    meta, tensors = load(name)
    ids = tensors["out/tokens"]
    prefix = Prefix(kind="text", codes=49408, length=meta["config"]["context_length"])
    hidden = text_condition(ids)
    prefix.check(hidden)
    for text, row in zip(ids, hidden, strict=True):
        end = text.tolist().index(49407) + 1  # CLIP's end token
        assert row[:end].tolist() == text[:end].tolist() and (row[end:] == PADDING).all()
    assert torch.equal(text_condition(ids, "released"), ids)


@pytest.mark.parametrize("name", [name for name in names_of_kind("sampling") if load(name)[0]["config"]["cond_vocab"]])
def test_a_constant_storyline_and_no_guidance_draw_the_released_tokens(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    config = meta["config"]
    grid = (config["temporal_train"], config["spatial"], config["spatial"])
    sizes = {"layers": config["n_layer"], "heads": config["n_head"], "width": config["n_embd"]}
    codes = config["vocab_size"] - config["cond_vocab"]
    shape = class_prefix(config["cond_vocab"]).before(GPTConfig(codes=codes, latent_shape=grid, **sizes))
    gpt = load_gpt(shape, state_of(tensors))
    filters = Filters(top_k=config["top_k"], top_p=config["top_p"], mask_condition_tokens=False)
    for context in config["P"]:
        expected, noise = tensors[f"out/sliding_P{context}"], tensors[f"in/noise_sliding_P{context}"]
        story, frames = Constant(tensors["in/cond"]), expected.shape[1]
        ours = sample(gpt, story, frames, filters, context, noise=noise, progress=False, guidance=1.0)
        compare(name, f"storyline, P = {context}", ours, expected, meta["tolerance"])

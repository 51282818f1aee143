"""The transformer's logits, cached logits and loss, number for number."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tatslib.sampling.decode import Decoder
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.official import rename_state
from tests.parity.conftest import Compare
from tests.parity.fixtures import load, names_of_kind, state_of
from tests.parity.test_vqgan import tokens_of


def load_gpt(config: GPTConfig, state: dict[str, Tensor]) -> GPT:
    """Our GPT with the weights of a fixture, every one of which must find its place."""
    gpt = GPT(config).eval()
    gpt.load_state_dict(rename_state(state))
    return gpt


def shape_of(gpt: dict[str, Any], codes: int, condition_codes: int, condition_length: int) -> GPTConfig:
    frames = gpt["block_size"] - condition_length + 1
    return GPTConfig(
        codes=codes,
        condition_codes=condition_codes,
        condition_length=condition_length,
        latent_shape=(frames, 1, 1),
        layers=gpt["n_layer"],
        heads=gpt["n_head"],
        width=gpt["n_embd"],
    )


@torch.no_grad()
@pytest.mark.parametrize("name", names_of_kind("gpt_logits"))
def test_logits_loss_and_cached_logits_equal_the_released_gpt(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    config, tokens, tolerance = meta["config"], tensors["in/idx"], meta["tolerance"]
    gpt = load_gpt(shape_of(config, config["vocab_size"], 0, 1), state_of(tensors))
    compare(name, "logits", gpt(tokens), tensors["out/logits"], tolerance)
    loss = gpt.loss(tokens[:, :1], tensors["in/targets"][:, :, None, None])
    compare(name, "loss", loss, tensors["out/loss"], tolerance)
    decoder, prefill = Decoder(gpt, len(tokens)), config["prefill"]
    last = decoder.prefill(tokens[:, :prefill])
    compare(name, "prefill, last position", last, tensors["out/prefill_logits"][:, -1], tolerance)
    steps = [decoder.step(token) for token in tokens[:, prefill:].unbind(1)]
    compare(name, "cached steps", torch.stack(steps, dim=1), tensors["out/cached_step_logits"], tolerance)


@torch.no_grad()
@pytest.mark.parametrize("name", names_of_kind("net2net"))
def test_the_loss_given_a_condition_equals_the_released_transformers(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    config, condition, codes, tolerance = (
        meta["config"],
        tensors["out/c_indices"],
        tensors["out/z_indices"],
        meta["tolerance"],
    )
    tokens = tokens_of(config["vqgan"], state_of(tensors, "first_stage_model."), tensors["in/video"])
    compare(name, "video tokens", tokens.flatten(1), codes, tolerance)
    if config["stft_vqgan"]:
        tokens = tokens_of(config["stft_vqgan"], state_of(tensors, "cond_stage_model."), tensors["in/cond"])
        compare(name, "condition tokens", tokens.flatten(1), condition, tolerance)
    sizes = tensors["out/first_stage_vocab_size"].item(), tensors["out/cond_stage_vocab_size"].item()
    shape = shape_of(config["gpt"], int(sizes[0]), int(sizes[1]), condition.shape[1])
    gpt = load_gpt(shape, state_of(tensors, "transformer."))
    sequence = torch.cat([condition, codes + shape.condition_codes], dim=1)
    logits = gpt(sequence[:, :-1])[:, condition.shape[1] - 1 :]
    compare(name, "logits", logits, tensors["out/logits"], tolerance)
    compare(name, "targets", sequence[:, condition.shape[1] :], tensors["out/target"], tolerance)
    compare(name, "loss", gpt.loss(condition, codes[:, :, None, None]), tensors["out/loss"], tolerance)

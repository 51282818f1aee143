"""Sampled tokens, exactly: greedy and with recorded noise, inside the window and past it."""

import pytest
import torch
from torch import Tensor

from tatslib.sampling.filters import Filters
from tatslib.sampling.sliding_window import sample
from tatslib.transformer.gpt import GPTConfig
from tests.parity.conftest import Compare
from tests.parity.fixtures import load, names_of_kind
from tests.parity.test_gpt import load_gpt


@pytest.mark.parametrize("name", names_of_kind("sampling"))
def test_sampled_tokens_equal_the_released_samplers(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    config = meta["config"]
    window, size = config["temporal_train"], config["spatial"]
    gpt_config = GPTConfig(
        codes=config["vocab_size"] - config["cond_vocab"],
        condition_codes=config["cond_vocab"],
        latent_shape=(window, size, size),
        layers=config["n_layer"],
        heads=config["n_head"],
        width=config["n_embd"],
    )
    gpt = load_gpt(gpt_config, tensors, "state/")

    def draw(top_k: int | None, top_p: float | None, frames: int, context: int, noise: Tensor) -> Tensor:
        filters = Filters(
            temperature=config["temperature"], top_k=top_k, top_p=top_p, mask_condition_tokens=False
        )  # the released sampler could draw condition tokens
        return sample(gpt, tensors["in/cond"], frames, filters, context, noise=noise, progress=False)

    def check(quantity: str, ours: Tensor, theirs: str) -> None:
        expected = (tensors[theirs] - offset_of(theirs)).clamp(0, gpt_config.codes - 1)
        compare(name, quantity, ours.flatten(1), expected.flatten(1), meta["tolerance"])

    def offset_of(theirs: str) -> int:
        return 0 if theirs.startswith("out/sliding") else config["cond_vocab"]  # sliding samples come without offset

    k, p = config["top_k"], config["top_p"]
    no_noise = torch.ones_like(tensors["in/noise_cached"])
    frames = config["steps"] // size**2
    for theirs in ("greedy_cached", "greedy_cached_filtered", "greedy_uncached"):
        check(theirs, draw(1, None, frames, window - 1, no_noise), f"out/{theirs}")
    check("noise_cached", draw(k, p, frames, window - 1, tensors["in/noise_cached"]), "out/noise_cached")
    for theirs in ("noise_uncached_topk", "noise_cached_topk_same_noise"):
        check(theirs, draw(k, None, frames, window - 1, tensors["in/noise_uncached"]), f"out/{theirs}")
    for context in config["P"]:
        noise = tensors[f"in/noise_sliding_P{context}"]
        slid = draw(k, p, config["temporal_infer"], context, noise)
        check(f"sliding, {context} frames of context", slid, f"out/sliding_P{context}")

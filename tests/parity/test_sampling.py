"""Sampled tokens, exactly: greedy and with recorded noise, inside the window and past it."""

import pytest
import torch
from torch import Tensor

from tatslib.sampling.filters import Filters
from tatslib.sampling.sliding_window import sample
from tatslib.transformer.gpt import GPTConfig
from tests.parity.conftest import Compare
from tests.parity.fixtures import load, names_of_kind, state_of
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
    gpt = load_gpt(gpt_config, state_of(tensors))

    def check(theirs: str, top_k: int, top_p: float | None, context: int, noise: Tensor) -> None:
        """Sample as the reference did; where it stopped within a latent frame, ours is finished and then cut."""
        expected = tensors[f"out/{theirs}"].flatten(1)
        frames = -(-expected.shape[1] // size**2)
        rest = frames * size**2 - len(noise)
        noise = torch.cat([noise, torch.ones_like(noise[:1]).expand(rest, -1, -1)]) if rest > 0 else noise
        filters = Filters(
            temperature=config["temperature"], top_k=top_k or None, top_p=top_p, mask_condition_tokens=False
        )  # the released sampler could draw condition tokens
        ours = sample(gpt, tensors["in/cond"], frames, filters, context, noise=noise, progress=False).flatten(1)
        offset = 0 if theirs.startswith("sliding") else config["cond_vocab"]  # sliding samples come without offset
        expected = (expected - offset).clamp(0, gpt_config.codes - 1)
        compare(name, theirs, ours[:, : expected.shape[1]], expected, meta["tolerance"])

    k, p, whole = config["top_k"], config["top_p"], window - 1
    no_noise = torch.ones_like(tensors["in/noise_cached"])
    for theirs in ("greedy_cached", "greedy_cached_filtered", "greedy_uncached"):
        check(theirs, 1, None, whole, no_noise)
    check("noise_cached", k, p, whole, tensors["in/noise_cached"])
    for theirs in ("noise_uncached_topk", "noise_cached_topk_same_noise"):
        check(theirs, k, None, whole, tensors["in/noise_uncached"])
    for context in config["P"]:
        check(f"sliding_P{context}", k, p, context, tensors[f"in/noise_sliding_P{context}"])

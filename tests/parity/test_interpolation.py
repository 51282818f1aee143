"""Filling in, number for number: the mask, the logits and the loss, and with its faults the released sampler."""

import pytest
import torch
from einops import rearrange

from tatslib.sampling import sliding_window
from tatslib.sampling.filters import Filters
from tatslib.sampling.interpolation import fill_in, prefix_of
from tatslib.transformer.gpt import GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tests.parity.conftest import Compare
from tests.parity.fixtures import load, names_of_kind, state_of
from tests.parity.test_gpt import load_gpt


@torch.no_grad()
@pytest.mark.parametrize("name", names_of_kind("gpt_interp"))
def test_mask_logits_and_samples_equal_the_released_interpolation_transformers(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    theirs, tolerance, side = meta["config"], meta["tolerance"], int(meta["config"]["n_unmasked"] ** 0.5)
    config = InterpolationConfig(
        codes=theirs["vocab_size"],
        condition_codes=0,
        latent_shape=(theirs["block_size"] // side**2, side, side),
        layers=theirs["n_layer"],
        heads=theirs["n_head"],
        width=theirs["n_embd"],
    )
    gpt = load_gpt(config, state_of(tensors))
    compare(name, "mask", config.attention.tensor(), tensors["out/mask"], tolerance)
    compare(name, "logits", gpt(tensors["in/idx"]), tensors["out/logits"], tolerance)
    targets = rearrange(tensors["in/targets"], "B (t h w) -> B t h w", h=side, w=side)
    compare(name, "loss over all", gpt.loss(tensors["in/idx"][:, :1], targets), tensors["out/loss"], tolerance)

    past, future = tensors["in/past"], tensors["in/future"]
    layout = prefix_of(config, "released").layout
    first = gpt.logits(gpt.hidden(torch.cat([past, future], dim=1), layout.positions, layout.mask))
    compare(name, "released prefill", first, tensors["out/infer_first_call_logits"], tolerance)
    anchors = [rearrange(tokens, "B (h w) -> B h w", h=side) for tokens in (past[:, 1:], future)]
    filters = Filters(top_k=theirs["top_k"], top_p=theirs["top_p"])
    for what, used, noise in (
        ("infer_greedy", Filters(top_k=1), torch.ones_like(tensors["in/noise"])),
        ("infer_noise", filters, tensors["in/noise"]),
    ):
        drawn = fill_in(gpt, past[:, :1], *anchors, used, "released", noise=noise)
        compare(name, what, drawn.flatten(1), tensors[f"out/{what}"], tolerance)


@pytest.mark.parametrize("name", names_of_kind("hierarchical"))
def test_sparse_frames_and_filled_gaps_equal_the_released_script(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    config, side = meta["config"], meta["config"]["spatial"]

    def shape(part: str) -> dict:
        theirs = config[part]
        return {
            "codes": theirs["vocab_size"] - config["cond_vocab"],
            "condition_codes": config["cond_vocab"],
            "latent_shape": (theirs["block_size"] // side**2, side, side),
            "layers": theirs["n_layer"],
            "heads": theirs["n_head"],
            "width": theirs["n_embd"],
        }

    sparse = load_gpt(GPTConfig(**shape("gpt1")), state_of(tensors, "gpt1."))
    dense = load_gpt(InterpolationConfig(**shape("gpt2")), state_of(tensors, "gpt2."))
    condition = torch.full((config["batch"], 1), config["class_label"])
    at_first = Filters(top_k=config["top_k_init"], top_p=config["top_p_init"], mask_condition_tokens=False)
    filters = Filters(top_k=config["top_k"], top_p=config["top_p"], mask_condition_tokens=False)
    expected = tensors["out/tokens"]
    ratio, context, noise = dense.config.latent_shape[0] - 1, config["P"], tensors["in/noise"]
    count = -(-expected.shape[1] // ratio)
    head, body = context * side**2, count * side**2
    start = sliding_window.sample(sparse, condition, context, at_first, context, noise=noise[:head], progress=False)
    anchors = sliding_window.sample(
        sparse, condition, count, filters, context, noise=noise[head:body], progress=False, start=start
    )
    compare(name, "sparse frames", anchors, expected[:, ::ratio], {})
    gaps = fill_in(  # theirs one after another, ours in one batch
        dense,
        condition.repeat_interleave(count - 1, dim=0),
        rearrange(anchors[:, :-1], "B G h w -> (B G) h w"),
        rearrange(anchors[:, 1:], "B G h w -> (B G) h w"),
        filters,
        "released",
        noise=rearrange(noise[body:], "(G token) B V -> token (B G) V", G=count - 1),
    )
    theirs = rearrange(expected[:, :-1], "B (G t) h w -> (B G) t h w", t=ratio)[:, 1:]
    compare(name, "filled gaps", gaps, theirs, {})

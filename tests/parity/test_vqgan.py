"""Encoder, codebook lookup and decoder against the released code: every padding mode, and the paper's size."""

import importlib.util
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tatslib.vqgan.official import config_of, released_state, rename_state
from tatslib.vqgan.vqgan import VQGAN
from tests.parity.conftest import Compare
from tests.parity.fixtures import FOLDER, certain, load, names_of_kind, state_of


def tokens_of(args: dict[str, Any], state: dict[str, Tensor], clips: Tensor) -> Tensor:
    """Tokens of clips (B, C, T, H, W) by a released VQGAN, whose decoder may be absent: int64 (B, t, h, w)."""
    vqgan = VQGAN(config_of(args)).eval()
    absent = vqgan.load_state_dict(rename_state(state), strict=False)
    assert not absent.unexpected_keys and all(key.startswith("decoder.") for key in absent.missing_keys)
    return vqgan.encode(clips)


def hash_weights() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hash_weights", FOLDER / "hash_weights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", names_of_kind("vqgan_eval"))
@torch.inference_mode()
def test_vqgan_equals_the_released_one_for_every_padding(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    vqgan = VQGAN(config_of(meta["config"]["args"])).eval()
    vqgan.load_state_dict(rename_state(state_of(tensors)))
    assert list(vqgan.config.latent_shape) == tensors["out/latent_shape"].tolist()

    z = vqgan.latents(tensors["in/x"])
    quantised = vqgan.codebook(z)
    sure = certain(meta["tolerance"], tensors["out/token_margin"])
    compare(name, "tokens", quantised.tokens[sure], tensors["out/tokens"][sure], meta["tolerance"])
    assert torch.equal(vqgan.encode(tensors["in/x"]), quantised.tokens)
    actual = {
        "pre_vq": z,
        "embeddings": quantised.latents,
        "commitment_loss": quantised.commitment_loss,
        "perplexity": quantised.perplexity,
        "decoded": vqgan.decode(tensors["out/tokens"]),
    }
    if "in/tokens_long" in tensors:
        actual["decoded_long"] = vqgan.decode(tensors["in/tokens_long"])
    for key, value in actual.items():
        compare(name, key, value, tensors[f"out/{key}"], meta["tolerance"])


@pytest.mark.parametrize("name", names_of_kind("vqgan_hash"))
@torch.inference_mode()
def test_vqgan_equals_the_released_one_at_the_papers_size(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    config, hashes = meta["config"], hash_weights()
    vqgan = VQGAN(config_of(config["args"])).eval()
    theirs = hashes.hash_state(released_state(vqgan), config["weight_seed"])
    basis = tensors["in/codebook_basis"]
    codes = hashes.hash_tensor((config["args"]["n_codes"], len(basis)), config["codebook_seed"], -1, 1)
    theirs["codebook.embeddings"] = codes @ basis + tensors["in/codebook_shift"]
    vqgan.load_state_dict(rename_state(theirs))
    coarse = hashes.hash_tensor(config["x_shape"], config["x_seed"], -0.5, 0.5)
    x = F.interpolate(coarse, size=config["x_size"], mode="trilinear", align_corners=False)

    z = vqgan.latents(x)
    sure = certain(meta["tolerance"], tensors["out/token_margin"])
    compare(name, "tokens", vqgan.codebook.encode(z)[sure], tensors["out/tokens"][sure], meta["tolerance"])
    decoded = vqgan.decode(tensors["out/tokens"])
    actual = {
        "pre_vq_sub": z[:, ::8, :, ::2, ::2],
        "decoded_sub": decoded[:, :, ::3, ::8, ::8],
        "decoded_mean": decoded.mean(),
        "decoded_std": decoded.std(),
    }
    for key, value in actual.items():
        compare(name, key, value, tensors[f"out/{key}"], meta["tolerance"])

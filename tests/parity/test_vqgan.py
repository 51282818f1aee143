"""Encoder, codebook lookup and decoder against the released code: every padding mode, and the paper's size."""

import importlib.util
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tatslib.vqgan.official import released_names, rename_key, rename_state
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig
from tests.parity.fixtures import FOLDER, load, names_of_kind

EVALUATED, HASHED = names_of_kind("vqgan_eval"), names_of_kind("vqgan_hash")


def config_of(args: dict[str, Any]) -> VQGANConfig:
    """Our config for released arguments: their padding stops at the residual blocks and the decoder."""
    padding = args.get("padding_type", "replicate")
    return VQGANConfig(
        frames=args["sequence_length"],
        resolution=args["resolution"],
        downsample=args["downsample"],
        hidden=args["n_hiddens"],
        norm=args["norm_type"],
        padding="zeros" if padding == "constant" else padding,
        residual_padding="replicate",
        decoder_padding="replicate",
        codes=args["n_codes"],
        code_width=args["embedding_dim"],
    )


def largest_error(actual: Tensor, expected: Tensor) -> float:
    return (actual - expected).abs().max().item()


def released_state(vqgan: VQGAN) -> dict[str, Tensor]:
    """Our tensors under the released names."""
    theirs = {ours: name for name, ours in released_names(len(vqgan.config.strides)).items()}
    state = vqgan.state_dict()
    del state["codebook.initialised"]
    return {rename_key(key, theirs): value for key, value in state.items()}


def hash_weights() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hash_weights", FOLDER / "hash_weights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", autouse=True)
def table(request: pytest.FixtureRequest) -> Any:
    rows: list[str] = []
    yield rows
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("\n" + "\n".join(rows))


@pytest.mark.parametrize("name", EVALUATED)
@torch.inference_mode()
def test_vqgan_equals_the_released_one_for_every_padding(name: str, table: list[str]) -> None:
    meta, tensors = load(name)
    state = {k.removeprefix("state/"): v for k, v in tensors.items() if k.startswith("state/")}
    vqgan = VQGAN(config_of(meta["config"]["args"])).eval()
    vqgan.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in rename_state(state).items()})
    assert list(vqgan.config.latent_shape) == tensors["out/latent_shape"].tolist()

    z = vqgan.latents(tensors["in/x"])
    quantised = vqgan.codebook(z)
    tokens = vqgan.encode(tensors["in/x"])
    sure = tensors["out/token_margin"] > 1e-3
    actual = {
        "pre_vq": z,
        "embeddings": quantised.latents,
        "commitment_loss": quantised.commitment_loss,
        "perplexity": quantised.perplexity,
        "decoded": vqgan.decode(tensors["out/tokens"]),
    }
    if "in/tokens_long" in tensors:
        actual["decoded_long"] = vqgan.decode(tensors["in/tokens_long"])
    errors = {key: largest_error(value, tensors[f"out/{key}"]) for key, value in actual.items()}
    wrong = int((tokens != tensors["out/tokens"])[sure].sum())
    table.append(
        f"{name:24} largest error {max(errors.values()):.1e} ({max(errors, key=errors.__getitem__)}), "
        f"{wrong} of {int(sure.sum())} tokens differ"
    )
    tolerance = {key: meta["tolerance"][key] for key in ("atol", "rtol")}
    for key, value in actual.items():
        torch.testing.assert_close(
            value, tensors[f"out/{key}"], msg=lambda text, key=key: f"{key}: {text}", **tolerance
        )
    assert wrong == 0
    assert torch.equal(tokens, quantised.tokens)


@pytest.mark.parametrize("name", HASHED)
@torch.inference_mode()
def test_vqgan_equals_the_released_one_at_the_papers_size(name: str, table: list[str]) -> None:
    meta, tensors = load(name)
    config, hashes = meta["config"], hash_weights()
    vqgan = VQGAN(config_of(config["args"])).eval()
    theirs = hashes.hash_state(released_state(vqgan), config["weight_seed"])
    basis = hashes.hash_tensor((config["args"]["n_codes"], 8), config["codebook_seed"], -1, 1)
    theirs["codebook.embeddings"] = basis @ tensors["in/codebook_basis"] + tensors["in/codebook_shift"]
    vqgan.load_state_dict(rename_state(theirs))
    coarse = hashes.hash_tensor(config["x_shape"], config["x_seed"], -0.5, 0.5)
    x = F.interpolate(coarse, size=config["x_size"], mode="trilinear", align_corners=False)

    z = vqgan.latents(x)
    tokens = vqgan.codebook.encode(z)
    decoded = vqgan.decode(tensors["out/tokens"])
    margin = tensors["out/token_margin"]
    sure = margin > 1e-2 * margin.median()
    actual = {
        "pre_vq_sub": z[:, ::8, :, ::2, ::2],
        "decoded_sub": decoded[:, :, ::3, ::8, ::8],
        "decoded_mean": decoded.mean(),
        "decoded_std": decoded.std(),
    }
    errors = {key: largest_error(value, tensors[f"out/{key}"]) for key, value in actual.items()}
    wrong = int((tokens != tensors["out/tokens"])[sure].sum())
    table.append(
        f"{name:24} largest error {max(errors.values()):.1e} ({max(errors, key=errors.__getitem__)}), "
        f"{wrong} of {int(sure.sum())} tokens differ"
    )
    for key, value in actual.items():
        torch.testing.assert_close(
            value, tensors[f"out/{key}"], atol=meta["tolerance"]["atol"], rtol=meta["tolerance"]["rtol"]
        )
    assert wrong == 0

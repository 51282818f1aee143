"""The authors' files: real ones of a tiny model, the paper's full size, and the numbers of the released code.

Which files there are is read from their folders; nothing is known of them beforehand but how the released code writes
them.
"""

import json
import time
from math import prod
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch import Tensor

from tatslib import cli
from tatslib.foreign import read_lightning
from tatslib.training.convert import convert
from tatslib.transformer.official import load_released_transformer, transformer_of
from tatslib.videos import read_frames
from tatslib.vqgan.official import (
    SOUND_STAGE,
    config_of,
    is_transformer,
    load_released_vqgan,
    measure,
    released_perceptual_state,
    released_state,
    vqgan_of,
)
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig
from tests.parity.conftest import Compare
from tests.parity.fixtures import files_beside, load, names_of_kind, state_of
from tests.released import within, write_checkpoint

REAL = files_beside("checkpoints", "*.ckpt")
MANIFESTS = [path for path in files_beside("manifests", "*.json") if "hyper_parameters" not in path.name]
PAPER_VQGAN = {"downsample": [4, 8, 8], "n_codes": 16384, "n_hiddens": 32, "embedding_dim": 256, "norm_type": "batch"}
PAPER_GPT = {"n_layer": 24, "n_head": 16, "n_embd": 1024, "sample_every_n_frames": 1, "sample_every_n_latent_frames": 0}


# Real files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_a_real_file_loads_and_every_tensor_finds_its_place(path: Path) -> None:
    checkpoint = read_lightning(path)
    vqgan = vqgan_of(checkpoint)
    theirs = checkpoint.part("first_stage_model.") or checkpoint.state
    ours = released_state(vqgan)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    left = [name for name in theirs if name not in ours and not name.startswith("transformer.")]
    assert all("_discriminator." in name or name.startswith("perceptual_model.") for name in left)
    if is_transformer(checkpoint):
        gpt, facts = transformer_of(checkpoint)
        args = checkpoint.args
        assert gpt.config.block_size == args["block_size"] and gpt.config.layers == args["n_layer"]
        assert facts.frames == args["sequence_length"] and facts.condition == "class"
        assert gpt.config.condition_codes == args["class_cond_dim"]
        assert gpt.config.latent_shape == vqgan.config.latent_shape
        assert torch.equal(gpt.tok_emb.weight, checkpoint.state["transformer.tok_emb.weight"])
    else:
        assert vqgan.config == config_of(checkpoint.args)


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_a_real_file_converts_and_what_comes_out_makes_a_video(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert(path, tmp_path / "out")
    told = json.loads((tmp_path / "out" / "released.json").read_text())
    assert told["pytorch_lightning"] == "1.5.4" and told["bytes"] == path.stat().st_size
    vqgan, transformer = tmp_path / "out" / "vqgan", tmp_path / "out" / "transformer"
    assert (vqgan / "model.safetensors").is_file()
    if transformer.is_dir():
        models = ["--vqgan", str(vqgan), "--transformer", str(transformer)]
        out = ["--frames", "12", "--out", str(tmp_path / "video.mp4")]
        monkeypatch.setattr("sys.argv", ["tats", "sample", *models, "--label", "3", *out])
        cli.main()
        assert len(read_frames(tmp_path / "video.mp4")) == 12


# The paper's size -------------------------------------------------------------------------------------------------


def state_of_manifest(path: Path) -> dict[str, Tensor]:
    """Tensors with a manifest's names, shapes and types, all of them views of the same small memory."""
    listed = {
        name: (tuple(shape), getattr(torch, kind)) for name, (shape, kind) in json.loads(path.read_text()).items()
    }
    memory = torch.arange(max(prod(shape) for shape, _ in listed.values()), dtype=torch.float32)
    return {
        name: memory[: prod(shape)].view(shape) if kind == torch.float32 else torch.tensor(7, dtype=kind)
        for name, (shape, kind) in listed.items()
    }


def positions_in(state: dict[str, Tensor]) -> int | None:
    """Positions of the transformer; None if the file is a VQGAN's."""
    return state["transformer.pos_emb"].shape[1] if "transformer.pos_emb" in state else None


def options_of(state: dict[str, Tensor]) -> dict[str, Any]:
    """The options of the paper's training that leaves such tensors."""
    positions, options = positions_in(state), {"sequence_length": 16, "resolution": 128}
    if positions is None:
        return options | PAPER_VQGAN
    rows = len(state["transformer.tok_emb.weight"])
    options |= PAPER_GPT | {"unconditional": rows == 16384, "class_cond_dim": rows - 16384 or None}
    return options | ({"sequence_length": 20, "n_unmasked": 256} if positions > 1024 else {"n_unmasked": 0})


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_file_of_the_papers_size_loads_in_seconds(path: Path, tmp_path: Path) -> None:
    """Masks, discriminators and perceptual network are in the file as well, and are left behind."""
    state = state_of_manifest(path)
    positions = positions_in(state)
    file = write_checkpoint(tmp_path / "large.ckpt", state, options_of(state))
    started, before = time.monotonic(), psutil.Process().memory_info().rss
    vqgan = load_released_vqgan(file)
    grid = (5, 16, 16) if positions == 1280 else (4, 16, 16)
    assert vqgan.config.latent_shape == grid and vqgan.config.downsample == (4, 8, 8)
    parameters = 7.40e6 + 16.12e6 + 2 * (256 * 256 + 256)  # encoder, decoder, and the two 1x1x1 convolutions
    assert sum(parameter.numel() for parameter in vqgan.parameters()) == pytest.approx(parameters, abs=0.01e6)
    if positions is not None:
        gpt, facts = load_released_transformer(file)
        assert gpt.config.latent_shape == grid and gpt.config.block_size == positions
        assert facts.anchor_tokens == (256 if positions == 1280 else 0)
        expected = {16485: 337.1e6, 16384: 337.2e6 if positions == 1280 else 336.9e6}[gpt.config.vocabulary]
        assert sum(parameter.numel() for parameter in gpt.parameters()) == pytest.approx(expected, abs=0.1e6)
        last = gpt.state_dict()["blocks.23.mlp.2.bias"]
        assert torch.equal(last, state["transformer.blocks.23.mlp.2.bias"])
    assert len(released_perceptual_state(read_lightning(file).state)) == 33
    assert time.monotonic() - started < 60  # seconds on one idle thread
    assert psutil.Process().memory_info().rss - before < 4e9


# The released code's numbers --------------------------------------------------------------------------------------


def file_of_fixture(path: Path, name: str) -> tuple[Path, dict[str, Any], dict[str, Tensor]]:
    """A fixture of the whole second stage as a checkpoint; of the sound's VQGAN it has no decoder, which is made up."""
    meta, tensors = load(name)
    config = meta["config"]
    state = state_of(tensors)
    if config["stft_vqgan"]:
        decoder = released_state(VQGAN(config_of(config["stft_vqgan"])))
        state = {**within("cond_stage_model", decoder), **state}
    video = config["vqgan"]
    options = {**config["gpt"], "sequence_length": video["sequence_length"], "resolution": video["resolution"]}
    options |= {"cond_stage_key": config["cond_stage_key"], "n_unmasked": 0, "vqvae": "elsewhere/file.ckpt"}
    return write_checkpoint(path, state, options), meta, tensors


@torch.no_grad()
@pytest.mark.parametrize("name", names_of_kind("net2net"))
def test_a_loaded_file_gives_the_released_codes_numbers(name: str, tmp_path: Path, compare: Compare) -> None:
    path, meta, tensors = file_of_fixture(tmp_path / "gpt.ckpt", name)
    condition, codes, tolerance = tensors["out/c_indices"], tensors["out/z_indices"], meta["tolerance"]
    checkpoint = read_lightning(path)
    vqgan = vqgan_of(checkpoint)
    compare(name, "loaded, video tokens", vqgan.encode(tensors["in/video"]).flatten(1), codes, tolerance)
    if meta["config"]["stft_vqgan"]:
        own: VQGANConfig = config_of(meta["config"]["stft_vqgan"])
        sound = vqgan_of(checkpoint, own, SOUND_STAGE)
        assert measure(checkpoint.part(SOUND_STAGE))["image_channels"] == sound.config.channels
        compare(name, "loaded, condition tokens", sound.encode(tensors["in/cond"]).flatten(1), condition, tolerance)
    gpt, _ = transformer_of(checkpoint)
    assert gpt.config.condition_length == condition.shape[1]
    compare(
        name,
        "loaded, loss",
        gpt.loss(condition, codes.view(-1, *gpt.config.latent_shape)),
        tensors["out/loss"],
        tolerance,
    )
    sequence = torch.cat([condition, codes + gpt.config.condition_codes], dim=1)
    logits = gpt(sequence[:, :-1])[:, condition.shape[1] - 1 :]
    compare(name, "loaded, logits", logits, tensors["out/logits"], tolerance)

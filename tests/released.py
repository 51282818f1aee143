"""Files as the authors' training scripts left them, made from models of this package."""

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tatslib.transformer.gpt import GPT
from tatslib.vqgan.official import released_state
from tatslib.vqgan.vqgan import VQGAN


def write_checkpoint(path: Path, state: dict[str, Tensor], args: dict[str, Any] | None, **content: Any) -> Path:
    """A checkpoint of Lightning 1.5.4 with this state and these options; `content` replaces or adds entries."""
    hyper = {} if args is None else {"args": argparse.Namespace(**args), "ckpt_path": None, "pkeep": 1.0}
    whole = {
        "epoch": 7,
        "global_step": 1234,
        "pytorch-lightning_version": "1.5.4",
        "state_dict": state,
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_path": "elsewhere/file.ckpt"}},
        "optimizer_states": [{"state": {0: {"step": 3, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-3}]}],
        "lr_schedulers": [],
        "hparams_name": "kwargs",
        "hyper_parameters": hyper,
    }
    torch.save(whole | content, path)
    return path


def vqgan_state(vqgan: VQGAN) -> dict[str, Tensor]:
    """A released VQGAN's tensors, with a little of what training left beside them."""
    training = {
        "image_discriminator.model0.0.weight": torch.zeros(2, 3, 4, 4),
        "video_discriminator.model1.1.num_batches_tracked": torch.tensor(5),
        "perceptual_model.lin0.model.1.weight": torch.ones(1, 64, 1, 1),
    }
    return {**released_state(vqgan), **training}


def vqgan_args(vqgan: VQGAN, **changes: Any) -> dict[str, Any]:
    """The options that such a VQGAN would have been trained with."""
    config = vqgan.config
    return {
        "sequence_length": config.frames,
        "resolution": config.resolution,
        "image_channels": config.channels,
        "downsample": list(config.downsample),
        "n_hiddens": config.hidden,
        "norm_type": config.norm,
        "n_codes": config.codes,
        "embedding_dim": config.code_width,
        "padding_type": "constant" if config.padding == "zeros" else config.padding,
        "max_steps": None,
        **changes,
    }


def gpt_state(gpt: GPT, spare: int = 0) -> dict[str, Tensor]:
    """A released transformer's tensors, with `spare` positions that no sequence reaches."""
    rows = torch.cat([gpt.pos_emb.detach(), torch.full((spare, gpt.config.width), torch.nan)])
    released = {"pos_emb": rows[None]}
    for name, tensor in gpt.state_dict().items():
        if ".qkv." in name:
            for part, third in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                released[name.replace("qkv", part)] = third
            released[name.rpartition("qkv")[0] + "mask"] = torch.ones(1, 1, len(rows), len(rows))
        elif name != "pos_emb":
            released[name] = tensor
    return {f"transformer.{name}": tensor for name, tensor in released.items()}


def gpt_args(gpt: GPT, frames: int, resolution: int, **changes: Any) -> dict[str, Any]:
    """The options that such a transformer would have been trained with; absent others, on classes."""
    return {
        "n_layer": gpt.config.layers,
        "n_head": gpt.config.heads,
        "n_embd": gpt.config.width,
        "block_size": gpt.config.block_size,
        "sequence_length": frames,
        "resolution": resolution,
        "cond_stage_key": "label",
        "unconditional": False,
        "class_cond_dim": gpt.config.condition_codes,
        "n_unmasked": 0,
        "sample_every_n_frames": 1,
        "sample_every_n_latent_frames": 0,
        "vqvae": "elsewhere/file.ckpt",
        **changes,
    }


def within(part: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a model as part of another."""
    return {f"{part}.{name}": tensor for name, tensor in state.items()}

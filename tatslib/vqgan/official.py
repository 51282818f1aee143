"""The authors' released models: their names for our tensors, their options for our settings, and how to load them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from tatslib.config import explain
from tatslib.errors import UserError
from tatslib.foreign import LightningCheckpoint, check_tensors, read_lightning
from tatslib.vqgan.config import VQGANConfig
from tatslib.vqgan.layout import layout_of, levels_of
from tatslib.vqgan.vqgan import VQGAN

FIRST_STAGE, SOUND_STAGE = "first_stage_model.", "cond_stage_model."  # where a transformer's file keeps its VQGANs


def released_names(levels: int) -> dict[str, str]:
    """Every released module (or buffer) of a VQGAN with this many levels, and what it is called here.

    Released models have one residual block a level in the encoder and two in the decoder.
    """
    names = {
        "encoder.conv_first": "encoder.units.0",
        "encoder.final_block.0": "encoder.norm",
        "pre_vq_conv.conv": "to_codes",
        "codebook.embeddings": "codebook.embeddings",
        "codebook.N": "codebook.counts",
        "codebook.z_avg": "codebook.sums",
        "post_vq_conv.conv": "from_codes",
        "decoder.final_block.0": "decoder.norm",
        "decoder.conv_last": f"decoder.units.{3 * levels}",
    }
    for level in range(levels):
        names[f"encoder.conv_blocks.{level}.down"] = f"encoder.units.{2 * level + 1}"
        names[f"encoder.conv_blocks.{level}.res"] = f"encoder.units.{2 * level + 2}"
        names[f"decoder.conv_blocks.{level}.up.convt"] = f"decoder.units.{3 * level}.conv"
        names[f"decoder.conv_blocks.{level}.res1"] = f"decoder.units.{3 * level + 1}"
        names[f"decoder.conv_blocks.{level}.res2"] = f"decoder.units.{3 * level + 2}"
    return names


def rename_key(key: str, names: Mapping[str, str]) -> str:
    """`key` with the module that it starts with renamed.

    Raises:
        UserError: if no module of `names` holds such a tensor.
    """
    for old, new in names.items():
        if key == old or key.startswith(old + "."):
            return new + key.removeprefix(old)
    raise UserError(f"{key!r} is not a tensor of a released VQGAN: is this a checkpoint of another model?")


def without_training(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What is needed to encode and decode: neither discriminators nor perceptual network."""
    return {key: value for key, value in state.items() if "_discriminator." not in key and "perceptual" not in key}


def rename_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of our `VQGAN` out of a released one's; discriminators and perceptual network are left behind.

    Whether the codebook was initialised is not among the released tensors; those files are trained, so it was.

    Raises:
        UserError: if a tensor is none of a released VQGAN's.
    """
    kept = without_training(state)
    names = released_names(levels_of(kept))
    renamed = {rename_key(key, names): value for key, value in kept.items()}
    return {**renamed, "codebook.initialised": torch.tensor(True)}


def rename_discriminator_key(key: str) -> str:
    """A tensor of a released discriminator ("model2.1.weight") by its name in `PatchDiscriminator`."""
    layer, part, rest = key.removeprefix("model").split(".", 2)
    return f"layers.{layer}.{('conv', 'norm')[int(part)]}.{rest}"


def rename_adversaries(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of our `Adversaries` out of a released VQGAN's, which holds both discriminators."""
    renamed = {}
    for key, value in state.items():
        kind, _, rest = key.partition("_discriminator.")
        if rest:
            renamed[f"{kind}.{rename_discriminator_key(rest)}"] = value
    return renamed


def released_state(vqgan: VQGAN) -> dict[str, Tensor]:
    """The state of our `VQGAN` under the released names: the way back of `rename_state`."""
    theirs = {ours: name for name, ours in released_names(len(vqgan.config.strides)).items()}
    state = vqgan.state_dict()
    del state["codebook.initialised"]
    return {rename_key(key, theirs): value for key, value in state.items()}


def released_perceptual_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The perceptual network that a released file carries along, VGG16 and the weights of LPIPS, without prefix.

    Args:
        state: of a released VQGAN, or of a transformer's file, which contains one.

    Raises:
        UserError: if there is none, as in models that were trained without that term.
    """
    found = {}
    for key, value in state.items():
        before, _, name = key.partition("perceptual_model.")
        if name and before in ("", FIRST_STAGE):
            found[name] = value
    if not found:
        raise UserError("this file holds no perceptual network (no tensor perceptual_model.*): take another VQGAN's.")
    return found


def measure(state: Mapping[str, Tensor], source: str | Path = "the checkpoint") -> dict[str, Any]:
    """The options of a released VQGAN that its tensors show, by their released names.

    Raises:
        UserError: if a tensor that shows one is missing.
    """
    for name, axes in (("encoder.conv_first.conv.weight", 5), ("codebook.embeddings", 2)):
        if name not in state or state[name].ndim != axes:
            raise UserError(f"{source} holds no tensor {name} of {axes} axes: it is not a released VQGAN.")
    first, codes = state["encoder.conv_first.conv.weight"].shape, state["codebook.embeddings"].shape
    return {
        "n_hiddens": first[0],
        "image_channels": first[1],
        "n_codes": codes[0],
        "embedding_dim": codes[1],
        "norm_type": "batch" if "encoder.final_block.0.running_mean" in state else "group",
    }


def config_of(
    args: Mapping[str, Any], state: Mapping[str, Tensor] | None = None, source: str | Path = "the checkpoint"
) -> VQGANConfig:
    """Our settings for a released VQGAN's options.

    Args:
        args: the options of its training script. Those that tensors show may be absent if there is a state.
        state: its tensors, without prefix. The options are held against them.
        source: named in errors.

    Raises:
        UserError: if an option is missing, makes no model, or is contradicted by the tensors.

    Their padding option stops at the residual blocks and at the decoder (ledger: "reach of the padding option"); files
    without it are of a version that always replicated.
    """
    shown = measure(state, source) if state is not None else {}
    given = {"norm_type": "batch", "image_channels": 3, "padding_type": "replicate"} | shown
    given |= {name: value for name, value in args.items() if value is not None}
    needed = ("sequence_length", "resolution", "downsample", "n_hiddens", "n_codes", "embedding_dim")
    absent = [name for name in needed if name not in given]
    if absent:
        raise UserError(f"{source} does not say its {absent[0]} among its hyper-parameters.")
    padding = "zeros" if given["padding_type"] == "constant" else given["padding_type"]
    try:
        config = VQGANConfig(
            frames=given["sequence_length"],
            resolution=given["resolution"],
            channels=given["image_channels"],
            downsample=given["downsample"],
            hidden=given["n_hiddens"],
            norm=given["norm_type"],
            padding=padding,
            residual_padding="replicate",
            decoder_padding="replicate",
            codes=given["n_codes"],
            code_width=given["embedding_dim"],
        )
    except ValidationError as error:
        raise UserError(f"{source} has hyper-parameters that make no VQGAN: {explain(error)}.") from error
    if state is not None:
        check_config(config, state, source)
    return config


def check_config(config: VQGANConfig, state: Mapping[str, Tensor], source: str | Path) -> None:
    """Hold settings against the tensors that show them.

    Raises:
        UserError: with the first setting that differs and both numbers.
    """
    said = {
        "n_hiddens": config.hidden,
        "image_channels": config.channels,
        "n_codes": config.codes,
        "embedding_dim": config.code_width,
        "norm_type": config.norm,
    }
    shown = measure(state, source)
    for name, value in said.items():
        if value != shown[name]:
            raise UserError(f"{source}: {name} is {value} by its hyper-parameters and {shown[name]} by its tensors.")
    if len(config.strides) != levels_of(state):
        raise UserError(
            f"{source}: downsample {config.downsample} takes {len(config.strides)} levels, its tensors have "
            f"{levels_of(state)}."
        )


def load_released_vqgan(path: Path, config: VQGANConfig | None = None) -> VQGAN:
    """A released VQGAN in evaluation mode, out of its own file or out of a transformer's, which contains it.

    Args:
        path: a checkpoint of PyTorch Lightning.
        config: its settings, where the file does not tell them and another one does.

    Raises:
        UserError: as `read_lightning`, and if settings or tensors do not fit together; the sentence names them.
    """
    return vqgan_of(read_lightning(path), config)


def vqgan_of(checkpoint: LightningCheckpoint, config: VQGANConfig | None = None, part: str = FIRST_STAGE) -> VQGAN:
    """The same out of an open checkpoint; `part` says which VQGAN of a transformer's file."""
    path, of_transformer = checkpoint.path, is_transformer(checkpoint)
    state = without_training(checkpoint.part(part) if of_transformer else checkpoint.state)
    if not state:
        raise UserError(f"{path} holds a transformer without its VQGAN: name the VQGAN's own file as well.")
    if config is not None:
        check_config(config, state, path)
    elif of_transformer:
        layout = layout_of(checkpoint)
        found = {"downsample": layout.downsample, "sequence_length": layout.frames, "resolution": layout.resolution}
        config = config_of(found, state, path)
    else:
        config = config_of(checkpoint.args, state, path)
    vqgan = VQGAN(config)
    shapes = {name: tensor.shape for name, tensor in released_state(vqgan).items()}
    check_tensors(state, shapes, path, "VQGAN")
    vqgan.load_state_dict(rename_state(state))
    return vqgan.eval()


def is_transformer(checkpoint: LightningCheckpoint) -> bool:
    """Whether a file holds a transformer, with its VQGAN or without."""
    return any(key.startswith("transformer.") for key in checkpoint.state)

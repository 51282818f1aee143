"""The released transformers: their names for our tensors, their options for our settings, and how to load them."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import Field, ValidationError
from torch import Tensor

from tatslib.config import Config, explain
from tatslib.errors import UserError
from tatslib.foreign import LightningCheckpoint, check_tensors, read_lightning
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.vqgan.config import VQGANConfig
from tatslib.vqgan.layout import Condition, condition_of, layout_of, positions_of
from tatslib.vqgan.official import FIRST_STAGE, SOUND_STAGE, is_transformer

STORED_TOKEN_CODES = 16384  # the released code assumes so many where it trains on stored tokens


class ReleasedFacts(Config):
    """What a released transformer was trained for, beyond the shape of a `GPT`; saved as `facts.json` beside it."""

    condition: Condition  # what its condition tokens stand for
    frames: int = Field(gt=0)  # of a training clip
    resolution: int = Field(gt=0)
    frame_stride: int = Field(1, gt=0)  # every how many-th frame of a video was taken
    latent_stride: int = Field(1, gt=0)  # every how many-th latent frame of a clip (hierarchical sampling, 2.3)
    anchor_tokens: int = Field(0, ge=0)  # in each of the two latent frames between which it fills in; 0: it does not
    positions: int = Field(gt=0)  # in the file; those that no training sequence reaches are left out


class ReleasedTransformer(NamedTuple):
    """A released transformer and what it was made for."""

    gpt: GPT
    facts: ReleasedFacts


def load_released_transformer(
    path: Path, vqgan: VQGANConfig | None = None, sound: VQGANConfig | None = None
) -> ReleasedTransformer:
    """A released transformer in evaluation mode, with or without a VQGAN beside it in the file.

    Args:
        path: a checkpoint of PyTorch Lightning.
        vqgan: settings of its VQGAN, where the file leaves more than one possible or has none.
        sound: the same of the VQGAN of its sound.

    Returns:
        The model, whose weights are mapped from the file until they are changed, and the facts. The config of a model
        that fills in between anchors (`facts.anchor_tokens`) is an `InterpolationConfig`.

    Raises:
        UserError: as `read_lightning`, and if settings or tensors do not fit together; the sentence names them.
    """
    return transformer_of(read_lightning(path), vqgan, sound)


def transformer_of(
    checkpoint: LightningCheckpoint, vqgan: VQGANConfig | None = None, sound: VQGANConfig | None = None
) -> ReleasedTransformer:
    """The same out of an open checkpoint."""
    path = checkpoint.path
    if not is_transformer(checkpoint):
        raise UserError(f"{path} holds no transformer (no tensor transformer.*): is it a VQGAN's file?")
    state = {key: tensor for key, tensor in checkpoint.part("transformer.").items() if not key.endswith(".attn.mask")}
    if "tok_emb.weight" not in state or state["tok_emb.weight"].ndim != 2:
        raise UserError(f"{path} holds no tensor transformer.tok_emb.weight of 2 axes: it is not a released one.")
    layout = layout_of(checkpoint, vqgan, sound)
    codes = _codes(checkpoint, vqgan)
    rows, width = state["tok_emb.weight"].shape
    _check_vocabulary(checkpoint, rows, codes, sound)
    anchor = checkpoint.args.get("n_unmasked") or 0
    if not isinstance(anchor, int):
        raise UserError(f"{path} says n_unmasked {anchor!r} among its hyper-parameters, which is no number of tokens.")
    if anchor > 0 and anchor != layout.grid[1] * layout.grid[2]:
        raise UserError(
            f"{path} leaves {anchor} tokens unmasked at either end, which is no latent frame of {layout.grid[1]}x"
            f"{layout.grid[2]}: there is no such model here."
        )
    blocks = len({key.split(".")[1] for key in state if key.startswith("blocks.")})
    for option, number in (("n_layer", blocks), ("n_embd", width)):
        said = checkpoint.args.get(option, number)
        if said != number:
            raise UserError(f"{path}: {option} is {said} by its hyper-parameters and {number} by its tensors.")
    try:
        config = (InterpolationConfig if anchor > 0 else GPTConfig)(
            codes=codes,
            condition_codes=rows - codes,
            condition_length=layout.condition_length,
            latent_shape=layout.grid,
            layers=blocks,
            heads=checkpoint.option("n_head"),
            width=width,
        )
        facts = ReleasedFacts(
            condition=condition_of(checkpoint),
            frames=layout.frames,
            resolution=layout.resolution,
            frame_stride=checkpoint.number("sample_every_n_frames", absent=1),
            latent_stride=checkpoint.number("sample_every_n_latent_frames", absent=1),
            anchor_tokens=anchor,
            positions=positions_of(checkpoint),
        )
    except ValidationError as error:
        raise UserError(f"{path} has hyper-parameters that make no transformer: {explain(error)}.") from error
    state["pos_emb"] = state["pos_emb"][:, : config.block_size]
    with torch.device("meta"):  # nothing to draw, nothing to allocate: every weight comes from the file
        gpt = GPT(config)
    check_tensors(state, _released_shapes(gpt), path, "transformer")
    gpt.load_state_dict({name: tensor.float() for name, tensor in rename_state(state).items()}, assign=True)
    return ReleasedTransformer(gpt.eval(), facts)


def rename_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State of the released GPT to the state of `transformer.gpt.GPT`.

    Args:
        state: keys such as `blocks.0.attn.key.weight`, without the prefix `transformer.` of whole checkpoints.

    Returns:
        The same weights: queries, keys and values joined in that order into one projection, the position table
        (1, N, D) as (N, D), and without the masks that the released code stores in every layer.

    Raises:
        KeyError: if an attention layer lacks one of its three projections.
    """
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        layer, _, last = name.rpartition(".attn.")
        if name == "pos_emb":
            renamed[name] = tensor[0]
        elif last in ("query.weight", "query.bias"):
            kind = last.removeprefix("query.")
            parts = [state[f"{layer}.attn.{part}.{kind}"] for part in ("query", "key", "value")]
            renamed[f"{layer}.attn.qkv.{kind}"] = torch.cat(parts)
        elif last not in ("mask", "key.weight", "key.bias", "value.weight", "value.bias"):
            renamed[name] = tensor
    return renamed


def _released_shapes(gpt: GPT) -> dict[str, torch.Size]:
    """Names and shapes that a released file has for this model."""
    shapes: dict[str, torch.Size] = {}
    for name, tensor in gpt.state_dict().items():
        if name == "pos_emb":
            shapes[name] = torch.Size((1, *tensor.shape))
        elif ".qkv." in name:
            for part in ("query", "key", "value"):
                shapes[name.replace(".qkv.", f".{part}.")] = torch.Size((len(tensor) // 3, *tensor.shape[1:]))
        else:
            shapes[name] = tensor.shape
    return shapes


def _codes(checkpoint: LightningCheckpoint, vqgan: VQGANConfig | None) -> int:
    """Size of the codebook behind the video tokens."""
    embeddings = checkpoint.state.get(f"{FIRST_STAGE}codebook.embeddings")
    if embeddings is not None:
        return len(embeddings)
    return vqgan.codes if vqgan else STORED_TOKEN_CODES


def _check_vocabulary(checkpoint: LightningCheckpoint, rows: int, codes: int, sound: VQGANConfig | None) -> None:
    """See that the rows of the embedding are the video codes and as many condition tokens as everything else says."""
    condition = condition_of(checkpoint)
    embeddings = checkpoint.state.get(f"{SOUND_STAGE}codebook.embeddings")
    expected = {
        "none": 0,
        "class": checkpoint.args.get("class_cond_dim"),
        "text": None,
        "sound": sound.codes if sound else None if embeddings is None else len(embeddings),
    }[condition]
    left = rows - codes
    if left < (condition != "none") or (expected is not None and left != expected):
        raise UserError(
            f"{checkpoint.path}: tensor transformer.tok_emb.weight has {rows} rows, {codes} of them for video codes; "
            f"the {left} that are left do not fit its condition "
            f"({condition}{'' if expected is None else f', {expected} tokens'})."
        )

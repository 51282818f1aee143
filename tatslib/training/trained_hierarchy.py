"""Trained transformers put together to a hierarchy, after a look at whether they belong together (paper 2.3)."""

from collections.abc import Sequence
from pathlib import Path

from tatslib.datasets.tokens import TokenIndex
from tatslib.errors import UserError
from tatslib.sampling.hierarchical import Hierarchy
from tatslib.training.checkpoint import load_model, read_config, weights_fingerprint
from tatslib.training.convert import check_sliding
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.vqgan.vqgan import VQGAN


def load_hierarchy(vqgan: VQGAN, vqgan_folder: Path, transformer: Path, fillers: Sequence[Path] = ()) -> Hierarchy:
    """Load the transformers of all levels, onto the device of the VQGAN.

    Args:
        vqgan: whose tokens they write.
        vqgan_folder: where it came from.
        transformer: folder of the one that begins.
        fillers: folders of those that fill in, the sparsest first. Without any, the transformer makes every frame.

    Raises:
        UserError: if one was trained on the tokens of another VQGAN or at another distance between latent frames than
            its level has, or if one that should begin fills in or the other way round.
    """
    device = vqgan.codebook.embeddings.device
    check_sliding(transformer)
    models = [_load(transformer, GPTConfig), *(_load(folder, InterpolationConfig) for folder in fillers)]
    for model in models:
        model.to(device)
    hierarchy, fingerprint = Hierarchy(models[0], models[1:]), weights_fingerprint(vqgan)
    for folder, stride in zip((transformer, *fillers), hierarchy.strides, strict=True):
        learnt_from = TokenIndex.from_json((folder / "data.json").read_text(), source=folder / "data.json")
        if learnt_from.vqgan != fingerprint:
            raise UserError(
                f"{folder} was trained on the tokens of another VQGAN than {vqgan_folder}: name that one instead."
            )
        if learnt_from.latent_stride != stride:
            learnt = learnt_from.latent_stride
            raise UserError(
                f"{folder} was trained on latent frames {learnt} apart, but would have to write them {stride} apart "
                f"here: with --filler name, from the sparsest down, what fills in between."
            )
    return hierarchy


def _load(folder: Path, kind: type[GPTConfig]) -> GPT:
    """A transformer that begins (`GPTConfig`) or one that fills in (`InterpolationConfig`)."""
    path = folder / "config.json"
    if not path.is_file():
        read_config(folder, kind)  # which says so
    if ('"mask"' in path.read_text()) != (kind is InterpolationConfig):
        raise UserError(
            f"{folder} goes on from what came before: name one that `tats train interpolation` made to fill in."
            if kind is InterpolationConfig
            else f"{folder} fills in between given frames and cannot begin: name it with --filler."
        )
    model = GPT(read_config(folder, kind))
    load_model(folder, model)
    return model

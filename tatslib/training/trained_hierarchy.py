"""Trained transformers put together to a hierarchy, after a look at whether they belong together (paper 2.3)."""

from collections.abc import Sequence
from pathlib import Path

from tatslib.datasets.tokens import TokenIndex
from tatslib.errors import UserError
from tatslib.sampling.guidance import check_guidance
from tatslib.sampling.hierarchical import Hierarchy
from tatslib.training.checkpoint import load_model, read_config, weights_fingerprint
from tatslib.training.convert import FACTS, check_sliding
from tatslib.transformer.conditions import GuidedConfig, GuidedInterpolationConfig
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.transformer.official import ReleasedFacts
from tatslib.vqgan.vqgan import VQGAN

KINDS: dict[tuple[bool, bool], type[GPTConfig]] = {  # by whether it fills in, and whether it can be guided
    (False, False): GPTConfig,
    (False, True): GuidedConfig,
    (True, False): InterpolationConfig,
    (True, True): GuidedInterpolationConfig,
}


def load_hierarchy(
    vqgan: VQGAN, vqgan_folder: Path, transformer: Path, fillers: Sequence[Path] = (), guidance: float = 1.0
) -> Hierarchy:
    """Load the transformers of all levels, onto the device of the VQGAN.

    That all are told in the same tokens is looked at before, by `commands.leading.check_told`; that each gets as many
    as it reads, when sampling begins. How many they are may differ: the sound of a longer window has more.

    Args:
        vqgan: whose tokens they write.
        vqgan_folder: where it came from.
        transformer: folder of the one that begins.
        fillers: folders of those that fill in, the sparsest first. Without any, the transformer makes every frame.
        guidance: how far all levels are to be guided, see `sampling.guidance`; 1 is not at all.

    Raises:
        UserError: if one was trained on the tokens of another VQGAN or at another distance between latent frames than
            its level has, if one that should begin fills in or the other way round, or if one cannot be guided.
    """
    device, folders = vqgan.codebook.embeddings.device, (transformer, *fillers)
    if not fillers:
        check_sliding(transformer)
    configs = [_config(folder, fills_in=level > 0) for level, folder in enumerate(folders)]
    for folder, config in zip(folders, configs, strict=True):
        check_guidance(config, guidance, str(folder))
    models = [GPT(config) for config in configs]
    for folder, model in zip(folders, models, strict=True):
        load_model(folder, model)
        model.to(device)
    hierarchy, fingerprint = Hierarchy(models[0], models[1:]), weights_fingerprint(vqgan)
    for folder, stride in zip(folders, hierarchy.strides, strict=True):
        learnt_from = TokenIndex.from_json((folder / "data.json").read_text(), source=folder / "data.json")
        if learnt_from.vqgan != fingerprint:
            raise UserError(
                f"{folder} was trained on the tokens of another VQGAN than {vqgan_folder}: name that one instead."
            )
        learnt = latent_stride_of(folder, learnt_from)
        if learnt != stride:
            raise UserError(
                f"{folder} was trained on latent frames {learnt} apart, but would have to write them {stride} apart "
                f"here: with --filler name, from the sparsest down, what fills in between."
            )
    return hierarchy


def _config(folder: Path, fills_in: bool) -> GPTConfig:
    """The config of a transformer that begins, or of one that fills in; of the kind that its file holds."""
    path = folder / "config.json"
    if not path.is_file():
        read_config(folder, GPTConfig)  # which says so
    fields = path.read_text()
    if ('"mask"' in fields) != fills_in:
        raise UserError(
            f"{folder} goes on from what came before: name one that `tats train interpolation` made to fill in."
            if fills_in
            else f"{folder} fills in between given frames and cannot begin: name it with --filler."
        )
    return read_config(folder, KINDS[fills_in, '"null_condition"' in fields])


def latent_stride_of(folder: Path, learnt_from: TokenIndex) -> int:
    """How far apart the latent frames lay on which a transformer was trained; of a released one its facts say it."""
    path = folder / FACTS
    if not path.is_file():
        return learnt_from.latent_stride
    return ReleasedFacts.from_json(path.read_text(), source=path).latent_stride

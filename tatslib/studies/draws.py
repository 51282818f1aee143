"""Temperature, top-k and top-p: what they do to clips of the training length (paper B.2).

Letters: B clips, T H W frames, t h w latent grid, c classes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from einops import repeat
from torch import Tensor

from tatslib import recipes
from tatslib.metrics.features import ClipClassifier, RandomFeatures, classify, clip_features
from tatslib.metrics.frechet import frechet_distance
from tatslib.metrics.nearest import nearest_real_distance
from tatslib.metrics.variety import variety
from tatslib.sampling.filters import Filters
from tatslib.sampling.sliding_window import sample
from tatslib.studies.drift import Ruler, ruler, through_tokenizer
from tatslib.studies.pictures import decoded_clips
from tatslib.studies.results import Numbers, Study
from tatslib.training.device import default_device
from tatslib.transformer.gpt import GPT
from tatslib.videos import Video
from tatslib.vqgan.vqgan import VQGAN

CLIPS_A_CLASS = 40  # 240 in all: ten for each dimension of the classifier's features
SHARE = 2048 / 16384  # of the codes that the paper's top-k keeps (B.2)
RULERS = ("named", "variety", "nearest", "random", "classifier")


def settings(codes: int) -> dict[str, Filters]:
    """The filters that are compared, for a transformer over so many codes."""
    top_k = max(1, round(SHARE * codes))
    return {
        "all": Filters(),
        "tau-50": Filters(temperature=0.5),
        "tau-70": Filters(temperature=0.7),
        "tau-85": Filters(temperature=0.85),
        "k": Filters(top_k=top_k),
        "p-50": Filters(top_p=0.5),
        "p-80": Filters(top_p=0.8),
        "p-92": Filters(top_p=0.92),
        "paper": Filters(top_k=top_k, top_p=0.80),  # B.2
        "released": Filters(top_k=top_k, top_p=0.92),  # the default of the released scripts
        "likeliest": Filters(top_k=1),
    }


def draw(gpt: GPT, vqgan: VQGAN, filters: Filters, seed: int, clips_a_class: int = CLIPS_A_CLASS) -> Video:
    """So many clips of each class in turn, uint8 (B, T, H, W, 3); the same luck for every `filters`."""
    words = labels_of(gpt, clips_a_class)[:, None]
    tokens = sample(gpt, words, gpt.config.latent_shape[0], filters, seed=seed, progress=False)
    return decoded_clips(vqgan, tokens)


def labels_of(gpt: GPT, clips_a_class: int = CLIPS_A_CLASS) -> Tensor:
    """int64 (B,): the classes of what `draw` draws."""
    return repeat(torch.arange(gpt.config.condition_codes), "c -> (c n)", n=clips_a_class)


@dataclass(frozen=True)
class Target:
    """What a perfect transformer on this tokenizer would score: held-out clips through it, and the rulers."""

    rods: Ruler
    nearest: float  # grey levels
    variety: Tensor  # float64 (c,)
    training: dict[str, Tensor]  # features of the training clips by network
    frechet: dict[str, float]  # of the held-out clips by network

    @classmethod
    def of(cls, real: Video, labels: Tensor, rods: Ruler) -> "Target":
        """From held-out clips through the tokenizer, uint8 (B, T, H, W, 3), and their classes."""
        training = {name: clip_features(network, rods.real) for name, network in _networks(rods).items()}
        frechet = {
            name: frechet_distance(training[name], clip_features(network, real))
            for name, network in _networks(rods).items()
        }
        return cls(rods, nearest_real_distance(real, rods.real).mean(), variety(real, labels), training, frechet)


def measure(clips: Video, labels: Tensor, target: Target) -> Numbers:
    """All rulers on one set of clips (B, T, H, W, 3), each asked for the class in `labels`, int64 (B,).

    Returns:
        "named": share that the classifier gives the class that was asked for;
        "variety": how far clips of a class are from each other, as a share of what real ones are;
        "nearest": grey levels to the nearest training clip, minus that of the real ones;
        "random", "classifier": Fréchet distance to training clips, minus that of the real ones.
    """
    rods = target.rods
    return {
        "named": float((classify(rods.classifier, clips) == labels).double().mean()),
        "variety": float((variety(clips, labels) / target.variety).mean()),
        "nearest": float(nearest_real_distance(clips, rods.real).mean() - target.nearest),
    } | {
        name: frechet_distance(target.training[name], clip_features(network, clips)) - target.frechet[name]
        for name, network in _networks(rods).items()
    }


def measure_settings(seed: int, names: Sequence[str] | None = None) -> Numbers:
    """Some settings (all if none are named), drawn from and measured for one training seed."""
    gpt, vqgan = (
        recipes.get(f"actions/{kind}-replicate", seed).model.to(default_device()) for kind in ("gpt", "vqgan")
    )
    labels = labels_of(gpt)
    rods = ruler(len(labels))
    target = Target.of(through_tokenizer(vqgan, rods.held_out)[1], rods.held_out_labels, rods)
    compared = settings(gpt.config.codes)
    return {name: measure(draw(gpt, vqgan, compared[name], seed), labels, target) for name in names or compared}


def _networks(rods: Ruler) -> dict[str, RandomFeatures | ClipClassifier]:
    return {"random": rods.random, "classifier": rods.classifier}


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocol."""
    yield Study(
        "draws",
        f"""{CLIPS_A_CLASS} clips of 16 frames of each of six classes from one transformer, with the same luck for every
        setting. all: no filter; tau: temperature 0.50, 0.70, 0.85; k: top-k with an eighth of the codes, as the paper's
        2048 are; p: top-p 0.50, 0.80, 0.92; paper: the same top-k and top-p 0.80; released: the same and top-p 0.92;
        likeliest: always the likeliest token. named: share that a classifier gives the class that was
        asked for. variety: root-mean-square difference of clips of one class in grey levels, averaged over classes as
        a share of that of held-out clips through the same tokenizer. nearest, random, classifier: distance in grey
        levels to the nearest of 2048 training clips, and Fréchet distances to them, minus what these held-out clips
        score.""",
        measure_settings,
    )

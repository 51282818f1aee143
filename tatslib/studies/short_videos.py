"""Clips no longer than those of training: models, reconstructions, real clips under one ruler (paper 3.2, Table 1).

Letters: B clips, T H W frames.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from tatslib import recipes
from tatslib.datasets.clips import ClipDataset
from tatslib.evaluation.measures import Draw, any_frechet, distances
from tatslib.metrics.features import Classifier, FeatureNetwork, RandomFeatures, class_probabilities, clip_features
from tatslib.metrics.inception import inception_sums
from tatslib.metrics.kernel import kernel_distance
from tatslib.metrics.motion import frame_changes
from tatslib.recipes.kinds import Split, World
from tatslib.sampling.filters import Filters
from tatslib.sampling.sliding_window import sample
from tatslib.studies.drift import through_tokenizer
from tatslib.studies.pictures import decoded_clips
from tatslib.studies.results import Numbers, Study
from tatslib.training.device import default_device
from tatslib.training.presets import PRESETS, current_scale
from tatslib.videos import Video

CLIPS = 480  # on either side: 20 for each of the classifier's 24 dimensions
REPEATS = 10  # draws of real clips (paper B.1)
FITTED_WITH = 2048  # real clips that set the scale of the random features
DIMENSIONS = 16  # of the random features
TOP_P = 0.8  # paper B.2
TOKENIZERS = ("replicate", "zeros")  # time-agnostic and vanilla: TATS-base on either
OPPONENTS = ("implicit", "recurrent")  # generators without tokens
FRECHET, KERNEL = "frechet", "kernel"


@dataclass(frozen=True)
class Ruler:
    """What every set of clips is held against; the same for all models and all seeds of models."""

    train: ClipDataset
    networks: Mapping[str, FeatureNetwork]
    classifier: Classifier
    real: Mapping[str, list[Draw]]  # by network: the real clips of each repeat and one draw more
    labels: Tensor  # int64 (CLIPS,), the classes of real clips: the prior from which labels are drawn (3.2)
    held_out: Video  # uint8 (CLIPS, T, H, W, 3), random test clips
    held_out_labels: Tensor
    held_out_videos: list[int]  # which video each is cut from


@cache
def ruler(world: World = "actions") -> Ruler:
    """The ruler of this scale for a world; the classifier is that of the actions, whatever it looks at."""
    videos, config = recipes.get(f"{world}/videos"), PRESETS[current_scale()].vqgan
    splits: tuple[Split, Split] = ("train", "test")
    train, test = (videos.dataset(s, length=config.frames, resolution=config.resolution) for s in splits)
    device, classifier = default_device(), recipes.get("actions/classifier").model
    fitted = RandomFeatures(DIMENSIONS).to(device).fit(train.clips(0, FITTED_WITH, seed=8)[0].numpy())
    networks: dict[str, FeatureNetwork] = {"classifier": classifier.to(device), "random": fitted}
    real: dict[str, list[Draw]] = {name: [] for name in networks}
    for repeat in range(REPEATS + 1):
        places = train.places(repeat, CLIPS, seed=7)
        clips = np.stack([train.clip(*place) for place in places])
        for name, network in networks.items():
            real[name].append(Draw(clip_features(network, clips), [video for video, _ in places]))
    held_out, labels = test.clips(0, CLIPS, seed=7)
    videos_of = [video for video, _ in test.places(0, CLIPS, seed=7)]
    prior = torch.tensor([train.labels[video] for video in real["random"][0].videos])
    return Ruler(train, networks, classifier, real, prior, held_out.numpy(), labels, videos_of)


def made_clips(arm: str, seed: int, labels: Tensor, training: int = 0, world: World = "actions") -> Video:
    """Clips of the model of one training, uint8 (B, T, H, W, 3), of these classes; the seed is that of the draw."""
    device = default_device()
    if arm in OPPONENTS:
        clips: Video = recipes.get(f"{world}/{arm}", training).model.sample(len(labels), frames(), seed, labels)
        return clips
    vqgan, gpt = (recipes.get(f"{world}/{kind}-{arm}", training).model.to(device) for kind in ("vqgan", "gpt"))
    latent_frames = vqgan.config.latent_shape[0]
    tokens = sample(gpt, labels[:, None], latent_frames, Filters(top_p=TOP_P), seed=seed, progress=False)
    return decoded_clips(vqgan, tokens, at_once=64)


def frames() -> int:
    """T, those of a training clip."""
    return PRESETS[current_scale()].vqgan.frames


def measure(clips: Video, labels: Tensor, rods: Ruler, videos: Sequence[int] | None = None) -> Numbers:
    """All rulers on one set of clips.

    Args:
        clips: uint8 (CLIPS, T, H, W, 3).
        labels: int64 (CLIPS,), the classes that were asked for, or the true ones.
        rods: what measures.
        videos: which video each clip is cut from; absent, each is one of its own.

    Returns:
        By network "frechet" and "kernel": the mean over the repeats; each also with "_spread", over them, and "_error",
        the jackknife's standard error. "is": inception score of the classifier. "named": share of clips that it gives
        the class in `labels`. "motion": grey levels from frame to frame.
    """
    found: Numbers = {}
    for name, network in rods.networks.items():
        made = [Draw(clip_features(network, clips), videos or range(len(clips)))] * REPEATS
        found[name] = {}
        for kind, distance in ((FRECHET, any_frechet), (KERNEL, kernel_distance)):
            numbers = distances(distance, rods.real[name], made, seed=0, biased=False)
            found[name] |= {kind: numbers["mean"]}
            found[name] |= {f"{kind}_{part}": numbers[part] for part in ("spread", "error")}
    chances = class_probabilities(rods.classifier, clips)
    found["is"] = inception_sums(chances).score()
    found["named"] = float((chances.argmax(1) == labels).double().mean())
    found["motion"] = float(frame_changes(clips).mean())
    return found


def floor(rods: Ruler) -> Numbers:
    """What real training clips score against other real training clips."""
    found: Numbers = {}
    for name, draws in rods.real.items():
        found[name] = {}
        for kind, distance in ((FRECHET, any_frechet), (KERNEL, kernel_distance)):
            numbers = distances(distance, draws, draws[1:], seed=0, biased=False)
            found[name] |= {kind: numbers["mean"], f"{kind}_spread": numbers["spread"]}
    return found


def run(seed: int) -> Numbers:
    """Real clips, reconstructions, TATS-base on two tokenizers, and the opponents."""
    rods = ruler()
    numbers: Numbers = {
        "floor": floor(rods),
        "held_out": measure(rods.held_out, rods.held_out_labels, rods, rods.held_out_videos),
    }
    for padding in TOKENIZERS:
        vqgan = recipes.get(f"actions/vqgan-{padding}", seed).model
        _, rebuilt = through_tokenizer(vqgan, rods.held_out)
        numbers[f"rebuilt_{padding}"] = measure(rebuilt, rods.held_out_labels, rods, rods.held_out_videos)
    for arm in (*TOKENIZERS, *OPPONENTS):
        numbers[arm] = measure(made_clips(arm, seed, rods.labels, training=seed), rods.labels, rods)
    return numbers


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocol."""
    yield Study(
        "short-videos",
        f"""{CLIPS} clips of 16 frames from each model, as long as those of training; their classes are those of
        {CLIPS} random training clips; top-p {TOP_P}, no top-k, temperature 1 for the transformers. Held against
        {REPEATS} draws of {CLIPS} random clips of the train split: mean over the draws, their spread, and a jackknife's
        standard error over 20 groups of videos. Features: the 24 of the classifier, trained once, and {DIMENSIONS}
        random ones on the scale of {FITTED_WITH} training clips. Beside the models: other draws of training clips
        ("floor"), random test clips ("held_out"), and these through either tokenizer ("rebuilt"). Replicate and zeros
        are one transformer each on tokens of either padding; implicit and recurrent are generators without tokens.
        The seed is that of the training of tokenizers, transformers and generators, and of the draws.""",
        run,
        version=2,
    )

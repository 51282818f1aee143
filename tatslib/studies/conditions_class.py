"""What a class label is worth: the same transformer told the class and told nothing (paper 3.2, Table 1d).

Letters: B videos, T frames, n windows of a video, k classes.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from tatslib import recipes
from tatslib.metrics.coherence import area_under, class_coherence, inception_coherence
from tatslib.metrics.features import (
    ClipClassifier,
    RandomFeatures,
    class_probabilities,
    clip_features,
    window_probabilities,
)
from tatslib.metrics.frechet import frechet_distance
from tatslib.metrics.inception import inception_scores
from tatslib.randomness import torch_generator
from tatslib.studies.conditions import SAMPLING, TRAINING, draw, nats, trained, untold
from tatslib.studies.drift import Ruler, ruler, through_tokenizer
from tatslib.studies.results import Numbers, Study
from tatslib.transformer.conditions import class_condition, null_condition
from tatslib.transformer.gpt import GPT
from tatslib.videos import Video

CLIPS = 240  # of the training length: 15 a dimension of the random features
VIDEOS, FRAMES = 60, 256  # long ones
ARMS = ("told", "untold")


def asked(labels: Tensor, count: int, seed: int) -> Tensor:
    """Classes to ask for, drawn from those of the training clips as in the paper (3.2): int64 (count,)."""
    return labels[torch.randint(len(labels), (count,), generator=torch_generator(seed, "study/asked classes"))]


def told_or_not(arm: str, gpt: GPT, labels: Tensor) -> Tensor:
    """int64 (B, 1): the class of each video, or that there is none."""
    return class_condition(labels) if arm == "told" else null_condition(gpt.config, len(labels))


def measure_clips(clips: Video, labels: Tensor, rods: Ruler) -> Numbers:
    """Rulers on clips of the training length, uint8 (B, T, H, W, 3), that were asked for these classes (B,).

    Returns:
        "is": inception score by the toy classifier, all clips in one split; "sure": the mean chance that it gives the
        class it names; "named": share that it gives the class that was asked for; "classes": share that it gives each
        class; "random", "classifier": Fréchet distances to training clips.
    """
    chances = class_probabilities(rods.classifier, clips)  # (B, k)
    named = chances.argmax(-1)
    networks: dict[str, RandomFeatures | ClipClassifier] = {"random": rods.random, "classifier": rods.classifier}
    return {
        "is": inception_scores(chances).item(),
        "sure": float(chances.amax(-1).mean()),
        "named": float((named == labels).double().mean()),
        "classes": (named.bincount(minlength=chances.shape[1]).double() / len(named)).tolist(),
    } | {
        name: frechet_distance(clip_features(network, rods.real), clip_features(network, clips))
        for name, network in networks.items()
    }


def measure_videos(videos: Video, labels: Tensor, rods: Ruler) -> Numbers:
    """Rulers on long videos, uint8 (B, n T, H, W, 3), window by window.

    Returns:
        "ccs", "ics": coherence with the first window (3.3), from the second one on; "ccs_area": under the
        former; "named": share of windows that the classifier gives the class that was asked for.
    """
    chances = window_probabilities(rods.classifier, videos, rods.real.shape[1])  # (B, n, k)
    coherent = class_coherence(chances)
    return {
        "ccs": coherent[1:].tolist(),
        "ccs_area": area_under(coherent[1:]),
        "ics": inception_coherence(chances).mean(0)[1:].tolist(),
        "named": (chances.argmax(-1) == labels[:, None]).double().mean(0).tolist(),
    }


def run(seed: int) -> Numbers:
    """Told and untold, and held-out clips through their tokenizer as what they could reach."""
    vqgan, tokens = trained("actions/vqgan-replicate", seed), recipes.get("actions/tokens-replicate", seed)
    rods = ruler(CLIPS)
    labels = asked(tokens.train.labels, CLIPS, seed)
    real = through_tokenizer(vqgan, rods.held_out)[1]
    numbers: Numbers = {"real": {"clips": measure_clips(real, rods.held_out_labels, rods)}}
    gpt = trained("actions/gpt-class", seed)
    for arm in ARMS:
        told = told_or_not(arm, gpt, labels)
        clips = draw(gpt, vqgan, told, vqgan.config.frames, seed)
        videos = draw(gpt, vqgan, told[:VIDEOS], FRAMES, seed)
        numbers[arm] = {
            "nats": nats(gpt, tokens.test if arm == "told" else untold(gpt, tokens.test)),
            "clips": measure_clips(clips, labels, rods),
            "videos": measure_videos(videos, labels[:VIDEOS], rods),
        }
    return numbers


def sample_videos(seed: int, frames: int = 64) -> dict[str, Video]:
    """A video of each class from the transformer that is told, and as many told nothing: by arm (k, T, H, W, 3).

    Videos of the same number have the same luck.
    """
    vqgan = trained("actions/vqgan-replicate", seed)
    labels = torch.arange(len(recipes.get("actions/classifier").model.config.classes))
    gpt = trained("actions/gpt-class", seed)
    return {arm: draw(gpt, vqgan, told_or_not(arm, gpt, labels), frames, seed) for arm in ARMS}


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocol."""
    yield Study(
        "condition-class",
        f"""{TRAINING} The condition is the class of a clip. Sampling: {SAMPLING}. nats: nats a token on held-out
        clips, over all and for each latent frame. clips: {CLIPS} clips of 16 frames; the classes asked for are drawn
        from those of the training clips, and for untold, which hears nothing of them, named is what chance gives. is:
        inception score by the toy classifier in one split, at most 6; sure: the mean chance of the class that it names;
        classes: share of clips named each class; random, classifier: Fréchet distances to 2048 training clips. videos:
        {VIDEOS} videos of {FRAMES} frames, cut into windows of 16 side by side; ccs, ics: coherence with the first
        window; named: share of windows of the class asked for. real: held-out clips through the same tokenizer, under
        the same rulers.""",
        run,
    )

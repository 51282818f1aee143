"""Past the training length: what becomes of long videos, vanilla against time-agnostic (paper 3.3, Fig. 2, 5).

Letters: V videos, n windows of a video, T frames of a window, t latent frames of a window, h w latent grid.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from statistics import fmean

import numpy as np
import torch
from einops import rearrange, repeat
from torch import Tensor

from tatslib import recipes
from tatslib.datasets.tokens import TokenClips
from tatslib.metrics.divergence import jensen_shannon, token_histogram
from tatslib.metrics.features import ClipClassifier, RandomFeatures, classify, clip_features, windows
from tatslib.metrics.frechet import frechet_distance
from tatslib.metrics.nearest import nearest_real_distance
from tatslib.recipes.kinds import Split, TrainedVQGAN, World
from tatslib.sampling.filters import Filters
from tatslib.sampling.sliding_window import sample
from tatslib.studies.pictures import decoded_clips
from tatslib.studies.results import Numbers, Study
from tatslib.training.device import default_device
from tatslib.training.presets import PRESETS, current_scale
from tatslib.videos import Video, to_model
from tatslib.vqgan.vqgan import VQGAN

PADDINGS = ("zeros", "replicate")  # vanilla and time-agnostic: one padding throughout encoder and decoder
CONTEXTS = (3, 1)  # latent frames looked back upon: the paper's t - 1, and the released script's
FRAMES = 256
VIDEOS_A_CLASS = 10
WINDOWS_A_BLOCK = 4  # windows that are measured together: 4 x 16 = 64 frames
TOP_P = 0.8  # paper B.2
REAL_CLIPS = 2048
DIMENSIONS = 16  # of the random features: 60 videos x 4 windows are 15 clips a dimension
FILTERS = Filters(top_p=TOP_P)
RULERS = ("token_js", "nearest", "random", "classifier", "named")


@dataclass(frozen=True)
class LongVideos:
    """Sampled videos, the tokens they were decoded from, and the class that each was asked for."""

    frames: Video  # uint8 (V, FRAMES, H, W, 3)
    tokens: Tensor  # int64 (V, FRAMES / d, h, w)
    labels: Tensor  # int64 (V,)


@dataclass(frozen=True)
class Ruler:
    """Real clips and the networks that look at clips, the same for every model."""

    real: Video  # uint8 (REAL_CLIPS, T, H, W, 3), random training clips
    held_out: Video  # uint8, random test clips, as many as a block of windows has
    held_out_labels: Tensor
    random: RandomFeatures
    classifier: ClipClassifier


@cache
def ruler(clips: int, world: World = "actions") -> Ruler:
    """The ruler for blocks of so many clips of a world; the classifier is that of the actions, whatever it looks at."""
    videos, config = recipes.get(f"{world}/videos"), PRESETS[current_scale()].vqgan
    splits: tuple[Split, Split] = ("train", "test")
    train, test = (videos.dataset(s, length=config.frames, resolution=config.resolution) for s in splits)
    real = np.concatenate([train.clips(step, 256, seed=7)[0].numpy() for step in range(REAL_CLIPS // 256)])
    held_out, labels = test.clips(0, clips, seed=7)
    random = RandomFeatures(DIMENSIONS).to(default_device()).fit(real)
    classifier = recipes.get("actions/classifier").model.to(default_device())
    return Ruler(real, held_out.numpy(), labels, random, classifier)


def sample_long(
    padding: str, context: int, seed: int, videos: int = VIDEOS_A_CLASS, frames: int = FRAMES
) -> LongVideos:
    """So many videos of each class from the models of one training seed, decoded in one go."""
    device = default_device()
    vqgan, gpt = (recipes.get(f"actions/{kind}-{padding}", seed).model.to(device) for kind in ("vqgan", "gpt"))
    labels = repeat(torch.arange(gpt.config.condition_codes), "c -> (c v)", v=videos)
    latent_frames = frames // vqgan.config.downsample[0]
    tokens = sample(gpt, labels[:, None], latent_frames, FILTERS, context_frames=context, seed=seed)
    return LongVideos(decoded_clips(vqgan, tokens, at_once=4), tokens.cpu(), labels)


def measure(long: LongVideos, context: int, vqgan: TrainedVQGAN, trained_on: TokenClips) -> Numbers:
    """All rulers on one set of long videos, window by window or block by block.

    Returns:
        "token_js": nats, windows after the first: tokens of the window against training tokens at position `context`,
            where the transformer believes to be whenever it draws past the training length;
        "token_js_any": the same against training tokens of all positions;
        "token_js_real": what held-out clips score at that position, the floor of "token_js";
        "nearest": grey levels to the nearest real clip, minus what held-out clips through the same tokenizer score;
        "random", "classifier": Fréchet distance of a block to real clips, minus that of held-out clips likewise;
        "named": share of windows that the classifier gives the class that was asked for.
    """
    config, measured = vqgan.model.config, ruler(len(long.frames) * WINDOWS_A_BLOCK)
    clips = windows(long.frames, config.frames)  # (V, n, T, H, W, 3)
    tokens = rearrange(long.tokens, "v (n t) h w -> n v t h w", t=config.latent_shape[0])
    there, anywhere = trained_on.tokens[:, context], trained_on.tokens
    references = [token_histogram(part.long(), config.codes) for part in (there, anywhere)]
    drawn = [token_histogram(part, config.codes) for part in tokens]
    held_out, rebuilt = through_tokenizer(vqgan.model, measured.held_out)
    floor = nearest_real_distance(rebuilt, measured.real).mean()
    named = [classify(measured.classifier, clips[:, k]) == long.labels for k in range(clips.shape[1])]
    return {
        "token_js": [jensen_shannon(p, references[0]) for p in drawn[1:]],
        "token_js_any": [jensen_shannon(p, references[1]) for p in drawn],
        "token_js_real": jensen_shannon(token_histogram(held_out[:, context], config.codes), references[0]),
        "nearest": [float(nearest_real_distance(clips[:, k], measured.real).mean() - floor) for k in range(len(drawn))],
        "random": excess_distances(measured.random, clips, rebuilt, measured.real),
        "classifier": excess_distances(measured.classifier, clips, rebuilt, measured.real),
        "named": [float(right.double().mean()) for right in named],
        "named_real": float((classify(measured.classifier, rebuilt) == measured.held_out_labels).double().mean()),
    }


@torch.inference_mode()
def through_tokenizer(vqgan: VQGAN, clips: Video, batch: int = 64) -> tuple[Tensor, Video]:
    """Tokens of uint8 clips (B, T, H, W, 3), and the clips rebuilt from them."""
    vqgan = vqgan.to(default_device())
    parts = [vqgan.encode(to_model(part).to(default_device())) for part in torch.as_tensor(clips).split(batch)]
    tokens = torch.cat(parts)
    return tokens.cpu(), decoded_clips(vqgan, tokens, batch)


def excess_distances(
    network: RandomFeatures | ClipClassifier, clips: Video, rebuilt: Video, real: Video
) -> list[float]:
    """Fréchet distance of each block of windows to real clips, minus that of held-out clips through the tokenizer."""
    blocks = rearrange(clips, "v (b k) t h w c -> b (v k) t h w c", k=WINDOWS_A_BLOCK)
    real_features = clip_features(network, real)
    floor = frechet_distance(real_features, clip_features(network, rebuilt))
    return [frechet_distance(real_features, clip_features(network, block)) - floor for block in blocks]


def summary(numbers: Numbers) -> Numbers:
    """One number a ruler: what the second half of the video scores on average, and how it changed since the start."""
    half = {name: fmean(numbers[name][len(numbers[name]) // 2 :]) for name in RULERS}
    change = {f"{name}_change": half[name] - numbers[name][0] for name in RULERS}
    return half | change


def run(seed: int) -> Numbers:
    """Both tokenizers, both lengths of context."""
    numbers: Numbers = {}
    for padding in PADDINGS:
        vqgan, tokens = recipes.get(f"actions/vqgan-{padding}", seed), recipes.get(f"actions/tokens-{padding}", seed)
        for context in CONTEXTS:
            measured = measure(sample_long(padding, context, seed), context, vqgan, tokens.train)
            numbers[f"{padding}-{context}"] = {"windows": measured, **summary(measured)}
    return numbers


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocol."""
    yield Study(
        "drift",
        f"""{VIDEOS_A_CLASS} videos of {FRAMES} frames of each class from each model; top-p {TOP_P}, no top-k,
        temperature 1; windows of 16 frames side by side; Fréchet distances over blocks of {WINDOWS_A_BLOCK} windows
        against {REAL_CLIPS} training clips. Tokenizers and transformers of both kinds are trained with the same data,
        steps and seed; only the padding differs, in encoder and decoder. Nearest-real and Fréchet distances have the
        score of held-out clips through the same tokenizer subtracted; the token divergence stands beside theirs. The
        second half of the video is compared.""",
        run,
    )

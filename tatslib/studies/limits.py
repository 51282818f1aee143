"""What limits the method: what the tokenizer loses, or what the transformer gets wrong (paper 3.2; after D)?

Steps from a real clip to a generated one: another training clip, that clip through a tokenizer, a clip drawn from a
transformer on its tokens. Each is a set of clips; each set is held against the same training clips. With other
features, the second is what the field calls rFVD, the third gFVD.

All originals are training clips, because that is what a transformer draws like: held-out clips are of other videos, and
a model that knew its training videos by heart would be nearer to these than they are.

Letters: B clips, T H W frames, t h w latent grid.
"""

from collections.abc import Iterator, Sequence
from functools import cache

from torch import Tensor

from tatslib import recipes
from tatslib.metrics.features import FeatureNetwork, clip_features
from tatslib.metrics.frechet import frechet_distance
from tatslib.metrics.kernel import kernel_distance
from tatslib.recipes.kinds import TrainedVQGAN
from tatslib.sampling.filters import Filters
from tatslib.sampling.sliding_window import sample
from tatslib.studies.drift import Ruler, ruler, through_tokenizer
from tatslib.studies.pictures import decoded_clips
from tatslib.studies.results import Numbers, Study
from tatslib.training.device import default_device
from tatslib.training.presets import PRESETS, current_scale
from tatslib.transformer.gpt import GPT
from tatslib.videos import Video

CLIPS = 240  # of each set: ten for each dimension of the classifier's features
TOKENIZERS = {  # one architecture
    "short": "actions/study-replicate",  # a third of the steps
    "plain": "actions/vqgan-replicate",
    "zeros": "actions/vqgan-zeros",  # as many steps, another padding
}
TRANSFORMERS = {"plain": "actions/gpt-replicate", "zeros": "actions/gpt-zeros"}
FILTERS = {"": Filters(), "-p80": Filters(top_p=0.8)}
SETS = (
    "real",
    "held-out",
    *(f"rebuilt-{name}" for name in TOKENIZERS),
    *(f"drawn-{name}{suffix}" for name in TRANSFORMERS for suffix in FILTERS),
)


def distances(clips: Video, rods: Ruler) -> dict[str, float]:
    """How far clips, uint8 (B, T, H, W, 3), are from the training clips.

    Returns:
        "classifier", "random": Fréchet distances in features of either network; "kernel": the unbiased kernel distance
        in those of the classifier.
    """
    features = {name: (clip_features(network, rods.real), clip_features(network, clips)) for name, network in of(rods)}
    found = {name: frechet_distance(*pair) for name, pair in features.items()}
    return {**found, "kernel": kernel_distance(*features["classifier"])}


@cache
def originals(seed: int) -> tuple[Video, Tensor]:
    """Random training clips, uint8 (B, T, H, W, 3), and their classes, int64 (B,); drawn apart from the ruler's."""
    config = PRESETS[current_scale()].vqgan
    train = recipes.get("actions/videos").dataset("train", length=config.frames, resolution=config.resolution)
    clips, labels = train.clips(seed, CLIPS, seed=11)
    return clips.numpy(), labels


def of(rods: Ruler) -> tuple[tuple[str, FeatureNetwork], ...]:
    """The networks that make features."""
    return ("classifier", rods.classifier), ("random", rods.random)


def draw(gpt: GPT, tokenizer: TrainedVQGAN, words: Tensor, filters: Filters, seed: int) -> Video:
    """A clip of the training length for each class word, int64 (B,): uint8 (B, T, H, W, 3)."""
    vqgan = tokenizer.model.to(default_device())
    tokens = sample(gpt, words[:, None], gpt.config.latent_shape[0], filters, seed=seed, progress=False)
    return decoded_clips(vqgan, tokens)


@cache
def clips_of(kind: str, seed: int, training: int = 0) -> Video:
    """One of `SETS`: CLIPS clips, drawn ones with the classes of the real ones, uint8 (B, T, H, W, 3)."""
    if kind == "held-out":
        return ruler(CLIPS).held_out
    clips, labels = originals(seed)
    if kind == "real":
        return clips
    stage, _, rest = kind.partition("-")
    name, _, suffix = rest.partition("-")
    tokenizer = recipes.get(TOKENIZERS[name], training)
    if stage == "rebuilt":
        return through_tokenizer(tokenizer.model, clips)[1]
    gpt = recipes.get(TRANSFORMERS[name], training).model.to(default_device())
    return draw(gpt, tokenizer, labels, FILTERS[f"-{suffix}" if suffix else ""], seed)


def measure(kinds: Sequence[str], seed: int, training: int = 0) -> Numbers:
    """Distances of some of `SETS`, by the models of one training; the seed is that of what is drawn."""
    return {kind: distances(clips_of(kind, seed, training), ruler(CLIPS)) for kind in kinds}


def run(seed: int) -> Numbers:
    """All sets, and the PSNR of each tokenizer on held-out clips, in dB."""
    psnr = {name: recipes.get(recipe, seed).scores["psnr"] for name, recipe in TOKENIZERS.items()}
    return {**measure(SETS, seed, training=seed), "psnr": psnr}


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocol."""
    yield Study(
        "limits",
        f"""Sets of {CLIPS} clips of 16 frames, each against the same 2048 random training clips: Fréchet distance in
        features of the classifier and of a random network, and unbiased kernel distance in those of the classifier.
        real: other random training clips. held-out: random clips of test videos. rebuilt: the real ones through a
        tokenizer of one architecture; plain has replicate padding, zeros has zero padding, short is plain after a third
        of the steps. drawn: clips of the classes of the real ones, without filters, from a transformer on the tokens of
        that tokenizer; p80: the same with top-p 0.8. psnr: of each tokenizer on held-out clips. The seed is that
        of the training of all tokenizers and transformers, of the real clips (held-out ones are always the same) and of
        the draws; the classifier was trained once.""",
        run,
        version=2,
    )

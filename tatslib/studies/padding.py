"""The padding study: equivariance scores of every kind of edge, untrained and trained, and what each costs (Fig. 13).

Letters: B clips, T frames, t latent frames, d temporal compression.
"""

import time
from collections.abc import Callable, Iterator
from statistics import fmean, median, stdev

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from tatslib import recipes
from tatslib.metrics.equivariance import (
    corruption_by_depth,
    decoder_difference,
    encode_pairs,
    equivariance_score,
    frames_for_pairs,
    real_frames_twin,
    score_by_position,
)
from tatslib.randomness import torch_generator
from tatslib.recipes.kinds import Split, Videos
from tatslib.recipes.padding_study import PADDINGS, variants
from tatslib.studies.results import Numbers, Study
from tatslib.training.device import default_device
from tatslib.training.presets import PRESETS, current_scale
from tatslib.videos import to_model
from tatslib.vqgan.codebook import draw_candidates
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig

CLIPS = 256
CALIBRATION_CLIPS = 64
DEEPEST = 3  # residual blocks a level
TRAINED = ("zeros", "reflect", "circular", "replicate", "real", "released-zeros")


def held_out(videos: Videos, frames: int, clips: int = CLIPS, split: Split = "test") -> Tensor:
    """float (B, 3, T, H, W): random windows of test videos, the same for every variant of equal length."""
    resolution = PRESETS[current_scale()].vqgan.resolution
    return to_model(videos.dataset(split, length=frames, resolution=resolution).clips(0, clips, seed=7)[0])


def score(vqgan: VQGAN, videos: Videos) -> Numbers:
    """Eq. 3 on `CLIPS` held-out clips: mean and spread over clips, by position, and the codes that were used."""
    pairs = encode_pairs(vqgan, held_out(videos, frames_for_pairs(vqgan)))
    scores = equivariance_score(*pairs).tolist()
    return {
        "score": fmean(scores),
        "over_clips": stdev(scores),
        "by_position": score_by_position(*pairs).tolist(),
        "used_codes": pairs.used_codes(),
    }


def untrained(config: VQGANConfig, videos: Videos, seed: int) -> VQGAN:
    """An encoder with random weights, batch norms that know the data's scale, and codes taken from its own outputs."""
    vqgan = VQGAN(config, seed=seed).to(default_device())
    clips = held_out(videos, config.frames + sum(config.margins), CALIBRATION_CLIPS, "train").to(default_device())
    for module in vqgan.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.momentum = None  # plain averages over the batches seen
    with torch.no_grad():
        for part in clips.split(16):
            vqgan.train().latents(part)
        z = vqgan.eval().latents(clips)  # (B, D, t, h, w)
        vectors = rearrange(z, "b d t h w -> (b t h w) d")
        vqgan.codebook.initialise(draw_candidates(vectors, config.codes, torch_generator(seed, "untrained codes")))
    return vqgan


def run_untrained(seed: int) -> Numbers:
    """Scores of untrained encoders: every variant at the scale's own depth, the four paddings at greater depths."""
    videos, config = recipes.get("actions/videos"), PRESETS[current_scale()].vqgan
    numbers: Numbers = {name: score(untrained(c, videos, seed), videos) for name, c in variants(config).items()}
    for blocks in range(1, DEEPEST + 1):
        deep = variants(config.replace(encoder_blocks=blocks))
        rows = {padding: score(untrained(deep[padding], videos, seed), videos)["score"] for padding in PADDINGS}
        numbers[f"depth-{blocks}"] = rows
    return numbers


def run_trained(seed: int) -> Numbers:
    """Scores of trained encoders, with reconstruction quality and, for the padded ones, the error after each unit."""
    videos = recipes.get("actions/videos")
    numbers: Numbers = {}
    less = [n for n in variants(PRESETS[current_scale()].vqgan) if n.startswith(("first-", "last-"))]
    for name in (*TRAINED, *less):
        trained = recipes.get(f"actions/study-{name}", seed)
        trained.model.to(default_device())
        numbers[name] = score(trained.model, videos) | {"psnr": trained.scores["psnr"]}
        if name in TRAINED:
            frames = trained.model.config.frames + sum(real_frames_twin(trained.model).config.margins)
            rows = corruption_by_depth(trained.model, held_out(videos, frames, 64))
            numbers[name]["corruption"] = [row.tolist() for row in rows]
    return numbers


def run_decoder(seed: int) -> Numbers:
    """How the decoders of the two main tokenizers, vanilla and time-agnostic, treat the same tokens in two windows."""
    numbers: Numbers = {}
    for padding in ("zeros", "replicate"):
        vqgan = recipes.get(f"actions/vqgan-{padding}", seed).model.to(default_device())
        step = vqgan.config.downsample[0]
        with torch.inference_mode():
            clips = held_out(recipes.get("actions/videos"), vqgan.config.frames + step)
            tokens = vqgan.encode(clips.to(default_device()))
        difference = decoder_difference(vqgan, tokens)
        rms = difference.by_frame.square().mean().sqrt()
        numbers[padding] = {
            "grey_levels": float(rms),
            "by_frame": difference.by_frame.tolist(),
            "same_pixels": difference.same_pixels,
        }
    return numbers


def training_step(vqgan: VQGAN, clips: Tensor) -> Callable[[], Tensor]:
    """One forward and backward pass as a function without arguments."""

    def step() -> Tensor:
        vqgan.zero_grad(set_to_none=True)
        out = vqgan(clips, generator=torch_generator(0, "cost"))
        before, after = vqgan.config.forward_margins
        loss = (out.reconstruction - clips[:, :, before : clips.shape[2] - after]).abs().mean() + out.commitment_loss
        loss.backward()
        return loss

    return step


def saved_megabytes(step: Callable[[], Tensor]) -> float:
    """What one pass keeps for its backward pass, each storage counted once: the part of memory that padding changes."""
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        step()
    return sum(storages.values()) / 1e6


def costs(batch: int = 8, rounds: int = 5) -> dict[str, dict[str, float]]:
    """Of each variant's training step, in float32: GFLOP, MB kept for the backward pass, milliseconds.

    Variants take turns, `rounds` times, and the median counts, so that a busy moment of the machine meets all alike.
    """
    steps = {}
    for name, config in variants(PRESETS[current_scale()].vqgan).items():
        frames = config.frames + sum(config.forward_margins)
        shape = (batch, 3, frames, config.resolution, config.resolution)
        clips = torch.rand(shape, generator=torch_generator(0, "cost clips")) - 0.5
        steps[name] = training_step(VQGAN(config).train().to(default_device()), clips.to(default_device()))
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for name in list(steps) * (rounds + 1):  # the first round warms up
        started = time.perf_counter()
        steps[name]().item()  # a GPU is waited for
        seconds[name].append(time.perf_counter() - started)
    return {name: _cost(step, 1000 * median(seconds[name][1:])) for name, step in steps.items()}


def _cost(step: Callable[[], Tensor], milliseconds: float) -> dict[str, float]:
    with FlopCounterMode(display=False) as counter:
        step()
    return {
        "gflop": counter.get_total_flops() / 1e9,
        "megabytes": saved_megabytes(step),
        "milliseconds": milliseconds,
    }


def run_costs(seed: int) -> Numbers:
    """One measurement of all costs; seeds stand for repetitions."""
    return costs()


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocols."""
    eq3 = f"""Eq. 3, normalised by the latent frames compared, on {CLIPS} random windows of test videos of the actions
        world. Only the encoder's edges in time differ; edges in space and the whole decoder replicate."""
    yield Study(
        "equivariance-untrained",
        f"""{eq3} Random weights; batch norms averaged over {CALIBRATION_CLIPS} training clips; codes are random encoder
        outputs on these clips. Depths: 1 to {DEEPEST} residual blocks a level.""",
        run_untrained,
        seeds_of="initialisations",
    )
    yield Study(
        "equivariance-trained",
        f"""{eq3} Every variant is trained with the same data, seed and number of steps (`study_steps` of the preset);
        a clip comes with real frames around it where the variant reads them. Corruption: RMS error of features after
        each unit against features from real frames, relative to these, on 64 held-out windows.""",
        run_trained,
    )
    yield Study(
        "decoder-windows",
        f"""Tokens of {CLIPS} held-out windows of T + d frames, decoded as latent frames 0..t-1 and 1..t; the frames
        that both show are compared in 8-bit grey levels. Tokenizers with one padding throughout.""",
        run_decoder,
    )
    yield Study(
        "padding-costs",
        """One training step (forward and backward, 8 clips, float32): FLOPs counted, memory kept for the backward pass,
        median time of interleaved rounds. Three repetitions stand where others have seeds.""",
        run_costs,
        seeds_of="repetitions",
    )

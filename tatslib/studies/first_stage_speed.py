"""How fast clips are encoded, decoded and trained on, beside the released way, and what decoding long videos holds."""

from collections.abc import Iterator

import torch

from tatslib.studies.results import Numbers, Study
from tatslib.training.benchmark import CLIPS, KINDS, bench_vqgan
from tatslib.training.device import default_device
from tatslib.training.memory import growth_of, in_fresh_process
from tatslib.training.presets import PRESETS, Scale, current_scale
from tatslib.vqgan.vqgan import VQGAN
from tatslib.vqgan.windows import TOKENS, decode_in_windows

SECONDS = 2.0  # of each kind of work
FULL_SECONDS = 10.0  # the same at the paper's size, but three rounds at least
FRAMES = (16, 256, 1024)  # that are decoded


def run(seed: int) -> Numbers:
    """One measurement, all that is about memory in processes of their own; seeds stand for repetitions.

    Returns:
        for each kind of work of `bench_vqgan`, "clips_per_s", "reference_clips_per_s", "ratio" and "peak_mb";
        "memory/windows" and "memory/whole": MB that decoding so many frames holds over what is held before.
    """
    scale = current_scale()
    numbers = paces(scale, SECONDS)
    numbers["memory"] = {
        way: {str(frames): in_fresh_process(decoding_megabytes, scale, frames, way == "whole") for frames in FRAMES}
        for way in ("windows", "whole")
    }
    return numbers


def full_size(seed: int) -> Numbers:
    """The same without the memory of long videos, at the paper's size, where the released code's own figures are."""
    numbers = paces("paper", FULL_SECONDS)
    for kind in ("encode", "lookup", "decode", "train"):  # of so many clips, in seconds, as those figures are told
        for whose in ("", "reference_"):
            numbers[kind][f"{whose}seconds"] = round(CLIPS["paper"] / numbers[kind][f"{whose}clips_per_s"], 3)
    return numbers


def paces(scale: Scale, seconds: float) -> Numbers:
    """What `bench_vqgan` finds on one thread beside the released way, kind of work by kind of work."""
    found = in_fresh_process(bench_vqgan, scale, seconds, compare=True, threads=1)
    return {
        kind: {
            "clips_per_s": found[f"{kind}_clips_per_s"],
            "reference_clips_per_s": found[f"reference_{kind}_clips_per_s"],
            "ratio": found[f"ratio_{kind}"],
            "peak_mb": found[f"{kind}_peak_mb"],
        }
        for kind in KINDS
    }


def decoding_megabytes(scale: Scale, frames: int, whole: bool) -> float:
    """MB that are held at most while random tokens of a video are decoded, over what is held before.

    Args:
        scale: whose preset.
        frames: of the video.
        whole: all of them in one call, and not in windows, from which each piece is taken and forgotten.
    """
    torch.set_num_threads(1)
    config, device = PRESETS[scale].vqgan, default_device()
    vqgan, margins = VQGAN(config).eval().to(device), sum(config.latent_margins)
    shape = (1, frames // config.downsample[0] + margins, *config.latent_shape[1:])
    tokens = torch.randint(config.codes, shape, generator=torch.Generator().manual_seed(0)).to(device)

    def decode() -> None:
        if whole:
            vqgan.decode(tokens)
        else:
            for _ in decode_in_windows(vqgan, tokens):
                pass

    with torch.no_grad():
        vqgan.decode(tokens[:, : 1 + margins])  # what the library makes once is not the video's
    return growth_of(decode, device)


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocol."""
    yield Study(
        "first-stage-speed",
        f"""The preset's VQGAN with random weights and random clips, as many at once as the recipe trains with. encode:
        from clips to tokens. lookup: the part of it from latent vectors to the nearest codes. decode: back to clips.
        decode_long: a video of 16 clips (8 at gpu scale) in windows. train: a step with both adversaries, without the
        perceptual term. reference: the same as the released code computes it, restated in
        tatslib/training/released_pace.py: a matrix of ones and zeros in every lookup, a long video in one call, two
        passes a training step; all in float32, where ours decodes and trains in what the machine prefers. ratio:
        seconds of the reference over ours; medians of rounds in turns, about {SECONDS:.0f} seconds each kind of work,
        on one thread, counting what the process computes; on a GPU by wall clock. peak_mb: most memory held by the
        process while it does this, torch itself included; of a GPU, what was allocated there. memory: MB that decoding
        {FRAMES[0]}, {FRAMES[1]} and {FRAMES[2]} frames holds at most over what is held before, in windows of {TOKENS}
        tokens and whole, each in a process of its own. Three repetitions stand where others have seeds.""",
        run,
        seeds_of="repetitions",
    )
    yield Study(
        "first-stage-speed-full",
        f"""The paper's VQGAN (B.2) with random weights, one random clip of 16 frames of 128 x 128 pixels, two clips in
        decode_long; all else as in the study first-stage-speed, but {FULL_SECONDS:.0f} seconds of each kind of work, or
        three rounds of either where that takes longer, and no memory of long videos. seconds, reference_seconds: of one
        clip.""",
        full_size,
        seeds_of="repetitions",
    )

"""How fast clips are encoded, decoded and trained on, beside the released way, and what decoding long videos holds."""

from collections.abc import Iterator

import torch

from tatslib.studies.results import Numbers, Study
from tatslib.training.benchmark import KINDS, bench_vqgan
from tatslib.training.device import default_device
from tatslib.training.memory import growth_of, in_fresh_process
from tatslib.training.presets import PRESETS, Scale, current_scale
from tatslib.vqgan.vqgan import VQGAN
from tatslib.vqgan.windows import TOKENS, decode_in_windows

SECONDS = 2.0  # of each kind of work
FRAMES = (16, 256, 1024)  # that are decoded


def run(seed: int) -> Numbers:
    """One measurement, all that is about memory in processes of their own; seeds stand for repetitions.

    Returns:
        for each kind of work of `bench_vqgan`, "clips_per_s", "reference_clips_per_s", "ratio" and "peak_mb";
        "memory/windows" and "memory/whole": MB that decoding so many frames holds over what is held before.
    """
    scale = current_scale()
    found = in_fresh_process(bench_vqgan, scale, SECONDS, compare=True, threads=1)
    numbers: Numbers = {
        kind: {
            "clips_per_s": found[f"{kind}_clips_per_s"],
            "reference_clips_per_s": found[f"reference_{kind}_clips_per_s"],
            "ratio": found[f"ratio_{kind}"],
            "peak_mb": found[f"{kind}_peak_mb"],
        }
        for kind in KINDS
    }
    numbers["memory"] = {
        way: {str(frames): in_fresh_process(decoding_megabytes, scale, frames, way == "whole") for frames in FRAMES}
        for way in ("windows", "whole")
    }
    return numbers


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

"""What two habits of the released code do to a codebook: restarts that forget, resuming that starts anew."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from einops import rearrange

from tatslib import recipes
from tatslib.randomness import torch_generator
from tatslib.recipes.kinds import Videos, clips_for
from tatslib.studies.results import Numbers, Study
from tatslib.training.device import default_device
from tatslib.training.presets import PRESETS, current_scale
from tatslib.training.train_vqgan import evaluate_vqgan, train_vqgan
from tatslib.videos import to_model
from tatslib.vqgan.codebook import draw_candidates
from tatslib.vqgan.vqgan import VQGAN

BATCHES = 8  # of 16 held-out clips
RESTARTS: dict[str, dict[str, Any]] = {
    "statistics": {"restart_statistics": True},  # ours
    "vector": {"restart_statistics": False},  # as released
    "none": {"restart_below_mean": None},  # the paper's choice
}


def run_restarts(seed: int) -> Numbers:
    """PSNR and used codes of short trainings that differ in what happens to codes that fall out of use."""
    preset, videos = PRESETS[current_scale()], recipes.get("actions/videos")
    training = preset.vqgan_training.replace(seed=seed, steps=preset.study_steps)
    numbers: Numbers = {}
    for name, change in RESTARTS.items():
        config = preset.vqgan.replace(padding="replicate", **change)
        with tempfile.TemporaryDirectory() as folder:
            vqgan = train_vqgan(config, training, clips_for(config, videos, "train"), Path(folder), default_device())
        numbers[name] = measure(vqgan, videos)
    return numbers


def run_resume(seed: int) -> Numbers:
    """PSNR and used codes of a trained tokenizer before and after its codes are drawn anew from one batch."""
    videos = recipes.get("actions/videos")
    vqgan = recipes.get("actions/vqgan-replicate", seed).model.to(default_device())
    numbers: Numbers = {"before": measure(vqgan, videos)}
    start_anew(vqgan, videos, seed)
    return {**numbers, "after": measure(vqgan, videos)}


@torch.no_grad()
def start_anew(vqgan: VQGAN, videos: Videos, seed: int) -> None:
    """What the first batch after a resume does in the released code, which does not save that the codebook has begun.

    Codes become random rows of that batch's latents, each as if it had been chosen once.
    """
    batch = PRESETS[current_scale()].vqgan_training.batch
    clips, _ = clips_for(vqgan.config, videos, "train").clips(0, batch)
    z = vqgan.latents(to_model(clips).to(default_device()))
    generator = torch_generator(seed, "codes drawn anew")
    rows = rearrange(z, "b d t h w -> (b t h w) d")
    vqgan.codebook.initialise(draw_candidates(rows, vqgan.config.codes, generator))


def measure(vqgan: VQGAN, videos: Videos) -> Numbers:
    """On held-out clips: PSNR in dB, share of the codes that occur."""
    scores = evaluate_vqgan(vqgan, clips_for(vqgan.config, videos, "test"), batches=BATCHES)
    return {"psnr": scores["psnr"], "used_codes": scores["used_codes"]}


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocols."""
    yield Study(
        "codebook-restarts",
        f"""Tokenizers of the actions world (preset of the scale, `study_steps` steps, replicate padding, no
        adversaries) that differ in what happens to a code whose mean count falls under a tenth of the average:
        statistics (it gets a random vector of the batch and new statistics), vector (it gets the vector only, as in the
        released code), none (it is left alone). PSNR in dB and share of the codes that occur, on {BATCHES * 16}
        held-out clips.""",
        run_restarts,
    )
    yield Study(
        "codebook-resume",
        f"""PSNR in dB and share of the codes that occur on {BATCHES * 16} held-out clips: before, of the trained
        tokenizer actions/vqgan-replicate; after its codes are drawn anew from the first training batch, as the released
        code does whenever a training is resumed.""",
        run_resume,
    )

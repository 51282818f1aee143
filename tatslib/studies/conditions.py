"""What the studies of conditions share: a transformer told something, the same told nothing, and what it draws.

Letters: B videos, T frames, F latent frames, h w latent grid, n_c tokens of a condition.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from tatslib import recipes
from tatslib.datasets.tokens import TokenClips
from tatslib.sampling.filters import Filters
from tatslib.sampling.sliding_window import sample
from tatslib.sampling.storyline import Storyline
from tatslib.studies.drift import TOP_P
from tatslib.studies.pictures import decoded_films
from tatslib.studies.results import Numbers
from tatslib.training.device import default_device
from tatslib.training.train_transformer import condition_tokens
from tatslib.transformer.conditions import null_condition
from tatslib.transformer.gpt import GPT
from tatslib.videos import Video, to_model
from tatslib.vqgan.vqgan import VQGAN

FILTERS = Filters(top_p=TOP_P)
AT_ONCE = 32  # clips
TRAINING = """One transformer, told of every other clip what the condition is, and of the rest the token that there is
        none: so both are learnt from as many clips."""
SAMPLING = f"the sliding window with a context of t - 1 = 3 latent frames, top-p {TOP_P}, no top-k, temperature 1"


def trained(name: str, seed: int) -> Any:
    """The model of a recipe, a `GPT` or a `VQGAN`, where the work is done."""
    return recipes.get(name, seed).model.to(default_device())


def draw(
    gpt: GPT, vqgan: VQGAN, told: Tensor | Storyline, frames: int, seed: int, start: Tensor | None = None
) -> Video:
    """Videos of so many frames, led by what is told: uint8 (B, T, H, W, 3).

    Args:
        gpt: the transformer.
        vqgan: the tokenizer of its tokens.
        told: int64 (B, n_c), or a storyline.
        frames: T; latent frames that are only needed in part are drawn whole and cut.
        seed: of the luck; the same seed, the same luck, whatever is told.
        start: int64 (B, P, h, w), latent frames with which the videos begin.
    """
    latent_frames = -(-frames // vqgan.config.downsample[0])
    tokens = sample(gpt, told, latent_frames, FILTERS, seed=seed, start=start, progress=False)
    return decoded_films(vqgan, tokens, AT_ONCE)[:, :frames]


@torch.inference_mode()
def encoded(vqgan: VQGAN, videos: Video) -> Tensor:
    """uint8 (B, T, H, W, 3) to tokens int64 (B, F, h, w), on the CPU."""
    parts = torch.as_tensor(videos).split(AT_ONCE)
    return torch.cat([vqgan.encode(to_model(part).to(default_device())).cpu() for part in parts])


def opening(vqgan: VQGAN, videos: Video, given: int) -> Tensor:
    """The first `given` frames of videos as latent frames, int64 (B, given / d, h, w).

    Nothing of what follows is in them: the encoder, which looks ahead, sees the last given frame stand still.
    """
    still = np.repeat(videos[:, given - 1 : given], max(0, vqgan.config.frames - given), axis=1)
    return encoded(vqgan, np.concatenate([videos[:, :given], still], axis=1))[:, : given // vqgan.config.downsample[0]]


@torch.inference_mode()
def nats(gpt: GPT, clips: TokenClips) -> Numbers:
    """What a token costs on average given what is told: "all", and "by_frame" for each latent frame."""
    device = next(gpt.parameters()).device
    words = condition_tokens(gpt.config, clips.labels, clips.conditions)
    pairs = zip(words.split(AT_ONCE), clips.tokens.long().split(AT_ONCE), strict=True)
    losses = torch.cat([gpt.token_losses(word.to(device), part.to(device)).cpu() for word, part in pairs])
    return {"all": float(losses.mean()), "by_frame": losses.mean((0, 2, 3)).tolist()}


def untold(gpt: GPT, clips: TokenClips) -> TokenClips:
    """The same clips, of which nothing is told."""
    return clips.with_conditions(null_condition(gpt.config, len(clips)))


def of_another(clips: TokenClips) -> TokenClips:
    """The same clips, each told what belongs to the next one."""
    assert clips.conditions is not None
    return clips.with_conditions(clips.conditions.roll(-1, 0))

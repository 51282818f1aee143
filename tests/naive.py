"""Sampling by its definition: a whole masked forward pass for every token, nothing remembered, nothing batched."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tatslib.randomness import torch_generator
from tatslib.sampling.filters import Filters
from tatslib.transformer.gpt import GPT
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.transformer.masks import causal_mask


@torch.no_grad()
def slide(
    gpt: GPT,
    condition: Tensor,
    latent_frames: int,
    filters: Filters,
    context_frames: int,
    noise: Sequence[Tensor] | Tensor,
    start: Tensor | None = None,
) -> Tensor:
    """A sliding window: codes (B, F, h, w), `start` included."""
    config = gpt.config
    first = config.condition_codes if filters.mask_condition_tokens else 0
    frames = [] if start is None else [frame.flatten(1) + config.condition_codes for frame in start.unbind(1)]
    luck = iter(noise)
    while len(frames) < latent_frames:
        current = condition[:, :0]
        for _ in range(config.frame_tokens):
            sequence = torch.cat([condition, *frames[-context_frames:], current], dim=1)
            logits = gpt(sequence, causal_mask(sequence.shape[1]))[:, -1, first:]
            for earlier in frames[-context_frames:]:
                stood_here = earlier[:, current.shape[1]] - first  # in that latent frame
                logits[torch.arange(len(logits)), stood_here] -= filters.repetition_penalty
            token = filters.draw(logits, next(luck)) + first
            current = torch.cat([current, token[:, None]], dim=1)
        frames.append(current)
    codes = (torch.stack(frames, dim=1) - config.condition_codes).clamp(min=0)
    return codes.unflatten(2, config.latent_shape[1:])


@torch.no_grad()
def fill(
    gpt: GPT, condition: Tensor, first: Tensor, last: Tensor, filters: Filters, noise: Sequence[Tensor] | Tensor
) -> Tensor:
    """A gap: codes (G, t - 2, h, w), with the mask of training over the whole sequence.

    What is not drawn yet holds random tokens, which the mask has to hide. The leaking mask does not; there the anchors
    are kept from looking at the gap, since one that does cannot have been read before.
    """
    config = gpt.config
    assert isinstance(config, InterpolationConfig)
    offset = config.condition_codes
    bottom = offset if filters.mask_condition_tokens else 0
    before = config.condition_length + config.frame_tokens
    gap = (config.latent_shape[0] - 2) * config.frame_tokens
    generator = torch_generator(0, "test/what nobody may see")
    hidden = torch.randint(config.vocabulary, (len(condition), gap), generator=generator)
    parts = [condition, first.flatten(1) + offset, hidden, last.flatten(1)[:, :-1] + offset]
    sequence, mask = torch.cat(parts, dim=1), config.attention.tensor()
    if config.mask == "leaking":
        mask[before + gap :, before : before + gap] = False
    for place, luck in zip(range(before, before + gap), noise, strict=True):
        logits = gpt(sequence, mask)[:, place - 1, bottom:]
        sequence[:, place] = filters.draw(logits, luck) + bottom
    codes = (sequence[:, before : before + gap] - offset).clamp(min=0)
    return codes.unflatten(1, (config.latent_shape[0] - 2, *config.latent_shape[1:]))

"""Videos longer than the training clips: a window slides over the latent frames (paper 2.1, Fig. 2).

Dimension letters
    B batch · F latent frames of the long video · h w latent grid · n_c condition length · V vocabulary
    C latent frames looked back upon · n = h * w
"""

from collections.abc import Iterable, Iterator
from itertools import count

import torch
from einops import rearrange
from torch import Tensor

from tatslib.errors import UserError
from tatslib.progress import progress as progress_bar
from tatslib.sampling.decode import OWN, Engine
from tatslib.sampling.filters import Filters
from tatslib.sampling.guidance import check_guidance, decoder_for
from tatslib.sampling.noise import seeded_noise
from tatslib.sampling.storyline import Storyline, as_storyline
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.masks import PADDING


def sample(
    model: GPT,
    condition: Tensor | Storyline,
    latent_frames: int,
    filters: Filters | None = None,
    context_frames: int | None = None,
    seed: int = 0,
    first_video: int = 0,
    noise: Iterable[Tensor] | None = None,
    progress: bool = True,
    start: Tensor | None = None,
    engine: Engine = OWN,
    guidance: float = 1.0,
) -> Tensor:
    """Whole latent videos, int64 (B, F, h, w) of video codes; arguments and errors as in `stream`."""
    frames = stream(
        model, condition, latent_frames, filters, context_frames, seed, first_video, noise, start, engine, guidance
    )
    collected = [] if start is None else list(start.to(model.head.weight.device).unbind(1))
    todo = latent_frames - len(collected)
    with progress_bar(label="sampling", total=todo, unit="latent frame", disable=not progress) as bar:
        for frame in frames:
            collected.append(frame)
            bar.update()
    return torch.stack(collected, dim=1)


def stream(
    model: GPT,
    condition: Tensor | Storyline,
    latent_frames: int,
    filters: Filters | None = None,
    context_frames: int | None = None,
    seed: int = 0,
    first_video: int = 0,
    noise: Iterable[Tensor] | None = None,
    start: Tensor | None = None,
    engine: Engine = OWN,
    guidance: float = 1.0,
) -> Iterator[Tensor]:
    """Sample B videos side by side and yield one latent frame after another; memory does not grow with their length.

    A latent frame is drawn token by token given the condition and the `context_frames` latent frames before it, or
    all there are at the beginning of the video. Positions restart at 0 with every move of the window: the
    transformer always believes that it is at the beginning of a clip. A storyline is asked anew with every move, for
    the t latent frames of that clip, those to come included.

    Args:
        model: the transformer.
        condition: int64 (B, n_c), in 0 .. condition_codes-1 (0 where there are no condition codes) or, but for the
            first, `masks.PADDING`; or a `Storyline` of such, which changes along the video.
        latent_frames: F, any number from 1 on, those of `start` included.
        filters: temperature, top-k, top-p; none when absent.
        context_frames: latent frames to look back upon, 1 .. t-1. Absent, t - 1, the paper's; the released script
            took 1.
        seed: video b depends on the seed and on its number `first_video + b` alone, not on its neighbours in the
            batch; so a job can be split over machines by number. (A GPU draws other numbers than a CPU.)
        first_video: number of the first video in this batch.
        noise: exponential noise (B, U) for each token in turn, for example a tensor (F*h*w, B, U) on the model's
            device, in place of what `seed` would draw. U is the number of tokens that can be drawn: K, or V without
            `mask_condition_tokens`.
        start: int64 (B, P, h, w), latent frames with which the videos begin, P < F, for example of real videos; what
            is sampled goes on from there.
        engine: how to compute.
        guidance: how far the condition is exaggerated, see `guidance`; 1 is not at all.

    Yields:
        int64 (B, h, w) video codes, without the offset of the condition vocabulary, of the latent frames after
        `start`.

    Raises:
        UserError: for a condition of the wrong shape, type or range, `context_frames` outside 1 .. t-1,
            `latent_frames` below 1, a `start` of the wrong shape or range, or a model that gives logits that are not
            finite.
    """
    config, story = model.config, as_storyline(condition)
    context_frames = config.latent_shape[0] - 1 if context_frames is None else context_frames
    _check(config, latent_frames, context_frames)
    condition_of(config, story, 0, config.latent_shape[0])
    check_guidance(config, guidance)
    if start is None:
        start = torch.zeros(len(story), 0, *config.latent_shape[1:], dtype=torch.int64)
    check_frames(config, start, len(story), "start")
    if start.shape[1] >= latent_frames:
        raise UserError(f"{start.shape[1]} latent frames are there already, so ask for more than {latent_frames}.")
    filters = filters or Filters()
    if noise is None:
        videos = range(first_video, first_video + len(story))
        width = config.codes if filters.mask_condition_tokens else config.vocabulary
        _, rows, row_tokens = config.latent_shape
        after = count(start.shape[1] * rows)
        noise = seeded_noise(seed, videos, width, row_tokens, model.head.weight.device, after)
    return _slide(model, story, start, latent_frames, filters, context_frames, iter(noise), engine, guidance)


def _slide(
    model: GPT,
    story: Storyline,
    start: Tensor,
    latent_frames: int,
    filters: Filters,
    context_frames: int,
    noise: Iterator[Tensor],
    engine: Engine,
    guidance: float,
) -> Iterator[Tensor]:
    config, device = model.config, model.head.weight.device
    first_token = config.condition_codes if filters.mask_condition_tokens else 0
    decoder = decoder_for(model, len(story), first_token, guidance, engine)
    # tokens (B, up to context_frames * h * w) of the latent frames looked back upon
    context = rearrange(start, "B P h w -> B (P h w)").to(device) + config.condition_codes
    context = context[:, context.shape[1] - min(context.shape[1], context_frames * config.frame_tokens) :]
    for frame in range(start.shape[1], latent_frames):
        with torch.inference_mode():
            if start.shape[1] < frame <= context_frames:
                logits = decoder.step(context[:, -1])  # nothing has left the window yet, so the cache goes on
            else:
                first = max(0, frame - context_frames)
                condition = condition_of(config, story, first, config.latent_shape[0]).to(device)
                logits = decoder.prefill(torch.cat([condition, context], dim=1))
            seen = None  # (B, C, h*w), for each place what stood there before
            if filters.repetition_penalty:
                seen = rearrange(context, "B (C n) -> B C n", n=config.frame_tokens)
            latest = decoder.generate(logits, config.frame_tokens, filters, noise, seen)  # (B, h*w)
            context = torch.cat([context, latest], dim=1)[:, -(context_frames * config.frame_tokens) :]
        # Subtracted outside inference mode, so that the caller gets a tensor like any other. The clamp acts only where
        # condition tokens may be drawn.
        codes = (latest - config.condition_codes).clamp_(min=0)
        yield rearrange(codes, "B (h w) -> B h w", h=config.latent_shape[1])


def condition_of(config: GPTConfig, story: Storyline, first: int, frames: int) -> Tensor:
    """What a storyline says of a window, int64 (B, n_c); a UserError if this transformer cannot read it."""
    condition = story.window(first, frames)
    check_condition(config, condition)
    if len(condition) != len(story):
        raise UserError(f"the storyline of {len(story)} videos gave {len(condition)} conditions for one window.")
    return condition


def check_condition(config: GPTConfig, condition: Tensor) -> None:
    """Refuse a condition of the wrong shape, type or range with a sentence that says what this transformer needs."""
    length = config.condition_length
    if condition.ndim != 2 or condition.shape[1] != length or not len(condition) or condition.dtype != torch.int64:
        raise UserError(
            f"the condition is {condition.dtype} of shape {tuple(condition.shape)}, but this transformer needs int64 "
            f"of shape (batch, {length}), at least one."
        )
    highest = max(config.condition_codes, 1) - 1
    lowest = 0 if length == 1 else PADDING
    if condition.min() < lowest or condition.max() > highest:
        raise UserError(
            f"the condition holds values from {condition.min()} to {condition.max()}, but this transformer knows "
            f"0 to {highest}."
        )
    if condition[:, 0].min() < 0:
        raise UserError("a condition begins with padding: its first token has to say something.")


def check_frames(config: GPTConfig, frames: Tensor, batch: int, name: str) -> None:
    """Refuse latent frames (B, P, h, w) of the wrong shape, type or range in a sentence."""
    h, w = config.latent_shape[1:]
    if frames.ndim != 4 or frames.shape[0] != batch or frames.shape[2:] != (h, w) or frames.dtype != torch.int64:
        raise UserError(
            f"{name} is {frames.dtype} of shape {tuple(frames.shape)}, but this transformer needs int64 of shape "
            f"({batch}, frames, {h}, {w})."
        )
    if frames.numel() and (frames.min() < 0 or frames.max() >= config.codes):
        raise UserError(
            f"{name} holds codes from {frames.min()} to {frames.max()}, but this transformer knows 0 to "
            f"{config.codes - 1}."
        )


def _check(config: GPTConfig, latent_frames: int, context_frames: int) -> None:
    if config.attention is not None:
        raise UserError("this transformer fills in between two latent frames: it cannot go on from those before alone.")
    window = config.latent_shape[0]
    if latent_frames < 1:
        raise UserError(f"{latent_frames} latent frames were asked for; ask for at least 1.")
    if window > 1 and not 1 <= context_frames < window:
        raise UserError(
            f"a context of {context_frames} latent frames is impossible: this transformer reads windows of {window}, "
            f"so that 1 to {window - 1} can stand before the one being drawn."
        )
    if window == 1 and (latent_frames > 1 or context_frames != 0):
        raise UserError(
            f"this transformer reads windows of 1 latent frame, so {latent_frames} cannot be drawn one after another."
        )

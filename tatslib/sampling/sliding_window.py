"""Videos longer than the training clips: a window slides over the latent frames (paper 2.1, Fig. 2).

Dimension letters
    B batch · F latent frames of the long video · h w latent grid · n_c condition length · V vocabulary
"""

from collections.abc import Iterable, Iterator
from itertools import count

import torch
from einops import rearrange
from torch import Tensor

from tatslib.errors import UserError
from tatslib.progress import progress as progress_bar
from tatslib.randomness import torch_generator
from tatslib.sampling.decode import Decoder
from tatslib.sampling.filters import Filters, exponential_noise
from tatslib.transformer.gpt import GPT, GPTConfig


def sample(
    model: GPT,
    condition: Tensor,
    latent_frames: int,
    filters: Filters | None = None,
    context_frames: int | None = None,
    seed: int = 0,
    first_video: int = 0,
    noise: Iterable[Tensor] | None = None,
    progress: bool = True,
) -> Tensor:
    """Whole latent videos, int64 (B, F, h, w) of video codes; arguments and errors as in `stream`."""
    frames = stream(model, condition, latent_frames, filters, context_frames, seed, first_video, noise)
    with progress_bar(label="sampling", total=latent_frames, unit="latent frame", disable=not progress) as bar:
        collected = []
        for frame in frames:
            collected.append(frame)
            bar.update()
    return torch.stack(collected, dim=1)


def stream(
    model: GPT,
    condition: Tensor,
    latent_frames: int,
    filters: Filters | None = None,
    context_frames: int | None = None,
    seed: int = 0,
    first_video: int = 0,
    noise: Iterable[Tensor] | None = None,
) -> Iterator[Tensor]:
    """Sample B videos side by side and yield one latent frame after another; memory does not grow with their length.

    A latent frame is drawn token by token given the condition and the `context_frames` latent frames before it, or
    all there are at the beginning of the video. Positions restart at 0 with every move of the window: the
    transformer always believes that it is at the beginning of a clip.

    Args:
        model: the transformer.
        condition: int64 (B, n_c), in 0 .. condition_codes-1 (0 where there are no condition codes).
        latent_frames: F, any number from 1 on.
        filters: temperature, top-k, top-p; none when absent.
        context_frames: latent frames to look back upon, 1 .. t-1. Absent, t - 1, the paper's; the released script
            took 1.
        seed: video b depends on the seed and on its number `first_video + b` alone, not on its neighbours in the
            batch; so a job can be split over machines by number. (A GPU draws other numbers than a CPU.)
        first_video: number of the first video in this batch.
        noise: exponential noise (B, U) for each token in turn, for example a tensor (F*h*w, B, U) on the model's
            device, in place of what `seed` would draw. U is the number of tokens that can be drawn: K, or V without
            `mask_condition_tokens`.

    Yields:
        int64 (B, h, w) video codes, without the offset of the condition vocabulary.

    Raises:
        UserError: for a condition of the wrong shape, type or range, `context_frames` outside 1 .. t-1,
            `latent_frames` below 1, or a model that gives logits that are not finite.
    """
    config = model.config
    context_frames = config.latent_shape[0] - 1 if context_frames is None else context_frames
    _check(config, condition, latent_frames, context_frames)
    filters = filters or Filters()
    if noise is None:
        videos = range(first_video, first_video + len(condition))
        width = config.codes if filters.mask_condition_tokens else config.vocabulary
        noise = seeded_noise(seed, videos, width, config.latent_shape[2], model.head.weight.device)
    return _slide(model, condition, latent_frames, filters, context_frames, iter(noise))


def _slide(
    model: GPT, condition: Tensor, latent_frames: int, filters: Filters, context_frames: int, noise: Iterator[Tensor]
) -> Iterator[Tensor]:
    config, device = model.config, model.head.weight.device
    first_token = config.condition_codes if filters.mask_condition_tokens else 0
    decoder = Decoder(model, len(condition), first_token)
    condition = condition.to(device)
    context = condition[:, :0]  # tokens (B, up to context_frames * h * w) of the latent frames looked back upon
    for frame in range(latent_frames):
        with torch.inference_mode():
            if 0 < frame <= context_frames:
                logits = decoder.step(context[:, -1])  # nothing has left the window yet, so the cache goes on
            else:
                logits = decoder.prefill(torch.cat([condition, context], dim=1))
            latest = decoder.generate(logits, config.frame_tokens, filters, noise)  # (B, h*w)
            context = torch.cat([context, latest], dim=1)[:, -(context_frames * config.frame_tokens) :]
        # Subtracted outside inference mode, so that the caller gets a tensor like any other. The clamp acts only where
        # condition tokens may be drawn.
        codes = (latest - config.condition_codes).clamp_(min=0)
        yield rearrange(codes, "B (h w) -> B h w", h=config.latent_shape[1])


def seeded_noise(
    seed: int, videos: Iterable[int], width: int, row_tokens: int, device: torch.device | str = "cpu"
) -> Iterator[Tensor]:
    """Exponential noise (B, width), token after token without end, from (seed, number of the video, latent row).

    `row_tokens` tokens (one row of the latent grid) share a generator, since making one costs more than a draw.
    """
    videos = tuple(videos)
    for row in count():
        generators = [torch_generator(seed, f"sample/{video}", row, device) for video in videos]
        draws = [exponential_noise((row_tokens, width), generator) for generator in generators]
        yield from torch.stack(draws, dim=1)  # (row_tokens, B, width)


def check_condition(config: GPTConfig, condition: Tensor) -> None:
    """Refuse a condition of the wrong shape, type or range with a sentence that says what this transformer needs."""
    length = config.condition_length
    if condition.ndim != 2 or condition.shape[1] != length or not len(condition) or condition.dtype != torch.int64:
        raise UserError(
            f"the condition is {condition.dtype} of shape {tuple(condition.shape)}, but this transformer needs int64 "
            f"of shape (batch, {length}), at least one."
        )
    highest = max(config.condition_codes, 1) - 1
    if condition.min() < 0 or condition.max() > highest:
        raise UserError(
            f"the condition holds values from {condition.min()} to {condition.max()}, but this transformer knows "
            f"0 to {highest}."
        )


def _check(config: GPTConfig, condition: Tensor, latent_frames: int, context_frames: int) -> None:
    check_condition(config, condition)
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

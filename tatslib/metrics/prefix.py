"""The slid-prefix gap: what the sliding window costs before a single token is sampled (paper 2.2, A.2).

A transformer that slides its window reads, at positions 0 .. t-2, latent frames that were made for later positions. If
tokens know their position, it has never seen such a prefix. Real videos show how much it minds: the next latent frame
is predicted once after the prefix that training would have shown, once after the prefix that sliding gives, made from
the same real frames.

Two things differ between these prefixes. The slid one was made for other positions. And the matched one has seen the
future: an encoder looks ahead, and its clip held the frames that are to be predicted. A third prefix tells the two
apart. It stands where training would have it, but in its clip the frames to be predicted are replaced by a frozen one.

Letters: B batch, C channels, T H W frames, t h w latent grid, d temporal compression.
"""

import torch
from einops import repeat
from torch import Tensor

from tatslib.errors import UserError
from tatslib.transformer.gpt import GPT
from tatslib.vqgan.vqgan import VQGAN


@torch.inference_mode()
def slid_prefix_losses(vqgan: VQGAN, gpt: GPT, videos: Tensor, condition: Tensor) -> dict[str, Tensor]:
    """Negative log-likelihood of the true next latent frame, after three prefixes made from the same real frames.

    Args:
        vqgan: in evaluation mode.
        gpt: trained on its tokens.
        videos: float (B, C, T + (t - 1) d, H, W) in [-0.5, 0.5], with the margins of valid padding around.
        condition: int64 (B, n_c).

    Returns:
        "matched", "blind" and "slid": float32 (t - 1, B) each, nats a token. Row s - 1 is for a window that has slid s
        times, so in the last row every latent frame of the slid prefix was made at the end of its clip, as in a long
        video.

    Raises:
        UserError: for another number of frames.
    """
    step, slides = vqgan.config.downsample[0], vqgan.config.latent_shape[0] - 1
    clip = vqgan.config.frames + sum(vqgan.config.margins)
    if videos.shape[2] != clip + slides * step:
        raise UserError(
            f"{videos.shape[2]} frames were given; {slides} slides of the window take {clip + slides * step}."
        )
    videos, condition = (x.to(next(vqgan.parameters()).device) for x in (videos, condition))
    parts = [videos[:, :, k * step : k * step + clip] for k in range(slides + 1)]
    clips = [vqgan.encode(part) for part in parts]  # (B, t, h, w) each
    after = vqgan.config.margins[1]
    windows = {
        "matched": clips[1:],
        "blind": [
            with_last_frame(vqgan.encode(frozen(parts[s], step + after)), clips[s]) for s in range(1, slides + 1)
        ],
        "slid": [with_last_frame(slid_prefix(clips, s), clips[s]) for s in range(1, slides + 1)],
    }
    return {name: _last_frame_losses(gpt, condition, tokens) for name, tokens in windows.items()}


def frozen(video: Tensor, frames: int) -> Tensor:
    """The same (B, C, T, H, W) with the last `frames` replaced by copies of the one before."""
    still = repeat(video[:, :, -frames - 1], "b c h w -> b c t h w", t=frames)
    return torch.cat([video[:, :, :-frames], still], dim=2)


def with_last_frame(prefix: Tensor, clip: Tensor) -> Tensor:
    """The first t - 1 latent frames of `prefix`, then the last of `clip`: int64 (B, t, h, w)."""
    return torch.cat([prefix[:, : clip.shape[1] - 1], clip[:, -1:]], dim=1)


def slid_prefix(clips: list[Tensor], slides: int) -> Tensor:
    """The t - 1 latent frames that stand before the next one after so many slides, int64 (B, t - 1, h, w).

    Args:
        clips: tokens (B, t, h, w) of the clips that begin at latent frame 0, 1, 2, ... of a video.
        slides: how often the window has moved.

    Latent frame a of a long video was drawn at position a of the first window, or at the last position of window
    a - (t - 1).
    """
    last = clips[0].shape[1] - 1
    frames = [
        clips[max(0, moment - last)][:, min(moment, last)]  # (B, h, w)
        for moment in range(slides, slides + last)
    ]
    return torch.stack(frames, dim=1)


def _last_frame_losses(gpt: GPT, condition: Tensor, windows: list[Tensor]) -> Tensor:
    """Mean loss over the tokens of the last latent frame, (windows, B)."""
    return torch.stack([gpt.token_losses(condition, tokens)[:, -1].mean(dim=(1, 2)) for tokens in windows]).cpu()

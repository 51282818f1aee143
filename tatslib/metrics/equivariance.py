"""How much a token depends on its place in the clip: the equivariance score (paper A.3, Eq. 3, Fig. 13) and its kin.

All of it is the same experiment. The same frames are encoded twice, once at the end of one clip and once, one latent
frame earlier, in the next; whatever differs was not in the frames.

Letters: B batch, C channels, T H W frames, t h w latent grid, d temporal compression.
"""

from typing import NamedTuple

import torch
from einops import reduce
from torch import Tensor

from tatslib.errors import UserError
from tatslib.videos import to_uint8
from tatslib.vqgan.moved_padding import real_frames_twin
from tatslib.vqgan.padding import margins
from tatslib.vqgan.vqgan import VQGAN


def equivariance_score(tokens: Tensor, shifted: Tensor) -> Tensor:
    """Share of tokens that stay the same when the same frames stand one latent frame earlier (Eq. 3).

    Args:
        tokens: int64 (B, t, h, w), encoded from frames 0 .. T-1.
        shifted: int64 (B, t, h, w), encoded from frames d .. T+d-1, where d is the temporal compression.

    Returns:
        float64 (B,), one score in [0, 1] a clip. 1 means time-agnostic (A.3).

    Raises:
        UserError: if the shapes differ or there are fewer than two latent frames.

    The printed sum divides by t h w, but only t - 1 latent frames have a partner to be compared with; we divide by what
    is compared, so that a time-agnostic encoder scores 1, as the paper says (ledger: "Normalisation of the score").
    """
    return reduce(same_tokens(tokens, shifted).double(), "b t h w -> b", "mean")


def score_by_position(tokens: Tensor, shifted: Tensor) -> Tensor:
    """The score of each latent frame alone: float64 (t - 1,), for positions 1 .. t-1 of the first clip.

    Arguments and errors as in `equivariance_score`; the mean over clips and places. The first entry compares position 1
    with position 0, the last one position t - 1 with t - 2.
    """
    return reduce(same_tokens(tokens, shifted).double(), "b t h w -> t", "mean")


def same_tokens(tokens: Tensor, shifted: Tensor) -> Tensor:
    """bool (B, t - 1, h, w): which tokens of frames d .. T-1 are the same in both clips."""
    if tokens.shape != shifted.shape or tokens.ndim != 4 or tokens.shape[1] < 2:
        raise UserError(
            f"tokens of shape {tuple(tokens.shape)} and {tuple(shifted.shape)} cannot be compared: two equal shapes "
            "(clips, t, h, w) with at least two latent frames are needed."
        )
    return tokens[:, 1:] == shifted[:, :-1]


class TokenPairs(NamedTuple):
    """The tokens of clips and of the same clips moved on by one latent frame."""

    tokens: Tensor  # int64 (B, t, h, w), frames 0 .. T-1
    shifted: Tensor  # int64 (B, t, h, w), frames d .. T+d-1

    def used_codes(self) -> int:
        """How many different codes occur: few codes make for a high score, so no score is read without this number."""
        return len(torch.unique(torch.stack(self)))


def frames_for_pairs(vqgan: VQGAN) -> int:
    """Frames a video must have for `encode_pairs`: a clip, one latent frame more, and the margins of valid padding."""
    return vqgan.config.frames + vqgan.config.downsample[0] + sum(vqgan.config.margins)


@torch.inference_mode()
def encode_pairs(vqgan: VQGAN, videos: Tensor, batch: int = 32) -> TokenPairs:
    """Encode the two clips of each video that Eq. 3 compares.

    Args:
        vqgan: in evaluation mode.
        videos: float (B, C, `frames_for_pairs`, H, W) in [-0.5, 0.5].

    Raises:
        UserError: for another number of frames.
    """
    frames, step = frames_for_pairs(vqgan), vqgan.config.downsample[0]
    if videos.shape[2] != frames:
        raise UserError(f"{videos.shape[2]} frames were given; the two clips of Eq. 3 and their margins are {frames}.")
    parts = (part.to(next(vqgan.parameters()).device) for part in videos.split(batch))
    pairs = [(vqgan.encode(v[:, :, :-step]).cpu(), vqgan.encode(v[:, :, step:]).cpu()) for v in parts]
    first, second = zip(*pairs, strict=True)
    return TokenPairs(torch.cat(first), torch.cat(second))


@torch.inference_mode()
def corruption_by_depth(vqgan: VQGAN, videos: Tensor) -> list[Tensor]:
    """Where the damage is done: how far each feature is from what real frames beyond the clip would have made of it.

    Args:
        vqgan: in evaluation mode.
        videos: float (B, C, before + T + after, H, W) in [-0.5, 0.5]: clips with the real frames around them that
            `real_frames_twin(vqgan)` asks for.

    Returns:
        One float64 tensor a unit of the encoder, one entry for each frame of its feature map: the root mean square
        error over clips, channels and places, divided by the root mean square of the features made from real frames.
    """
    twin = real_frames_twin(vqgan)
    videos = videos.to(next(vqgan.parameters()).device)
    before, after = twin.config.margins
    own_before, own_after = vqgan.config.margins
    padded = vqgan.encoder.fold(videos[:, :, before - own_before : videos.shape[2] - after + own_after])
    real = twin.encoder.fold(videos)
    rows = []
    for depth, (unit, twin_unit) in enumerate(zip(vqgan.encoder.units, twin.encoder.units, strict=True), start=1):
        padded, real = unit(padded), twin_unit(real)
        ours = _without(padded, margins(vqgan.config.encoder_units[depth:]))
        theirs = _without(real, margins(twin.config.encoder_units[depth:]))
        rows.append((_rms(ours - theirs) / _rms(theirs)).cpu())
    return rows


def _without(x: Tensor, edges: tuple[int, int]) -> Tensor:
    """(B, C, T, H, W) in float64 without so many frames (before, after)."""
    before, after = edges
    return x[:, :, before : x.shape[2] - after].double()


def _rms(x: Tensor) -> Tensor:
    """Root mean square of each frame, (T,)."""
    return reduce(x.square(), "b c t h w -> t", "mean").sqrt()


class DecoderDifference(NamedTuple):
    """How differently the same tokens decode inside two windows."""

    by_frame: Tensor  # float64 ((t - 1) d,): RMS difference in grey levels of 255, a frame that both hold
    same_pixels: float  # share of 8-bit values that are equal in both: the decoder's counterpart of Eq. 3


@torch.inference_mode()
def decoder_difference(vqgan: VQGAN, tokens: Tensor) -> DecoderDifference:
    """Decode latent frames 0 .. t-1 and 1 .. t, and compare the frames that both show.

    Args:
        vqgan: in evaluation mode.
        tokens: int64 (B, before + t + 1 + after, h, w), with the decoder's latent margins where it is valid.

    Users of the released code asked why the same latent frame decodes differently inside another window: the decoder
    pads as well. Nothing is lost by decoding a long video in one go, as we do; decoding it in pieces shows seams.
    """
    step = vqgan.config.downsample[0]
    tokens = tokens.to(next(vqgan.parameters()).device)
    first, second = (to_uint8(vqgan.decode(part)) for part in (tokens[:, :-1], tokens[:, 1:]))
    a, b = torch.from_numpy(first[:, step:]).double(), torch.from_numpy(second[:, :-step]).double()
    by_frame = reduce((a - b).square(), "b t h w c -> t", "mean").sqrt()
    return DecoderDifference(by_frame, float((a == b).double().mean()))

"""Blobs: places that stand out of a decoder's maps and, in the end, of the picture (paper A.1, Fig. 11).

A normalisation layer divides by what it finds in a whole map. A decoder can therefore keep everything else small by one
large value somewhere, and that value shows. The rulers here say how far the largest place stands above the usual one.

Letters: B batch, C channels, T H W positions of a map or frames of a clip, U units of a decoder.
"""

from typing import Any

import torch
from einops import rearrange, reduce
from torch import Tensor, nn

from tatslib.errors import UserError
from tatslib.vqgan.vqgan import VQGAN


def blob_ratio(feature_map: Tensor) -> Tensor:
    """How many times the usual size the largest feature vector of a map has.

    Args:
        feature_map: float (B, C, T, H, W).

    Returns:
        float32 (B,): the largest length of a vector along C over the median length, at least 1. A map that is zero at
        half of its places or more has no usual size and gives infinity, one that is zero everywhere gives nan.
    """
    lengths = rearrange(feature_map.float().norm(dim=1), "b t h w -> b (t h w)")
    return lengths.amax(1) / lengths.median(1).values


def picture_blob_ratio(real: Tensor, rebuilt: Tensor, patch: int = 4) -> Tensor:
    """How many times the average the deviation of the worst patch of a reconstruction is.

    Args:
        real: float (B, C, T, H, W).
        rebuilt: float, of the same shape.
        patch: height and width of what counts as one place of a frame; H and W are multiples of it.

    Returns:
        float32 (B,): the largest mean absolute difference of a patch over that of the whole clip, at least 1. The
        average and not the median stands below, because most patches of a flat background differ by nearly nothing.

    Raises:
        UserError: if the shapes differ or a patch does not divide the frames.
    """
    if real.shape != rebuilt.shape or real.shape[3] % patch or real.shape[4] % patch:
        raise UserError(
            f"clips of shape {tuple(real.shape)} and {tuple(rebuilt.shape)} cannot be compared in patches of {patch}: "
            "two equal shapes are needed whose height and width the patch divides."
        )
    difference = (rebuilt.float() - real.float()).abs()
    places = reduce(difference, "b c t (h p) (w q) -> b (t h w)", "mean", p=patch, q=patch)
    return places.amax(1) / places.mean(1)


@torch.inference_mode()
def decoder_maps(vqgan: VQGAN, tokens: Tensor) -> list[Tensor]:
    """What each unit of the decoder gives, from latents to pixels, the last one (the pixels) left out.

    Args:
        vqgan: in evaluation mode.
        tokens: int64 (B, t, h, w).

    Returns:
        U - 1 maps, float (B, C, T, H, W), each of its own size.
    """
    maps: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
        maps.append(output)

    handles = [unit.register_forward_hook(keep) for unit in vqgan.decoder.units]
    try:
        vqgan.decode(tokens)
    finally:
        for handle in handles:
            handle.remove()
    return maps[:-1]


@torch.inference_mode()
def blob_ratios(vqgan: VQGAN, clips: Tensor, batch: int = 16) -> tuple[Tensor, Tensor]:
    """Both rulers on reconstructions of clips.

    Args:
        vqgan: in evaluation mode.
        clips: float (B, C, T, H, W) in [-0.5, 0.5], with the margins of a `valid` padding.
        batch: clips that are decoded at once.

    Returns:
        float32 (U - 1, B), one `blob_ratio` for each map of the decoder; and float32 (B,), `picture_blob_ratio`.
    """
    device = next(vqgan.parameters()).device
    maps, pictures = [], []
    before, after = vqgan.config.forward_margins
    patch = vqgan.config.downsample[1]
    for part in clips.split(batch):
        tokens = vqgan.encode(part.to(device))
        maps.append(torch.stack([blob_ratio(feature_map) for feature_map in decoder_maps(vqgan, tokens)]))
        shown = vqgan.decode(tokens).clamp(-0.5, 0.5)
        target = part[:, :, before : part.shape[2] - after].to(device)
        pictures.append(picture_blob_ratio(target, shown, patch))
    return torch.cat(maps, dim=1).cpu(), torch.cat(pictures).cpu()

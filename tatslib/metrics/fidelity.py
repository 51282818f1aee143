"""How alike two frames are: PSNR, SSIM, LPIPS, the correlation of their colours, and where they differ.

Of a reconstruction and its original, of a sound's video and the real one (Table 1), or of the first and the last frame
of a long video (Table 2, Fig. 17). Differences are counted in grey levels of 255.

Letters: B videos, C channels, T H W frames.
"""

import torch
from einops import rearrange, reduce
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from tatslib.errors import UserError
from tatslib.videos import Video, to_model
from tatslib.vqgan.perceptual import PerceptualLoss

LEVELS = 255.0
SSIM_SMALLEST = 6  # pixels that the reflected border of SSIM's window of 11 needs
FRAMES_AT_ONCE = 64


def psnr(videos: Video, others: Video) -> Tensor:
    """Peak signal-to-noise ratio of each frame, in decibels.

    Args:
        videos: uint8 (B, T, H, W, 3).
        others: the same.

    Returns:
        float64 (B, T); infinite for equal frames. The mean over frames is not the ratio of the mean error: a table has
        to say which one it shows.

    Raises:
        UserError: if the shapes differ.
    """
    a, b = _pair(videos, others)
    found = peak_signal_noise_ratio(a.double(), b.double(), data_range=LEVELS, reduction="none", dim=(1, 2, 3))
    return rearrange(found, "(b t) -> b t", b=len(videos))


def ssim(videos: Video, others: Video) -> Tensor:
    """Structural similarity of each frame: a Gaussian window of 11 pixels (sigma 1.5), mean over places and colours.

    Args:
        videos: uint8 (B, T, H, W, 3), 6x6 pixels or more.
        others: the same.

    Returns:
        float64 (B, T), 1 for equal frames, at least -1.

    Raises:
        UserError: if the shapes differ or the frames are smaller.
    """
    a, b = _pair(videos, others)
    if min(a.shape[-2:]) < SSIM_SMALLEST:
        raise UserError(
            f"SSIM takes frames of {SSIM_SMALLEST}x{SSIM_SMALLEST} pixels or more, got {tuple(a.shape[-2:])}."
        )
    found = []
    for x, y in zip(a.split(FRAMES_AT_ONCE), b.split(FRAMES_AT_ONCE), strict=True):
        value = structural_similarity_index_measure(x.double(), y.double(), data_range=LEVELS, reduction="none")
        assert isinstance(value, Tensor)  # two tensors only where the whole map is asked for
        found.append(value.reshape(-1))
    return rearrange(torch.cat(found), "(b t) -> b t", b=len(videos))


@torch.inference_mode()
def lpips(network: PerceptualLoss, videos: Video, others: Video) -> Tensor:
    """Perceptual distance of each frame.

    Args:
        network: from `tatslib.vqgan.perceptual.load_perceptual`; in its "right" range for values like others report.
        videos: uint8 (B, T, H, W, 3), 16x16 pixels or more.
        others: the same.

    Returns:
        float32 (B, T), 0 for equal frames.

    Raises:
        UserError: if the shapes differ or the frames are smaller.
    """
    _pair(videos, others)
    device = next(network.parameters()).device
    a, b = (rearrange(to_model(x), "b c t h w -> (b t) c h w") for x in (videos, others))
    was_training = network.training
    network.eval()  # drops nothing
    parts = zip(a.split(FRAMES_AT_ONCE), b.split(FRAMES_AT_ONCE), strict=True)
    found = torch.cat([network(x.to(device), y.to(device)).cpu() for x, y in parts])
    network.train(was_training)
    return rearrange(found, "(b t) -> b t", b=len(videos))


def colour_correlation(videos: Video, others: Video, bins: int = 8) -> Tensor:
    """Pearson correlation of the colour histograms of two frames (Table 2): same colours, wherever in the frame?

    Args:
        videos: uint8 (B, T, H, W, 3).
        others: the same.
        bins: a colour, so that the joint histogram has bins^3. The paper does not say how many: only numbers of the
            same `bins` can be compared, and more bins correlate less.

    Returns:
        float64 (B, T), 1 for the same histogram, about 0 or a little less for colours that share no bin.

    Raises:
        UserError: if the shapes differ or `bins` is not from 2 to 256.
    """
    if not 2 <= bins <= 256:
        raise UserError(f"a histogram of {bins} bins a colour was asked for: 2 to 256 make sense.")
    first, second = (_histograms(frames, bins) for frames in _pair(videos, others))
    a, b = (h - h.mean(1, keepdim=True) for h in (first, second))
    scale = (a.square().sum(1) * b.square().sum(1)).sqrt()
    same = (first == second).all(1).double()  # decides where a histogram is flat and nothing can be said of its shape
    found = torch.where(scale > 0, (a * b).sum(1) / scale, same)
    return rearrange(found, "(b t) -> b t", b=len(videos))


def difference_map(videos: Video, first: int, second: int) -> Tensor:
    """Where two frames of a video differ, the mean over videos and colours (Fig. 17: frames 1000 and 1024).

    Args:
        videos: uint8 (B, T, H, W, 3).
        first: index of a frame, from 0, or from the end where negative.
        second: of another.

    Returns:
        float64 (H, W), grey levels. Patterns that lie still, such as the waves of a position code, show as patterns.
    """
    frames = torch.as_tensor(videos)
    difference = (frames[:, first].double() - frames[:, second].double()).abs()
    return reduce(difference, "b h w c -> h w", "mean")


def _pair(videos: Video, others: Video) -> tuple[Tensor, Tensor]:
    """Both as single frames, uint8 (B T, C, H, W)."""
    a, b = torch.as_tensor(videos), torch.as_tensor(others)
    if a.shape != b.shape or a.ndim != 5 or a.dtype != torch.uint8 or b.dtype != torch.uint8:
        raise UserError(
            f"{a.dtype} {tuple(a.shape)} and {b.dtype} {tuple(b.shape)} cannot be compared: two videos of bytes of the "
            "same shape (videos, frames, height, width, colours) are needed."
        )
    return rearrange(a, "b t h w c -> (b t) c h w"), rearrange(b, "b t h w c -> (b t) c h w")


def _histograms(frames: Tensor, bins: int) -> Tensor:
    """Share of pixels in each bin of joint colours, float64 (B, bins^3)."""
    red, green, blue = (frames.long() * bins // 256).unbind(1)
    places = rearrange((red * bins + green) * bins + blue, "b h w -> b (h w)")
    return torch.stack([torch.bincount(row, minlength=bins**3) for row in places]).double() / places.shape[1]

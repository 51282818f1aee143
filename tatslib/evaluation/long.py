"""What becomes of long videos: quality, coherence, repetition, colours and jumps along the video (paper 3.3, 3.4, C).

Pure functions of videos that lie in memory and of a network that looks at clips; whose videos they are is all the same.

Letters: V videos, n windows of a video, b blocks of windows, T H W frames, F feature dimensions, L lags.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from einops import rearrange, reduce
from torch import Tensor

from tatslib.errors import UserError
from tatslib.metrics.coherence import area_under, class_coherence, inception_coherence
from tatslib.metrics.features import Classifier, FeatureNetwork, clip_features, some_windows, window_probabilities
from tatslib.metrics.fidelity import colour_correlation, difference_map, lpips, ssim
from tatslib.metrics.frechet import CLIPS_PER_DIMENSION, frechet_distance
from tatslib.metrics.motion import frame_changes
from tatslib.metrics.nearest import BYTES_AT_ONCE, nearest_real_distance
from tatslib.metrics.repetition import repeated_frames
from tatslib.videos import Video
from tatslib.vqgan.perceptual import PerceptualLoss

WINDOW = 16  # frames: "every 16 frames extracted side-by-side" (3.3)
APART = 24  # frames between the 1000th and the 1024th (Fig. 17)
BAD_END = 4  # windows
WINDOWS_AT_ONCE = 512  # that are compared with all real clips
STEP = 4  # frames between the earlier windows that a window is compared with


class Coherence(NamedTuple):
    """Does a video stay with its theme (Fig. 6)? The first entry of either curve compares a window with itself."""

    ccs: list[float]  # n: share of videos still in the class of their first window
    ics: list[float]  # n: nats, mean over videos
    area: float  # under the CCS of the windows after the first, over a time axis of length 1


# ------------------------------------------------------------------------------------------------ quality and coherence
def window_features(network: FeatureNetwork, videos: Video, frames: int = WINDOW) -> Tensor:
    """Features of windows side by side.

    Args:
        network: what looks at a window.
        videos: uint8 (V, n frames, H, W, 3).
        frames: those of a window.

    Returns:
        float32 (V, n, F).

    Raises:
        UserError: if the videos cannot be cut into such windows.
    """
    clips = rearrange(some_windows(videos, frames), "v n t h w c -> (v n) t h w c")
    return rearrange(clip_features(network, clips), "(v n) f -> v n f", v=len(videos))


def quality(
    features: Tensor, real: Tensor, together: int = 1, clips_per_dimension: float = CLIPS_PER_DIMENSION
) -> list[float]:
    """Fréchet distance to real clips along the video (Fig. 5).

    Args:
        features: float (V, n, F) of windows, as `window_features` gives them.
        real: float (B, F) of real clips of the length of a window.
        together: windows one after another that are measured together. More of them steady the number and blur the
            time; windows of one video are alike, so that four of them are worth less than four videos.
        clips_per_dimension: fewer clips than that are refused; 0 for the paper's own protocol (512 for 400 dimensions).

    Returns:
        n / together distances. With the logits of I3D they are FVDs.

    Raises:
        UserError: if the windows do not divide into such blocks, or for too few clips.
    """
    if features.ndim != 3 or together < 1 or features.shape[1] % together:
        raise UserError(f"features of shape {tuple(features.shape)} do not divide into blocks of {together} windows.")
    blocks = rearrange(features, "v (b k) f -> b (v k) f", k=together)
    return [frechet_distance(real, block, clips_per_dimension) for block in blocks]


def change_in_percent(distances: Sequence[float]) -> list[float]:
    """How much larger each is than the first, in percent: what Figure 5 draws. The first is 0.

    A percentage of what the first window happened to score: a model that begins badly has little to lose. Put the
    distances themselves beside it.

    Raises:
        UserError: if the first is not above 0, of which there is no percentage.
    """
    if not distances or distances[0] <= 0:
        raise UserError(f"a change in percent needs a first value above 0; got {list(distances[:1])}.")
    return [100 * (distance / distances[0] - 1) for distance in distances]


def coherence(chances: Tensor) -> Coherence:
    """CCS and ICS of class probabilities (V, n, k) of windows, two or more (Fig. 6); see `window_probabilities`."""
    ccs = class_coherence(chances)
    after = ccs[1:] if len(ccs) > 2 else ccs  # a single later window spans no area
    return Coherence(ccs.tolist(), inception_coherence(chances).mean(0).tolist(), area_under(after))


def nearest_real(videos: Video, real: Video, device: torch.device | str = "cpu") -> Tensor:
    """Grey levels between each window and the nearest of the real clips (B, frames, H, W, 3): float32 (V, n).

    `nearest_real_distance` says what it costs, and how near to 0 a copy comes.

    Raises:
        UserError: if the videos cannot be cut into windows of the length of these clips.
    """
    clips = rearrange(some_windows(videos, real.shape[1]), "v n t h w c -> (v n) t h w c")
    distances = torch.as_tensor(nearest_real_distance(clips, real, WINDOWS_AT_ONCE, device))
    return rearrange(distances, "(v n) -> v n", v=len(videos))


def broken_from(distances: Tensor, limit: float, at_least: int = BAD_END) -> Tensor:
    """The window from which on a video is broken for good (C.2, Fig. 20).

    Args:
        distances: float (V, n), larger where a window is worse, such as `nearest_real`.
        limit: what good windows hardly ever exceed, for instance the 99th percentile of real ones.
        at_least: bad windows at the end that make a video a broken one; fewer of them are an accident.

    Returns:
        int64 (V,): the window after the last good one; n for videos that do not end badly.
    """
    count = distances.shape[1]
    start = (torch.arange(1, count + 1) * (distances <= limit)).amax(1)
    return torch.where(start <= count - at_least, start, count)


# ------------------------------------------------------------------------------------------- repetition, colours, jumps
def nearest_earlier(videos: Video, frames: int = WINDOW, step: int = STEP) -> Tensor:
    """How much each window differs from the most alike part of the same video before it (Fig. 7, 18).

    Recurrent events come near to 0 and do not reach it; an exact loop is 0 but for rounding (see
    `nearest_real_distance`), and what was never seen before is far away. Compare with real videos, whose motions come
    back as well. A video of 1,024 frames at 128x128 takes 1.1 GB on the way.

    Args:
        videos: uint8 (V, n frames, H, W, 3), n from 2 on.
        frames: those of a window.
        step: frames between the beginnings of the earlier parts that are looked at.

    Returns:
        float32 (V, n - 1), root-mean-square grey levels, for all windows but the first.

    Raises:
        UserError: if the videos cannot be cut into such windows.
    """
    starts = torch.arange(0, some_windows(videos, frames).shape[1] * frames - frames + 1, step)
    rows = []
    for video in torch.as_tensor(videos):
        pixels = rearrange(video, "t h w c -> t (h w c)").float()
        whole = rearrange(pixels.unfold(0, frames, frames)[1:], "s p t -> s (t p)")
        at_once = max(1, BYTES_AT_ONCE // (4 * whole.shape[1]))  # in most videos all
        parts = pixels.unfold(0, frames, step).split(at_once)  # all, earlier and later; no copies yet
        distances = [torch.cdist(whole, rearrange(some, "s p t -> s (t p)")) for some in parts]
        apart = torch.cat(distances, dim=1) / whole.shape[1] ** 0.5  # (n - 1, parts)
        begins = frames * torch.arange(1, len(whole) + 1)
        rows.append(apart.masked_fill(starts[None] + frames > begins[:, None], torch.inf).amin(1))
    return torch.stack(rows)


def autocorrelation(videos: Video, longest: int) -> Tensor:
    """How alike the pixels of a video are to themselves some frames later, 1 for the same picture again.

    A loop is 1 at its length and all multiples of it. Events that recur, but never quite, have peaks that fade.

    Args:
        videos: uint8 (V, T, H, W, 3).
        longest: the largest lag in frames, L, at most T / 2.

    Returns:
        float64 (V, L) for the lags 1 .. L: covariance over time, summed over pixels, as a share of the variance.

    Raises:
        UserError: for a lag that is too large to be averaged over.
    """
    length = videos.shape[1]
    if not 1 <= longest <= length // 2:
        raise UserError(f"a lag of {longest} frames does not fit twice into videos of {length}.")
    rows = []
    for video in torch.as_tensor(videos):
        pixels = rearrange(video, "t h w c -> (h w c) t").float()
        power = torch.fft.rfft(pixels - pixels.mean(1, keepdim=True), n=2 * length).abs().square().sum(0).double()
        products = torch.fft.irfft(power)[: longest + 1] / (length - torch.arange(longest + 1))
        rows.append(products[1:] / products[0] if products[0] > 1e-6 else torch.ones(longest, dtype=torch.float64))
    return torch.stack(rows)


def colour_shift(videos: Video, frames: int = WINDOW) -> Tensor:
    """How far the mean colour of each window is from that of the first: float64 (V, n), grey levels, the first 0.

    Raises:
        UserError: if the videos cannot be cut into windows of so many frames.
    """
    cut = torch.as_tensor(some_windows(videos, frames))
    means = torch.stack([reduce(video.double(), "n t h w c -> n c", "mean") for video in cut])
    return (means - means[:, :1]).square().mean(-1).sqrt()


def ends(videos: Video, perceptual: PerceptualLoss | None = None) -> dict[str, Tensor]:
    """How alike the first and the last frame of each video are (Table 2).

    Args:
        videos: uint8 (V, T, H, W, 3).
        perceptual: LPIPS, for frames of 16x16 pixels or more; without it, that row is left out.

    Returns:
        Each (V,): "lpips", 0 for equal frames; "ssim" and "colour", the correlation of colour histograms, 1 for them.
    """
    first, last = videos[:, :1], videos[:, -1:]
    found = {"ssim": ssim(first, last)[:, 0], "colour": colour_correlation(first, last)[:, 0]}
    return found if perceptual is None else {"lpips": lpips(perceptual, first, last)[:, 0].double(), **found}


def largest_jump(videos: Video) -> Tensor:
    """The largest change between neighbouring frames as a multiple of the median one (Fig. 8, 19).

    Smooth videos are near to what real ones score; a cut, or a transition that was torn, is far above it.

    Args:
        videos: uint8 (V, T, H, W, 3).

    Returns:
        float64 (V,), 1 or more; 1 for a still video, infinite for one that is still but for a few jumps.
    """
    changes = frame_changes(videos)
    largest, usual = changes.amax(1), changes.median(1).values
    return torch.where(largest > 0, largest / usual, 1.0)


def stripes(difference: Tensor) -> float:
    """How much of a map of differences is one single wave: the periodic artefacts of Figure 17, as a number.

    Args:
        difference: float (H, W), as `fidelity.difference_map` gives it.

    Returns:
        The share of the map's power, its mean left out, that its strongest plane wave has: 0 to 1, 0 for a flat map.
        Blobs are made of long waves; those that fit into the map less than twice are left out of the search, not of
        the sum.
    """
    power = torch.fft.fft2(difference.double() - difference.double().mean()).abs().square()
    waves = [torch.fft.fftfreq(size, 1 / size).abs() for size in difference.shape]
    short = torch.maximum(waves[0][:, None], waves[1][None]) >= 2
    paired = ~((waves[0] * 2 % difference.shape[0] == 0)[:, None] & (waves[1] * 2 % difference.shape[1] == 0))
    whole = power * (1 + paired)  # a wave has two entries in the table, unless it goes up and down from pixel to pixel
    total = float(power.sum())
    return float(whole[short].max()) / total if total > 1e-9 else 0.0


def unique_share(videos: Video) -> float:
    """Share of frames that are, byte for byte, like no earlier one of their video; 1 if all are unique (3.4)."""
    flat = rearrange(torch.as_tensor(videos), "v t h w c -> v t h (w c)")
    return 1 - float(repeated_frames(flat).double().mean())


# --------------------------------------------------------------------------------------------------------- all together
def evaluate(
    videos: Video,
    real: Video,
    networks: Mapping[str, FeatureNetwork],
    classifier: Classifier | None = None,
    labels: Tensor | None = None,
    perceptual: PerceptualLoss | None = None,
    limit: float | None = None,
    together: int = 1,
    clips_per_dimension: float = CLIPS_PER_DIMENSION,
    near: Tensor | None = None,
) -> dict[str, Any]:
    """All of the above for one set of long videos, as lists and numbers that JSON can hold.

    Args:
        videos: uint8 (V, n frames, H, W, 3).
        real: uint8 (B, frames, H, W, 3), real clips of the length of a window.
        networks: by name, those whose features make the Fréchet distances.
        classifier: for CCS and ICS; without one they are left out.
        labels: int64 (V,), the class that was asked for; without them "named" is left out.
        perceptual: see `ends`.
        limit: see `broken_from`; without one "broken" and "lasts" are left out.
        together: windows that make a block, for all curves but CCS and ICS; see `quality`.
        clips_per_dimension: see `quality`.
        near: float32 (V, n), `nearest_real` of these videos, which takes time, where it is known already.

    Returns:
        Curves over blocks: "quality" and "change" (in percent) by network; "nearest", "motion", "colour" and "earlier"
        in grey levels; "named", the share of windows that have the class asked for. Over windows: "ccs" and "ics";
        "area" under the former. Means over videos: "unique", share of frames like no earlier one; "jump", where it is
        finite, None if nowhere; "broken", share of videos that are broken for good at their end; "lasts", frames until
        then, all of them for those that are not. "stripes", of the mean map of the last frame against that `APART`
        before it; "ends", mean and spread.

    Raises:
        UserError: as the single functions.
    """
    frames = real.shape[1]
    looks = {name: window_features(network, videos, frames) for name, network in networks.items()}
    distances = {
        name: quality(seen, clip_features(networks[name], real), together, clips_per_dimension)
        for name, seen in looks.items()
    }
    near = nearest_real(videos, real) if near is None else near  # (V, n)
    moved = torch.stack([frame_changes(part).mean(1) for part in some_windows(videos, frames).swapaxes(0, 1)], dim=1)
    numbers: dict[str, Any] = {
        "quality": distances,
        "change": {name: change_in_percent(values) for name, values in distances.items()},
        "nearest": _by_block(near, together),
        "motion": _by_block(moved, together),
        "colour": _by_block(colour_shift(videos, frames), together),
        "earlier": _by_block(nearest_earlier(videos, frames), together),
        "unique": unique_share(videos),
        "jump": _finite_mean(largest_jump(videos)),
        "stripes": stripes(difference_map(videos, -1 - APART, -1)),
        "ends": {
            name: {"mean": float(values.mean()), "spread": float(values.std()) if len(values) > 1 else None}
            for name, values in ends(videos, perceptual).items()
        },
    }
    if limit is not None:
        start = broken_from(near, limit)
        numbers |= {
            "broken": float((start < near.shape[1]).double().mean()),
            "lasts": frames * float(start.double().mean()),
        }
    if classifier is not None:
        chances = window_probabilities(classifier, videos, frames)
        numbers |= coherence(chances)._asdict()
        if labels is not None:
            numbers["named"] = _by_block(chances.argmax(-1) == labels[:, None], together)
    return numbers


def _finite_mean(values: Tensor) -> float | None:
    """The mean of what is finite, None where nothing is: JSON has no infinity."""
    finite = values[values.isfinite()]
    return float(finite.mean()) if len(finite) else None


def _by_block(values: Tensor, together: int) -> list[float]:
    """(V, n) to means over videos and blocks of windows; where a window is missing, the first block is shorter."""
    missing = -values.shape[1] % together
    padded = torch.nn.functional.pad(values.double(), (missing, 0), value=torch.nan)
    return rearrange(padded, "v (b k) -> b (v k)", k=together).nanmean(1).tolist()

"""What is measured of each long video without a feature network: rows, which can be kept and gathered.

A row holds what depends on the same things, so that other real clips, or LPIPS that is asked for later, leave the rest
as it was kept.

Letters: V videos, n windows of a video, B real clips, T H W frames.
"""

import hashlib
from collections.abc import Mapping, Sequence

import torch
from einops import rearrange
from torch import Tensor

from tatslib.evaluation import long
from tatslib.evaluation.feature_cache import clip_key
from tatslib.evaluation.networks import NO_NETWORK, Extractor
from tatslib.metrics.fidelity import difference_map
from tatslib.metrics.motion import frame_changes, period, still_share
from tatslib.metrics.repetition import loop_length, repeated_frames
from tatslib.training.device import default_device
from tatslib.videos import Video

VERSION = 2  # raise it with any change to what `row_extractors` compute
CURVES = ("nearest", "motion", "colour", "earlier")  # in grey levels, along the windows


def widths(windows: int, resolution: int) -> dict[str, int]:
    """How many numbers a video has of each kind, in the order of its row "long".

    "motion", "colour" and "earlier" are curves; "unique", share of frames like no earlier one; "still", share of frames
    that hardly differ from the one before; "jump", see `long.largest_jump`; "loop", frames of the exact loop in which a
    video ends, 0 for none; "period" and "rhythm", see `motion.period`; of the first and the last frame "ssim" and
    "colours"; and the map of differences whose "stripes" are looked for.
    """
    curves = {"motion": windows, "colour": windows, "earlier": windows - 1}
    single = dict.fromkeys(("unique", "still", "jump", "loop", "period", "rhythm", "ssim", "colours"), 1)
    return {**curves, **single, "map": resolution**2}


def row_extractors(real: Video, windows: int, perceptual: Extractor | None) -> list[Extractor]:
    """What turns long videos into rows: "long" by itself, "nearest" beside real clips, and "lpips".

    Args:
        real: uint8 (B, frames, H, W, 3), the clips that "nearest" looks at, of the length of a window.
        windows: n.
        perceptual: LPIPS, see `open_perceptual`; without it there are no such rows.
    """
    frames, shape = real.shape[1], widths(windows, real.shape[2])

    def alone(videos: Video) -> Tensor:
        found = _measured(videos, frames)
        return torch.cat([rearrange(found[name], "v ... -> v (...)").double() for name in shape], dim=1)

    def beside(videos: Video) -> Tensor:
        return long.nearest_real(videos, real, default_device()).double()

    parts = [
        ("long", f"{list(shape)} {frames}", alone, sum(shape.values())),
        ("nearest", clip_key(real), beside, windows),
    ]
    made = [
        Extractor(
            name=name,
            what=NO_NETWORK,
            checksum=hashlib.sha256(f"{name} {VERSION} {known}".encode()).hexdigest(),
            rows=rows,
            dimensions=dimensions,
            dtype=torch.float64,
        )
        for name, known, rows, dimensions in parts
    ]
    return made if perceptual is None else [*made, perceptual]


def columns(rows: Sequence[Tensor], windows: int, resolution: int) -> Mapping[str, Tensor]:
    """The rows (V, F) of `row_extractors` by name.

    Curves are float64 (V, n), but "earlier" (V, n - 1); single numbers (V,); "map" (V, H, W).
    """
    shape = widths(windows, resolution)
    parts = dict(zip(shape, rows[0].split(list(shape.values()), dim=1), strict=True)) | {"nearest": rows[1]}
    single = {name: part[:, 0] for name, part in parts.items() if name not in (*CURVES, "map")}
    ends = {} if len(rows) < 3 else {"lpips": rows[2][:, 0].double()}
    return {**parts, **single, **ends, "map": rearrange(parts["map"], "v (h w) -> v h w", h=resolution)}


def _measured(videos: Video, frames: int) -> dict[str, Tensor]:
    """All that a video tells by itself, in windows of so many frames, by name, each (V, ...)."""
    changes = frame_changes(videos)  # (V, T - 1)
    inside = rearrange(torch.nn.functional.pad(changes, (0, 1)), "v (n t) -> v n t", t=frames)[:, :, :-1]
    flat = rearrange(torch.as_tensor(videos), "v t h w c -> v t h (w c)")
    rhythm, share = period(videos)
    alike = long.ends(videos)
    return {
        "motion": inside.mean(2),
        "colour": long.colour_shift(videos, frames),
        "earlier": long.nearest_earlier(videos, frames),
        "unique": 1 - repeated_frames(flat).double().mean(1),
        "still": still_share(changes),
        "jump": long.largest_jump(videos),
        "loop": loop_length(flat),
        "period": rhythm,
        "rhythm": share,
        "ssim": alike["ssim"],
        "colours": alike["colour"],
        "map": torch.stack([difference_map(video[None], -1 - long.APART, -1) for video in videos]),
    }

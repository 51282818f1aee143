"""What is measured of each long video without a feature network: one row a video, which can be kept and gathered.

Letters: V videos, n windows of a video, B real clips, T H W frames.
"""

import hashlib

import torch
from einops import rearrange
from torch import Tensor

from tatslib.evaluation import long
from tatslib.evaluation.feature_cache import clip_key
from tatslib.evaluation.networks import NO_NETWORK, Extractor
from tatslib.metrics.fidelity import difference_map
from tatslib.metrics.motion import frame_changes, period, still_share
from tatslib.metrics.repetition import loop_length, repeated_frames
from tatslib.videos import Video

VERSION = 1  # raise it with any change to what `rows_extractor` computes
CURVES = ("nearest", "motion", "colour", "earlier")  # in grey levels, along the windows


def widths(windows: int, resolution: int, perceptual: bool) -> dict[str, int]:
    """How many numbers a video has of each kind, in the order of its row.

    "nearest", "motion", "colour" and "earlier" are curves; "unique", share of frames like no earlier one; "still",
    share of frames that hardly differ from the one before; "jump", see `long.largest_jump`; "loop", frames of the exact
    loop in which a video ends, 0 for none; "period" and "rhythm", see `motion.period`; of the first and the last frame
    "ssim", "colours" and "lpips"; and the map of differences whose "stripes" are looked for.
    """
    curves = {"nearest": windows, "motion": windows, "colour": windows, "earlier": windows - 1}
    single = dict.fromkeys(("unique", "still", "jump", "loop", "period", "rhythm", "ssim", "colours"), 1)
    return {**curves, **single, **({"lpips": 1} if perceptual else {}), "map": resolution**2}


def rows_extractor(real: Video, windows: int, perceptual: Extractor | None) -> Extractor:
    """What turns long videos into rows.

    Args:
        real: uint8 (B, frames, H, W, 3), the clips that "nearest" looks at, of the length of a window.
        windows: n.
        perceptual: LPIPS, see `open_perceptual`; without it the row has none.
    """
    shape = widths(windows, real.shape[2], perceptual is not None)
    known = f"long {VERSION} {list(shape)} {clip_key(real)} {perceptual.checksum if perceptual else ''}"

    def rows(videos: Video) -> Tensor:
        found = _measured(videos, real)
        if perceptual is not None:
            found["lpips"] = perceptual.rows(videos)
        return torch.cat([rearrange(found[name], "v ... -> v (...)").double() for name in shape], dim=1)

    checksum = hashlib.sha256(known.encode()).hexdigest()
    return Extractor("long", NO_NETWORK, checksum, rows, dimensions=sum(shape.values()), dtype=torch.float64)


def columns(rows: Tensor, windows: int, resolution: int, perceptual: bool) -> dict[str, Tensor]:
    """Rows float64 (V, F) by name: curves (V, n), or (V, n - 1) for "earlier"; single numbers (V,); "map" (V, H, W)."""
    shape = widths(windows, resolution, perceptual)
    parts = dict(zip(shape, rows.split(list(shape.values()), dim=1), strict=True))
    single = {name: part[:, 0] for name, part in parts.items() if name not in (*CURVES, "map")}
    return {**parts, **single, "map": rearrange(parts["map"], "v (h w) -> v h w", h=resolution)}


def _measured(videos: Video, real: Video) -> dict[str, Tensor]:
    """All but LPIPS, by name, each (V, ...)."""
    frames = real.shape[1]
    changes = frame_changes(videos)  # (V, T - 1)
    inside = rearrange(torch.nn.functional.pad(changes, (0, 1)), "v (n t) -> v n t", t=frames)[:, :, :-1]
    flat = rearrange(torch.as_tensor(videos), "v t h w c -> v t h (w c)")
    rhythm, share = period(videos)
    alike = long.ends(videos)
    return {
        "nearest": long.nearest_real(videos, real),
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

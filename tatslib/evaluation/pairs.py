"""SSIM and PSNR of generated videos against the real ones they were made for (paper 3.1, Table 1c).

A video that is led by the sound of a real one can be held against that very video, frame by frame. Which belongs to
which is said by their names: `00017.mp4`, or a folder of frames `00017`, was made for the real `00017`, whatever kind
of file that is.

Letters: P pairs, H W frames.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tatslib.datasets.clips import ClipDataset
from tatslib.errors import UserError
from tatslib.evaluation.draws import generated_draws
from tatslib.evaluation.gathering import gather
from tatslib.evaluation.measures import Numbers, bootstrap
from tatslib.evaluation.networks import NO_NETWORK, Extractor
from tatslib.evaluation.protocol import PAIRED, Settings
from tatslib.evaluation.videos_folder import VideosFolder
from tatslib.metrics.fidelity import SSIM_SMALLEST, psnr, ssim
from tatslib.videos import Video

VERSION = 1  # raise it with any change to what `pair_rows` computes


def pairs_extractor() -> Extractor:
    """SSIM and PSNR of two frames, the second of which is the real one."""
    checksum = hashlib.sha256(f"pairs {VERSION}".encode()).hexdigest()
    return Extractor("pairs", NO_NETWORK, checksum, pair_rows, dimensions=len(PAIRED), dtype=torch.float64)


def pair_rows(pairs: Video) -> Tensor:
    """Of uint8 (P, 2, H, W, 3): float64 (P, 2), SSIM, and PSNR in decibels, infinite for equal frames."""
    made, real = pairs[:, :1], pairs[:, 1:]
    return torch.cat([ssim(made, real), psnr(made, real)], dim=1)


def check_pairs(generated: VideosFolder, real: ClipDataset, frame: int) -> None:
    """Refuse what cannot be compared frame by frame.

    Raises:
        UserError: if a video has no partner or two, if the frame lies beyond the clips, or is too small for SSIM.
    """
    if frame > generated.length:
        raise UserError(
            f"frame {frame} lies beyond clips of {generated.length} frames: add `--frames {frame}`, or name another "
            "one by --frame."
        )
    if generated.resolution < SSIM_SMALLEST:
        raise UserError(f"SSIM takes {SSIM_SMALLEST}x{SSIM_SMALLEST} pixels or more, not {generated.resolution}.")
    partners(generated.paths, real.paths, real.skipped)


def partners(made: Sequence[Path], real: Sequence[Path], skipped: Mapping[Path, str]) -> list[int]:
    """Of each generated video, the index of the real one of its name.

    Args:
        made: generated videos.
        real: those of which one may be named as it is. Others may have any names, also one name.
        skipped: why each of the others that are there cannot be used, by path.

    Raises:
        UserError: if one has none or two, its partner cannot be used, or two generated videos have one name.
    """
    needed, known = {_name(path) for path in made}, {_name(path): index for index, path in enumerate(real)}
    useless = {_name(path): reason for path, reason in skipped.items()}
    for side in (made, real):
        seen: dict[str, Path] = {}
        for path in side:
            if _name(path) in needed and (first := seen.setdefault(_name(path), path)) != path:
                raise UserError(f"{first} and {path} have one name, and pairs of videos are found by their names.")
    for path in made:
        if _name(path) not in known:
            if reason := useless.get(_name(path)):
                raise UserError(f"{path} has a partner that cannot be used: {reason}")
            raise UserError(
                f"SSIM and PSNR are of pairs, and none of the {len(real)} real videos is named {_name(path)!r} as "
                f"{path} is: give each video the name of the real one it was made for, and the --split of that."
            )
    return [known[_name(path)] for path in made]


def measure_pairs(
    generated: VideosFolder,
    real: ClipDataset,
    settings: Settings,
    looker: Extractor,
    clips: dict[str, int],
    cache: Path,
) -> tuple[dict[str, Numbers], int]:
    """SSIM and PSNR, means over the pairs, and how many pairs had to be computed.

    Args:
        generated: videos.
        real: clips that begin with the first frame of the real videos.
        settings: with the frame that is compared, from 1 on.
        looker: `pairs_extractor`.
        clips: how many pairs, by metric.
        cache: folder of the rows of all networks.

    Returns:
        By metric "mean" and "interval", and "equal", how many pairs of frames are the same to the last bit. Such a pair
        has an SSIM of 1, but no PSNR: it is left out of that mean, which is None if there is no other.
    """
    of, frame = partners(generated.paths, real.paths, real.skipped), settings.frame - 1

    def pair(video: int) -> Video:
        return np.stack([generated.clip(video)[frame], real.clip(of[video], 0)[frame]])

    chosen = generated_draws(len(generated), min(clips.values()), 1, settings.seed)[0]
    readers = [partial(pair, video) for video, _ in chosen]
    rows, computed = gather(looker, readers, cache, "pairs")
    columns = dict(zip(PAIRED, rows.unbind(1), strict=True))
    equal = int(columns["psnr"].isinf().sum())
    return {metric: {**_number(columns[metric], settings.seed), "equal": equal} for metric in clips}, computed


def _number(values: Tensor, seed: int) -> Numbers:
    finite = values[values.isfinite()]
    return {"mean": float(finite.mean()) if len(finite) else None, "interval": bootstrap(finite, seed)}


def _name(path: Path) -> str:
    """The name of a video without its suffix; that of a folder of frames may have dots in it."""
    return path.name if path.is_dir() else path.stem

"""The order in which a hierarchy draws latent frames, without drawing any: to count steps by, and to look at (2.3)."""

from collections.abc import Iterator, Sequence
from itertools import count, islice, pairwise
from typing import NamedTuple

from tatslib.errors import UserError


class Step(NamedTuple):
    """Latent frames that are drawn side by side; the next step has to wait for this one."""

    level: int  # 0 is the sparsest
    frames: tuple[int, ...]  # their numbers in the video, in order


def order_of_drawing(strides: Sequence[int], latent_frames: int, gaps_at_once: int) -> list[Step]:
    """What `hierarchical.stream` draws, step by step.

    Args:
        strides: how many latent frames the frames of each level lie apart, the sparsest first, as in
            `Hierarchy.strides`: (4, 1) is the paper's, (1,) the plain sliding window.
        latent_frames: F. Where the last gap reaches beyond the video, its frames are drawn too and later dropped.
        gaps_at_once: G, as in `hierarchical.stream`.

    Returns:
        The steps. Each draws one latent frame of one video, or of G gaps side by side.

    Raises:
        UserError: if the strides do not divide one another down to 1, or there is nothing to draw.
    """
    if not strides or strides[-1] != 1 or any(a % b or a <= b for a, b in pairwise(strides)):
        raise UserError(f"strides go down to 1, each a multiple of the next, such as 16, 4, 1; got {tuple(strides)}.")
    if latent_frames < 1 or gaps_at_once < 1:
        raise UserError(f"{latent_frames} latent frames, {gaps_at_once} gaps at once: both have to be 1 or more.")
    steps: list[Step] = []
    needed = frames_needed(strides, latent_frames)
    frames = islice(_sparse(strides[0], steps), needed[0])
    for level, stride in enumerate(strides[1:], start=1):
        frames = islice(_denser(frames, level, strides[level - 1], stride, gaps_at_once, steps), needed[level])
    list(frames)
    return steps


def frames_needed(strides: Sequence[int], latent_frames: int) -> list[int]:
    """How many latent frames each level has to know for a video of so many: one beyond the end, if need be."""
    return [-(-(latent_frames - 1) // stride) + 1 for stride in strides]


def _sparse(stride: int, steps: list[Step]) -> Iterator[int]:
    for frame in count(0, stride):
        steps.append(Step(0, (frame,)))
        yield frame


def _denser(
    frames: Iterator[int], level: int, span: int, stride: int, gaps_at_once: int, steps: list[Step]
) -> Iterator[int]:
    """Ask for as many frames of the level above as can be filled at once, fill, hand over: as the sampler does."""
    yield next(frames)
    while following := list(islice(frames, gaps_at_once)):
        starts = [frame - span for frame in following]
        steps += [Step(level, tuple(start + offset for start in starts)) for offset in range(stride, span, stride)]
        for start in starts:
            yield from range(start + stride, start + span + 1, stride)

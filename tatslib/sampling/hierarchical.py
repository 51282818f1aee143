"""Long videos planned ahead: sparse latent frames first, then what lies between them, level by level (paper 2.3).

An autoregressive transformer draws every s-th latent frame with a sliding window. An interpolation transformer fills
in between any two of them, another one between those, until nothing is missing. The paper has one level of gaps (every
4th frame, then all); here there can be any number of them (every 16th, every 4th, all).

Dimension letters
    B batch · F latent frames of the long video · h w latent grid · G gaps filled at once · t latent frames of a window
    n_c condition length · P sequences side by side
"""

from collections.abc import Iterator, Sequence
from itertools import count, islice
from math import prod

import torch
from einops import rearrange
from torch import Tensor

from tatslib.errors import UserError
from tatslib.progress import progress as progress_bar
from tatslib.sampling import sliding_window
from tatslib.sampling.decode import OWN, Engine
from tatslib.sampling.filters import Filters
from tatslib.sampling.interpolation import GapFiller, Reading, filling_config
from tatslib.sampling.native_step import library_for
from tatslib.sampling.noise import Row, row_noise, seeded_noise
from tatslib.sampling.plan import frames_needed
from tatslib.sampling.sliding_window import condition_of
from tatslib.sampling.storyline import Sparse, Storyline, as_storyline
from tatslib.transformer.gpt import GPT

GAPS = 16  # filled side by side: more are faster on hardware that fewer leave idle, and take more memory


class Hierarchy:
    """The transformers of all levels, from the sparsest one down.

    Args:
        anchors: draws sparse latent frames, one after another; trained on every s-th latent frame of long clips.
        fillers: interpolation transformers, each trained at its own distance: that of the level above it divided by
            t - 1. With windows of 5 latent frames, one filler makes s = 4, two make s = 16. Without any, s = 1 and
            this is the plain sliding window.

    Raises:
        UserError: if a filler is no interpolation transformer, or codes or latent grids differ.
    """

    def __init__(self, anchors: GPT, fillers: Sequence[GPT] = ()) -> None:
        self.anchors, self.fillers = anchors, tuple(fillers)
        ratios = [filling_config(filler).ratio for filler in self.fillers]
        self.strides = tuple(prod(ratios[level:]) for level in range(len(ratios) + 1))
        for filler in self.fillers:
            facts = [(m.config.codes, *m.config.latent_shape[1:]) for m in (anchors, filler)]
            if facts[0] != facts[1]:
                raise UserError(
                    "the transformers of a hierarchy must write the same tokens, but codes, rows and columns are "
                    f"{facts[0]} at the top and {facts[1]} below."
                )

    def needed(self, latent_frames: int) -> list[int]:
        """How many latent frames each level has to know for a video of so many."""
        return frames_needed(self.strides, latent_frames)


def sample(
    hierarchy: Hierarchy,
    condition: Tensor | Storyline,
    latent_frames: int,
    filters: Filters | Sequence[Filters] | None = None,
    context_frames: int | None = None,
    seed: int = 0,
    first_video: int = 0,
    gaps_at_once: int | None = None,
    reading: Reading = "trained",
    progress: bool = True,
    engine: Engine = OWN,
    guidance: float = 1.0,
) -> Tensor:
    """Whole latent videos, int64 (B, F, h, w) of video codes; arguments and errors as in `stream`."""
    options = (filters, context_frames, seed, first_video, gaps_at_once, reading, engine, guidance)
    frames = stream(hierarchy, condition, latent_frames, *options)
    with progress_bar(label="sampling", total=latent_frames, unit="latent frame", disable=not progress) as bar:
        collected = []
        for frame in frames:
            collected.append(frame)
            bar.update()
    return torch.stack(collected, dim=1)


def stream(
    hierarchy: Hierarchy,
    condition: Tensor | Storyline,
    latent_frames: int,
    filters: Filters | Sequence[Filters] | None = None,
    context_frames: int | None = None,
    seed: int = 0,
    first_video: int = 0,
    gaps_at_once: int | None = None,
    reading: Reading = "trained",
    engine: Engine = OWN,
    guidance: float = 1.0,
) -> Iterator[Tensor]:
    """Sample B videos side by side and yield one latent frame after another; memory does not grow with their length.

    Each level waits for no more of the level above than it fills at once. So frames leave while later ones, the sparse
    ones too, are not yet drawn.

    Args:
        hierarchy: the transformers.
        condition: int64 (B, n_c), the same at every level; or a `Storyline`, which each level asks about the span of
            its own windows: the sparsest from the first to the last frame of a window, the others from one anchor to
            the next, both included.
        latent_frames: F, any number from 1 on; where the last gap reaches beyond it, its end is drawn and dropped.
        filters: temperature, top-k, top-p, for all levels or for each, the sparsest first (the paper found a smaller
            k and p better for filling in, B.2); none when absent.
        context_frames: sparse latent frames to look back upon, see `sliding_window.stream`.
        seed: a latent frame of video b depends on the seed, on the video's number `first_video + b`, on its own number
            and on what it is drawn after; not on the batch, nor on how gaps are grouped, nor on F. (Up to rounding: in
            other batches, sums may come in another order.)
        first_video: number of the first video in this batch.
        gaps_at_once: G, gaps of each video that are filled side by side, B * G sequences in all; None: as many as pay.
        reading: how fillers read their anchors, see `interpolation.prefix_of`.
        engine: how to compute, at all levels.
        guidance: how far the condition is exaggerated at all levels, see `guidance`; 1 is not at all.

    Yields:
        int64 (B, h, w) video codes.

    Raises:
        UserError: for a condition that does not suit every level, another number of filters than levels, less than 1
            gap at once, and as `sliding_window.stream` does.
    """
    levels = 1 + len(hierarchy.fillers)
    each = [filters or Filters()] * levels if filters is None or isinstance(filters, Filters) else list(filters)
    if len(each) != levels:
        raise UserError(f"{len(each)} filters were given for a hierarchy of {levels} levels: give one, or one a level.")
    if latent_frames < 1:
        raise UserError(f"{latent_frames} latent frames were asked for; ask for at least 1.")
    if gaps_at_once is not None and gaps_at_once < 1:
        raise UserError(f"{gaps_at_once} gaps at once fill nothing: take 1 or more.")
    story = as_storyline(condition)
    for level, model in enumerate(hierarchy.fillers):
        condition_of(model.config, story, 0, hierarchy.strides[level] + 1)
    config, device = hierarchy.anchors.config, hierarchy.anchors.head.weight.device
    _, h, w = config.latent_shape
    videos = range(first_video, first_video + len(story))
    width = config.codes if each[0].mask_condition_tokens else config.vocabulary
    sparse = (frame * hierarchy.strides[0] * h + row for frame in count() for row in range(h))
    noise = seeded_noise(seed, videos, width, w, device, sparse)
    counts = hierarchy.needed(latent_frames)
    seen = Sparse(story, hierarchy.strides[0])
    frames = sliding_window.stream(
        hierarchy.anchors, seen, counts[0], each[0], context_frames, noise=noise, engine=engine, guidance=guidance
    )
    for level, model in enumerate(hierarchy.fillers, start=1):
        gaps = gaps_at_once or gaps_that_pay(model, len(story), engine, guidance)
        filler = GapFiller(model, len(story) * gaps, each[level], reading, engine=engine, guidance=guidance)
        denser = _densify(filler, story, frames, hierarchy.strides[level], seed, videos, gaps)
        frames = islice(denser, counts[level])
    return frames


def gaps_that_pay(model: GPT, videos: int, engine: Engine = OWN, guidance: float = 1.0) -> int:
    """How many gaps of each video to fill side by side.

    One of a single small video on a processor, where single sequences are computed in C; `GAPS` everywhere else.
    """
    single = videos == 1 and guidance == 1 and engine.native and engine.weights == "own" and not engine.fixed_shapes
    return 1 if single and library_for(model) is not None else GAPS


def _densify(
    filler: GapFiller,
    story: Storyline,
    frames: Iterator[Tensor],
    stride: int,
    seed: int,
    videos: range,
    gaps_at_once: int,
) -> Iterator[Tensor]:
    """Latent frames (B, h, w) and, between any two of them, those that `filler` draws, `stride` latent frames apart."""
    span = filler.config.ratio * stride  # latent frames from one anchor to the next
    left, done = next(frames).to(filler.device), 0  # done: gaps that are filled
    yield left
    while following := list(islice(frames, gaps_at_once)):
        anchors = torch.stack([left, *(frame.to(filler.device) for frame in following)])  # (G + 1, B, h, w)
        gaps = len(following)
        starts = range(done * span, (done + gaps) * span, span)
        drawn = filler(
            torch.cat([condition_of(filler.config, story, start, span + 1) for start in starts]).to(filler.device),
            rearrange(anchors[:-1], "G B h w -> (G B) h w"),
            rearrange(anchors[1:], "G B h w -> (G B) h w"),
            _gap_noise(filler, seed, [(video, start) for start in starts for video in videos], stride),
        )
        for gap, right in zip(rearrange(drawn, "(G B) t h w -> G t B h w", G=gaps), anchors[1:], strict=True):
            yield from gap
            yield right
        left, done = following[-1].to(filler.device), done + gaps


def _gap_noise(filler: GapFiller, seed: int, gaps: Sequence[tuple[int, int]], stride: int) -> Iterator[Tensor]:
    """Noise (P, V) for each token to fill in; a gap is the number of a video and of the latent frame before the gap."""
    t, h, w = filler.config.latent_shape
    for offset in range(stride, (t - 1) * stride, stride):
        for row in range(h):
            rows = [Row(video, (start + offset) * h + row) for video, start in gaps]
            yield from row_noise(seed, rows, w, filler.width, filler.device)

"""The latent frames between two that are given, all gaps of all videos in one batch (paper 2.3, A.4).

Dimension letters
    G gaps side by side · h w latent grid · t latent frames of a window, anchors included · n = h * w · n_c condition
    length · N tokens of a prefix · V vocabulary

In training, position p holds the token before the one that the output at p predicts, and the last anchor lies at the
end without its last token. To sample as it was trained, the prefix is condition, first anchor and last anchor at just
those positions, all in each other's sight; the first token of the gap is then predicted at the last token of the first
anchor, and the others follow one after another.

    training   [c][first anchor][      gap      ][last anchor]      N = n_c + t n - 1
    reading    [c][first anchor]                 [last anchor]      all at once, everyone sees everyone
    drawing                    [>>>>>>>>>>>>>>>>]                   sees all of these and the gap so far
"""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import torch
from einops import rearrange
from torch import Tensor

from tatslib.errors import UserError
from tatslib.sampling.decode import OWN, Engine, Layout
from tatslib.sampling.filters import Filters
from tatslib.sampling.guidance import check_guidance, decoder_for
from tatslib.sampling.noise import seeded_noise
from tatslib.sampling.sliding_window import check_condition, check_frames
from tatslib.transformer.gpt import GPT
from tatslib.transformer.interpolation import InterpolationConfig

Reading = Literal["trained", "released"]


class Prefix(NamedTuple):
    """What is read before the gap is drawn."""

    layout: Layout
    last_tokens: int  # how many tokens of the last anchor belong to it


def prefix_of(config: InterpolationConfig, reading: Reading = "trained", device: torch.device | None = None) -> Prefix:
    """How a transformer reads what stands around a gap.

    Args:
        config: the transformer's; its mask decides whether the last anchor is read.
        reading: "trained", as it was in training. "released", as the released sampler does it: the last anchor is
            whole and lies one position too early, the first token of the gap is predicted at the last token of the last
            anchor, and the mask is the upper left corner of the one of training, in which the first anchor does not
            see the last.
        device: where the layout's tensors are to live.

    A transformer of the leaking mask is read like the others: when its anchors are read, there is no gap to look at.
    That is not what it was trained for, and nothing that could be known while sampling is.
    """
    if reading not in ("trained", "released"):
        raise UserError(f'reading is "trained" or "released", got {reading!r}.')
    mask, n, end = config.attention.tensor(device), config.frame_tokens, config.block_size
    known = config.condition_length + n  # tokens before the gap
    first = torch.arange(known, device=device)
    if reading == "released":
        positions = torch.cat([first, torch.arange(end - n, end, device=device)])
        return Prefix(Layout(positions, mask[: known + n, : known + n], known + n - 1, known), n)
    if config.mask == "causal":  # nothing in the gap sees the last anchor
        return Prefix(Layout(first, None, known - 1, known), 0)
    positions = torch.cat([first, torch.arange(end - n + 1, end, device=device)])
    return Prefix(Layout(positions, mask[positions][:, positions], known - 1, known), n - 1)


class GapFiller:
    """A transformer that fills in, with the buffers for up to `gaps` gaps at once.

    Args:
        model: whose config is an `InterpolationConfig`.
        gaps: G at most.
        filters: temperature, top-k, top-p; none when absent.
        reading: see `prefix_of`.
        prefix: how the anchors are read, instead of what `reading` says.
        engine: how to compute.
        guidance: how far the condition is exaggerated, see `guidance`; 1 is not at all.

    Raises:
        UserError: if the model is no interpolation transformer, or cannot be guided.
    """

    def __init__(
        self,
        model: GPT,
        gaps: int,
        filters: Filters | None = None,
        reading: Reading = "trained",
        prefix: Prefix | None = None,
        engine: Engine = OWN,
        guidance: float = 1.0,
    ) -> None:
        self.config, self.filters = filling_config(model), filters or Filters()
        self.device = model.head.weight.device
        self.layout, self.last_tokens = prefix or prefix_of(self.config, reading, self.device)
        first_token = self.config.condition_codes if self.filters.mask_condition_tokens else 0
        self.width = self.config.vocabulary - first_token  # V, what can be drawn
        check_guidance(self.config, guidance)
        self.decoder = decoder_for(model, gaps, first_token, guidance, engine)
        self.most = 0  # gaps that were filled at once

    def __call__(self, condition: Tensor, first: Tensor, last: Tensor, noise: Iterator[Tensor]) -> Tensor:
        """Draw what lies between.

        Args:
            condition: int64 (G, n_c), one for each gap.
            first: int64 (G, h, w) video codes of the latent frames before the gaps.
            last: int64 (G, h, w), those after.
            noise: exponential noise (G, V) for each token in turn, on the model's device.

        Returns:
            int64 (G, t - 2, h, w) video codes.
        """
        t, h, w = self.config.latent_shape
        first, last = (rearrange(anchor, "G h w -> G (h w)") + self.config.condition_codes for anchor in (first, last))
        gaps = len(condition)
        with torch.inference_mode():
            known = torch.cat([condition, first, last[:, : self.last_tokens]], dim=1)  # (G, N)
            if self.decoder.cache.fixed_shapes:  # a step for so many, compiled and recorded, also does for the last few
                self.most = most = max(self.most, gaps)
                known, noise = filled_up(known, most), (filled_up(luck, most) for luck in noise)
            logits = self.decoder.prefill(known, self.layout)
            drawn = self.decoder.generate(logits, (t - 2) * h * w, self.filters, noise)[:gaps]
        # subtracted outside inference mode, so that the caller gets a tensor like any other
        codes = (drawn - self.config.condition_codes).clamp_(min=0)
        return rearrange(codes, "G (t h w) -> G t h w", h=h, w=w)


def fill_in(
    model: GPT,
    condition: Tensor,
    first: Tensor,
    last: Tensor,
    filters: Filters | None = None,
    reading: Reading = "trained",
    seed: int = 0,
    first_gap: int = 0,
    noise: Iterable[Tensor] | None = None,
    prefix: Prefix | None = None,
    engine: Engine = OWN,
    guidance: float = 1.0,
) -> Tensor:
    """Draw the latent frames between pairs of given ones.

    Args:
        model: an interpolation transformer.
        condition: int64 (G, n_c), in 0 .. condition_codes-1 (0 where there are no condition codes) or, but for the
            first, `masks.PADDING`.
        first: int64 (G, h, w) video codes.
        last: int64 (G, h, w) video codes.
        filters: temperature, top-k, top-p; none when absent.
        reading: "trained" or, to see what it does, "released"; see `prefix_of`.
        seed: a gap depends on the seed and on its number `first_gap + g`, not on its neighbours in the batch.
        first_gap: number of the first gap in this batch.
        noise: exponential noise (G, V) for each token in turn, in place of what `seed` would draw.
        prefix: how the anchors are read, instead of what `reading` says.
        engine: how to compute.
        guidance: how far the condition is exaggerated, see `guidance`; 1 is not at all.

    Returns:
        int64 (G, t - 2, h, w) video codes.

    Raises:
        UserError: for a model that does not fill in, a condition or anchors of the wrong shape, type or range, or
            logits that are not finite.
    """
    config, gaps = filling_config(model), len(condition)
    check_condition(config, condition)
    check_frames(config, first[:, None], gaps, "the first anchor")
    check_frames(config, last[:, None], gaps, "the last anchor")
    filler = GapFiller(model, gaps, filters, reading, prefix, engine, guidance)
    if noise is None:
        t, h, w = config.latent_shape
        numbers = range(first_gap, first_gap + gaps)
        noise = seeded_noise(seed, numbers, filler.width, w, filler.device, range(h, (t - 1) * h))
    condition, first, last = (given.to(filler.device) for given in (condition, first, last))
    return filler(condition, first, last, iter(noise))


def filled_up(rows: Tensor, count: int) -> Tensor:
    """Rows (G, ...) and the last of them again, until there are `count`."""
    return rows if len(rows) == count else torch.cat([rows, rows[-1:].expand(count - len(rows), *rows.shape[1:])])


def filling_config(model: GPT) -> InterpolationConfig:
    """The config of a transformer that fills in; a UserError if it does not."""
    if not isinstance(model.config, InterpolationConfig):
        raise UserError("this transformer goes on from what came before; filling in takes one trained to interpolate.")
    return model.config

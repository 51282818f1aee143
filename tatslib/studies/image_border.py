"""The image study: pictures three times as wide as the training pictures, drawn at two places of the window (Fig. 12).

Letters: B pictures, H W pixels, h w latent grid of training, p a column of the window.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar, get_args

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from tatslib import recipes
from tatslib.metrics.divergence import jensen_shannon, token_histogram
from tatslib.metrics.nearest import nearest_real_distance
from tatslib.randomness import derive_seed
from tatslib.recipes.images import EDGES, Edge
from tatslib.sampling.filters import Filters
from tatslib.sampling.image_window import Position, sample_pictures, window_start
from tatslib.studies.results import Numbers, Study
from tatslib.training.device import autocast, default_device
from tatslib.training.presets import PRESETS, current_scale
from tatslib.transformer.gpt import GPT
from tatslib.videos import Video, to_model, to_uint8
from tatslib.vqgan.vqgan import VQGAN
from tatslib.worlds import sky

Array = TypeVar("Array", Tensor, Video)
POSITIONS: tuple[Position, ...] = get_args(Position)
EXTENT = 3  # widths of a large picture, in training pictures; the middle one is measured
PICTURES = 32  # drawn for each edge and position
REFERENCE = 512  # real pictures to compare with
YARDSTICKS = 8  # further groups of PICTURES real ones, which are measured as if they had been drawn
SLID_PICTURES = 128
FILTERS = Filters(top_p=0.8)  # the paper's (B.2)

PROTOCOL = f"""Two 2D tokenizers of sky pictures, with the same initial weights, data and steps, differ in what stands
    beyond the four edges of a picture: zeros or copies of the edge. On the tokens of each a transformer is trained. It
    draws {PICTURES} pictures that are as high as the training pictures and {EXTENT} times as wide (top_p
    {FILTERS.top_p}), with the window around each token placed so that the token is in its middle column (centre) or in
    its last one (border), with the same luck. Measured is the middle third, whose tokens were all drawn at that place
    of a moving window. tokens: Jensen-Shannon divergence, in nats, of their histogram to that of the middle third of
    {REFERENCE} real pictures of other skies, encoded at the large size. place: the same to the tokens that the
    transformer was trained on at that column. nearest: RMS distance in grey levels of the decoded middle third to the
    nearest of the {REFERENCE} real ones after the same tokenizer. Yardstick: {YARDSTICKS} groups of {PICTURES} further
    real pictures, measured alike. slid: mean loss (nats a token) of the true tokens in column p of {SLID_PICTURES} real
    windows when every column of the window is encoded at column p of a picture of its own, as the moving window would
    have left it; matched: the same when the window is encoded as one picture; gap: slid minus matched. At the border
    the matched window has a second advantage: an encoder looks to either side, so its columns have seen the one that is
    to be predicted, and the slid ones have not. blind: the matched window, with this column replaced by copies of the
    last pixels before it while the others are encoded; from_position: slid minus blind; from_future: blind minus
    matched. The blind window was added after two seeds had been seen."""


@dataclass(frozen=True)
class Drawn:
    """What one tokenizer and its transformer drew, and what is needed to judge it."""

    vqgan: VQGAN
    gpt: GPT
    trained_on: Tensor  # int64 (clips, h, w), the transformer's training tokens
    tokens: dict[Position, Tensor]  # int64 (B, h, EXTENT w)


def wide_pictures(count: int, resolution: int, first: int = 0) -> Video:
    """Real pictures, EXTENT times as wide as high: the first frames of skies that no data set holds.

    Drawn at the height at which the world is written and scaled down like its frames, but never compressed.

    Returns:
        uint8 (B, resolution, EXTENT resolution, 3).
    """
    height = PRESETS[current_scale()].worlds.size
    seeds = [derive_seed(0, "studies/image border/sky", number) for number in range(first, first + count)]
    frames = torch.cat([torch.from_numpy(sky.render(s, [0], height, width=EXTENT * height)) for s in seeds])
    frames = rearrange(frames, "b h w c -> b c h w")
    small = F.interpolate(frames, (resolution, EXTENT * resolution), mode="bilinear", antialias=True)
    return rearrange(small, "b c h w -> b h w c").contiguous().numpy()


@torch.inference_mode()
def encode(vqgan: VQGAN, pictures: Video) -> Tensor:
    """uint8 (B, H, W, 3) to int64 (B, H / p, W / p), of any size that the tokenizer divides."""
    parts = torch.from_numpy(pictures).unsqueeze(1).split(PICTURES)
    device = next(vqgan.parameters()).device
    return torch.cat([vqgan.encode(to_model(part).to(device)).cpu() for part in parts])[:, 0]


@torch.inference_mode()
def decode(vqgan: VQGAN, tokens: Tensor) -> Video:
    """int64 (B, h', w') to uint8 (B, H, W, 3)."""
    device = next(vqgan.parameters()).device
    parts = [vqgan.decode(part.to(device)) for part in tokens.unsqueeze(1).split(PICTURES)]
    return to_uint8(torch.cat(parts))[:, 0]


def draw(edge: Edge, seed: int, pictures: int = PICTURES) -> Drawn:
    """Large pictures from both positions of the window, by the models of `seed`."""
    vqgan = recipes.get(f"sky/image-vqgan-{edge}", seed).model
    trained_on = recipes.get(f"sky/image-tokens-{edge}", seed).train.tokens[:, 0].long()
    gpt, device = recipes.get(f"sky/image-gpt-{edge}", seed).model, default_device()
    _, h, w = gpt.config.latent_shape
    start = torch.zeros(pictures, 1, dtype=torch.int64)
    with autocast("auto", device):
        tokens = {
            position: sample_pictures(gpt.to(device), start, (h, EXTENT * w), position, FILTERS, seed).cpu()
            for position in POSITIONS
        }
    return Drawn(vqgan, gpt.cpu(), trained_on, tokens)


def middle(array: Array) -> Array:
    """The middle third of the columns: (B, rows, columns, ...) to (B, rows, columns / EXTENT, ...)."""
    third = array.shape[2] // EXTENT
    return array[:, :, third : 2 * third]


def column_of(position: Position, w: int) -> int:
    """The column of a window of w in which a token far from the picture's borders is drawn."""
    return w - window_start(w, w, EXTENT * w, position)


def measure(drawn: Drawn, reference: int = REFERENCE, yardsticks: int = YARDSTICKS) -> Numbers:
    """The numbers of the protocol for one tokenizer."""
    vqgan, (_, _, w) = drawn.vqgan, drawn.gpt.config.latent_shape
    group = len(next(iter(drawn.tokens.values())))
    pictures = wide_pictures(reference + yardsticks * group, vqgan.config.resolution)
    real = encode(vqgan, pictures)
    real, others = real[:reference], real[reference:].split(group)
    histogram = token_histogram(middle(real), vqgan.config.codes)
    patches = middle(decode(vqgan, real))[:, None]

    def compare(tokens: Tensor) -> Numbers:
        return {
            "tokens": jensen_shannon(token_histogram(middle(tokens), vqgan.config.codes), histogram),
            "nearest": float(nearest_real_distance(middle(decode(vqgan, tokens))[:, None], patches).mean()),
        }

    compared = [compare(tokens) for tokens in others]
    numbers: Numbers = {"real": {name: sum(row[name] for row in compared) / len(compared) for name in compared[0]}}
    for position, tokens in drawn.tokens.items():
        column = column_of(position, w)
        place = token_histogram(drawn.trained_on[:, :, column], vqgan.config.codes)
        begin = (w - column) * vqgan.config.downsample[2]  # so that the matched window is the middle third
        losses = slid_window_losses(vqgan, drawn.gpt, pictures[:SLID_PICTURES, :, begin:], column)
        nats = {name: float(loss.mean()) for name, loss in losses.items()}
        numbers[position] = compare(tokens) | {
            "place": jensen_shannon(token_histogram(middle(tokens), vqgan.config.codes), place),
            "real_place": jensen_shannon(histogram, place),
            **nats,
            "gap": nats["slid"] - nats["matched"],
        }
        if "blind" in nats:
            numbers[position]["from_position"] = nats["slid"] - nats["blind"]
            numbers[position]["from_future"] = nats["blind"] - nats["matched"]
    return numbers


@torch.inference_mode()
def slid_window_losses(vqgan: VQGAN, gpt: GPT, pictures: Video, column: int) -> dict[str, Tensor]:
    """Loss of the true tokens in column p of a real window, read in two or three ways.

    Where the moving window draws every token at its column p, the window that the transformer reads is put together of
    columns p of as many windows. The real picture shows what they should hold: cut it at w places, one token apart,
    and encode each cut by itself; column k of the slid window is column p of cut k. The matched window is cut p.

    Args:
        vqgan: the tokenizer, in evaluation mode.
        gpt: trained on its tokens.
        pictures: uint8 (B, H, W, 3), W at least 2 w - 1 tokens.
        column: p.

    Returns:
        "matched" and "slid": float32 (B, h), nats. For the last column also "blind", the matched window whose other
        columns have not seen the pixels of column p, as those of the slid window have not. Elsewhere the columns of
        either window see about as far beyond column p.
    """
    w, size = gpt.config.latent_shape[2], vqgan.config.downsample[2]
    cuts = [encode(vqgan, pictures[:, :, k * size : (k + w) * size]) for k in range(w)]  # (B, h, w) each
    windows = {"matched": cuts[column], "slid": torch.stack([cut[:, :, column] for cut in cuts], dim=2)}
    if column == w - 1:
        seen = pictures[:, :, column * size : (2 * column) * size]  # cut p without its last column of tokens
        frozen = np.concatenate([seen, seen[:, :, -1:].repeat(size, axis=2)], axis=2)
        windows["blind"] = torch.cat([encode(vqgan, frozen)[:, :, :column], cuts[column][:, :, column:]], dim=2)
    start = torch.zeros(len(pictures), 1, dtype=torch.int64)
    return {name: gpt.token_losses(start, window[:, None])[:, 0, :, column] for name, window in windows.items()}


def image_border(seed: int) -> Numbers:
    """All numbers of one seed: by edge, then real, centre and border."""
    return {edge: measure(draw(edge, seed)) for edge in EDGES}


def studies() -> Iterator[Study]:
    """What `make results` runs from here."""
    yield Study("image-border", PROTOCOL, image_border, version=2)

"""Do tokens know where they stand? Histograms by position, and what a slid prefix costs (paper 2.2, A.2).

Letters: B clips, T frames, t h w latent grid, d temporal compression.
"""

from collections.abc import Iterator
from math import ceil
from statistics import stdev

import torch
from torch import Tensor

from tatslib import recipes
from tatslib.metrics.divergence import jensen_shannon, token_histogram
from tatslib.metrics.prefix import slid_prefix_losses
from tatslib.recipes.kinds import TrainedTransformer
from tatslib.studies.results import Numbers, Study
from tatslib.training.device import default_device
from tatslib.training.train_transformer import condition_tokens
from tatslib.videos import to_model
from tatslib.vqgan.vqgan import VQGAN

PADDINGS = ("zeros", "replicate")  # vanilla and time-agnostic: one padding throughout encoder and decoder
CLIPS = 512
AT_ONCE = 32


def position_divergence(tokens: Tensor, codes: int) -> Tensor:
    """Jensen-Shannon divergence of the tokens at every two positions: float64 (t, t) in nats; tokens (B, t, h, w)."""
    histograms = [token_histogram(frame, codes) for frame in tokens.unbind(1)]
    return torch.tensor([[jensen_shannon(p, q) for q in histograms] for p in histograms], dtype=torch.float64)


def floor_divergence(tokens: Tensor, codes: int) -> float:
    """What chance alone makes: position 0 of one half of the clips against position 0 of the other."""
    half = len(tokens) // 2
    return jensen_shannon(token_histogram(tokens[:half, 0], codes), token_histogram(tokens[half:, 0], codes))


def run_positions(seed: int) -> Numbers:
    """Divergence of each later position from position 0, in the tokens that the transformers are trained on."""
    numbers: Numbers = {}
    for padding in PADDINGS:
        tokens = recipes.get(f"actions/tokens-{padding}", seed).train
        table = position_divergence(tokens.tokens, tokens.index.codes)
        numbers[padding] = {
            "from_first": table[0, 1:].tolist(),
            "mean": float(table[0, 1:].mean()),
            "table": table.tolist(),
            "chance": floor_divergence(tokens.tokens, tokens.index.codes),
        }
    return numbers


def prefix_losses(vqgan: VQGAN, transformer: TrainedTransformer, clips: int = CLIPS) -> dict[str, Tensor]:
    """ "matched", "blind", "slid": nats a token of the true next latent frame, (t - 1, B), on held-out windows."""
    config = vqgan.config
    frames = config.frames + (config.latent_shape[0] - 1) * config.downsample[0] + sum(config.margins)
    data = recipes.get("actions/videos").dataset("test", length=frames, resolution=config.resolution)
    batches = []
    for step in range(ceil(clips / AT_ONCE)):
        videos, labels = data.clips(step, AT_ONCE, seed=7)
        condition = condition_tokens(transformer.model.config, labels)
        batches.append(slid_prefix_losses(vqgan, transformer.model, to_model(videos), condition))
    return {name: torch.cat([batch[name] for batch in batches], dim=1) for name in batches[0]}


def run_prefix(seed: int) -> Numbers:
    """The slid-prefix gap after one, two and three slides, with its standard error over clips, and its two parts."""
    numbers: Numbers = {}
    for padding in PADDINGS:
        vqgan, gpt = recipes.get(f"actions/vqgan-{padding}", seed).model, recipes.get(f"actions/gpt-{padding}", seed)
        vqgan.to(default_device())
        gpt.model.to(default_device())
        losses = prefix_losses(vqgan, gpt)
        parts = {
            "gap": losses["slid"] - losses["matched"],
            "place": losses["slid"] - losses["blind"],
            "future": losses["blind"] - losses["matched"],
        }  # (t - 1, B) each
        numbers[padding] = {
            "matched": losses["matched"].mean(1).tolist(),
            "by_slide": {name: part.mean(1).tolist() for name, part in parts.items()},
            **{name: float(part.mean()) for name, part in parts.items()},
            "standard_error": stdev(parts["gap"].mean(0).tolist()) / losses["slid"].shape[1] ** 0.5,
            "nll": gpt.scores["nll"],
        }
    return numbers


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocols."""
    yield Study(
        "token-positions",
        """Jensen-Shannon divergence in nats between the histograms of all tokens of two latent positions, in the
        training tokens of the class-conditional transformer (8,192 clips at toy scale); chance: position 0 of one half
        of the clips against position 0 of the other half.""",
        run_positions,
    )
    yield Study(
        "slid-prefix",
        f"""Mean negative log-likelihood (nats a token) of the true next latent frame of {CLIPS} held-out windows, given
        the class and t - 1 latent frames: matched, as training shows them, or slid 1, 2, 3 times, as a sliding window
        would have them, from the same real frames. gap: slid minus matched. It has two parts, told apart by a prefix at
        the matched positions whose clip ends in a frozen frame where the frame to be predicted stood (blind): place is
        slid minus blind, future is blind minus matched. The blind prefix was added after the first seed had been seen.
        """,
        run_prefix,
        version=2,
    )

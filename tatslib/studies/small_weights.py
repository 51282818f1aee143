"""Small weights on trained models: what bfloat16 and 8 bits do to what is predicted, and to what is drawn.

The paper draws for minutes (B.3) and does not say in which numbers. An engine that is faster because its weights are
rounded owes a proof that it still draws from nearly the same distribution, and from trained weights, which are not
spread like random ones.

Letters: B clips, t h w latent grid, K codes.
"""

from collections.abc import Iterator
from typing import get_args

import torch
from einops import rearrange
from torch import Tensor

from tatslib import recipes
from tatslib.sampling.decode import Decoder, Engine
from tatslib.sampling.products import Weights
from tatslib.sampling.sliding_window import sample
from tatslib.studies import limits
from tatslib.studies.drift import ruler
from tatslib.studies.pictures import decoded_clips
from tatslib.studies.results import Numbers, Study
from tatslib.training.device import default_device
from tatslib.transformer.gpt import GPT

KINDS: tuple[Weights, ...] = get_args(Weights)  # "own" first, float32 in all trained models: the reference
CLIPS = 256  # held-out ones that are read
AT_ONCE = 64
FILTERS = limits.FILTERS["-p80"]  # paper B.2
AGAIN = 3  # sets of clips drawn with own weights and other luck


def predictions(gpt: GPT, weights: Weights, tokens: Tensor, labels: Tensor) -> Iterator[Tensor]:
    """What the engine that samples says of each next token while it reads true clips one token after another.

    Args:
        gpt: the transformer.
        weights: of the engine.
        tokens: int64 (B, t, h, w) video codes, on the device of the transformer.
        labels: int64 (B,), the class words, likewise.

    Yields:
        float64 (B, K), log-probabilities among the video codes; t*h*w times.

    The first is the prefix's, which is the class word and is read with own weights, as in sampling. A last clip that is
    alone in its batch is read in torch too, so that kinds of weights differ in nothing else.
    """
    first_token = gpt.config.condition_codes
    decoder = Decoder(gpt, len(tokens), first_token, Engine(weights, native=False))
    *read, _ = rearrange(tokens + first_token, "B t h w -> (t h w) B").unbind()  # the last one is only predicted
    yield decoder.prefill(labels[:, None]).double().log_softmax(-1)  # (B, K)
    for token in read:
        yield decoder.step(token).double().log_softmax(-1)


def moved(exact: Tensor, small: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """How far the prediction of a token has moved.

    Args:
        exact: float64 (B, K), log-probabilities by the reference.
        small: float64 (B, K), those by small weights.
        truth: int64 (B,), the tokens that came.

    Returns:
        float64 (B,) each. "nll": what small weights pay for the truth, in nats; "nll_change": that minus what the
        reference pays; "kl": KL(exact, small) in nats; "total_variation": half the sum of what probabilities differ by;
        "drawn_otherwise": the same after `FILTERS`, which is the share of draws that no coupling of the two could make
        the same; "same_likeliest": 1 where one token is the likeliest in both, else 0.
    """
    p, q = exact.exp(), small.exp()
    before, after = (-logs.gather(1, truth[:, None])[:, 0] for logs in (exact, small))  # (B,)
    return {
        "nll": after,
        "nll_change": after - before,
        "kl": (p * (exact - small)).sum(1),
        "total_variation": (p - q).abs().sum(1) / 2,
        "drawn_otherwise": (FILTERS(exact).softmax(1) - FILTERS(small).softmax(1)).abs().sum(1) / 2,
        "same_likeliest": (exact.argmax(1) == small.argmax(1)).double(),
    }


@torch.inference_mode()
def compare(gpt: GPT, weights: Weights, tokens: Tensor, labels: Tensor) -> dict[str, float]:
    """Means over all tokens of true clips of what `moved` finds between own weights and these.

    Args:
        gpt: the transformer.
        weights: of the engine that is held against that of own weights.
        tokens: int (B, t, h, w) video codes.
        labels: int64 (B,), their classes.

    Returns:
        A number for each name in `moved`.
    """
    device = gpt.head.weight.device
    found: dict[str, list[Tensor]] = {}
    for part, words in zip(tokens.long().split(AT_ONCE), labels.split(AT_ONCE), strict=True):
        here, told = part.to(device), words.to(device)
        both = (predictions(gpt, kind, here, told) for kind in ("own", weights))
        for exact, small, truth in zip(*both, rearrange(here, "B t h w -> (t h w) B"), strict=True):
            for name, values in moved(exact, small, truth).items():
                found.setdefault(name, []).append(values)
    return {name: float(torch.cat(values).mean()) for name, values in found.items()}


def draw(gpt: GPT, words: Tensor, weights: Weights, seed: int, turn: int = 0) -> Tensor:
    """A clip of the training length for each class word, int64 (B,): tokens int64 (B, t, h, w).

    The luck is that of the seed and the turn, whatever the weights; turn 0 is that of `limits.draw`.
    """
    frames, first_video = gpt.config.latent_shape[0], turn * len(words)
    engine = Engine(weights)
    return sample(
        gpt, words[:, None], frames, FILTERS, seed=seed, first_video=first_video, progress=False, engine=engine
    )


def run(seed: int) -> Numbers:
    """Predictions on held-out clips by every kind of weights, then clips drawn by each, and by float32 once more."""
    device = default_device()
    vqgan, gpt = (recipes.get(f"actions/{kind}-replicate", seed).model.to(device) for kind in ("vqgan", "gpt"))
    held_out = recipes.get("actions/tokens-replicate", seed).test
    tokens, labels = held_out.tokens[:CLIPS], held_out.labels[:CLIPS]
    numbers: Numbers = {kind: compare(gpt, kind, tokens, labels) for kind in KINDS}
    _, words = limits.originals(seed)
    drawn = {kind: draw(gpt, words, kind, seed) for kind in KINDS}
    for kind in KINDS:
        same = (drawn[kind] == drawn["own"]).flatten(1).all(1)  # (B,)
        numbers[kind]["identical"] = float(same.double().mean())
    again = {f"again-{turn}": draw(gpt, words, "own", seed, turn) for turn in range(1, AGAIN + 1)}
    for name, codes in (drawn | again).items():
        clips = decoded_clips(vqgan, codes)
        numbers[name] = numbers.get(name, {}) | limits.distances(clips, ruler(limits.CLIPS))
    return numbers


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocol."""
    yield Study(
        "small-weights",
        f"""Trained transformers, drawn from by engines that hold the layers' weights as they are (own: float32, the
        reference), in bfloat16, or in 8 bits with a scale for each output (int8). The latter two round what weights are
        multiplied with to bfloat16; embeddings, norms, head, cache and sums stay float32. Predictions: the engine that
        samples reads {CLIPS} held-out clips through its cache, teacher forced: the class word as its prefix, then the
        true tokens one by one, {AT_ONCE} clips side by side in torch. A prefix is read with own weights, so the
        first token of a clip is predicted alike by all kinds, and counted; all others have small weights behind them,
        while later windows of a long video would begin with a longer prefix. Means over all tokens, of
        probabilities among the video codes: nll, nats a token; nll_change, that minus own's; kl, from own's
        distribution, in nats; total_variation; drawn_otherwise, total variation after top-p 0.8; same_likeliest, share
        of tokens whose likeliest candidate is that of own. Draws: {limits.CLIPS} clips of 16 frames of the classes of
        random training clips, top-p 0.8, the same noise for every kind. identical: share of clips that are own's token
        for token. classifier, random: Fréchet distance to 2048 training clips in features of the classifier and of a
        random network; kernel: unbiased kernel distance in those of the classifier. again-1 to again-{AGAIN}: own with
        other noise, for what chance does. To be read beside two yardsticks: nll_change beside the spread of own's nll
        over trainings, distances beside those of again. The seed is that of the training of tokenizer and transformer,
        of the classes and of the noise; the classifier was trained once.""",
        run,
    )

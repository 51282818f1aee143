"""What tokens cost a transformer: clips it has seen, new clips of videos it has seen, new videos (paper 2.1).

Letters: B clips, T H W frames, t h w latent grid, c classes.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from tatslib import recipes
from tatslib.datasets.clips import ClipDataset
from tatslib.recipes.kinds import clips_for
from tatslib.studies.results import Numbers, Study
from tatslib.training.device import default_device
from tatslib.transformer.gpt import GPT
from tatslib.videos import to_model

CLIPS = 256  # of each kind
DRAWN_TOGETHER = 32  # clips a batch when training clips are tokenised
AT_ONCE = 32


def windows_never_drawn(data: ClipDataset, clips: int, batch: int = DRAWN_TOGETHER) -> list[tuple[int, int]]:
    """Windows (video, first frame) of `data` that its first `clips` random clips do not hold, in order.

    They are not far from those, though: most of them begin a frame or two beside one that was drawn.
    """
    drawn = {place for step in range(-(-clips // batch)) for place in data.places(step, batch)}
    everywhere = ((video, start) for video in range(len(data)) for start in range(data.frames[video] - data.span + 1))
    return [place for place in everywhere if place not in drawn]


def new_clips(seed: int, count: int = CLIPS) -> tuple[Tensor, Tensor]:
    """Clips of the training videos that the transformer was not trained on: int64 (B, t, h, w) and labels (B,)."""
    vqgan = recipes.get("actions/vqgan-replicate", seed).model.to(default_device())
    trained_on = recipes.get("actions/tokens-replicate", seed).train
    data = clips_for(vqgan.config, recipes.get("actions/videos"), "train")
    places = windows_never_drawn(data, len(trained_on))
    places = places[:: max(1, len(places) // count)][:count]  # evenly over all videos
    frames = torch.stack([torch.from_numpy(data.clip(video, start)) for video, start in places])
    with torch.inference_mode():
        tokens = [vqgan.encode(to_model(part).to(default_device())).cpu() for part in frames.split(AT_ONCE)]
    return torch.cat(tokens), torch.tensor([data.labels[video] for video, _ in places])


@torch.inference_mode()
def nats(gpt: GPT, tokens: Tensor, labels: Tensor) -> Tensor:
    """What each token costs after the class word: tokens (B, t, h, w) and labels (B,) to float32 (B, t, h, w)."""
    device = next(gpt.parameters()).device
    pairs = zip(tokens.long().split(AT_ONCE), labels.split(AT_ONCE), strict=True)
    return torch.cat([gpt.token_losses(word[:, None].to(device), part.to(device)).cpu() for part, word in pairs])


def under_each_word(gpt: GPT, tokens: Tensor) -> Tensor:
    """log p(z | c) of whole clips for every class word: tokens (B, t, h, w) to float64 (B, c), in nats."""
    words = torch.arange(gpt.config.condition_codes)
    sums = [nats(gpt, tokens, word.repeat(len(tokens))).double().sum((1, 2, 3)) for word in words]
    return -torch.stack(sums, dim=1)


def without_word(under_each: Tensor, share: Tensor) -> Tensor:
    """log p(z) of clips whose class nobody tells: log of the sum over c of p(c) p(z | c).

    Args:
        under_each: float64 (B, c), log p(z | c).
        share: float64 (c,), p(c), positive.

    Returns:
        float64 (B,).
    """
    return (under_each + share.log()).logsumexp(1)


def run(seed: int) -> Numbers:
    """One transformer on three kinds of clips, and under the class words that it was not told."""
    gpt = recipes.get("actions/gpt-replicate", seed).model.to(default_device())
    tokens = recipes.get("actions/tokens-replicate", seed)
    seen, held_out = tokens.train, tokens.test
    cost = nats(gpt, held_out.tokens[:CLIPS], held_out.labels[:CLIPS])
    each = under_each_word(gpt, held_out.tokens[:CLIPS])
    labels = held_out.labels[:CLIPS]
    share = seen.labels.bincount(minlength=each.shape[1]).double() / len(seen)
    told = each.gather(1, labels[:, None])[:, 0]
    guessed = (each + share.log()).argmax(1)
    return {
        "seen": float(nats(gpt, seen.tokens[:CLIPS], seen.labels[:CLIPS]).mean()),
        "new_windows": float(nats(gpt, *new_clips(seed)).mean()),
        "held_out": float(cost.mean()),
        "by_frame": cost.mean((0, 2, 3)).tolist(),
        "by_place": cost.mean(0).tolist(),
        "word_worth": float((told - without_word(each, share)).mean()),
        "named": float((guessed == labels).double().mean()),
    }


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocol."""
    yield Study(
        "likelihood",
        f"""Mean negative log-likelihood in nats a token, given the class, of {CLIPS} clips each: seen (clips that the
        transformer was trained on), new_windows (windows of the same videos that were never drawn for training, evenly
        over all videos), held_out (clips of the test split's videos). word_worth: nats a held-out clip that the right
        class word saves, against a mixture of all six words in the proportions of training. named: share of held-out
        clips that are likeliest under their own class word, these proportions included. by_frame, by_place: held_out
        for each latent frame and each token of the grid.""",
        run,
    )

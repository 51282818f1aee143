"""What the three masks of Fig. 14 learn, and what the released sampler makes of it: tiny worlds of symbols (A.4).

A frame is a few symbols. Each symbol of a frame in the gap is the rounded value between those of the anchors, with a
known probability, else any symbol. So what a model can know is known exactly, in nats: who predicts better has cheated.

Letters: B clips, t frames, n symbols of a frame, S symbols in the world.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from tatslib.datasets.tokens import TokenClips, TokenIndex
from tatslib.randomness import torch_generator
from tatslib.recipes.kinds import Log, read_log
from tatslib.sampling.interpolation import Prefix, fill_in, filling_config, prefix_of
from tatslib.studies.results import Numbers, Study
from tatslib.training.train_interpolation import InterpolationTraining, evaluate_interpolation, interpolation_config
from tatslib.training.train_transformer import train_transformer
from tatslib.transformer.gpt import GPT
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.transformer.masks import KINDS, MaskKind

FRAMES = 5
TRAIN_CLIPS, TEST_CLIPS = 65_536, 4096
TRAINING = InterpolationTraining(steps=1500, batch=64, learning_rate=2e-3, log_every=25, save_every=1500)
LAYERS, HEADS, WIDTH = 3, 4, 64


@dataclass(frozen=True)
class World:
    """Clips of five frames of symbols, the first and the last of which decide the others as far as chance lets them."""

    symbols: int  # S
    frame_symbols: int  # n
    surety: float  # probability that a symbol of the gap lies on the line between the anchors

    def clips(self, count: int, seed: int, stream: str) -> TokenClips:
        """A token set of the world: int64 (B, t, 1, n)."""
        generator = torch_generator(seed, f"leak/{stream}")
        shape = (count, FRAMES, 1, self.frame_symbols)
        random = torch.randint(self.symbols, shape, generator=generator)
        sure = torch.rand(shape, generator=generator) < self.surety
        lines = torch.stack([between(random[:, 0], random[:, -1], frame) for frame in range(FRAMES)], dim=1)
        index = TokenIndex(clips=count, codes=self.symbols, latent_shape=shape[1:], vqgan="no VQGAN")
        return TokenClips(torch.where(sure, lines, random), torch.zeros(count, dtype=torch.int64), index, seed)

    def knowable(self, last_is_read: bool) -> tuple[float, float]:
        """The best that is possible for a symbol of the gap, by going through all anchors and all gaps.

        Args:
            last_is_read: whether the symbol of the last anchor is known; if not, earlier frames of the gap hint at it.

        Returns:
            Nats a symbol, its entropy given all that may be known; and the share of values on the line among samples
            of a perfect model.
        """
        a, b = torch.meshgrid(torch.arange(self.symbols), torch.arange(self.symbols), indexing="ij")
        lines = torch.stack([F.one_hot(between(a, b, f), self.symbols).double() for f in range(1, FRAMES - 1)])
        chances = self.surety * lines + (1 - self.surety) / self.symbols  # (frames, S of a, S of b, S of the value)
        if last_is_read:
            return float(entropy(chances).mean()), float((chances * lines).sum(-1).mean())
        joint = torch.einsum("abx,aby,abz->axyz", *chances) / self.symbols  # of the whole gap, given a
        right = (chances.mean(2) * lines.mean(2)).sum(-1).mean()
        return float(entropy(joint.flatten(1)).mean() / (FRAMES - 2)), float(right)


UNSURE = World(symbols=16, frame_symbols=2, surety=0.5)
SURE = World(symbols=8, frame_symbols=4, surety=1.0)


def between(first: Tensor, last: Tensor, frame: int) -> Tensor:
    """The rounded value at `frame` of the way from frame 0 to the last one, halves upwards; integers alike."""
    way = FRAMES - 1
    return (2 * (first * (way - frame) + last * frame) + way) // (2 * way)


def entropy(chances: Tensor) -> Tensor:
    """Of distributions along the last axis, in nats."""
    return -torch.xlogy(chances, chances).sum(-1)


def train_in(world: World, mask: MaskKind, seed: int, training: InterpolationTraining | None = None) -> tuple[GPT, Log]:
    """An interpolation transformer of a world, trained as the studies do or otherwise, and its training log."""
    data = world.clips(TRAIN_CLIPS, seed, "train")
    config = interpolation_config(data.index, LAYERS, HEADS, WIDTH, mask)
    with tempfile.TemporaryDirectory() as folder:
        gpt = train_transformer(config, (training or TRAINING).replace(seed=seed), data, Path(folder), label=mask)
        return gpt, read_log(Path(folder))


def on_the_line(gpt: GPT, world: World, seed: int, prefix: Prefix | None = None) -> Tensor:
    """Which samples are the rounded value between their anchors: bool (B, t - 2, n), of held-out anchors."""
    lines = World(world.symbols, world.frame_symbols, surety=1.0).clips(TEST_CLIPS, seed, "test").tokens
    condition = torch.zeros(TEST_CLIPS, 1, dtype=torch.int64)
    drawn = fill_in(gpt, condition, lines[:, 0], lines[:, -1], seed=seed, prefix=prefix)
    return (drawn == lines[:, 1:-1])[:, :, 0]


def run_leak(seed: int) -> Numbers:
    """Nats a symbol and the share of right samples, for each mask, beside what can be known."""
    seen, unseen = UNSURE.knowable(last_is_read=True), UNSURE.knowable(last_is_read=False)
    # the last symbol of a sequence is never read, which is half of an anchor of two symbols
    half = (seen[0] + unseen[0]) / 2, (seen[1] + unseen[1]) / 2
    numbers: Numbers = {"all_known": {"nats": seen[0], "right": seen[1]}, "chance": 1 / UNSURE.symbols}
    held_out = UNSURE.clips(TEST_CLIPS, seed, "test")
    for mask in KINDS:
        gpt, log = train_in(UNSURE, mask, seed)
        best = unseen if mask == "causal" else half
        numbers[mask] = {
            "nats": evaluate_interpolation(gpt, held_out, batch=1024),
            "right": float(on_the_line(gpt, UNSURE, seed).float().mean()),
            "knowable": {"nats": best[0], "right": best[1]},
            "curve": [entry["loss/gpt"] for entry in log],
        }
    return numbers


def readings(config: InterpolationConfig) -> dict[str, Prefix]:
    """The released way to read the anchors, and what is left of it as its three faults are mended one by one."""
    released, ours = prefix_of(config, "released"), prefix_of(config)
    length = len(ours.layout.positions)
    corner = config.attention.tensor()[:length, :length]
    return {
        "released": released,
        "positions": ours._replace(layout=ours.layout._replace(mask=corner, speaker=length - 1)),
        "positions_speaker": ours._replace(layout=ours.layout._replace(mask=corner)),
        "trained": ours,
    }


def run_reading(seed: int) -> Numbers:
    """The share of right samples where the anchors decide everything, by how the anchors are read."""
    gpt, _ = train_in(SURE, "interpolation", seed)
    numbers: Numbers = {"chance": 1 / SURE.symbols}
    for name, prefix in readings(filling_config(gpt)).items():
        found = on_the_line(gpt, SURE, seed, prefix)[:, :, :-1].float()  # without those whose anchor is not read
        first, rest = found[:, 0, 0], found.flatten(1)[:, 1:]
        numbers[name] = {"first": float(first.mean()), "rest": float(rest.mean())}
    return numbers


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocols."""
    training = (
        f"{LAYERS} layers, {HEADS} heads, width {WIDTH}; {TRAINING.steps} steps of {TRAINING.batch} out of "
        f"{TRAIN_CLIPS:,} clips, AdamW at a peak of {TRAINING.learning_rate}, loss over the gap alone"
    )
    yield Study(
        "interpolation-leak",
        f"""Clips of {FRAMES} frames of {UNSURE.frame_symbols} symbols out of {UNSURE.symbols}. The first and the last
        frame are random; each symbol between them is, with probability {UNSURE.surety}, the rounded value between
        theirs at the same place, else random. One transformer ({training}) for each mask of Fig. 14: causal (a),
        leaking (b), interpolation (c). nats: mean negative log-likelihood of the symbols in the gaps of {TEST_CLIPS:,}
        held-out clips, given the true symbols before them. right: share of the symbols in {TEST_CLIPS:,} sampled gaps
        that are the rounded value; no filters; anchors read as in training, those of (b) without a gap to look at.
        knowable: both for a model that knows all that its mask lets it know, by enumeration; the last symbol of a clip
        is never read, so that half of the last anchor is unknown to (c). all_known: the same if it were read. chance:
        of a random symbol to be right. curve: the training loss at every {TRAINING.log_every}th step. World, model and
        measures were set after one seed of 1,000 steps had been seen; the number of steps was then raised.""",
        run_leak,
    )
    yield Study(
        "interpolation-reading",
        f"""Clips of {FRAMES} frames of {SURE.frame_symbols} symbols out of {SURE.symbols}, in which the anchors decide
        everything: what lies between them is the rounded value. One transformer of mask (c) ({training}). Share of the
        symbols in {TEST_CLIPS:,} sampled gaps that are right, without those whose symbol in the last anchor is never
        read. first: the first symbol of each gap; rest: the others. By how the anchors are read: released, as the
        released sampler does; positions, with the last anchor where it stood in training; positions_speaker, and with
        the first symbol predicted at the end of the first anchor; trained, and with all anchors in each other's sight.
        chance: of a random symbol to be right. A run with 16 symbols had been seen, in which 1,000 steps were too few
        to learn the task.""",
        run_reading,
    )

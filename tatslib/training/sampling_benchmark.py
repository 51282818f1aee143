"""Speed of the second stage: tokens a second, the share of the memory's bandwidth, memory; `tats bench sample`.

Weights are random and have the preset's shape; the head is scaled so that predictions are about as sure as trained
ones. A latent frame is drawn after a full context, as all but the first of a long video are. What is compared runs in
turns, see `benchmark`. On one thread the clock is that of the process, which others on the machine do not disturb.

B videos side by side · h w latent grid · N tokens of a prefix
"""

import importlib.util
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor

import tatslib
from tatslib.errors import UserError
from tatslib.sampling.decode import Decoder, Engine
from tatslib.sampling.filters import Filters
from tatslib.sampling.hierarchical import Hierarchy
from tatslib.sampling.interpolation import GapFiller
from tatslib.sampling.native_step import LARGEST, NativeStep
from tatslib.sampling.noise import seeded_noise
from tatslib.sampling.products import Weights
from tatslib.training.benchmark import Work, clock_for, in_turns, name_of, take_threads
from tatslib.training.device import default_device
from tatslib.training.memory import forget_peak, peak_megabytes
from tatslib.training.presets import PRESETS, Scale
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig

FILTERS = Filters(top_k=2048, top_p=0.8)  # the paper's (B.2)
GAPS = 64  # side by side, over all videos: at batch 1 these are all that a video of 1024 frames has
VIDEO = 1024  # frames
SMALL: tuple[Weights, ...] = ("bfloat16", "int8")
Measure = Callable[[dict[str, Work]], dict[str, float]]  # median seconds of each, in turns
REFERENCE = Path(tatslib.__file__).resolve().parent.parent / "tests" / "benchmarks" / "released_sampler.py"


def bench_sample(
    scale: Scale,
    seconds: float = 5.0,
    compare: bool = False,
    batch: tuple[int, ...] = (1, 32),
    layers: int | None = None,
    threads: int | None = None,
) -> dict[str, object]:
    """Measure, print a line each, and in the end everything as one line of JSON.

    Args:
        scale: whose preset.
        seconds: how long to measure each kind of work.
        compare: also against the released way of sampling, restated in tests/benchmarks.
        batch: videos side by side; the first is the headline, tokens_per_s and so on without a suffix.
        layers: other than the preset's, to try its width on a small machine.
        threads: to compute on; absent, as many as there are idle cores.

    Returns:
        What the last line holds.

    Raises:
        UserError: if the restatement is asked for and not there.
    """
    threads, device = take_threads(threads), default_device()
    reference, clock = released_sampler() if compare else None, clock_for(device, threads)
    measure = partial(in_turns, seconds=seconds, device=device, clock=clock)
    models, exact = models_of(scale, layers, device)
    config, number = models.anchors.config, name_of(models.anchors.head.weight.dtype)
    shape = f"{config.layers} layers, {config.heads} heads, width {config.width}, {config.codes} codes, "
    shape += f"window {'x'.join(map(str, config.latent_shape))}"
    print(f"{shape}; {number} on {device.type}, threads: {threads}, {clock.__name__}")
    found: dict[str, object] = {"bench": "sample", "scale": scale, "device": device.type, "precision": number}
    found |= {"threads": threads, "clock": clock.__name__, "layers": config.layers}
    compiled = device.type == "cuda"
    measured = {videos: one_batch(models, videos, Engine(compiled=compiled), reference, measure) for videos in batch}
    copied = copy_bandwidth(device, measure) / 1e9  # after the peaks of memory, which its buffers would raise
    found["copy_gb_per_s"] = round(copied, 1)
    for videos, facts in measured.items():
        facts |= of_bandwidth(videos, facts["step_mb"], facts["read_gb_per_s"], copied)
        suffix = "" if videos == batch[0] else f"_batch_{videos}"
        found |= {name + suffix: value for name, value in facts.items()}
    for weights in SMALL:
        found |= with_small_weights(models, exact, batch[0], weights, measure, compiled)
    print(json.dumps(found))
    return found


def of_bandwidth(videos: int, size: float, read: float, copied: float) -> dict[str, float]:
    """Print what a step reads, MB and GB a second, beside what a copy moves; their share, where memory is the measure.

    Small models are read again and again from the processor's own cache, faster than memory gives anything.
    """
    line = f"batch {videos:<3d} a step reads {size:.4g} MB at {read:.1f} GB/s, a plain copy moves {copied:.1f} GB/s: "
    if size * 1e6 <= LARGEST:
        print(line + "so little lies in the chip's own cache, and memory is no measure for it")
        return {}
    print(line + f"{read / copied:.0%} of the memory's bandwidth")
    return {"bandwidth_use": float(f"{read / copied:.4g}")}


class Models(NamedTuple):
    """What is measured, and the exact one to hold small weights against."""

    ours: Hierarchy
    exact: GPT  # float32; on a GPU a copy, left where it was made


def models_of(scale: Scale, layers: int | None, device: torch.device) -> Models:
    """A transformer that goes on and one that fills in, of the preset's shape; on a GPU in bfloat16."""
    preset, generator = PRESETS[scale], torch.Generator().manual_seed(0)
    size, (t, h, w) = preset.transformer, preset.vqgan.latent_shape
    shape = {"codes": preset.vqgan.codes, "layers": layers or size.layers, "heads": size.heads, "width": size.width}
    goes_on = GPT(GPTConfig(**shape, latent_shape=(t, h, w)))
    fills_in = GPT(InterpolationConfig(**shape, latent_shape=(t + 1, h, w)))
    for model in (goes_on, fills_in):
        with torch.no_grad():
            model.head.weight.normal_(std=3 / size.width**0.5, generator=generator)  # logits of deviation 3
    exact = goes_on.eval()
    if device.type == "cuda":
        exact = deepcopy(goes_on)  # before its weights are rounded
        for model in (goes_on, fills_in):
            model.to(device, torch.bfloat16)
    return Models(Hierarchy(goes_on, [fills_in.eval()]), exact)


def one_batch(
    models: Hierarchy, videos: int, engine: Engine, reference: ModuleType | None, measure: Measure
) -> dict[str, float]:
    """Measure B videos side by side, print a line each, and return what was found."""
    bench = Bench(models, videos, engine)
    works: dict[str, Work] = {"ours": bench.frame, "prefix": bench.prefix, "gaps": bench.gaps}
    held = {name: bench.peak(work) for name, work in works.items()}  # by themselves: the released way is not ours
    if isinstance(bench.decoder.fast, NativeStep):
        works["torch"] = Bench(models, videos, engine._replace(native=False)).frame
    if reference is not None:
        works |= Released(reference, bench).works()
    return bench.report(measure(works), held)


class Bench:
    """The work that long videos are made of: the next latent frame of B videos, its prefix alone, and gaps."""

    def __init__(self, models: Hierarchy, videos: int, engine: Engine) -> None:
        self.models, self.videos, self.config = models, videos, models.anchors.config
        self.device, self.numbers = models.anchors.head.weight.device, count()
        self.decoder = Decoder(models.anchors, videos, self.config.condition_codes, engine)
        self.gaps_at_once = max(1, GAPS // videos)
        self.filler = GapFiller(models.fillers[0], videos * self.gaps_at_once, FILTERS, engine=engine)
        self.condition = torch.zeros(videos, 1, dtype=torch.int64, device=self.device)
        generator = torch.Generator().manual_seed(0)
        size = (videos, *self.config.latent_shape)
        self.frames = torch.randint(self.config.codes, size, generator=generator).to(self.device)  # (B, t, h, w)
        known = self.frames[:, 1:].flatten(1) + self.config.condition_codes
        self.known = torch.cat([self.condition, known], dim=1)  # (B, N)

    def frame(self) -> Tensor:
        """Read a full context and draw the next latent frame, with new noise."""
        return self.decoder.generate(self.prefix(), self.config.frame_tokens, FILTERS, self.noise(self.videos))

    def prefix(self) -> Tensor:
        """Read a full context."""
        return self.decoder.prefill(self.known)

    def gaps(self) -> Tensor:
        """Fill in the same gap of every video several times over, all side by side."""
        repeats = self.gaps_at_once, 1, 1
        first, last = (self.frames[:, frame].repeat(repeats) for frame in (0, 1))
        return self.filler(self.condition.repeat(repeats[:2]), first, last, self.noise(len(first)))

    def noise(self, sequences: int) -> Iterator[Tensor]:
        """New noise for each token in turn."""
        rows = count(1000 * next(self.numbers))
        return seeded_noise(0, range(sequences), self.config.codes, self.config.latent_shape[2], self.device, rows)

    def peak(self, work: Work) -> int:
        """MB that are held at most, see `memory`."""
        if self.device.type == "cuda":
            work()  # compiles
        forget_peak(self.device)
        work()
        return round(peak_megabytes(self.device))

    def report(self, took: dict[str, float], held: dict[str, int]) -> dict[str, float]:
        """Print what was measured, seconds and MB, and return it."""
        t, tokens = self.config.latent_shape[0], self.videos * self.config.frame_tokens
        latent = VIDEO // PRESETS["paper"].vqgan.downsample[0]
        per_frame = {"base": took["ours"]}
        per_gap = took["gaps"] / self.gaps_at_once
        per_frame["hierarchical"] = (took["ours"] + per_gap) / t  # one sparse frame, and t - 1 in the gap after it
        step = (took["ours"] - took["prefix"]) / (self.config.frame_tokens - 1)
        found = {"tokens_per_s": tokens / per_frame["base"], "seconds_per_video": latent * per_frame["base"]}
        found |= {"step_ms": 1000 * step, "prefix_ms": 1000 * took["prefix"], "step_mb": self.bytes_per_step() / 1e6}
        found |= {"read_gb_per_s": self.bytes_per_step() / step / 1e9}
        found |= {"hierarchical_tokens_per_s": tokens / per_frame["hierarchical"]}
        found |= {"hierarchical_seconds_per_video": latent * per_frame["hierarchical"]}
        theirs = {}
        if "reference" in took:
            theirs["base"], theirs["hierarchical"] = took["reference"], (took["reference"] + took["released gap"]) / t
            found |= {"reference_tokens_per_s": tokens / theirs["base"]}
            found |= {"ratio_to_reference": theirs["base"] / per_frame["base"]}
            found |= {"reference_hierarchical_tokens_per_s": tokens / theirs["hierarchical"]}
            found |= {"ratio_hierarchical": theirs["hierarchical"] / per_frame["hierarchical"]}
        for way, seconds in per_frame.items():
            line = f"batch {self.videos:<3d} {way:13s}{tokens / seconds:9.0f} tokens/s {latent * seconds:9.1f} s for "
            line += f"{VIDEO} frames" if self.videos == 1 else f"{self.videos} videos of {VIDEO} frames"
            line += " by extrapolation, not decoded"
            if way == "base":
                line += f"   prefix {1000 * took['prefix']:.1f} ms, step {1000 * step:.2f} ms"
            if theirs:
                line += f"   {theirs[way] / seconds:.2f} times the released way"
            print(line)
        if "torch" in took:
            found |= {"torch_tokens_per_s": tokens / took["torch"], "gain_native": took["torch"] / took["ours"]}
            print(f"batch {self.videos:<3d} in C {took['torch'] / took['ours']:.2f} times as fast as in torch")
        print(f"batch {self.videos:<3d} peak memory: " + ", ".join(f"{name} {size} MB" for name, size in held.items()))
        return {"peak_mb": max(held.values())} | {name: float(f"{value:.4g}") for name, value in found.items()}

    def bytes_per_step(self) -> float:
        """What a step has to read: the weights of layers and head, and the cache of what stands before the token."""
        model, config = self.models.anchors, self.config
        held = self.known.shape[1] + config.frame_tokens / 2
        numbers = sum(weight.numel() for weight in model.blocks.parameters()) + config.codes * config.width
        return model.head.weight.element_size() * (numbers + 2 * self.videos * held * config.layers * config.width)


class Released:
    """The same work in the released way."""

    def __init__(self, reference: ModuleType, bench: Bench) -> None:
        self.reference, self.bench = reference, bench
        self.goes_on, self.fills_in = (
            reference.ReleasedGPT(model).eval() for model in (bench.models.anchors, bench.models.fillers[0])
        )

    def works(self) -> dict[str, Work]:
        """The next latent frame, and a gap of every video: there they come one after another."""
        return {"reference": self.frame, "released gap": self.gap}

    def frame(self) -> Tensor:
        """Read a full context and draw the next latent frame."""
        return self.reference.go_on(self.goes_on, self.bench.known, self.bench.config.frame_tokens, FILTERS, None)

    def gap(self) -> Tensor:
        """Fill in one gap of every video."""
        ends = self.bench.frames[:, :2]
        return self.reference.fill(self.fills_in, self.bench.condition, ends, FILTERS, None)


def with_small_weights(
    models: Hierarchy, exact: GPT, videos: int, weights: Weights, measure: Measure, compiled: bool
) -> dict[str, float]:
    """How much faster the next latent frame comes with small weights, and how far the predictions move.

    Both times in torch, which alone has small weights, and compared with predictions in float32.
    """
    ours = Bench(models, videos, Engine(native=False, compiled=compiled))
    small = Bench(models, videos, Engine(weights, compiled=compiled))
    took = measure({"ours": ours.frame, "small": small.frame})
    exactly = Decoder(exact.to(ours.device), videos, exact.config.condition_codes, Engine(native=False))
    lost = divergence(exactly, small.decoder, ours.known)
    gain = took["ours"] / took["small"]
    print(f"weights in {weights}: {gain:.2f} times as fast at batch {videos}; KL of a next token {lost:.1e} nats")
    return {f"gain_{weights}": float(f"{gain:.4g}"), f"kl_{weights}": float(f"{lost:.3g}")}


def divergence(exact: Decoder, other: Decoder, tokens: Tensor) -> float:
    """Mean KL(exact, other) of the next token, in nats, while both read the last latent frame step by step."""
    start = tokens.shape[1] - exact.model.config.frame_tokens
    exact.prefill(tokens[:, :start])
    other.prefill(tokens[:, :start])
    found = []
    for token in tokens[:, start:].unbind(1):
        p, q = (decoder.step(token).double().log_softmax(-1) for decoder in (exact, other))
        found.append((p.exp() * (p - q)).sum(-1).mean())
    return float(torch.stack(found).mean())


def copy_bandwidth(device: torch.device, measure: Measure) -> float:
    """Bytes a second that a plain copy reads and writes in the memory of the device."""
    source = torch.ones(2**24 if device.type == "cpu" else 2**28, device=device)
    target = torch.empty_like(source)
    return 2 * 4 * len(source) / measure({"ours": lambda: target.copy_(source)})["ours"]


def released_sampler() -> ModuleType:
    """The restatement, which belongs to the tests and is not installed with the package."""
    specification = importlib.util.spec_from_file_location("released_sampler", REFERENCE)
    if not REFERENCE.is_file() or specification is None or specification.loader is None:
        raise UserError(
            f"there is no {REFERENCE}, which the comparison needs: run it from a checkout of the repository."
        )
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module

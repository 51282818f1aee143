"""Speed of the second stage: tokens a second, the share of the memory's bandwidth, memory; `tats bench sample`.

Weights are random and have the preset's shape; the head is scaled so that predictions are about as sure as trained
ones. A latent frame is drawn after a full context, as all but the first of a long video are. What is compared runs in
turns, see `benchmark`. On one thread the clock is that of the process, which others on the machine do not disturb.

B videos side by side · h w latent grid · N tokens of a prefix
"""

import importlib.util
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

import tatslib
from tatslib.errors import UserError
from tatslib.sampling.decode import OWN, Decoder, Engine
from tatslib.sampling.filters import Filters
from tatslib.sampling.hierarchical import Hierarchy
from tatslib.sampling.interpolation import GapFiller
from tatslib.sampling.noise import seeded_noise
from tatslib.sampling.products import Weights
from tatslib.training.benchmark import Work, in_turns, name_of, peak_megabytes
from tatslib.training.device import default_device, use_idle_cores
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
) -> dict[str, object]:
    """Measure, print a line each, and in the end everything as one line of JSON.

    Args:
        scale: whose preset.
        seconds: how long to measure each kind of work.
        compare: also against the released way of sampling, restated in tests/benchmarks.
        batch: videos side by side; the first is the headline, tokens_per_s and so on without a suffix.
        layers: other than the preset's, to try its width on a small machine.

    Returns:
        What the last line holds.

    Raises:
        UserError: if the restatement is asked for and not there.
    """
    threads, device = use_idle_cores(), default_device()
    reference = released_sampler() if compare else None
    clock = time.process_time if device.type == "cpu" and threads == 1 else time.perf_counter
    measure = partial(in_turns, seconds=seconds, device=device, clock=clock)
    models, copied = models_of(scale, layers, device), copy_bandwidth(device, measure)
    config, number = models.anchors.config, name_of(models.anchors.head.weight.dtype)
    shape = f"{config.layers} layers, {config.heads} heads, width {config.width}, {config.codes} codes, "
    shape += f"window {'x'.join(map(str, config.latent_shape))}"
    print(f"{shape}; {number} on {device.type}, threads: {threads}, {clock.__name__}; copies {copied / 1e9:.1f} GB/s")
    found: dict[str, object] = {"bench": "sample", "scale": scale, "device": device.type, "precision": number}
    found |= {
        "threads": threads,
        "clock": clock.__name__,
        "layers": config.layers,
        "copy_gb_per_s": round(copied / 1e9, 1),
    }
    for videos in batch:
        bench = Bench(models, videos, Engine(compiled=device.type == "cuda"))
        works: dict[str, Work] = {"ours": bench.frame, "prefix": bench.prefix, "gaps": bench.gaps}
        if "peak_mb" not in found:  # each once by itself: what the released way holds is not our memory
            for work in works.values():
                work()
            found["peak_mb"] = peak_megabytes(device)
        if reference is not None:
            works |= Released(reference, bench).works()
        suffix = "" if videos == batch[0] else f"_batch_{videos}"
        facts = bench.report(measure(works), copied)
        found |= {name + suffix: value for name, value in facts.items()}
    for weights in SMALL:
        found |= with_small_weights(models, batch[0], weights, measure)
    print(json.dumps(found))
    return found


def models_of(scale: Scale, layers: int | None, device: torch.device) -> Hierarchy:
    """A transformer that goes on and one that fills in, of the preset's shape; on a GPU in bfloat16."""
    preset, generator = PRESETS[scale], torch.Generator().manual_seed(0)
    size, (t, h, w) = preset.transformer, preset.vqgan.latent_shape
    shape = {"codes": preset.vqgan.codes, "layers": layers or size.layers, "heads": size.heads, "width": size.width}
    goes_on = GPT(GPTConfig(**shape, latent_shape=(t, h, w)))
    fills_in = GPT(InterpolationConfig(**shape, latent_shape=(t + 1, h, w)))
    for model in (goes_on, fills_in):
        with torch.no_grad():
            model.head.weight.normal_(std=3 / size.width**0.5, generator=generator)  # logits of deviation 3
        model.eval().to(device, torch.bfloat16 if device.type == "cuda" else torch.float32)
    return Hierarchy(goes_on, [fills_in])


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

    def report(self, took: dict[str, float], copied: float) -> dict[str, float]:
        """Print what was measured, and return it."""
        t, tokens = self.config.latent_shape[0], self.videos * self.config.frame_tokens
        latent = VIDEO // PRESETS["paper"].vqgan.downsample[0]
        per_frame = {"base": took["ours"]}
        per_gap = took["gaps"] / self.gaps_at_once
        per_frame["hierarchical"] = (took["ours"] + per_gap) / t  # one sparse frame, and t - 1 in the gap after it
        step = (took["ours"] - took["prefix"]) / (self.config.frame_tokens - 1)
        use = self.bytes_per_step() / step / copied
        found = {"tokens_per_s": tokens / per_frame["base"], "seconds_per_video": latent * per_frame["base"]}
        found |= {"bandwidth_use": use, "step_ms": 1000 * step, "prefix_ms": 1000 * took["prefix"]}
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
            if way == "base":
                line += f"   prefix {1000 * took['prefix']:.1f} ms, step {1000 * step:.2f} ms, bandwidth {use:.0%}"
            if theirs:
                line += f"   {theirs[way] / seconds:.2f} times the released way"
            print(line)
        return {name: float(f"{value:.4g}") for name, value in found.items()}

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


def with_small_weights(models: Hierarchy, videos: int, weights: Weights, measure: Measure) -> dict[str, float]:
    """How much faster the next latent frame comes with small weights, and how far the predictions move."""
    ours, small = Bench(models, videos, OWN), Bench(models, videos, Engine(weights))
    took = measure({"ours": ours.frame, "small": small.frame})
    lost = divergence(ours.decoder, small.decoder, ours.known)
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

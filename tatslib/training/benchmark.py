"""Speed of the first stage: clips a second, the share of the machine's arithmetic, memory; `tats bench vqgan`.

What is compared runs in turns, round after round, and medians are taken: two measurements one after the other would
compare the moods of the machine.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.amp import GradScaler
from torch.utils.flop_counter import FlopCounterMode

from tatslib.training.device import Precision, autocast, default_device, number_format, prepare, use_idle_cores
from tatslib.training.loop import update
from tatslib.training.presets import PRESETS, Scale
from tatslib.training.released_pace import MEASURED_ELSEWHERE, encode_as_released, train_as_released
from tatslib.training.train_vqgan import VQGANTask, VQGANTraining
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig
from tatslib.vqgan.windows import decode_in_windows

CLIPS: dict[Scale, int] = {"toy": 8, "gpu": 8, "paper": 1}  # at once
LONG: dict[Scale, int] = {"toy": 16, "gpu": 8, "paper": 2}  # clips that the long video is made of
ROUNDS = 3  # at least
MATRIX = 1024  # rows and columns of the product that a processor's arithmetic is measured with
Work = Callable[[], object]


class Noise:
    """Random clips, made beforehand, so that a training step is not measured together with its data."""

    def __init__(self, config: VQGANConfig, clips: int):
        length = config.frames + sum(config.forward_margins)
        shape = (clips, length, config.resolution, config.resolution, config.channels)
        self.frames = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def clips(self, step: int, batch_size: int, *, rank: int = 0, world_size: int = 1) -> tuple[Tensor, Tensor]:
        """The same clips in every step."""
        return self.frames[:batch_size], torch.zeros(batch_size, dtype=torch.int64)


def bench_vqgan(scale: Scale, seconds: float = 10.0, compare: bool = False) -> dict[str, object]:
    """Measure, print a line each, and in the end everything as one line of JSON.

    Args:
        scale: whose preset.
        seconds: how long to measure each kind of work.
        compare: also against the released way of computing, restated in `released_pace`.

    Returns:
        What the last line holds.
    """
    threads, device, clips = use_idle_cores(), default_device(), CLIPS[scale]
    precision = name_of(number_format(training_of(scale, clips).precision, device))
    found: dict[str, object] = {"bench": "vqgan", "scale": scale, "device": device.type, "precision": precision}
    found |= {"threads": threads, "clips": clips}
    peak = {kind: arithmetic_peak(kind, device, seconds / 4) for kind in {torch.float32, number_format("auto", device)}}
    # each once by itself: compiled code cannot be counted, and what the released way holds is not our memory
    flops = {name: count_flops(kind(scale, device, "plain").work) for name, kind in KINDS.items()}
    found["peak_mb"] = peak_megabytes(device)
    for name, kind in KINDS.items():
        ours = kind(scale, device, "ours")
        works = {"ours": ours.work}
        if compare:
            works["reference"] = kind(scale, device, "released").work
        took = in_turns(works, seconds, device)
        found[f"{name}_clips_per_s"] = round(ours.clips / took["ours"], 3)
        used = flops[name] / took["ours"] / peak[ours.number]
        line = f"{name:12s}{ours.clips / took['ours']:9.2f} clips/s {1000 * took['ours']:9.1f} ms"
        line += f" {flops[name] / 1e9:9.1f} GFLOP   MFU {used:4.0%} of {peak[ours.number] / 1e9:.0f} GFLOP/s in "
        line += name_of(ours.number)
        if compare:
            found[f"reference_{name}_clips_per_s"] = round(ours.clips / took["reference"], 3)
            found[f"ratio_{name}"] = round(took["reference"] / took["ours"], 3)
            line += f"   {took['reference'] / took['ours']:.2f} times the released way"
        print(line)
        if name == "train":
            found["mfu"] = round(used, 3)
    if scale == "paper":
        print(*MEASURED_ELSEWHERE, sep="\n")
    print(json.dumps(found))
    return found


Way = Literal["ours", "plain", "released"]  # plain is ours before it is compiled, where that is done


class Measured(NamedTuple):
    """What is measured."""

    work: Work
    clips: int  # that it is done to
    number: torch.dtype  # in which ours computes


def encoding(scale: Scale, device: torch.device, way: Way) -> Measured:
    """From clips to tokens, in float32, as everywhere: tokens are compared and must not depend on the machine."""
    vqgan, x = model_and_clips(scale, device, "float32", way)
    if way == "released":
        return Measured(lambda: encode_as_released(vqgan, x), len(x), torch.float32)
    return Measured(lambda: vqgan.encode(x), len(x), torch.float32)


def decoding(scale: Scale, device: torch.device, way: Way) -> Measured:
    """From tokens to clips, in the number format that the processor prefers."""
    precision: Precision = "float32" if way == "released" else "auto"
    vqgan, x = model_and_clips(scale, device, precision, way)
    tokens = vqgan.encode(x)

    def decode() -> None:
        with autocast(precision, device):
            vqgan.decode(tokens)

    return Measured(decode, len(x), number_format(precision, device))


def long_decoding(scale: Scale, device: torch.device, way: Way) -> Measured:
    """A video of `LONG` clips: in windows, where memory does not grow, against everything in one call."""
    vqgan, x = model_and_clips(scale, device, "float32", way)
    tokens = vqgan.encode(x[:1]).repeat(1, LONG[scale], 1, 1)

    def in_windows() -> None:
        for _ in decode_in_windows(vqgan, tokens):
            pass

    work: Work = in_windows if way != "released" else lambda: vqgan.decode(tokens)
    return Measured(work, LONG[scale], torch.float32)


def training_step(scale: Scale, device: torch.device, way: Way) -> Measured:
    """One step with both adversaries."""
    config, training = PRESETS[scale].vqgan, training_of(scale, CLIPS[scale])
    if way == "released":
        training = train_as_released(training)
    work = step_of(config, training, device, way)
    return Measured(work, training.batch, number_format(training.precision, device))


KINDS = {"encode": encoding, "decode": decoding, "decode_long": long_decoding, "train": training_step}


def step_of(config: VQGANConfig, training: VQGANTraining, device: torch.device, way: Way) -> Work:
    """A function that makes the next training step."""
    task = VQGANTask(config, training, Noise(config, training.batch), device, compiled=way == "ours")
    scaler = GradScaler(device.type, enabled=number_format(training.precision, device) == torch.float16)
    steps: Iterator[int] = iter(range(10**9))

    def step() -> None:
        with torch.enable_grad():
            update(task, next(steps), training, Path(), scaler)

    return step


def training_of(scale: Scale, clips: int) -> VQGANTraining:
    """The preset's training with adversaries from the first step on, without the perceptual term."""
    preset = PRESETS[scale]
    training = preset.adversarial or preset.vqgan_training
    return training.replace(batch=clips, accumulate=1, gan_start=0, perceptual_weight=0.0)


def model_and_clips(scale: Scale, device: torch.device, precision: Precision, way: Way) -> tuple[VQGAN, Tensor]:
    """The preset's model in evaluation mode and random clips (B, C, T, H, W) in [-0.5, 0.5]."""
    config = PRESETS[scale].vqgan
    length = config.frames + sum(config.margins)
    shape = (CLIPS[scale], config.channels, length, config.resolution, config.resolution)
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0)) - 0.5
    vqgan = VQGAN(config).eval().to(device)
    if way != "released":
        prepare(vqgan, precision, device, compiled=way == "ours")
    return vqgan, x.to(device)


def name_of(number: torch.dtype) -> str:
    """A number format by its name."""
    return str(number).removeprefix("torch.")


@torch.no_grad()
def in_turns(
    works: dict[str, Work], seconds: float, device: torch.device, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median seconds of each, taken in turns for as long as `seconds` each, after one round that does not count.

    A clock of this process's own time, `time.process_time`, leaves out what a busy machine gives to others.
    """
    took: dict[str, list[float]] = {name: [] for name in works}
    ends = time.perf_counter() + seconds * len(works)
    first = True
    while first or time.perf_counter() < ends or len(took["ours"]) < ROUNDS:
        for name, work in works.items():
            started = clock()
            work()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if not first:
                took[name].append(clock() - started)
        first = False
    return {name: median(times) for name, times in took.items()}


@torch.no_grad()
def count_flops(work: Work) -> float:
    """Floating-point operations of convolutions and matrix products in `work`; a product and its sum are two."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def arithmetic_peak(kind: torch.dtype, device: torch.device, seconds: float) -> float:
    """Operations a second of a large matrix product or convolution, whichever does more: what can be had here, now."""
    size = MATRIX if device.type == "cpu" else 8 * MATRIX
    a, b = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))
    width, shape = size // 8, (1, size // 8, 16, 16, 16)
    x, weight = (
        torch.randn(shape, device=device, dtype=kind),
        torch.randn(width, width, 3, 3, 3, device=device).to(kind),
    )
    works: dict[str, Work] = {"ours": lambda: a @ b, "convolution": lambda: F.conv3d(x, weight, padding=1)}
    took = in_turns(works, seconds, device)
    return max(count_flops(work) / took[name] for name, work in works.items())


def peak_megabytes(device: torch.device) -> int:
    """The most memory that this process has held: of the GPU if there is one, else of the machine."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated() / 2**20)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)

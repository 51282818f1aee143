"""Speed of the first stage: clips a second, the share of the machine's arithmetic, memory; `tats bench vqgan`.

What is compared runs in turns, round after round, and medians are taken: two measurements one after the other would
compare the moods of the machine. On one thread the clock is that of the process, which others on the machine do not
disturb.
"""

import json
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
from tatslib.training.memory import peak_of
from tatslib.training.presets import PRESETS, Scale
from tatslib.training.released_pace import (
    MEASURED_ELSEWHERE,
    encode_as_released,
    look_up_as_released,
    train_as_released,
)
from tatslib.training.train_vqgan import VQGANTask, VQGANTraining
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig
from tatslib.vqgan.windows import decode_in_windows

# at once: as many as the recipes train with, but of the paper's size one
CLIPS: dict[Scale, int] = {
    "toy": PRESETS["toy"].vqgan_training.batch,
    "gpu": PRESETS["gpu"].vqgan_training.batch,
    "paper": 1,
}
LONG: dict[Scale, int] = {"toy": 16, "gpu": 8, "paper": 2}  # clips that the long video is made of
ROUNDS = 3  # at least
MATRIX = 1024  # rows and columns of the product that a processor's arithmetic is measured with
Work = Callable[[], object]
Clock = Callable[[], float]


class Noise:
    """Random clips, made beforehand, so that a training step is not measured together with its data."""

    def __init__(self, config: VQGANConfig, clips: int):
        length = config.frames + sum(config.forward_margins)
        shape = (clips, length, config.resolution, config.resolution, config.channels)
        self.frames = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def clips(self, step: int, batch_size: int, *, rank: int = 0, world_size: int = 1) -> tuple[Tensor, Tensor]:
        """The same clips in every step."""
        return self.frames[:batch_size], torch.zeros(batch_size, dtype=torch.int64)


def bench_vqgan(
    scale: Scale, seconds: float = 10.0, compare: bool = False, threads: int | None = None
) -> dict[str, object]:
    """Measure, print a line each, and in the end everything as one line of JSON.

    Args:
        scale: whose preset.
        seconds: how long to measure each kind of work.
        compare: also against the released way of computing, restated in `released_pace`.
        threads: to compute on; absent, as many as there are idle cores.

    Returns:
        What the last line holds.
    """
    threads, device, clips = take_threads(threads), default_device(), CLIPS[scale]
    clock = clock_for(device, threads)
    precision = name_of(number_format(training_of(scale, clips).precision, device))
    found: dict[str, object] = {"bench": "vqgan", "scale": scale, "device": device.type, "precision": precision}
    found |= {"threads": threads, "clock": clock.__name__, "clips": clips}
    formats = {torch.float32, number_format("auto", device)}
    attainable = {number: arithmetic_peak(number, device, seconds / 4, clock) for number in formats}
    held: dict[str, int] = {}
    for name, kind in KINDS.items():
        flops = count_flops(kind(scale, device, "plain").work)  # compiled code cannot be counted
        took, clips_done, number, held[name] = take_turns(kind, scale, device, seconds, clock, compare)
        found |= {f"{name}_clips_per_s": round(clips_done / took["ours"], 3), f"{name}_peak_mb": held[name]}
        used = flops / took["ours"] / attainable[number]
        line = f"{name:12s}{clips_done / took['ours']:9.2f} clips/s {1000 * took['ours']:9.1f} ms"
        line += f" {flops / 1e9:9.1f} GFLOP   MFU {used:4.0%} of {attainable[number] / 1e9:.0f} GFLOP/s in "
        line += f"{name_of(number)}   peak {held[name]} MB"
        if compare:
            found[f"reference_{name}_clips_per_s"] = round(clips_done / took["reference"], 3)
            found[f"ratio_{name}"] = round(took["reference"] / took["ours"], 3)
            line += f"   {took['reference'] / took['ours']:.2f} times the released way"
        print(line)
        if name == "train":
            found["mfu"] = round(used, 3)
    found["peak_mb"] = max(held.values())
    whose = "of the GPU" if device.type == "cuda" else "of this process, torch itself included"
    print(f"peak memory {whose}: {found['peak_mb']} MB, for {max(held, key=held.__getitem__)}")
    if scale == "paper":
        print(*MEASURED_ELSEWHERE, sep="\n")
    print(json.dumps(found))
    return found


def take_threads(threads: int | None) -> int:
    """Compute on so many threads; absent, on as many as there are idle cores. Says how many."""
    if threads is None:
        return use_idle_cores()
    torch.set_num_threads(threads)
    return threads


def clock_for(device: torch.device, threads: int) -> Clock:
    """On one thread the time that this process computes, else what a clock on the wall shows."""
    return time.process_time if device.type == "cpu" and threads == 1 else time.perf_counter


Way = Literal["ours", "plain", "released"]  # plain is ours before it is compiled, where that is done


class Measured(NamedTuple):
    """What is measured."""

    work: Work
    clips: int  # that it is done to
    number: torch.dtype  # in which ours computes


Kind = Callable[[Scale, torch.device, Way], Measured]


class Found(NamedTuple):
    """What was found of a kind of work; nothing of the work itself, which would count as the next one's memory."""

    took: dict[str, float]  # seconds
    clips: int
    number: torch.dtype
    held: int  # MB


def take_turns(kind: Kind, scale: Scale, device: torch.device, seconds: float, clock: Clock, compare: bool) -> Found:
    """Time a kind of work beside the released way, after its memory was taken by itself."""
    ours = kind(scale, device, "ours")
    held = peak_of(ours.work, device)
    works = {"ours": ours.work}
    if compare:
        works["reference"] = kind(scale, device, "released").work
    return Found(in_turns(works, seconds, device, clock), ours.clips, ours.number, held)


def encoding(scale: Scale, device: torch.device, way: Way) -> Measured:
    """From clips to tokens, in float32, as everywhere: tokens are compared and must not depend on the machine."""
    vqgan, x = model_and_clips(scale, device, "float32", way)
    if way == "released":
        return Measured(lambda: encode_as_released(vqgan, x), len(x), torch.float32)
    return Measured(lambda: vqgan.encode(x), len(x), torch.float32)


def looking_up(scale: Scale, device: torch.device, way: Way) -> Measured:
    """The part of encoding that goes from latent vectors to the nearest codes."""
    vqgan, x = model_and_clips(scale, device, "float32", way)
    with torch.no_grad():
        z = vqgan.latents(x)
    if way == "released":
        return Measured(lambda: look_up_as_released(vqgan.codebook, z), len(x), torch.float32)
    return Measured(lambda: vqgan.codebook.encode(z), len(x), torch.float32)


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


KINDS: dict[str, Kind] = {
    "encode": encoding,
    "lookup": looking_up,
    "decode": decoding,
    "decode_long": long_decoding,
    "train": training_step,
}


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
    works: dict[str, Work], seconds: float, device: torch.device, clock: Clock = time.perf_counter
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


def arithmetic_peak(kind: torch.dtype, device: torch.device, seconds: float, clock: Clock) -> float:
    """Operations a second of a large matrix product or convolution, whichever does more: what can be had here, now."""
    size = MATRIX if device.type == "cpu" else 8 * MATRIX
    a, b = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))
    width, shape = size // 8, (1, size // 8, 16, 16, 16)
    x, weight = (
        torch.randn(shape, device=device, dtype=kind),
        torch.randn(width, width, 3, 3, 3, device=device).to(kind),
    )
    works: dict[str, Work] = {"ours": lambda: a @ b, "convolution": lambda: F.conv3d(x, weight, padding=1)}
    took = in_turns(works, seconds, device, clock)
    return max(count_flops(work) / took[name] for name, work in works.items())

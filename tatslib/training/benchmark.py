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

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.utils.flop_counter import FlopCounterMode

from tatslib.training.device import autocast, default_device, number_format
from tatslib.training.loop import update
from tatslib.training.presets import PRESETS, Scale
from tatslib.training.released_pace import MEASURED_ELSEWHERE, encode_as_released, train_as_released
from tatslib.training.train_vqgan import VQGANTask, VQGANTraining
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig
from tatslib.vqgan.windows import decode_in_windows

CLIPS: dict[Scale, int] = {"toy": 8, "gpu": 8, "paper": 1}  # at once
LONG = 16  # clips that the long video is made of
ROUNDS = 3  # at least
MATRIX = 1024  # rows and columns of the product that the machine's arithmetic is measured with
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
    device, clips = default_device(), CLIPS[scale]
    training = training_of(scale, clips)
    precision = str(number_format(training.precision, device)).removeprefix("torch.")
    found: dict[str, object] = {"bench": "vqgan", "scale": scale, "device": device.type, "precision": precision}
    found |= {"threads": torch.get_num_threads(), "clips": clips}
    peak = {kind: arithmetic_peak(kind, device, seconds / 4) for kind in {torch.float32, number_format("auto", device)}}
    kinds = {"encode": encoding, "decode": decoding, "decode_long": long_decoding, "train": training_step}
    for name, kind in kinds.items():
        works, count, number = kind(scale, compare, device)
        flops = count_flops(works["ours"])
        took = in_turns(works, seconds, device)
        found[f"{name}_clips_per_s"] = round(count / took["ours"], 3)
        used = flops / took["ours"] / peak[number]
        line = f"{name:12s}{count / took['ours']:9.2f} clips/s {1000 * took['ours']:9.1f} ms {flops / 1e9:9.1f} GFLOP"
        line += f"   MFU {used:4.0%} of {peak[number] / 1e9:.0f} GFLOP/s in {str(number).removeprefix('torch.')}"
        if "reference" in took:
            found[f"reference_{name}_clips_per_s"] = round(count / took["reference"], 3)
            found[f"ratio_{name}"] = round(took["reference"] / took["ours"], 3)
            line += f"   {took['reference'] / took['ours']:.2f} times the released way"
        print(line)
        if name == "train":
            found["mfu"] = round(used, 3)
    if scale == "paper":
        for name, (one, two) in MEASURED_ELSEWHERE.items():
            print(f"the released code on 2 cores of a Xeon with AMX, {name}: {one} s on one thread, {two} s on two")
    found["peak_mb"] = peak_megabytes(device)
    print(json.dumps(found))
    return found


Measured = tuple[dict[str, Work], int, torch.dtype]  # ways to do it, clips it is done to, number format of ours


def encoding(scale: Scale, compare: bool, device: torch.device) -> Measured:
    """From clips to tokens, in float32, as everywhere: tokens are compared and must not depend on the machine."""
    vqgan, x = model_and_clips(scale, device)
    works: dict[str, Work] = {"ours": lambda: vqgan.encode(x)}
    if compare:
        works["reference"] = lambda: encode_as_released(vqgan, x)
    return works, len(x), torch.float32


def decoding(scale: Scale, compare: bool, device: torch.device) -> Measured:
    """From tokens to clips, in the number format that the processor prefers."""
    vqgan, x = model_and_clips(scale, device)
    tokens = vqgan.encode(x)

    def ours() -> None:
        with autocast("auto", device):
            vqgan.decode(tokens)

    works: dict[str, Work] = {"ours": ours}
    if compare:
        works["reference"] = lambda: vqgan.decode(tokens)
    return works, len(x), number_format("auto", device)


def long_decoding(scale: Scale, compare: bool, device: torch.device) -> Measured:
    """A video of `LONG` clips: in windows, where memory does not grow, against everything in one call."""
    vqgan, x = model_and_clips(scale, device)
    tokens = vqgan.encode(x[:1]).repeat(1, LONG if scale != "paper" else 2, 1, 1)

    def ours() -> None:
        for _ in decode_in_windows(vqgan, tokens):
            pass

    works: dict[str, Work] = {"ours": ours}
    if compare:
        works["reference"] = lambda: vqgan.decode(tokens)
    return works, tokens.shape[1] // vqgan.config.latent_shape[0], torch.float32


def training_step(scale: Scale, compare: bool, device: torch.device) -> Measured:
    """One step with both adversaries."""
    config, training = PRESETS[scale].vqgan, training_of(scale, CLIPS[scale])
    works: dict[str, Work] = {"ours": step_of(config, training, device)}
    if compare:
        works["reference"] = step_of(config, train_as_released(training), device)
    return works, training.batch, number_format(training.precision, device)


def step_of(config: VQGANConfig, training: VQGANTraining, device: torch.device) -> Work:
    """A function that makes the next training step."""
    task = VQGANTask(config, training, Noise(config, training.batch), device)
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


def model_and_clips(scale: Scale, device: torch.device) -> tuple[VQGAN, Tensor]:
    """The preset's model in evaluation mode and random clips (B, C, T, H, W) in [-0.5, 0.5]."""
    config = PRESETS[scale].vqgan
    length = config.frames + sum(config.margins)
    shape = (CLIPS[scale], config.channels, length, config.resolution, config.resolution)
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0)) - 0.5
    return VQGAN(config).eval().to(device), x.to(device)


@torch.no_grad()
def in_turns(works: dict[str, Work], seconds: float, device: torch.device) -> dict[str, float]:
    """Median seconds of each, taken in turns for as long as `seconds` each, after one round that does not count."""
    took: dict[str, list[float]] = {name: [] for name in works}
    ends = time.perf_counter() + seconds * len(works)
    first = True
    while first or time.perf_counter() < ends or len(took["ours"]) < ROUNDS:
        for name, work in works.items():
            started = time.perf_counter()
            work()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if not first:
                took[name].append(time.perf_counter() - started)
        first = False
    return {name: median(times) for name, times in took.items()}


@torch.no_grad()
def count_flops(work: Work) -> float:
    """Floating-point operations of the convolutions and matrix products in `work`; an addition counts as one."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def arithmetic_peak(kind: torch.dtype, device: torch.device, seconds: float) -> float:
    """Operations a second of a large matrix product: what this machine can do, measured now."""
    size = MATRIX if device.type == "cpu" else 8 * MATRIX
    a, b = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))
    return 2 * size**3 / in_turns({"ours": lambda: a @ b}, seconds, device)["ours"]


def peak_megabytes(device: torch.device) -> int:
    """The most memory that this process has held: of the GPU if there is one, else of the machine."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated() / 2**20)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)

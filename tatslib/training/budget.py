"""What a training costs before it starts: parameters, arithmetic, memory, time (paper B.2, B.3).

Nothing here draws or allocates a weight. The transformer's costs are formulas. Those of the first stage, whose maps
change size from layer to layer, are counted on torch's meta device, which knows shapes only. A FLOP is one
multiplication or one addition, of matrix products and convolutions; all else is a few per cent of the time.

Letters: B batch, T H W frames, t h w latent grid, N sequence length, D width, L layers, V vocabulary, K codes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from tatslib.errors import UserError, did_you_mean
from tatslib.training.train_transformer import TransformerTraining
from tatslib.training.train_vqgan import VQGANTraining
from tatslib.transformer.gpt import GPTConfig
from tatslib.vqgan.config import VQGANConfig
from tatslib.vqgan.discriminators import Adversaries, DiscriminatorConfig
from tatslib.vqgan.perceptual import PerceptualLoss
from tatslib.vqgan.sound import SoundVQGANConfig
from tatslib.vqgan.vqgan import VQGAN

BYTES_A_PARAMETER = 16  # float32: the weight, its gradient, and the two running means of Adam
PEAKS = {  # FLOP a second of one GPU in matrix products without sparsity, by NVIDIA's data sheets
    "V100": 15.7e12,  # SXM2 module, as below; in float32, as the released code computes
    "V100-float16": 125e12,
    "T4": 65e12,
    "A100": 312e12,
    "H100": 989e12,  # SXM5 module; its data sheet prints twice as much, with sparsity
}


class Work(NamedTuple):
    """What one clip asks of a training step."""

    flops: float  # forward and backward
    kept: int  # bytes that wait for the backward pass, in float32


@dataclass(frozen=True)
class Budget:
    """What training one model costs."""

    name: str
    parameters: int  # that are trained, the adversaries' included
    steps: int
    batch: int  # clips a step
    tokens: int  # of a clip, that are predicted (transformer) or made (VQGAN)
    step_flops: float  # of the dearest step, the whole batch
    total_flops: float
    clip_bytes: int  # kept for the backward pass by one clip
    fixed_bytes: int  # weights, gradients, moments of the optimiser, codebook: whatever the batch

    @property
    def tokens_seen(self) -> int:
        """Tokens of all clips of all steps."""
        return self.steps * self.batch * self.tokens

    def bytes_a_gpu(self, clips: int, shards: int = 1) -> int:
        """An estimate from below of the memory of one GPU with so many clips at once.

        Without what the library keeps for itself and what is only needed in passing.
        """
        return self.fixed_bytes // shards + clips * self.clip_bytes

    def hours(self, gpus: int, peak: float, utilisation: float) -> float:
        """Wall time on `gpus` of `peak` FLOP a second, of which a share `utilisation` (MFU) is reached."""
        return self.total_flops / (gpus * peak * utilisation) / 3600

    def utilisation(self, gpus: int, peak: float, hours: float) -> float:
        """The share of the peak that a training that took so long has reached."""
        return self.hours(gpus, peak, 1.0) / hours


def peak_of(gpu: str) -> float:
    """FLOP a second of a GPU.

    Raises:
        UserError: for one that is not in the table.
    """
    if gpu not in PEAKS:
        raise UserError(f"There is no {gpu!r} in the table{did_you_mean(gpu, list(PEAKS))}: {', '.join(PEAKS)}.")
    return PEAKS[gpu]


# The transformer ----------------------------------------------------------------------------------------------------


def transformer_parameters(config: GPTConfig) -> int:
    """V D each for embedding and head, N D for positions, 12 D^2 + 13 D for each layer, 2 D for the last norm."""
    d = config.width
    return 2 * config.vocabulary * d + config.block_size * d + config.layers * (12 * d * d + 13 * d) + 2 * d


def transformer_flops(config: GPTConfig, predicted: int | None = None) -> float:
    """Of one forward pass over one sequence; a training step takes three times as much, backward twice the forward.

    Args:
        config: of the transformer; the sequence is as long as it can be.
        predicted: tokens whose logits are computed; absent, all video tokens.

    Each of N tokens meets 12 D^2 weights a layer, and in attention N others twice (all of them: a causal kernel may
    save up to half of that), and each predicted one V D weights of the head.
    """
    n, d = config.block_size, config.width
    predicted = video_tokens(config) if predicted is None else predicted
    return (
        2.0 * n * 12 * config.layers * d * d + 4.0 * config.layers * n * n * d + 2.0 * predicted * config.vocabulary * d
    )


def transformer_kept(config: GPTConfig, predicted: int | None = None, half: bool = False) -> int:
    """Bytes that one sequence keeps for the backward pass, attention's N x N weights not among them (fused kernel).

    A layer keeps 17 D numbers a token: what goes into either norm (2), queries, keys, values and what attention made of
    them (4), what goes into each of four linear layers (7), and into the activation (4). The loss keeps V for each
    predicted token. With `half`, products are computed in 16 bits: then all but the 2 are half as large.
    """
    d, small = config.width, 2 if half else 4
    predicted = video_tokens(config) if predicted is None else predicted
    layers = config.layers * config.block_size * d * (2 * 4 + 15 * small)
    return layers + predicted * (config.vocabulary * 4 + d * small)


def video_tokens(config: GPTConfig) -> int:
    """t h w."""
    t, h, w = config.latent_shape
    return t * h * w


def transformer_budget(config: GPTConfig, training: TransformerTraining, name: str = "transformer") -> Budget:
    """What training a transformer on stored tokens costs; one that fills in predicts the tokens between its anchors."""
    first, last, _ = training.counted_frames.indices(config.latent_shape[0])
    predicted = (last - first) * config.frame_tokens
    flops = 3 * transformer_flops(config, predicted) * training.batch
    parameters = transformer_parameters(config)
    return Budget(
        name=name,
        parameters=parameters,
        steps=training.steps,
        batch=training.batch,
        tokens=predicted,
        step_flops=flops,
        total_flops=flops * training.steps,
        clip_bytes=transformer_kept(config, predicted, half=training.precision != "float32"),
        fixed_bytes=parameters * BYTES_A_PARAMETER,
    )


# The first stage ----------------------------------------------------------------------------------------------------


def count(step: Callable[[], Tensor]) -> Work:
    """FLOPs of computing a loss and going back, and the bytes of what is kept in between, parameters not counted."""
    kept: dict[int, torch.UntypedStorage] = {}

    def note(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage()  # on meta, all addresses are 0
        return tensor

    with FlopCounterMode(display=False) as counter:
        with saved_tensors_hooks(note, lambda tensor: tensor):
            loss = step()
        loss.backward()
    return Work(float(counter.get_total_flops()), sum(storage.nbytes() for storage in kept.values()))


def clip_shape(config: VQGANConfig) -> tuple[int, ...]:
    """(1, C, before + T + after, H, W), as `VQGAN.forward` takes it; a clip of sound is as high as its bands."""
    height = config.bands if isinstance(config, SoundVQGANConfig) else config.resolution
    return 1, config.channels, config.frames + sum(config.forward_margins), height, config.resolution


@cache
def autoencoder_work(config: VQGANConfig) -> Work:
    """Of the autoencoder, codebook included: each of t h w vectors is held against K codes."""
    with torch.device("meta"):
        vqgan, clip = VQGAN(config).train(), torch.empty(clip_shape(config))
        work = count(lambda: vqgan.decoder(vqgan.from_codes(vqgan.latents(clip))).abs().mean())
    t, h, w = config.latent_shape
    return Work(work.flops + 2.0 * t * h * w * config.codes * config.code_width, work.kept)


@cache
def adversarial_work(config: VQGANConfig, shape: DiscriminatorConfig) -> Work:
    """Of both discriminators: in the autoencoder's turn, when they judge and stay, and in their own."""
    with torch.device("meta"):
        judges = Adversaries(shape).train()
        real, frames = torch.empty(clip_shape(config)), torch.zeros(1, dtype=torch.int64)
        fake = torch.empty_like(real).requires_grad_()

        def judge(fake: Tensor) -> Tensor:
            verdicts = judges(fake, real, frames=frames)
            maps = [layer.mean() for verdict in verdicts for layer in (*verdict.image, *verdict.video)]
            return torch.stack(maps).sum()

        judges.requires_grad_(False)
        asked = count(lambda: judge(fake))
        judges.requires_grad_(True)
        own = count(lambda: judge(fake.detach()))
    return Work(asked.flops + own.flops, max(asked.kept, own.kept))


@cache
def perceptual_work(config: VQGANConfig) -> Work:
    """Of VGG16 on one frame of the clip and of its reconstruction, with the way back to the latter."""
    with torch.device("meta"):
        network = PerceptualLoss().requires_grad_(False)
        real = torch.empty(1, config.channels, config.resolution, config.resolution)
        fake = torch.empty_like(real).requires_grad_()

        def compare() -> Tensor:
            with torch.no_grad():
                truth = network.features(real)
            judged = zip(network.features(fake), truth, strict=True)
            return torch.stack([(ours - theirs).square().mean() for ours, theirs in judged]).sum()

        return count(compare)


def vqgan_parameters(config: VQGANConfig, shape: DiscriminatorConfig | None = None) -> int:
    """Parameters of the autoencoder, without the codebook, which no gradient trains; and of both discriminators."""
    with torch.device("meta"):
        models = [VQGAN(config), *([] if shape is None else [Adversaries(shape)])]
    return sum(parameter.numel() for model in models for parameter in model.parameters())


def vqgan_budget(config: VQGANConfig, training: VQGANTraining, name: str = "VQGAN") -> Budget:
    """What training a first stage costs: the adversaries cost nothing before they join."""
    adversarial, shape = training.gan_start is not None, None
    work = [autoencoder_work(config)]
    if training.perceptual_weight:
        work.append(perceptual_work(config))
    total = sum(part.flops for part in work) * training.steps
    if adversarial:
        shape = training.discriminators(config.channels)
        work.append(adversarial_work(config, shape))
        total += work[-1].flops * max(0, training.steps - (training.gan_start or 0))
    parameters, (t, h, w) = vqgan_parameters(config, shape), config.latent_shape
    codebook = 4 * config.codes * (2 * config.code_width + 1)  # the codes, the sums and counts behind them
    return Budget(
        name=name,
        parameters=parameters,
        steps=training.steps,
        batch=training.batch,
        tokens=t * h * w,
        step_flops=sum(part.flops for part in work) * training.batch,
        total_flops=total * training.batch,
        clip_bytes=sum(part.kept for part in work) // (1 if training.precision == "float32" else 2),
        fixed_bytes=parameters * BYTES_A_PARAMETER + codebook,
    )


# In words ------------------------------------------------------------------------------------------------------------


def table(budgets: Sequence[Budget], gpu: str = "H100", gpus: int = 8, utilisation: float = 0.3) -> str:
    """A line a model: size, length, tokens seen, arithmetic of a step and of all, memory, time.

    Args:
        budgets: of the models.
        gpu: of `PEAKS`.
        gpus: how many, which share each batch.
        utilisation: share of their peak that is reached, an assumption; the paper's own times give 0.25 to 0.3.

    Raises:
        UserError: for an unknown GPU, no GPU, or a share that is none.
    """
    if gpus < 1 or not 0 < utilisation <= 1:
        raise UserError(f"{gpus} GPUs at {utilisation} of their peak: ask for 1 or more, at a share above 0 up to 1.")
    peak = peak_of(gpu)
    heads = ("model", "parameters", "steps", "clips", "G tokens", "TFLOP/step", "EFLOP", "GB/GPU", "hours", "GPU hours")
    widths = (12, 12, 11, 7, 10, 12, 9, 8, 8, 11)
    lines = ["".join(f"{head:>{width}s}" for head, width in zip(heads, widths, strict=True))]
    for budget in budgets:
        hours = budget.hours(gpus, peak, utilisation)
        row = (
            budget.name,
            f"{budget.parameters / 1e6:.1f} M",
            f"{budget.steps:,}",
            str(budget.batch),
            f"{budget.tokens_seen / 1e9:.2f}",
            f"{budget.step_flops / 1e12:.1f}",
            f"{budget.total_flops / 1e18:.2f}",
            f"{budget.bytes_a_gpu(-(-budget.batch // gpus)) / 1e9:.1f}",
            f"{hours:.1f}",
            f"{hours * gpus:.0f}",
        )
        lines.append("".join(f"{cell:>{width}s}" for cell, width in zip(row, widths, strict=True)))
    said = f"{gpus} x {gpu}, at an assumed {utilisation:.0%} of {peak / 1e12:.3g} TFLOP/s each"
    return "\n".join([*lines, f"{said}; memory is an estimate from below, the whole share of a batch at once"])

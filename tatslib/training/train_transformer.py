"""Training the second stage on cached tokens (paper 2.1, "Autoregressive prior model", and B.2).

Letters: B batch, t h w latent grid, n_c condition length.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import torch
from pydantic import Field
from torch import Tensor, nn

from tatslib.datasets.tokens import TokenClips, TokenIndex
from tatslib.distributed import tensors_from_main
from tatslib.progress import progress
from tatslib.randomness import derive_seed
from tatslib.training.checkpoint import load_into, save_model, weights_fingerprint
from tatslib.training.claim import claim_run
from tatslib.training.device import autocast
from tatslib.training.loop import LoopSettings, Share, Terms, cosine, train
from tatslib.training.parallel import gradients_travel, replicate, shard, whole
from tatslib.training.train_vqgan import Clips
from tatslib.transformer.gpt import ALL, GPT, GPTConfig, parameter_groups
from tatslib.videos import to_model
from tatslib.vqgan.vqgan import VQGAN


class Tokens(Protocol):
    """Where tokens come from: a pure function of the step."""

    index: TokenIndex

    def batch(self, step: int, size: int, *, rank: int = 0, world_size: int = 1) -> tuple[Tensor, Tensor]:
        """As `TokenClips.batch`."""

    def batch_conditions(self, step: int, size: int, *, rank: int = 0, world_size: int = 1) -> Tensor | None:
        """As `TokenClips.batch_conditions`."""


class TransformerTraining(LoopSettings):
    """How a transformer is trained. The recipes of the scales stand in `presets.py`."""

    batch: int = Field(16, gt=0)  # clips a step
    learning_rate: float = Field(2e-3, gt=0)
    warmup: int = Field(50, ge=0)  # steps of linear warm-up
    cosine_decay: bool = True  # False: constant after the warm-up, as released
    betas: tuple[float, float] = (0.9, 0.95)  # AdamW
    weight_decay: float = Field(0.01, ge=0)  # on the weights of linear layers only
    seed: int = 0

    @property
    def counted_frames(self) -> slice:
        """The latent frames whose tokens make up the loss."""
        return ALL

    def told(self, condition: Tensor, config: GPTConfig, step: int, share: Share) -> Tensor:
        """What the transformer is told of the conditions (B, n_c) of a share of the batch of `step`: all of them."""
        return condition


class Likelihood(nn.Module):
    """The loss of a transformer as a module, because processes that train together watch the call of a module."""

    def __init__(self, gpt: GPT, frames: slice = ALL):
        super().__init__()
        self.gpt, self.frames = gpt, frames

    def forward(self, condition: Tensor, tokens: Tensor) -> Tensor:
        """int64 (B, n_c) and (B, t, h, w) to the mean negative log-likelihood of the tokens that count, in nats."""
        return self.gpt.loss(condition, tokens, self.frames)


class TransformerTask:
    """L_transformer: the negative log-likelihood of the tokens given what stands before them.

    With `sharded`, processes that train together hold a slice of the model each, not all of it.
    """

    def __init__(
        self,
        config: GPTConfig,
        training: TransformerTraining,
        data: Tokens,
        device: torch.device,
        sharded: bool = False,
    ):
        self.training, self.data, self.device = training, data, device
        with torch.random.fork_rng(devices=[]):  # drawn from our seed, without touching the caller's generator
            torch.manual_seed(derive_seed(training.seed, "initial weights"))
            self.gpt = GPT(config)
        objective = Likelihood(self.gpt, training.counted_frames)
        self.objective = shard(objective, self.gpt.blocks, device) if sharded else replicate(objective.to(device))
        self.models: dict[str, nn.Module] = {"gpt": self.gpt}
        groups = parameter_groups(self.gpt, training.weight_decay)
        self.optimizers: dict[str, torch.optim.Optimizer] = {"gpt": torch.optim.AdamW(groups, betas=training.betas)}

    def learning_rate(self, step: int) -> float:
        """Warm-up, then half a cosine (or constant)."""
        options = self.training
        if options.cosine_decay:
            return cosine(step, options.steps, options.learning_rate, options.warmup)
        return options.learning_rate * min(1.0, (step + 1) / max(1, options.warmup))

    def losses(self, step: int, share: Share, metrics: dict[str, Tensor]) -> Iterator[tuple[str, Terms]]:
        """The share of the token batch of `step`."""
        size = self.training.batch // share.of
        tokens, labels = self.data.batch(step, size, rank=share.index, world_size=share.of)
        conditions = self.data.batch_conditions(step, size, rank=share.index, world_size=share.of)
        condition = condition_tokens(self.gpt.config, labels, conditions)
        condition = self.training.told(condition, self.gpt.config, step, share)
        with autocast(self.training.precision, self.device), gradients_travel(self.objective, share.last):
            loss = self.objective(condition.to(self.device), tokens.to(self.device))
        yield "gpt", {"nll": loss}


def gpt_config(index: TokenIndex, layers: int, heads: int, width: int) -> GPTConfig:
    """The transformer for a token set: before the video stands what leads it, or else its class, or a start token."""
    lead = index.lead
    return GPTConfig(
        codes=index.codes,
        condition_codes=lead.codes if lead else max(1, len(index.classes)),
        condition_length=lead.length if lead else 1,
        latent_shape=index.latent_shape,
        layers=layers,
        heads=heads,
        width=width,
    )


def condition_tokens(config: GPTConfig, labels: Tensor, conditions: Tensor | None = None) -> Tensor:
    """int64 (B, n_c): the conditions of the clips where they have some; else the class of each, or the start token 0
    for a model that knows no classes.
    """
    if conditions is not None:
        return conditions
    return labels[:, None] if config.condition_codes > 1 else torch.zeros(len(labels), 1, dtype=torch.int64)


def train_transformer(
    config: GPTConfig,
    training: TransformerTraining,
    data: Tokens,
    run: Path,
    device: torch.device | str = "cpu",
    label: str = "GPT",
    sharded: bool = False,
) -> GPT:
    """Train (or go on training) a transformer in the folder `run`; the finished model lies there as safetensors + JSON.

    With `sharded`, processes that train together hold a slice of the model each while they do.

    Raises:
        UserError: if `run` holds another run, and as `training.loop.train` does.
    """
    claim_run(run, config, training, data.index)
    task = TransformerTask(config, training, data, torch.device(device), sharded)
    train(task, training, run, label=label)
    save_model(run, task.gpt, config)
    gpt = task.gpt
    if sharded:  # what is returned is whole again
        tensors, gpt = whole(gpt.state_dict()), GPT(config).to(device)
        load_into(gpt, tensors_from_main(lambda: tensors), run)
    return gpt.eval()


@torch.inference_mode()
def evaluate_transformer(gpt: GPT, data: TokenClips, batch: int = 32, frames: slice = ALL) -> float:
    """Mean negative log-likelihood of held-out tokens in nats a token, over all latent frames or some."""
    gpt.eval()
    device = next(gpt.parameters()).device
    total = 0.0
    for start in range(0, len(data), batch):
        tokens, labels = data.tokens[start : start + batch].long(), data.labels[start : start + batch]
        conditions = None if data.conditions is None else data.conditions[start : start + batch]
        loss = gpt.loss(condition_tokens(gpt.config, labels, conditions).to(device), tokens.to(device), frames)
        total += loss.item() * len(tokens)
    return total / len(data)


@torch.inference_mode()
def tokenize(vqgan: VQGAN, data: Clips, clips: int, batch: int = 32, classes: tuple[str, ...] = ()) -> TokenClips:
    """Encode `clips` random clips of `data` (those of steps 0, 1, ...), of any length, into a token set."""
    vqgan.eval()
    device = next(vqgan.parameters()).device
    tokens, labels = [], []
    for step in progress(range(-(-clips // batch)), label="tokens", unit="batch"):
        frames, targets = data.clips(step, batch)
        tokens.append(vqgan.encode(to_model(frames).to(device)).cpu())
        labels.append(targets)
    t, h, w = tokens[0].shape[1:]
    index = TokenIndex(
        clips=clips,
        codes=vqgan.config.codes,
        latent_shape=(t, h, w),
        classes=classes,
        vqgan=weights_fingerprint(vqgan),
    )
    return TokenClips(torch.cat(tokens)[:clips], torch.cat(labels)[:clips], index)

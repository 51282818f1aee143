"""What one process and two have to agree on: each check is one function of `rank()` and `world_size()`.

`test_distributed.py` runs every one of them in one process and in two, and compares the results.
"""

import json
import math
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tatslib.datasets.tokens import TokenClips, TokenIndex
from tatslib.distributed import (
    any_rank,
    first_on_each_machine,
    gather_rows,
    is_main,
    mean_over_ranks,
    rank,
    sum_over_ranks,
    world_size,
)
from tatslib.errors import UserError
from tatslib.training import loop
from tatslib.training.checkpoint import newest
from tatslib.training.loop import Task
from tatslib.training.train_transformer import TransformerTraining, gpt_config, train_transformer
from tatslib.training.train_vqgan import VQGANTask, train_vqgan
from tatslib.vqgan.codebook import Codebook
from tatslib.vqgan.normalisation import normalisation, synchronise
from tatslib.vqgan.perceptual import PerceptualLoss
from tests.test_adversaries import GAN
from tests.test_training import TINY, Noise, stripes_tokens

STEPS = 6
Result = dict[str, Any]


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def mine(x: torch.Tensor) -> torch.Tensor:
    """The rows of this process."""
    return x[rank() :: world_size()]


def words(folder: Path) -> Result:
    """The vocabulary itself."""
    with first_on_each_machine():
        first = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
    total = torch.tensor([1.0 + rank(), 10.0])
    sum_over_ranks(total)
    x = torch.tensor([1.0 + rank()], requires_grad=True)
    mean = mean_over_ranks(x)
    (mean * (1 + rank())).sum().backward()
    return {
        "sum": total,
        "mean": mean.detach(),
        "gradient": x.grad,
        "rows": gather_rows(mine(torch.arange(12).view(6, 2))),
        "any": any_rank(rank() == 1),
        "main": is_main(),
        "first": first,
    }


def batch_norm(dims: int) -> Result:
    """Three training steps' worth of statistics, and outputs and gradients of the last, for inputs of either kind."""
    norm = normalisation("batch", 5, dims)
    synchronise(nn.Sequential(norm))  # nothing to do on CPUs
    nn.init.normal_(norm.weight, generator=torch.Generator().manual_seed(1))
    nn.init.normal_(norm.bias, generator=torch.Generator().manual_seed(2))
    for step in range(3):
        x = mine(numbers(6, 5, *[4] * dims, seed=step) * 3 + 100).requires_grad_()
        norm.zero_grad()
        y = norm(x)
        (y * mine(numbers(6, 5, *[4] * dims, seed=9))).mean().backward()  # a mean over this process's rows
    gradients = [norm.weight.grad, norm.bias.grad]
    for gradient in gradients:
        sum_over_ranks(gradient)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = norm(mine(numbers(6, 5, *[4] * dims)).bfloat16()).dtype == torch.bfloat16
    state = {name: value.clone() for name, value in norm.state_dict().items()}
    norm.eval()
    return {
        "outputs": gather_rows(y),
        "input gradients": gather_rows(x.grad) / world_size(),
        "weight gradients": [gradient / world_size() for gradient in gradients],
        "state": state,
        "half": half,
        "evaluated": gather_rows(norm(x)),
    }


def codebook(rows: int, codes: int, steps: int = 4) -> Result:
    """Initialisation, running means and restarts; with few rows, also the noise that tells repeated rows apart."""
    book = Codebook(codes, 3, decay=0.8, restart_below_mean=0.5).train()
    for step in range(steps):
        whole = numbers(rows, 3, 2, 2, 2, seed=step) + step
        z = mine(whole).requires_grad_()
        out = book(z, generator=torch.Generator().manual_seed(step))
        (out.commitment_loss + out.latents.square().mean()).backward()
    return {
        "state": {name: value.clone() for name, value in book.state_dict().items()},
        "tokens": gather_rows(out.tokens),
        "gradients": gather_rows(z.grad) / world_size(),
        "perplexity": out.perplexity,
    }


def perceptual_dropout() -> Result:
    """LPIPS between the same two frames in every row, so that rows differ by what is dropped and by nothing else."""
    network = PerceptualLoss(dropout=True)
    for number, parameter in enumerate(network.parameters()):
        scale = parameter[0].numel() ** -0.5
        parameter.copy_(scale * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)))
    for head in network.heads:
        head.weight.abs_()
    fake, real = (mine(numbers(1, 3, 16, 16, seed=seed).expand(4, 3, 16, 16) / 4) for seed in range(2))
    fake = fake.clone().requires_grad_()
    distances = network(fake, real, torch.Generator().manual_seed(0))
    distances.mean().backward()
    assert fake.grad is not None
    return {
        "distances": gather_rows(distances),
        "gradients": gather_rows(fake.grad) / world_size(),
        "next": gather_rows(network(fake, real, torch.Generator().manual_seed(1))),
        "nothing dropped": gather_rows(network.eval()(fake, real)),
    }


def token_batches() -> Result:
    """Two epochs of a token set in steps of six clips."""
    index = TokenIndex(clips=18, codes=18, latent_shape=(1, 1, 1), vqgan="0" * 12)
    data = TokenClips(torch.arange(18).view(-1, 1, 1, 1), torch.arange(18), index)
    parts = [data.batch(step, 6 // world_size(), rank=rank(), world_size=world_size()) for step in range(6)]
    return {
        "mine": torch.cat([tokens.flatten() for tokens, _ in parts]),
        "all": torch.cat([gather_rows(tokens.flatten()) for tokens, _ in parts]),
        "labels": all(torch.equal(tokens.flatten(), labels) for tokens, labels in parts),
    }


@contextmanager
def resting_where_gradients_vanish() -> Iterator[None]:
    """Adam with a larger epsilon.

    Some gradients are zero but for rounding, such as that of a bias before batch norm. Adam divides by their size, so
    rounding alone decides where those parameters go, without any effect on the loss.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("Adam", "AdamW"):
            patch.setattr(torch.optim, name, partial(getattr(torch.optim, name), eps=1e-4))
        yield


def log_of(run: Path) -> dict[str, float]:
    """The numbers of every step, but for the clock."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return {f"{n}/{key}": value for n, line in enumerate(lines) for key, value in line.items() if key != "seconds"}


def first_stage(run: Path, steps: int = STEPS) -> Result:
    """The first stage whole: warm-up, codes with restarts, accumulation, both adversaries from step 3 on."""
    training = GAN.replace(steps=steps, batch=8, warmup_without_codes=1, learning_rate=1e-4)
    with resting_where_gradients_vanish():
        vqgan = train_vqgan(TINY, training, Noise(), run)
    checkpoint = newest(run)
    assert checkpoint is not None and checkpoint.step == steps
    return {"vqgan": vqgan.state_dict(), "adversaries": checkpoint.tensors("adversaries"), "log": log_of(run)}


def second_stage(run: Path, steps: int = STEPS, sharded: bool = False, batch: int = 8) -> Result:
    """The second stage, whole in every process or in slices."""
    data = stripes_tokens()
    training = TransformerTraining(steps=steps, batch=batch, accumulate=2, warmup=2, cosine_decay=False, clip=0.1)
    with resting_where_gradients_vanish():
        gpt = train_transformer(gpt_config(data.index, 2, 2, 16), training, data, run, sharded=sharded)
    return {"gpt": gpt.state_dict(), "log": log_of(run)}


def in_two_goes(stage: Callable[..., Result], run: Path) -> Result:
    """A stage that stops after step 4, when everything of it has begun, and goes on in as many processes."""
    stage(run, steps=4)
    return stage(run)


def complaint(work: Callable[[], object]) -> Result:
    """What `work` ends with, and by which kind of error."""
    try:
        work()
    except UserError as error:
        return {"sentence": f"{type(error).__name__}: {error}"}
    return {"sentence": "nothing"}


def stopped_by_a_signal(run: Path) -> Result:
    """SIGTERM to the last process alone, in the middle of a step."""
    update = loop.update

    def update_and_signal(task: Task, step: int, *rest: Any) -> dict[str, float]:
        if step == 2 and rank() == world_size() - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return update(task, step, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "update", update_and_signal)
        return complaint(lambda: first_stage(run))


def spoiled_by_one(run: Path) -> Result:
    """A number that is none, in the last process alone."""
    original = VQGANTask.discriminator_terms

    def spoil(self: VQGANTask, *arguments: Any) -> dict[str, torch.Tensor]:
        terms = original(self, *arguments)
        factor = math.nan if rank() == world_size() - 1 else 1.0
        return {**terms, "image_discriminator": terms["image_discriminator"] * factor}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VQGANTask, "discriminator_terms", spoil)
        return complaint(lambda: first_stage(run))


def unwritable(run: Path) -> Result:
    """A run whose checkpoints cannot be written, which only process 0 notices."""
    if is_main():
        run.mkdir(parents=True)
        (run / "checkpoints").write_text("no folder")
    return complaint(lambda: second_stage(run))


def slices_elsewhere(run: Path, place: str) -> Result:
    """A sharded run whose last process writes its slices to another place: to its own disk, or where nothing can be."""
    from torch.distributed import checkpoint as torchs

    original = torchs.HuggingFaceStorageWriter

    def writer(path: str, save_distributed: bool) -> Any:
        return original(place.format(run=run) + Path(path).name if rank() else path, save_distributed=save_distributed)

    if is_main():
        run.mkdir(parents=True)
        (run / "file").write_text("no folder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torchs, "HuggingFaceStorageWriter", writer)
        return complaint(lambda: second_stage(run, sharded=True))


def without_slices(run: Path) -> Result:
    """A sharded run where torch's writer knows no slices: files are whole, and it goes on from them."""
    from torch.distributed import checkpoint as torchs

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torchs, "HuggingFaceStorageWriter", lambda path, save_sharded: None)  # as torch 2.8 has it
        return in_two_goes(partial(second_stage, sharded=True), run)


def data_that_are_missing(_: Path) -> Result:
    """What the first process of a machine looks for before the others."""

    def look() -> None:
        with first_on_each_machine():
            raise UserError("no videos")

    return complaint(look)


CHECKS: dict[str, Callable[[Path], Result]] = {
    "words": words,
    "batch norm 2D": lambda _: batch_norm(2),
    "batch norm 3D": lambda _: batch_norm(3),
    "codebook": lambda _: codebook(rows=4, codes=6),
    "codebook of few rows": lambda _: codebook(rows=2, codes=23),
    "perceptual dropout": lambda _: perceptual_dropout(),
    "token batches": lambda _: token_batches(),
    "first stage": first_stage,
    "second stage": second_stage,
    "second stage in slices": partial(second_stage, sharded=True),
    "first stage in two goes": partial(in_two_goes, first_stage),
    "second stage in slices in two goes": partial(in_two_goes, partial(second_stage, sharded=True)),
    "a torch without slices": without_slices,
    # goes on with what one process has begun
    "first stage resumed": first_stage,
    "second stage resumed": partial(second_stage, sharded=True),
    # and begins what one process will go on with
    "first stage half": partial(first_stage, steps=STEPS // 2),
    "second stage half": partial(second_stage, steps=STEPS // 2, sharded=True),
    "signal": stopped_by_a_signal,
    "nonsense": spoiled_by_one,
    "unwritable": unwritable,
    "slices on another disk": partial(slices_elsewhere, place="{run}/elsewhere/"),
    "slices that cannot be written": partial(slices_elsewhere, place="{run}/file/"),
    "missing": data_that_are_missing,
    "uneven": lambda run: complaint(lambda: second_stage(run, batch=6)),
}

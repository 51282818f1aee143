"""The one training loop: both stages, every optimiser, resumed exactly.

A task says what is special about a stage: its models, its optimisers and, for a part of a step's batch, its losses. The
loop does what is the same for all: learning rate, accumulation, backward, clipping, update, log, checkpoint, progress,
Ctrl-C. Every draw of a task comes from (seed, stream, step), so that a run which goes on from a checkpoint has the
losses of one that was never cut off: on a processor to the last bit, while a GPU adds up in an order that differs from
run to run. Checkpoints lie between steps, never inside an accumulation: a run that is cut off there repeats that step.
"""

import json
import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.amp import GradScaler

from tatslib.config import Config
from tatslib.distributed import any_rank, from_main, is_main, rank, stop_all, sum_over_ranks, together, world_size
from tatslib.errors import UserError
from tatslib.progress import progress
from tatslib.training.checkpoint import newest, restore, save_checkpoint, write_text
from tatslib.training.device import Precision, loss_scaler, use_idle_cores

SMALLEST_SCALE = 2.0**-14  # of float16's losses; at this one a gradient overflows that is beyond all sense
STOPPING = ("SIGINT", "SIGTERM", "SIGUSR1")  # the last is not on every system


class LoopSettings(Config):
    """How long, how often, how far."""

    steps: int = Field(gt=0)  # optimiser updates in all
    batch: int = Field(8, gt=0)  # clips a step, over all its parts and all processes
    accumulate: int = Field(1, ge=1)  # parts that a step's batch is computed in, one after the other
    clip: float | None = Field(1.0, gt=0)  # largest gradient norm (paper A.1: 1 for the VQGAN); None: no limit
    precision: Precision = "float32"
    log_every: int = Field(1, gt=0)  # steps between lines of log.jsonl
    save_every: int = Field(200, gt=0)  # steps between checkpoints; the last step is always saved

    @model_validator(mode="after")
    def _the_parts_are_even(self) -> Self:
        if self.batch % self.accumulate:
            raise ValueError(f"a batch of {self.batch} clips cannot be shared evenly by {self.accumulate} parts")
        return self


@dataclass(frozen=True)
class Share:
    """Which part of a step's batch is computed: every `of`-th clip, from number `index` on.

    Parts come from accumulation and from processes that work side by side, and what a step sees does not depend on
    either.
    """

    index: int = 0
    of: int = 1
    part: int = 0  # of an accumulation; processes that work side by side are at the same one
    last: bool = True  # the update follows


Terms = dict[str, Tensor]  # the summands of a loss, weighted, each a scalar


class Task(Protocol):
    """What a stage brings to the loop."""

    device: torch.device
    models: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]

    def learning_rate(self, step: int) -> float:
        """The learning rate of every optimiser at `step`."""

    def losses(self, step: int, share: Share, metrics: dict[str, Tensor]) -> Iterator[tuple[str, Terms]]:
        """Yield (optimiser name, terms of its loss) in the order of the updates.

        Each is applied, where the update is due, before the next is asked for. What is put into `metrics` (scalars) is
        logged and shown.
        """


class Interrupted(UserError):
    """Ctrl-C, or a machine that goes down: the run was saved; the message says how to go on."""


class NotFinite(UserError):
    """A loss or a gradient became infinite or no number at all."""


def train(task: Task, settings: LoopSettings, run: Path, label: str = "training") -> list[dict[str, float]]:
    """Train `task` in the folder `run` until `settings.steps`, going on from its newest sound checkpoint if it has one.

    A fresh run computes on the idle cores, a resumed one on as many threads as it had, unless the user set a number.
    Where several processes run this, they share each batch, and the first of them logs, shows and saves.

    Returns:
        The log: one dict a logged step, with "step", "loss/<optimiser>" and what the task measured.

    Raises:
        Interrupted: on Ctrl-C, SIGTERM or SIGUSR1 (to any process), after the current step was finished and saved.
        UserError: if a loss is not finite (names step, loss, last good checkpoint), a checkpoint cannot be written, or
            the processes cannot share a batch evenly.
    """
    shares = settings.accumulate * world_size()
    if settings.batch % shares:
        sizes = f"a batch of {settings.batch} clips in {settings.accumulate} parts"
        stop_all(UserError(f"{world_size()} processes cannot share {sizes} evenly: make it a multiple of {shares}."))
    checkpoint = from_main(lambda: newest(run))
    first = checkpoint.step if checkpoint else 0
    scaler = loss_scaler(settings.precision, task.device)
    if checkpoint:
        restore(checkpoint, task.models, task.optimizers)
        if saved := checkpoint.state.get("scaler"):  # there is none of a run that was in other numbers so far
            scaler.load_state_dict(saved)
        if "OMP_NUM_THREADS" not in os.environ:  # sums that are split over other threads differ in the last bit
            torch.set_num_threads(checkpoint.state["threads"])
    else:
        use_idle_cores()
    log = from_main(lambda: keep_log_before(run / "log.jsonl", first))
    for model in task.models.values():
        model.train()

    with (
        stop_requests() as stop,
        progress(label=label, total=settings.steps, initial=first) as bar,
        (run / "log.jsonl").open("a") if is_main() else open(os.devnull, "w") as log_file,
    ):
        for step in range(first, settings.steps):
            started = time.perf_counter()
            metrics = update(task, step, settings, run, scaler)
            done = step + 1
            if done % settings.log_every == 0 or done == settings.steps:
                log.append({"step": done, **metrics, "seconds": round(time.perf_counter() - started, 4)})
                log_file.write(json.dumps(log[-1]) + "\n")
                log_file.flush()
                bar.set_postfix_str(status_line(log[-1]), refresh=False)
            bar.update()
            stopped = any_rank(stop.by is not None)  # all stop after the same step
            if done % settings.save_every == 0 or done == settings.steps or stopped:
                state = {"threads": torch.get_num_threads(), "scaler": scaler.state_dict()}
                save_checkpoint(run, done, task.models, task.optimizers, state)
            if stopped:
                who = stop.by or "a signal to another process"
                sentence = f"Stopped by {who} after step {done} of {settings.steps}; it is saved in {run}."
                stop_all(Interrupted(f"{sentence} Start the same command again to go on from there."))
    return log


def update(task: Task, step: int, settings: LoopSettings, run: Path, scaler: GradScaler) -> dict[str, float]:
    """One step: for every part of the batch each loss in turn, with its own backward, clipping (paper A.1) and update.

    Returns:
        What is logged of the step: means over the parts and all processes.
    """
    rate = task.learning_rate(step)
    parts: list[dict[str, Tensor]] = []
    norms: dict[str, float] = {}
    for part in range(settings.accumulate):
        index, of = part + settings.accumulate * rank(), settings.accumulate * world_size()
        share = Share(index, of, part, last=part == settings.accumulate - 1)
        values: dict[str, Tensor] = {}
        for name, terms in task.losses(step, share, values):
            loss = torch.stack([term.float() for term in terms.values()]).sum()
            detached = {key: term.detach() for key, term in terms.items()}
            values |= {**detached, f"loss/{name}": loss.detach()}
            optimizer = task.optimizers[name]
            if part == 0:
                optimizer.zero_grad(set_to_none=True)
            scaler.scale(loss / settings.accumulate).backward()
            if share.last:
                scaler.unscale_(optimizer)
                norm = float(clip_gradients(optimizer, settings.clip))
                if math.isfinite(norm):  # float16 leaves out a step whose gradient overflowed, and scales less
                    norms[f"gradient/{name}"] = norm
                refuse_nonsense(detached, norm if not scaler.is_enabled() else 0.0, name, step, run)
                set_rate(optimizer, rate)
                scaler.step(optimizer)
            else:
                refuse_nonsense(detached, 0.0, name, step, run)
        parts.append(mean_of_processes(values))
    scaler.update()
    refuse_lost_scale(scaler, step, run)
    means = {key: sum(float(part[key]) for part in parts) / len(parts) for key in parts[0]}
    return {"learning_rate": rate, **means, **norms}


def mean_of_processes(values: Terms) -> Terms:
    """Each value's mean over all processes, so that all see the same and decide alike."""
    if not together():
        return values
    mean = torch.stack([value.detach().float() for value in values.values()])
    sum_over_ranks(mean)
    return dict(zip(values, mean / world_size(), strict=True))


def clip_gradients(optimizer: torch.optim.Optimizer, limit: float | None) -> Tensor:
    """Shorten the joint gradient of all that `optimizer` updates to `limit`; return its norm before."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    norm = nn.utils.clip_grad_norm_(parameters, limit or math.inf)
    return norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # of the slices of all processes


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of the coming update."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def refuse_nonsense(terms: Terms, norm: float, name: str, step: int, run: Path) -> None:
    """Stop before an update with a number that is none.

    Raises:
        NotFinite: names the step, the first term that is not finite (or the gradient) and the last good checkpoint.
    """
    terms = mean_of_processes(terms)
    numbers = dict(zip(terms, torch.stack([term.float() for term in terms.values()]).tolist(), strict=True))
    numbers["the norm of the gradient"] = norm
    wrong = next((key for key, value in numbers.items() if not math.isfinite(value)), None)
    if wrong is None:
        return
    complaint = NotFinite(
        f"In the loss of the {name}, {wrong.replace('_', ' ')} became {numbers[wrong]} at step {step + 1}; "
        f"{last_good(run)}. "
        "A lower learning rate, or clipping if it is off, may carry a run over this point."
    )
    stop_all(complaint)


def refuse_lost_scale(scaler: GradScaler, step: int, run: Path) -> None:
    """Stop a float16 training whose gradient overflows at every scale: each update would be left out, without end.

    Raises:
        NotFinite: names the step and the last good checkpoint.
    """
    if scaler.is_enabled() and scaler.get_scale() < SMALLEST_SCALE:
        stop_all(
            NotFinite(
                f"In float16 the gradient overflowed again and again, up to step {step + 1}, where the loss is scaled "
                f"by {scaler.get_scale():.1e}; {last_good(run)}. Train in float32 or bfloat16, in another folder."
            )
        )


def last_good(run: Path) -> str:
    """Words that say which checkpoint a run can be taken up from."""
    last = newest(run)
    return f"the last good checkpoint is {last.folder}" if last else "nothing had been saved yet"


def cosine(step: int, steps: int, peak: float, warmup: int) -> float:
    """Linear warm-up to `peak`, then half a cosine down to zero."""
    if step < warmup:
        return peak * (step + 1) / warmup
    progress_made = (step - warmup) / max(1, steps - warmup)
    return peak * 0.5 * (1 + math.cos(math.pi * progress_made))


def linear_tail(step: int, steps: int, peak: float, tail: float) -> float:
    """Constant `peak`, then a straight line towards zero over the last share `tail` of all steps."""
    remaining = (steps - step) / steps
    return peak * min(1.0, remaining / tail) if tail > 0 else peak


def status_line(entry: dict[str, float]) -> str:
    """The numbers of one step, always in the same columns."""
    losses = {name.removeprefix("loss/"): value for name, value in entry.items() if name.startswith("loss/")}
    numbers = [f"{name} {value:8.4f}" for name, value in losses.items()]
    return "  ".join([*numbers, f"lr {entry['learning_rate']:.1e}", f"{1000 * entry['seconds']:5.0f} ms"])


def keep_log_before(path: Path, step: int) -> list[dict[str, float]]:
    """Drop log lines that a lost stretch left behind (after the checkpoint that we go on from); return the rest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file():
        return []
    entries: list[dict[str, Any]] = []
    for line in path.read_text().splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:  # the line that was being written when the run died
            break
        if entry["step"] > step:
            break
        entries.append(entry)
    write_text(path, "".join(json.dumps(entry) + "\n" for entry in entries))
    return entries


@dataclass
class StopRequest:
    """Whether somebody wants the run to stop, and how we know."""

    by: str | None = None


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turn the first Ctrl-C, SIGTERM or SIGUSR1 into a request that the loop honours after the current step.

    SIGUSR1 is what batch systems send some time before they end a job (tools/slurm/train.sbatch).

    A second one stops at once, but not where several processes run: there torchrun passes a Ctrl-C on to processes
    that have already had it from the terminal, and itself ends those that take longer than half a minute.
    """
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield stop
        return

    def handle(number: int, frame: FrameType | None) -> None:
        stop.by = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        if not together():
            signal.signal(number, previous[signal.Signals(number)])

    wanted = [getattr(signal, name) for name in STOPPING if hasattr(signal, name)]
    previous = {number: signal.signal(number, handle) or signal.SIG_DFL for number in wanted}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)

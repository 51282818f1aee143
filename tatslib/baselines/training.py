"""Training an opponent: a generator against a judge of single frames and a judge of motion.

Hinge losses, a penalty on the judges' slope at real frames (R1, Mescheder et al. 2018) every few steps, and a running
mean of the generator's weights, which is what is kept. Each step has its own real clips and its own noise for either
update, all drawn from (seed, stream, step), so a run resumes exactly.

Letters: B clips, C channels, T H W frames, n frames of each clip that are made and judged.
"""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from tatslib.baselines.generator import Luck, VideoGenerator
from tatslib.baselines.judges import Judges, JudgesConfig
from tatslib.config import Config
from tatslib.distributed import stop_all, together
from tatslib.errors import UserError
from tatslib.metrics.features import RandomFeatures, clip_features
from tatslib.metrics.frechet import frechet_distance
from tatslib.randomness import torch_generator
from tatslib.training.checkpoint import save_model
from tatslib.training.claim import claim_run
from tatslib.training.loop import LoopSettings, Share, Terms, linear_tail, train
from tatslib.training.train_vqgan import Clips
from tatslib.videos import to_model
from tatslib.vqgan.losses import generator_loss, hinge

Generator = TypeVar("Generator", bound=nn.Module)


class BaselineTraining(LoopSettings):
    """How an opponent is trained."""

    learning_rate: float = Field(1e-3, gt=0)
    betas: tuple[float, float] = (0.0, 0.99)  # Adam, of both sides
    decay_tail: float = Field(0.3, ge=0, le=1)  # share of the steps over which the rate falls to zero
    clip: float | None = None
    judge_width: int = Field(32, ge=1)
    penalty: float = Field(0.5, ge=0)  # gamma of R1
    penalty_every: int = Field(4, ge=1)  # steps between two penalties, each of which counts so many times
    average: float = Field(0.99, ge=0, lt=1)  # how much of the running mean of the weights stays in a step
    seed: int = 0


class Draws(NamedTuple):
    """What one update draws for its share of the clips."""

    luck: Luck
    times: Tensor  # int64 (B, n)
    chosen: Tensor  # int64 (B,), which of the n frames the judge of single frames sees


class BaselineTask:
    """The generator's turn, then the judges'."""

    def __init__(self, generator: nn.Module, training: BaselineTraining, data: Clips, device: torch.device):
        self.training, self.data, self.device = training, data, device
        self.generator = generator.to(device)
        self.average = deepcopy(self.generator).requires_grad_(False)
        self.judges = Judges(judges_of(cast(VideoGenerator, generator), training), training.seed).to(device)
        self.models: dict[str, nn.Module] = {
            "generator": self.generator,
            "average": self.average,
            "judges": self.judges,
        }
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.Adam(self.models[name].parameters(), betas=training.betas)
            for name in ("generator", "judges")
        }

    def learning_rate(self, step: int) -> float:
        """Constant, then a straight line to zero."""
        return linear_tail(step, self.training.steps, self.training.learning_rate, self.training.decay_tail)

    def losses(self, step: int, share: Share, metrics: dict[str, Tensor]) -> Iterator[tuple[str, Terms]]:
        """Both judges' logits of made frames, raised; then hinge losses of either judge, now and then with R1."""
        clips, labels = self.data.clips(step, self.training.batch // share.of, rank=share.index, world_size=share.of)
        labels = labels.to(self.device)
        drawn = self.draws(step, share, "generator")
        self.judges.requires_grad_(False)  # their own turn comes after the generator's
        made = self.generator(drawn.luck, labels, drawn.times)  # (B, C, n, H, W)
        verdicts = self.judges(made, labels, drawn.times, drawn.chosen)
        yield "generator", {f"{name}_gan": generator_loss(logits) for name, logits in verdicts.items()}

        self.judges.requires_grad_(True)
        if share.last:
            self.follow()
        drawn = self.draws(step, share, "judges")
        with torch.no_grad():
            made = self.generator(drawn.luck, labels, drawn.times)
        rows = torch.arange(len(clips))[:, None]
        real = to_model(clips[rows, drawn.times.cpu()]).to(self.device)  # (B, C, n, H, W)
        yield "judges", self.judges_terms(real, made, labels, drawn, step, metrics)

    def judges_terms(
        self, real: Tensor, made: Tensor, labels: Tensor, drawn: Draws, step: int, metrics: dict[str, Tensor]
    ) -> Terms:
        """Tell real frames from made ones; `metrics` gets the share that either judge has right."""
        options = self.training
        penalised = options.penalty > 0 and step % options.penalty_every == 0
        real.requires_grad_(penalised)
        truth = self.judges(real, labels, drawn.times, drawn.chosen)
        verdicts = self.judges(made, labels, drawn.times, drawn.chosen)
        terms: Terms = {}
        for name, logits in truth.items():
            terms[f"{name}_judge"] = hinge(logits, verdicts[name])
            metrics[f"{name}_right"] = torch.cat([logits > 0, verdicts[name] < 0]).float().mean()
        if penalised:
            logit = torch.stack(list(truth.values())).sum()
            (slope,) = torch.autograd.grad(logit, real, create_graph=True)  # (B, C, n, H, W)
            steepness = slope.square().sum((1, 2, 3, 4)).mean()
            terms["penalty"] = options.penalty * options.penalty_every / 2 * steepness
        return terms

    def draws(self, step: int, share: Share, purpose: str) -> Draws:
        """Drawn for the whole batch of the step, of which this is a share."""
        generator, count = torch_generator(self.training.seed, f"baselines/{purpose}", step), self.training.batch
        model = cast(VideoGenerator, self.generator)
        luck, times = model.luck(count, generator), model.times(count, generator)
        chosen = torch.randint(times.shape[1], (count,), generator=generator)
        mine = slice(share.index, None, share.of)
        return Draws(luck.rows(mine).to(self.device), times[mine].to(self.device), chosen[mine].to(self.device))

    @torch.no_grad()
    def follow(self) -> None:
        """Draw the running mean of the weights towards the weights."""
        for mean, weight in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            mean.lerp_(weight, 1 - self.training.average)


def judges_of(generator: VideoGenerator, training: BaselineTraining) -> JudgesConfig:
    """The judges that belong to a generator."""
    shape = generator.config
    return JudgesConfig(
        motion=generator.judged_by,
        frames=generator.frames_judged,
        clip_frames=shape.frames,
        resolution=shape.resolution,
        classes=shape.classes,
        channels=shape.channels,
        width=training.judge_width,
    )


def train_baseline(
    generator: Generator,
    training: BaselineTraining,
    data: Clips,
    run: Path,
    device: torch.device | str = "cpu",
    label: str = "baseline",
) -> Generator:
    """Train (or go on training) a generator in the folder `run`; the mean of its weights lies there in the end.

    Args:
        generator: an `ImplicitGenerator` or a `RecurrentGenerator`, with its initial weights.
        training: how.
        data: real clips of the generator's length and resolution, with their classes.
        run: the folder.
        device: where to compute.
        label: what the progress bar says.

    Returns:
        The running mean of the generator, in evaluation mode.

    Raises:
        UserError: if several processes would train together, if `run` holds another run, and as `training.loop.train`
            does (a loss that is not finite, an interruption).
    """
    if together():
        stop_all(UserError("The baselines train in one process: start them without torchrun."))
    config = cast(Config, generator.config)
    claim_run(run, config, training)
    task = BaselineTask(generator, training, data, torch.device(device))
    train(task, training, run, label=label)
    save_model(run, task.average, config)
    return cast(Generator, task.average.eval())


def evaluate_baseline(generator: VideoGenerator, data: Clips, batches: int = 8, batch: int = 48) -> dict[str, float]:
    """How far made clips are from held-out ones.

    Returns:
        "frechet": Fréchet distance in the 16 dimensions of random features, which the real clips set the scale of,
            between as many clips of either kind and of the same classes; "frechet_real": the same between two sets of
            real clips; "clips": how many there are in a set.
    """
    sets = [[data.clips(step, batch) for step in range(first, first + batches)] for first in (0, batches)]
    (real, labels), (other, _) = ((torch.cat(part) for part in zip(*clips, strict=True)) for clips in sets)
    made = generator.sample(len(real), real.shape[1], seed=0, labels=labels)
    network = RandomFeatures().fit(real.numpy())
    features = [clip_features(network, clips) for clips in (real.numpy(), made, other.numpy())]
    distances = [frechet_distance(features[0], other) for other in features[1:]]
    return {"frechet": distances[0], "frechet_real": distances[1], "clips": float(len(real))}

"""Training the toy classifier that stands where the paper has a C3D network trained on UCF-101 (3.1, 3.3)."""

from collections.abc import Iterator
from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from tatslib.metrics.features import ClassifierConfig, ClipClassifier, classify
from tatslib.training.checkpoint import save_model
from tatslib.training.claim import claim_run
from tatslib.training.device import Precision, autocast
from tatslib.training.loop import LoopSettings, Share, Terms, cosine, train
from tatslib.training.parallel import gradients_travel, replicate
from tatslib.training.train_vqgan import Clips
from tatslib.videos import to_model


class ClassifierTraining(LoopSettings):
    """How the classifier is trained."""

    steps: int = Field(200, gt=0)
    batch: int = Field(32, gt=0)
    learning_rate: float = Field(2e-3, gt=0)
    seed: int = 0
    precision: Precision = "auto"


class ClassifierTask:
    """Cross-entropy on random clips."""

    def __init__(self, config: ClassifierConfig, training: ClassifierTraining, data: Clips, device: torch.device):
        self.training, self.data, self.device = training, data, device
        self.classifier = ClipClassifier(config, seed=training.seed).to(device)
        self.replica = replicate(self.classifier)
        self.models: dict[str, nn.Module] = {"classifier": self.classifier}
        adam = torch.optim.Adam(self.classifier.parameters())
        self.optimizers: dict[str, torch.optim.Optimizer] = {"classifier": adam}

    def learning_rate(self, step: int) -> float:
        """Half a cosine."""
        return cosine(step, self.training.steps, self.training.learning_rate, warmup=10)

    def losses(self, step: int, share: Share, metrics: dict[str, Tensor]) -> Iterator[tuple[str, Terms]]:
        """The share of the clips of `step`."""
        clips, labels = self.data.clips(step, self.training.batch // share.of, rank=share.index, world_size=share.of)
        with autocast(self.training.precision, self.device), gradients_travel(self.replica, share.last):
            logits = self.replica(to_model(clips).to(self.device))
        yield "classifier", {"cross_entropy": F.cross_entropy(logits.float(), labels.to(self.device))}


def train_classifier(
    config: ClassifierConfig, training: ClassifierTraining, data: Clips, run: Path, device: torch.device | str = "cpu"
) -> ClipClassifier:
    """Train (or go on training) a classifier in the folder `run`; it lies there as safetensors + JSON in the end."""
    claim_run(run, config, training)
    task = ClassifierTask(config, training, data, torch.device(device))
    train(task, training, run, label="classifier")
    save_model(run, task.classifier, config)
    return task.classifier.eval()


def evaluate_classifier(classifier: ClipClassifier, data: Clips, batches: int = 8, batch: int = 64) -> float:
    """Share of held-out clips that are named correctly."""
    classifier.eval()
    right = total = 0
    for step in range(batches):
        clips, labels = data.clips(step, batch)
        right += int((classify(classifier, clips.numpy()) == labels).sum())
        total += len(labels)
    return right / total

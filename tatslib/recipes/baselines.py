"""Recipes of the opponents: generators without tokens, trained on the clips that tokenizers learn from (paper 3.3)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tatslib.baselines.implicit import ImplicitConfig, ImplicitGenerator
from tatslib.baselines.recurrent import RecurrentConfig, RecurrentGenerator
from tatslib.baselines.training import BaselineTraining, evaluate_baseline, train_baseline
from tatslib.recipes.kinds import Log, Recipe, Videos, read_log
from tatslib.training.checkpoint import load_model, read_config
from tatslib.training.device import default_device
from tatslib.training.presets import Preset

TRAINING = {  # three to four minutes each on one core at toy scale
    "implicit": BaselineTraining(steps=1200, batch=16, learning_rate=2e-3, penalty=0.5, log_every=5),
    "recurrent": BaselineTraining(steps=900, batch=12, learning_rate=1.5e-3, penalty=1.0, log_every=5),
}


@dataclass(frozen=True)
class TrainedBaseline:
    """A finished opponent, its training log and how far its clips are from held-out ones (Fréchet distances)."""

    folder: Path
    model: ImplicitGenerator | RecurrentGenerator  # on the CPU, in evaluation mode
    training: BaselineTraining
    log: Log
    scores: dict[str, float]


class BaselineRecipe(Recipe):
    """Train a generator on the clips of a world, told their class where there are classes."""

    videos: str
    model: ImplicitConfig | RecurrentConfig  # its number of classes comes from the videos
    training: BaselineTraining

    @property
    def needs(self) -> tuple[str, ...]:
        """The videos."""
        return (self.videos,)

    def build(self, folder: Path, needs: dict[str, Any]) -> dict[str, float]:
        """Train on the train split, measure on the test split."""
        videos: Videos = needs[self.videos]
        size = {"length": self.model.frames, "resolution": self.model.resolution}
        train, test = videos.dataset("train", **size), videos.dataset("test", **size)
        config = self.model.replace(classes=max(1, len(train.classes)))
        generator = new_generator(config, self.seed)
        trained = train_baseline(generator, self.training, train, folder, default_device(), folder.name)
        return evaluate_baseline(trained, test)

    def load(self, folder: Path, scores: dict[str, float]) -> TrainedBaseline:
        """The generator in evaluation mode."""
        model = new_generator(read_config(folder, type(self.model)))
        load_model(folder, model)
        return TrainedBaseline(folder, model, self.training, read_log(folder), scores)


def new_generator(config: ImplicitConfig | RecurrentConfig, seed: int = 0) -> ImplicitGenerator | RecurrentGenerator:
    """The generator of a config, with its initial weights."""
    return ImplicitGenerator(config, seed) if isinstance(config, ImplicitConfig) else RecurrentGenerator(config, seed)


def baseline_recipes(preset: Preset, seed: int) -> dict[str, Recipe]:
    """`actions/implicit`, `actions/recurrent`, and of two worlds without classes: clips as the tokenizer sees them."""
    size = {"resolution": preset.vqgan.resolution, "frames": preset.vqgan.frames}
    models = {"implicit": ImplicitConfig(**size), "recurrent": RecurrentConfig(**size)}
    return {
        f"{world}/{name}": BaselineRecipe(
            videos=f"{world}/videos",
            model=model,
            training=TRAINING[name].replace(seed=seed),
            seed=seed,
        )
        for world in ("actions", "sky", "taichi")
        for name, model in models.items()
    }

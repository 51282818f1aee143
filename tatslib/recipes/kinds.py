"""The kinds of artefacts: what each recipe needs, how it is built, and what loading it gives."""

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from tatslib.config import Config
from tatslib.datasets.audioset_drum import audioset_drum
from tatslib.datasets.clips import ClipDataset
from tatslib.datasets.mugen import mugen
from tatslib.datasets.sky_timelapse import sky_timelapse
from tatslib.datasets.taichi import taichi as taichi_hd
from tatslib.datasets.tokens import TokenClips, TokenIndex
from tatslib.datasets.ucf101 import ucf101
from tatslib.metrics.features import ClassifierConfig, ClipClassifier
from tatslib.training.checkpoint import load_model, read_config
from tatslib.training.device import default_device
from tatslib.training.presets import WorldSettings
from tatslib.training.train_classifier import ClassifierTraining, evaluate_classifier, train_classifier
from tatslib.training.train_transformer import (
    TransformerTraining,
    evaluate_transformer,
    gpt_config,
    tokenize,
    train_transformer,
)
from tatslib.training.train_vqgan import VQGANTraining, evaluate_vqgan, train_vqgan
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig
from tatslib.worlds import actions, drums, platform_files, sky, taichi

Log = list[dict[str, float]]
Split = Literal["train", "test"]
World = Literal["actions", "sky", "taichi", "drums", "platform"]
READERS: dict[World, Callable[..., ClipDataset]] = {  # of the data set that each world stands for
    "actions": ucf101,
    "sky": sky_timelapse,
    "taichi": taichi_hd,
    "drums": audioset_drum,
    "platform": mugen,
}


@dataclass(frozen=True)
class Videos:
    """A world written as real video files, in the layout of the data set that it stands for."""

    folder: Path
    world: World
    seed: int

    def dataset(self, split: Split = "train", **options: Any) -> ClipDataset:
        """Clips of a split; `options` are those of the data set's reader: length, stride, resolution, position, ..."""
        return READERS[self.world](self.folder, split=split, seed=self.seed, **options)


@dataclass(frozen=True)
class TrainedVQGAN:
    """A finished first stage, its training log and what was measured on held-out clips (PSNR in dB, used codes)."""

    folder: Path
    model: VQGAN  # on the CPU, in evaluation mode
    training: VQGANTraining
    log: Log
    scores: dict[str, float]


@dataclass(frozen=True)
class Tokens:
    """Tokenised clips of the train and the test split."""

    folder: Path
    train: TokenClips
    test: TokenClips


@dataclass(frozen=True)
class TrainedTransformer:
    """A finished second stage, its training log and what was measured on held-out tokens (nats a token)."""

    folder: Path
    model: GPT  # on the CPU, in evaluation mode
    training: TransformerTraining
    log: Log
    scores: dict[str, float]


@dataclass(frozen=True)
class TrainedClassifier:
    """A finished classifier and the share of held-out clips that it names correctly."""

    folder: Path
    model: ClipClassifier  # on the CPU, in evaluation mode
    scores: dict[str, float]


class Recipe(Config, ABC):
    """How one artefact is made. Subclasses say what they need, how they build and how they load."""

    seed: int = 0

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the recipes that must be built before."""
        return ()

    @abstractmethod
    def build(self, folder: Path, needs: dict[str, Any]) -> dict[str, float]:
        """Make the artefact in `folder` (going on with what lies there); return what was measured on it."""

    @abstractmethod
    def load(self, folder: Path, scores: dict[str, float]) -> Any:
        """Read the finished artefact."""


class VideosRecipe(Recipe):
    """Write a world as encoded files."""

    world: World
    drawing: int  # version of the world's formulas: other formulas are other videos
    settings: WorldSettings = WorldSettings()

    def build(self, folder: Path, needs: dict[str, Any]) -> dict[str, float]:
        """Render and encode; all over again if it was cut off, which takes seconds."""
        shutil.rmtree(folder, ignore_errors=True)
        options = self.settings
        place = {"size": options.size, "seed": self.seed}
        if self.world == "actions":
            trembling = {"jitter": options.jitter, "texture": options.texture}
            actions.write(folder, groups=options.groups, **place, **trembling)  # type: ignore[arg-type]
        elif self.world == "sky":
            sky.write(folder, train=options.skies, test=max(8, options.skies // 6), **place)
        else:
            {"taichi": taichi, "drums": drums, "platform": platform_files}[self.world].write(folder, **place)
        return {"files": sum(path.is_file() for path in folder.rglob("*.*"))}

    def load(self, folder: Path, scores: dict[str, float]) -> Videos:
        """The folder and its reader."""
        return Videos(folder, self.world, self.seed)


class VQGANRecipe(Recipe):
    """Train a tokenizer on the clips of a world, from nothing or from the weights of another one."""

    videos: str
    model: VQGANConfig
    training: VQGANTraining
    start: str | None = None  # another such recipe

    @property
    def needs(self) -> tuple[str, ...]:
        """The videos, and what is gone on from."""
        return (self.videos, self.start) if self.start else (self.videos,)

    def build(self, folder: Path, needs: dict[str, Any]) -> dict[str, float]:
        """Train on the train split, measure on the test split."""
        videos = needs[self.videos]
        train, test = clips_for(self.model, videos, "train"), clips_for(self.model, videos, "test")
        start = needs[self.start].model if self.start else None
        vqgan = train_vqgan(self.model, self.training, train, folder, default_device(), folder.name, start)
        return evaluate_vqgan(vqgan, test)

    def load(self, folder: Path, scores: dict[str, float]) -> TrainedVQGAN:
        """The model in evaluation mode."""
        model = VQGAN(read_config(folder, VQGANConfig, expected=self.model))
        load_model(folder, model)
        return TrainedVQGAN(folder, model, self.training, read_log(folder), scores)


class TokensRecipe(Recipe):
    """Encode clips of both splits with a tokenizer."""

    videos: str
    vqgan: str
    train_clips: int
    test_clips: int

    @property
    def needs(self) -> tuple[str, ...]:
        """The videos and the tokenizer."""
        return (self.videos, self.vqgan)

    def build(self, folder: Path, needs: dict[str, Any]) -> dict[str, float]:
        """Tokenise; all over again if it was cut off, which takes seconds."""
        vqgan = needs[self.vqgan].model
        counts: dict[Split, int] = {"train": self.train_clips, "test": self.test_clips}
        for split, count in counts.items():
            clips = self.clips(vqgan.config, needs[self.videos], split)
            tokenize(vqgan.to(default_device()), clips, count, classes=clips.classes).write(folder / split)
        return {"train_clips": self.train_clips, "test_clips": self.test_clips}

    def clips(self, config: VQGANConfig, videos: Videos, split: Split) -> ClipDataset:
        """The clips to encode."""
        return clips_for(config, videos, split, margins=config.margins)

    def load(self, folder: Path, scores: dict[str, float]) -> Tokens:
        """Both token sets."""
        return Tokens(folder, TokenClips.read(folder / "train", self.seed), TokenClips.read(folder / "test", self.seed))


class TransformerRecipe(Recipe):
    """Train an autoregressive transformer on tokens, conditioned on the class where the data have classes."""

    tokens: str
    layers: int
    heads: int
    width: int
    training: TransformerTraining
    kind: ClassVar[type[GPTConfig]] = GPTConfig

    @property
    def needs(self) -> tuple[str, ...]:
        """The tokens."""
        return (self.tokens,)

    def build(self, folder: Path, needs: dict[str, Any]) -> dict[str, float]:
        """Train on the train split, measure on the test split."""
        tokens: Tokens = needs[self.tokens]
        train, test = self.clips(tokens.train), self.clips(tokens.test)
        config = self.shape(train.index)
        gpt = train_transformer(config, self.training, train, folder, device=default_device(), label=folder.name)
        return {"nll": self.measure(gpt, test)}

    def clips(self, tokens: TokenClips) -> TokenClips:
        """What of a token set it trains on or is measured on."""
        return tokens

    def shape(self, index: TokenIndex) -> GPTConfig:
        """The transformer for these clips."""
        return gpt_config(index, self.layers, self.heads, self.width)

    def measure(self, gpt: GPT, held_out: TokenClips) -> float:
        """Nats a token."""
        return evaluate_transformer(gpt, held_out)

    def load(self, folder: Path, scores: dict[str, float]) -> TrainedTransformer:
        """The model in evaluation mode."""
        model = GPT(read_config(folder, self.kind))
        load_model(folder, model)
        return TrainedTransformer(folder, model, self.training, read_log(folder), scores)


class ClassifierRecipe(Recipe):
    """Train a classifier on the clips of a world with classes."""

    videos: str
    frames: int
    resolution: int
    training: ClassifierTraining

    @property
    def needs(self) -> tuple[str, ...]:
        """The videos."""
        return (self.videos,)

    def build(self, folder: Path, needs: dict[str, Any]) -> dict[str, float]:
        """Train on the train split, measure on the test split."""
        options = {"length": self.frames, "resolution": self.resolution}
        train, test = (needs[self.videos].dataset(split, **options) for split in ("train", "test"))
        config = ClassifierConfig(classes=train.classes, frames=self.frames, resolution=self.resolution)
        classifier = train_classifier(config, self.training, train, folder, default_device())
        return {"accuracy": evaluate_classifier(classifier, test)}

    def load(self, folder: Path, scores: dict[str, float]) -> TrainedClassifier:
        """The model in evaluation mode."""
        model = ClipClassifier(read_config(folder, ClassifierConfig))
        load_model(folder, model)
        return TrainedClassifier(folder, model, scores)


def clips_for(config: VQGANConfig, videos: Videos, split: Split, margins: tuple[int, int] | None = None) -> ClipDataset:
    """Clips as a VQGAN takes them: its frames plus the real frames around them that `valid` padding asks for."""
    margins = config.forward_margins if margins is None else margins
    return videos.dataset(split, length=config.frames + sum(margins), resolution=config.resolution)


def read_log(folder: Path) -> Log:
    """The training log of a run."""
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]

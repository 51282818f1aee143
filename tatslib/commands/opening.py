"""What several commands open: clips of a data set, a trained VQGAN."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from tatslib.datasets.audioset_drum import audioset_drum
from tatslib.datasets.clips import ClipDataset
from tatslib.datasets.mugen import mugen
from tatslib.datasets.sky_timelapse import sky_timelapse
from tatslib.datasets.taichi import taichi
from tatslib.datasets.ucf101 import ucf101
from tatslib.training.checkpoint import load_model, read_config
from tatslib.training.device import default_device
from tatslib.vqgan.sound import SoundVQGANConfig
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig

DataSet = Literal["ucf101", "sky", "taichi", "drums", "mugen"]
READERS: dict[str, Callable[..., ClipDataset]] = {
    "ucf101": ucf101,
    "sky": sky_timelapse,
    "taichi": taichi,
    "drums": audioset_drum,
    "mugen": mugen,
}

Split = Literal["train", "val", "test"]  # "val" is MUGEN's alone; the readers of the others refuse it


def open_clips(
    dataset: DataSet,
    folder: Path,
    split: Split,
    config: VQGANConfig,
    margins: tuple[int, int],
    frames: int | None = None,
    stride: int | None = None,
    **telling: str,
) -> ClipDataset:
    """Clips of a real or toy data set as a VQGAN takes them, with the real frames around that `valid` asks for.

    They have as many frames as the VQGAN was trained on, unless `frames` says how many, and lie as far apart as the
    data set's reader has it (4 for taichi, otherwise 1), unless `stride` says how far. `telling` are options of the
    reader: how text or sound beside the clips is made.
    """
    options: dict[str, Any] = telling if stride is None else {"stride": stride, **telling}
    length = (frames or config.frames) + sum(margins)
    return READERS[dataset](folder, split=split, length=length, resolution=config.resolution, **options)


def load_vqgan(folder: Path) -> VQGAN:
    """A trained VQGAN in evaluation mode, where there is a GPU on it."""
    model = VQGAN(read_config(folder, VQGANConfig))
    load_model(folder, model)
    return model.to(default_device())


def load_sound_vqgan(folder: Path) -> VQGAN:
    """A trained VQ-VAE of sound in evaluation mode, where there is a GPU on it."""
    model = VQGAN(read_config(folder, SoundVQGANConfig))
    load_model(folder, model)
    return model.to(default_device())

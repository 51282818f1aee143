"""Commands about data: `tats data`."""

from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from tatslib.commands.opening import DataSet
from tatslib.commands.tree import data
from tatslib.datasets.check import check
from tatslib.errors import UserError
from tatslib.files import refusals_in_words, replacing
from tatslib.training.device import available_cores
from tatslib.viz.lengths import draw_lengths
from tatslib.worlds import actions, drums, platform_files, sky, taichi

World = Literal["actions", "sky", "taichi", "drums", "platform"]
WORLDS = {"actions": actions, "sky": sky, "taichi": taichi, "drums": drums, "platform": platform_files}


@data.command(name="make")
def data_make(world: Positional[World], out: Path, seed: int = 0, size: int = 64) -> None:
    """Write a procedural world as real video files in the layout of the data set that it stands for.

    Args:
        world: actions stands for UCF-101, sky for Sky Time-lapse, taichi for Taichi-HD, drums for AudioSet-Drum,
            platform for MUGEN.
        out: folder to write to.
        seed: which videos.
        size: height of the videos in pixels.
    """
    WORLDS[world].write(out, seed=seed, size=size)
    print(f"wrote the {world} world to {out}")


@data.command(name="check")
def data_check(
    folder: Positional[Path],
    dataset: DataSet | None = None,
    length: int = 16,
    stride: int | None = None,
    fold: Literal[1, 2, 3] | None = None,
    quick: bool = False,
    figure: Path | None = None,
) -> None:
    """Say what a folder of videos holds, what is missing or damaged, and how many clips it gives.

    Args:
        folder: of a data set, real or toy.
        dataset: whose layout it has; absent, it is recognised.
        length: frames of a clip.
        stride: distance between two of them; absent, as the paper has it: 4 for Taichi-HD, else 1.
        fold: which of UCF-101's three folds of lists says what the splits are; absent, the first.
        quick: believe what files announce, instead of decoding them to their end.
        figure: file to draw the lengths of the videos to, as Fig. 15 and 16 of the paper: .png, .svg or .pdf.
    """
    if length < 1 or (stride is not None and stride < 1):
        raise UserError(f"length and stride start at 1, got {length} and {stride}.")
    if figure is not None and figure.suffix not in (".png", ".svg", ".pdf"):
        raise UserError(f"{figure} cannot be drawn: use .png, .svg or .pdf.")
    report = check(folder, dataset, fold=fold, quick=quick, workers=available_cores())
    print(report.describe(length, stride))
    if figure is not None:
        stride = report.layout.stride if stride is None else stride
        spans = {f"{length} frames at stride {stride}": (length - 1) * stride + 1}
        drawn = draw_lengths({split: report.frames(split) for split in report.videos}, report.class_means(), spans)
        with refusals_in_words(figure), replacing(figure) as temporary:
            drawn.savefig(temporary, facecolor="white", dpi=150)
        print(f"drew the lengths to {figure}")

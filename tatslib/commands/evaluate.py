"""`tats evaluate`."""

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from tatslib.commands.opening import READERS, DataSet, Split
from tatslib.commands.tree import app
from tatslib.datasets.check import LAYOUTS, detect
from tatslib.datasets.clips import ClipDataset
from tatslib.distributed import first_on_each_machine, from_main, is_main, process_group
from tatslib.errors import UserError
from tatslib.evaluation import long as long_videos
from tatslib.evaluation.evaluate import Evaluation, evaluate
from tatslib.evaluation.long_folder import LongEvaluation, check_long, evaluate_long
from tatslib.evaluation.networks import Extractor, open_network, open_perceptual
from tatslib.evaluation.protocol import DISTANCES, LONG, PAPER_FRAME, REPEATS, Settings
from tatslib.evaluation.report import as_json, report
from tatslib.evaluation.videos_folder import VideosFolder, find_videos
from tatslib.files import refusals_in_words, replacing
from tatslib.home import home
from tatslib.training.checkpoint import write_text
from tatslib.training.device import available_cores
from tatslib.viz.differences import draw_differences, save_on_white

PAPER_RESOLUTION = 128  # of all data sets whose FVD is reported (3.1)


@app.command(name="evaluate")
def evaluate_command(
    videos: Positional[Path],
    against: Path,
    metric: Annotated[tuple[str, ...], arg(metavar="{fvd,kvd,is,motion,colour,ssim,psnr} ...")] = (),
    dataset: DataSet | Literal["folder"] | None = None,
    split: Split = "train",
    features: str = "i3d",
    classifier: str | None = None,
    weights: Path | None = None,
    clips: int | None = None,
    frames: int = 16,
    stride: int | None = None,
    resolution: int | None = None,
    antialias: bool = True,
    repeats: int = REPEATS,
    seed: int = 0,
    frame: int = PAPER_FRAME,
    long: int | None = None,
    perceptual: str | None = None,
    cache: Path | None = None,
    out: Path | None = None,
) -> None:
    """Measure a folder of videos, whoever made them, against real ones: FVD, KVD, IS, motion, colour, SSIM, PSNR.

    Each number comes with its protocol. Features are kept: the same command goes on after a stop. On several GPUs or
    machines: `torchrun --nproc-per-node gpu -m tatslib.cli evaluate ...`.

    Args:
        videos: folder of video files or of folders of frames; of each the first frames are taken.
        against: a data set's folder, or another folder of videos.
        metric: one or several of fvd, kvd, is, motion, colour, ssim, psnr; absent, fvd and kvd. The last two compare
            each video with the real one of its name.
        dataset: whose layout `against` has; absent, it is recognised, and without any it is a folder of videos.
        split: which part of a data set; val, too, of mugen.
        features: for fvd and kvd: i3d, c3d, random, or the folder of a classifier.
        classifier: for is: c3d, or the folder of a classifier; absent, the features if they are one, else c3d.
        weights: the file of I3D's weights; absent, it is looked for under TATS_HOME, then in the folder TATS_MIRROR
            names, then fetched.
        clips: how many on either side; absent, as many as there are videos, up to the paper's 2,048 (10,000 for is).
            With --long, real clips only. No real clip is taken twice: where there are fewer, all are taken.
        frames: of a clip.
        stride: between two frames of a real clip; absent, as the paper has it: 4 for Taichi-HD, else 1.
        resolution: height and width of the clips; absent, that of the classifier, else 128.
        antialias: no-antialias is how the released code makes real clips smaller.
        repeats: how often clips are drawn.
        seed: of the draws.
        frame: at which ssim and psnr are taken, counted from 1.
        long: frames of long videos, a multiple of `frames`: instead of the above, quality window by window, CCS and ICS
            (with a classifier), repetition, colours, jumps, first against last frame.
        perceptual: with --long, LPIPS of first and last frame: vgg16 (looked for as I3D's weights are), or the file of
            a released VQGAN, which has it.
        cache: folder for features; absent, features under TATS_HOME.
        out: file to write the numbers and the protocol to, as JSON. With --long, a picture beside it shows where the
            last frame and that 24 before it differ (Fig. 17): numbers.json has numbers-differences.png.
    """
    for name, value in {"frames": frames, "stride": stride, "resolution": resolution}.items():
        if value is not None and value < 1:
            raise UserError(f"--{name} starts at 1, got {value}.")
    if long is not None and metric:
        raise UserError("--long has measures of its own: leave out either --metric or --long.")
    if long is None and perceptual is not None:
        raise UserError("--perceptual is for LPIPS of the first and the last frame of long videos: add --long.")
    if out is not None:
        check_out(out)
    metrics = metric or (DISTANCES if long is None else ())
    settings = Settings(metrics=metrics, clips=clips, repeats=repeats, seed=seed, frame=frame, long=long)
    with process_group():
        with first_on_each_machine():  # which downloads for the others
            networks = open_networks(settings, features, classifier, weights, perceptual)
        own = (network.resolution for network in networks.values() if network.resolution is not None)
        side = next(own, PAPER_RESOLUTION) if resolution is None else resolution
        if long is None:
            for network in networks.values():
                network.check(frames, side)
        else:
            check_long(long, frames, side, networks)
        shape: dict[str, Any] = {"length": frames, "resolution": side, "antialias": antialias}
        generated = from_main(lambda: VideosFolder(videos, **{**shape, "length": frames if long is None else long}))
        with first_on_each_machine():  # which decodes the videos for the others
            real, layout = open_real(against, dataset, split, stride, {**shape, "seed": seed})
        named = (against.resolve().name, layout, None if layout == "folder" else split)
        measure = evaluate if long is None else evaluate_long
        found = measure(generated, real, named, settings, networks, cache or home() / "features")
        if is_main():
            show(found, out)


def open_networks(
    settings: Settings, features: str, classifier: str | None, weights: Path | None, perceptual: str | None
) -> dict[str, Extractor]:
    """What looks at the clips of a run, by purpose: "features", "classifier", "perceptual"; those that it needs."""
    networks: dict[str, Extractor] = {}
    long = settings.long is not None
    if long or set(settings.metrics) & set(DISTANCES):
        networks["features"] = open_network(features, weights)
    sees_classes = long and networks["features"].classifies
    if "is" in settings.metrics or (long and classifier) or sees_classes:
        name = classifier or (features if features not in ("i3d", "random") else "c3d")
        same = networks.get("features") if name == features else None
        networks["classifier"] = same or open_network(name)
    if perceptual is not None:
        networks["perceptual"] = open_perceptual(perceptual)
    return networks


def open_real(
    folder: Path, dataset: str | None, split: str, stride: int | None, options: dict[str, Any]
) -> tuple[ClipDataset, str]:
    """Clips of what is held against, and whose layout it has.

    Raises:
        UserError: if there is nothing, or a plain folder holds a video that cannot be used.
    """
    layout = dataset or _recognised(folder)
    options["workers"] = available_cores()
    if layout != "folder":
        usual = LAYOUTS[layout].stride
        return READERS[layout](folder, split=split, stride=usual if stride is None else stride, **options), layout
    real = ClipDataset(find_videos(folder), stride=1 if stride is None else stride, **options)
    if real.skipped:
        raise UserError(f"{next(iter(real.skipped.values())).removesuffix('.')}: take it out of {folder}, or mend it.")
    return real, layout


def check_out(out: Path) -> None:
    """Refuse, before hours of work, a file that could not be written after them.

    Raises:
        UserError: if it is a folder, or lies where no file can be.
    """
    if out.is_dir():
        raise UserError(f"--out {out} is a folder: name a file in it, such as {out / 'numbers.json'}.")
    there = next(folder for folder in out.absolute().parents if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        reason = "nothing may be written there" if there.is_dir() else "which is no folder"
        raise UserError(f"--out {out} cannot be written: it would lie in {there}, {reason}; choose another place.")


def show(evaluation: Evaluation, out: Path | None) -> None:
    """Print what was measured, and write it to a file."""
    print(report(evaluation))
    if out is not None:
        with refusals_in_words(out):
            # what is not a number stands as null already: NaN and Infinity would be no JSON
            content = json.dumps(as_json(evaluation), indent=2, allow_nan=False)
            write_text(out, content + "\n")
        print(f"\nwrote the numbers and the protocol to {out}")
        if isinstance(evaluation, LongEvaluation):
            draw(evaluation, out.with_name(f"{out.stem}-differences.png"))


def draw(evaluation: LongEvaluation, picture: Path) -> None:
    """Draw the mean map of differences to a file, over the videos that all repeats take together."""
    last = evaluation.protocol.settings.long
    assert last is not None
    first = last - long_videos.APART
    protocol = evaluation.protocol
    drawn = draw_differences(evaluation.difference, first, last, evaluation.videos, protocol.generated.name)
    with refusals_in_words(picture), replacing(picture) as temporary:
        save_on_white(drawn, temporary, protocol.of(LONG))
    print(f"drew where frames {first:,} and {last:,} differ to {picture}")


def _recognised(folder: Path) -> str:
    """The layout of a data set, or "folder" if it has none."""
    try:
        return detect(folder)
    except UserError:
        return "folder"

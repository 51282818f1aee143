"""What a folder of videos holds: `tats data check`.

The folder's layout tells which data set it is. Every video that a split should have is looked at, in the end as the
readers look at it: is it there, can it be decoded to its end, has it the frames that it announces, does what belongs
to it (a spectrogram, a text) fit. What is wrong is said in one line each; so is what the readers bridge, frames that
are missing inside a folder of them.
"""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from statistics import median_low

import numpy as np

from tatslib.datasets.audioset_drum import check_sound, drum_pairs
from tatslib.datasets.frame_cache import count_frames
from tatslib.datasets.game_log import read_game_log
from tatslib.datasets.layout import contents
from tatslib.datasets.mugen import Entry, check_story, mugen_entries, mugen_splits, name_repeats
from tatslib.datasets.sky_timelapse import sky_videos
from tatslib.datasets.sound_cache import read_pickled
from tatslib.datasets.taichi import SIGNS, STRIDE, VIDEO_SUFFIXES, taichi_videos
from tatslib.datasets.ucf101 import ucf101_videos
from tatslib.errors import UserError, did_you_mean, one_line
from tatslib.progress import progress
from tatslib.videos import claimed_frames, frame_paths, iter_frames

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Listed:
    """A video that a split should have."""

    path: Path
    label: str = ""  # its class, "" where there are none
    beside: Path | None = None  # a file that belongs to it


@dataclass(frozen=True)
class Found:
    """What was found where a video should be."""

    path: Path
    label: str
    frames: int  # 0 where there is a problem
    problem: str = ""
    remark: str = ""  # what is missing though the video is good


@dataclass(frozen=True)
class Layout:
    """How a data set lies on disk.

    `signs` are patterns of which one must be found in its folder, `listing` names the videos of a split (and raises a
    `UserError` if the split is not there), `measure` returns the frames of one video (and raises one if it is no good);
    its second argument asks to believe what a file announces. `note` says what the official data set has, `splits`
    which of its splits a folder should have, `once` whether a video that is listed again is left out, `folds` whether
    `listing` takes a fold as its third argument.
    """

    name: str
    signs: tuple[str, ...]
    listing: Callable[..., list[Listed]]
    measure: Callable[[Listed, bool], int]
    note: str
    stride: int = 1
    splits: Callable[[Path], Sequence[str]] = lambda root: SPLITS
    once: bool = False
    folds: bool = False


# --------------------------------------------------------------------------------------------------------- the layouts
def measure_video(video: Listed, quick: bool = False) -> int:
    """Frames of a video: decoded and counted, or announced and only the first of them decoded."""
    if not quick:
        return count_frames(video.path)
    next(iter_frames(video.path), None)
    if not (announced := claimed_frames(video.path)):
        raise UserError(f"{video.path} announces no frames: they have to be counted.")
    return announced


def _measure_drums(video: Listed, quick: bool = False) -> int:
    frames = measure_video(video, quick)
    assert video.beside is not None
    claimed = claimed_frames(video.path) or frames
    check_sound(video.beside, len(read_pickled(video.beside)), video.path, claimed)
    return frames


@dataclass(frozen=True)
class ListedGame(Listed):
    """A video of a game and what its list says about it."""

    entry: Entry = field(kw_only=True)


def _measure_game(video: Listed, quick: bool = False) -> int:
    assert isinstance(video, ListedGame)
    if video.entry.problem:
        raise UserError(video.entry.problem)
    frames = measure_video(video, quick)
    check_story(video.entry, read_game_log(video.entry.log), claimed_frames(video.path) or frames)
    return frames


def missing_frames(folder: Path) -> str:
    """A sentence about frames that are missing inside the numbering of a folder of them; "" if none is, or for a file.

    Readers take the frames that exist. Numbers may start anywhere, and lie as far apart as most of them do.
    """
    if not folder.is_dir():
        return ""
    numbered = {int(found[-1]): path for path in frame_paths(folder) if (found := re.findall(r"\d+", path.stem))}
    numbers = sorted(numbered)
    distances = [after - before for before, after in pairwise(numbers)]
    if not distances or max(distances) < 2 * (usual := median_low(distances)):
        return ""
    missing = sum(distance // usual - 1 for distance in distances)
    before = next(number for number, distance in zip(numbers, distances, strict=False) if distance >= 2 * usual)
    first = re.sub(r"\d+(?=\D*$)", lambda found: f"{before + usual:0{len(found[0])}}", numbered[before].stem)
    are = "1 frame is" if missing == 1 else f"{missing:,} frames are"
    return f"{folder}: {are} missing inside the numbering (first: {first}{numbered[before].suffix})."


def _list_ucf101(root: Path, split: str, fold: int = 1) -> list[Listed]:
    videos, labels, classes = ucf101_videos(root, split, fold)
    return [Listed(video, classes[label]) for video, label in zip(videos, labels, strict=True)]


LAYOUTS = {  # in the order in which they are looked for
    "ucf101": Layout(
        "UCF-101", ("ucfTrainTestlist", "../ucfTrainTestlist"), _list_ucf101, measure_video,
        "13,320 videos of 101 classes, 9,537 of them in the train split of fold 1", folds=True,
    ),
    "sky": Layout(
        "Sky Time-lapse", ("sky_train", "sky_test", "sky_timelapse"),
        lambda root, split: [Listed(path) for path in sky_videos(root, split)], measure_video,
        "2,647 videos",
    ),
    "drums": Layout(
        "AudioSet-Drum", ("stft/*", "video/*", "train/stft_pickle", "train/mp4", "test/mp4", "AudioSet_Dataset"),
        lambda root, split: [Listed(video, beside=sound) for video, sound in drum_pairs(root, split)], _measure_drums,
        "6,000 and 1,000 videos of 90 frames",
    ),
    "mugen": Layout(
        "MUGEN", ("coinrun_dataset_jsons", "release/*.json", "train.json", "test.json", "train/*.json", "test/*.json"),
        lambda root, split: [ListedGame(entry.video, entry=entry) for entry in mugen_entries(root, split)],
        _measure_game, "104,796 and 11,802 videos of 96 to 602 frames", splits=mugen_splits, once=True,
    ),
    "taichi": Layout(
        "Taichi-HD", SIGNS,
        lambda root, split: [Listed(path) for path in taichi_videos(root, split)], measure_video,
        "2,668 videos", STRIDE,
    ),
}  # fmt: skip


def detect(root: Path) -> str:
    """Which data set lies in a folder, by its layout.

    Raises:
        UserError: if it is none that is known.
    """
    if (name := _recognised(root)) is not None:
        return name
    looked = "; ".join(f"{name}: {' or '.join(layout.signs)}" for name, layout in LAYOUTS.items())
    raise UserError(f"No data set's layout is found there ({looked}); {contents(root)}{_advice(root)}.")


def _recognised(root: Path) -> str | None:
    for name, layout in LAYOUTS.items():
        if root.is_dir() and any(any(root.glob(sign)) for sign in layout.signs):
            return name
    return None


def _advice(root: Path) -> str:
    """What to do about a folder that looks like a data set and is none, to end a sentence; "" if it does not."""
    folders = [root / split for split in SPLITS]
    for folder in folders:
        if classes := sorted({video.parent.name for video in _videos_in(folder, "*/*")}):
            more = ", ..." if len(classes) > 1 else ""
            return (
                f"; {folder} holds folders of classes ({classes[0]}{more}), as the released code wants UCF-101, and "
                "here its lists decide: put the classes of train and test into one folder UCF-101 and ucfTrainTestlist "
                "beside it"
            )
    if (above := _recognised(root.resolve().parent)) is not None:
        return f"; the folder above has that of {LAYOUTS[above].name}: name it"
    for folder in folders:
        if _videos_in(folder, "*"):
            return f"; {folder} holds videos: say --dataset taichi if they are Taichi-HD's under other names"
    return ""


def _videos_in(folder: Path, pattern: str) -> list[Path]:
    return [path for path in folder.glob(pattern) if path.suffix.lower() in VIDEO_SUFFIXES]


# ----------------------------------------------------------------------------------------------------------- the check
@dataclass(frozen=True)
class Report:
    """What was found in each split, and the sentence about a split that is not there at all."""

    root: Path
    dataset: str
    videos: dict[str, list[Found]]
    absent: dict[str, str]
    quick: bool
    fold: int | None = None  # that was asked for

    @property
    def layout(self) -> Layout:
        """Of the data set."""
        return LAYOUTS[self.dataset]

    @property
    def problems(self) -> list[str]:
        """One line each: absent splits, then videos."""
        bad = [video.problem for split in self.videos.values() for video in split if video.problem]
        return [*self.absent.values(), *bad]

    @property
    def remarks(self) -> list[str]:
        """One line each: good videos from which something is missing that the readers bridge."""
        return [video.remark for split in self.videos.values() for video in split if video.remark]

    def frames(self, split: str) -> list[int]:
        """Lengths of the good videos of a split."""
        return [video.frames for video in self.videos[split] if not video.problem]

    def class_means(self) -> dict[str, float]:
        """Mean number of frames of each class over all splits, as Fig. 16; empty where there are no classes."""
        lengths: dict[str, list[int]] = {}
        for video in (video for split in self.videos.values() for video in split):
            if video.label and not video.problem:
                lengths.setdefault(video.label, []).append(video.frames)
        return {label: float(np.mean(lengths[label])) for label in sorted(lengths)}

    def describe(self, length: int = 16, stride: int | None = None) -> str:
        """The report in words: what is there, what is missing, how many clips of a length each split gives."""
        stride = self.layout.stride if stride is None else stride
        span = (length - 1) * stride + 1
        fold = "" if self.fold is None else f", fold {self.fold}"
        lines = [
            f"{one_line(str(self.root))} has the layout of {self.layout.name}{fold} (official: {self.layout.note})"
        ]
        for split, videos in self.videos.items():
            frames = self.frames(split)
            lines.append(f"{split}: {len(videos):,} videos, {len(frames):,} good, {len(videos) - len(frames):,} not")
            if frames:
                usable, clips = clips_of(frames, length, stride)
                lines.append(
                    f"  frames {'announced' if self.quick else 'counted'}: {min(frames):,} to {max(frames):,}, "
                    f"median {np.median(frames):,.0f}, {sum(frames):,} in all"
                )
                lines.append(
                    f"  clips of {length} frames at stride {stride} span {span}: {usable:,} videos are long enough "
                    f"({usable / len(frames):.0%}), {clips:,} different clips"
                )
        return "\n".join([*lines, *(f"! {line}" for line in (*self.problems, *self.remarks))])


def clips_of(frames: Sequence[int], length: int, stride: int) -> tuple[int, int]:
    """How many videos are long enough for a clip, and how many different clips they hold."""
    span = (length - 1) * stride + 1
    windows = [count - span + 1 for count in frames if count >= span]
    return len(windows), sum(windows)


def share_at_least(frames: Sequence[int], lengths: Sequence[int]) -> list[float]:
    """The share of videos that have at least so many frames, for each of `lengths`: Fig. 15."""
    ordered = np.sort(frames)
    return [float(len(ordered) - np.searchsorted(ordered, length)) / len(ordered) for length in lengths]


def check(
    root: str | Path, dataset: str | None = None, *, fold: int | None = None, quick: bool = False, workers: int = 1
) -> Report:
    """Look at every video of every split of a data set.

    Args:
        root: its folder.
        dataset: one of LAYOUTS; None goes by the layout.
        fold: which of UCF-101's three folds of lists; None is the first.
        quick: believe how many frames a file announces and decode the first one only.
        workers: threads that decode.

    Raises:
        UserError: if the folder has no known layout, or no split is there, or a fold is asked for where there is none.
    """
    root = Path(root)
    dataset = detect(root) if dataset is None else dataset
    if dataset not in LAYOUTS:
        near = did_you_mean(dataset, list(LAYOUTS))
        raise UserError(f"There is no data set {dataset!r}{near}. Known: {', '.join(LAYOUTS)}.")
    layout = LAYOUTS[dataset]
    if fold is not None and not layout.folds:
        raise UserError(
            f"Folds are lists of UCF-101, and {root} has the layout of {layout.name}: leave fold {fold} out."
        )
    which = () if fold is None else (fold,)
    listed: dict[str, list[Listed]] = {}
    absent: dict[str, str] = {}
    for split in layout.splits(root):
        try:
            listed[split] = layout.listing(root, split, *which)
        except UserError as error:
            absent[split] = str(error)
    if not listed:
        raise UserError(next(iter(absent.values())))

    def look(video: Listed) -> Found:
        try:
            frames = layout.measure(video, quick)
            return Found(video.path, video.label, frames, remark=one_line(missing_frames(video.path)))
        except (UserError, OSError) as error:
            return Found(video.path, video.label, 0, one_line(str(error)))

    every = [video for videos in listed.values() for video in videos]
    pool = ThreadPoolExecutor(workers)
    try:
        found = list(progress(pool.map(look, every), f"checking {layout.name}", total=len(every), unit="video"))
    finally:  # Ctrl-C must not wait for thousands of videos still in the queue
        pool.shutdown(cancel_futures=True)
    parts = iter(found)
    videos = {split: [next(parts) for _ in listing] for split, listing in listed.items()}
    if layout.once:
        videos = {split: _counted_once(found) for split, found in videos.items()}
    return Report(root, dataset, videos, absent, quick, fold)


def _counted_once(found: list[Found]) -> list[Found]:
    problems = name_repeats([video.path for video in found], [video.problem for video in found])
    return [
        replace(video, frames=0 if problem else video.frames, problem=problem)
        for video, problem in zip(found, problems, strict=True)
    ]

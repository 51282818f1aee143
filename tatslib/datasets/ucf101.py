"""UCF-101: 13,320 videos of 101 actions (paper B.1), read as the official archives unpack; also the actions world."""

from pathlib import Path
from typing import Any, Literal

from tatslib.datasets.clips import ClipDataset
from tatslib.datasets.layout import contents, find_folder
from tatslib.errors import UserError


def ucf101(
    root: str | Path, split: Literal["train", "test"] = "train", fold: Literal[1, 2, 3] = 1, **options: Any
) -> ClipDataset:
    """Clips of one split of UCF-101, labelled by the official class numbers (from 0 on).

    The released code takes the classes from folder names and leaves splits to the user; here the official lists decide.

    Args:
        root: the folder that holds `UCF-101/<Class>/v_<Class>_gXX_cYY.avi` and `ucfTrainTestlist/`, or the folder
            `UCF-101` itself with the lists beside it or in it.
        split: "train" or "test" (the paper trains on the 9,537 videos of the train split of fold 1).
        fold: which of the three official splits.
        options: of `ClipDataset`: length, stride, resolution, position, seed, antialias, cache, workers.

    Raises:
        UserError: if folders, lists or all videos are missing, or the lists name an unknown class.
    """
    videos, labels, classes = ucf101_videos(Path(root), split, fold)
    if not any(video.exists() for video in videos):
        folder = videos[0].parent.parent
        raise UserError(f"No video of the {split} split is there: looked for {videos[0]}; {contents(folder)}.")
    return ClipDataset(videos, labels, classes, **options)


def ucf101_videos(root: Path, split: str, fold: int = 1) -> tuple[list[Path], list[int], list[str]]:
    """All videos that the official lists name for a split, whether they are there or not, their labels and all classes.

    Raises:
        UserError: if folders or lists are missing, or the lists name an unknown class.
    """
    if split not in ("train", "test") or fold not in (1, 2, 3):
        raise UserError(f'UCF-101 has splits "train" and "test" and folds 1, 2 and 3, got {split!r} and {fold!r}.')
    lists = find_folder(
        [root / "ucfTrainTestlist", root.parent / "ucfTrainTestlist"], "The split lists of UCF-101 (ucfTrainTestlist)"
    )
    videos = find_folder([root / "UCF-101", root] if root.name != "UCF-101" else [root], "The videos of UCF-101")
    official = _classes(lists / "classInd.txt")
    numbers = {name: index for index, name in enumerate(official)}
    source = lists / f"{split}list0{fold}.txt"
    names = []
    for line in _lines(source):
        name, *label = line.split()  # train lists carry a label after the name, test lists do not
        action = name.partition("/")[0]
        if action not in numbers:
            raise UserError(f"{source} lists {name}, but {lists / 'classInd.txt'} knows no such class.")
        if label and label[0] != str(official[action]):
            known = f"{lists / 'classInd.txt'} numbers {action} {official[action]}"
            raise UserError(f"{source} lists {name} as class {label[0][:40]}, but {known}.")
        if ".." in Path(name).parts:
            raise UserError(f"{source} lists {name}, which lies outside {videos}.")
        names.append(name)
    return [videos / name for name in names], [numbers[name.partition("/")[0]] for name in names], list(official)


def _classes(path: Path) -> dict[str, int]:
    """The official number of each class, in the order of the numbers."""
    numbered = [line.split() for line in _lines(path)]
    if any(len(pair) != 2 or not pair[0].isdecimal() or len(pair[0]) > 9 for pair in numbered):
        raise UserError(f"{path} is not a class list: its lines should read like `1 ApplyEyeMakeup`.")
    return {name: int(number) for number, name in sorted(numbered, key=lambda pair: int(pair[0]))}


def _lines(path: Path) -> list[str]:
    """The lines that are not empty; the official lists have Windows line ends."""
    if not path.is_file():
        raise UserError(f"{path} is missing; {contents(path.parent)}.")
    lines = [line.strip() for line in path.read_text("utf-8", errors="replace").splitlines() if line.strip()]
    if not lines:
        raise UserError(f"{path} is empty.")
    return lines

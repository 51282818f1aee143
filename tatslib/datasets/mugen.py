"""MUGEN: 104,796 and 11,802 videos of a platform game with texts (paper B.1); also the platform world.

Two layouts are read. The release's own: `coinrun_dataset_jsons/release/train.json`, and `val.json` and `test.json`
alike, names videos, logs and annotations, which lie in a data folder beside it (`tatslib.worlds.platform_files` lists
what is known of it). And the one that the released code expects: `train/*.json`, a log each. That code paints the
frames of a log itself, with sprites that are not ours to give; here the video of `train/<name>.json` is
`train/<name>.mp4`.

A text says what a clip shows, no more: for any span of frames it is made from the log (`text="auto"`, which the paper
trains on). The released code makes it for length * stride frames from the first one on, up to stride - 1 more than are
shown. A sentence that a person wrote speaks of a whole video, so `text="manual"` takes videos that a clip sees whole,
such as 16 frames at stride 6 of the 96 of a published cut.

Letters: B batch, T frames of a clip.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from tatslib.datasets.clips import LINES_ABOUT_DAMAGE, ClipDataset
from tatslib.datasets.event_cache import EventCache
from tatslib.datasets.frame_cache import FORGIVEN
from tatslib.datasets.game_log import GameLog, read_json
from tatslib.datasets.layout import contents
from tatslib.errors import UserError, one_line
from tatslib.randomness import numpy_generator
from tatslib.videos import claimed_frames
from tatslib.worlds.story import Event, tell

logger = logging.getLogger("tatslib")

SPLITS = ("train", "val", "test")
LISTS = ("coinrun_dataset_jsons/release", "coinrun_dataset_jsons", "release", ".")
DATA = ("coinrun_v2_video_data", "coinrun", ".")
LONGEST_TEXT = 10_000  # letters of an annotation that are kept


@dataclass(frozen=True)
class Entry:
    """A video that a split should have; `problem` says why it cannot be used."""

    video: Path
    log: Path
    frames: int = 0  # as the list says, 0 if it does not
    manual: tuple[str, ...] = ()
    problem: str = ""


class StoryClips(ClipDataset):
    """Clips of video with a text for exactly the frames that each spans.

    Args:
        entries: the videos.
        text: "auto" makes it from the log, for any span; "manual" takes what people wrote about whole videos.
        wording: "plain" says equal things in equal words, "varied" chooses among several, by seed, video and span.
        name: of the one who plays.
        options: of `ClipDataset`.

    Raises:
        UserError: if no video can be used.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        *,
        text: Literal["auto", "manual"] = "auto",
        wording: Literal["plain", "varied"] = "plain",
        name: str = "Mugen",
        **options: Any,
    ) -> None:
        self.text_kind, self.wording, self.name = text, wording, name
        self.stories = EventCache(options.get("cache"))
        self._of: dict[Path, Entry] = {}
        length, stride = options.get("length", 16), options.get("stride", 1)
        bad = self._usable(entries, (length - 1) * stride + 1, stride, options.get("workers", 1))
        named = LINES_ABOUT_DAMAGE if text == "auto" else 1  # that a clip does not show a whole video is no damage
        for sentence in sorted(bad.values())[:named]:
            logger.warning("Skipped: %s", sentence)
        if len(bad) > named:
            logger.warning("Skipped %d more videos without a usable text.", len(bad) - named)
        if not self._of:
            raise UserError(f"None of {len(entries)} videos can be used; the first: {next(iter(bad.values()), 'none')}")
        super().__init__(list(self._of), **options)
        self.skipped |= bad
        usual = {"text": (text, "auto"), "wording": (wording, "plain"), "name": (name, "Mugen")}
        self.told = ", ".join(f"{what} {here}" for what, (here, always) in usual.items() if here != always)

    def clips_with_text(
        self, step: int, batch_size: int, rank: int = 0, world_size: int = 1, seed: int | None = None
    ) -> tuple[Tensor, list[str]]:
        """The same clips as `clips` gives, and what each shows in words.

        Returns:
            uint8 (B, T, H, W, 3) and B texts.
        """
        places = self.places(step, batch_size * world_size, seed)[rank::world_size]
        clips = np.stack([self.clip(video, start) for video, start in places])
        return torch.from_numpy(clips), [self.text(video, start) for video, start in places]

    def text(self, video: int, start: int | None = None) -> str:
        """What the clip from frame `start` of a video on shows; None takes the middle. See `clip`.

        A pure function of the data set's seed, the video and the frame.
        """
        start = (self.frames[video] - self.span) // 2 if start is None else start
        generator = numpy_generator(self.seed, f"datasets/mugen/{video}", start)
        if self.text_kind == "manual":
            manual = self._of[self.paths[video]].manual
            return manual[int(generator.integers(len(manual)))]
        span = range(start, start + self.span)
        return tell(self.events(video), span, self.name, generator if self.wording == "varied" else None)

    def events(self, video: int) -> tuple[Event, ...]:
        """Everything that happens in a video, in the order of time."""
        return _recent(self.stories, self._of[self.paths[video]].log)

    def _usable(self, entries: Sequence[Entry], span: int, stride: int, workers: int) -> dict[Path, str]:
        """Fill `_of`, and return why the other videos cannot be used."""

        def problem(entry: Entry) -> str:
            if entry.problem:
                return entry.problem
            if self.text_kind == "manual":
                return _why_no_manual_text(entry, span, stride)
            try:
                check_story(entry, self.stories.read(entry.log), claimed_frames(entry.video))
            except UserError as error:
                return str(error)
            return ""

        pool = ThreadPoolExecutor(workers)
        try:
            sentences = name_repeats([entry.video for entry in entries], list(pool.map(problem, entries)))
        finally:
            pool.shutdown(cancel_futures=True)
        self._of = {entry.video: entry for entry, wrong in zip(entries, sentences, strict=True) if not wrong}
        bad: dict[Path, str] = {}
        for entry, wrong in zip(entries, sentences, strict=True):
            if wrong:  # what is wrong with one entry of a video that another entry made usable stands beside it
                bad.setdefault(Path(f"{entry.video} (again)") if entry.video in self._of else entry.video, wrong)
        return bad


def name_repeats(videos: Sequence[Path], problems: Sequence[str]) -> list[str]:
    """What is wrong with each entry of a list, where a video counts once: by the first entry with no problem ("")."""
    good: set[Path] = set()
    named = []
    for video, problem in zip(videos, problems, strict=True):
        named.append(problem or (one_line(f"{video} is listed twice.") if video in good else ""))
        good |= set() if problem else {video}
    return named


@lru_cache(maxsize=4096)
def _recent(stories: EventCache, log: Path) -> tuple[Event, ...]:
    return stories.read(log).events


def check_story(entry: Entry, story: GameLog, frames: int = 0) -> None:
    """Refuse an entry whose log is of another length than the video.

    Args:
        entry: with the number of frames that its list gives, if it does.
        story: what its log says.
        frames: of the video itself, as counted or announced; 0 if that is not known.

    Raises:
        UserError: with both numbers.
    """
    for count, source in ((entry.frames, "its list"), (frames, "the video")):
        if count and abs(story.frames - count) > FORGIVEN:
            raise UserError(f"{entry.log} has the story of {story.frames} frames, and {source} has {count}.")


def _why_no_manual_text(entry: Entry, span: int, stride: int) -> str:
    if not entry.manual:
        return one_line(f"{entry.video} has no annotation of a person.")
    if not 0 <= entry.frames - span < stride:
        shown = f"a clip that spans {span} does not show them all"
        return one_line(f"{entry.video} has {entry.frames} frames, and {shown}.")
    return ""


# ---------------------------------------------------------------------------------------------------------- the lists
def mugen(
    root: str | Path,
    split: Literal["train", "val", "test"] = "train",
    *,
    text: Literal["auto", "manual"] = "auto",
    wording: Literal["plain", "varied"] = "plain",
    **options: Any,
) -> StoryClips:
    """Clips of one split of MUGEN with a text each.

    Args:
        root: the folder that holds `coinrun_dataset_jsons` and the data folder, or `train` and `test` with logs.
        split: "train", "test", or "val", which the release has and the paper does not speak of.
        text: see `StoryClips`.
        wording: see `StoryClips`.
        options: of `ClipDataset`: length, stride, resolution, position, seed, antialias, cache, workers; and `name`.

    Raises:
        UserError: if the list is missing or damaged, or nothing in it can be used.
    """
    if text not in ("auto", "manual") or wording not in ("plain", "varied"):
        raise UserError(f'text is "auto" or "manual" and wording "plain" or "varied", got {text!r} and {wording!r}.')
    return StoryClips(mugen_entries(Path(root), split), text=text, wording=wording, **options)


def mugen_entries(root: Path, split: str) -> list[Entry]:
    """All videos of a split, whether they are there or not; what is wrong with an entry is said in it.

    Raises:
        UserError: if there is no list, or it holds no entry.
    """
    if split not in SPLITS:
        raise UserError(f'MUGEN has splits "train", "val" and "test", got {split!r}.')
    if (listed := _list_of(root, split)) is not None:
        return _listed(root, listed)
    if not (logs := _logs_of(root, split)):
        looked = f"{root / LISTS[0] / f'{split}.json'} or {root / split / '*.json'}"
        raise UserError(f"The {split} split of MUGEN not found: looked for {looked}; {contents(root)}.")
    return [Entry(log.with_suffix(".mp4"), log) for log in logs]


def mugen_splits(root: Path) -> list[str]:
    """The splits that a folder should have: the paper's two, and "val" between them if something is there of it."""
    return [split for split in SPLITS if split != "val" or _list_of(root, split) or _logs_of(root, split)]


def _list_of(root: Path, split: str) -> Path | None:
    return next((place for name in LISTS if (place := root / name / f"{split}.json").is_file()), None)


def _logs_of(root: Path, split: str) -> list[Path]:
    return sorted(path for path in (root / split).glob("*.json") if not path.name.startswith("."))


def _listed(root: Path, path: Path) -> list[Entry]:
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("data"), list) or not content["data"]:
        raise UserError(f"{path} is no list of MUGEN: it has no entries under `data`.")
    folder = _data_folder(root, content.get("metadata"))
    return list(_entries(folder, path, content["data"]))


def _data_folder(root: Path, metadata: object) -> Path:
    """Where the videos lie: in `root`, whatever path of another machine the list names."""
    named = metadata.get("data_folder") if isinstance(metadata, dict) else None
    last = PurePosixPath(named).name if isinstance(named, str) else ""
    places = [*([last] if _harmless(last) else []), *DATA]
    return next(root / place for place in places if (root / place).is_dir() or place == ".")


def _entries(folder: Path, path: Path, data: list[Any]) -> Iterator[Entry]:
    for number, entry in enumerate(data):
        try:
            yield _entry(folder, entry)
        except UserError as error:
            nowhere = Path(f"{path}#{number}")
            yield Entry(nowhere, nowhere, problem=one_line(f"{path}, entry {number}: {error}"))


def _entry(folder: Path, entry: object) -> Entry:
    video = entry.get("video") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(video, dict):
        raise UserError("it has no `video`.")
    log = _inside(folder, video.get("json_file"), "json_file", ".json")
    if "video_file" in video:
        pictures = _inside(folder, video["video_file"], "video_file", ".mp4")
    else:  # the list of whole games names no videos
        pictures = log.parent.parent / "videos" / f"{log.stem}.mp4"
    frames = video.get("num_frames", 0)
    if type(frames) is not int or not 0 <= frames < 10**9:
        raise UserError(f"its num_frames is {str(frames)[:40]!r}.")
    return Entry(pictures, log, frames, tuple(_manual(entry.get("annotations", []))))


def _manual(annotations: object) -> Iterator[str]:
    if not isinstance(annotations, list):
        raise UserError("its annotations are no list.")
    for one in annotations:
        if not isinstance(one, dict) or not isinstance(one.get("text"), str):
            raise UserError("an annotation of it has no text.")
        words = " ".join(one["text"].encode("utf-8", "replace").decode("utf-8")[:LONGEST_TEXT].split())
        if one.get("type") == "manual" and words:
            yield words


def _inside(folder: Path, name: object, what: str, suffix: str) -> Path:
    """A path that a list gives, if it stays within the folder.

    Raises:
        UserError: if it leads out, cannot be a path, or is that of another kind of file.
    """
    if not isinstance(name, str):
        raise UserError(f"its {what} is {str(name)[:40]!r}, no path.")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name[:2]:
        raise UserError(f"its {what} {name[:120]!r} leads out of {folder}.")
    if path.suffix.lower() != suffix or not all(_harmless(part) for part in path.parts):
        raise UserError(f"its {what} {name[:120]!r} is no name of a {suffix} file.")
    return folder / name


def _harmless(part: str) -> bool:
    try:
        return 0 < len(os.fsencode(part)) < 256 and part not in (".", "..") and part.isprintable() and "/" not in part
    except UnicodeEncodeError:
        return False

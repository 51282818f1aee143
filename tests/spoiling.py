"""How a file of a data set is spoilt, and what has to be said of it: the hands of `tests.fuzz_drill`.

Whether something can be noticed at all is decided here by other means than the readers': a video is decoded by a bare
loop, a picture by Pillow, JSON by `json`. Where nobody can know (a video in the place of another one, a last frame that
is not there, a number changed inside an array) nothing has to be said.
"""

import io
import json
import random
import wave
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from PIL import Image

from tatslib.datasets.frame_cache import FORGIVEN

KINDS = ("cut off", "bytes changed", "swapped", "mislabelled", "gone", "hostile name")
KINDS_OF_LISTS = ("wrong entry", "climbing", "odd entry")  # for data sets in which lists or JSON name files

ODD: list[Any] = [None, True, -1, 0, 10**400, 1e308, float("nan"), "", "x", "\ud800\x00", "../x.json", [], {}, [[]]]
NAMES = ["new\nline", "-rf", "\u202emirrored", "\U0001f941 drums", "a" * 200, "%00", "..", "c:\\x", "'; drop", "\udce9"]
OUTSIDE = "outside"  # stands in the names of all that lies outside of the data sets
CLIMBING = [f"../../{OUTSIDE}", f"/../{OUTSIDE}", f"..\\..\\{OUTSIDE}", f"x/../../../{OUTSIDE}", "~/x", "/etc/passwd"]


@dataclass(frozen=True)
class Spoilt:
    """What was spoilt, and which words a line of the reader and one of the check must hold; "" if none has to be."""

    path: Path
    reader: str = ""
    check: str = ""


def content_of(path: Path) -> str:
    """What a file of a data set holds, in a word."""
    by_name = {"classInd.txt": "classes", "trainlist01.txt": "list", "train.json": "games"}
    by_suffix = {".json": "log", ".pickle": "sound", ".jpg": "picture", ".mp4": "video", ".avi": "video"}
    return by_name.get(path.name) or by_suffix[path.suffix]


def other_contents(files: dict[str, Path]) -> dict[str, bytes]:
    """What a file may hold that its name does not say: of each kind in the data sets, and what lies about elsewhere."""
    archive, sound = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("video.mp4", b"\0" * 99)
    with wave.open(sound, "wb") as written:
        written.setparams((1, 2, 8000, 0, "NONE", ""))
        written.writeframes(bytes(4000))
    return {kind: path.read_bytes() for kind, path in files.items()} | {
        "text": b"hello\n",
        "page": b"<!DOCTYPE html><html><body>Quota exceeded</body></html>\n",
        "archive": archive.getvalue(),
        "wave": sound.getvalue(),
        "playlist": f"#EXTM3U\n#EXTINF:1,\n../../../{OUTSIDE}.mp4\n#EXT-X-ENDLIST\n".encode(),
        "joined": f"ffconcat version 1.0\nfile ../../../{OUTSIDE}.mp4\n".encode(),
        "program": f"cos\nsystem\n(S'touch {files['video'].parents[1] / f'{OUTSIDE}-executed'}'\ntR.".encode(),
    }


# ---------------------------------------------------------------------------------------------------- what can be known
def decodable(path: Path) -> int:
    """How many frames of a file a bare loop decodes."""
    count = 0
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            for _ in container.decode(video=0):
                count += 1
    except (av.error.FFmpegError, IndexError):
        pass
    return count


def unreadable(path: Path, frames: int) -> bool:
    """Whether a file of pictures or JSON cannot be read, and one of video not as many frames as it should have."""
    kind = content_of(path)
    try:
        if kind == "video":
            return decodable(path) < frames
        if kind == "picture":
            Image.open(path).convert("RGB")
        elif kind in ("games", "log"):
            json.loads(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return True
    return False


def is_inside(frame: Path) -> bool:
    """Whether a picture has others before and behind it, so many that its absence can be seen in their numbers."""
    names = sorted(path.name for path in frame.parent.glob("*_frames_*.jpg"))
    return len(names) > 3 and frame.name not in (names[0], names[-1])


def names_in(path: Path) -> list[str]:
    """The names of a list of videos or of classes."""
    column = 0 if content_of(path) == "list" else -1
    return [line.split()[column] for line in path.read_text(errors="replace").splitlines() if line.strip()]


# ------------------------------------------------------------------------------------------------------ spoiling a file
def cut_off(path: Path, frames: int, odd: random.Random) -> Spoilt:
    """Keep the beginning of a file."""
    whole, kind = path.read_bytes(), content_of(path)
    before = names_in(path) if kind in ("list", "classes") else []
    path.write_bytes(whole[: odd.randrange(len(whole))])
    named = path.name if kind == "sound" or unreadable(path, frames - FORGIVEN) else ""
    if kind == "list":  # what became of its last name; lines that are not there are missed by nobody
        left = names_in(path)
        named = path.name if not left else left[-1].rstrip("/") if left[-1] not in before else ""
    elif kind == "classes" and set(names_in(path)) != set(before):
        named = path.name
    return Spoilt(path, named, named)


def change_bytes(path: Path, odd: random.Random) -> Spoilt:
    """Overwrite some bytes somewhere."""
    whole = path.read_bytes()
    start = odd.randrange(len(whole))
    path.write_bytes(whole[:start] + odd.randbytes(odd.choice([1, 8, 64])) + whole[start + 8 :])
    named = path.name if unreadable(path, 1) else ""
    return Spoilt(path, named, named)


def swap(path: Path, files: list[Path], odd: random.Random) -> Spoilt:
    """Put the contents of another file of the data set there."""
    source = odd.choice([file for file in files if file != path])
    path.write_bytes(source.read_bytes())
    named = path.name if content_of(source) != content_of(path) else ""
    return Spoilt(path, named, named)


def mislabel(path: Path, contents: dict[str, bytes], odd: random.Random) -> Spoilt:
    """Put there what the name does not say."""
    kind = odd.choice([kind for kind in contents if kind != content_of(path)])
    path.write_bytes(contents[kind])
    # to a decoder a picture is a video of one frame: no damage, but too short for a clip
    return Spoilt(path, path.name, "" if decodable(path) and content_of(path) == "video" else path.name)


def remove(path: Path, is_listed: bool) -> Spoilt:
    """Take a file away; `is_listed` if a list, or a file that belongs to it, says that it should be there."""
    gap = content_of(path) == "picture" and is_inside(path)
    path.unlink()
    named = path.name if is_listed else ""
    return Spoilt(path, named, f"{path.parent}: " if gap else named)


# ------------------------------------------------------------------------------------------------------ spoiling a list
def wrong_entry(path: Path, odd: random.Random) -> Spoilt:
    """Let a list or a log say what is not so."""
    changes = {"list": wrong_line, "classes": wrong_class, "games": wrong_game, "log": wrong_log}
    return changes[content_of(path)](path, odd)


def wrong_line(path: Path, odd: random.Random) -> Spoilt:
    """A class that there is not, a video that is not there, or another number than the class has."""
    lines = path.read_text().splitlines()
    row = odd.randrange(len(lines))
    name, number = lines[row].split()
    folder = name.partition("/")[0]
    choices = [(f"{folder}x/v.avi {number}", path.name), (f"{name} {int(number) + 1}", path.name)]
    lines[row], named = odd.choice([*choices, (f"{folder}/v_absent_g99.avi {number}", "v_absent_g99.avi")])
    path.write_text("\n".join(lines))
    return Spoilt(path, named, named)


def wrong_class(path: Path, odd: random.Random) -> Spoilt:
    """Two classes with each other's numbers, one that is not there, or a line without a number."""
    lines = [line.split() for line in path.read_text().splitlines()]
    one, other = odd.sample(range(len(lines)), 2)
    change = odd.randrange(3)
    if change == 0:
        lines[one][1], lines[other][1] = lines[other][1], lines[one][1]
    elif change == 1:
        lines.pop(one)
    else:
        lines[one] = lines[one][1:]
    path.write_text("\n".join(" ".join(line) for line in lines))
    return Spoilt(path, path.name, path.name)


def wrong_game(path: Path, odd: random.Random) -> Spoilt:
    """An entry that is none, names what is not there or another number of frames, or stands there twice."""
    content = json.loads(path.read_text())
    entry = odd.choice(content["data"])
    video = entry["video"]
    changes: list[tuple[Callable[[], object], str]] = [
        (lambda: video.update(num_frames=video["num_frames"] + odd.choice([-50, 50])), Path(video["json_file"]).name),
        (lambda: video.update(num_frames="many"), path.name),
        (lambda: video.update(video_file="absent/ünï cödé.mp4"), "ünï cödé.mp4"),
        (lambda: video.update(json_file="absent/x.json"), "x.json"),
        (lambda: video.update(video_file=video["json_file"]), path.name),
        (lambda: entry.update(video=None), path.name),
        (lambda: entry.update(annotations="none"), path.name),
        (lambda: content["data"].append(entry), Path(video["video_file"]).name),
        (lambda: content.update(data={}), path.name),
    ]
    change, named = odd.choice(changes)
    change()
    path.write_text(json.dumps(content))
    return Spoilt(path, named, named)


def wrong_log(path: Path, odd: random.Random) -> Spoilt:
    """The log of a shorter game, or one with something impossible in it."""
    content = json.loads(path.read_text())
    frames = content["frames"]
    changes: list[Callable[[], object]] = [
        lambda: frames.__delitem__(slice(odd.randrange(len(frames) - 5), None)),
        lambda: frames.__setitem__(odd.randrange(len(frames)), None),
        lambda: frames[odd.randrange(len(frames))]["agent"].update(x="far"),
        lambda: content.update(maze=5),
        lambda: content.pop("frames"),
    ]
    odd.choice(changes)()
    path.write_text(json.dumps(content))
    return Spoilt(path, path.name, path.name)


def climb(path: Path, odd: random.Random) -> Spoilt:
    """Let a list name a path that leads out of the data set."""
    if content_of(path) == "games":
        content = json.loads(path.read_text())
        key, suffix = odd.choice([("video_file", ".mp4"), ("json_file", ".json")])
        video = odd.choice(content["data"])["video"]
        outside = odd.choice([*CLIMBING, f"{Path(video[key]).parent}/../../../../{OUTSIDE}"])
        video[key] = outside + suffix
        content["metadata"]["data_folder"] = odd.choice(CLIMBING)  # of another machine, always: only its end is taken
        path.write_text(json.dumps(content))
        named = "" if outside == "~/x" else path.name  # no shell reads it, and a folder may be called so
        return Spoilt(path, named or f"x{suffix}", named or f"x{suffix}")
    lines = path.read_text().splitlines()
    row = odd.randrange(len(lines))
    name, number = lines[row].split()
    outside = odd.choice([*CLIMBING, f"{name.partition('/')[0]}/../../../../{OUTSIDE}"])
    lines[row] = f"{outside}.avi {number}"
    path.write_text("\n".join(lines))
    return Spoilt(path, path.name, path.name)


def odd_entry(path: Path, odd: random.Random) -> Spoilt:
    """Change anything anywhere in a list or in JSON; it may be of no use to anybody, so nothing has to be said."""
    if path.suffix == ".json":
        loaded = json.loads(path.read_text())
        for _ in range(odd.randint(1, 3)):
            change_somewhere(loaded, odd, [*ODD, *CLIMBING])
        path.write_text(json.dumps(loaded))
    else:
        lines = path.read_text().splitlines()
        for _ in range(odd.randint(1, 3)):
            row, words = odd.randrange(len(lines)), odd.choice(lines).split() or ["x"]
            name = odd.choice(["", "9" * 5000, *NAMES[:-1], *CLIMBING])
            lines[row] = odd.choice([f"{name} {words[-1]}", f"{words[0]} {name}", name])
        path.write_text("\n".join(lines))
    return Spoilt(path)


def change_somewhere(value: Any, odd: random.Random, choices: list[Any]) -> None:
    """Change or remove one thing somewhere inside what a JSON file holds."""
    while isinstance(value, dict | list) and value:
        key = odd.choice(list(value) if isinstance(value, dict) else list(range(len(value))))
        inner = value[key]
        if not isinstance(inner, dict | list) or not inner or odd.random() < 0.15:
            if odd.random() < 0.2:
                del value[key]
            else:
                value[key] = odd.choice(choices)
            return
        value = inner

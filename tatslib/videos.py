"""Read, write and show videos: the one place that knows codecs, containers and value ranges.

Outside models a video is uint8 (T, H, W, 3), RGB. Inside models it is float32 (..., C, T, H, W) in [-0.5, 0.5], the
range of the released checkpoints. A video on disk is a file (mp4, avi, webm and whatever else the decoder knows; the
content decides, not the suffix) or a folder of images.

Decoding is always sequential, from the first frame on. Containers can be wrong about time: in an AVI with packed
B-frames there are no presentation times at all, and a reader that seeks lands one or more frames away from where it
meant to. Nothing here seeks, and nothing here believes a frame count that it has not counted.
"""

import math
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from tatslib.errors import UserError
from tatslib.files import refusals_in_words, replacing

Video = NDArray[np.uint8]


class DamagedVideo(UserError):
    """A video that could be opened but not decoded to its end."""


IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
LAMBDA_PER_QSCALE = 118  # the MPEG-4 encoder takes its quantiser scale in these units


# ---------------------------------------------------------------------------------------------------------- reading
def iter_frames(path: str | Path) -> Iterator[Video]:
    """Yield the frames of a file or a folder of images one by one, uint8 (H, W, 3), in the order they are shown.

    Raises:
        UserError: if there is no such file or nothing in it is a video stream.
        DamagedVideo: if decoding breaks off; the frames before the damage have been yielded by then.
    """
    path = Path(path)
    if path.is_dir():
        for image in frame_paths(path):
            yield _read_image(image)
    else:
        for frame in _decode(path):
            yield _to_rgb(frame)


def read_frames(path: str | Path, start: int = 0, length: int | None = None, stride: int = 1) -> Video:
    """Frames start, start + stride, start + 2 stride, ... of a video; memory is held for these frames only.

    Args:
        path: a video file or a folder of images.
        start: index of the first frame.
        length: how many frames to return (counted after the stride); None means up to the end.
        stride: distance between two returned frames.

    Returns:
        uint8 (length, H, W, 3).

    Raises:
        UserError: if the video cannot be read or has too few frames.
    """
    path = Path(path)
    stop = None if length is None else start + (length - 1) * stride + 1
    frames: list[Video]
    if path.is_dir():
        frames = [_read_image(image) for image in islice(frame_paths(path), start, stop, stride)]
    else:  # the frames in between are decoded (the codec needs them) but never converted to RGB
        frames = [_to_rgb(frame) for frame in islice(_decode(path), start, stop, stride)]
    if not frames or (length is not None and len(frames) < length):
        wanted = f"{length} frames" if length is not None else "a frame"
        raise UserError(f"{path} has only {len(frames)} of {wanted} from frame {start} on with stride {stride}.")
    return np.stack(frames)


def claimed_frames(path: str | Path) -> int:
    """How many frames the container says it holds, 0 if it does not say; a folder holds as many as it has images.

    Good for noticing that a file was cut off, and for nothing else.
    """
    path = Path(path)
    if path.is_dir():
        return len(frame_paths(path))
    with _open(path) as container:
        stream = container.streams.video[0]
        if stream.frames:
            return int(stream.frames)
        if seconds := _seconds(stream.metadata.get("DURATION")) or Fraction(container.duration or 0, av.time_base):
            return round(seconds * (stream.average_rate or 0))
    return 0


def _seconds(tag: str | None) -> Fraction:
    """Seconds of a tag "00:00:02.600000000": Matroska and WebM keep the length of a stream there, and only there."""
    parts = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", tag or "")
    hours, minutes, seconds = map(Fraction, parts.groups() if parts else (0, 0, 0))
    return hours * 3600 + minutes * 60 + seconds


def frame_paths(folder: Path) -> list[Path]:
    """The images of a folder in numeric order: by the number after the last `_`, else by the last number in the name.

    A gap in the numbering is no error: the frames that exist follow each other. Hidden files are not frames.
    """
    images = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
    if not images:
        raise UserError(f"{folder} holds no frames: no file in it ends in {', '.join(IMAGE_SUFFIXES)}.")
    return sorted(images, key=_frame_number)


def _frame_number(path: Path) -> tuple[float, str]:
    after_underscore = path.stem.rpartition("_")[2]
    numbers = [after_underscore] if after_underscore.isdecimal() else re.findall(r"\d+", path.stem)
    return (float(numbers[-1]) if numbers else math.inf, path.name)


def _read_image(path: Path) -> Video:
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    # Pillow raises an OSError for what is no image or was cut off, and the others for bytes that make no sense
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} cannot be read as an image: {_reason(error)}.") from error


def _open(path: Path) -> av.container.InputContainer:
    if not path.is_file():
        raise UserError(f"{path} does not exist.")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is an empty file (0 bytes).")
    try:
        container = av.open(str(path), metadata_errors="ignore")
    except av.error.FFmpegError as error:
        raise UserError(f"{path} cannot be opened as a video: {_reason(error)}.") from error
    if not container.streams.video:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "no stream at all"
        container.close()
        raise UserError(f"{path} holds no video stream ({kinds}).")
    return container


def _to_rgb(frame: av.VideoFrame) -> Video:
    # one thread: starting several for a small picture took ten times as long as converting it
    return np.asarray(frame.to_ndarray(format="rgb24", threads=1), dtype=np.uint8)


def _decode(path: Path) -> Iterator[av.VideoFrame]:
    """Decoded frames in the order they are shown, not yet converted to RGB, which costs more than the decoding."""
    with _open(path) as container:
        try:
            yield from container.decode(container.streams.video[0])
        except av.error.FFmpegError as error:
            raise DamagedVideo(f"{path} is damaged: decoding broke off ({_reason(error)}).") from error


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.splitlines()[0].rstrip(".").lower()


# ---------------------------------------------------------------------------------------------------------- writing
def write_video(
    path: str | Path,
    frames: Video | Iterable[Video],
    fps: float = 25,
    quality: int | None = None,
    stem: str | None = None,
    first: int = 1,
) -> None:
    """Write a video; the suffix decides how: `.mp4` h264, `.avi` mpeg4, no suffix a folder of JPEG images.

    The frames may come from a generator: they are encoded as they come. The file appears under its name only when it is
    complete.

    Args:
        path: where to write; parents are made, an existing file is replaced, an existing folder is refused.
        frames: uint8 (T, H, W, 3), or anything that yields uint8 (H, W, 3). An mp4 needs even H and W.
        fps: frames a second; a folder has no place for it.
        quality: the codec's own scale. mp4: crf, 0 (best) to 51, default 18. avi: quantiser scale, 1 (best) to 31,
            default 3. Folder: JPEG quality, up to 100 (best), default 95.
        stem: how the images of a folder are called: `<stem>_00000001.jpg`, default `<folder>_frames`.
        first: number of the first image of a folder.

    Raises:
        UserError: for another suffix, no frames, frames of changing or odd size, an existing folder, a full disk.
    """
    path = Path(path)
    check_suffix(path)
    with refusals_in_words(path):
        if path.suffix == ".mp4":
            # without mbtree=0 this encoder's lookahead makes different bytes from the same frames now and then
            options = {"crf": str(18 if quality is None else quality), "preset": "medium", "x264-params": "mbtree=0"}
            _encode(path, frames, fps, "libx264", options, {"movflags": "faststart"})
        elif path.suffix == ".avi":
            scale = (3 if quality is None else quality) * LAMBDA_PER_QSCALE
            _encode(path, frames, fps, "mpeg4", {"flags": "+qscale", "global_quality": str(scale)}, {})
        else:
            _write_folder(path, frames, 95 if quality is None else quality, stem or f"{path.name}_frames", first)


def check_suffix(path: str | Path) -> None:
    """Refuse a name that `write_video` would refuse: to be asked before the frames are made, which may take minutes.

    Raises:
        UserError: for a suffix other than `.mp4`, `.avi` and none.
    """
    if Path(path).suffix not in (".mp4", ".avi", ""):
        raise UserError(f"{path} cannot be written: use .mp4 (h264), .avi (mpeg4) or no suffix (a folder of images).")


def encode_mp4(frames: Video | Iterable[Video], fps: float = 25, crf: int = 23) -> bytes:
    """A video as the bytes of an mp4 that every browser plays (h264, yuv420p, index first): to show, not to store.

    Odd heights and widths are made even by repeating the last row or column: yuv420p stores colour at half size.
    """
    even = (np.pad(f, ((0, f.shape[0] % 2), (0, f.shape[1] % 2), (0, 0)), mode="edge") for f in frames)
    with tempfile.TemporaryDirectory() as folder:  # putting the index first needs a file that can be read back
        path = Path(folder) / "video.mp4"
        write_video(path, even, fps, crf)
        return path.read_bytes()


def _encode(
    path: Path,
    frames: Iterable[Video],
    fps: float,
    codec: str,
    options: dict[str, str],
    container_options: dict[str, str],
) -> None:
    with replacing(path) as temporary, av.open(str(temporary), "w", options=container_options) as container:
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001), options=options)
        assert isinstance(stream, av.VideoStream)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1  # the bytes must not depend on how many cores the machine has
        size = None
        for frame in frames:
            if size is None:
                size = stream.height, stream.width = frame.shape[:2]
                if codec == "libx264" and (size[0] % 2 or size[1] % 2):
                    raise UserError(
                        f"{path} needs an even height and width, got {size[0]}x{size[1]}: crop or pad first."
                    )
            if frame.shape != (*size, 3) or frame.dtype != np.uint8:
                raise UserError(f"{path} needs uint8 frames of shape {(*size, 3)}, got {frame.dtype} {frame.shape}.")
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture))
        if size is None:
            raise UserError(f"{path} was not written: there are no frames.")
        container.mux(stream.encode(None))  # what the encoder still holds back


def _write_folder(path: Path, frames: Iterable[Video], quality: int, stem: str, first: int) -> None:
    if path.exists():
        raise UserError(f"{path} exists already: remove it or write somewhere else.")
    with replacing(path) as temporary:
        temporary.mkdir()
        for number, frame in enumerate(frames, start=first):
            Image.fromarray(frame).save(temporary / f"{stem}_{number:08d}.jpg", quality=quality)
        if not any(temporary.iterdir()):
            raise UserError(f"{path} was not written: there are no frames.")


# --------------------------------------------------------------------------------------------- ranges, sizes, pictures
def to_model(video: Video | Tensor) -> Tensor:
    """uint8 (..., T, H, W, 3) in 0..255 to float32 (..., 3, T, H, W) in [-0.5, 0.5]."""
    frames = torch.as_tensor(video)
    if frames.dtype != torch.uint8 or frames.shape[-1] != 3:
        raise ValueError(f"a video is uint8 (..., T, H, W, 3), got {frames.dtype} {tuple(frames.shape)}")
    return rearrange(frames, "... t h w c -> ... c t h w").float() / 255 - 0.5


def to_uint8(video: Tensor) -> Video:
    """float (..., 3, T, H, W) to uint8 (..., T, H, W, 3); values outside [-0.5, 0.5] are clamped, then rounded."""
    levels = ((video.detach().float().clamp(-0.5, 0.5) + 0.5) * 255).round().to(torch.uint8)
    return rearrange(levels, "... c t h w -> ... t h w c").contiguous().cpu().numpy()


def resize_and_crop(frames: Video | Tensor, size: int, antialias: bool = True) -> Video:
    """Resize the shorter side to `size` and cut the centre square out of the longer one.

    Args:
        frames: uint8 (T, H, W, 3), an array or a tensor. A float tensor is treated the same, without rounding.
        size: height and width of the result.
        antialias: True averages over all pixels that fall into a smaller one. False looks at the nearest four only and
            lets fine texture flicker, as the released preprocessing does (bilinear, `align_corners=False`, longer side
            rounded up).

    Returns:
        An array of the same dtype, (T, size, size, 3).
    """
    video = rearrange(torch.as_tensor(frames), "t h w c -> t c h w")
    height, width = video.shape[-2:]
    if min(height, width) != size:
        scale = size / min(height, width)
        resized = (size, math.ceil(width * scale)) if height < width else (math.ceil(height * scale), size)
        # bytes with antialiasing have a kernel of their own, twenty times as fast; without, we compute as released
        small = video if antialias else video.float()
        small = F.interpolate(small, resized, mode="bilinear", align_corners=False, antialias=antialias)
        video = small if small.dtype == video.dtype else small.round().to(video.dtype)
        height, width = resized
    top, left = (height - size) // 2, (width - size) // 2
    square = video[..., top : top + size, left : left + size]
    return rearrange(square, "t c h w -> t h w c").contiguous().numpy()


def tile(videos: Video | Sequence[Video], columns: int | None = None, gap: int = 2, background: int = 255) -> Video:
    """Videos of equal shape side by side, in reading order, as one video.

    Args:
        videos: uint8 (B, T, H, W, 3), or a list of (T, H, W, 3).
        columns: how many in a row; None makes the picture about square.
        gap: pixels between two videos.
        background: grey level of gaps and of places left over in the last row.

    Returns:
        uint8 (T, H', W', 3).
    """
    shapes = {video.shape for video in videos}
    if len(shapes) != 1:
        raise ValueError(f"only videos of one shape can be tiled, got {sorted(shapes)}")
    columns = columns or math.ceil(math.sqrt(len(videos)))
    rows = math.ceil(len(videos) / columns)
    length, height, width, _ = shapes.pop()
    sheet = np.full(
        (length, rows * (height + gap) - gap, columns * (width + gap) - gap, 3), background, dtype=np.uint8
    )  # (T, H', W', 3)
    for index, video in enumerate(videos):
        top, left = (height + gap) * (index // columns), (width + gap) * (index % columns)
        sheet[:, top : top + height, left : left + width] = video
    return sheet


def contact_sheet(video: Video, columns: int = 8, every: int = 1, gap: int = 2, background: int = 255) -> Video:
    """Every `every`-th frame of uint8 (T, H, W, 3) in reading order, as one picture: uint8 (H', W', 3)."""
    frames = rearrange(video[::every], "t h w c -> t 1 h w c")
    return tile(frames, min(columns, len(frames)), gap, background)[0]

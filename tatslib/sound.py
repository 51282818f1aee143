"""Read and write sound tracks, and the picture of a sound that a model of video can be led by.

A sound is float32 (N,), one channel, in [-1, 1], `RATE` samples a second. Its spectrogram has one small picture for
each frame of the video, 64 frequencies by 16 moments, in [0, 1]: picture f shows what is heard while frame f is shown.

What is known of AudioSet-Drum's spectrograms, and what is our choice. Known from the released code: a file holds one
array with a picture a frame along its first axis; the numbers run from 0 to 1, since they are doubled and lowered by 1;
and a picture of whatever size is brought to 64 x 16 by bilinear interpolation. Which window, sampling rate and scale
of loudness made them is not published. Ours: a Hann window of 256 samples at 24,000 a second (10.7 milliseconds) around
each of 16 evenly spaced moments of a frame, the 64 bands from 94 to 6,000 hertz, and decibels, 0 standing for 60 below
a full-scale tone and for everything softer.

Letters: N samples, T frames, F frequencies, M moments of a frame.
"""

import tempfile
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch.nn import functional as F

from tatslib.errors import UserError
from tatslib.files import refusals_in_words, replacing
from tatslib.videos import Video, write_video

Sound = NDArray[np.float32]
Spectrogram = NDArray[np.float32]

RATE = 24_000  # samples a second: 800 a frame at 30 frames a second, and a rate that AAC knows
BANDS, MOMENTS = 64, 16  # the size to which the released code brings the picture of a frame
WINDOW = 256  # samples
FLOOR = -60.0  # decibels: what is softer counts as silence
LONGEST = 3600.0  # seconds that are read of a track unless told otherwise: days of it would fill the memory


# ---------------------------------------------------------------------------------------------------------- reading
def read_sound(path: str | Path, seconds: float = LONGEST) -> Sound:
    """The first sound track of a file, mixed down to one channel and resampled to `RATE`.

    The sample with index 0 is heard when the first frame of the video is shown.

    Args:
        path: any file that the decoder knows; the content decides, not the suffix.
        seconds: what lies behind is not read.

    Returns:
        float32 (N,) in [-1, 1].

    Raises:
        UserError: if there is no such file, it is none of sound, or its track is damaged or empty.
    """
    path, wanted = Path(path), round(seconds * RATE)
    if not path.is_file():
        raise UserError(f"{path} does not exist, or is a folder, which has no sound.")
    pieces, length = [], 0
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise UserError(f"{path} has no sound track.")
            for piece in _resampled(container, wanted):
                pieces.append(piece)
                length += len(piece)
                if length >= wanted:
                    break
    except UserError:
        raise
    except (av.error.FFmpegError, EOFError, ValueError) as error:  # a ValueError for a track that changes its kind
        text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"The sound track of {path} is damaged ({text.rstrip('.').lower()}).") from error
    if not length:
        raise UserError(f"The sound track of {path} is empty.")
    sound = np.nan_to_num(np.concatenate(pieces)[:wanted], posinf=1, neginf=-1)
    return np.clip(sound, -1, 1).astype(np.float32)


def _resampled(container: av.container.InputContainer, wanted: int) -> Iterator[Sound]:
    """Pieces (N,) of the first sound track, from the start of the video on."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    skip: int | None = None
    for frame in chain(container.decode(container.streams.audio[0]), [None]):  # None: what the resampler holds back
        if frame is not None and skip is None:
            late = float(frame.time or 0.0)
            if late > 0:
                yield np.zeros(min(round(late * RATE), wanted), np.float32)
            skip = max(0, round(-late * RATE))
        for piece in resampler.resample(frame):
            samples = np.asarray(piece.to_ndarray(), np.float32).reshape(-1)
            yield samples[skip:]
            skip = max(0, (skip or 0) - len(samples))


# ---------------------------------------------------------------------------------------------------------- writing
def write_video_with_sound(
    path: str | Path, frames: Video | Iterable[Video], sound: Sound, fps: float, quality: int | None = None
) -> None:
    """Write an mp4 with a sound track: h264 and AAC, the pair that every browser plays.

    Args:
        path: where to write, ending in `.mp4`; see `videos.write_video`.
        frames: uint8 (T, H, W, 3), or anything that yields uint8 (H, W, 3).
        sound: float32 (N,) in [-1, 1]; begins with the first frame.
        fps: frames a second.
        quality: see `videos.write_video`.

    Raises:
        UserError: as `videos.write_video`; for another suffix, or a sound that is none.
    """
    path = Path(path)
    if path.suffix != ".mp4":
        raise UserError(f"{path} cannot be written with sound: only .mp4 files are.")
    if sound.ndim != 1 or sound.dtype != np.float32 or not sound.size or not np.isfinite(sound).all():
        raise UserError(f"{path} needs a sound of finite float32 numbers (N,), got {sound.dtype} {sound.shape}.")
    with refusals_in_words(path), tempfile.TemporaryDirectory() as folder:
        silent = Path(folder) / "silent.mp4"
        write_video(silent, frames, fps, quality)
        with (
            replacing(path) as temporary,
            av.open(str(silent)) as source,
            av.open(str(temporary), "w", options={"movflags": "faststart"}) as target,
        ):
            picture = target.add_stream_from_template(source.streams.video[0])
            track = target.add_stream("aac", rate=RATE, layout="mono")
            track.bit_rate = 96_000
            whole = av.AudioFrame.from_ndarray(np.clip(sound, -1, 1)[None], format="fltp", layout="mono")
            whole.sample_rate, whole.time_base, whole.pts = RATE, Fraction(1, RATE), 0
            target.mux(track.encode(whole))
            target.mux(track.encode(None))
            for packet in source.demux(source.streams.video[0]):
                if packet.dts is not None:  # the last one only says that there are no more
                    packet.stream = picture
                    target.mux(packet)


def encode_mp4_with_sound(frames: Video, sound: Sound, fps: float, crf: int = 23) -> bytes:
    """A video with its sound as the bytes of an mp4, to show; see `videos.encode_mp4` and `write_video_with_sound`."""
    even = (np.pad(f, ((0, f.shape[0] % 2), (0, f.shape[1] % 2), (0, 0)), mode="edge") for f in frames)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        write_video_with_sound(path, even, sound, fps, crf)
        return path.read_bytes()


# ------------------------------------------------------------------------------------------------------ spectrograms
def spectrogram(sound: Sound, frames: int, fps: float) -> Spectrogram:
    """How loud each band is at each moment of each frame of the video that a sound belongs to.

    Args:
        sound: float32 (N,) in [-1, 1]; where it ends before the video does, there is silence.
        frames: T, of the video.
        fps: frames a second.

    Returns:
        float32 (T, 64, 16) in [0, 1]: frames, bands from low to high, moments. The window reaches half of its length
        over the edge of a frame, so that a strike is seen to come up to 5 milliseconds early.
    """
    centres = np.rint((np.arange(frames * MOMENTS) + 0.5) * (RATE / (fps * MOMENTS))).astype(np.int64)
    padded = np.zeros(int(centres[-1]) + WINDOW, np.float32)
    heard = min(len(sound), len(padded) - WINDOW // 2)
    padded[WINDOW // 2 : WINDOW // 2 + heard] = sound[:heard]
    hann = np.hanning(WINDOW + 1)[:-1]
    windows = padded[centres[:, None] + np.arange(WINDOW)] * hann
    loudness = np.abs(np.fft.rfft(windows))[:, 1 : BANDS + 1] / (0.5 * hann.sum())  # 1 is a full-scale tone
    decibels = 20 * np.log10(np.maximum(loudness, 1e-6))
    return rearrange(np.clip(1 - decibels / FLOOR, 0, 1), "(t m) f -> t f m", m=MOMENTS).astype(np.float32)


def as_released(features: NDArray) -> Spectrogram:
    """Spectrograms as the released model takes them: from [0, 1] to [-1, 1], each frame's picture to 64 x 16.

    Args:
        features: any kind of number (T, F, M), one picture a frame.

    Returns:
        float32 (T, 64, 16).
    """
    stretched = torch.as_tensor(features.astype(np.float32)) * 2 - 1
    pictures = rearrange(stretched, "t f m -> t 1 f m")
    resized = F.interpolate(pictures, (BANDS, MOMENTS), mode="bilinear", align_corners=False)
    return rearrange(resized, "t 1 f m -> t f m").numpy()

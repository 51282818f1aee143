"""How fast clips come, beside how fast the decoder alone can be: `tats bench data`.

Four rates, each measured for the same time on the same videos. The first two are frames a second of the bare decoder,
without and with the conversion to RGB: nothing that decodes can be faster. The third decodes each clip's video from its
first frame on, as one would without a cache. The last is what training gets: clips from the cache.
"""

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av

from tatslib.datasets.clips import ClipDataset
from tatslib.videos import iter_frames, read_frames, resize_and_crop


def bench_data(dataset: ClipDataset, seconds: float = 3.0, batch_size: int = 8) -> dict[str, Any]:
    """Measure a data set (whose cache is filled by now), print a table, and end with one JSON line.

    Args:
        dataset: what to draw clips from.
        seconds: time for each of the four measurements.
        batch_size: clips in a batch.

    Returns:
        What the JSON line holds: rates in frames and clips a second, and the protocol.
    """
    places = _endless_places(dataset, batch_size)
    steps = iter(range(10**9))

    def decode_and_cut() -> int:
        video, start = next(places)
        frames = read_frames(dataset.paths[video], start, dataset.length, dataset.stride)
        return len(resize_and_crop(frames, dataset.resolution, dataset.cache.antialias)) // dataset.length

    def whole(decode: Callable[[Path], int]) -> Callable[[], int]:
        return lambda: decode(dataset.paths[next(places)[0]])

    raw = _rate(whole(_decode_only), seconds)
    rgb = _rate(whole(lambda path: sum(1 for _ in iter_frames(path))), seconds)
    sequential = _rate(decode_and_cut, seconds)
    cached = _rate(lambda: len(dataset.clips(next(steps), batch_size)[0]), seconds)
    result = {
        "bench": "data",
        "decoder_frames_per_s": round(raw, 1),
        "decoder_rgb_frames_per_s": round(rgb, 1),
        "sequential_clips_per_s": round(sequential, 1),
        "cached_clips_per_s": round(cached, 1),
        "cached_over_sequential": round(cached / sequential, 1),
        "videos": len(dataset),
        "length": dataset.length,
        "stride": dataset.stride,
        "resolution": dataset.resolution,
        "batch_size": batch_size,
        "seconds_each": seconds,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }
    print(f"decoder alone              {raw:10.0f} frames/s")
    print(f"decoder, converted to RGB  {rgb:10.0f} frames/s")
    print(f"clips, decoding each time  {sequential:10.1f} clips/s  ({dataset.length} frames, stride {dataset.stride})")
    print(f"clips from the cache       {cached:10.1f} clips/s  ({cached / sequential:.0f} times as many)")
    print(json.dumps(result))
    return result


def _endless_places(dataset: ClipDataset, batch_size: int) -> Iterator[tuple[int, int]]:
    """Video and first frame of clip after clip, drawn as `clips` draws them."""
    step = 0
    while True:
        yield from dataset.places(step, batch_size)
        step += 1


def _decode_only(path: Path) -> int:
    """Frames that the decoder gives for a file; a folder of images has no cheaper way than reading them."""
    if path.is_dir():
        return sum(1 for _ in iter_frames(path))
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def _rate(work: Callable[[], int], seconds: float) -> float:
    """Units of work a second; the first call is not counted."""
    work()
    done, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        done += work()
    return done / elapsed

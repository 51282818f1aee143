"""Make the videos of the front page and write down how each was made.

    make_media.py                 sampled videos and the worlds they were learnt from; trains what is missing
    make_media.py --worlds-only   the worlds alone, in seconds

Writes book/_static/media/*.mp4 (each with a PNG of its first frame), the HTML that shows them, and
book/results/front_page.json: for each file what it is, how it was made, its length, size and hash.
"""

import argparse
import hashlib
import json
import os
from html import escape
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from tatslib import recipes
from tatslib.sampling.filters import Filters
from tatslib.sampling.sliding_window import sample
from tatslib.training.presets import current_scale
from tatslib.videos import Video, encode_mp4, to_uint8
from tatslib.viz.markup import enlarge, zoom_for
from tatslib.viz.player import control_bar, video_tag
from tatslib.worlds import actions, sky

ROOT = Path(__file__).resolve().parent.parent
MEDIA = ROOT / "book" / "_static" / "media"
RESULTS = ROOT / "book" / "results" / "front_page.json"
FPS = 15
FRAMES = 1024
SEED = 0
TOP_P = 0.8  # the paper, B.2

Shelf = dict[str, tuple[Video, dict[str, Any]]]


def drawn() -> Shelf:
    """Videos of the two worlds: what the models are trained on, not what they make."""
    shelf: Shelf = {}
    for seed, name in ((3, "JumpingJack"), (2, "SwingingPendulum"), (1, "OrbitingMoon")):
        video = actions.render(seed, range(240), 128, action=name)
        shelf[f"drawn {name}"] = (video, {"made_by": "tatslib.worlds.actions.render", "seed": seed, "action": name})
    for seed in (6, 1, 3):
        video = sky.render(seed, range(240), 128)
        shelf[f"drawn sky {seed}"] = (video, {"made_by": "tatslib.worlds.sky.render", "seed": seed})
    return shelf


def sampled() -> Shelf:
    """One long video of each class, from a model trained on clips of 16 frames; the first seed, not the best."""
    names = ("actions/vqgan-replicate", "actions/gpt-replicate")
    vqgan, gpt = (recipes.get(name) for name in names)
    condition = torch.arange(len(actions.CLASSES))[:, None]
    latent_frames = FRAMES // vqgan.model.config.downsample[0]
    tokens = sample(gpt.model, condition, latent_frames, Filters(top_p=TOP_P), seed=SEED)
    with torch.inference_mode():
        videos = to_uint8(vqgan.model.decode(tokens))
    origin = {
        "made_by": "tatslib.sampling.sliding_window.sample",
        "recipes": [gpt.folder.name, vqgan.folder.name],
        "scale": current_scale(),
        "seed": SEED,
        "top_p": TOP_P,
        "training_clip_frames": vqgan.model.config.frames,
        "cores": os.cpu_count(),
    }
    return {f"sampled {name}": (v, {**origin, "label": name}) for name, v in zip(actions.CLASSES, videos, strict=True)}


def write(shelf: Shelf) -> list[dict[str, Any]]:
    """Write the videos and their first frames; return a record of each."""
    records = []
    for label, (video, origin) in shelf.items():
        name = label.lower().replace(" ", "_")
        length, height, width, _ = video.shape
        larger = enlarge(video, zoom_for(height, width, None))
        content = encode_mp4(larger, FPS, 26)
        (MEDIA / f"{name}.mp4").write_bytes(content)
        Image.fromarray(larger[0]).save(MEDIA / f"{name}.png", optimize=True)
        shape = {"frames": length, "height": height, "width": width, "fps": FPS}
        records.append({"file": f"{name}.mp4", **origin, **shape, "sha256": hashlib.sha256(content).hexdigest()})
    return records


def figure(shelf: Shelf, alt: str, caption: str) -> str:
    """The HTML of a figure on the front page; `alt` says of each video what its label does not."""
    items = []
    for label, (video, _) in shelf.items():
        name = label.lower().replace(" ", "_")
        source = f"_static/media/{name}"
        items.append(f"<div>{video_tag(source + '.mp4', source + '.png', f'{label}: {alt}', video.shape)}</div>")
    longest = max(len(video) for video, _ in shelf.values())
    return (
        f'<figure class="tats-figure tats-videos front" data-fps="{FPS}">'
        f'<div class="tats-grid" style="--columns:{len(items)};--item:150px">\n' + "\n".join(items) + "</div>\n"
        f"{control_bar(longest)}"
        f"<figcaption>{escape(caption)}</figcaption></figure>\n"
    )


def main() -> None:
    """Make, write, record."""
    parser = argparse.ArgumentParser(description="Make the videos of the front page.")
    parser.add_argument("--worlds-only", action="store_true", help="without sampled videos, which need training")
    worlds_only = parser.parse_args().worlds_only
    samples, worlds = {} if worlds_only else sampled(), drawn()
    MEDIA.mkdir(parents=True, exist_ok=True)
    for old in MEDIA.iterdir():
        old.unlink()
    pages = []
    if samples:
        pages.append(
            figure(
                samples,
                "sampled frame after frame, the motion goes on far past the length the model was trained on.",
                f"Sampled: {FRAMES} frames each, from a model that has only ever seen 16 at a time, trained at "
                f"{current_scale()} scale. One class a video, the first seed, not the best. Look for what drifts.",
            )
        )
    pages.append(
        figure(
            worlds,
            "drawn by a formula, it moves on without ever repeating exactly.",
            "Drawn: what the models learn from. Each frame is a formula of a seed and a time, written to disk as real "
            "video files in the layouts of UCF-101 and Sky Time-lapse.",
        )
    )
    (MEDIA / "front_page.html").write_text("".join(pages))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    record = {"command": "make results", "videos": write(samples | worlds)}
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()

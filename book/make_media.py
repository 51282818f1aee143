"""Make the videos of the front page and write down how each was made.

Writes book/_static/media/*.mp4 (with a PNG of the first frame each), the HTML that shows them, and
book/results/front_page.json: for each file what it is, its seed, length, size and hash.
"""

import hashlib
import json
from html import escape
from pathlib import Path

from PIL import Image

from tatslib.videos import Video, encode_mp4
from tatslib.worlds import actions, sky

ROOT = Path(__file__).resolve().parent.parent
MEDIA = ROOT / "book" / "_static" / "media"
RESULTS = ROOT / "book" / "results" / "front_page.json"
FPS = 15


def drawn() -> dict[str, tuple[Video, dict[str, object]]]:
    """Six videos of the two worlds: what the model is trained on, not what it makes."""
    videos: dict[str, tuple[Video, dict[str, object]]] = {}
    for name in ("JumpingJack", "SwingingPendulum", "OrbitingMoon"):
        video = actions.render(3, range(240), 128, action=name)
        videos[name] = (video, {"made_by": "tatslib.worlds.actions.render", "seed": 3, "action": name})
    for seed in (1, 2, 5):
        video = sky.render(seed, range(240), 128)
        videos[f"sky {seed}"] = (video, {"made_by": "tatslib.worlds.sky.render", "seed": seed})
    return videos


def write(videos: dict[str, tuple[Video, dict[str, object]]], alt: str, caption: str) -> None:
    """Write files, page and record."""
    MEDIA.mkdir(parents=True, exist_ok=True)
    for old in MEDIA.iterdir():
        old.unlink()
    records, items = [], []
    for label, (video, origin) in videos.items():
        name = label.lower().replace(" ", "_")
        content = encode_mp4(video, FPS, 26)
        (MEDIA / f"{name}.mp4").write_bytes(content)
        Image.fromarray(video[0]).save(MEDIA / f"{name}.png", optimize=True)
        length, height, width, _ = video.shape
        shape = {"frames": length, "height": height, "width": width, "fps": FPS}
        records.append({"file": f"{name}.mp4", **origin, **shape, "sha256": hashlib.sha256(content).hexdigest()})
        items.append(
            f'<div><video muted loop playsinline controls preload="auto" data-frames="{length}" '
            f'poster="_static/media/{name}.png" style="aspect-ratio:{width}/{height}" '
            f'aria-label="{escape(f"{label}: {alt}")}"><source src="_static/media/{name}.mp4" type="video/mp4">'
            f"</video></div>"
        )
    last = max(len(video) for video, _ in videos.values()) - 1
    page = (
        f'<figure class="tats-figure tats-videos front" data-fps="{FPS}">'
        f'<div class="tats-grid" style="--columns:{len(items)};--item:150px">\n' + "\n".join(items) + "</div>\n"
        f'<div class="tats-bar" hidden><button type="button" aria-label="Pause"></button>'
        f'<input type="range" min="0" max="{last}" value="0" aria-label="Frame"><output></output></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>\n"
    )
    (MEDIA / "front_page.html").write_text(page)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({"command": "make results", "videos": records}, indent=2) + "\n")


if __name__ == "__main__":
    write(
        drawn(),
        "a small figure moves on and on without ever repeating exactly.",
        "What the models of this book learn from: two small worlds, each frame a formula of a seed and a time, written "
        "to disk as real video files in the layouts of UCF-101 and Sky Time-lapse. They never end, so that there is "
        "something to be compared with at frame one thousand.",
    )

"""Videos side by side, playing in step, in a player that counts frames."""

from collections.abc import Mapping
from html import escape

from tatslib.errors import UserError
from tatslib.videos import Video, encode_mp4
from tatslib.viz.markup import data_uri, enlarge, figure_markup, grid_style, label_tag, png_uri, show_markup, zoom_for

CRF = 30  # quality of the encoder: beside the frames themselves, the eye finds no difference at this size
SHOWN_SIDE = 176  # CSS pixels; videos that are smaller than this are shown enlarged


def show_videos(
    videos: Mapping[str, Video],
    *,
    number: str,
    alt: str,
    caption: str,
    fps: float = 12,
    zoom: int | None = None,
    columns: int | None = None,
    poster: int = 0,
    width: int | None = None,
) -> None:
    """Show videos that start, stop and jump together.

    They play while they are in view, unless the reader's system asks for less motion. A bar below steps through frames.
    Without scripts each video has the browser's own controls; where videos do not play at all, the poster stands there.

    Args:
        videos: label to uint8 (T, H, W, 3); shorter ones repeat while the longest plays.
        number: chapter and figure, such as "3.2".
        alt: what a reader who cannot see them must know: what moves, and how they differ.
        caption: what to look for.
        fps: frames a second, the same for all.
        zoom: every pixel is repeated this many times before encoding, because h264 stores colour at half size; None
            enlarges small videos to 96 pixels.
        columns: how many in a row at the most.
        poster: the frame that is shown before a video plays.
        width: width on the page in CSS pixels; None shows small videos at 176 and others in their own size.
    """
    if not videos:
        raise UserError(f"figure {number} has no video to show.")
    items, widths = [], []
    for label, video in videos.items():
        length, height, wide, _ = video.shape
        times = zoom_for(height, wide, zoom)
        content = data_uri(encode_mp4(enlarge(video, times), fps, CRF), "video/mp4")
        still = png_uri(video[min(poster, length - 1)])
        widths.append(width or max(SHOWN_SIDE, wide * times))
        words = f"{label}: {alt}" if label else alt
        items.append(f"<div>{video_tag(content, still, words, video.shape)}{label_tag(label)}</div>")
    longest = max(len(video) for video in videos.values())
    grid = f'<div class="tats-grid" style="{grid_style(len(items), columns, max(widths))}">{"".join(items)}</div>'
    body = grid + control_bar(longest)
    show_markup(figure_markup(body, "videos", number, alt, caption, f'data-fps="{fps:g}"', "player.js"), alt)


def video_tag(source: str, poster: str, alt: str, shape: tuple[int, ...]) -> str:
    """One video, silent and endless; `source` and `poster` are addresses, `shape` is (T, H, W, 3)."""
    frames, height, width, _ = shape
    return (
        f'<video muted loop playsinline controls preload="auto" data-frames="{frames}" poster="{poster}" '
        f'style="aspect-ratio:{width}/{height}" aria-label="{escape(alt)}">'
        f'<source src="{source}" type="video/mp4"></video>'
    )


def control_bar(frames: int) -> str:
    """Play button, slider and frame count; hidden until the script that moves them is there."""
    return (
        '<div class="tats-bar" hidden><button type="button" aria-label="Pause"></button>'
        f'<input type="range" min="0" max="{frames - 1}" value="0" aria-label="Frame"><output></output></div>'
    )

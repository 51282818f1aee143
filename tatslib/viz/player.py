"""Videos side by side, playing in step, in a player that counts frames."""

from collections.abc import Mapping
from html import escape

from tatslib.errors import UserError
from tatslib.sound import RATE, Sound, encode_mp4_with_sound
from tatslib.videos import Video, encode_mp4
from tatslib.viz.markup import (
    asset,
    data_uri,
    enlarge,
    figure_markup,
    grid_style,
    label_tag,
    png_uri,
    show_markup,
    zoom_for,
)

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
    sounds: Mapping[str, Sound] | None = None,
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
        sounds: label to float32 (N,), `sound.RATE` samples a second, for those videos that have a sound. All videos
            start silent; a button below lets one of them be heard.

    Raises:
        UserError: if there is no video, a sound without its video, or one of another length.
    """
    if not videos:
        raise UserError(f"figure {number} has no video to show.")
    sounds = sounds or {}
    for label, sound in sounds.items():
        if label not in videos:
            raise UserError(f"figure {number} has a sound for {label!r}, but no such video.")
        if abs(len(sound) / RATE - len(videos[label]) / fps) > 1 / fps:
            raise UserError(
                f"figure {number}: the sound of {label!r} takes {len(sound) / RATE:.2f} seconds and its video, "
                f"at {fps:g} frames a second, {len(videos[label]) / fps:.2f}."
            )
    items, widths = [], []
    for label, video in videos.items():
        length, height, wide, _ = video.shape
        times = zoom_for(height, wide, zoom)
        large = enlarge(video, times)
        heard = label in sounds
        mp4 = encode_mp4_with_sound(large, sounds[label], fps, CRF) if heard else encode_mp4(large, fps, CRF)
        content = data_uri(mp4, "video/mp4")
        still = png_uri(video[min(poster, length - 1)])
        widths.append(width or max(SHOWN_SIDE, wide * times))
        words = f"{label}: {alt}" if label else alt
        button = sound_button(label) if heard else ""
        items.append(f"<div>{video_tag(content, still, words, video.shape)}{label_tag(label)}{button}</div>")
    longest = max(len(video) for video in videos.values())
    grid = f'<div class="tats-grid" style="{grid_style(len(items), columns, max(widths))}">{"".join(items)}</div>'
    body = grid + control_bar(longest)
    kind = "videos tats-heard" if sounds else "videos"
    markup = figure_markup(body, kind, number, alt, caption, f'data-fps="{fps:g}"', "player.js")
    show_markup(markup + (f"<script>{asset('sound.js')}</script>" if sounds else ""), alt)


def video_tag(source: str, poster: str, alt: str, shape: tuple[int, ...]) -> str:
    """One video, silent and endless; `source` and `poster` are addresses, `shape` is (T, H, W, 3)."""
    frames, height, width, _ = shape
    return (
        f'<video muted loop playsinline controls preload="auto" data-frames="{frames}" poster="{poster}" '
        f'style="aspect-ratio:{width}/{height}" aria-label="{escape(alt)}">'
        f'<source src="{source}" type="video/mp4"></video>'
    )


def sound_button(label: str) -> str:
    """Switches the sound of the video above it on; hidden until the script that does so is there."""
    words = f"Sound of {label}" if label else "Sound"
    return (
        f'<button type="button" class="tats-sound" aria-pressed="false" aria-label="{escape(words)}" hidden></button>'
    )


def control_bar(frames: int) -> str:
    """Play button, slider and frame count; hidden until the script that moves them is there."""
    return (
        '<div class="tats-bar" hidden><button type="button" aria-label="Pause"></button>'
        f'<input type="range" min="0" max="{frames - 1}" value="0" aria-label="Frame"><output></output></div>'
    )

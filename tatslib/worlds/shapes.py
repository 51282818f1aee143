"""Shapes that are painted without jagged edges, for many frames at once.

A shape is its signed distance: negative inside, positive outside, in units of the picture's height. One pixel around
zero becomes a soft edge, so a shape moves smoothly even where it moves by a tenth of a pixel.

Letters: T frames, H W height and width of the picture.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tatslib.errors import UserError
from tatslib.videos import Video

Distance = NDArray[np.float32]
Colour = tuple[int, int, int]

SMALLEST = 8  # pixels of height: the codecs take less, but then nothing can be seen to move


def check_size(size: int) -> None:
    """Refuse a height in which nothing can be painted.

    Raises:
        UserError: for less than SMALLEST.
    """
    if size < SMALLEST:
        raise UserError(f"size is the height of the videos in pixels and starts at {SMALLEST}, got {size}.")


class Canvas:
    """A stack of pictures with a plain background, on which shapes are painted one over the other.

    Coordinates: the centre square of the picture is [0, 1] x [0, 1], y points down; a wide picture has more to the left
    and right of it. Every coordinate and radius is a number or an array (T,), one value per frame.
    """

    def __init__(self, length: int, height: int, width: int, background: Colour) -> None:
        self.height = height
        self.x = ((np.arange(width) + 0.5 - width / 2) / height + 0.5).astype(np.float32).reshape(1, 1, width)
        self.y = ((np.arange(height) + 0.5) / height).astype(np.float32).reshape(1, height, 1)
        self.picture = np.empty((length, height, width, 3), np.float32)
        self.picture[:] = background

    def shift(self, dx: ArrayLike, dy: ArrayLike) -> None:
        """Move everything that is painted from now on by (dx, dy)."""
        self.x = self.x - _per_frame(dx)
        self.y = self.y - _per_frame(dy)

    def paint(self, distance: Distance, colour: Colour | NDArray[np.float32]) -> None:
        """Put a shape (T or 1, H, W) on top; the edge is one pixel wide."""
        self.blend(np.clip(0.5 - distance * self.height, 0, 1), colour)

    def blend(self, cover: Distance, colour: Colour | NDArray[np.float32]) -> None:
        """Mix a colour in: `cover` (T or 1, H, W) is 0 where nothing changes and 1 where the new colour is all."""
        self.picture += cover[..., None] * (np.asarray(colour, np.float32) - self.picture)

    def video(self) -> Video:
        """What has been painted, uint8 (T, H, W, 3)."""
        return np.clip(np.rint(self.picture), 0, 255).astype(np.uint8)

    def disc(self, x: ArrayLike, y: ArrayLike, radius: ArrayLike, stretch: ArrayLike = 1.0) -> Distance:
        """A disc; `stretch` above 1 makes it wider and lower at equal area."""
        wide = _per_frame(stretch)
        dx, dy = self.x - _per_frame(x), self.y - _per_frame(y)
        return _length(dx / wide, dy * wide) - _per_frame(radius)

    def ring(self, x: ArrayLike, y: ArrayLike, radius: ArrayLike, thickness: ArrayLike) -> Distance:
        """A circle line; `thickness` is half the width of the line."""
        return np.abs(self.disc(x, y, radius)) - _per_frame(thickness)

    def stroke(self, x0: ArrayLike, y0: ArrayLike, x1: ArrayLike, y1: ArrayLike, thickness: float) -> Distance:
        """A line with round ends from (x0, y0) to (x1, y1); `thickness` is half its width."""
        dx, dy = _per_frame(x1) - _per_frame(x0), _per_frame(y1) - _per_frame(y0)
        px, py = self.x - _per_frame(x0), self.y - _per_frame(y0)
        along = np.clip((px * dx + py * dy) / (dx * dx + dy * dy), 0, 1)
        return _length(px - along * dx, py - along * dy) - np.float32(thickness)

    def below(self, y: ArrayLike) -> Distance:
        """Everything lower than y."""
        return _per_frame(y) - self.y + np.zeros_like(self.x)


def _length(x: Distance, y: Distance) -> Distance:
    return np.sqrt(x * x + y * y)  # several times faster than np.hypot, which guards against overflow


def _per_frame(value: ArrayLike) -> Distance:
    """(T,) or a number to (T or 1, 1, 1), rounded to a millionth of the picture.

    The rounding keeps the last bit of a sine, in which machines differ, from ever reaching a pixel.
    """
    return np.round(np.atleast_1d(np.asarray(value, np.float64)), 6).astype(np.float32).reshape(-1, 1, 1)

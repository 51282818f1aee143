"""Small videos packed into the numbers of a study, so that a page can show what nobody there can draw.

Letters: T frames, H W their height and width.
"""

import base64
import lzma
from typing import Any

import numpy as np

from tatslib.errors import UserError
from tatslib.videos import Video


def pack(videos: Video) -> dict[str, Any]:
    """Videos as text, without a loss: what changes from frame to frame, compressed (LZMA), in base 64.

    Args:
        videos: uint8 (..., T, H, W, 3).

    Returns:
        "shape" and "data", as JSON has them.
    """
    changes = np.diff(videos, axis=-4, prepend=np.zeros_like(videos[..., :1, :, :, :]))  # modulo 256
    return {"shape": list(videos.shape), "data": base64.b64encode(lzma.compress(changes.tobytes())).decode()}


def unpack(packed: dict[str, Any]) -> Video:
    """The videos of `pack`, to the last bit.

    Raises:
        UserError: for anything else.
    """
    try:
        content = lzma.decompress(base64.b64decode(packed["data"], validate=True))
        changes = np.frombuffer(content, np.uint8).reshape(packed["shape"])
    except (KeyError, ValueError, lzma.LZMAError) as error:
        raise UserError(f"these are no packed videos ({error}).") from error
    return changes.cumsum(axis=-4, dtype=np.uint8)

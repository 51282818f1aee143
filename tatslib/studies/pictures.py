"""From tokens to the pictures that studies measure and chapters show.

Letters: B videos, T H W frames, t latent frames, h w latent grid.
"""

import numpy as np
import torch
from torch import Tensor

from tatslib.videos import Video, to_uint8
from tatslib.vqgan.vqgan import VQGAN
from tatslib.vqgan.windows import decode_in_windows


@torch.inference_mode()
def decoded_clips(vqgan: VQGAN, tokens: Tensor, at_once: int = 32) -> Video:
    """Tokens int64 (B, t, h, w) to uint8 (B, T, H, W, 3), so many videos at a time, each decoded in one go."""
    return np.concatenate([to_uint8(vqgan.decode(part)) for part in tokens.split(at_once)])


@torch.inference_mode()
def decoded_films(vqgan: VQGAN, tokens: Tensor, at_once: int = 4) -> Video:
    """The same of long videos, each decoded in windows, at memory that grows by the finished frames alone."""
    parts = [
        np.concatenate([to_uint8(piece) for piece in decode_in_windows(vqgan, part)], axis=1)
        for part in tokens.split(at_once)
    ]
    return np.concatenate(parts)

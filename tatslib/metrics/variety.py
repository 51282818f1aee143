"""Do samples of one class differ from each other? The half of quality that a look at one sample cannot see.

Letters: B clips, c classes.
"""

import torch
from torch import Tensor

from tatslib.errors import UserError
from tatslib.videos import Video


def variety(clips: Video, labels: Tensor) -> Tensor:
    """Root-mean-square difference, in grey levels of 255, of two clips of one class: the mean over its pairs.

    Args:
        clips: uint8 (B, T, H, W, 3).
        labels: int64 (B,), at least two clips of each class that occurs.

    Returns:
        float64 (c,), one number for each class that occurs, in order; 0 where all its clips are the same.

    Raises:
        UserError: if a class has one clip only.
    """
    flat = torch.as_tensor(clips).flatten(1).float()
    means = []
    for label in labels.unique():
        group = flat[labels == label]
        if len(group) < 2:
            raise UserError(f"class {int(label)} has one clip: variety is a matter of two or more.")
        means.append(torch.nn.functional.pdist(group).double().mean() / flat.shape[1] ** 0.5)
    return torch.stack(means)

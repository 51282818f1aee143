"""Normalisation, and what changes about it when several processes share a batch (paper Section A.1, Fig. 11).

Letters: B batch, C channels.
"""

from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn

from tatslib.distributed import mean_over_ranks, together, world_size
from tatslib.vqgan.config import GROUPS, Norm


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm over (B, C, H, W) whose batch is that of all processes; see `global_batch_norm`."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same."""
        return global_batch_norm(self, x) if self.training and together() else super().forward(x)


class BatchNorm3d(nn.BatchNorm3d):
    """Batch norm over (B, C, T, H, W) whose batch is that of all processes; see `global_batch_norm`."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> the same."""
        return global_batch_norm(self, x) if self.training and together() else super().forward(x)


def global_batch_norm(norm: nn.BatchNorm2d | nn.BatchNorm3d, x: Tensor) -> Tensor:
    """Training-mode batch norm with the mean and variance of all processes' rows, and gradients through them.

    Args:
        norm: whose weights, running statistics, eps and momentum count.
        x: float (B, C, ...), of equal shape on every process; statistics are taken in float32.

    Returns:
        (B, C, ...), in the number format of `x`.
    """
    assert norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None
    assert norm.momentum is not None
    with torch.autocast(x.device.type, enabled=False):
        values = rearrange(x.float(), "b c ... -> b ... c")
        axes = list(range(x.dim() - 1))
        mean = mean_over_ranks(values.mean(axes))  # (C,)
        centred = values - mean
        variance = mean_over_ranks(centred.square().mean(axes))  # (C,), biased: this is what normalises
        with torch.no_grad():
            count = x.numel() // x.shape[1] * world_size()
            norm.num_batches_tracked += 1
            norm.running_mean.lerp_(mean, norm.momentum)
            norm.running_var.lerp_(variance * (count / (count - 1)), norm.momentum)  # and unbiased: this is kept
        normalised = centred * (norm.weight * (variance + norm.eps).rsqrt()) + norm.bias
        return rearrange(normalised.to(x.dtype), "b ... c -> b c ...")


def normalisation(norm: Norm, width: int, dims: Literal[2, 3] = 3) -> nn.Module:
    """Batch norm (the paper's, over all processes), group norm (32 groups), or none.

    Batch norm in eval mode treats every frame alike; group norm averages over the whole clip, so that a token depends
    a little on frames outside its receptive field, whatever the padding.
    """
    if norm == "batch":
        return BatchNorm3d(width) if dims == 3 else BatchNorm2d(width)
    return nn.GroupNorm(GROUPS, width, eps=1e-6) if norm == "group" else nn.Identity()


def synchronise(model: nn.Module) -> None:
    """Let torch's own kernel do the batch norms inside `model`, where several processes have a GPU each.

    Parameters, buffers and their names stay: only the classes change. `global_batch_norm` gives the same, on CPUs too,
    but keeps more in memory for the backward pass.
    """
    if together() and next(model.parameters()).device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(model)

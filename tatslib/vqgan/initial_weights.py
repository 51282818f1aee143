"""Weights before training: drawn from our own generator, so that they depend on a seed and on nothing else."""

import math

import torch
from torch import nn

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose3d)


@torch.no_grad()
def draw_weights(model: nn.Module, generator: torch.Generator) -> None:
    """Draw all convolutions: uniform within 1 / sqrt(fan in) for kernels and biases, as PyTorch does by default."""
    for module in model.modules():
        if isinstance(module, CONVOLUTIONS):
            bound = 1 / math.sqrt(module.weight[0].numel())
            module.weight.uniform_(-bound, bound, generator=generator)
            if module.bias is not None:
                module.bias.uniform_(-bound, bound, generator=generator)

"""Products with a layer's weights that write into what is there, in the weights' own numbers or in smaller ones.

At batch 1 a step of a large model takes the time that its weights take to arrive from memory; in bfloat16 they are
half as many bytes as in float32, in 8 bits a quarter. Only weights shrink: what they are multiplied with is rounded for
the product, and sums, residuals and the cache stay as they are.

B batch · D inputs · E outputs
"""

from typing import Literal, Protocol, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatslib.errors import UserError

Weights = Literal["own", "bfloat16", "int8"]


class Product(Protocol):
    """A linear layer W x + b of (B, D) to (B, E)."""

    def into(self, x: Tensor, out: Tensor, scale: float = 1.0) -> None:
        """Let `out` be scale * (W x + b)."""
        ...

    def onto(self, x: Tensor, out: Tensor, scale: float = 1.0) -> None:
        """Add scale * W x + b to `out`."""
        ...


class OwnProduct:
    """With the weights where they lie: not copied, so never stale, and one operation to multiply, add and store."""

    def __init__(self, layer: nn.Linear) -> None:
        self.bias, self.transposed = layer.bias.detach(), layer.weight.detach().t()

    def into(self, x: Tensor, out: Tensor, scale: float = 1.0) -> None:
        """Let `out` be scale * (W x + b)."""
        torch.addmm(self.bias, x, self.transposed, beta=scale, alpha=scale, out=out)

    def onto(self, x: Tensor, out: Tensor, scale: float = 1.0) -> None:
        """Add scale * W x + b to `out`."""
        out.add_(self.bias).addmm_(x, self.transposed, alpha=scale)


class BFloat16Product:
    """With a copy of the weights in bfloat16."""

    def __init__(self, layer: nn.Linear) -> None:
        self.bias, self.weight = layer.bias.detach(), layer.weight.detach().bfloat16()

    def multiply(self, x: Tensor) -> Tensor:
        """W x, bfloat16 (B, E)."""
        return F.linear(x.bfloat16(), self.weight)

    def into(self, x: Tensor, out: Tensor, scale: float = 1.0) -> None:
        """Let `out` be scale * (W x + b)."""
        torch.add(self.bias, self.multiply(x), out=out)
        if scale != 1.0:
            out.mul_(scale)

    def onto(self, x: Tensor, out: Tensor, scale: float = 1.0) -> None:
        """Add scale * W x + b to `out`."""
        out.add_(self.bias).add_(self.multiply(x), alpha=scale)


class Int8Product(BFloat16Product):
    """With a copy of the weights in 8 bits: whole numbers from -127 to 127, and a scale for each output.

    The scale is rounded to bfloat16 first and the weights by what came of it, so that they are off by no more than half
    a scale; a rounded scale is too small by so little that 127 stays the largest.
    """

    def __init__(self, layer: nn.Linear) -> None:
        weight = layer.weight.detach().float()
        self.scales = (weight.abs().amax(1).clamp(min=1e-30) / 127).bfloat16()  # (E,)
        self.bias, self.weight = layer.bias.detach(), (weight / self.scales[:, None]).round().to(torch.int8)

    def multiply(self, x: Tensor) -> Tensor:
        """W x, bfloat16 (B, E)."""
        outputs, inputs = self.weight.shape
        blocks = outputs % 32 == 0 and inputs % 32 == 0  # which torch asks for, and does not check
        if blocks and x.device.type == "cpu":
            return torch._weight_int8pack_mm(x.bfloat16(), self.weight, self.scales)
        return F.linear(x.bfloat16(), self.weight.bfloat16()) * self.scales  # one kernel when compiled


PRODUCTS: dict[Weights, type[OwnProduct | BFloat16Product]] = {
    "own": OwnProduct,
    "bfloat16": BFloat16Product,
    "int8": Int8Product,
}


def product_of(layer: nn.Linear, weights: Weights = "own") -> Product:
    """The product that belongs to a layer; a UserError for weights of another kind."""
    if weights not in get_args(Weights):
        raise UserError(f"weights are {' or '.join(get_args(Weights))}, got {weights!r}.")
    return PRODUCTS[weights](layer)

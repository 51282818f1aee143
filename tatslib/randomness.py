"""Randomness without state: every draw comes from a generator made from (seed, stream, step).

Nothing depends on how a step was reached, so a run that stops at any step and goes on draws exactly what an unbroken
run would have drawn, without any generator being saved.
"""

import hashlib

import numpy as np
import torch


def derive_seed(seed: int, stream: str, step: int = 0) -> int:
    """A 63-bit seed for one purpose (`stream`) at one `step`; the same on every machine and in every process."""
    digest = hashlib.sha256(f"{seed}/{stream}/{step}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def torch_generator(seed: int, stream: str, step: int = 0, device: str | torch.device = "cpu") -> torch.Generator:
    """A fresh torch generator for (seed, stream, step)."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, stream, step))


def numpy_generator(seed: int, stream: str, step: int = 0) -> np.random.Generator:
    """A fresh numpy generator for (seed, stream, step)."""
    return np.random.default_rng(derive_seed(seed, stream, step))

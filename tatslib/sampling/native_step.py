"""The step of a single sequence in C, for models so small that asking for an operation takes longer than doing it.

A step of the toy transformer is some sixty operations of torch, each of which takes microseconds to begin. `step.c`
does them all in one call, on the same weights and the same cache; sums come in another order. On one thread of an AMD
EPYC of the fourth generation, busy with other work, that took 0.08 ms instead of 0.36. It is compiled where it first
runs, if there is a C compiler (`CC`, else `cc`), and kept under TATS_HOME; it is loaded from there only if nobody else
could have written it. Where all this cannot be, the step is torch's.
"""

import ctypes
import hashlib
import os
import platform
import shlex
import subprocess
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from tatslib.files import fsync, replacing
from tatslib.home import home
from tatslib.sampling.fast_step import parts_of
from tatslib.sampling.kv_cache import KVCache
from tatslib.transformer.gpt import GPT

SOURCE = Path(__file__).with_name("step.c")
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fPIC")
REALS = {torch.float32: "float", torch.float64: "double"}
LARGEST = 2**25  # bytes of weights; those of larger models have to come from memory, where torch is as fast


class _Layer(ctypes.Structure):
    _names = "norm1 norm1_bias qkv qkv_bias proj proj_bias norm2 norm2_bias up up_bias down down_bias keys values"
    _fields_ = [(name, ctypes.c_void_p) for name in _names.split()]


class _Model(ctypes.Structure):
    _sizes = "layers heads width capacity logits shown_stride"
    _names = "token_rows position_rows norm norm_bias head shown room layer"
    _fields_ = [(name, ctypes.c_int64) for name in _sizes.split()] + [
        (name, ctypes.c_void_p) for name in _names.split()
    ]


class NativeStep:
    """`fast_step.FastStep` for one sequence, on a processor, with the model's own weights; see `native_step`."""

    batch = 1

    def __init__(self, library: ctypes.CDLL, model: GPT, cache: KVCache, first_token: int) -> None:
        config, self.cache = model.config, cache
        head = model.head.weight.detach()[first_token:]
        self.logits, self.token = head.new_zeros(1, len(head)), torch.zeros(1, dtype=torch.int64)
        self.tokens, self.positions = len(model.tok_emb.weight), len(model.pos_emb)
        room = head.new_zeros(10 * config.width + cache.capacity)
        layers = (_Layer * config.layers)()
        # what C has the addresses of must not go away
        self.held = [
            head,
            room,
            layers,
            cache.shown,
            *cache.stores,
            *(weight.detach() for weight in model.parameters()),
        ]
        for layer, block, store in zip(layers, model.blocks, cache.stores, strict=True):
            tensors = [tensor for part in parts_of(block) for tensor in (part.weight, part.bias)]
            for name, tensor in zip(_Layer._names.split(), [*tensors, store[0], store[1]], strict=True):
                setattr(layer, name, tensor.data_ptr())
        stride = cache.capacity if len(cache.shown) > 1 else 0
        sizes = (config.layers, config.heads, config.width, cache.capacity, len(head), stride)
        rows: tuple[Tensor, ...] = (
            model.tok_emb.weight,
            model.pos_emb,
            model.ln_f.weight,
            model.ln_f.bias,
            head,
            cache.shown,
            room,
        )
        pointers = [tensor.data_ptr() for tensor in rows]
        self.model = _Model(*sizes, *pointers, ctypes.addressof(layers))
        self.step, self.address, self.output = library.step, ctypes.addressof(self.model), self.logits.data_ptr()

    def __call__(self, tokens: Tensor, position: int) -> Tensor:
        """Read int64 (1,) at a position into the slot that the cache has opened; logits (1, V) of what comes next.

        The next step overwrites the logits.

        Raises:
            IndexError: for a token or a position that the transformer does not have, as torch does.
        """
        token = self.token.copy_(tokens).item()  # whatever its type and layout: C reads eight bytes, and checks nothing
        if not (0 <= token < self.tokens and 0 <= position < self.positions):
            raise IndexError(f"token {token} at position {position} is out of range")
        self.step(self.address, self.token.data_ptr(), position, self.cache.held, self.output)
        return self.logits


def native_step(model: GPT, cache: KVCache, first_token: int) -> NativeStep | None:
    """The step in C where it pays and can be had, else None.

    That is on a processor, for a float32 or float64 model of up to `LARGEST` bytes, with a C compiler at hand.
    """
    weights = list(model.parameters())
    kind, real = weights[0].device.type, REALS.get(weights[0].dtype)
    size = sum(weight.numel() * weight.element_size() for weight in weights)
    plain = all(weight.is_contiguous() and weight.dtype == weights[0].dtype for weight in weights)
    if kind != "cpu" or real is None or size > LARGEST or not plain:
        return None
    library = compiled(real)
    return None if library is None else NativeStep(library, model, cache, first_token)


@cache
def compiled(real: str) -> ctypes.CDLL | None:
    """`step.c` for float or double, compiled for this machine; None if that cannot be done here."""
    try:
        compiler = shlex.split(os.environ.get("CC") or "cc")
        key = hashlib.sha256("\n".join([SOURCE.read_text(), *FLAGS, *compiler, processor()]).encode()).hexdigest()
        path = home() / "native" / f"step-{real}-{key[:16]}.so"
        if not path.is_file():
            build(path, compiler, real)
        if not only_ours(path):
            return None
        library = ctypes.CDLL(str(path))
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None  # no compiler, or not one of these flags, or nowhere to write or load from: torch can do it all
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    library.step.argtypes, library.step.restype = [pointer, pointer, number, number, pointer], None
    return library


def build(path: Path, compiler: list[str], real: str) -> None:
    """Compile `step.c` to `path`, which nobody else may write to."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with replacing(path) as shared:
        objects = shared.with_suffix(".o")
        # linked on its own: with -ffast-math there, loading it would change how all of torch rounds
        run([*compiler, *FLAGS, f"-DREAL={real}", "-c", str(SOURCE), "-o", str(objects)])
        run([*compiler, "-shared", str(objects), "-o", str(shared), "-lm"])
        objects.unlink()
        shared.chmod(0o755)
        fsync(shared)


def only_ours(path: Path) -> bool:
    """Whether nobody but us (and root) can have put a file there: what is loaded runs with our rights."""
    if not hasattr(os, "getuid"):  # a system whose permissions are others
        return True
    facts = [place.stat() for place in (path, path.parent)]
    return all(fact.st_uid in (0, os.getuid()) and not fact.st_mode & 0o022 for fact in facts)


def run(command: list[str]) -> None:
    """Run a command in silence; an error if it fails."""
    subprocess.run(command, check=True, capture_output=True)


def processor() -> str:
    """What tells this processor from others for which code of its own would not run."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.is_file() else []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), platform.node())
    return f"{platform.system()} {platform.machine()} {flags}"

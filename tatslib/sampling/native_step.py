"""A single sequence in C, for models so small that asking for an operation takes longer than doing it.

A step of the toy transformer is some sixty operations of torch, each of which takes microseconds to begin, and a draw
is a dozen or two. `step.c` reads a prefix, reads a token and draws in one call each, on the same weights and the same
cache; sums come in another order. On one thread of an AMD EPYC of the fourth generation, busy with other work, a step
took 0.08 ms instead of 0.36.

It is compiled where it first runs, if there is a C compiler (`CC`, else `cc`), and kept under TATS_HOME; it is loaded
from there only if nobody else could have written it. Where all this cannot be, torch does it.
"""

import ctypes
import hashlib
import os
import platform
import shlex
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from tatslib.files import fsync, replacing
from tatslib.home import home
from tatslib.sampling.fast_step import parts_of
from tatslib.sampling.filters import Filters
from tatslib.sampling.kv_cache import KVCache
from tatslib.transformer.gpt import GPT

SOURCE = Path(__file__).with_name("step.c")
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fPIC")
REALS = {torch.float32: "float", torch.float64: "double"}
LARGEST = 2**25  # bytes of weights; those of larger models have to come from memory, where torch is as fast
ALONE = 2**28  # multiplications of a prefix that one thread may do; torch shares out larger ones if it has several
MISSING = 1  # what C answers when it was asked for something that is not there


class _Layer(ctypes.Structure):
    _names = "norm1 norm1_bias qkv qkv_bias proj proj_bias norm2 norm2_bias up up_bias down down_bias keys values"
    _fields_ = [(name, ctypes.c_void_p) for name in _names.split()]


class _Model(ctypes.Structure):
    _sizes = "layers heads width capacity logits shown_stride vocabulary positions first_token"
    _names = "token_rows position_rows norm norm_bias head shown room layer"
    _fields_ = [(name, ctypes.c_int64) for name in _sizes.split()] + [
        (name, ctypes.c_void_p) for name in _names.split()
    ]


class _Filters(ctypes.Structure):
    _fields_ = [(name, ctypes.c_double) for name in ("temperature", "top_p", "penalty")] + [("top_k", ctypes.c_int64)]


class NativeStep:
    """`fast_step.FastStep` for one sequence, on a processor, with the model's own weights; see `native_step`.

    It reads prefixes and draws as well. What is not there (a token, a position, a place in the logits) is refused with
    an IndexError, as by torch, before C would look for it.
    """

    batch = 1

    def __init__(self, library: ctypes.CDLL, model: GPT, cache: KVCache, first_token: int) -> None:
        config, self.cache, self.library = model.config, cache, library
        head = model.head.weight.detach()[first_token:]
        self.logits, self.token = head.new_zeros(1, len(head)), torch.zeros(1, dtype=torch.int64)
        self.position = 0
        layers = (_Layer * config.layers)()
        for layer, block, store in zip(layers, model.blocks, cache.stores, strict=True):
            tensors = [tensor for part in parts_of(block) for tensor in (part.weight, part.bias)]
            for name, tensor in zip(_Layer._names.split(), [*tensors, store[0], store[1]], strict=True):
                setattr(layer, name, tensor.data_ptr())
        stride = cache.capacity if len(cache.shown) > 1 else 0
        sizes = (config.layers, config.heads, config.width, cache.capacity, len(head), stride)
        limits = (len(model.tok_emb.weight), len(model.pos_emb), first_token)
        rows: tuple[Tensor, ...] = (
            model.tok_emb.weight,
            model.pos_emb,
            model.ln_f.weight,
            model.ln_f.bias,
            head,
            cache.shown,
        )
        self.model = _Model(*sizes, *limits, *(tensor.data_ptr() for tensor in rows), None, ctypes.addressof(layers))
        self.address, self.output = ctypes.addressof(self.model), self.logits.data_ptr()
        room = head.new_zeros(library.numbers_of_room(self.address))
        self.model.room = room.data_ptr()
        # what C has the addresses of must not go away
        self.held = [head, room, layers, cache.shown, *cache.stores, *(each.detach() for each in model.parameters())]
        self.work = sum(weight.numel() for weight in model.blocks.parameters())  # multiplications a token

    def seek(self, position: int) -> None:
        """Say at which position the next step reads."""
        self.position = position

    def __call__(self, tokens: Tensor) -> Tensor:
        """Read int64 (1,) into the slot that the cache has opened; logits (1, V) of what comes next.

        The next step overwrites the logits.

        Raises:
            IndexError: for a token or a position that the transformer does not have.
        """
        token = self.token.copy_(tokens).item()  # whatever its type and layout
        if self.library.read_token(self.address, token, self.position, self.cache.held, self.output):
            raise IndexError(f"token {token} at position {self.position} is out of range")
        return self.logits

    def reads(self, length: int) -> bool:
        """Whether a prefix of so many tokens is for `read`, see `ALONE`."""
        return torch.get_num_threads() == 1 or length * self.work <= ALONE

    def read(self, tokens: Tensor, positions: Tensor, mask: Tensor | None, speaker: int) -> Tensor:
        """Read a prefix into the first slots of the cache, which it has opened; logits (1, V) of what comes next.

        Args:
            tokens: int64 (1, N).
            positions: int64 (N,).
            mask: bool (N, N) or (1, 1, N, N); absent, causal.
            speaker: whose output predicts what comes next.

        The next step overwrites the logits.

        Raises:
            IndexError: for a token, a position or a speaker that the transformer does not have.
        """
        length = tokens.shape[1]
        tokens, positions = tokens.long().contiguous(), positions.long().expand(length).contiguous()
        if mask is not None:
            mask = mask.bool().expand(1, 1, length, length).contiguous()
        sight = None if mask is None else mask.data_ptr()
        where = tokens.data_ptr(), positions.data_ptr(), length, sight, speaker
        if self.library.read_prefix(self.address, *where, self.output):
            raise IndexError(
                f"a prefix of tokens {tokens.min()} to {tokens.max()} at positions {positions.min()} to "
                f"{positions.max()} with the speaker {speaker} is out of range"
            )
        return self.logits

    def generate(
        self, logits: Tensor, noise: Sequence[Tensor], filters: Filters, seen: Tensor | None, position: int, held: int
    ) -> Tensor | None:
        """Draw a token for each noise, int64 (1, count) of the joint vocabulary; None if logits are not finite.

        Args:
            logits: (1, V) of the first of them.
            noise: (1, V) for each.
            filters: what may be drawn.
            seen: int64 (1, C, count), what stood there before, counted like the logits.
            position: of the first; all but the last are read.
            held: slots of the cache that were filled before.

        Raises:
            IndexError: for positions that the transformer does not have, or if something was seen that it has not.
        """
        self.logits.copy_(logits)
        luck = torch.stack([one.expand_as(self.logits) for one in noise]).to(self.logits.dtype).contiguous()
        tokens = torch.empty(1, len(noise), dtype=torch.int64)
        if seen is None or not filters.repetition_penalty:
            seen = tokens[:, None, :0]
        else:
            seen = seen.long().expand(1, -1, len(noise)).contiguous()
        top_p = 1.0 if filters.top_p is None else filters.top_p
        top_k = min(filters.top_k or self.logits.shape[1], self.logits.shape[1])
        limits = _Filters(filters.temperature, top_p, filters.repetition_penalty, top_k)
        given = len(noise), ctypes.addressof(limits), luck.data_ptr(), seen.data_ptr(), seen.numel()
        failed = self.library.generate(self.address, self.output, *given, position, held, tokens.data_ptr())
        if failed == MISSING:
            raise IndexError(f"{len(noise)} tokens from position {position} on, or codes seen, are out of range")
        return None if failed else tokens


def native_step(model: GPT, cache: KVCache, first_token: int) -> NativeStep | None:
    """The step in C where it pays and can be had, else None."""
    library = library_for(model)
    return None if library is None else NativeStep(library, model, cache, first_token)


def library_for(model: GPT) -> ctypes.CDLL | None:
    """What computes single sequences of a model in C; None where that does not pay or cannot be had.

    It pays on a processor, for a float32 or float64 model of up to `LARGEST` bytes, and takes a C compiler.
    """
    weights = list(model.parameters())
    kind, real = weights[0].device.type, REALS.get(weights[0].dtype)
    size = sum(weight.numel() * weight.element_size() for weight in weights)
    plain = all(weight.is_contiguous() and weight.dtype == weights[0].dtype for weight in weights)
    if kind != "cpu" or real is None or size > LARGEST or not plain:
        return None
    return compiled(real)


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
    kinds: dict[str, type[ctypes.c_void_p | ctypes.c_int64]] = {"p": ctypes.c_void_p, "n": ctypes.c_int64}
    signatures = {"read_token": "pnnnp", "read_prefix": "pppnpnp", "generate": "ppnpppnnnp", "numbers_of_room": "p"}
    for name, letters in signatures.items():
        function = library[name]
        function.argtypes = [kinds[letter] for letter in letters]
        function.restype = ctypes.c_int64 if name == "numbers_of_room" else ctypes.c_int
        setattr(library, name, function)
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

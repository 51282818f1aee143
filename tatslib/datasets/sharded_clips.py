"""Training from a token set in shards, near or far, in memory that does not grow with it.

The order of an epoch is a pure function of seed and epoch. First the shards are shuffled. Then they are taken `window`
at a time, and the clips of such a window are shuffled among themselves. A set of no more shards than one window is
shuffled as a whole, exactly as `TokenClips` does it.

What that is worth, beside a shuffle of everything. Every clip still comes once an epoch, and it is equally likely
everywhere in it (all but exactly, if the last shard is short). Clips of one shard come in the same window, so a batch
of B clips holds two neighbours of a shard W / V times as often, out of W shards with a window of V. Where clips are
drawn at random before they are written, as `tats tokenize` draws them, neighbours have no more in common than any two
clips, and nothing is lost. Where they are written in the order of the videos, choose a larger window.

Letters: B batch, t h w latent grid, n_c tokens of a condition, V shards of a window, W shards in all.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from tatslib.datasets.shards import INDEX, ShardIndex, clips_of, read_index, read_shard, shard_name
from tatslib.datasets.storage import Folder, open_folder
from tatslib.datasets.tokens import TokenClips, TokenIndex
from tatslib.errors import UserError
from tatslib.randomness import torch_generator

WINDOW = 16  # shards: 65,536 clips as `tats tokenize` deals them, 134 MB at the paper's size
FETCHED_AT_ONCE = 8  # over a network most of the time is waiting
Cut = Callable[[TokenClips], TokenClips]
Key = TypeVar("Key")
Value = TypeVar("Value")


class Windows(NamedTuple):
    """The windows of an epoch, in turn."""

    shards: list[tuple[int, ...]]  # numbers of the shards of each
    ends: list[int]  # the place in the epoch at which each ends


class Shuffle:
    """Where the clips of each epoch are.

    Args:
        sizes: clips of each shard.
        window: V.
        seed: of all orders.
    """

    def __init__(self, sizes: Sequence[int], window: int, seed: int):
        self.sizes, self.window, self.seed = tuple(sizes), window, seed
        self.clips = sum(sizes)
        self._windows: dict[int, Windows] = {}
        self._orders: dict[tuple[int, int], Tensor] = {}

    def windows(self, epoch: int) -> Windows:
        """Which shards are shuffled together in an epoch."""

        def shuffle() -> Windows:
            order = list(range(len(self.sizes)))
            if len(order) > self.window:
                order = torch.randperm(len(order), generator=torch_generator(self.seed, "shard order", epoch)).tolist()
            windows = [tuple(order[start : start + self.window]) for start in range(0, len(order), self.window)]
            return Windows(windows, list(accumulate(sum(self.sizes[shard] for shard in shards) for shards in windows)))

        return remember(self._windows, epoch, shuffle)

    def order(self, epoch: int, number: int) -> Tensor:
        """The shuffled order of the clips of one window."""

        def shuffle() -> Tensor:
            windows = self.windows(epoch).shards
            stream = "token order" if len(windows) == 1 else f"token order of window {number}"
            clips = sum(self.sizes[shard] for shard in windows[number])
            return torch.randperm(clips, generator=torch_generator(self.seed, stream, epoch))

        return remember(self._orders, (epoch, number), shuffle)

    def rows(self, positions: Sequence[int]) -> list[tuple[tuple[int, ...], list[int]]]:
        """For increasing positions in the endless row of epochs: the shards of a window and rows in it, in turn."""
        found: list[tuple[tuple[int, ...], list[int]]] = []
        for position in positions:
            epoch, place = divmod(position, self.clips)
            shards, ends = self.windows(epoch)
            number = bisect_right(ends, place)
            row = int(self.order(epoch, number)[place - (ends[number - 1] if number else 0)])
            if not found or found[-1][0] != shards[number]:
                found.append((shards[number], []))
            found[-1][1].append(row)
        return found


class ShardedClips:
    """A token set in shards, with the words of `TokenClips`; at most two windows are in memory, at the seams.

    Args:
        folder: where it lies.
        shards: its index, complete.
        seed: of the order.
        window: V, shards that are shuffled together.
        cuts: what is made of the clips of every shard.
    """

    def __init__(
        self, folder: Folder, shards: ShardIndex, seed: int = 0, window: int = WINDOW, cuts: tuple[Cut, ...] = ()
    ):
        if window < 1:
            raise UserError(f"a window of {window} shards holds no clip: take 1 or more.")
        self.folder, self.shards, self.seed, self.window, self.cuts = folder, shards, seed, window, cuts
        grid, lead = shards.tokens.latent_shape, shards.tokens.lead
        # one clip of it, without memory, because an index can say anything; led as all are, so that a cut which their
        # conditions forbid is refused here and not in mid-training
        empty, condition = torch.zeros(1, *grid, device="meta"), None
        if lead is not None:
            condition = torch.zeros(1, lead.length, dtype=torch.int64, device="meta")
        outline = TokenClips(empty, torch.zeros(1), shards.tokens.replace(clips=1), conditions=condition)
        for cut in cuts:
            outline = cut(outline)
        self.index: TokenIndex = outline.index.replace(clips=len(outline) * sum(shard.clips for shard in shards.shards))
        self.shuffle = Shuffle([len(outline) * shard.clips for shard in shards.shards], window, seed)
        self._held: dict[tuple[int, ...], TokenClips] = {}

    @classmethod
    def read(cls, location: str | Path, seed: int = 0, window: int = WINDOW) -> "ShardedClips":
        """Open a set, on this machine or behind a URL. Shards are read, and their checksums looked at, when needed.

        Raises:
            UserError: if there is none, if it is not finished, or (on this machine) a shard is missing or cut off.
        """
        folder = open_folder(location)
        text = folder.read_text(INDEX)
        if text is None:
            raise UserError(f"{folder.name} holds no token set ({INDEX}): run `tats tokenize` first.")
        index = read_index(text, f"{folder.name}/{INDEX}")
        if index.missing:
            name = shard_name(index.missing[0])
            raise UserError(
                f"{folder.name} is not finished, {name} for one is not done: run the same `tats tokenize` again, "
                "which goes on from there."
            )
        for number, shard in enumerate(index.shards):
            folder.check_size(shard_name(number), shard.bytes or 0)
        return cls(folder, index, seed, window)

    def every(self, stride: int, frames: int | None = None) -> "ShardedClips":
        """As `TokenClips.every`."""
        return self._cut(lambda clips: clips.every(stride, frames, self._latent_frame))

    def windows(self, frames: int, hop: int) -> "ShardedClips":
        """As `TokenClips.windows`."""
        return self._cut(lambda clips: clips.windows(frames, hop, self._latent_frame))

    @property
    def _latent_frame(self) -> int:
        """Frames that a latent frame stands for, where clips have no margins; those with conditions have none."""
        return self.shards.source.frames // self.shards.tokens.latent_shape[0]

    def _cut(self, cut: Cut) -> "ShardedClips":
        return ShardedClips(self.folder, self.shards, self.seed, self.window, (*self.cuts, cut))

    def __len__(self) -> int:
        """How many clips there are."""
        return self.shuffle.clips

    def batch(self, step: int, size: int, *, rank: int = 0, world_size: int = 1) -> tuple[Tensor, Tensor]:
        """The batch of `step`, a pure function of the arguments, as `TokenClips.batch`.

        Raises:
            UserError: if a shard is missing or damaged, or cannot be fetched.
        """
        parts = [clips.take(rows) for clips, rows in self._rows(step, size, rank, world_size)]
        tokens, labels = zip(*parts, strict=True)
        return torch.cat(tokens), torch.cat(labels)

    def batch_conditions(self, step: int, size: int, *, rank: int = 0, world_size: int = 1) -> Tensor | None:
        """The condition tokens of the same clips, int64 (B, n_c), as `TokenClips.batch_conditions`."""
        parts = [
            clips.conditions[rows]
            for clips, rows in self._rows(step, size, rank, world_size)
            if clips.conditions is not None
        ]
        return torch.cat(parts) if parts else None

    def _rows(self, step: int, size: int, rank: int, world_size: int) -> Iterator[tuple[TokenClips, Tensor]]:
        """Clips of a window, and which of them the batch of a step holds, window by window."""
        positions = range(step * size * world_size + rank, (step + 1) * size * world_size, world_size)
        for shards, rows in self.shuffle.rows(positions):
            yield self._load(shards), torch.tensor(rows)

    def _load(self, shards: tuple[int, ...]) -> TokenClips:
        """The clips of some shards, one shard after another."""

        def load() -> TokenClips:
            with ThreadPoolExecutor(FETCHED_AT_ONCE) as pool:
                parts = list(pool.map(self.shard, shards))
            index = parts[0].index.replace(clips=sum(len(part) for part in parts))
            tokens, labels = torch.cat([part.tokens for part in parts]), torch.cat([part.labels for part in parts])
            conditions = [part.conditions for part in parts if part.conditions is not None]
            return TokenClips(tokens, labels, index, self.seed, torch.cat(conditions) if conditions else None)

        return remember(self._held, shards, load)

    def shard(self, number: int) -> TokenClips:
        """The clips of one shard, checked; errors as of `batch`."""
        name, shard = shard_name(number), self.shards.shards[number]
        path = self.folder.file(name, shard.bytes or 0, shard.sha256 or "")
        try:
            tensors = read_shard(path, self.shards.settings, number)
            clips = clips_of(tensors, self.shards.tokens.replace(clips=shard.clips), self.seed)
        except UserError as error:
            raise UserError(f"{self.folder.name}/{name} {error}: make the set anew in another folder.") from error
        for cut in self.cuts:
            clips = cut(clips)
        return clips


def open_tokens(location: str | Path, seed: int = 0, window: int = WINDOW) -> TokenClips | ShardedClips:
    """A token set of either kind: in one file, or in shards, which may also lie behind a URL.

    Raises:
        UserError: as `ShardedClips.read` and `TokenClips.read` do.
    """
    local = None if "://" in str(location) else Path(location)
    if local is not None and (not (local / INDEX).is_file() or (local / "tokens.safetensors").exists()):
        return TokenClips.read(local, seed)
    return ShardedClips.read(location, seed, window)


def remember(held: dict[Key, Value], key: Key, make: Callable[[], Value]) -> Value:
    """What `make` returns for a key, made once while it is one of the last two that were asked for."""
    value = held.pop(key) if key in held else None
    if value is None:
        while len(held) > 1:
            del held[next(iter(held))]
        value = make()
    held[key] = value
    return value

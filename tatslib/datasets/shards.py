"""Token sets in shards: written by any number of processes, finished after any stop, each file known by its checksum.

A set is a folder with `index.json` and `tokens-00000.safetensors`, `tokens-00001.safetensors` and so on. Clip c lies in
shard c // shard_clips. The index says what the clips are and where they come from and, for each shard that is done,
its size and SHA-256. A shard appears under its name when it is whole and on the disk. It also carries a checksum of
its own contents and the fingerprint of the set: so one that a killed process had finished, but not yet entered in the
index, is recognised.

Letters: B clips, t h w latent grid, n_c tokens of a condition.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from pydantic import Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tatslib.config import Config, LastingConfig
from tatslib.datasets.clips import ClipDataset
from tatslib.datasets.storage import find_damage
from tatslib.datasets.tokens import TokenClips, TokenIndex
from tatslib.distributed import from_main, one_for_all, rank, world_size
from tatslib.errors import UserError
from tatslib.files import fsync, refusals_in_words, replacing, sha256

INDEX = "index.json"
MADE_BY = "source of a condition"  # not compared where one of two sets does not know it
LABEL = "shard"  # in the head of each: the set, the number, a checksum of the contents
LARGEST_INT16 = 2**15 - 1


class ClipSource(LastingConfig):
    """Which videos the clips of a set are cut from, and how."""

    videos: int  # how many
    frames: int  # of a clip
    stride: int
    resolution: int
    position: str
    seed: int
    digest: str  # of the names, labels and lengths of the videos
    told: str = ""  # how text or sound differ from the usual, see `ClipDataset`

    @classmethod
    def of(cls, data: ClipDataset) -> Self:
        """The source that a data set is; two folders with the same videos are the same source."""
        digest = hashlib.sha256()
        for path, label, frames in zip(data.paths, data.labels, data.frames, strict=True):
            digest.update(f"{'/'.join(path.parts[-2:])}|{label}|{frames}\n".encode(errors="surrogateescape"))
        return cls(
            videos=len(data),
            frames=data.length,
            stride=data.stride,
            resolution=data.resolution,
            position=data.position,
            seed=data.seed,
            digest=digest.hexdigest()[:12],
            told=data.told,
        )


class Shard(Config):
    """One file of a set; size and checksum are absent while it is not done."""

    clips: int = Field(gt=0)
    bytes: int | None = Field(None, gt=0)
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")

    @property
    def done(self) -> bool:
        """Whether it is written."""
        return self.bytes is not None and self.sha256 is not None


class ShardSettings(Config):
    """What a sharded token set is to be."""

    tokens: TokenIndex
    source: ClipSource
    shard_clips: int = Field(gt=0)  # in each shard but the last, which may have fewer

    def differences(self, other: "ShardSettings") -> str:
        """In which settings another set differs from this one, as words; empty if in none.

        What made the conditions is compared where both know it.
        """
        mine, its = self._facts, other._facts
        both = [key for key in mine if key in its and (key != MADE_BY or (mine[key] and its[key]))]
        return ", ".join(f"{key} is {mine[key]} there and {its[key]} here" for key in both if mine[key] != its[key])

    @property
    def _facts(self) -> dict[str, Any]:
        """Every setting by a name for a reader."""
        facts: dict[str, Any] = {**dict(self.tokens), **dict(self.source), "clips in a shard": self.shard_clips}
        facts["told"] = self.source.told or "nothing special"
        lead = dict(facts.pop("lead") or {"kind": "none"})
        facts["condition"] = lead.pop("kind")
        return facts | {f"{name} of a condition": value for name, value in lead.items()}

    def nothing_done(self) -> "ShardIndex":
        """The index of such a set before anything is written."""
        whole, rest = divmod(self.tokens.clips or 0, self.shard_clips)
        sizes = [self.shard_clips] * whole + [rest] * (rest > 0)
        facts = {"tokens": self.tokens, "source": self.source, "shard_clips": self.shard_clips}
        return ShardIndex(**facts, shards=tuple(Shard(clips=clips) for clips in sizes))


class ShardIndex(ShardSettings):
    """What a sharded token set is, and what of it is done."""

    shards: tuple[Shard, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _counts_add_up(self) -> Self:
        clips, each = self.tokens.clips or 0, [shard.clips for shard in self.shards]
        if sum(each) != clips or set(each[:-1]) - {self.shard_clips} or each[-1] > self.shard_clips:
            raise ValueError(f"{len(each)} shards of {sum(each)} clips are not {clips} clips, {self.shard_clips} each")
        return self

    @property
    def settings(self) -> ShardSettings:
        """What the set is, whatever of it is done."""
        return ShardSettings(tokens=self.tokens, source=self.source, shard_clips=self.shard_clips)

    @property
    def missing(self) -> list[int]:
        """Numbers of the shards that are not done."""
        return [number for number, shard in enumerate(self.shards) if not shard.done]


def shard_name(number: int) -> str:
    """The name of a shard's file."""
    return f"tokens-{number:05d}.safetensors"


class Written(NamedTuple):
    """What `write_shards` did."""

    shards: ShardIndex
    made: list[int]  # numbers of the shards that were missing or damaged
    damaged: dict[int, str]  # what was wrong with those that were damaged


def write_shards(folder: Path, settings: ShardSettings, make: Callable[[int, int], TokenClips]) -> Written:
    """Write what is not there of a set; processes that run this together share the shards.

    Every shard that is there is checked first. What is whole stays as it is; what is damaged goes, and is made anew.

    Args:
        folder: of the set, new or begun, the same for all processes.
        settings: what it is to be.
        make: the clips from one number on, so many of them; a pure function of both.

    Raises:
        UserError: if another set lies there, if the folder cannot be written, and what `make` raises.
    """
    index, damaged = from_main(lambda: _claim(folder, settings))
    settings = index.settings  # those of the folder, which may be from before and know less
    with one_for_all():
        for number in index.missing[rank() :: world_size()]:
            clips = make(number * settings.shard_clips, index.shards[number].clips)
            _write_shard(folder / shard_name(number), settings, number, tensors_of(clips))
    return Written(from_main(lambda: _finish(folder, index)), index.missing, damaged)


def read_index(text: str, source: str | Path) -> ShardIndex:
    """The index of a set.

    Raises:
        UserError: if it is damaged, contradicts itself, or is that of a set in one file.
    """
    with suppress(ValidationError):
        TokenIndex.model_validate_json(text)
        raise UserError(
            f"{source} tells of a token set in one file, without shards: `tats tokenize` makes one of those."
        )
    try:
        return ShardIndex.from_json(text, source=source)
    except UserError as error:
        remedy = "delete this file and run the same `tats tokenize` again, which keeps whole shards"
        raise UserError(f"{str(error).removesuffix('.')}: {remedy}.") from error


def _claim(folder: Path, settings: ShardSettings) -> tuple[ShardIndex, dict[int, str]]:
    """Make a folder that of a set, or see that it is; what is done there, and what was damaged and has been removed."""
    if (folder / "tokens.safetensors").exists():
        raise UserError(f"{folder} holds a token set in one file: choose another folder.")
    there = settings.nothing_done()
    if (folder / INDEX).is_file():
        there = read_index((folder / INDEX).read_text(errors="replace"), folder / INDEX)
        if found := there.differences(settings):
            raise UserError(f"{folder} holds another token set: {found}; choose another folder.")
        settings = there.settings  # by which its shards are labelled
    shards, damaged = [], {}
    for number, shard in enumerate(there.shards):
        path = folder / shard_name(number)
        listed = find_damage(path, shard.bytes or 0, shard.sha256) if shard.done else None
        complaint = listed if shard.done else find_fault(path, settings, number)
        if complaint and (shard.done or path.exists()):
            damaged[number] = complaint
        shards.append(_entry(path, shard.clips) if complaint is None else Shard(clips=shard.clips))
    index = there.replace(shards=shards)
    with refusals_in_words(folder):
        for number in damaged:
            (folder / shard_name(number)).unlink(missing_ok=True)
        _write_index(folder, index)
    return index, damaged


def _finish(folder: Path, index: ShardIndex) -> ShardIndex:
    """Enter what all processes have written in the index."""
    shards = list(index.shards)
    for number in index.missing:
        path = folder / shard_name(number)
        if complaint := find_fault(path, index.settings, number):
            shared = "all processes must see the same folder" if world_size() > 1 else "start the same command again"
            raise UserError(f"{path} {complaint} although it was just written: {shared}.")
        shards[number] = _entry(path, shards[number].clips)
    index = index.replace(shards=shards)
    with refusals_in_words(folder):
        _write_index(folder, index)
    return index


def _entry(path: Path, clips: int) -> Shard:
    return Shard(clips=clips, bytes=path.stat().st_size, sha256=sha256(path))


def _write_index(folder: Path, index: ShardIndex) -> None:
    with replacing(folder / INDEX) as temporary:
        temporary.write_text(index.to_json())
        fsync(temporary)


def _write_shard(path: Path, settings: ShardSettings, number: int, tensors: dict[str, Tensor]) -> None:
    """Write one shard; it has its name only when it is whole and on the disk."""
    # one label, because the order of several would differ from file to file
    label = f"{settings.fingerprint} {number} {digest_of(tensors)}"
    with refusals_in_words(path):
        try:
            with replacing(path) as temporary:
                save_file(tensors, temporary, metadata={LABEL: label})
                fsync(temporary)
            fsync(path.parent)
        except SafetensorError as error:  # what a full disk is to safetensors
            raise OSError(str(error)) from error


def find_fault(path: Path, settings: ShardSettings, number: int) -> str | None:
    """What is wrong with a shard, by what it says of itself; None if nothing is."""
    if not path.is_file():
        return "is missing"
    try:
        read_shard(path, settings, number, check=True)
    except UserError as error:
        return str(error)
    return None


def read_shard(path: Path, settings: ShardSettings, number: int, check: bool = False) -> dict[str, Tensor]:
    """The tensors of a shard; its contents are held against its own checksum only if asked to.

    Raises:
        UserError: with words that follow the name of the file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            label = (file.metadata() or {}).get(LABEL, "")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dict
    except (SafetensorError, ValueError) as error:
        raise UserError(f"is cut off or damaged ({error})") from error
    belongs, _, contents = label.rpartition(" ")
    if belongs != f"{settings.fingerprint} {number}":
        raise UserError("belongs to another set or another place in it")
    if check and contents != digest_of(tensors):
        raise UserError("does not match its checksum")
    return tensors


def tensors_of(clips: TokenClips) -> dict[str, Tensor]:
    """What a shard holds: tokens (B, t, h, w) in as few bytes as the codebook allows, int64 labels (B,).

    Clips with conditions have them as well, int32 (B, n_c).
    """
    narrow = torch.int16 if clips.index.codes - 1 <= LARGEST_INT16 else torch.int32
    tensors = {"tokens": clips.tokens.to(narrow).contiguous(), "labels": clips.labels.contiguous()}
    if clips.conditions is not None:
        tensors["conditions"] = clips.conditions.to(torch.int32).contiguous()
    return tensors


def clips_of(tensors: dict[str, Tensor], index: TokenIndex, seed: int = 0) -> TokenClips:
    """The way back, with tokens as narrow as they are.

    Raises:
        UserError: with words that follow the name of the file, if it holds something else.
    """
    found, expected = {name: tuple(value.shape) for name, value in tensors.items()}, (index.clips, *index.latent_shape)
    if found.get("tokens") != expected or found.get("labels") != expected[:1]:
        raise UserError(f"holds {found}, but its index says {expected}")
    led = (index.clips, index.lead.length) if index.lead else None
    if led and found.get("conditions") != led:
        raise UserError(f"holds conditions {found.get('conditions')}, but its index says {led}")
    conditions = tensors.get("conditions")
    conditions = None if conditions is None else conditions.long()
    return TokenClips(tensors["tokens"], tensors["labels"], index, seed, conditions)


def digest_of(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()

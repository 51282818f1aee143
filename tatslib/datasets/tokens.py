"""Tokenised clips on disk: encode once, train on tokens many times (the released code encodes every batch anew).

Letters: B batch, t h w latent grid, p pieces of a clip, n_c tokens of a condition.
"""

from pathlib import Path
from typing import Literal

import torch
from einops import rearrange
from pydantic import Field, PositiveInt
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from tatslib.config import Config, LastingConfig
from tatslib.errors import UserError
from tatslib.files import replacing
from tatslib.randomness import torch_generator


class Lead(LastingConfig):
    """What stands before the tokens of each clip beside its class: see `tatslib.transformer.conditions`."""

    kind: Literal["text", "sound"]
    codes: PositiveInt  # condition tokens that there are
    length: PositiveInt  # n_c
    source: str = ""  # fingerprint of what made them, a VQ-VAE's weights or a tokenizer's merges; "" where not known
    padding: Literal["masked", "released"] = "masked"  # of texts: see `text_condition`


def told_alike(one: Lead | None, other: Lead | None) -> bool:
    """Whether two things are told in the same tokens, however many of them; None is told a class, or nothing.

    A source that is not known is held against nothing.
    """
    if one is None or other is None:
        return one is other
    known = one.source and other.source
    alike = (one.kind, one.codes, one.padding) == (other.kind, other.codes, other.padding)
    return alike and (not known or one.source == other.source)


class TokenIndex(Config):
    """What a token set is: saved as `index.json` beside `tokens.safetensors`."""

    clips: int | None = Field(None, gt=0)  # None: not known, as of what the authors' transformers were trained on
    codes: int = Field(gt=0)  # size of the codebook that the tokens index
    latent_shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    classes: tuple[str, ...] = ()  # () for unlabelled data, or where the names are not known
    vqgan: str  # fingerprint of the weights of the model that made them
    latent_stride: int = Field(1, gt=0)  # every how many-th latent frame of the clips was kept
    lead: Lead | None = None  # of clips that have conditions, where it is known


class TokenClips:
    """A token set: int64 tokens (B, t, h, w) with labels (B,), drawn as a pure function of the step.

    `conditions`, int64 (B, n_c), are the condition tokens of each clip where it is led by more than its label: by text
    or sound, see `tatslib.transformer.conditions`. None where it is not.
    """

    def __init__(
        self, tokens: Tensor, labels: Tensor, index: TokenIndex, seed: int = 0, conditions: Tensor | None = None
    ):
        self.tokens, self.labels, self.index, self.seed, self.conditions = tokens, labels, index, seed, conditions
        if conditions is not None and (conditions.ndim != 2 or len(conditions) != len(tokens)):
            raise UserError(
                f"the conditions are {tuple(conditions.shape)} beside {len(tokens)} clips: they need one row a clip."
            )

    @classmethod
    def read(cls, folder: Path, seed: int = 0) -> "TokenClips":
        """Open a token set.

        Raises:
            UserError: if the folder has none, or if file and index disagree.
        """
        index_path, path = folder / "index.json", folder / "tokens.safetensors"
        if not (index_path.is_file() and path.is_file()):
            raise UserError(
                f"{folder} holds no token set (index.json and tokens.safetensors): run `tats tokenize` first."
            )
        index = TokenIndex.from_json(index_path.read_text(), source=index_path)
        try:
            tensors = load_file(path)
        except SafetensorError as error:
            raise UserError(f"{path} is damaged ({error}): delete {folder} and run `tats tokenize` again.") from error
        tokens, expected = tensors["tokens"], (index.clips, *index.latent_shape)
        if tuple(tokens.shape) != expected:
            raise UserError(f"{path} holds tokens of shape {tuple(tokens.shape)}, its index says {expected}.")
        conditions = tensors.get("conditions")
        return cls(tokens, tensors["labels"], index, seed, None if conditions is None else conditions.long())

    def write(self, folder: Path) -> None:
        """Write the token set; the index comes last, so that its presence means complete."""
        with replacing(folder / "tokens.safetensors") as temporary:
            tensors = {"tokens": self.tokens.to(torch.int32).contiguous(), "labels": self.labels}
            if self.conditions is not None:
                tensors["conditions"] = self.conditions.to(torch.int32).contiguous()
            save_file(tensors, temporary)
        with replacing(folder / "index.json") as temporary:
            temporary.write_text(self.index.to_json())

    def every(self, stride: int, frames: int | None = None, latent_frame: int | None = None) -> "TokenClips":
        """The same clips with every `stride`-th latent frame only, from the first on (paper 2.3).

        Args:
            stride: 4 out of clips of 64 frames for the sparse transformer of the paper; 1 for interpolation out of
                clips of 20. A level in between is trained on the stride of the level below it.
            frames: how many latent frames to keep; absent, all there are.
            latent_frame: frames that a latent frame stands for, where it is known; what is refused says it in frames.

        Raises:
            UserError: if the clips are too short, or if they have conditions and do not end with the last latent frame
                that is kept, so that the conditions would tell of more; see `check_tells_of`.
        """
        shape = self.index.latent_shape
        available = -(-shape[0] // stride) if stride > 0 else 0
        frames = available if frames is None else frames
        if not 1 <= frames <= available:
            raise UserError(
                f"{frames} latent frames, one in {stride}, are not in clips of {shape[0]} latent frames: "
                "tokenise longer clips."
            )
        if self.conditions is not None:
            check_tells_of(self.index, (frames - 1) * stride + 1, latent_frame)
        tokens = self.tokens[:, ::stride][:, :frames].contiguous()  # what is left out need not stay in memory
        index = self.index.replace(latent_shape=(frames, *shape[1:]), latent_stride=self.index.latent_stride * stride)
        return TokenClips(tokens, self.labels, index, self.seed, self.conditions)

    def with_conditions(self, conditions: Tensor, lead: Lead | None = None) -> "TokenClips":
        """The same clips, each led by a row of condition tokens, int64 (B, n_c)."""
        index = self.index.replace(lead=lead)
        return TokenClips(self.tokens, self.labels, index, self.seed, conditions)

    def windows(self, frames: int, hop: int, latent_frame: int | None = None) -> "TokenClips":
        """Pieces of `frames` latent frames of each clip, `hop` apart, as clips of their own; the rest is left out.

        A condition tells of a whole clip. So clips that have one stay whole: they are pieces of just this length.

        Args:
            frames: of a piece.
            hop: from the first frame of a piece to that of the next.
            latent_frame: as of `every`.

        Raises:
            UserError: if a clip is shorter than one piece, or longer and has a condition.
        """
        t, h, w = self.index.latent_shape
        if not 1 <= frames <= t or hop < 1:
            raise UserError(f"pieces of {frames} latent frames, {hop} apart, cannot be cut out of clips of {t}.")
        if self.conditions is not None:
            check_tells_of(self.index, frames, latent_frame)
        pieces = rearrange(self.tokens.unfold(1, frames, hop), "B p h w t -> (B p) t h w")
        count = len(pieces) // len(self.tokens)  # 1 where there are conditions
        index = self.index.replace(clips=len(pieces), latent_shape=(frames, h, w))
        return TokenClips(pieces, self.labels.repeat_interleave(count), index, self.seed, self.conditions)

    def __len__(self) -> int:
        """How many clips there are."""
        return len(self.tokens)

    def batch(self, step: int, size: int, *, rank: int = 0, world_size: int = 1) -> tuple[Tensor, Tensor]:
        """The batch of `step`: int64 (B, t, h, w) tokens and int64 (B,) labels.

        Steps walk through one shuffled order after another (a new order an epoch), so every clip is seen equally often.

        Args:
            step: which batch.
            size: clips for this process.
            rank: which of `world_size` processes asks; together they get the batch that one process of
                size * world_size clips would get, each clip once.
            world_size: number of processes.
        """
        return self.take(self._rows(step, size, rank, world_size))

    def batch_conditions(self, step: int, size: int, *, rank: int = 0, world_size: int = 1) -> Tensor | None:
        """The condition tokens of the clips that `batch` gives for the same arguments.

        Returns:
            int64 (B, n_c); None where the label is all there is.
        """
        return None if self.conditions is None else self.conditions[self._rows(step, size, rank, world_size)]

    def _rows(self, step: int, size: int, rank: int, world_size: int) -> Tensor:
        """Which clips the batch of a step holds, int64 (B,)."""
        positions = torch.arange(step * size * world_size, (step + 1) * size * world_size)[rank::world_size]
        epochs, places = positions // len(self), positions % len(self)
        orders = {epoch: self.order(epoch) for epoch in epochs.unique().tolist()}
        return torch.stack(
            [orders[epoch][place] for epoch, place in zip(epochs.tolist(), places.tolist(), strict=True)]
        )

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The clips of some rows, as `batch` returns them."""
        return self.tokens[rows].long(), self.labels[rows]

    def order(self, epoch: int) -> Tensor:
        """The shuffled order of the clips in one epoch."""
        return torch.randperm(len(self), generator=torch_generator(self.seed, "token order", epoch))


def check_tells_of(index: TokenIndex, shown: int, latent_frame: int | None = None) -> None:
    """Refuse to keep so many latent frames of clips that have a condition, unless it tells of just these.

    While sampling, a window is told of what lies from its first latent frame to its last, both included: every 4th of
    13, or 5 in a gap (`sampling.hierarchical`). It is trained on the same if its clips end there, too.

    Args:
        index: of the clips.
        shown: from the first that is kept to the last.
        latent_frame: frames that a latent frame stands for, where it is known.

    Raises:
        UserError: with the length of clips that would be told of just these.
    """
    if shown == index.latent_shape[0]:
        return
    kind, exactly = index.lead.kind if index.lead else "condition", (shown - 1) * index.latent_stride + 1
    frames = f" {exactly * latent_frame}`" if latent_frame else f"`, {exactly} times the compression in time"
    raise UserError(
        f"the {kind} of clips of {index.latent_shape[0]} latent frames is not that of {shown} of them: tokenise clips "
        f"of exactly {exactly} (`tats tokenize --frames{frames})."
    )

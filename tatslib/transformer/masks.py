"""Attention masks as things to look at: who may look at whom (paper A.4, Fig. 14).

Row p of a mask says what the query at position p of the input sequence sees. The input is the condition tokens followed
by the video tokens without the last one, and the output at position p predicts the token at p + 1.

B: batch · N: length of the input sequence · n_c: condition length · t: latent frames · n: tokens of a latent frame.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from einops import rearrange
from torch import Tensor

from tatslib.errors import UserError

Role = Literal["condition", "first anchor", "gap", "last anchor"]  # what a token of the sequence is there for
MaskKind = Literal["causal", "leaking", "interpolation"]  # Fig. 14 a, b, c
Sight = Literal["all", "before", "none"]  # "before": what stands before the query, and the query itself
PADDING = -1  # in a condition: nothing stands here, and nobody looks
ROLES: tuple[Role, ...] = get_args(Role)
KINDS: tuple[MaskKind, ...] = get_args(MaskKind)

_GIVEN: dict[Role, Sight] = {"condition": "all", "first anchor": "all", "gap": "none", "last anchor": "all"}
SIGHT: dict[MaskKind, dict[Role, dict[Role, Sight]]] = {  # kind, role of the query, role of the key
    "causal": {query: {key: "before" for key in ROLES} for query in ROLES},
    "leaking": {
        "condition": _GIVEN,
        "first anchor": _GIVEN,
        "gap": {**_GIVEN, "gap": "before"},
        "last anchor": {**_GIVEN, "gap": "all"},
    },
    "interpolation": {
        "condition": _GIVEN,
        "first anchor": _GIVEN,
        "gap": {**_GIVEN, "gap": "before"},
        "last anchor": _GIVEN,
    },
}


class Place(NamedTuple):
    """One position of the input sequence."""

    role: Role
    frame: int | None  # number of the latent frame; None in the condition
    token: int  # number within the latent frame or the condition


@dataclass(frozen=True)
class AttentionMask:
    """One of the three masks of Fig. 14, for a sequence of condition, first anchor, gap and last anchor.

    * causal (a): a token looks at what stands before it, so what is in the gap knows nothing of the last anchor;
    * leaking (b): the anchors are in everyone's sight, and the last anchor looks at the gap as well;
    * interpolation (c): the same, but no given frame looks at the gap, so that nothing of it can return to the gap.

    Args:
        kind: which.
        condition_length: n_c, at least 1.
        frames: t, anchors included.
        frame_tokens: n.

    Raises:
        UserError: if there is no gap between two anchors, or nothing of the last anchor is read (its last token is
            the end of the sequence, which is only ever predicted).
    """

    kind: MaskKind
    condition_length: int
    frames: int
    frame_tokens: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UserError(f"there is no mask {self.kind!r}: take one of {', '.join(KINDS)}.")
        if self.frames < 3 or self.frame_tokens < 2 or self.condition_length < 1:
            raise UserError(
                f"{self.frames} latent frames of {self.frame_tokens} tokens after {self.condition_length} condition "
                "tokens leave nothing to fill in: it takes 3 frames of 2 tokens after 1, or more."
            )

    @property
    def length(self) -> int:
        """N: condition and frames without the very last token."""
        return self.condition_length + self.frames * self.frame_tokens - 1

    @property
    def places(self) -> tuple[Place, ...]:
        """What stands at each position: N of them."""
        condition = [Place("condition", None, token) for token in range(self.condition_length)]
        roles: list[Role] = ["first anchor", *["gap"] * (self.frames - 2), "last anchor"]  # type: ignore[list-item]
        video = [Place(role, frame, token) for frame, role in enumerate(roles) for token in range(self.frame_tokens)]
        return (*condition, *video[:-1])

    def sight(self, query: Role, key: Role) -> Sight:
        """What a token of one role sees of those of another."""
        return SIGHT[self.kind][query][key]

    def sees(self, query: int, key: int) -> bool:
        """Whether the query at one position may look at the key at another."""
        places = self.places
        sight = self.sight(places[query].role, places[key].role)
        return sight == "all" or (sight == "before" and key <= query)

    def tensor(self, device: torch.device | str | None = None) -> Tensor:
        """The mask as a bool (N, N), True where a query (row) may look at a key (column)."""
        table = [[("none", "before", "all").index(self.sight(query, key)) for key in ROLES] for query in ROLES]
        roles = torch.tensor([ROLES.index(place.role) for place in self.places], device=device)
        sight = torch.tensor(table, device=device)[roles][:, roles]  # (N, N)
        return (sight == 2) | ((sight == 1) & causal_mask(self.length, device))

    def reach(self, layers: int) -> Tensor:
        """bool (N, N): whether an output (row) can know of an input (column) after so many layers of attention.

        One layer passes on what it saw to the next, so this is the mask multiplied with itself.
        """
        seen = self.tensor().float()
        reached = torch.eye(self.length)
        for _ in range(layers):
            reached = ((reached @ seen) > 0).float()
        return reached.bool()

    def copies(self, layers: int = 1) -> Tensor:
        """bool (t, n): the targets that the very output which is to predict them can know after so many layers.

        In the anchors that is a waste of the loss; in the gap it is a leak: there is nothing to know when sampling.
        """
        own = self.reach(layers).diagonal(1)[self.condition_length - 1 :]  # without the last token, which none sees
        return torch.cat([own, own.new_zeros(1)]).view(self.frames, self.frame_tokens)

    def rows(self) -> list[list[int]]:
        """N rows of N zeros and ones: the mask for a picture, a widget or a file."""
        return self.tensor().int().tolist()

    def __str__(self) -> str:
        """The mask as text: a row for each query, c condition, A and B anchors, digits for the frames of the gap."""
        letters = [
            {"condition": "c", "first anchor": "A", "last anchor": "B"}.get(place.role, str((place.frame or 0) % 10))
            for place in self.places
        ]
        lines = ["".join("█" if seen else "·" for seen in row) for row in self.rows()]
        return "\n".join(["  " + "".join(letters), *(f"{x} {line}" for x, line in zip(letters, lines, strict=True))])


def causal_mask(length: int, device: torch.device | str | None = None) -> Tensor:
    """Every position sees itself and what stands before it (paper 2.1, Fig. 14a).

    Args:
        length: N, the number of positions.
        device: where the mask is to live.

    Returns:
        bool (N, N), the lower triangle with its diagonal.
    """
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


def padding_of(tokens: Tensor, condition_length: int) -> Tensor | None:
    """Where a sequence holds `PADDING`, which shorter conditions are filled up with.

    Args:
        tokens: int64 (B, N), beginning with the condition.
        condition_length: n_c. A condition of one token cannot be padded: the first token of a sequence has to be one,
            so that every query sees something.

    Returns:
        bool (B, N); None where there is no padding, so that nothing is paid for it.
    """
    if condition_length == 1:
        return None
    padding = tokens < 0
    return padding if padding.any() else None


def without_padding(mask: Tensor | None, padding: Tensor) -> Tensor:
    """A mask in which nobody looks at padding.

    Padded places are still read, and see what others would see in their place. So the last token of the condition,
    whose output predicts the first one of the video, may be one of them.

    Args:
        mask: bool (N, N), for all sequences alike; None is causal.
        padding: bool (B, N), from `padding_of`.

    Returns:
        bool (B, 1, N, N): a mask for each sequence and all heads.
    """
    if mask is None:
        mask = causal_mask(padding.shape[1], padding.device)
    return mask & ~rearrange(padding, "B N -> B 1 1 N")

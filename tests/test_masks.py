"""The three masks of Fig. 14: who sees whom, what returns to the gap, and how they look."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tatslib.errors import UserError
from tatslib.transformer.masks import KINDS, AttentionMask, MaskKind, causal_mask

PAPER = AttentionMask("interpolation", condition_length=1, frames=5, frame_tokens=256)

masks = st.builds(
    AttentionMask,
    kind=st.sampled_from(KINDS),
    condition_length=st.integers(1, 4),
    frames=st.integers(3, 6),
    frame_tokens=st.integers(2, 5),
)


def test_the_interpolation_mask_of_fig_14_looks_as_drawn() -> None:
    assert str(AttentionMask("interpolation", 1, 3, 2)).splitlines() == [
        "  cAA11B",
        "c ███··█",
        "A ███··█",
        "A ███··█",
        "1 ████·█",
        "1 ██████",
        "B ███··█",
    ]


def test_the_leaking_mask_differs_in_what_the_last_anchor_sees_alone() -> None:
    leaking, tight = (AttentionMask(kind, 1, 5, 3) for kind in ("leaking", "interpolation"))
    different = (leaking.tensor() != tight.tensor()).nonzero()
    places = leaking.places
    assert {(places[q].role, places[k].role) for q, k in different.tolist()} == {("last anchor", "gap")}


@given(mask=masks)
def test_the_tensor_says_what_the_table_of_roles_says(mask: AttentionMask) -> None:
    expected = [[mask.sees(query, key) for key in range(mask.length)] for query in range(mask.length)]
    assert mask.tensor().tolist() == expected
    assert mask.rows() == [[int(seen) for seen in row] for row in expected]
    assert len(mask.places) == mask.length == mask.condition_length + mask.frames * mask.frame_tokens - 1
    if mask.kind == "causal":
        assert torch.equal(mask.tensor(), causal_mask(mask.length))


@given(mask=masks)
def test_through_any_number_of_layers_only_the_leaking_mask_shows_the_gap_its_own_targets(mask: AttentionMask) -> None:
    gap = mask.copies(layers=6)[1:-1]
    assert not mask.copies(layers=1)[1:-1].any(), "a single layer does not leak"
    assert gap.all() if mask.kind == "leaking" else not gap.any()
    assert torch.equal(gap, mask.copies(layers=2)[1:-1]), "two layers do"


def test_511_of_the_papers_1280_targets_are_copies() -> None:
    copies = PAPER.copies()
    assert copies.numel() == 1280 and copies.sum() == 511
    assert copies[0].all() and copies[-1, :-1].all() and not copies[-1, -1]


@pytest.mark.parametrize(
    ("kind", "frames", "frame_tokens", "condition_length", "sentence"),
    [
        ("interpolation", 2, 4, 1, "2 latent frames of 4 tokens .* leave nothing to fill in"),
        ("interpolation", 3, 1, 1, "3 latent frames of 1 tokens"),
        ("causal", 3, 2, 0, "after 0 condition tokens"),
        ("backwards", 3, 2, 1, "no mask 'backwards': take one of causal, leaking, interpolation"),
    ],
)
def test_a_mask_that_makes_no_sense_is_one_sentence(
    kind: MaskKind, frames: int, frame_tokens: int, condition_length: int, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        AttentionMask(kind, condition_length, frames, frame_tokens)

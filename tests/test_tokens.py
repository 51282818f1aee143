"""Token sets: each clip once an epoch, a pure function of the step, refused when damaged."""

import pytest
import torch

from tatslib.datasets.tokens import Lead, TokenClips, TokenIndex
from tatslib.errors import UserError


def token_set(clips: int = 10) -> TokenClips:
    index = TokenIndex(clips=clips, codes=100, latent_shape=(1, 1, 1), classes=("a", "b"), vqgan="0" * 12)
    return TokenClips(torch.arange(clips).view(-1, 1, 1, 1), torch.arange(clips) % 2, index)


def test_an_epoch_sees_every_clip_once_whatever_the_batch_size():
    for size in (1, 3, 4, 10):
        tokens = token_set()
        steps = 3 * 10 // size
        seen = torch.cat([tokens.batch(step, size)[0].flatten() for step in range(steps)])
        for epoch in range(len(seen) // 10):
            assert sorted(seen[10 * epoch : 10 * epoch + 10].tolist()) == list(range(10))


def test_a_batch_depends_on_its_step_alone_and_labels_stay_with_their_clips():
    tokens = token_set()
    later = tokens.batch(7, 4)
    tokens.batch(0, 4)
    assert torch.equal(later[0], token_set().batch(7, 4)[0])
    assert torch.equal(later[0].flatten() % 2, later[1])
    assert not torch.equal(tokens.order(0), tokens.order(1))


def test_what_is_written_comes_back(tmp_path):
    token_set().write(tmp_path)
    back = TokenClips.read(tmp_path)
    assert back.index == token_set().index and len(back) == 10
    assert back.batch(3, 4)[0].dtype == torch.int64
    assert torch.equal(back.batch(3, 4)[0], token_set().batch(3, 4)[0])


def test_a_missing_damaged_or_contradicting_set_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="holds no token set"):
        TokenClips.read(tmp_path)
    token_set().write(tmp_path)
    whole = (tmp_path / "tokens.safetensors").read_bytes()
    (tmp_path / "tokens.safetensors").write_bytes(whole[:-3])
    with pytest.raises(UserError, match="is damaged"):
        TokenClips.read(tmp_path)
    (tmp_path / "tokens.safetensors").write_bytes(whole)
    index = (tmp_path / "index.json").read_text()
    (tmp_path / "index.json").write_text(index.replace('"clips": 10', '"clips": 11'))
    with pytest.raises(UserError, match=r"shape \(10, 1, 1, 1\), its index says \(11, 1, 1, 1\)"):
        TokenClips.read(tmp_path)


def test_a_sparse_set_keeps_every_kth_latent_frame_and_says_so(tmp_path):
    index = TokenIndex(clips=2, codes=100, latent_shape=(16, 1, 1), vqgan="0" * 12)
    tokens = TokenClips(torch.arange(32).view(2, 16, 1, 1), torch.zeros(2, dtype=torch.int64), index)
    sparse = tokens.every(4)
    assert sparse.tokens.flatten(1).tolist() == [[0, 4, 8, 12], [16, 20, 24, 28]]
    assert sparse.index.latent_shape == (4, 1, 1) and sparse.index.latent_stride == 4
    dense = tokens.every(1, frames=5)
    assert dense.tokens.flatten(1)[0].tolist() == [0, 1, 2, 3, 4] and dense.index.latent_stride == 1
    assert tokens.every(2).every(2).index == sparse.index
    sparse.write(tmp_path)
    assert torch.equal(TokenClips.read(tmp_path).tokens, sparse.tokens)
    for stride, frames in ((4, 5), (0, 1), (-1, 1), (1, 0)):
        with pytest.raises(UserError, match=f"{frames} latent frames, one in {stride}, are not in clips of 16"):
            tokens.every(stride, frames)


def test_windows_are_pieces_of_each_clip_in_order_with_its_label() -> None:
    tokens = torch.arange(2 * 13 * 2 * 3).view(2, 13, 2, 3)
    index = TokenIndex(clips=2, codes=999, latent_shape=(13, 2, 3), vqgan="none")
    pieces = TokenClips(tokens, torch.tensor([5, 7]), index).windows(5, 4)
    assert pieces.index.latent_shape == (5, 2, 3) and len(pieces) == pieces.index.clips == 6
    assert torch.equal(pieces.tokens[1], tokens[0, 4:9]) and torch.equal(pieces.tokens[5], tokens[1, 8:13])
    assert pieces.labels.tolist() == [5, 5, 5, 7, 7, 7]
    with pytest.raises(UserError, match="14 latent frames"):
        TokenClips(tokens, torch.tensor([5, 7]), index).windows(14, 1)


def test_every_fourth_frame_of_windows_is_what_two_levels_share() -> None:
    tokens = torch.arange(33).view(1, 33, 1, 1)
    index = TokenIndex(clips=1, codes=99, latent_shape=(33, 1, 1), vqgan="none")
    pieces = TokenClips(tokens, torch.zeros(1, dtype=torch.int64), index).every(4).windows(5, 4)
    assert pieces.tokens.flatten(1).tolist() == [[0, 4, 8, 12, 16], [16, 20, 24, 28, 32]]
    assert pieces.index.latent_stride == 4


def test_cutting_and_then_thinning_is_thinning_and_then_cutting() -> None:
    index = TokenIndex(clips=2, codes=99, latent_shape=(40, 1, 1), vqgan="none")
    clips = TokenClips(torch.arange(80).view(2, 40, 1, 1), torch.arange(2), index)
    for length in range(1, 41):
        try:
            one = clips.every(1, length).every(4).windows(5, 4)
        except UserError:
            assert length < 17
            continue
        other = clips.every(1, length).windows(17, 16).every(4)
        assert one.index == other.index and torch.equal(one.tokens, other.tokens)
        assert torch.equal(one.labels, other.labels)


def told(latent_frames: int, lead: Lead | None = None) -> TokenClips:
    """Two clips, each with a condition that is its number."""
    index = TokenIndex(clips=2, codes=99, latent_shape=(latent_frames, 1, 1), vqgan="none")
    tokens = torch.arange(2 * latent_frames).view(2, latent_frames, 1, 1)
    return TokenClips(tokens, torch.zeros(2, dtype=torch.int64), index).with_conditions(torch.tensor([[0], [1]]), lead)


def test_clips_with_conditions_that_are_kept_from_end_to_end_keep_them() -> None:
    lead = Lead(kind="text", codes=9, length=1)
    clips = told(13, lead)
    for kept in (clips.every(4), clips.every(2).every(2), clips.windows(13, 12), clips.windows(13, 12).every(4)):
        assert kept.conditions is not None and kept.conditions.tolist() == [[0], [1]]
        assert kept.index.lead == lead and len(kept) == kept.index.clips == 2
        assert kept.tokens[:, 0].flatten().tolist() == [0, 13] and kept.tokens[:, -1].flatten().tolist() == [12, 25]


@pytest.mark.parametrize(
    ("latent_frames", "cut", "words"),
    [
        (13, lambda clips: clips.every(1, 4), "clips of 13 latent frames is not that of 4 of them"),
        (13, lambda clips: clips.every(1, 4), r"of exactly 4 \(`tats tokenize --frames`, 4 times the compression"),
        (16, lambda clips: clips.every(4), "clips of 16 latent frames is not that of 13 of them"),
        (13, lambda clips: clips.every(4, 3, latent_frame=4), r"of exactly 9 \(`tats tokenize --frames 36`\)"),
        (13, lambda clips: clips.windows(5, 4, latent_frame=4), r"of exactly 5 \(`tats tokenize --frames 20`\)"),
        (13, lambda clips: clips.windows(12, 12), "not that of 12 of them"),  # one piece, but not the whole clip
        (33, lambda clips: clips.every(4).windows(5, 4, latent_frame=4), r"of exactly 17 \(.* --frames 68`\)"),
    ],
)
def test_clips_with_conditions_are_not_cut(latent_frames, cut, words) -> None:
    with pytest.raises(UserError, match=words):
        cut(told(latent_frames))
    with pytest.raises(UserError, match="the sound of clips"):
        cut(told(latent_frames, Lead(kind="sound", codes=9, length=1)))

"""The slid-prefix gap: which latent frame of which clip stands where."""

import pytest
import torch

from tatslib.errors import UserError
from tatslib.metrics.prefix import slid_prefix, slid_prefix_losses
from tatslib.randomness import torch_generator
from tatslib.transformer.gpt import GPT, GPTConfig
from tests.test_equivariance import encoder, video


def test_the_prefix_after_each_slide_is_made_of_the_frames_that_sampling_would_have_drawn() -> None:
    # clip k, position p is written as 10 k + p; its latent frame is number k + p of the video
    clips = [torch.tensor([[[[10 * k + p]] for p in range(4)]]) for k in range(4)]
    prefixes = [slid_prefix(clips, slides).flatten().tolist() for slides in (1, 2, 3)]
    assert prefixes == [[1, 2, 3], [2, 3, 13], [3, 13, 23]]


def test_without_padding_the_slid_prefix_is_the_matched_one() -> None:
    gpt = GPT(GPTConfig(codes=48, condition_codes=2, latent_shape=(4, 4, 4), layers=1, heads=2, width=16)).eval()
    with torch.no_grad():
        gpt.pos_emb.normal_(generator=torch_generator(0, "test/positions"))
    condition = torch.zeros(2, 1, dtype=torch.int64)
    gaps = {}
    for padding in ("valid", "zeros"):
        vqgan = encoder(padding=padding)
        frames = video(16 + sum(vqgan.config.margins) + 12, batch=2)
        losses = slid_prefix_losses(vqgan, gpt, frames, condition)
        assert {name: rows.shape for name, rows in losses.items()} == dict.fromkeys(
            ("matched", "blind", "slid"), (3, 2)
        )
        gaps[padding] = (losses["slid"] - losses["matched"]).abs().max().item()
    assert gaps["valid"] == 0 and gaps["zeros"] > 0


def test_where_the_future_stands_still_anyway_the_blind_prefix_is_the_matched_one() -> None:
    gpt = GPT(GPTConfig(codes=48, latent_shape=(4, 4, 4), layers=1, heads=2, width=16)).eval()
    still = video(1, batch=2).repeat(1, 1, 28, 1, 1)
    losses = slid_prefix_losses(encoder(), gpt, still, torch.zeros(2, 1, dtype=torch.int64))
    assert torch.equal(losses["blind"], losses["matched"])
    moving = slid_prefix_losses(encoder(), gpt, video(28, batch=2), torch.zeros(2, 1, dtype=torch.int64))
    assert not torch.equal(moving["blind"], moving["matched"])


def test_token_losses_average_to_the_loss() -> None:
    gpt = GPT(GPTConfig(codes=48, condition_codes=2, latent_shape=(4, 4, 4), layers=1, heads=2, width=16)).eval()
    tokens = torch.randint(0, 48, (3, 4, 4, 4), generator=torch_generator(0, "test/tokens"))
    condition = torch.tensor([[0], [1], [0]])
    losses = gpt.token_losses(condition, tokens)
    assert losses.shape == tokens.shape
    torch.testing.assert_close(losses.mean(), gpt.loss(condition, tokens))


def test_another_number_of_frames_is_refused() -> None:
    gpt = GPT(GPTConfig(codes=48, latent_shape=(4, 4, 4), layers=1, heads=2, width=16))
    with pytest.raises(UserError, match="20 frames were given; 3 slides of the window take 28"):
        slid_prefix_losses(encoder(), gpt, video(20), torch.zeros(3, 1, dtype=torch.int64))

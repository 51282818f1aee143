"""The equivariance score and the experiments around it, on encoders small enough to check by hand."""

import pytest
import torch
from einops import rearrange

from tatslib.errors import UserError
from tatslib.metrics.equivariance import (
    corruption_by_depth,
    decoder_difference,
    encode_pairs,
    equivariance_score,
    frames_for_pairs,
    real_frames_twin,
    score_by_position,
)
from tatslib.randomness import torch_generator
from tatslib.vqgan.moved_padding import MovedPadding, pad_with_zero_frames
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig

SMALL = VQGANConfig(
    resolution=16, frames=16, downsample=(4, 4, 4), unshuffle=2, hidden=8, decoder_blocks=1, codes=48, code_width=8
)


def encoder(**changes: object) -> VQGAN:
    """An untrained VQGAN whose batch norms have seen something and whose codes lie where its latents are."""
    vqgan = VQGAN(SMALL.replace(**changes), seed=1)
    with torch.no_grad():
        for module in vqgan.modules():
            if isinstance(module, torch.nn.BatchNorm3d):
                generator = torch_generator(0, f"test/{module.num_features}")
                module.running_mean.normal_(std=0.1, generator=generator)
                module.bias.normal_(std=0.3, generator=generator)
        vqgan.eval()
        z = vqgan.latents(video(16 + sum(vqgan.config.margins), seed=5))
        rows = rearrange(z, "b d t h w -> (b t h w) d")
        vqgan.codebook.initialise(rows[torch.randperm(len(rows), generator=torch_generator(0, "test/codes"))[:48]])
    return vqgan


def video(frames: int, batch: int = 3, seed: int = 0) -> torch.Tensor:
    coarse = torch.rand(batch, 3, -(-frames // 2), 4, 4, generator=torch_generator(seed, "test/video")) - 0.5
    return torch.nn.functional.interpolate(coarse, size=(frames, 16, 16), mode="trilinear")


def test_the_score_counts_the_tokens_that_stay() -> None:
    tokens = torch.arange(2 * 3 * 1 * 2).view(2, 3, 1, 2)
    shifted = torch.full_like(tokens, -1)
    shifted[0, :-1] = tokens[0, 1:]  # all four stay
    shifted[1, 0, 0, 0] = tokens[1, 1, 0, 0]  # one of four
    assert equivariance_score(tokens, shifted).tolist() == [1.0, 0.25]
    assert score_by_position(tokens, shifted).tolist() == [0.75, 0.5]


def test_other_shapes_are_refused_with_their_numbers() -> None:
    with pytest.raises(UserError, match=r"\(1, 1, 2, 2\)"):
        equivariance_score(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
    with pytest.raises(UserError, match=r"24 frames were given; .* are 20\."):
        encode_pairs(encoder(), video(24))


def test_real_frames_score_exactly_one_and_zeros_do_not() -> None:
    scores = {}
    for padding in ("zeros", "replicate", "valid"):
        vqgan = encoder(padding=padding)
        pairs = encode_pairs(vqgan, video(frames_for_pairs(vqgan), batch=6), batch=4)
        scores[padding] = equivariance_score(*pairs).mean().item()
        assert pairs.used_codes() > 10
    assert scores["valid"] == 1.0
    assert scores["zeros"] < 1.0 and scores["replicate"] < 1.0


@pytest.mark.parametrize("padding", ["zeros", "reflect", "circular", "replicate"])
def test_corruption_is_measured_against_real_frames_unit_by_unit(padding: str) -> None:
    vqgan = encoder(padding=padding)
    before, after = real_frames_twin(vqgan).config.margins
    rows = corruption_by_depth(vqgan, video(before + 16 + after))
    assert [len(row) for row in rows] == [16, 8, 8, 4, 4]
    first = rows[0]
    assert first[0] > 0 and first[-1] > 0  # the first convolution reaches one frame beyond either end
    assert torch.equal(first[1:-1], torch.zeros(14, dtype=torch.float64))
    assert (rows[-1] > 0).all()  # in the end no token is untouched


def test_an_encoder_without_padding_is_not_corrupted_at_all() -> None:
    vqgan = encoder(padding="valid")
    before, after = vqgan.config.margins
    assert all((row == 0).all() for row in corruption_by_depth(vqgan, video(before + 16 + after)))


@pytest.mark.parametrize("padding", ["zeros", "replicate"])
def test_a_padded_decoder_shows_the_same_tokens_differently_and_a_valid_one_does_not(padding: str) -> None:
    tokens = torch.randint(0, 48, (2, 5, 4, 4), generator=torch_generator(0, "test/tokens"))
    padded = decoder_difference(encoder(padding=padding), tokens)
    assert padded.by_frame.shape == (12,) and padded.same_pixels < 1
    valid = encoder(padding="valid", decoder_padding="valid", spatial_padding="replicate")
    before, after = valid.config.latent_margins
    tokens = torch.randint(0, 48, (2, 5 + before + after, 4, 4), generator=torch_generator(0, "test/tokens"))
    assert decoder_difference(valid, tokens).same_pixels == 1.0


# ------------------------------------------------------------------------------------------------------- Equation 2
def test_an_encoder_whose_zeros_are_moved_to_the_input_is_the_same_encoder() -> None:
    for changes in ({}, {"encoder_blocks": 2}, {"downsample": (4, 8, 8)}, {"norm": "none"}):
        vqgan = encoder(padding="zeros", **changes)
        moved, clip = MovedPadding(vqgan), video(16)
        z = moved(*pad_with_zero_frames(clip, *moved.margins))
        torch.testing.assert_close(z, vqgan.latents(clip), atol=1e-5, rtol=1e-5)


def test_without_the_flags_equation_2_does_not_hold_beyond_one_layer() -> None:
    vqgan = encoder(padding="zeros")
    moved, clip = MovedPadding(vqgan), video(16)
    zeros_between, flags = pad_with_zero_frames(clip, *moved.margins)
    z = moved(zeros_between, torch.ones_like(flags))
    assert (z - vqgan.latents(clip)).abs().max() > 1e-2


def test_the_moved_encoder_is_shift_equivariant() -> None:
    vqgan = encoder(padding="zeros")
    moved, clip = MovedPadding(vqgan), video(16)
    before, after = moved.margins
    here, flags = pad_with_zero_frames(clip, before + 4, after)
    later = moved(here, flags)
    torch.testing.assert_close(later[:, :, 1:], vqgan.latents(clip), atol=1e-5, rtol=1e-5)


def test_only_zero_padding_can_be_moved() -> None:
    with pytest.raises(UserError, match="pads with zeros throughout"):
        MovedPadding(encoder(padding="replicate"))
    with pytest.raises(UserError, match="group norm averages over the whole clip"):
        MovedPadding(VQGAN(SMALL.replace(padding="zeros", norm="group", hidden=16)))

"""The rulers for blobs, on maps whose answer is known."""

import pytest
import torch

from tatslib.errors import UserError
from tatslib.metrics.blobs import blob_ratio, blob_ratios, decoder_maps, picture_blob_ratio
from tatslib.vqgan.axial import AxialConfig, AxialVQGAN
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig

TINY = VQGANConfig(frames=8, resolution=8, downsample=(4, 4, 4), hidden=4, codes=16, code_width=4)


def test_one_hot_place_stands_out_by_its_factor() -> None:
    feature_map = torch.full((2, 3, 2, 4, 4), -0.5)
    feature_map[1, :, 1, 2, 3] *= 10
    torch.testing.assert_close(blob_ratio(feature_map), torch.tensor([1.0, 10.0]))


def test_the_ratio_does_not_depend_on_the_scale_of_the_map() -> None:
    feature_map = torch.randn(3, 8, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(blob_ratio(7 * feature_map), blob_ratio(feature_map))
    assert (blob_ratio(feature_map) > 1).all()


def test_a_map_without_a_usual_size_says_so() -> None:
    feature_map = torch.zeros(2, 3, 2, 4, 4)
    feature_map[1, 0, 0, 0, 0] = 1
    ratios = blob_ratio(feature_map)
    assert ratios[0].isnan() and ratios[1].isinf()


def test_one_wrong_patch_of_a_picture_stands_out_by_the_number_of_patches() -> None:
    real = torch.zeros(2, 3, 2, 8, 8)
    rebuilt = real.clone()
    rebuilt[0] += 0.1  # wrong everywhere alike
    rebuilt[1, :, 1, 4:, :4] += 0.1  # one of 2 x 2 x 2 patches
    torch.testing.assert_close(picture_blob_ratio(real, rebuilt), torch.tensor([1.0, 8.0]))


def test_clips_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(UserError, match="patches of 3"):
        picture_blob_ratio(torch.zeros(1, 3, 2, 8, 8), torch.zeros(1, 3, 2, 8, 8), patch=3)
    with pytest.raises(UserError, match="cannot be compared"):
        picture_blob_ratio(torch.zeros(1, 3, 2, 8, 8), torch.zeros(2, 3, 2, 8, 8))


@pytest.mark.parametrize("padding", ["replicate", "valid"])
def test_a_decoder_is_looked_at_unit_by_unit_and_left_as_it_was(padding: str) -> None:
    vqgan = VQGAN(TINY.replace(padding=padding)).eval()
    clips = torch.rand(3, 3, 8 + sum(vqgan.config.forward_margins), 8, 8) - 0.5
    maps, pictures = blob_ratios(vqgan, clips, batch=2)
    assert maps.shape == (len(vqgan.config.decoder_units) - 1, 3) and pictures.shape == (3,)
    assert (maps >= 1).all() and (pictures >= 1).all()
    assert all(not unit._forward_hooks for unit in vqgan.decoder.units)
    assert [len(m) for m in decoder_maps(vqgan, vqgan.encode(clips))] == [3] * len(maps)


def test_an_axial_decoder_is_looked_at_in_the_same_way() -> None:
    config = AxialConfig(**{**TINY.model_dump(), "hidden": 8, "encoder_blocks": 1, "decoder_blocks": 2})
    maps, _ = blob_ratios(AxialVQGAN(config).eval(), torch.rand(2, 3, 8, 8, 8) - 0.5)
    assert maps.shape == (2 + 2 - 1, 2)

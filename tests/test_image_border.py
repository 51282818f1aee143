"""The image study's measuring part, on models that have learned nothing."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from einops import rearrange
from torch import Tensor

from tatslib.randomness import torch_generator
from tatslib.recipes.images import EDGES, image_recipes
from tatslib.sampling.image_window import sample_pictures
from tatslib.studies.image_border import (
    EXTENT,
    Drawn,
    column_of,
    decode,
    encode,
    measure,
    middle,
    slid_window_losses,
    wide_pictures,
)
from tatslib.training.presets import PRESETS
from tatslib.transformer.gpt import GPTConfig
from tatslib.videos import to_model
from tatslib.vqgan.codebook import draw_candidates
from tatslib.vqgan.vqgan import VQGAN, receptive_field
from tests.test_decode import lively_gpt

MODEL = image_recipes(PRESETS["toy"], 0)["sky/image-vqgan-zeros"].model.replace(codes=12, hidden=4, code_width=4)


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    vqgan = VQGAN(MODEL).eval()
    with torch.no_grad():
        z = vqgan.latents(to_model(wide_pictures(4, 48)[:, None]))
    vectors = rearrange(z, "b d t h w -> (b t h w) d")
    vqgan.codebook.initialise(draw_candidates(vectors, MODEL.codes, torch_generator(0, "test codes")))
    gpt = lively_gpt(GPTConfig(codes=12, latent_shape=(1, 12, 12), layers=1, heads=1, width=4)).float()
    trained_on = encode(vqgan, wide_pictures(4, 48)[:, :, :48])
    start = torch.zeros(2, 1, dtype=torch.int64)
    tokens = {p: sample_pictures(gpt, start, (12, 36), p, progress=False) for p in ("centre", "border")}
    return Drawn(vqgan, gpt, trained_on, tokens)


def test_every_number_of_the_protocol_is_there_and_finite(drawn):
    numbers = measure(drawn, reference=6, yardsticks=2)
    assert set(numbers) == {"real", "centre", "border"} and set(numbers["real"]) == {"tokens", "nearest"}
    both = {"tokens", "nearest", "place", "real_place", "matched", "slid", "gap"}
    assert set(numbers["centre"]) == both
    assert set(numbers["border"]) == both | {"blind", "from_position", "from_future"}
    border = numbers["border"]
    assert border["from_position"] + border["from_future"] == pytest.approx(border["gap"])
    assert all(math.isfinite(number) for row in numbers.values() for number in row.values())


def test_real_pictures_drawn_in_place_of_generated_ones_score_like_real_ones(drawn):
    copies = encode(drawn.vqgan, wide_pictures(6, 48))
    numbers = measure(dataclasses.replace(drawn, tokens={"border": copies}), reference=6, yardsticks=1)
    assert numbers["border"]["tokens"] == pytest.approx(0) and numbers["border"]["nearest"] == 0
    assert numbers["real"]["nearest"] > 0


def test_a_slid_window_holds_the_chosen_column_of_every_cut(drawn, monkeypatch):
    pictures, seen = wide_pictures(2, 48), []

    def token_losses(condition: Tensor, tokens: Tensor) -> Tensor:
        seen.append(tokens[:, 0])
        return torch.zeros(tokens.shape)

    monkeypatch.setattr(drawn.gpt, "token_losses", token_losses)
    slid_window_losses(drawn.vqgan, drawn.gpt, pictures, column=11)
    matched, slid, blind = seen
    assert torch.equal(matched, encode(drawn.vqgan, pictures[:, :, 44:92]))
    assert torch.equal(slid[:, :, 3], encode(drawn.vqgan, pictures[:, :, 12:60])[:, :, 11])
    assert torch.equal(slid[:, :, 11], matched[:, :, 11]), "all predict the same tokens"
    assert torch.equal(blind[:, :, 11], matched[:, :, 11])
    frozen = np.concatenate([pictures[:, :, 44:88], pictures[:, :, 87:88].repeat(4, axis=2)], axis=2)
    assert torch.equal(blind[:, :, :11], encode(drawn.vqgan, frozen)[:, :, :11])
    seen.clear()
    slid_window_losses(drawn.vqgan, drawn.gpt, pictures, column=6)
    assert len(seen) == 2, "away from the border there is nothing to hide"


def test_centre_columns_are_the_same_in_every_cut_and_border_columns_are_not(drawn):
    pictures = wide_pictures(8, 48)
    large = encode(drawn.vqgan, pictures)
    cut = encode(drawn.vqgan, pictures[:, :, 48:96])
    same = (cut == middle(large)).float().mean(dim=(0, 1))  # by column
    reach = (receptive_field(MODEL)[2] // 4 - 1) // 2
    assert reach == 3
    assert (same[reach:-reach] == 1).all()
    assert same[0] < 1 and same[-1] < 1


def test_wide_pictures_are_high_as_asked_and_the_same_every_time():
    pictures = wide_pictures(3, 48)
    assert pictures.shape == (3, 48, EXTENT * 48, 3) and pictures.dtype == np.uint8
    assert np.array_equal(pictures[2:], wide_pictures(1, 48, first=2))
    assert decode(VQGAN(MODEL).eval(), torch.zeros(2, 12, 36, dtype=torch.int64)).shape == (2, 48, 144, 3)


def test_the_columns_of_the_protocol():
    assert (column_of("centre", 12), column_of("border", 12)) == (6, 11)


def test_the_two_tokenizers_start_alike_and_differ_in_their_edges_alone():
    first, second = (image_recipes(PRESETS["toy"], 0)[f"sky/image-vqgan-{edge}"] for edge in EDGES)
    assert first.training == second.training
    assert first.model == second.model.replace(spatial_padding="zeros")
    weights = zip(VQGAN(first.model).state_dict().values(), VQGAN(second.model).state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in weights)


def test_with_one_frame_and_zeros_in_time_a_3d_kernel_is_its_middle_slice():
    vqgan = VQGAN(MODEL).eval()
    picture = torch.rand(2, 3, 1, 48, 48, generator=torch_generator(0, "test/picture")) - 0.5
    before = vqgan.latents(picture)
    with torch.no_grad():
        for name, weight in vqgan.named_parameters():
            if name.startswith("encoder") and weight.ndim == 5 and weight.shape[2] > 1:
                front = weight.shape[2] // 2  # one frame is padded by (1, 1) for kernel 3, by (2, 1) for kernel 4
                weight[:, :, :front] = 7.0
                weight[:, :, front + 1 :] = 7.0
    assert torch.equal(vqgan.latents(picture), before)

"""The decoder: cached steps equal the whole masked forward pass, in buffers that never move."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tatslib.errors import UserError
from tatslib.randomness import torch_generator
from tatslib.sampling.decode import Decoder, Engine
from tatslib.sampling.filters import Filters
from tatslib.sampling.kv_cache import KVCache
from tatslib.sampling.products import Int8Product, Weights, product_of
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.masks import causal_mask


def lively_gpt(config: GPTConfig, seed: int = 0, scale: float = 0.4) -> GPT:
    """A GPT in double precision with weights large enough that every token and position matters.

    With a scale of 1 what is seen also decides what is drawn.
    """
    gpt = GPT(config).double().eval()
    generator = torch_generator(seed, "test weights")
    with torch.no_grad():
        for parameter in gpt.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * scale)
    return gpt


@settings(max_examples=40, deadline=None)
@given(
    layers=st.integers(1, 3),
    heads=st.integers(1, 3),
    length=st.integers(2, 24),
    batch=st.integers(1, 3),
    condition_codes=st.integers(0, 4),
    data=st.data(),
)
def test_cached_logits_equal_the_naive_masked_forward(
    layers: int, heads: int, length: int, batch: int, condition_codes: int, data: st.DataObject
) -> None:
    config = GPTConfig(
        codes=9,
        condition_codes=condition_codes,
        latent_shape=(length, 1, 1),
        layers=layers,
        heads=heads,
        width=6 * heads,
    )
    gpt = lively_gpt(config)
    tokens = torch.randint(config.vocabulary, (batch, length), generator=torch_generator(length, "test tokens"))
    prefix = data.draw(st.integers(1, length))
    with torch.no_grad():
        naive = gpt(tokens, causal_mask(length))[:, :, condition_codes:]
    decoder = Decoder(gpt, batch, first_token=condition_codes)
    decoder.prefill(tokens.flip(1)[:, : length // 2 + 1])  # an earlier sequence must leave no trace
    cached = [decoder.prefill(tokens[:, :prefix])]
    cached += [decoder.step(token) for token in tokens[:, prefix:].unbind(1)]
    torch.testing.assert_close(torch.stack(cached, dim=1), naive[:, prefix - 1 :], atol=1e-10, rtol=1e-10)


def test_tokens_may_be_read_in_any_order_as_long_as_each_brings_its_position() -> None:
    gpt = lively_gpt(GPTConfig(codes=9, latent_shape=(8, 1, 1), layers=2, heads=2, width=8))
    tokens = torch.randint(9, (1, 8), generator=torch_generator(0, "test"))
    everything = torch.ones(8, 8, dtype=torch.bool)
    order = torch.tensor([0, 6, 7, 3, 1, 2, 5, 4])
    cache = KVCache(gpt, batch=1, capacity=8)
    cache.open(8)
    with torch.no_grad():
        shuffled = gpt.hidden(tokens[:, order], order, everything, cache)
        torch.testing.assert_close(shuffled, gpt.hidden(tokens, torch.arange(8), everything)[:, order])


@pytest.mark.parametrize("weights", ["own", "bfloat16", "int8", "a model in bfloat16"])
@pytest.mark.parametrize("width", [8, 64])
def test_reduced_precision_stays_near_and_gives_full_precision_logits(weights: Weights | str, width: int) -> None:
    gpt = GPT(GPTConfig(codes=9, latent_shape=(8, 1, 1), layers=2, heads=2, width=width)).eval()
    tokens = torch.randint(9, (2, 6), generator=torch_generator(0, "test"))
    with torch.no_grad():
        exact = gpt(tokens)[:, -1]
    if weights == "a model in bfloat16":
        decoder = Decoder(copy.deepcopy(gpt).bfloat16(), batch=2)
    else:
        decoder = Decoder(gpt, batch=2, engine=Engine(weights))
    with torch.autocast("cpu", torch.bfloat16):  # which has no say
        decoder.prefill(tokens[:, :5])
        logits = decoder.step(tokens[:, 5])
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, exact, atol=1e-6 if weights == "own" else 0.02, rtol=0)
    assert weights == "own" or not torch.equal(logits, exact)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_weights_in_8_bits_are_off_by_half_a_scale_at_most(dtype: torch.dtype) -> None:
    layer = nn.Linear(200, 96)
    layer.weight.data = torch.randn(96, 200, generator=torch_generator(0, "test"))
    product = product_of(layer.to(dtype), "int8")
    assert isinstance(product, Int8Product) and product.scales.dtype == torch.bfloat16
    scales = product.scales.double()[:, None]
    error = (product.weight * scales - layer.weight.double()).abs() / scales
    assert error.max() < 0.5 + 1e-5
    assert (product.weight.abs().amax(1) == 127).all()


def test_weights_of_another_kind_end_in_a_sentence() -> None:
    decoder = Decoder(lively_gpt(GPTConfig(codes=9, latent_shape=(4, 1, 1), layers=1, heads=1, width=4)), 1)
    decoder.engine = Engine("int4")
    with pytest.raises(UserError, match="weights are own or bfloat16 or int8, got 'int4'"):
        decoder.prefill(torch.zeros(1, 1, dtype=torch.int64))


@pytest.mark.parametrize("weights", ["own", "bfloat16", "int8"])
@pytest.mark.parametrize("how", ["in place", "by load_state_dict", "by assignment", "in another place"])
def test_weights_that_have_changed_are_used_as_they_are_now(weights: Weights, how: str) -> None:
    config = GPTConfig(codes=9, latent_shape=(8, 1, 1), layers=2, heads=2, width=8)
    gpt, other = lively_gpt(config).float(), lively_gpt(config, seed=1).float()
    tokens = torch.arange(6)[None]

    def last_logits(decoder: Decoder) -> torch.Tensor:
        decoder.prefill(tokens[:, :4])
        return [decoder.step(token) for token in tokens[:, 4:].unbind(1)][-1]

    decoder = Decoder(gpt, 1, engine=Engine(weights))
    last_logits(decoder)
    with torch.no_grad():
        for mine, new in zip(gpt.parameters(), other.parameters(), strict=True):
            if how == "in place":
                mine.copy_(new)
            elif how == "in another place":
                mine.data = new.data.clone()
    if how not in ("in place", "in another place"):
        gpt.load_state_dict(other.state_dict(), assign=how == "by assignment")
    expected = last_logits(Decoder(other, 1, engine=Engine(weights)))
    torch.testing.assert_close(last_logits(decoder), expected)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_stretch_of_the_cache_and_all_of_it_give_the_same(batch: int) -> None:
    gpt = lively_gpt(GPTConfig(codes=9, latent_shape=(10, 3, 3), layers=2, heads=2, width=8))
    tokens = torch.randint(9, (batch, 80), generator=torch_generator(0, "test"))
    logits = []
    for fixed_shapes in (False, True):
        decoder = Decoder(gpt, 3, engine=Engine(fixed_shapes=fixed_shapes))
        logits.append([decoder.prefill(tokens[:, :5]), *(decoder.step(token) for token in tokens[:, 5:].unbind(1))])
        decoder.prefill(tokens[:, :5])
        assert decoder.cache.stretch == (90 if fixed_shapes else 32)
    torch.testing.assert_close(*logits, atol=1e-10, rtol=1e-10)


def test_reading_past_the_block_ends_in_a_sentence() -> None:
    decoder = Decoder(lively_gpt(GPTConfig(codes=9, latent_shape=(4, 1, 1), layers=1, heads=1, width=4)), batch=1)
    with pytest.raises(UserError, match="5 tokens do not fit a window of 4"):
        decoder.prefill(torch.zeros(1, 5, dtype=torch.int64))
    decoder.prefill(torch.zeros(1, 4, dtype=torch.int64))
    with pytest.raises(UserError, match="5 tokens do not fit a window of 4"):
        decoder.step(torch.zeros(1, dtype=torch.int64))


@pytest.mark.parametrize("batch", [1, 2])
def test_a_decoder_recovers_from_weights_that_were_not_finite(batch: int) -> None:
    gpt = lively_gpt(GPTConfig(codes=9, latent_shape=(8, 1, 1), layers=2, heads=2, width=8))
    sound, start = copy.deepcopy(gpt.state_dict()), torch.zeros(batch, 1, dtype=torch.int64)
    fresh, decoder = Decoder(gpt, 2), Decoder(gpt, 2)
    fresh.prefill(start)
    expected = fresh.step(start[:, 0])
    with torch.no_grad():
        gpt.tok_emb.weight.fill_(torch.nan)
    with pytest.raises(UserError, match="not finite"):
        decoder.generate(decoder.prefill(start), 6, Filters(), iter(torch.ones(6, batch, 10)))
    gpt.load_state_dict(sound)
    decoder.prefill(start)
    torch.testing.assert_close(decoder.step(start[:, 0]), expected)


def test_the_buffers_are_allocated_once() -> None:
    gpt = lively_gpt(GPTConfig(codes=9, latent_shape=(8, 1, 1), layers=2, heads=2, width=8))
    decoder = Decoder(gpt, batch=2)
    places = [buffer.data_ptr() for buffer in decoder.cache.stores]
    for _ in range(2):
        decoder.prefill(torch.zeros(2, 3, dtype=torch.int64))
        for _ in range(5):
            decoder.step(torch.ones(2, dtype=torch.int64))
    assert places == [buffer.data_ptr() for buffer in decoder.cache.stores]
    assert decoder.cache.stores[0].shape == (2, 2, 2, 8, 4)

"""A single sequence in C: the numbers and draws of torch, and no trouble where it cannot be had."""

import os
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tatslib.randomness import torch_generator
from tatslib.sampling import native_step
from tatslib.sampling.decode import Decoder, Engine, Layout
from tatslib.sampling.fast_step import FastStep
from tatslib.sampling.filters import Filters, exponential_noise
from tatslib.sampling.native_step import NativeStep
from tatslib.sampling.sliding_window import sample
from tatslib.transformer.gpt import GPTConfig
from tatslib.transformer.masks import PADDING
from tests.test_decode import lively_gpt
from tests.test_filters import FILTERS, LOGITS

CONFIG = GPTConfig(codes=13, condition_codes=2, latent_shape=(9, 3, 3), layers=3, heads=3, width=30)
needs_a_compiler = pytest.mark.skipif(native_step.compiled("float") is None, reason="there is no C compiler")


@needs_a_compiler
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 3e-5), (torch.float64, 1e-12)])
def test_the_logits_are_those_of_torch(dtype: torch.dtype, tolerance: float) -> None:
    gpt = lively_gpt(CONFIG, scale=0.3).to(dtype)
    tokens = torch.arange(60)[None] * 7 % 15
    logits = []
    for native in (True, False):
        decoder = Decoder(gpt, 1, first_token=2, engine=Engine(native=native))
        logits.append([decoder.prefill(tokens[:, :4]), *(decoder.step(token) for token in tokens[:, 4:].unbind(1))])
        assert isinstance(decoder.fast, NativeStep if native else FastStep)
    torch.testing.assert_close(*logits, atol=tolerance, rtol=tolerance)


@needs_a_compiler
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 3e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("length", [5, 16, 61])  # less than a tile, some of them, and a part
@pytest.mark.parametrize("case", ["causal", "masked", "padded", "masked and padded"])
def test_prefixes_are_read_as_by_torch(case: str, length: int, dtype: torch.dtype, tolerance: float) -> None:
    gpt = lively_gpt(CONFIG.replace(condition_length=4), scale=0.3).to(dtype)
    tokens = torch.arange(length + 3)[None] * 7 % 15
    if "padded" in case:
        tokens[0, 2:4] = PADDING
    mask, generator = None, torch_generator(length, "test")
    if "masked" in case:
        mask = torch.rand(length, length, generator=generator) < 0.4
        mask[:, 0] = True  # everyone sees something
    positions = torch.randperm(CONFIG.block_size, generator=generator)[:length]
    for speaker in (length - 1, length // 2):
        logits = []
        for native in (True, False):
            decoder = Decoder(gpt, 2, first_token=2, engine=Engine(native=native))
            layout = Layout(positions, mask, speaker, 70)
            logits.append([decoder.prefill(tokens[:, :length], layout), *map(decoder.step, tokens[0, length:, None])])
        torch.testing.assert_close(*logits, atol=tolerance, rtol=tolerance)


@needs_a_compiler
@settings(max_examples=150, deadline=None)
@given(
    row=LOGITS,
    filters=FILTERS,
    penalty=st.sampled_from([0.0, 0.5, 3.0]),
    frames=st.integers(0, 3),
    seed=st.integers(0, 10**6),
)
def test_what_is_drawn_is_what_filters_draw(
    row: list[float], filters: Filters, penalty: float, frames: int, seed: int
) -> None:
    filters = filters.replace(repetition_penalty=penalty)
    logits = torch.tensor([row], dtype=torch.float64)
    noise = exponential_noise((1, len(row)), torch_generator(seed, "test"))
    seen = torch.randint(len(row), (1, frames, 1), generator=torch_generator(seed, "test seen"))
    expected = filters.draw(filters.discourage(logits, seen[:, :, 0]), noise)
    decoder = decoder_of(len(row))
    assert decoder.generate(logits, 1, filters, iter([noise]), seen + 2).tolist() == [[expected.item() + 2]]


@needs_a_compiler
@pytest.mark.parametrize(
    "filters", [Filters(), Filters(top_k=2048, top_p=0.8), Filters(top_k=40, top_p=0.9), Filters(top_k=1)]
)
def test_single_precision_draws_the_same_from_hundreds_of_codes(filters: Filters) -> None:
    generator = torch_generator(0, "test")
    logits = 3 * torch.randn(100, 512, generator=generator)
    noise = exponential_noise((100, 512), generator)
    decoder = decoder_of(512, torch.float32)
    drawn = [
        decoder.generate(one[None], 1, filters, iter([luck[None]])) for one, luck in zip(logits, noise, strict=True)
    ]
    assert torch.equal(torch.cat(drawn)[:, 0], filters.draw(logits, noise) + 2)


@cache
def decoder_of(codes: int, dtype: torch.dtype = torch.float64) -> Decoder:
    """One that draws so many codes after two condition tokens, in C."""
    config = GPTConfig(codes=codes, condition_codes=2, latent_shape=(2, 1, 1), layers=1, heads=1, width=4)
    decoder = Decoder(lively_gpt(config).to(dtype), 1, first_token=2)
    decoder.prefill(torch.zeros(1, 1, dtype=torch.int64))
    assert isinstance(decoder.fast, NativeStep)
    return decoder


@needs_a_compiler
@pytest.mark.parametrize("wide", [1e30, 3e38])
def test_the_likeliest_wins_where_logits_are_worlds_apart(wide: float) -> None:
    logits = torch.tensor([[-wide, 0.0, wide, -wide, 0.9 * wide]])
    for filters in (Filters(), Filters(top_k=2, top_p=0.9), Filters(top_p=0.0), Filters(temperature=2.0)):
        drawn = decoder_of(5, torch.float32).generate(logits, 1, filters, iter([torch.ones(1, 5)]))
        assert drawn.tolist() == [[4]]


@needs_a_compiler
def test_large_prefixes_are_left_to_torch_where_it_has_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    gpt, tokens = lively_gpt(CONFIG), torch.arange(40)[None] % 15
    decoder = Decoder(gpt, 1)
    expected = [decoder.prefill(tokens), decoder.step(tokens[:, 0])]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert decoder.fast.reads(40)
    monkeypatch.setattr(native_step, "ALONE", 0)
    monkeypatch.setattr(NativeStep, "read", lambda *_: pytest.fail("in C"))
    torch.testing.assert_close([decoder.prefill(tokens), decoder.step(tokens[:, 0])], expected, atol=1e-12, rtol=1e-12)


@needs_a_compiler
def test_several_sequences_and_other_numbers_are_left_to_torch() -> None:
    gpt, tokens = lively_gpt(CONFIG), torch.zeros(2, 3, dtype=torch.int64)
    for model, batch, engine in (
        (gpt, 2, Engine()),
        (gpt, 1, Engine("bfloat16")),
        (gpt, 1, Engine(fixed_shapes=True)),
        (lively_gpt(CONFIG).bfloat16(), 1, Engine()),
    ):
        decoder = Decoder(model, batch, engine=engine)
        decoder.prefill(tokens[:batch])
        assert isinstance(decoder.fast, FastStep)
    decoder = Decoder(gpt, 2)
    for batch, kind in ((1, NativeStep), (2, FastStep), (1, NativeStep)):
        decoder.prefill(tokens[:batch])
        assert isinstance(decoder.fast, kind)


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_without_a_working_compiler_torch_does_it(monkeypatch: pytest.MonkeyPatch, tmp_path, compiler: str) -> None:
    gpt, condition = lively_gpt(CONFIG), torch.zeros(1, 1, dtype=torch.int64)
    expected = sample(gpt, condition, 3, progress=False)
    monkeypatch.setenv("CC", compiler)
    monkeypatch.setenv("TATS_HOME", str(tmp_path))
    native_step.compiled.cache_clear()
    try:
        assert native_step.compiled("float") is None
        assert torch.equal(sample(gpt, condition, 3, progress=False), expected)
        assert not list(tmp_path.rglob("*.so"))
    finally:
        native_step.compiled.cache_clear()


@needs_a_compiler
def test_it_is_compiled_once(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("TATS_HOME", str(tmp_path))
    native_step.compiled.cache_clear()
    try:
        assert native_step.compiled("float") is not None
        assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1
        native_step.compiled.cache_clear()
        monkeypatch.setattr(native_step, "run", lambda command: pytest.fail("compiled again"))
        assert native_step.compiled("float") is not None
    finally:
        native_step.compiled.cache_clear()


@pytest.mark.parametrize("compiler", ["cc", 'cc "'])
def test_a_damaged_library_or_a_compiler_that_is_no_command_leaves_it_to_torch(
    monkeypatch: pytest.MonkeyPatch, tmp_path, compiler: str
) -> None:
    def write_nothing(path: Path, *_: object) -> None:
        path.parent.mkdir(mode=0o755)
        path.touch(mode=0o755)  # as after a power cut

    monkeypatch.setenv("TATS_HOME", str(tmp_path))
    monkeypatch.setenv("CC", compiler)
    monkeypatch.setattr(native_step, "build", write_nothing)
    native_step.compiled.cache_clear()
    try:
        assert native_step.compiled("double") is None
        decoder = Decoder(lively_gpt(CONFIG), 1)
        decoder.prefill(torch.zeros(1, 4, dtype=torch.int64))
        assert isinstance(decoder.fast, FastStep)
    finally:
        native_step.compiled.cache_clear()


def test_a_library_is_loaded_only_where_nobody_else_may_write_and_is_written_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    def compile_nothing(command: list[str]) -> None:
        Path(command[command.index("-o") + 1]).touch()

    monkeypatch.setattr(native_step, "run", compile_nothing)
    path = tmp_path / "native" / "step.so"
    mask = os.umask(0)
    try:
        native_step.build(path, ["cc"], "float")
    finally:
        os.umask(mask)
    assert native_step.only_ours(path)
    for place in (path, path.parent):
        for others in (0o775, 0o757):
            place.chmod(others)
            assert not native_step.only_ours(path)
            place.chmod(0o755)
    monkeypatch.setattr(os, "getuid", lambda: path.stat().st_uid + 1)
    assert native_step.only_ours(path) == (path.stat().st_uid == 0)  # of root, but of no other user


@needs_a_compiler
@pytest.mark.parametrize("native", [True, False])
def test_tokens_of_any_type_are_read_and_those_that_there_are_not_are_refused(native: bool) -> None:
    decoder = Decoder(lively_gpt(CONFIG), 1, engine=Engine(native=native))
    prefix = torch.zeros(1, 4, dtype=torch.int64)
    logits = []
    for token in (torch.tensor([3]), torch.tensor([3, 9], dtype=torch.int32)[:1], torch.tensor([3, 9])[::2]):
        decoder.prefill(prefix)
        logits.append(decoder.step(token))
    assert torch.equal(logits[0], logits[1]) and torch.equal(logits[0], logits[2])
    for missing in (-1, 15):
        with pytest.raises(IndexError, match="out of range"):
            decoder.step(torch.tensor([missing]))
    with pytest.raises(RuntimeError):
        decoder.step(torch.tensor([3, 4]))
    at_the_end = Layout(torch.tensor([0]), None, 0, CONFIG.block_size)
    logits = decoder.prefill(prefix[:, :1], at_the_end)
    with pytest.raises(IndexError, match="out of range"):
        decoder.step(torch.tensor([3]))
    logits = decoder.prefill(prefix[:, :1], at_the_end)
    with pytest.raises(IndexError, match="out of range"):
        decoder.generate(logits, 2, Filters(), iter(torch.ones(2, 1, 15)))


@needs_a_compiler
@pytest.mark.parametrize("native", [True, False])
def test_prefixes_that_cannot_be_read_are_refused(native: bool) -> None:
    decoder, positions = Decoder(lively_gpt(CONFIG), 1, engine=Engine(native=native)), torch.arange(3)
    for missing in (-1, 15):
        with pytest.raises(IndexError, match="out of range"):
            decoder.prefill(torch.tensor([[0, 3, missing]]))
    tokens = torch.tensor([[0, 3, 9]], dtype=torch.int32)
    with pytest.raises(IndexError, match="out of "):
        decoder.prefill(tokens, Layout(positions + CONFIG.block_size - 2, None, 2, 3))
    for layout in (Layout(torch.arange(4), None, 2, 3), Layout(positions, torch.ones(4, 4).bool(), 2, 3)):
        with pytest.raises(RuntimeError):
            decoder.prefill(tokens, layout)
    assert decoder.prefill(tokens).shape == (1, 15)


@needs_a_compiler
@pytest.mark.parametrize("native", [True, False])
def test_draws_that_cannot_be_made_are_refused(native: bool) -> None:
    decoder = Decoder(lively_gpt(CONFIG), 1, engine=Engine(native=native))

    def generate(noise: Tensor, seen: Tensor | None = None) -> Tensor:
        logits = decoder.prefill(torch.zeros(1, 1, dtype=torch.int64))
        return decoder.generate(logits, 3, Filters(repetition_penalty=1.0), iter(noise), seen)

    noise = torch.ones(3, 1, 15)
    with pytest.raises(StopIteration):
        generate(noise[:2])
    with pytest.raises(RuntimeError, match="size"):
        generate(noise[..., :14])
    for missing in (-1, 15):
        with pytest.raises((IndexError, RuntimeError), match="out of "):
            generate(noise, torch.tensor([[[0, 1, missing]]]))
    assert generate(noise, torch.tensor([[[0, 1, 14]]])).shape == (1, 3)


@needs_a_compiler
def test_denormal_numbers_stay_as_they_are_in_torch() -> None:
    assert native_step.compiled("float") is not None
    assert (torch.tensor(1e-39) * 1.0).item() != 0

"""The step in C: the numbers of the one in torch, and no trouble where it cannot be had."""

import os
from pathlib import Path

import pytest
import torch

from tatslib.sampling import native_step
from tatslib.sampling.decode import Decoder, Engine, Layout
from tatslib.sampling.fast_step import FastStep
from tatslib.sampling.native_step import NativeStep
from tatslib.sampling.sliding_window import sample
from tatslib.transformer.gpt import GPTConfig
from tests.test_decode import lively_gpt

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
    decoder.prefill(prefix[:, :1], Layout(torch.tensor([0]), None, 0, CONFIG.block_size))
    with pytest.raises(IndexError, match="out of range"):
        decoder.step(torch.tensor([3]))


@needs_a_compiler
def test_denormal_numbers_stay_as_they_are_in_torch() -> None:
    assert native_step.compiled("float") is not None
    assert (torch.tensor(1e-39) * 1.0).item() != 0

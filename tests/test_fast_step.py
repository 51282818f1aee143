"""The step as a GPU gets it, compiled and with heads apart: the numbers of the plain one, and no copy of the cache."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._guards import detect_fake_mode
from torch.fx import GraphModule

from tatslib.sampling.fast_step import FastStep
from tatslib.sampling.kv_cache import KVCache
from tatslib.transformer.gpt import GPT, GPTConfig
from tests.test_decode import lively_gpt

aten = torch.ops.aten
CONFIG = GPTConfig(codes=9, condition_codes=2, condition_length=2, latent_shape=(5, 2, 2), layers=2, heads=2, width=8)
TOKENS = torch.tensor([[3, 9, 4], [5, 8, 10], [7, 6, 3], [0, 1, 9]])  # for each step, of three sequences


class Compiler:
    """torch's compiler, up to the graph for which it would write code: that is kept, and run as it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.graphs: list[GraphModule] = []
        self.inductor = import_module("torch._inductor.compile_fx")  # here, since it takes seconds
        self.backend = partial(
            self.inductor.compile_fx, inner_compile=self.keep, config_patches={"pattern_matcher": False}
        )
        torch._dynamo.reset()
        plain = torch.compile

        def compile_here(work: Callable[..., Any], dynamic: bool, mode: str) -> Callable[..., Any]:
            return plain(work, dynamic=dynamic, backend=self.backend, fullgraph=True)

        monkeypatch.setattr(torch, "compile", compile_here)

    def keep(self, module: GraphModule, inputs: list[Tensor], **_: Any) -> Callable[[list[Tensor]], Any]:
        with self.inductor.V.set_fake_mode(detect_fake_mode(inputs)):
            self.inductor.view_to_reshape(module)
            self.inductor._recursive_post_grad_passes(module, is_inference=True)  # where writes come to be in place
        module.recompile()
        self.graphs.append(module)

        def run(given: list[Tensor]) -> Any:
            return module.forward(*given)

        run._boxed_call = True  # type: ignore[attr-defined]
        return run

    def written(self) -> list[tuple[str, tuple[int, ...]]]:
        """What writes into tensors from outside or copies whole ones, and their shapes, in order."""
        writers = {aten.copy_, aten.index_put, aten.index_put_, aten.clone}
        nodes = [
            node for node in self.graphs[-1].graph.nodes if getattr(node.target, "overloadpacket", None) in writers
        ]
        return [(node.target.overloadpacket.__name__, tuple(node.args[0].meta["val"].shape)) for node in nodes]


def step_of(gpt: GPT, compiled: bool = False, heads_apart: bool = False) -> FastStep:
    cache = KVCache(gpt, batch=4, capacity=CONFIG.block_size, fixed_shapes=True)
    step = FastStep(gpt, cache, batch=3, first_token=2, weights="own", compiled=compiled)
    step.heads_apart = heads_apart
    return step


def read(step: FastStep, times: int = 1) -> list[Tensor]:
    """Read all tokens, each step so many times over: the last logits of each, then what the cache holds."""
    found = []
    with torch.inference_mode():
        for position, tokens in enumerate(TOKENS):
            step.cache.open(1)
            if position == 1:
                step.cache.hide(torch.tensor([[True], [False], [False]]))
            step.seek(position)
            for _ in range(times):
                logits = step(tokens)
            found.append(logits.clone())
    return found + step.cache.stores


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_compiled_step_gives_the_same_however_often_it_runs_and_never_copies_the_cache(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    gpt, heads_apart = lively_gpt(CONFIG, scale=0.2).to(dtype), dtype == torch.bfloat16
    compiler = Compiler(monkeypatch)
    expected = read(step_of(gpt, heads_apart=heads_apart))
    for once, often in zip(expected, read(step_of(gpt, heads_apart=heads_apart), times=4), strict=True):
        assert torch.equal(once, often)
    compiled = read(step_of(gpt, compiled=True, heads_apart=heads_apart), times=4)  # as to record it
    torch.testing.assert_close(compiled, expected, atol=1e-5 if dtype == torch.float32 else 0.02, rtol=0)
    store = (2, 3, 2, CONFIG.block_size, 4)
    assert compiler.written() == [("index_put_", store)] * 2 + [("copy_", (3, 9))]  # the last are the logits
    again = read(step_of(lively_gpt(CONFIG, seed=1, scale=0.2).to(dtype), compiled=True, heads_apart=heads_apart))
    assert len(compiler.graphs) == 1 and not torch.equal(again[0], compiled[0])  # as is, for other weights


def test_heads_apart_give_the_same_by_attention_that_is_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    gpt, plain, shapes = lively_gpt(CONFIG, scale=0.2), F.scaled_dot_product_attention, set()

    def watched(*given: Tensor, attn_mask: Tensor) -> Tensor:
        shapes.add(tuple(tuple(tensor.shape) for tensor in (*given, attn_mask)))
        return plain(*given, attn_mask=attn_mask)

    monkeypatch.setattr(F, "scaled_dot_product_attention", watched)
    expected, apart = read(step_of(gpt)), read(step_of(gpt, heads_apart=True))
    torch.testing.assert_close(apart, expected, atol=1e-12, rtol=1e-12)
    whole = (3, 2, CONFIG.block_size, 4)
    assert shapes == {((3, 2, 1, 4), whole, whole, (3, 2, 1, CONFIG.block_size))}

"""The bench of the first stage: what its last line holds, and that what it compares with gives the same answers."""

import json
import time

import pytest
import torch
import torch.nn.functional as F

from tatslib.training import benchmark
from tatslib.training.memory import RESET, forget_peak, growth_of, in_fresh_process, peak_megabytes
from tatslib.training.presets import PRESETS
from tatslib.training.released_pace import encode_as_released, look_up_as_released
from tatslib.vqgan.codebook import perplexity_of
from tatslib.vqgan.vqgan import VQGAN
from tests.test_adversaries import GAN
from tests.test_training import TINY

SMALL = TINY.replace(frames=4, resolution=16)


def test_the_bench_ends_with_one_json_line_that_holds_ours_the_reference_and_their_ratio(monkeypatch, capsys) -> None:
    small = PRESETS["toy"].model_copy(update={"vqgan": SMALL, "adversarial": GAN})
    monkeypatch.setattr(benchmark, "PRESETS", {"toy": small})
    monkeypatch.setattr(benchmark, "CLIPS", {"toy": 2})
    monkeypatch.setattr(benchmark, "arithmetic_peak", lambda *_: 1e8)
    benchmark.bench_vqgan("toy", seconds=0.01, compare=True)
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    for name in ("encode", "lookup", "decode", "decode_long", "train"):
        ours, reference = found[f"{name}_clips_per_s"], found[f"reference_{name}_clips_per_s"]
        assert ours > 0 and found[f"ratio_{name}"] == pytest.approx(ours / reference, rel=0.05)
        assert 0 < found[f"{name}_peak_mb"] <= found["peak_mb"]
    assert found["bench"] == "vqgan"
    step = benchmark.count_flops(benchmark.training_step("toy", torch.device("cpu"), "plain").work)
    assert 0 < found["mfu"] == pytest.approx(step * found["train_clips_per_s"] / found["clips"] / 1e8, rel=0.05)


def test_operations_are_those_counted_by_hand(monkeypatch) -> None:
    x, weight = torch.zeros(2, 3, 4, 5, 6), torch.zeros(7, 3, 3, 3, 3)
    a_product_and_its_sum, outputs, inputs_of_one = 2, 2 * 7 * 4 * 5 * 6, 3 * 3 * 3 * 3
    found = benchmark.count_flops(lambda: F.conv3d(x, weight, padding=1))
    assert found == a_product_and_its_sum * outputs * inputs_of_one
    assert benchmark.count_flops(lambda: torch.zeros(4, 5) @ torch.zeros(5, 6)) == a_product_and_its_sum * 4 * 6 * 5
    monkeypatch.setattr(benchmark, "MATRIX", 64)
    monkeypatch.setattr(benchmark, "in_turns", lambda works, *_: dict.fromkeys(works, 0.5))
    convolution = a_product_and_its_sum * (8 * 16 * 16 * 16) * (8 * 3 * 3 * 3)
    peak = benchmark.arithmetic_peak(torch.float32, torch.device("cpu"), 0.0, time.perf_counter)
    assert peak == max(convolution, a_product_and_its_sum * 64**3) / 0.5


@torch.no_grad()
def test_the_restated_way_to_encode_gives_our_tokens() -> None:
    vqgan, x = VQGAN(SMALL).eval(), torch.rand(3, 3, 4, 16, 16) - 0.5
    tokens, perplexity = encode_as_released(vqgan, x)
    assert torch.equal(tokens, vqgan.encode(x))
    assert torch.equal(tokens, look_up_as_released(vqgan.codebook, vqgan.latents(x))[0])
    counts = torch.bincount(tokens.flatten(), minlength=SMALL.codes).float()
    assert perplexity.item() == pytest.approx(perplexity_of(counts).item(), rel=1e-5)


def test_as_many_clips_at_once_as_the_recipes_train_with() -> None:
    for scale in ("toy", "gpu"):
        assert PRESETS[scale].vqgan_training.batch == PRESETS[scale].adversarial.batch == benchmark.CLIPS[scale]


def peaks() -> tuple[bool, float, float, float]:
    """Can a peak be forgotten; peaks over the beginning with 200 MB and when they are forgotten; then a growth."""
    here = torch.device("cpu")
    able, before = forget_peak(here), peak_megabytes(here)
    torch.ones(200 * 2**18)
    high = peak_megabytes(here)
    forget_peak(here)
    return able, high - before, peak_megabytes(here) - before, growth_of(lambda: torch.ones(100 * 2**18), here)


@pytest.mark.skipif(not RESET[0].exists(), reason="only Linux forgets the peak of a process")
def test_the_peak_is_that_of_the_work_and_not_of_what_was_before() -> None:
    able, high, after, growth = in_fresh_process(peaks)  # elsewhere what other tests freed would be used again
    assert able and high > 150 and after < 50 and 90 < growth < 120


def test_a_fresh_process_answers_what_it_is_asked() -> None:
    assert in_fresh_process(divmod, 17, 5) == (3, 2)


def test_what_is_compared_is_measured_in_turns() -> None:
    order: list[str] = []
    works: dict[str, benchmark.Work] = {"ours": lambda: order.append("a"), "reference": lambda: order.append("b")}
    benchmark.in_turns(works, seconds=0.0, device=torch.device("cpu"))
    assert order == ["a", "b"] * (len(order) // 2) and len(order) >= 2 * benchmark.ROUNDS

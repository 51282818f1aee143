"""The bench of the second stage: its last line, and that the way it compares with gives our tokens."""

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tatslib.errors import UserError
from tatslib.sampling import hierarchical, native_step, sliding_window
from tatslib.sampling.decode import Decoder, Engine
from tatslib.sampling.filters import Filters
from tatslib.sampling.hierarchical import Hierarchy
from tatslib.sampling.noise import seeded_noise
from tatslib.studies.results import STORED, load
from tatslib.training import sampling_benchmark
from tatslib.training.benchmark import in_turns
from tatslib.training.presets import PRESETS, TransformerSize
from tatslib.transformer.gpt import GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tests.benchmarks import released_sampler as released
from tests.test_decode import lively_gpt
from tests.test_training import TINY

SHAPE = {"codes": 12, "condition_codes": 3, "layers": 2, "heads": 2, "width": 8}
FILTERS = [Filters(), Filters(top_k=5, top_p=0.8, temperature=0.9), Filters(top_p=0.9, mask_condition_tokens=False)]
CONDITION = torch.tensor([[0], [2], [1]])


def luck_of(filters: Filters) -> released.Luck:
    """The noise that our samplers draw from seed 0 for a latent frame of three videos."""
    width = 12 if filters.mask_condition_tokens else 15

    def luck(frame: int) -> Iterator[Tensor]:
        return seeded_noise(0, range(3), width, 2, "cpu", range(2 * frame, 2 * frame + 2))

    return luck


@pytest.mark.parametrize("filters", FILTERS)
@pytest.mark.parametrize("context", [1, 3])
def test_the_restated_sliding_window_draws_our_tokens(filters: Filters, context: int) -> None:
    gpt = lively_gpt(GPTConfig(**SHAPE, latent_shape=(4, 2, 2)), scale=1)
    ours = sliding_window.sample(gpt, CONDITION, 8, filters, context, progress=False)
    theirs = released.slide(released.ReleasedGPT(gpt), CONDITION, 8, filters, context, luck_of(filters))
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("filters", FILTERS)
def test_the_restated_hierarchy_draws_our_tokens_gap_after_gap(filters: Filters) -> None:
    anchors = lively_gpt(GPTConfig(**SHAPE, latent_shape=(3, 2, 2)), scale=1)
    fillers = [lively_gpt(InterpolationConfig(**SHAPE, latent_shape=(3, 2, 2)), seed, scale=1) for seed in (1, 2)]
    hierarchy = Hierarchy(anchors, fillers)
    ours = hierarchical.sample(hierarchy, CONDITION, 14, filters, 2, gaps_at_once=3, progress=False)
    assert torch.equal(ours, released.plan_ahead(hierarchy, CONDITION, 14, filters, 2, luck_of(filters)))


def test_without_noise_it_draws_like_torch_multinomial() -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0]).log_softmax(-1).expand(20_000, -1)
    torch.manual_seed(0)
    shares = released.draw(logits, Filters(top_k=3), None).bincount(minlength=4) / 20_000
    torch.testing.assert_close(shares[:3], logits[0, :3].softmax(-1), atol=0.015, rtol=0)
    assert shares[3] == 0


@pytest.fixture
def tiny_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    size = TransformerSize(layers=2, heads=2, width=32)
    small = PRESETS["toy"].model_copy(update={"vqgan": TINY.replace(frames=16, resolution=8), "transformer": size})
    monkeypatch.setattr(sampling_benchmark, "PRESETS", {"toy": small, "paper": PRESETS["paper"]})
    monkeypatch.setattr(sampling_benchmark, "GAPS", 2)


@pytest.mark.usefixtures("tiny_preset")
def test_the_bench_ends_with_one_json_line_that_holds_ours_the_reference_and_their_ratio(capsys) -> None:
    sampling_benchmark.bench_sample("toy", seconds=0.01, compare=True, batch=(1, 2), layers=1)
    *lines, last = capsys.readouterr().out.splitlines()
    found = json.loads(last)
    for suffix in ("", "_batch_2"):
        ours, reference = found["tokens_per_s" + suffix], found["reference_tokens_per_s" + suffix]
        assert ours > 0 and found["ratio_to_reference" + suffix] == pytest.approx(ours / reference, rel=0.01)
        assert found["hierarchical_seconds_per_video" + suffix] > 0
        assert found["peak_mb" + suffix] > 0 and found["read_gb_per_s" + suffix] > 0
    assert found["bench"] == "sample" and found["layers"] == 1 and found["copy_gb_per_s"] > 0
    assert "bandwidth_use" not in found, "what lies in the cache says nothing about memory"
    assert ("gain_native" in found) == (
        native_step.compiled("float") is not None
    ) and "gain_native_batch_2" not in found
    assert 0 < found["kl_bfloat16"] < 0.01 and 0 < found["kl_int8"] < 0.01
    assert sum("times the released way" in line for line in lines) == 4
    assert sum("by extrapolation, not decoded" in line for line in lines) == 4


def test_large_models_are_held_against_the_memorys_bandwidth_and_small_ones_are_not(capsys) -> None:
    assert sampling_benchmark.of_bandwidth(1, size=600.0, read=8.0, copied=10.0) == {"bandwidth_use": 0.8}
    assert sampling_benchmark.of_bandwidth(1, size=3.0, read=15.0, copied=10.0) == {}
    large, small = capsys.readouterr().out.splitlines()
    assert large.endswith("80% of the memory's bandwidth") and "cache" in small and "%" not in small


@pytest.mark.usefixtures("tiny_preset")
def test_small_weights_are_compared_with_torch_and_both_compute_alike(monkeypatch) -> None:
    models, exact = sampling_benchmark.models_of("toy", 1, torch.device("cpu"))
    engines = []
    monkeypatch.setattr(
        sampling_benchmark, "Decoder", lambda *given, at=Decoder: engines.append(given[3]) or at(*given)
    )
    assert exact is models.anchors, "float32 on a processor: no copy is needed"
    measure = partial(in_turns, seconds=0.0, device=torch.device("cpu"))
    found = sampling_benchmark.with_small_weights(models, exact, 1, "int8", measure, compiled=True)
    assert engines == [Engine("own", True, False), Engine("int8", True), Engine("own", False, False)]
    assert found["gain_int8"] > 0 and 0 < found["kl_int8"] < 0.01


@pytest.mark.usefixtures("tiny_preset")
def test_a_comparison_without_a_checkout_ends_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling_benchmark, "REFERENCE", Path("nowhere/released_sampler.py"))
    with pytest.raises(UserError, match="run it from a checkout"):
        sampling_benchmark.bench_sample("toy", seconds=0.01, compare=True)


@pytest.mark.skipif(native_step.compiled("float") is None, reason="there is no C compiler")
def test_a_single_toy_video_is_drawn_more_than_twice_as_fast_as_the_released_way() -> None:
    here = torch.device("cpu")
    bench = sampling_benchmark.Bench(sampling_benchmark.models_of("toy", None, here).ours, 1, Engine())
    works = {"ours": bench.frame} | sampling_benchmark.Released(released, bench).works()
    del works["released gap"]
    took = in_turns(works, seconds=0.5, device=here, clock=time.process_time)
    assert took["reference"] / took["ours"] > 2, "on an idle machine it is far more, see book/results/bench-sample.json"


@pytest.mark.skipif(not (STORED / "bench-sample.json").is_file(), reason="not measured yet")
def test_the_committed_speed_of_a_single_video_is_five_times_the_released_one() -> None:
    stored = load("bench-sample")
    assert min(stored.values("batch-1/ratio_to_reference")) >= 5
    assert min(stored.values("batch-32/ratio_to_reference")) > 1
    assert min(stored.values("batch-1/gain_native")) > 1


@pytest.mark.parametrize("weights", ["bfloat16", "int8"])
def test_small_weights_hardly_move_what_comes_next(weights) -> None:
    gpt = lively_gpt(GPTConfig(codes=64, latent_shape=(4, 2, 2), layers=3, heads=2, width=64), scale=0.1).float()
    tokens = torch.arange(13)[None] * 5 % 65
    exact, small = Decoder(gpt, 1, 1), Decoder(gpt, 1, 1, Engine(weights))
    assert sampling_benchmark.divergence(exact, Decoder(gpt, 1, 1), tokens) == 0
    assert 0 < sampling_benchmark.divergence(exact, small, tokens) < 2e-3

"""The studies of speed, at the size of a test: what stands in their results, and that memory of decoding is flat."""

import pytest
import torch

from tatslib.studies import first_stage_speed, sampling_speed
from tatslib.training import benchmark
from tatslib.training.presets import PRESETS
from tests.test_training import TINY


def test_a_batch_has_its_numbers_in_a_process_of_its_own_without_what_is_no_result(monkeypatch) -> None:
    asked = []

    def in_fresh_process(work, *given, **named) -> dict[str, object]:
        asked.append((work.__name__, given, named))
        (videos,) = named["batch"]
        return {"bench": "sample", "clock": "process_time", "threads": 1, "layers": 4, "peak_mb": videos, "kl": 0.5}

    monkeypatch.setattr(sampling_speed, "in_fresh_process", in_fresh_process)
    assert sampling_speed.run(0) == {"batch-1": {"peak_mb": 1, "kl": 0.5}, "batch-32": {"peak_mb": 32, "kl": 0.5}}
    wanted = {"compare": True, "threads": 1}
    assert asked == [("bench_sample", ("toy", 1.0), wanted | {"batch": (videos,)}) for videos in (1, 32)]


def test_each_kind_of_work_of_the_first_stage_has_its_ratio_and_each_length_its_memory(monkeypatch) -> None:
    def in_fresh_process(work, *given, **named) -> object:
        if work is first_stage_speed.decoding_megabytes:
            return (given[1] if given[2] else 16) / 4
        assert (work.__name__, given[0], named) == ("bench_vqgan", "toy", {"compare": True, "threads": 1})
        rates = {f"{kind}_clips_per_s": 6.0 for kind in benchmark.KINDS}
        theirs = {f"reference_{name}": 2.0 for name in rates}
        others = {f"ratio_{kind}": 3.0 for kind in benchmark.KINDS} | {f"{kind}_peak_mb": 9 for kind in benchmark.KINDS}
        return rates | theirs | others

    monkeypatch.setattr(first_stage_speed, "in_fresh_process", in_fresh_process)
    found = first_stage_speed.run(0)
    work = {"clips_per_s": 6.0, "reference_clips_per_s": 2.0, "ratio": 3.0, "peak_mb": 9}
    memory = {"windows": dict.fromkeys(("16", "256", "1024"), 4.0), "whole": {"16": 4.0, "256": 64.0, "1024": 256.0}}
    assert found == dict.fromkeys(("encode", "lookup", "decode", "decode_long", "train"), work) | {"memory": memory}


def test_full_size_is_the_papers_and_tells_seconds_of_a_clip(monkeypatch) -> None:
    def in_fresh_process(work, *given, **named) -> object:
        assert (work.__name__, given[0], named) == ("bench_vqgan", "paper", {"compare": True, "threads": 1})
        rates = {f"{kind}_clips_per_s": 0.5 for kind in benchmark.KINDS}
        theirs = {f"reference_{name}": 0.25 for name in rates}
        others = {f"ratio_{kind}": 2.0 for kind in benchmark.KINDS} | {f"{kind}_peak_mb": 9 for kind in benchmark.KINDS}
        return rates | theirs | others

    monkeypatch.setattr(first_stage_speed, "in_fresh_process", in_fresh_process)
    found = first_stage_speed.full_size(0)
    assert found["decode"]["seconds"] == 2.0 and found["train"]["reference_seconds"] == 4.0
    assert "seconds" not in found["decode_long"] and found["decode_long"]["ratio"] == 2.0


@pytest.mark.parametrize("whole", [False, True])
def test_memory_is_that_of_decoding_as_many_frames_as_asked_for(monkeypatch, whole: bool) -> None:
    monkeypatch.setitem(PRESETS, "toy", PRESETS["toy"].replace(vqgan=TINY))
    decoded = []

    def growth_of(work, device: torch.device) -> float:
        monkeypatch.setattr(first_stage_speed, "decode_in_windows", lambda vqgan, tokens: decoded.append(tokens) or [])
        monkeypatch.setattr(first_stage_speed.VQGAN, "decode", lambda vqgan, tokens: decoded.append(tokens))
        work()
        return 7.0

    monkeypatch.setattr(first_stage_speed, "growth_of", growth_of)
    assert first_stage_speed.decoding_megabytes("toy", 40, whole) == 7.0
    assert [tuple(tokens.shape) for tokens in decoded] == [(1, 20, 2, 2)]

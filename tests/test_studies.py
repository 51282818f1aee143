"""Studies: numbers are stored with their origin, read back, and compared with a live run."""

import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from tatslib.errors import UserError
from tatslib.metrics.features import RandomFeatures
from tatslib.randomness import torch_generator
from tatslib.recipes.padding_study import variants
from tatslib.studies import drift, padding, positions, results
from tatslib.studies.results import Results, Study
from tatslib.training.presets import PRESETS
from tests.test_equivariance import SMALL

NUMBERS = {0: {"zeros": {"score": 0.40}}, 1: {"zeros": {"score": 0.50}}, 2: {"zeros": {"score": 0.45}}}
STORED = Results(
    "toy", "as it says", {"scale": "toy", "hardware": "h", "commit": "c", "date": "d", "command": "m"}, NUMBERS
)


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("TATS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(results, "STORED", tmp_path / "stored")
    (tmp_path / "stored").mkdir()
    return tmp_path


def test_a_study_is_run_once_a_seed_and_stored_with_its_origin(places: Path) -> None:
    runs = []

    def run(seed: int) -> dict:
        runs.append(seed)
        return {"value": seed + 1 / 3, "rows": [1, 2.000001234]}

    study = Study("thirds", "add a   third", run)
    results.collect(study, [0, 1])
    path = results.collect(study, [0, 1, 2])
    assert runs == [0, 1, 2]
    loaded = results.load("thirds")
    assert loaded.values("value") == [0.33333, 1.3333, 2.3333] and loaded.protocol == "add a third"
    assert set(json.loads(path.read_text())["provenance"]) >= {"commit", "date", "scale", "hardware", "command"}
    assert "seeds 0, 1, 2; toy scale" in loaded.origin()


def test_the_origin_is_that_of_the_measurement_and_not_of_the_collection(places: Path, monkeypatch) -> None:
    study = Study("thirds", "", lambda seed: {"value": float(seed)})
    monkeypatch.setattr(results, "provenance", lambda command: {"commit": "a", "scale": "toy"})
    results.collect(study, [0])
    monkeypatch.setattr(results, "provenance", lambda command: {"commit": "b", "scale": "toy"})
    results.collect(study, [0, 1])
    assert results.load("thirds").provenance == {"commit": "a, b", "scale": "toy"}


def test_the_commit_is_dirty_where_code_differs_and_not_where_a_result_does(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ("-c", "user.name=A Reader", "-c", "user.email=reader@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    assert results.commit_of(tmp_path) == "unknown"
    code, result = tmp_path / "code.py", tmp_path / "book" / "results" / "toy.json"
    result.parent.mkdir(parents=True)
    for path in (code, result):
        path.write_text("1\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    clean = results.commit_of(tmp_path)
    assert len(clean) >= 7 and "dirty" not in clean
    result.write_text("2\n")
    assert results.commit_of(tmp_path) == clean
    code.write_text("2\n")
    assert results.commit_of(tmp_path) == f"{clean}-dirty"


def test_a_new_protocol_is_run_anew(places: Path) -> None:
    results.collect(Study("thirds", "", lambda seed: {"value": 1.0}), [0])
    results.collect(Study("thirds", "", lambda seed: {"value": 2.0}, version=2), [0])
    assert results.load("thirds").values("value") == [2.0]


def test_what_is_not_there_is_named(places: Path) -> None:
    with pytest.raises(UserError, match=r"no results thirds-gpu\.json"):
        results.load("thirds", "gpu")
    assert not results.exists("thirds", "gpu")
    with pytest.raises(UserError, match=r"toy has no 'zeros/scor'.*perhaps you meant 'score'"):
        STORED.values("zeros/scor")


def test_without_a_repository_and_a_network_the_reader_gets_a_sentence(places, monkeypatch) -> None:
    def no_network(address: str, timeout: float) -> None:
        raise OSError("no route")

    monkeypatch.setattr(results, "STORED", places / "nowhere")
    monkeypatch.setattr(results, "urlopen", no_network)
    with pytest.raises(UserError, match=r"drift\.json could not be fetched from https://raw\..*no route"):
        results.load("drift")


def test_scales_stand_side_by_side_and_a_missing_one_is_said_to_be_missing(places, monkeypatch) -> None:
    study = Study("thirds", "", lambda seed: {"value": float(seed)})
    results.collect(study, [0, 1, 2])
    assert "no results yet" in results.by_scale("thirds", ["value"])
    monkeypatch.setenv("TATS_SCALE", "gpu")
    results.collect(study, [1, 2, 3])
    table = results.by_scale("thirds", ["value"], 1)
    assert "1.0 ± 1.0           2.0 ± 1.0" in table and "no results" not in table


def test_where_only_the_package_is_installed_results_come_from_the_repository(places, monkeypatch) -> None:
    content = {"study": "drift", "protocol": "p", "provenance": {"scale": "toy"}, "seeds": {"0": {"value": 1.0}}}
    asked = []

    def answer(address: str, timeout: float) -> io.BytesIO:
        asked.append(address)
        return io.BytesIO(json.dumps(content).encode())

    monkeypatch.setattr(results, "STORED", places / "nowhere")
    monkeypatch.setattr(results, "urlopen", answer)
    assert results.load("drift").values("value") == [1.0] and results.exists("drift", "gpu")
    assert asked[0].endswith("/main/book/results/drift.json")

    def no_network(address: str, timeout: float) -> None:
        raise OSError("no route")

    monkeypatch.setattr(results, "urlopen", no_network)  # what was fetched once serves from then on
    assert results.load("drift").values("value") == [1.0] and not results.exists("slid-prefix", "gpu")


def test_an_interval_of_one_seed_is_refused() -> None:
    one = Results("toy", "", {}, {0: {"a": 1.0, "b": 2.0}})
    with pytest.raises(UserError, match="toy has 1 seeds: an interval needs 2 to 10"):
        one.difference("a", "b")


def test_a_live_value_is_compared_with_the_range_of_the_stored_ones() -> None:
    assert STORED.check("zeros/score", 0.62).endswith("as stored")
    assert STORED.check("zeros/score", 0.72).endswith("OUTSIDE what is stored")


def test_means_spreads_and_paired_intervals_are_those_of_the_textbook() -> None:
    assert STORED.text("zeros/score") == "0.45 ± 0.05"
    shifted = {seed: {**n, "other": {"score": n["zeros"]["score"] - 0.1 * (1 + seed)}} for seed, n in NUMBERS.items()}
    mean, half = Results("t", "", {}, shifted).difference("zeros/score", "other/score")
    assert mean == pytest.approx(0.2) and half == pytest.approx(4.303 * 0.1 / 3**0.5)


# ------------------------------------------------------------------------------------------------- the padding study
def test_the_variants_differ_in_the_encoders_edges_in_time_only() -> None:
    for config in variants(PRESETS["toy"].vqgan).values():
        assert all(unit.padding.space == "replicate" for unit in config.encoder_units)
        assert all(tuple(unit.padding) == ("replicate", "replicate") for unit in config.decoder_units)
    modes = {n: [u.padding.time for u in c.encoder_units] for n, c in variants(PRESETS["toy"].vqgan).items()}
    assert modes["released-zeros"] == ["zeros", "zeros", "replicate", "zeros", "replicate"]
    assert modes["last-2"] == ["zeros", "zeros", "zeros", "valid", "valid"]
    assert modes["first-1"] == ["valid", "zeros", "zeros", "zeros", "zeros"]
    assert modes["real"] == ["valid"] * 5


def test_real_frames_cost_more_arithmetic_and_memory_than_any_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    small = PRESETS["toy"].replace(vqgan=SMALL)
    monkeypatch.setitem(padding.PRESETS, "toy", small)
    costs = padding.costs(batch=1, rounds=1)
    for quantity in ("gflop", "megabytes"):
        cheap = {costs[name][quantity] for name in ("zeros", "replicate", "reflect", "circular")}
        assert costs["real"][quantity] > max(cheap)
    assert len({costs[name]["gflop"] for name in ("zeros", "replicate", "reflect", "circular")}) == 1


def test_memory_for_the_backward_pass_counts_each_storage_once() -> None:
    x = torch.ones(1000, requires_grad=True)
    assert padding.saved_megabytes(lambda: (x * x).sum()) == pytest.approx(4000 / 1e6)


# --------------------------------------------------------------------------------------------- positions, long videos
def test_positions_that_use_the_same_codes_do_not_diverge() -> None:
    frame = torch.randint(0, 8, (50, 1, 2, 2), generator=torch_generator(0, "test"))
    table = positions.position_divergence(torch.cat([frame, frame, (frame + 4) % 8 // 4], dim=1), 8)
    assert table[0, 1] == pytest.approx(0, abs=1e-12) and table[0, 2] > 0.1
    assert torch.allclose(table, table.T)


def test_real_clips_in_the_place_of_generated_ones_have_no_excess_distance() -> None:
    clips = torch.randint(0, 256, (200, 16, 24, 24, 3), generator=torch_generator(0, "test/clips")).to(torch.uint8)
    real = clips.numpy()
    network = RandomFeatures(4).fit(real)
    held_out = real[:160]
    generated = np.stack([held_out[k * 40 : (k + 1) * 40] for k in range(4)], axis=1)  # 40 "videos" of 4 windows
    assert drift.excess_distances(network, generated, held_out, real) == [pytest.approx(0, abs=1e-6)]


def test_an_untrained_encoder_knows_the_scale_of_its_data_and_uses_many_codes(monkeypatch) -> None:
    class Noise:
        def dataset(self, split: str, length: int, resolution: int) -> "Noise":
            self.shape = (length, resolution, resolution, 3)
            return self

        def clips(self, step: int, count: int, seed: int) -> tuple[torch.Tensor, None]:
            generator = torch_generator(seed, "test/noise")
            return torch.randint(0, 256, (count, *self.shape), generator=generator).to(torch.uint8), None

    monkeypatch.setitem(padding.PRESETS, "toy", PRESETS["toy"].replace(vqgan=SMALL))
    vqgan = padding.untrained(variants(SMALL)["zeros"], Noise(), seed=0)
    assert not vqgan.training and vqgan.encoder.norm.running_mean.abs().max() > 0
    scored = padding.score(vqgan, Noise())
    assert scored["used_codes"] > 20 and 0 < scored["score"] < 1 and len(scored["by_position"]) == 3


def test_the_summary_of_a_drift_takes_the_second_half_and_its_change_since_the_start() -> None:
    numbers = {name: [1.0, 1.0, 2.0, 4.0] for name in drift.RULERS}
    summary = drift.summary(numbers)
    assert summary["nearest"] == 3.0 and summary["nearest_change"] == 2.0


def test_what_is_no_number_is_stored_as_none() -> None:
    assert results.rounded({"a": float("inf"), "b": [float("nan"), 1.234567]}) == {"a": None, "b": [None, 1.2346]}

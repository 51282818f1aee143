"""The tiny worlds of the mask experiment: what can be known in them is known, and the studies measure what they say."""

import math

import pytest
import torch

from tatslib.sampling.interpolation import prefix_of
from tatslib.studies import leak
from tatslib.studies.leak import SURE, UNSURE, World, between
from tatslib.training.train_interpolation import interpolation_config


def test_a_value_between_two_is_rounded_halves_upwards() -> None:
    first, last = torch.tensor([0, 0, 3, 15]), torch.tensor([4, 2, 3, 0])
    assert [between(first, last, frame).tolist() for frame in range(5)] == [
        [0, 0, 3, 15],
        [1, 1, 3, 11],
        [2, 1, 3, 8],
        [3, 2, 3, 4],
        [4, 2, 3, 0],
    ]


def test_clips_lie_on_the_line_as_often_as_the_world_says() -> None:
    for world in (UNSURE, SURE):
        clips = world.clips(4000, seed=1, stream="test")
        lines = torch.stack([between(clips.tokens[:, 0], clips.tokens[:, -1], frame) for frame in range(5)], dim=1)
        share = (clips.tokens == lines)[:, 1:-1].float().mean().item()
        assert share == pytest.approx(world.surety + (1 - world.surety) / world.symbols, abs=0.01)
        assert clips.tokens.min() == 0 and clips.tokens.max() == world.symbols - 1
        assert torch.equal(clips.tokens, world.clips(4000, seed=1, stream="test").tokens)


def test_the_floor_of_the_unsure_world_is_1_961_nats() -> None:
    nats, right = UNSURE.knowable(last_is_read=True)
    p = 0.5 + 0.5 / 16
    assert nats == pytest.approx(-p * math.log(p) - 15 / 32 * math.log(1 / 32)) and round(nats, 3) == 1.961
    assert right == pytest.approx(p)
    blind, blindly_right = UNSURE.knowable(last_is_read=False)
    assert nats < blind < math.log(16) and 1 / 16 < blindly_right < right
    assert SURE.knowable(last_is_read=True) == pytest.approx((0, 1))


def test_what_cannot_be_known_without_the_last_anchor_agrees_with_counting() -> None:
    world = World(symbols=3, frame_symbols=1, surety=0.5)
    tokens = world.clips(300_000, seed=0, stream="test").tokens.flatten(1)
    counts = torch.zeros(3, 3, 3, 3)
    counts.index_put_(tuple(tokens[:, :4].T), torch.ones(len(tokens)), accumulate=True)
    p = counts / counts.sum((1, 2, 3), keepdim=True)
    counted = -torch.xlogy(p, p).sum((1, 2, 3)).mean() / 3
    assert world.knowable(last_is_read=False)[0] == pytest.approx(counted.item(), abs=1e-3)


def test_the_faults_of_the_released_reading_are_mended_one_by_one() -> None:
    config = interpolation_config(SURE.clips(1, 0, "test").index, 1, 1, 4)
    found = leak.readings(config)
    assert list(found) == ["released", "positions", "positions_speaker", "trained"]
    ours = prefix_of(config).layout
    for name in ("positions", "positions_speaker"):
        layout = found[name].layout
        assert torch.equal(layout.positions, ours.positions) and not torch.equal(layout.mask, ours.mask)
        assert (layout.speaker == ours.speaker) is name.endswith("speaker")
    assert found["released"].last_tokens == 4 and found["trained"].last_tokens == 3


def test_both_studies_run_and_give_every_number_of_their_protocols(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leak, "TRAINING", leak.TRAINING.replace(steps=2, batch=4, log_every=1))
    monkeypatch.setattr(leak, "TRAIN_CLIPS", 16)
    monkeypatch.setattr(leak, "TEST_CLIPS", 8)
    numbers = leak.run_leak(0)
    assert set(numbers) == {"all_known", "chance", "causal", "leaking", "interpolation"}
    assert all(set(numbers[mask]) == {"nats", "right", "knowable", "curve"} for mask in leak.KINDS)
    assert len(numbers["leaking"]["curve"]) == 2
    below, above = UNSURE.knowable(True)[0], UNSURE.knowable(False)[0]
    assert below < numbers["interpolation"]["knowable"]["nats"] < above
    read = leak.run_reading(0)
    assert set(read) == {"chance", "released", "positions", "positions_speaker", "trained"}
    assert all(0 <= read["trained"][part] <= 1 for part in ("first", "rest"))
    assert [study.name for study in leak.studies()] == ["interpolation-leak", "interpolation-reading"]

"""The study of tokens from disk and anew, at the size of a test: what it measures, and in which units."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tatslib.datasets.clips import ClipDataset
from tatslib.studies import token_speed
from tatslib.training.presets import PRESETS, TransformerSize
from tatslib.videos import write_video
from tatslib.vqgan.vqgan import VQGAN
from tests.test_hierarchy_study import TINY


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TATS_HOME", str(tmp_path / "home"))
    frames = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    write_video(tmp_path / "noise.avi", frames)
    videos = SimpleNamespace(dataset=lambda split, **options: ClipDataset([tmp_path / "noise.avi"], **options))
    made = {"actions/vqgan-replicate": SimpleNamespace(model=VQGAN(TINY).eval()), "actions/videos": videos}
    monkeypatch.setattr(token_speed, "recipes", SimpleNamespace(get=made.__getitem__))
    toy = PRESETS["toy"]
    training = toy.transformer_training.replace(batch=2, precision="float32")
    small = toy.replace(transformer=TransformerSize(layers=1, heads=2, width=8), transformer_training=training)
    monkeypatch.setitem(PRESETS, "toy", small)
    monkeypatch.setattr(token_speed, "CLIPS", 32)


def test_a_step_from_shards_and_one_that_encodes_take_turns_with_tokenising(tiny, monkeypatch) -> None:
    monkeypatch.setattr(token_speed, "SECONDS", 0.01)
    found = token_speed.run(0)
    assert min(found["clips_per_s"], found["step"]["shards"], found["step"]["anew"]) > 0
    assert found["ratio"] == found["step"]["anew"] / found["step"]["shards"]


def test_numbers_are_medians_of_what_each_turn_took(tiny, monkeypatch) -> None:
    def in_turns(works, seconds, device) -> dict[str, float]:
        for work in works.values():
            work()
        assert list(works) == ["ours", "anew", "tokenise"]
        return {"ours": 0.5, "anew": 0.75, "tokenise": 4.0}

    monkeypatch.setattr(token_speed, "in_turns", in_turns)
    assert token_speed.run(1) == {"clips_per_s": 8.0, "step": {"shards": 0.5, "anew": 0.75}, "ratio": 1.5}

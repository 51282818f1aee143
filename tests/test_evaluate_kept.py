"""Rows of features are kept: a run that was stopped goes on, processes share them, other code does not find them."""

import os
import signal
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from tatslib.errors import UserError
from tatslib.evaluation import feature_cache, gathering, networks
from tatslib.evaluation.feature_cache import FeatureCache, clip_key
from tatslib.evaluation.gathering import gather
from tatslib.evaluation.networks import Extractor, pixels
from tatslib.randomness import numpy_generator


def until_killed(extractor: Extractor, batches: int, told: int) -> Extractor:
    """The same for so many batches; then it tells that through a pipe and waits for its end."""
    left = iter(range(batches))

    def rows(clips: np.ndarray) -> torch.Tensor:
        if next(left, None) is None:
            os.write(told, str(batches).encode())
            time.sleep(60)
        return extractor.rows(clips)

    return replace(extractor, rows=rows)


def readers(clips: np.ndarray) -> list:
    return [partial(clips.__getitem__, index) for index in range(len(clips))]


CLIPS = numpy_generator(0, "clips to keep").integers(0, 256, (40, 4, 8, 8, 3), dtype=np.uint8)


def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(gathering, "AT_ONCE", 4)
    unbroken, computed = gather(pixels(), readers(CLIPS), tmp_path / "unbroken", "")
    assert computed == 40
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            gather(until_killed(pixels(), 3, writing), readers(CLIPS), tmp_path / "killed", "")
        finally:
            os._exit(1)
    os.close(writing)
    assert os.read(reading, 1) == b"3", "the child has kept three batches and waits, or has ended"
    os.close(reading)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    again, computed = gather(pixels(), readers(CLIPS), tmp_path / "killed", "")
    assert computed == 28 and torch.equal(again, unbroken)
    assert gather(pixels(), readers(CLIPS), tmp_path / "killed", "")[1] == 0


def test_processes_share_the_clips_by_index_and_leave_each_other_their_rows(tmp_path, monkeypatch):
    whole, _ = gather(pixels(), readers(CLIPS), tmp_path / "one", "")
    monkeypatch.setattr(gathering, "world_size", lambda: 2)
    monkeypatch.setattr(gathering, "features_of_all", lambda mine, clips: mine)
    for rank in (0, 1):
        monkeypatch.setattr(gathering, "rank", lambda rank=rank: rank)
        mine, computed = gather(pixels(), readers(CLIPS), tmp_path / "two", "")
        assert computed == 20 and torch.allclose(mine, whole[rank::2], rtol=1e-9)  # in batches of another size
    monkeypatch.undo()
    together, computed = gather(pixels(), readers(CLIPS), tmp_path / "two", "")
    assert computed == 0 and torch.allclose(together, whole, rtol=1e-9)


def test_other_pixels_are_another_key_and_a_damaged_file_is_made_anew(tmp_path):
    changed = CLIPS[0].copy()
    changed[0, 0, 0, 0] ^= 1
    assert clip_key(CLIPS[0]) == clip_key(CLIPS[0].copy()) != clip_key(changed)
    assert clip_key(CLIPS[0]) != clip_key(CLIPS[0].reshape(4, 16, 4, 3))
    cache = FeatureCache(tmp_path)
    cache.add(["a", "b"], torch.eye(2))
    (file,) = tmp_path.iterdir()
    found = FeatureCache(tmp_path).find(["b", "c", "a"])
    assert torch.equal(torch.stack([found[key] for key in "ab"]), torch.eye(2)) and "c" not in found
    half = tmp_path / f".{file.stem}.0123abcd.partial.safetensors"  # what another process is just writing
    half.write_bytes(file.read_bytes()[:-3])
    file.write_bytes(file.read_bytes()[:-3])
    assert len(FeatureCache(tmp_path)) == 0
    assert half.exists() and not file.exists()


def test_rows_whose_file_has_gone_are_computed_again(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.add(["a", "b"], torch.eye(2))
    cache.add(["c"], torch.ones(1, 2))
    next(path for path in tmp_path.iterdir() if path == cache._place["a"][0]).unlink()
    assert list(cache.find(["a", "b", "c"])) == ["c"] and len(cache) == 1
    kept, extractor = tmp_path / "kept", pixels()
    whole, _ = gather(extractor, readers(CLIPS), kept, "")
    next((kept / extractor.folder).iterdir()).unlink()
    again, computed = gather(extractor, readers(CLIPS), kept, "")
    assert 0 < computed < 40 and torch.equal(again, whole)


def test_a_disk_that_refuses_is_told_and_no_file_is_removed(tmp_path, monkeypatch):
    cache = FeatureCache(tmp_path)
    cache.add(["a"], torch.ones(1, 2))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(feature_cache, "safe_open", refuse)
        patch.setattr(feature_cache, "load_file", refuse)
        with pytest.raises(UserError, match=r"cannot be read .*Input/output error"):
            FeatureCache(tmp_path)
        with pytest.raises(UserError, match="cannot be read"):
            cache.find(["a"])
    assert len(FeatureCache(tmp_path)) == 1


def test_rows_of_other_code_are_not_found(tmp_path, monkeypatch):
    gather(pixels(), readers(CLIPS[:2]), tmp_path, "")
    monkeypatch.setattr(networks, "FEATURES_VERSION", networks.FEATURES_VERSION + 1)
    assert gather(pixels(), readers(CLIPS[:2]), tmp_path, "")[1] == 2

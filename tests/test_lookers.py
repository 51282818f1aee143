"""Networks whose files nobody published a checksum of: what is measured by them says so, and which files they were."""

import hashlib
from pathlib import Path

import pytest
from torch import nn

from tatslib.evaluation import networks
from tatslib.evaluation.evaluate import _described
from tatslib.evaluation.networks import Extractor, open_network
from tatslib.metrics import c3d, i3d


class Stand(nn.Module):
    """In the place of a network of 50 MB and more."""

    def __init__(self) -> None:
        super().__init__()
        self.fc7 = self.head = nn.Linear(4, 6)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which files lie that were downloaded."""
    monkeypatch.setenv("TATS_HOME", str(tmp_path))
    monkeypatch.setattr(networks.i3d, "load_i3d", lambda path: Stand())
    monkeypatch.setattr(networks.c3d, "load_c3d", Stand)
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in (i3d.FILE, c3d.WEIGHTS, c3d.MEAN):
        (folder / name).write_text(name)
    return folder


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def said(looker: Extractor) -> str:
    """What the protocol line says of a network."""
    return str(_described(looker))


def test_the_protocol_says_that_no_checksum_of_i3d_was_known_and_which_file_it_was(weights, tmp_path):
    found = digest(weights / i3d.FILE)
    unknown = f"I3D (Kinetics-400 logits), SHA-256 {found[:12]} (not known in advance; as found: {i3d.FILE} {found})"
    assert said(open_network("i3d")) == unknown
    own = tmp_path / "own.pt"
    own.write_text("another file")
    assert said(open_network("i3d", own)).endswith(f"(not known in advance; as found: own.pt {digest(own)})")


def test_of_c3d_both_files_are_named(weights):
    looker = open_network("c3d")
    both = ", ".join(f"{name} {digest(weights / name)}" for name in (c3d.WEIGHTS, c3d.MEAN))
    assert said(looker) == f"C3D (UCF-101), SHA-256 {looker.checksum[:12]} (not known in advance; as found: {both})"
    assert _described(looker).model_dump()["unpublished"] == {
        name: digest(weights / name) for name in (c3d.WEIGHTS, c3d.MEAN)
    }


def test_of_others_nothing_is_added():
    looker = open_network("random")
    assert said(looker) == f"{looker.what}, SHA-256 {looker.checksum[:12]}"

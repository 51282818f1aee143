"""The authors' files at full size on the disk, gigabytes of numbers that all differ, and what converting makes of them.

`test_checkpoints.py` reads all manifests in seconds, because its tensors are views of one memory. Here every tensor has
its own, as in a real file.
"""

import json
import shutil
from itertools import count
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tatslib.foreign import read_lightning
from tatslib.training.checkpoint import load_model, read_config
from tatslib.training.convert import convert
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.vqgan.official import FIRST_STAGE, released_state
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig
from tests.parity.test_checkpoints import MANIFESTS, options_of, state_of_manifest
from tests.released import gpt_state, write_checkpoint

ROOM = 8 * 2**30  # bytes of disk
WINDOW, GAP = 1024, 1280  # positions of a transformer that draws one symbol after the other; of one that fills in


def positions(path: Path) -> int:
    """Positions that a manifest's transformer has; 0 if it is a VQGAN's."""
    shape, _ = json.loads(path.read_text()).get("transformer.pos_emb", [[0, 0, 0], ""])
    return int(shape[1])


ONE_OF_EACH = [next(path for path in MANIFESTS if positions(path) == number) for number in (0, WINDOW, GAP)]


def on_its_own(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same names, shapes and types; every tensor of floats in a memory of its own, with numbers of its own."""
    longest = max(value.numel() for value in state.values())
    noise, number = torch.rand(longest, generator=torch.Generator().manual_seed(0)), count()
    return {
        name: noise[: value.numel()].view(value.shape) + next(number) if value.is_floating_point() else value.clone()
        for name, value in state.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("path", ONE_OF_EACH, ids=lambda path: path.stem)
def test_a_file_of_full_size_converts_and_every_number_arrives_in_its_place(path: Path, tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < ROOM:
        pytest.skip(f"less than {ROOM / 2**30:.0f} GB are free in {tmp_path}")
    try:
        state = on_its_own(state_of_manifest(path))
        assert len({value.untyped_storage().data_ptr() for value in state.values()}) == len(state)
        file = write_checkpoint(tmp_path / "large.ckpt", state, options_of(state))
        assert file.stat().st_size > sum(value.nbytes for value in state.values())
        del state
        convert(file, tmp_path / "out")
        assert json.loads((tmp_path / "out" / "released.json").read_text())["bytes"] == file.stat().st_size
        checkpoint = read_lightning(file)
        theirs = checkpoint.part(FIRST_STAGE) or checkpoint.state
        folder = tmp_path / "out" / "vqgan"
        vqgan = load_model(folder, VQGAN(read_config(folder, VQGANConfig)))
        ours = released_state(vqgan)
        assert len(ours) > 50 and all(torch.equal(value, theirs[name]) for name, value in ours.items())
        folder = tmp_path / "out" / "transformer"
        assert folder.is_dir() == (positions(path) > 0)
        if folder.is_dir():
            gpt = GPT(read_config(folder, InterpolationConfig if positions(path) == GAP else GPTConfig))
            load_model(folder, gpt)
            weights = {name: value for name, value in gpt_state(gpt).items() if not name.endswith(".mask")}
            assert len(weights) > 300 and all(torch.equal(value, checkpoint.state[n]) for n, value in weights.items())
    finally:
        shutil.rmtree(tmp_path)  # gigabytes, which pytest would keep for three runs

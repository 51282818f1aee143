"""From clips of two lengths to a planned video: the commands of a hierarchy, and what they say to a wrong one."""

import json
from pathlib import Path

import numpy as np
import pytest

from tatslib import cli
from tatslib.commands import opening
from tatslib.datasets.clips import ClipDataset
from tatslib.datasets.shards import shard_name
from tatslib.training.checkpoint import save_model
from tatslib.training.presets import PRESETS
from tatslib.videos import read_frames, write_video
from tatslib.vqgan.vqgan import VQGAN


class Commands:
    """A folder with a data set, two VQGANs and what commands make of them; paths are told by their first letter, @."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
        self.folder, self.patch, self.capsys = folder, patch, capsys

    def __call__(self, line: str) -> str:
        arguments = [f"{self.folder}/{word[1:]}" if word[0] == "@" else word for word in line.split()]
        self.patch.setattr("sys.argv", ["tats", *arguments])
        status: object = 0
        try:
            cli.main()
        except SystemExit as stop:
            status = stop.code
        said = self.capsys.readouterr()
        assert status in (0, None) or (status == 2 and len(said.err.splitlines()) == 1), said.err
        return said.out + said.err


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    frames = np.random.default_rng(0).integers(0, 256, (70, 24, 24, 3), dtype=np.uint8)
    for number in range(2):
        write_video(folder / "data" / f"{number}.avi", frames[number:])
    vqgan = VQGAN(PRESETS["toy"].vqgan)
    for number in range(2):
        vqgan.codebook.embeddings += number
        save_model(folder / f"vqgan{number}", vqgan, vqgan.config)
    return folder


@pytest.fixture
def tats(made, monkeypatch, capsys) -> Commands:
    monkeypatch.setenv("TATS_HOME", str(made / "home"))
    monkeypatch.setitem(
        opening.READERS, "sky", lambda folder, split, **options: ClipDataset(sorted(folder.iterdir()), **options)
    )
    return Commands(made, monkeypatch, capsys)


TOKENIZE = "tokenize --data @data --dataset sky --vqgan @vqgan0 --out @tokens --frames 52 --clips 40 --shard-clips 32"


def test_three_trainings_on_one_token_set_make_one_planned_video(tats, made):
    assert "wrote 2 of 2 shards" in tats(TOKENIZE)
    index = json.loads((made / "tokens" / "index.json").read_text())
    assert index["tokens"]["latent_shape"] == [13, 6, 6] and [shard["clips"] for shard in index["shards"]] == [32, 8]
    whole = (made / "tokens" / shard_name(1)).read_bytes()
    (made / "tokens" / shard_name(1)).write_bytes(whole[:-1])
    refused = tats("train transformer --tokens @tokens --out @sparse --latent-stride 4 --steps 1")
    assert f"{shard_name(1)} has {len(whole) - 1} bytes instead of {len(whole)}" in refused
    again = tats(TOKENIZE)
    assert "bytes instead of" in again and "wrote 1 of 2 shards" in again
    assert (made / "tokens" / shard_name(1)).read_bytes() == whole
    assert "nothing to do" in tats(TOKENIZE)

    assert "trained 1 steps" in tats("train transformer --tokens @tokens --out @sparse --latent-stride 4 --steps 1")
    assert "trained 1 steps" in tats(f"train interpolation --tokens file://{made}/tokens --out @filler --steps 1")
    base = "train transformer --tokens @tokens --out @base --latent-frames 4 --steps 1"
    assert "trained 1 steps" in tats(base)
    shapes = {name: json.loads((made / name / "data.json").read_text()) for name in ("sparse", "filler", "base")}
    assert {name: (shape["latent_shape"][0], shape["latent_stride"]) for name, shape in shapes.items()} == {
        "sparse": (4, 4),
        "filler": (5, 1),
        "base": (4, 1),
    }
    assert shapes["filler"]["clips"] == 120  # three gaps a clip
    sample = "sample --vqgan @vqgan0 --out @{}.avi --frames 22 --transformer @{}"
    assert "wrote 22 frames" in tats(sample.format("planned", "sparse") + " --filler @filler")
    assert read_frames(made / "planned.avi").shape == (22, 24, 24, 3)
    assert "wrote 22 frames" in tats(sample.format("slid", "base"))

    for line, words in (
        (sample.format("x", "sparse"), "sparse was trained on latent frames 4 apart, but would have to write them 1"),
        (sample.format("x", "base") + " --filler @filler", "base was trained on latent frames 1 apart"),
        (sample.format("x", "sparse") + " --filler @filler --filler @filler", "would have to write them 16 apart"),
        (sample.format("x", "sparse") + " --filler @base", "base goes on from what came before"),
        (sample.format("x", "filler"), "filler fills in between given frames and cannot begin"),
        (sample.format("x", "sparse").replace("vqgan0", "vqgan1") + " --filler @filler", "tokens of another VQGAN"),
    ):
        assert words in tats(line)
    assert not (made / "x.avi").exists()

    bench = "bench tokens --tokens @tokens --data @data --dataset sky --seconds 0.01 --vqgan @"
    found = json.loads(tats(bench + "vqgan0").splitlines()[-1])
    assert found["ratio_input"] > 1 and found["ratio_train"] > 1 and found["latent_shape"] == [13, 6, 6]
    assert "holds the tokens of another VQGAN" in tats(bench + "vqgan1")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (TOKENIZE.replace("52", "53"), "clips of 53 frames are no multiple of 4, the compression in time: take 52 or"),
        (TOKENIZE.replace("--shard-clips 32", "--shard-clips 33"), "shards of 33 clips are not whole batches of 32"),
        (TOKENIZE.replace("40", "0"), "a set of 0 clips is none"),
        ("train interpolation --tokens s3:/nowhere --out @x", "holds no token set"),
        ("train interpolation --tokens nonsense://nowhere --out @x", "cannot be opened"),
        ("sample --vqgan @vqgan0 --transformer @x --out @other --frames 0", "a video of 0 frames is none"),
        ("bench sample --batch", "batch and layers start at 1, got () and None"),
        ("bench sample --batch 1 0", "batch and layers start at 1, got (1, 0) and None"),
        ("bench sample --layers 0", "batch and layers start at 1, got (1, 32) and 0"),
    ],
)
def test_a_mistake_is_one_sentence(tats, made, line, words):
    assert words in tats(line.replace("@tokens", "@other")) and not (made / "other").exists()

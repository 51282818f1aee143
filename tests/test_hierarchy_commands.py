"""From clips of two lengths to a planned video: the commands of a hierarchy, and what they say to a wrong one."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tatslib import cli
from tatslib.commands import opening, sample
from tatslib.commands.opening import load_vqgan
from tatslib.commands.sample import levels_filters
from tatslib.datasets.clips import ClipDataset
from tatslib.datasets.shards import shard_name
from tatslib.datasets.tokens import TokenIndex
from tatslib.sampling import hierarchical
from tatslib.sampling.decode import Engine
from tatslib.sampling.filters import Filters
from tatslib.sampling.interpolation import GapFiller
from tatslib.training.checkpoint import save_model, weights_fingerprint
from tatslib.training.paper_presets import FILLER_FILTERS
from tatslib.training.presets import PRESETS
from tatslib.training.trained_hierarchy import load_hierarchy
from tatslib.transformer.gpt import GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.videos import read_frames, to_uint8, write_video
from tatslib.vqgan.vqgan import VQGAN
from tatslib.vqgan.windows import decode_stream
from tests.test_decode import lively_gpt


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


@pytest.fixture(scope="module")
def levels(made: Path) -> Path:
    """Untrained transformers that write every 16th latent frame, every 4th between those, and all between these."""
    vqgan = load_vqgan(made / "vqgan0")
    shape = {"codes": vqgan.config.codes, "condition_codes": 0, "layers": 1, "heads": 2, "width": 16}
    fingerprint, grid = weights_fingerprint(vqgan), vqgan.config.latent_shape[1:]
    for name, kind, window, stride in (
        ("every16", GPTConfig, 2, 16),
        ("every4", InterpolationConfig, 5, 4),
        ("every1", InterpolationConfig, 5, 1),
    ):
        config = kind(**shape, latent_shape=(window, *grid))
        save_model(made / name, lively_gpt(config, seed=stride, scale=0.5).float(), config)
        index = TokenIndex(
            codes=vqgan.config.codes, latent_shape=config.latent_shape, vqgan=fingerprint, latent_stride=stride
        )
        (made / name / "data.json").write_text(index.to_json())
    return made


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


LEVELS = (
    "sample --vqgan @vqgan0 --transformer @every16 --filler @every4 --filler @every1 --frames 72 --seed 3 --top-k 40"
)


@pytest.mark.parametrize(
    ("options", "below"),
    [
        ("--filler-top-k 1", Filters(top_k=1)),
        ("", Filters(temperature=2, top_k=40, top_p=0.5)),
        ("--filler-top-k 5 --filler-top-p 0.3 --filler-temperature 3", Filters(temperature=3, top_k=5, top_p=0.3)),
        ("--filler-top-p 0.1", Filters(temperature=2, top_k=40, top_p=0.1)),  # the others are those above
    ],
)
def test_levels_that_fill_in_have_filters_of_their_own(tats, levels, options, below):
    line = LEVELS + " --temperature 2 --top-p 0.9 --out @"
    assert "wrote 72 frames" in tats(f"{line}own.avi {options}") and "wrote 72 frames" in tats(
        line + "same.avi --filler-top-p 0.9"
    )
    vqgan = load_vqgan(levels / "vqgan0")
    hierarchy = load_hierarchy(vqgan, levels / "vqgan0", levels / "every16", [levels / "every4", levels / "every1"])
    count = 18 + sum(vqgan.config.latent_margins)
    above = Filters(temperature=2, top_k=40, top_p=0.9)
    tokens = hierarchical.stream(hierarchy, torch.tensor([[0]]), count, [above, below, below], seed=3)
    video = torch.cat([part[0] for part in decode_stream(vqgan, tokens, count)], dim=1)  # (3, T, H, W)
    write_video(levels / "called.avi", to_uint8(video)[:72])
    own, same, called = (read_frames(levels / f"{name}.avi") for name in ("own", "same", "called"))
    assert np.array_equal(own, called) and not np.array_equal(own, same)


def test_a_video_does_not_depend_on_how_many_gaps_are_filled_at_once(tats, levels, monkeypatch):
    asked = []

    class Told(GapFiller):
        def __init__(self, model, gaps, *rest, **options):
            asked.append(gaps)
            super().__init__(model, gaps, *rest, **options)

    monkeypatch.setattr(hierarchical, "GapFiller", Told)
    monkeypatch.setattr(hierarchical, "library_for", lambda model: None)  # as many as pay in torch
    for out, option in (("sixteen.avi", ""), ("three.avi", " --gaps-at-once 3")):
        assert "wrote 72 frames" in tats(f"{LEVELS} --out @{out}{option}")
    assert asked == [16, 16, 3, 3]
    assert np.array_equal(read_frames(levels / "sixteen.avi"), read_frames(levels / "three.avi"))


@pytest.mark.parametrize(
    ("option", "engine", "number"),
    [
        ("--weights int8", Engine("int8"), torch.float32),
        ("--precision bfloat16 --compiled", Engine(compiled=True), torch.bfloat16),
    ],
)
def test_a_video_is_computed_in_the_numbers_that_were_asked_for(tats, levels, monkeypatch, option, engine, number):
    seen = []

    def stream(hierarchy, *given, engine, **options):
        seen.append((engine, {p.dtype for m in (hierarchy.anchors, *hierarchy.fillers) for p in m.parameters()}))
        return hierarchical.stream(hierarchy, *given, engine=engine, **options)

    monkeypatch.setattr(sample, "stream", stream)
    assert "wrote 72 frames" in tats(f"{LEVELS} --out @numbers.avi {option}")
    assert seen == [(engine, {number})]
    assert read_frames(levels / "numbers.avi").std() > 0


def test_what_fills_in_draws_from_half_the_probability_unless_it_is_told_otherwise():
    def levels(fillers, above, top_p=None):
        return levels_filters(above, fillers, temperature=None, top_k=None, top_p=top_p)

    above = Filters(temperature=2, top_k=7, top_p=0.8)
    assert FILLER_FILTERS.top_p == 0.5  # one number, the presets' at the paper's size
    assert levels(2, above) == [above, above.replace(top_p=0.5), above.replace(top_p=0.5)]
    assert levels(0, above) == [above]
    assert levels(1, above.replace(top_p=0.3)) == [above.replace(top_p=0.3)] * 2
    assert levels(1, above.replace(top_p=None))[1] == above.replace(top_p=0.5)
    assert levels(1, above, top_p=0.9)[1] == above.replace(top_p=0.9)
    nothing = Filters(temperature=1e-9, top_k=1, top_p=0)
    own = levels_filters(above, fillers=1, temperature=1e-9, top_k=1, top_p=0.0)
    assert own == [above, nothing]  # a p of 0 was given, it is not absent


NOWHERE = "sample --vqgan @nowhere --transformer @nowhere --out @other "


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (TOKENIZE.replace("52", "53"), "clips of 53 frames are no multiple of 4, the compression in time: take 52 or"),
        (TOKENIZE.replace("--shard-clips 32", "--shard-clips 33"), "shards of 33 clips are not whole batches of 32"),
        (TOKENIZE.replace("40", "0"), "a set of 0 clips is none"),
        ("train interpolation --tokens s3:/nowhere --out @x", "holds no token set"),
        ("train interpolation --tokens nonsense://nowhere --out @x", "cannot be opened"),
        ("sample --vqgan @vqgan0 --transformer @x --out @other --frames 0", "a video of 0 frames is none"),
        (NOWHERE + "--filler-top-k 1", "--filler-top-k is for transformers that fill in: name them with --filler, or"),
        (NOWHERE + "--filler-top-p 0 --filler-temperature 2", "--filler-top-p and --filler-temperature are for"),
        (NOWHERE + "--gaps-at-once 3", "--gaps-at-once is for transformers that fill in"),
        (NOWHERE + "--gaps-at-once 0", "0 gaps at once fill nothing: take 1 or more"),
        (NOWHERE + "--filler @x --gaps-at-once -1", "-1 gaps at once fill nothing"),
        (NOWHERE + "--filler @x --filler-top-k 0", "what fills in are impossible: top_k: Input should be greater"),
        (NOWHERE + "--filler @x --filler-top-p 1.5", "impossible: top_p: Input should be less than or equal to 1 (got"),
        (NOWHERE + "--filler @x --filler-temperature nan", "what fills in are impossible: temperature: Input"),
        (NOWHERE + "--top-k 0", "top_k: Input should be greater than or equal to 1 (got 0)"),
        ("bench sample --batch", "batch and layers start at 1, got () and None"),
        ("bench sample --batch 1 0", "batch and layers start at 1, got (1, 0) and None"),
        ("bench sample --layers 0", "batch and layers start at 1, got (1, 32) and 0"),
    ],
)
def test_a_mistake_is_one_sentence(tats, made, line, words):
    assert words in tats(line.replace("@tokens", "@other")) and not (made / "other").exists()

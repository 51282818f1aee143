"""The command line from end to end on a very small world, and what it says when something is wrong."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tatslib import cli
from tatslib.training import presets
from tatslib.videos import read_frames


def tats(*arguments: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tatslib.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    result = tats("data", "make", "actions", "--out", str(folder / "actions"), "--size", "32")
    assert result.returncode == 0, result.stderr
    return folder


def test_from_files_to_a_long_video_on_the_command_line(world, tmp_path, monkeypatch):
    monkeypatch.setenv("TATS_HOME", str(tmp_path / "home"))
    data, vqgan, tokens = str(world / "actions"), str(tmp_path / "vqgan"), str(tmp_path / "tokens")
    gpt, video = str(tmp_path / "gpt"), tmp_path / "long.mp4"
    for command in (
        ["train", "vqgan", "--data", data, "--out", vqgan, "--steps", "2"],
        ["tokenize", "--data", data, "--vqgan", vqgan, "--out", tokens, "--clips", "32"],
        ["train", "transformer", "--tokens", tokens, "--out", gpt, "--steps", "2"],
        ["sample", "--vqgan", vqgan, "--transformer", gpt, "--out", str(video), "--frames", "42", "--label", "3"],
    ):
        result = tats(*command)
        assert result.returncode == 0, result.stderr
    assert read_frames(video).shape == (42, 24, 24, 3)
    another = str(tmp_path / "another")
    assert tats("train", "vqgan", "--data", data, "--out", another, "--steps", "2", "--seed", "1").returncode == 0
    result = tats("sample", "--vqgan", another, "--transformer", gpt, "--out", str(video))
    assert result.returncode == 2 and "was trained on the tokens of another VQGAN" in result.stderr
    assert {path.name for path in Path(vqgan).iterdir()} >= {"config.json", "model.safetensors", "log.jsonl"}


def test_bench_data_ends_with_one_json_line(world, tmp_path, monkeypatch):
    monkeypatch.setenv("TATS_HOME", str(tmp_path))
    result = tats("bench", "data", "--data", str(world / "actions"), "--resolution", "24", "--seconds", "0.2")
    assert result.returncode == 0, result.stderr
    assert isinstance(json.loads(result.stdout.splitlines()[-1]), dict)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["recipes", "plan", "actions/gpt-replicat"], "perhaps you meant 'actions/gpt-replicate'"),
        (["train", "vqgan", "--data", "nowhere", "--out", "run"], "The split lists of UCF-101"),
        (["train", "vqgan", "--data", "x", "--out", "run", "--steps", "0"], "steps: Input should be greater than 0"),
        (["train", "transformer", "--tokens", "nowhere", "--out", "run"], "holds no token set"),
        (["sample", "--vqgan", "nowhere", "--transformer", "x", "--out", "v.webp"], "use .mp4"),
        (["data", "make", "actions", "--out", "/dev/null/x"], "/dev/null"),
        (["sample", "--vqgan", "nowhere", "--transformer", "x", "--out", "v.mp4"], "is not a run or a model"),
    ],
)
def test_a_mistake_is_one_sentence_without_a_traceback(arguments, sentence, tmp_path):
    result = tats(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("tats: ") and sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1 and "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_option_that_does_not_exist_is_answered_with_the_nearest_one():
    result = tats("data", "make", "actions", "--ouput", "x")
    assert result.returncode == 2 and "--out" in result.stderr


def test_every_preset_is_valid_and_the_papers_has_the_papers_numbers():
    paper = presets.PRESETS["paper"]
    assert paper.vqgan.latent_shape == (4, 16, 16) and paper.vqgan.codes == 16384
    assert paper.transformer_training.learning_rate == pytest.approx(4.5e-6 * paper.transformer_training.batch)


def test_every_module_of_commands_hangs_on_the_tree() -> None:
    folder = Path(cli.__file__).parent / "commands"
    hanging = {path.stem for path in folder.glob("*.py") if ".command(" in path.read_text()} - {"tree"}
    assert hanging == set(re.findall(r'^    "(\w+)",$', Path(cli.__file__).read_text(), re.M))


def test_running_out_of_memory_is_one_sentence_and_other_errors_are_not_hidden(monkeypatch, capsys):
    def fails(error):
        def run(**_):
            raise error

        monkeypatch.setattr(cli.app, "cli", run)

    for error in (
        torch.OutOfMemoryError("CUDA out of memory. Tried"),
        RuntimeError("you tried: can't allocate memory"),
    ):
        fails(error)
        with pytest.raises(SystemExit):
            cli.main()
        assert capsys.readouterr().err.startswith("tats: memory ran out (")
    fails(RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        cli.main()

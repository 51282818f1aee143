"""From a released checkpoint to models of this package, for every layout, whole or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tatslib import cli
from tatslib.commands.models import convert_command
from tatslib.commands.opening import load_sound_vqgan
from tatslib.datasets.tokens import TokenIndex
from tatslib.errors import UserError
from tatslib.training.checkpoint import load_model, read_config, weights_fingerprint
from tatslib.training.convert import check_sliding, convert
from tatslib.training.trained_hierarchy import load_hierarchy
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.official import ReleasedFacts
from tatslib.videos import read_frames
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig
from tests.released import gpt_args, gpt_state, vqgan_args, vqgan_state, within, write_checkpoint
from tests.test_official import same_weights, small_gpt, small_vqgan

SOUND = dict(frames=4, resolution=16, channels=1, downsample=(2, 8, 4), codes=5)  # 2 x 8 x 4 tokens of sound


def vqgan_file(path: Path, vqgan: VQGAN) -> Path:
    return write_checkpoint(path, vqgan_state(vqgan), vqgan_args(vqgan))


def gpt_file(path: Path, gpt: GPT, vqgan: VQGAN | None = None, sound: VQGAN | None = None, **options: Any) -> Path:
    state = gpt_state(gpt)
    if vqgan is not None:
        state |= within("first_stage_model", vqgan_state(vqgan))
    if sound is not None:
        state |= within("cond_stage_model", vqgan_state(sound))
    return write_checkpoint(path, state, {**gpt_args(gpt, frames=4, resolution=16), **options})


def vqgan_in(folder: Path) -> VQGAN:
    vqgan = VQGAN(read_config(folder, VQGANConfig))
    load_model(folder, vqgan)
    return vqgan


def gpt_in(folder: Path) -> GPT:
    gpt = GPT(read_config(folder, GPTConfig))
    load_model(folder, gpt)
    return gpt


def test_a_vqgan_is_converted_with_where_it_came_from(tmp_path):
    vqgan = small_vqgan()
    lines = convert(vqgan_file(tmp_path / "vqgan.ckpt", vqgan), tmp_path / "out")
    assert same_weights(vqgan_in(tmp_path / "out" / "vqgan"), vqgan)
    assert "4 frames of 16x16 become 2x4x4 tokens out of 12" in lines[0]
    told = json.loads((tmp_path / "out" / "released.json").read_text())
    assert told["file"] == "vqgan.ckpt" and told["bytes"] == (tmp_path / "vqgan.ckpt").stat().st_size
    assert len(told["sha256"]) == 64 and told["pytorch_lightning"] == "1.5.4" and told["global_step"] == 1234
    assert told["hyper_parameters"]["args"]["downsample"] == [2, 4, 4]


def test_a_transformer_is_converted_with_the_vqgan_that_its_file_contains(tmp_path):
    vqgan, gpt = small_vqgan(), small_gpt()
    out = tmp_path / "out"
    convert(gpt_file(tmp_path / "gpt.ckpt", gpt, vqgan), out)
    assert same_weights(vqgan_in(out / "vqgan"), vqgan) and same_weights(gpt_in(out / "transformer"), gpt)
    index = TokenIndex.from_json((out / "transformer" / "data.json").read_text(), source="data.json")
    assert index.vqgan == weights_fingerprint(vqgan) and index.clips is None and index.latent_shape == (2, 4, 4)
    assert not list(out.rglob("*.partial*"))


def test_a_transformer_without_a_vqgan_takes_it_from_its_own_file_or_folder(tmp_path):
    vqgan, gpt = small_vqgan(), small_gpt()
    file, own = gpt_file(tmp_path / "gpt.ckpt", gpt), vqgan_file(tmp_path / "vqgan.ckpt", vqgan)
    with pytest.raises(UserError, match="holds a transformer without its VQGAN"):
        convert(file, tmp_path / "a")
    convert(file, tmp_path / "b", vqgan=own)
    convert(file, tmp_path / "c", vqgan=tmp_path / "b" / "vqgan")
    for out in (tmp_path / "b", tmp_path / "c"):
        assert same_weights(vqgan_in(out / "vqgan"), vqgan) and same_weights(gpt_in(out / "transformer"), gpt)
    with pytest.raises(UserError, match="is a transformer's file"):
        convert(file, tmp_path / "d", vqgan=file)
    with pytest.raises(UserError, match=r"has 17 rows, 20 of them for video codes; the -3 that are left"):
        convert(file, tmp_path / "e", vqgan=vqgan_file(tmp_path / "other.ckpt", small_vqgan(codes=20)))
    assert not (tmp_path / "a").exists() and not (tmp_path / "d").exists() and not (tmp_path / "e").exists()


def test_a_transformer_of_stored_tokens_needs_a_vqgan_to_be_of_use(tmp_path):
    gpt = small_gpt(codes=16384, condition_codes=0, layers=1)
    options = {"unconditional": True, "vtokens": True, "spatial_length": 4}
    file = gpt_file(tmp_path / "gpt.ckpt", gpt, **options)
    with pytest.raises(UserError, match=r"of no use without: name .* \(--vqgan\)"):
        convert(file, tmp_path / "a")
    convert(file, tmp_path / "b", vqgan=vqgan_file(tmp_path / "vqgan.ckpt", small_vqgan(codes=16384)))
    assert same_weights(gpt_in(tmp_path / "b" / "transformer"), gpt)


def test_the_vqgan_of_sound_is_converted_if_its_settings_are_known_and_else_said_to_be_left_out(tmp_path):
    vqgan, sound = small_vqgan(), small_vqgan(**SOUND)
    gpt = small_gpt(condition_codes=5, condition_length=64)
    file = gpt_file(tmp_path / "gpt.ckpt", gpt, vqgan, sound, cond_stage_key="stft", class_cond_dim=None)
    own = vqgan_file(tmp_path / "vqgan.ckpt", vqgan)
    with pytest.raises(UserError, match="does not say how its VQGAN downsamples"):
        convert(file, tmp_path / "a")
    lines = convert(file, tmp_path / "a", own)
    assert not (tmp_path / "a" / "sound_vqgan").exists()
    assert any("sound_vqgan: left out" in line and "--sound-vqgan" in line for line in lines)
    convert(file, tmp_path / "b", own, vqgan_file(tmp_path / "sound.ckpt", sound))
    assert same_weights(load_sound_vqgan(tmp_path / "b" / "sound_vqgan"), sound)
    for out in (tmp_path / "a", tmp_path / "b"):
        assert same_weights(gpt_in(out / "transformer"), gpt) and same_weights(vqgan_in(out / "vqgan"), vqgan)


@pytest.mark.parametrize(
    ("options", "shape", "sentence"),
    [
        (
            {"n_unmasked": 16, "sequence_length": 6},
            {"latent_shape": (3, 4, 4)},
            "fills in the latent frames between two",
        ),
        ({"sample_every_n_latent_frames": 2, "sequence_length": 8}, {}, "makes only one latent frame in 2 of a video"),
    ],
)
def test_a_transformer_that_makes_no_video_by_itself_is_converted_but_not_sampled(tmp_path, options, shape, sentence):
    out = tmp_path / "out"
    convert(gpt_file(tmp_path / "gpt.ckpt", small_gpt(**shape), small_vqgan(), **options), out)
    facts = ReleasedFacts.from_json((out / "transformer" / "facts.json").read_text(), source="facts.json")
    assert facts.anchor_tokens == options.get("n_unmasked", 0)
    with pytest.raises(UserError, match=sentence):
        check_sliding(out / "transformer")


@pytest.mark.parametrize("stored_tokens", [False, True])
def test_a_sparse_transformer_keeps_its_distance_in_all_that_is_written_and_is_sampled_at_it(
    tmp_path, monkeypatch, capsys, stored_tokens
):
    codes = 16384 if stored_tokens else 12  # the released code assumes so many where it trains on stored tokens
    vqgan = small_vqgan(frames=16, downsample=(4, 4, 4), codes=codes)
    own = vqgan_file(tmp_path / "vqgan.ckpt", vqgan)
    for name, latents, options in (
        ("sparse", 4, {"sequence_length": 64, "sample_every_n_latent_frames": 4}),
        ("filler", 5, {"sequence_length": 20, "n_unmasked": 16}),
        ("other", 3, {"sequence_length": 12, "n_unmasked": 16}),
    ):
        gpt = small_gpt(codes=codes, condition_codes=0, latent_shape=(latents, 4, 4), layers=1)
        options |= {"unconditional": True} | ({"vtokens": True, "spatial_length": 4} if stored_tokens else {})
        convert(
            gpt_file(tmp_path / f"{name}.ckpt", gpt, None if stored_tokens else vqgan, **options), tmp_path / name, own
        )
    said = json.loads((tmp_path / "sparse" / "released.json").read_text())["hyper_parameters"]["args"]
    assert (said["sample_every_n_latent_frames"], said["sequence_length"]) == (4, 64)
    models = {name: tmp_path / name / "transformer" for name in ("sparse", "filler", "other")}
    for name, stride in (("sparse", 4), ("filler", 1), ("other", 1)):
        facts = ReleasedFacts.from_json((models[name] / "facts.json").read_text(), source="facts.json")
        index = TokenIndex.from_json((models[name] / "data.json").read_text(), source="data.json")
        assert (facts.latent_stride, index.latent_stride) == (stride, stride), name
    assert load_hierarchy(vqgan, tmp_path, models["sparse"], [models["filler"]]).strides == (4, 1)

    line = ["sample", "--vqgan", tmp_path / "sparse" / "vqgan", "--transformer", models["sparse"], "--frames", 21]
    run(monkeypatch, *line, "--filler", models["filler"], "--out", tmp_path / "video.avi")
    assert read_frames(tmp_path / "video.avi").shape == (21, 16, 16, 3)
    for filler, sentence in (
        (["--filler", models["other"]], "on latent frames 4 apart, but would have to write them 2 apart"),
        ([], "makes only one latent frame in 4 of a video"),
    ):
        with pytest.raises(SystemExit):
            run(monkeypatch, *line, *filler, "--out", tmp_path / "none.avi")
        assert sentence in capsys.readouterr().err and not (tmp_path / "none.avi").exists()


def test_a_folder_that_is_there_is_left_alone_and_a_failure_leaves_nothing(tmp_path):
    file = vqgan_file(tmp_path / "vqgan.ckpt", small_vqgan())
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="is there already"):
        convert(file, out)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        convert(file, tmp_path / "file" / "out")
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(UserError, match="is cut short"):
        convert(file, tmp_path / "new")
    assert {path.name for path in tmp_path.iterdir()} == {"vqgan.ckpt", "out", "file"}


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    """The command line, in this process: torch takes seconds to import."""
    monkeypatch.setattr("sys.argv", ["tats", *map(str, words)])
    cli.main()


@pytest.mark.parametrize("unconditional", [False, True])
def test_what_was_converted_on_the_command_line_can_be_sampled(tmp_path, monkeypatch, capsys, unconditional):
    gpt = small_gpt(condition_codes=0 if unconditional else 5)
    file = gpt_file(tmp_path / "gpt.ckpt", gpt, small_vqgan(), unconditional=unconditional)
    run(monkeypatch, "convert", file, "--out", tmp_path / "out")
    assert f"{tmp_path}/out/transformer: transformer" in capsys.readouterr().out
    models = ["--vqgan", tmp_path / "out" / "vqgan", "--transformer", tmp_path / "out" / "transformer"]
    label = [] if unconditional else ["--label", 4]
    run(monkeypatch, "sample", *models, *label, "--frames", 9, "--out", tmp_path / "video.mp4")
    assert read_frames(tmp_path / "video.mp4").shape == (9, 16, 16, 3)


def test_the_command_line_lists_and_fetches_released_files(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TATS_MIRROR", str(tmp_path))
    torch.save({}, tmp_path / "sky-vqgan.ckpt")
    run(monkeypatch, "download", "list")
    assert len(capsys.readouterr().out.splitlines()) == 17
    run(monkeypatch, "download", "sky-vqgan", "--out", tmp_path / "here")
    assert "sky-vqgan.ckpt.sha256, none was published" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, "convert", tmp_path / "here" / "sky-vqgan.ckpt", "--out", tmp_path / "out")
    assert stop.value.code == 2 and "tats: " in (said := capsys.readouterr().err) and len(said.splitlines()) == 1


def test_without_a_name_what_was_converted_stands_beside_the_file(tmp_path):
    convert_command(vqgan_file(tmp_path / "first.ckpt", small_vqgan()))
    assert (tmp_path / "first" / "vqgan" / "model.safetensors").is_file()

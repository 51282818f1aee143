"""Released models of text and of sound: converted with what leads them, and sampled as they were trained."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest
import torch

from tatslib.commands.leading import check_told, lead_of, storyline
from tatslib.commands.opening import load_sound_vqgan
from tatslib.datasets.tokenizer import Tokenizer
from tatslib.errors import UserError
from tatslib.sampling.storyline import TextStory
from tatslib.training.checkpoint import weights_fingerprint
from tatslib.training.convert import convert
from tatslib.training.led_clips import ByText
from tatslib.transformer.conditions import text_condition
from tatslib.videos import read_frames
from tatslib.vqgan.sound import SoundVQGANConfig
from tests.released import vqgan_args, vqgan_state, write_checkpoint
from tests.test_convert import SOUND, gpt_file, run, vqgan_file
from tests.test_official import same_weights, small_gpt, small_vqgan

TELLING = {"cond_stage_key": "text", "class_cond_dim": None}
HEARING = {"cond_stage_key": "stft", "class_cond_dim": None}


def test_a_released_transformer_of_texts_is_sampled_with_the_padding_that_it_knows(tmp_path, monkeypatch):
    gpt = small_gpt(condition_codes=49408, condition_length=256, layers=1)
    convert(gpt_file(tmp_path / "gpt.ckpt", gpt, small_vqgan(), **TELLING), tmp_path / "out")
    transformer = tmp_path / "out" / "transformer"
    lead = lead_of(transformer)
    assert lead == ByText(padding="released").lead
    story = storyline(small_vqgan().config, lead, 0, ["Mugen jumps."], 64, None, None, 9)
    assert isinstance(story, TextStory)
    assert torch.equal(story.window(0, 2), text_condition(Tokenizer.clip()("Mugen jumps."), "released"))
    models = ["--vqgan", tmp_path / "out" / "vqgan", "--transformer", transformer]
    run(monkeypatch, "sample", *models, "--text", "Mugen jumps.", "--frames", 9, "--out", tmp_path / "video.mp4")
    assert read_frames(tmp_path / "video.mp4").shape == (9, 16, 16, 3)
    with pytest.raises(UserError, match="learnt to be led by text, not by class: use --text"):
        check_told(transformer, [], None, None)


def test_a_released_transformer_of_sounds_is_sampled_with_its_own_listener(tmp_path, monkeypatch, capsys):
    vqgan, sound = small_vqgan(), small_vqgan(**SOUND)
    gpt = small_gpt(condition_codes=5, condition_length=64)
    file = gpt_file(tmp_path / "gpt.ckpt", gpt, vqgan, sound, **HEARING)
    # the option speaks of the video: sound is always 64 bands by 16 moments
    args = vqgan_args(sound, resolution=128)
    heard = write_checkpoint(tmp_path / "sound.ckpt", vqgan_state(sound), args)
    own = vqgan_file(tmp_path / "vqgan.ckpt", vqgan)
    convert(file, tmp_path / "out", own, heard)
    assert "4 frames of 64x16 become 2x8x4 tokens out of 5" in convert(heard, tmp_path / "alone")[0]
    convert(file, tmp_path / "again", tmp_path / "out" / "vqgan", tmp_path / "alone" / "sound_vqgan")
    for out in ("out", "alone", "again"):
        listener = load_sound_vqgan(tmp_path / out / "sound_vqgan")
        assert isinstance(listener.config, SoundVQGANConfig) and same_weights(listener, sound)
        assert listener.config.latent_shape == (2, 8, 4)
    lead = lead_of(tmp_path / "out" / "transformer")
    assert lead is not None and (lead.kind, lead.codes, lead.length) == ("sound", 5, 64)
    assert lead.source == weights_fingerprint(sound)

    other = small_vqgan(**SOUND)
    other.codebook.embeddings += 1
    convert(vqgan_file(tmp_path / "other.ckpt", other), tmp_path / "other")
    track = write_noise(tmp_path / "noise.wav")
    models = ["--vqgan", tmp_path / "out" / "vqgan", "--transformer", tmp_path / "out" / "transformer"]
    line = ["sample", *models, "--sound", track, "--frames", 9, "--out", tmp_path / "video.mp4", "--sound-vqgan"]
    with pytest.raises(SystemExit):
        run(monkeypatch, *line, tmp_path / "other" / "sound_vqgan")
    assert "another VQ-VAE of sound than" in capsys.readouterr().err
    run(monkeypatch, *line, tmp_path / "alone" / "sound_vqgan")
    assert read_frames(tmp_path / "video.mp4").shape == (9, 16, 16, 3)


def test_a_listener_that_was_left_out_is_not_known_and_any_is_taken(tmp_path):
    file = gpt_file(
        tmp_path / "gpt.ckpt",
        small_gpt(condition_codes=5, condition_length=64),
        small_vqgan(),
        small_vqgan(**SOUND),
        **HEARING,
    )
    convert(file, tmp_path / "out", vqgan_file(tmp_path / "vqgan.ckpt", small_vqgan()))
    lead = lead_of(tmp_path / "out" / "transformer")
    assert lead is not None and lead.kind == "sound" and not lead.source


def test_what_cannot_be_of_sound_is_said(tmp_path):
    video = vqgan_file(tmp_path / "vqgan.ckpt", small_vqgan())
    with pytest.raises(UserError, match=r"vqgan.ckpt has settings that make no VQ-VAE of sound: channels.* \(got 3\)"):
        convert(gpt_file(tmp_path / "gpt.ckpt", small_gpt(), small_vqgan()), tmp_path / "out", None, video)


def test_a_transformer_that_was_converted_before_leads_were_noted_is_to_be_converted_again(tmp_path):
    gpt = small_gpt(condition_codes=49408, condition_length=256, layers=1)
    convert(gpt_file(tmp_path / "gpt.ckpt", gpt, small_vqgan(), **TELLING), tmp_path / "out")
    facts = tmp_path / "out" / "transformer" / "data.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"lead": None}))
    with pytest.raises(UserError, match=r"led by text, but .*data\.json does not say how: convert it again"):
        check_told(facts.parent, ["Mugen jumps."], None, None)


def write_noise(path: Path) -> Path:
    """Half a second of noise."""
    noise = np.random.default_rng(0).integers(-9999, 9999, 12_000, dtype=np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(noise.tobytes())
    return path

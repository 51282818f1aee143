"""From drums and stories on disk to videos that are led by them: the commands, and what they say to a wrong one."""

import json
from pathlib import Path

import pytest

from tatslib.sound import read_sound
from tatslib.training.checkpoint import save_model
from tatslib.training.presets import PRESETS
from tatslib.training.train_sound import SOUND_PRESETS
from tatslib.videos import read_frames
from tatslib.vqgan.vqgan import VQGAN
from tatslib.worlds import drums, platform_files
from tests.test_hierarchy_commands import Commands

TOKENIZE = "tokenize --vqgan @vqgan --clips 33 --shard-clips 32 "
SAMPLE = "sample --vqgan @vqgan --frames 14 "


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("led")
    drums.write(folder / "drums", train=2, test=1, size=24)
    platform_files.write(folder / "game", train=2, test=1, mean_frames=20, size=24)
    vqgan = VQGAN(PRESETS["toy"].vqgan)
    save_model(folder / "vqgan", vqgan, vqgan.config)
    listener = VQGAN(SOUND_PRESETS["toy"].vqgan)
    save_model(folder / "listener", listener, listener.config)
    return folder


@pytest.fixture
def tats(made, monkeypatch, capsys) -> Commands:
    monkeypatch.setenv("TATS_HOME", str(made / "home"))
    return Commands(made, monkeypatch, capsys)


def test_a_video_is_led_by_the_sound_of_a_file_and_gets_it(tats, made):
    assert "of the codes used" in tats("train sound --data @drums --out @trained --steps 1 --batch 2")
    refused = tats(TOKENIZE + "--data @drums --dataset drums --out @heard --condition sound")
    assert "--sound-vqgan FOLDER" in refused
    heard = TOKENIZE + "--data @drums --dataset drums --out @heard --condition sound --sound-vqgan @listener"
    assert "wrote 2 of 2 shards" in tats(heard) and "nothing to do" in tats(heard)
    lead = json.loads((made / "heard" / "index.json").read_text())["tokens"]["lead"]
    assert lead == {"kind": "sound", "codes": 128, "length": 32}
    assert "trained 1 steps" in tats("train transformer --tokens @heard --out @by-sound --steps 1")
    source = next((made / "drums" / "video" / "test").glob("*.mp4"))
    led = SAMPLE + f"--transformer @by-sound --sound {source} --sound-vqgan @listener --out @led.mp4"
    assert "wrote 14 frames" in tats(led)
    assert read_frames(made / "led.mp4").shape == (14, 24, 24, 3)
    assert 14 * 800 <= len(read_sound(made / "led.mp4")) < 18 * 800
    assert "learnt to be led by sound, not by class" in tats(SAMPLE + "--transformer @by-sound --out @x.mp4")
    assert "belong together" in tats(SAMPLE + f"--transformer @by-sound --out @x.mp4 --sound {source}")


def test_a_video_is_led_by_a_story_of_two_texts(tats, made):
    assert "this data set has no texts" in tats(TOKENIZE + "--data @drums --dataset drums --out @told --condition text")
    assert "wrote 2 of 2 shards" in tats(TOKENIZE + "--data @game --dataset mugen --out @told --condition text")
    assert "trained 1 steps" in tats("train transformer --tokens @told --out @by-text --steps 1")
    config = json.loads((made / "by-text" / "config.json").read_text())
    assert (config["condition_codes"], config["condition_length"]) == (49408, 256)
    story = "--text Mugen-jumps. --text Mugen-stands. --text-frames 8"
    assert "wrote 14 frames" in tats(SAMPLE + f"--transformer @by-text --out @story {story}")
    assert "not by sound: use --text" in tats(
        SAMPLE + "--transformer @by-text --out @x.mp4 --sound @led.mp4 --sound-vqgan @listener"
    )
    assert "by text or by sound, not by both" in tats(
        SAMPLE + "--transformer @by-text --out @x.mp4 --sound @led.mp4 --sound-vqgan @listener --text Hm."
    )

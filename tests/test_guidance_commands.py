"""From a training that is not always told to a video that is told louder: the commands, and what they refuse."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tatslib.datasets.tokens import TokenClips, TokenIndex
from tatslib.sound import write_video_with_sound
from tatslib.training.checkpoint import save_model, weights_fingerprint
from tatslib.training.led_clips import BySound, ByText
from tatslib.training.presets import PRESETS, TransformerSize
from tatslib.training.train_sound import SOUND_PRESETS
from tatslib.videos import read_frames
from tatslib.vqgan.vqgan import VQGAN
from tests.test_hierarchy_commands import Commands

CLIPS = 16
SAMPLE = "sample --vqgan @vqgan --frames 12 --transformer @{} --out @{}"
TRAIN = "train transformer --steps 1 --tokens @{} --out @{}"
UNTOLD = " --condition-dropout 0.1"


def tokens(vqgan: VQGAN, latent_frames: int, classes: tuple[str, ...] = ()) -> TokenClips:
    """Clips of nothing in particular, in the tokens of `vqgan`."""
    codes, shape = vqgan.config.codes, (latent_frames, *vqgan.config.latent_shape[1:])
    index = TokenIndex(clips=CLIPS, codes=codes, latent_shape=shape, classes=classes, vqgan=weights_fingerprint(vqgan))
    drawn = torch.randint(codes, (CLIPS, *shape), generator=torch.Generator().manual_seed(0))
    return TokenClips(drawn, torch.arange(CLIPS) % max(1, len(classes)), index)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guided")
    vqgan, listener = VQGAN(PRESETS["toy"].vqgan), VQGAN(SOUND_PRESETS["toy"].vqgan)
    save_model(folder / "vqgan", vqgan, vqgan.config)
    save_model(folder / "listener", listener, listener.config)
    tokens(vqgan, 13, ("run", "sit", "jump")).write(folder / "acts")
    clips = tokens(vqgan, 4)
    clips.write(folder / "unlabelled")
    heard = torch.randint(128, (CLIPS, 32), generator=torch.Generator().manual_seed(1))
    clips.with_conditions(heard, BySound(listener).lead).write(folder / "heard")
    clips.with_conditions(ByText().encode(["Mugen jumps."] * CLIPS), ByText().lead).write(folder / "told")
    rng = np.random.default_rng(0)
    film = rng.integers(0, 256, (12, 24, 24, 3), dtype=np.uint8)
    write_video_with_sound(folder / "drum.mp4", film, rng.uniform(-1, 1, 12 * 800).astype(np.float32), 20)
    return folder


@pytest.fixture
def tats(made, monkeypatch, capsys) -> Commands:
    tiny = PRESETS["toy"].replace(transformer=TransformerSize(layers=1, heads=2, width=16))
    monkeypatch.setitem(PRESETS, "toy", tiny)
    return Commands(made, monkeypatch, capsys)


def test_a_hierarchy_that_was_not_always_told_its_class_is_told_it_louder(tats, made):
    levels = {"planner": "transformer --latent-stride 4", "filler": "interpolation"}
    for name, kind in levels.items():
        for out, dropout in ((name, UNTOLD), (f"always-{name}", "")):
            assert "trained 1 steps" in tats(f"train {kind} --steps 1 --tokens @acts --out @{out}{dropout}")
        config, training = (json.loads((made / name / f"{what}.json").read_text()) for what in ("config", "training"))
        assert (config["null_condition"], config["condition_codes"]) == (True, 4)
        assert ("mask" in config) == (name == "filler")
        assert training["condition_dropout"] == 0.1
        assert "null_condition" not in (made / f"always-{name}" / "config.json").read_text()
    sample = SAMPLE + " --filler @filler --label 2 --guidance {}"
    for out, guidance in (("plain.avi", 1), ("loud.avi", 50)):
        assert "wrote 12 frames" in tats(sample.format("planner", out, guidance))
    assert not np.array_equal(read_frames(made / "plain.avi"), read_frames(made / "loud.avi"))
    mixed = SAMPLE.format("planner", "x.avi") + " --filler @always-filler --label 2 --guidance"
    assert "always-filler was always told its condition" in tats(mixed + " 2")
    assert "wrote 12 frames" in tats(mixed.replace("x.avi", "mixed.avi") + " 1")
    assert "always-planner was always told" in tats(SAMPLE.format("always-planner", "x.avi") + " --guidance 0")
    for bad in ("-1", "nan"):
        assert "guidance is a number from 0 on, 1 for none" in tats(sample.format("planner", "x.avi", bad))
    beyond = tats(sample.format("planner", "x.avi", 2).replace("--label 2", "--label 3"))
    assert "knows the classes 0 to 2, got 3" in beyond and "--guidance 0" in beyond
    assert not (made / "x.avi").exists()


@pytest.mark.parametrize(
    ("source", "told"),
    [("heard", "--sound @drum.mp4 --sound-vqgan @listener"), ("told", "--text Mugen-stands.")],
)
def test_a_sound_or_a_text_is_told_louder(tats, made, source, told):
    assert "trained 1 steps" in tats(TRAIN.format(source, f"by-{source}") + UNTOLD)
    for guidance in (1, 50):
        line = SAMPLE.format(f"by-{source}", f"{source}-{guidance}.avi") + f" {told} --guidance {guidance}"
        assert "wrote 12 frames" in tats(line)
    assert not np.array_equal(read_frames(made / f"{source}-1.avi"), read_frames(made / f"{source}-50.avi"))


def test_a_run_goes_on_with_the_dropout_that_it_was_begun_with(tats, made):
    line = TRAIN.format("acts", "longer")
    assert "trained 1 steps" in tats(line + UNTOLD)
    assert "trained 2 steps" in tats(line.replace("--steps 1", "--steps 2") + UNTOLD)
    assert len((made / "longer" / "log.jsonl").read_text().splitlines()) == 2
    before = (made / "longer" / "config.json").read_text()
    for other in ("", " --condition-dropout 0.2"):
        assert "longer was begun with --condition-dropout 0.1: say the same" in tats(line + other)
    assert "trained 1 steps" in tats(TRAIN.format("acts", "told-all"))
    assert "told-all was begun without --condition-dropout: say the same" in tats(
        TRAIN.format("acts", "told-all") + UNTOLD
    )
    assert (made / "longer" / "config.json").read_text() == before


def test_who_is_told_nothing_cannot_be_told_less_or_louder(tats, made):
    assert "these clips have no class, text or sound" in tats(TRAIN.format("unlabelled", "x") + UNTOLD)
    for bad in ("1", "-0.1", "nan"):
        assert "a condition is left out of a share of the clips" in tats(
            TRAIN.format("acts", "x") + f" --condition-dropout {bad}"
        )
    assert not (made / "x").exists()
    assert "trained 1 steps" in tats(TRAIN.format("unlabelled", "free"))
    assert "free makes videos without a condition" in tats(SAMPLE.format("free", "y.avi") + " --guidance 2")
    assert "wrote 12 frames" in tats(SAMPLE.format("free", "free.avi")) and not (made / "y.avi").exists()

"""Condition tokens are tied to what made them: in a set, in what is trained on it, and when a video is led by it."""

import json
from pathlib import Path

import pytest
import torch

from tatslib.commands.leading import check_told
from tatslib.datasets.shards import INDEX, ClipSource, shard_name
from tatslib.datasets.tokenizer import Tokenizer
from tatslib.datasets.tokens import Lead, TokenIndex, told_alike
from tatslib.errors import UserError
from tatslib.recipes.conditioned import ByWords, Words, platform_words
from tatslib.training.checkpoint import save_model, weights_fingerprint
from tatslib.training.led_clips import BySound, ByText, count_tokens
from tatslib.transformer.conditions import TEXT_PADDING
from tatslib.transformer.masks import PADDING
from tatslib.videos import read_frames
from tatslib.vqgan.sound import SoundVQGANConfig
from tatslib.vqgan.vqgan import VQGAN
from tatslib.worlds import drums, platform_files
from tests.test_hierarchy_commands import Commands
from tests.test_official import small_vqgan
from tests.test_shards import SOURCE, plan

SOUND = SoundVQGANConfig(frames=4, downsample=(2, 8, 4), hidden=1, decoder_blocks=1, codes=5, code_width=4)
HEARD = "tokenize --vqgan @vqgan --clips 33 --shard-clips 32 --data @drums --dataset drums --condition sound "
TOLD = "tokenize --vqgan @vqgan --clips 2 --shard-clips 32 --data @game --dataset mugen --condition text "
SAMPLE = "sample --vqgan @vqgan --frames 4 "


def listener(seed: int) -> VQGAN:
    return VQGAN(SOUND, seed=seed).eval()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("leads")
    drums.write(folder / "drums", train=1, test=1, size=16)
    platform_files.write(folder / "game", train=2, test=1, mean_frames=20, size=16)
    save_model(folder / "vqgan", small_vqgan(), small_vqgan().config)
    for seed in (1, 2):
        save_model(folder / f"ear{seed}", listener(seed), SOUND)
    return folder


@pytest.fixture
def tats(made, monkeypatch, capsys) -> Commands:
    monkeypatch.setenv("TATS_HOME", str(made / "home"))
    return Commands(made, monkeypatch, capsys)


# ------------------------------------------------------------------------------------------------- what is remembered
def test_what_is_not_known_is_written_nowhere_so_that_sets_from_before_stay_what_they_are():
    lead = Lead(kind="sound", codes=8, length=4)
    assert json.loads(lead.to_json()) == {"kind": "sound", "codes": 8, "length": 4}
    # as they were before leads and sources told more
    assert lead.fingerprint == "d7c40a50794d"
    assert plan(10, 3, lead=lead).fingerprint == "7835825d2d75" and plan(10, 3).fingerprint == "7d51e00995d7"
    told = lead.replace(source="a" * 12)
    assert Lead.from_json(told.to_json(), source="") == told and told.fingerprint != lead.fingerprint
    assert ClipSource.from_json(SOURCE.to_json(), source="") == SOURCE


def test_each_way_of_leading_knows_what_makes_its_tokens():
    one, other = (BySound(listener(seed), 4).lead for seed in (1, 2))
    assert one.source == weights_fingerprint(listener(1)) != other.source
    assert told_alike(one, BySound(listener(1), 8).lead) and not told_alike(one, other)
    assert told_alike(one, other.replace(source="")) and told_alike(one.replace(source=""), other)
    assert told_alike(None, None) and not told_alike(None, one) and not told_alike(one, None)
    text = ByText().lead
    assert text.source == Tokenizer.clip().fingerprint != Tokenizer.train(["jump"], 3).fingerprint
    assert not told_alike(text, ByText(padding="released").lead) and not told_alike(text, one)
    words = ByWords(Words.of(["Mugen jumps."], ByText().prefix)).lead
    assert words.source and words.source != text.source


def test_a_difference_that_is_not_known_is_none_and_the_others_are_named():
    lead = Lead(kind="sound", codes=8, length=4, source="a" * 12)
    there, unknown = plan(10, 3, lead=lead), plan(10, 3, lead=lead.replace(source=""))
    assert not there.differences(unknown) and not unknown.differences(there)
    found = there.differences(plan(10, 3, lead=lead.replace(source="b" * 12, length=8)))
    assert (
        found
        == f"length of a condition is 4 there and 8 here, source of a condition is {'a' * 12} there and {'b' * 12} here"
    )
    assert there.differences(plan(10, 3)) == "condition is sound there and none here"


# --------------------------------------------------------------------------------------------------------------- sound
def test_a_set_takes_one_listener_only_and_its_videos_too(tats, made):
    first, second = (f"{HEARD} --out @heard --sound-vqgan @ear{seed}" for seed in (1, 2))
    assert "wrote 2 of 2 shards, " in (said := tats(first)) and "clips/s" in said
    assert "nothing to do; " in (said := tats(first)) and "clips/s" not in said
    (made / "heard" / shard_name(1)).unlink()
    assert "source of a condition is" in (said := tats(second)) and "choose another folder" in said
    assert "wrote 1 of 2 shards" in tats(first)
    tats("train transformer --tokens @heard --out @by-sound --steps 1")
    lead = json.loads((made / "by-sound" / "data.json").read_text())["lead"]
    assert lead == {"kind": "sound", "codes": 5, "length": 64, "source": weights_fingerprint(listener(1))}
    video = next((made / "drums" / "video" / "test").glob("*.mp4"))
    led = f"{SAMPLE} --transformer @by-sound --sound {video} --sound-vqgan "
    assert "another VQ-VAE of sound than" in tats(led + "@ear2 --out @refused") and not (made / "refused").exists()
    assert "wrote 4 frames" in tats(led + "@ear1 --out @led")
    forget(made / "by-sound" / "data.json")
    assert "wrote 4 frames" in tats(led + "@ear2 --out @unknown")  # whose nobody knows


def test_a_set_from_before_goes_on_as_what_it_was(tats, made, monkeypatch):
    line = f"{HEARD} --out @before --sound-vqgan @ear1"
    with monkeypatch.context() as before:
        before.setattr(BySound, "source", "")
        assert "wrote 2 of 2 shards" in tats(line)
    (made / "before" / shard_name(0)).unlink()
    assert "wrote 1 of 2 shards" in tats(line) and "nothing to do" in tats(line)
    index = json.loads((made / "before" / INDEX).read_text())
    assert "source" not in index["tokens"]["lead"]
    index["shards"][0] |= {"bytes": None, "sha256": None}  # as if killed between a shard and its entry
    (made / "before" / INDEX).write_text(json.dumps(index))
    assert "nothing to do" in tats(line)


def test_the_levels_of_a_hierarchy_are_led_alike(tmp_path):
    leads = {"sparse": BySound(listener(1), 4).lead, "other": BySound(listener(2), 4).lead, "none": None}
    for name, lead in {**leads, "longer": BySound(listener(1), 8).lead}.items():
        index = TokenIndex(codes=12, latent_shape=(2, 4, 4), vqgan="0" * 12, lead=lead)
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.json").write_text(index.to_json())
        (tmp_path / name / "config.json").touch()
    given = (tmp_path / "sparse", [], Path("sound"), Path("ear"))
    assert check_told(*given, [tmp_path / "longer"]) == leads["sparse"]
    for name in ("other", "none"):
        with pytest.raises(UserError, match=f"{name} learnt to be led by other tokens than .*sparse"):
            check_told(*given, [tmp_path / "longer", tmp_path / name])


def forget(path: Path) -> None:
    """Make a token set's facts those of a time when they did not say what made its conditions."""
    facts = json.loads(path.read_text())
    del facts["lead"]["source"]
    path.write_text(json.dumps(facts))


def test_sound_is_taken_from_the_track_where_there_is_no_pickle(tats, made):
    (made / "drums" / "stft").rename(made / "drums" / "elsewhere")
    try:
        line = f"{HEARD} --out @track --sound-vqgan @ear1"
        assert "usable sound" in tats(line)
        assert "wrote 2 of 2 shards" in tats(line + " --sound track")
    finally:
        (made / "drums" / "elsewhere").rename(made / "drums" / "stft")
    assert "told is sound from tracks there" in tats(line)
    assert "--sound track is for drums" in tats(TOLD + "--out @x --sound track")


# ---------------------------------------------------------------------------------------------------------------- text
def test_a_set_takes_one_way_of_telling_only_and_its_videos_too(tats, made):
    line = TOLD + "--out @told --padding released"
    assert "wrote 1 of 1 shards" in tats(line)
    assert "padding of a condition is released there and masked here" in tats(TOLD + "--out @told")
    assert "told is nothing special there and wording varied here" in tats(line + " --wording varied")
    tats("train transformer --tokens @told --out @by-text --steps 1")
    lead = json.loads((made / "by-text" / "data.json").read_text())["lead"]
    assert lead == {**ByText(padding="released").lead.model_dump()} and lead["padding"] == "released"
    assert "wrote 4 frames" in tats(f"{SAMPLE} --transformer @by-text --text Mugen-jumps. --out @story")
    assert read_frames(made / "story").shape == (4, 16, 16, 3)
    assert "--padding is for texts" in tats(HEARD + "--out @x --sound-vqgan @ear1 --padding released")


def test_texts_that_people_wrote_are_told_where_clips_show_whole_videos(tats):
    assert "does not show them all" in tats(TOLD + "--out @written --text manual")
    assert "wrote 1 of 1 shards" in tats(TOLD + "--out @written --text manual --stride 31")
    assert "--text and --wording are for mugen" in tats(HEARD + "--out @x --sound-vqgan @ear1 --text manual")


def test_a_small_language_counts_what_it_cuts_and_can_be_asked_to_refuse_it():
    walks = "Mugen walks to the right, and jumps, and collects a coin, and walks to the right"
    longer = f"{walks}, and jumps over a gap, and is killed by a worm."
    words = platform_words()
    by_words = ByWords(words)
    rows = by_words.encode(["Mugen jumps.", longer])
    assert torch.equal(rows, words(["Mugen jumps.", longer])) and (by_words.told, by_words.cut) == (2, 1)
    said = Tokenizer.clip().decode([words.ids[number] for number in rows[1]])
    assert said.startswith("mugen walks") and "killed" not in said
    with pytest.raises(UserError, match=rf"reads 24 tokens of a text, and .* has {count_tokens(longer)} with"):
        by_words.encode_whole([longer])


def test_a_row_is_filled_up_as_the_lead_says():
    masked, released = (ByText(padding=padding).encode(["Mugen jumps."])[0] for padding in ("masked", "released"))
    assert masked[-1] == PADDING and released[-1] == TEXT_PADDING and released[0] == masked[0]

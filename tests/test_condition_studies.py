"""Studies of conditions: rulers that give real videos their due, edits that change one thing, and arms that run."""

from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tatslib.datasets.tokens import TokenClips, TokenIndex
from tatslib.metrics.features import ClassifierConfig, ClipClassifier, RandomFeatures
from tatslib.randomness import torch_generator
from tatslib.recipes.conditioned import TEXT, platform_words
from tatslib.recipes.kinds import Videos
from tatslib.sampling.storyline import Story
from tatslib.studies import conditions, conditions_class, conditions_sound, conditions_text
from tatslib.studies.conditions_sound import Played
from tatslib.studies.conditions_text import Edit, edit, fate, monster
from tatslib.studies.drift import Ruler
from tatslib.training.train_transformer import evaluate_transformer
from tatslib.transformer.conditions import Prefix, class_prefix, sound_prefix, with_null
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.vqgan.sound import SoundVQGANConfig
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig
from tatslib.worlds import drums, platform_files
from tatslib.worlds.platform import render
from tatslib.worlds.script import script_from
from tatslib.worlds.story import Statement

SIZE = 24  # pixels, at which games can still be read
SMALL = {"hidden": 4, "encoder_blocks": 0, "decoder_blocks": 1, "codes": 8, "code_width": 4}
TINY = VQGANConfig(frames=16, resolution=SIZE, downsample=(4, 8, 8), **SMALL)
SOUND = SoundVQGANConfig(downsample=(4, 16, 8), unshuffle=4, **SMALL)
START = Prefix(kind="none", codes=1)


def gpt(prefix: Prefix) -> SimpleNamespace:
    plain = GPTConfig(codes=8, latent_shape=(4, 3, 3), layers=1, heads=2, width=8)
    return SimpleNamespace(model=GPT(with_null(prefix.before(plain))).eval())


def token_set(prefix: Prefix | None, classes: tuple[str, ...] = ()) -> TokenClips:
    index = TokenIndex(clips=6, codes=8, latent_shape=(4, 3, 3), classes=classes, vqgan="none")
    tokens = torch.arange(6 * 36).remainder(8).reshape(6, 4, 3, 3)
    luck = torch_generator(0, "test/conditions")
    told = None if prefix is None else torch.randint(prefix.codes, (6, prefix.length), generator=luck)
    return TokenClips(tokens, torch.arange(6) % 2, index, 0, told)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Models that were never trained, and worlds of two videos a split."""
    home = tmp_path_factory.mktemp("home")
    drums.write(home / "drums", train=1, test=2, size=SIZE)
    platform_files.write(home / "platform", train=1, test=2, mean_frames=96, size=2 * SIZE)  # so that colours survive
    classifier = ClipClassifier(ClassifierConfig(classes=("a", "b"), frames=16, resolution=SIZE, width=4)).eval()
    real = np.random.default_rng(0).integers(0, 256, (40, 16, SIZE, SIZE, 3), dtype=np.uint8)
    text, told = token_set(TEXT), token_set(None, ("a", "b"))
    made = {
        "actions/classifier": SimpleNamespace(model=classifier),
        "actions/tokens-replicate": SimpleNamespace(train=told, test=told),
        "actions/gpt-class": gpt(class_prefix(2)),
        "drums/videos": Videos(home / "drums", "drums", 0),
        "drums/sound": SimpleNamespace(model=VQGAN(SOUND).eval()),
        "drums/tokens-sound": SimpleNamespace(test=token_set(sound_prefix(SOUND))),
        "drums/gpt-sound": gpt(sound_prefix(SOUND)),
        "platform/videos": Videos(home / "platform", "platform", 0),
        "platform/tokens-text": SimpleNamespace(train=text, test=text, words=platform_words()),
        "platform/gpt-text": gpt(TEXT),
    }
    for world in ("actions", "drums", "platform"):
        made[f"{world}/vqgan-replicate"] = SimpleNamespace(model=VQGAN(TINY).eval())
    rods = Ruler(real, real, torch.zeros(40, dtype=torch.int64), RandomFeatures(4).fit(real), classifier)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TATS_HOME", str(home))
        for module in (conditions, conditions_class, conditions_sound, conditions_text):
            patch.setattr(module, "recipes", SimpleNamespace(get=lambda name, seed=0: made[name]))
        patch.setattr(conditions_class, "ruler", lambda clips: rods)
        patch.setattr(drums, "collection", partial(drums.collection, 1, 2))
        for module, name, value in (
            (conditions_class, "CLIPS", 40),
            (conditions_class, "VIDEOS", 4),
            (conditions_class, "FRAMES", 48),
            (conditions_sound, "COPIES", 1),
            (conditions_sound, "GIVEN", (0, 4)),
            (conditions_text, "CLIPS", 8),
            (conditions_text, "EDITS", 2),
            (conditions_text, "STEPS_SEARCHED", 20),
            (conditions_text, "COPIES", 1),
            (conditions_text, "STORY_FRAMES", 48),
        ):
            patch.setattr(module, name, value)
        yield made


# ------------------------------------------------------------------------------------------------------- what is shared
def test_an_opening_holds_nothing_of_what_follows() -> None:
    vqgan = VQGAN(TINY).eval()
    videos = np.random.default_rng(1).integers(0, 256, (2, 24, SIZE, SIZE, 3), dtype=np.uint8)
    other = videos.copy()
    other[:, 4:] = 255 - other[:, 4:]
    opened = conditions.opening(vqgan, videos, 4)
    assert opened.shape == (2, 1, 3, 3) and torch.equal(opened, conditions.opening(vqgan, other, 4))
    whole = conditions.opening(vqgan, videos, 16)
    assert torch.equal(whole, conditions.encoded(vqgan, videos[:, :16]))


def test_nats_are_those_of_training_and_depend_on_what_is_told(tiny: dict[str, Any]) -> None:
    told, clips = tiny["drums/gpt-sound"].model, tiny["drums/tokens-sound"].test
    torch.nn.init.normal_(told.head.weight)
    found = conditions.nats(told, clips)
    assert found["all"] == pytest.approx(evaluate_transformer(told, clips), abs=1e-5) and len(found["by_frame"]) == 4
    assert conditions.nats(told, conditions.of_another(clips))["all"] != found["all"]


# ---------------------------------------------------------------------------------------------------------------- class
def test_classes_are_asked_for_as_often_as_there_are_clips_of_them() -> None:
    asked = conditions_class.asked(torch.tensor([0, 1, 1, 1]), 400, seed=0)
    assert 0.6 < asked.double().mean() < 0.9
    assert torch.equal(asked, conditions_class.asked(torch.tensor([0, 1, 1, 1]), 400, seed=0))


def test_the_study_of_classes_runs_both_arms_by_every_ruler(tiny: dict[str, Any]) -> None:
    numbers = conditions_class.run(0)
    assert set(numbers) == {"real", "told", "untold"} and set(numbers["told"]) == {"nats", "clips", "videos"}
    assert 1 <= numbers["untold"]["clips"]["is"] <= 2 and sum(numbers["told"]["clips"]["classes"]) == pytest.approx(1)
    videos = numbers["told"]["videos"]
    assert len(videos["ccs"]) == len(videos["ics"]) == 2 and len(videos["named"]) == 3
    assert conditions_class.sample_videos(0, 16)["told"].shape == (2, 16, SIZE, SIZE, 3)


# ---------------------------------------------------------------------------------------------------------------- sound
def test_real_drum_videos_agree_with_their_own_sound_and_not_with_another(tiny: dict[str, Any]) -> None:
    played = conditions_sound.held_out(SIZE)
    assert played.frames.shape == (2, 90, SIZE, SIZE, 3) and played.spectrograms.shape == (2, 1, 90, 64, 16)
    found = conditions_sound.measure(played.frames, played, 0)
    assert found["f1"] > 0.95 and found["chance"] < 0.6 and found["ssim"] == 1 and found["strikes"] > 0.95
    swapped = conditions_sound.measure(played.frames[::-1].copy(), played, 16)
    assert swapped["f1"] < 0.6 < 0.95 < swapped["chance"] and swapped["ssim"] < 1


def test_copies_stay_beside_their_original_and_chance_looks_at_another_video(tiny: dict[str, Any]) -> None:
    once = conditions_sound.held_out(SIZE)
    twice = once.times(2)
    assert np.array_equal(twice.frames[2], once.frames[1]) and twice.strikes[3] == once.strikes[1]
    single, double = (
        conditions_sound.measure(played.frames, played, 4, copies) for played, copies in ((once, 1), (twice, 2))
    )
    assert {**single, "psnr": 0} == pytest.approx({**double, "psnr": 0})


def test_the_frame_that_is_judged_is_the_forty_fifth(tiny: dict[str, Any]) -> None:
    played = conditions_sound.held_out(SIZE)
    spoilt = played.frames.copy()
    spoilt[:, :44] = 0
    spoilt[:, 45:] = 0
    assert conditions_sound.measure(spoilt, played, 0)["ssim"] == 1


def test_the_study_of_sound_runs_every_opening_by_every_arm(tiny: dict[str, Any]) -> None:
    numbers = conditions_sound.run(0)
    assert set(numbers) == {"nats", "real", "rebuilt", "given-0", "given-4"}
    assert set(numbers["given-0"]) == {"own", "other", "untold"} and "still" in numbers["given-4"]
    assert numbers["real"]["f1"] > 0.95 and set(numbers["given-4"]["own"]) == set(numbers["real"])
    concert = conditions_sound.sample_videos(0, videos=1)
    assert concert.told.shape == concert.untold.shape == concert.real.shape == (1, 90, SIZE, SIZE, 3)
    assert concert.sounds[0].shape == (90 * drums.SAMPLES,)


def test_no_video_is_measured_where_another_one_is_played() -> None:
    frames = np.zeros((1, 90, SIZE, SIZE, 3), np.uint8)
    silent = Played(frames, torch.zeros(1, 1, 90, 64, 16), [[(3, "kick")]], [])
    assert conditions_sound.measure(frames, silent, 0)["f1"] == 0


# ----------------------------------------------------------------------------------------------------------------- text
def test_a_fate_changes_where_nothing_can_follow() -> None:
    assert fate("Mugen walks to the right, and is killed by a face.") == "Mugen walks to the right, and kills a face."
    assert fate("Mugen jumps, and kills a worm.") == "Mugen jumps, and is killed by a worm."
    assert fate("Mugen kills a worm, and walks to the right.") is None
    assert fate("Mugen kills a worm, and is killed by a face.") is None and fate("Mugen jumps.") is None


def test_only_one_monster_is_renamed_and_only_if_it_is_the_only_one() -> None:
    assert monster("Mugen jumps over a worm.") == "Mugen jumps over a face."
    assert monster("Mugen kills a face, and kills a face.") is None and monster("Mugen jumps over a gap.") is None


def test_an_edit_knows_what_goes_what_comes_and_what_stays() -> None:
    one = edit("Mugen walks to the right, and is killed by a slime.", fate)
    assert one is not None and one.rest == [Statement("walk", "", "right")]
    assert (one.gone, one.come) == (Statement("killed", "slime"), Statement("kill", "slime"))
    assert edit("Mugen kills two slimes.", monster) is None and edit("Mugen walks to the right.", fate) is None


def filmed(text: str) -> np.ndarray:
    script = script_from(text)
    return render(0, range(28), 24, script=script)


def test_an_edit_counts_only_if_the_one_event_took_the_place_of_the_other() -> None:
    one = edit("Mugen walks to the right, and is killed by a slime.", fate)
    assert isinstance(one, Edit)
    dies, kills = filmed(one.before), filmed(one.after)
    right = conditions_text.measure_edits([one], dies[None], kills[None], dies[None])
    assert (right["changes"], right["by_luck"], right["rest_after"]) == (1, 0, 1)
    assert right["apart"] > 0 == right["apart_by_luck"]
    wrong = conditions_text.measure_edits([one], kills[None], dies[None], kills[None])
    assert (wrong["before"], wrong["after"], wrong["changes"]) == (0, 0, 0)


def test_real_games_are_as_they_are_told_and_not_as_others_are(tiny: dict[str, Any]) -> None:
    data = tiny["platform/videos"].dataset("test", length=16, resolution=SIZE)
    tales = conditions_text.stories(data)
    videos = np.stack([data.video(number)[:48] for number in range(len(tales))])
    own = conditions_text.measure_story(videos, tales, 16)
    assert len(own["windows"]) == 3 and own["happens"] > 0.7
    assert conditions_text.measure_story(videos, tales[::-1], 16)["happens"] < own["happens"] - 0.15


def test_the_text_of_another_says_something_else() -> None:
    assert conditions_text.of_others(["a", "a", "b", "a"]) == ["b", "b", "a", "b"]


def test_the_study_of_texts_runs_clips_edits_and_stories(tiny: dict[str, Any]) -> None:
    numbers = conditions_text.run(0)
    assert {"own", "other", "untold", "real", "rebuilt", "edit-fate", "edit-monster", "story"} < set(numbers)
    assert set(numbers["story"]) == {"own", "beginning", "untold", "other"} and numbers["real"]["happens"] > 0.7
    before, after = conditions_text.sample_edits(0, number=1)[0]
    assert before.text != after.text and before.video.shape == after.video.shape == (16, SIZE, SIZE, 3)
    story = Story((("Mugen walks to the right.", 16), ("Mugen kills a worm.", 16)))
    assert conditions_text.sample_story(0, story, 32).shape == (32, SIZE, SIZE, 3)

"""Recipes of what is told: every condition belongs to its own clip, and told and untold differ in nothing else."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tatslib.datasets.tokenizer import Tokenizer
from tatslib.errors import UserError
from tatslib.recipes import conditioned
from tatslib.recipes.conditioned import TEXT, Words, conditioned_recipes, platform_words
from tatslib.recipes.kinds import Recipe, Videos
from tatslib.recipes.table import table
from tatslib.training.led_clips import heard
from tatslib.training.presets import PRESETS, TransformerSize
from tatslib.training.token_shards import places_of
from tatslib.training.train_sound import SOUND_PRESETS
from tatslib.transformer.conditions import Prefix, sound_condition
from tatslib.transformer.masks import PADDING
from tatslib.videos import to_model
from tatslib.vqgan.sound import encode_sound
from tatslib.worlds import drums, platform_files
from tatslib.worlds.story import tell

SMALL = {"hidden": 4, "encoder_blocks": 0, "decoder_blocks": 1, "codes": 8, "code_width": 4}
STEPS = {"steps": 5, "batch": 2, "precision": "float32"}  # of which the shares of the recipes leave some


def tiny_presets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy preset at the size of a test."""
    toy, sound = PRESETS["toy"], SOUND_PRESETS["toy"]
    small = toy.replace(
        vqgan=toy.vqgan.replace(resolution=16, downsample=(4, 8, 8), **SMALL),
        vqgan_training=toy.vqgan_training.replace(warmup_without_codes=1, **STEPS),
        transformer=TransformerSize(layers=1, heads=2, width=8),
        transformer_training=toy.transformer_training.replace(**STEPS),
        train_clips=40,  # more than are drawn in one step
        test_clips=4,
    )
    quiet = sound.replace(
        vqgan=sound.vqgan.replace(**SMALL),
        training=sound.training.replace(warmup_without_codes=1, **STEPS),
    )
    monkeypatch.setattr(conditioned, "PRESETS", {"toy": small})
    monkeypatch.setattr(conditioned, "SOUND_PRESETS", {"toy": quiet})


def small_worlds(folder: Path) -> dict[str, Any]:
    """Two drum videos and two games to train on, and to test with."""
    drums.write(folder / "drums", train=2, test=2, size=16)
    platform_files.write(folder / "platform", train=2, test=2, mean_frames=96, size=16)
    return {f"{world}/videos": Videos(folder / world, world, 0) for world in ("drums", "platform")}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Everything that is made for drums and platform, in a home of its own."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TATS_HOME", str(home))
        with pytest.MonkeyPatch.context() as presets:
            tiny_presets(presets)
            recipes = conditioned_recipes("toy", 3)
        made = small_worlds(home)
        for name in (name for name in recipes if not name.startswith("actions")):  # in the order of their needs
            make(recipes[name], name, home, made)
        yield made


def make(recipe: Recipe, name: str, home: Path, made: dict[str, Any]) -> None:
    folder = home / name.replace("/", "-")
    folder.mkdir()
    scores = recipe.build(folder, {needed: made[needed] for needed in recipe.needs})
    made[name] = recipe.load(folder, scores)


def test_every_recipe_trains_and_loads_what_it_made(built: dict[str, Any]) -> None:
    for world, kind in (("drums", "sound"), ("platform", "text")):
        trained, tokens = built[f"{world}/gpt-{kind}"], built[f"{world}/tokens-{kind}"]
        config, lead = trained.model.config, tokens.train.index.lead
        assert (lead.kind, lead.length) == (kind, tokens.train.conditions.shape[1])
        assert config.condition_length == lead.length > 1 and tokens.train.conditions.max() < lead.codes
        assert config.null_token == lead.codes and config.latent_shape == (4, 2, 2)
        assert 1 < trained.scores["nll"] < 8 and len(trained.log) == 2
    assert built["drums/sound"].scores["psnr"] > 0 and len(built["drums/vqgan-replicate"].log) == 4


def test_each_text_tells_of_the_frames_it_stands_before(built: dict[str, Any]) -> None:
    tokens, vqgan = built["platform/tokens-text"], built["platform/vqgan-replicate"].model
    clips = built["platform/videos"].dataset("train", length=16, resolution=16)
    games = {game.name: game for game in platform_files.collection(2, 2, 96)}
    places = places_of(clips, 0, 40)
    assert len(places) == len(tokens.train) == 40
    for row in (0, 1, 33, 39):
        video, start = places[row]
        said = tell(platform_files.happenings(games[clips.paths[video].stem]), range(start, start + 16))
        assert torch.equal(tokens.train.conditions[row], tokens.words([said])[0])
        with torch.inference_mode():
            shown = vqgan.encode(to_model(clips.clip(video, start))[None])[0]
        assert (tokens.train.tokens[row] == shown).double().mean() > 0.9  # sums of a batch are rounded another way


def test_each_sound_is_that_of_the_frames_it_stands_before(built: dict[str, Any]) -> None:
    tokens, listener = built["drums/tokens-sound"], built["drums/sound"].model
    clips = built["drums/videos"].dataset("train", length=16, resolution=16)
    places = places_of(clips, 0, 40)
    for row in (0, 33, 39):
        video, start = places[row]
        spectrogram = torch.from_numpy(clips.sound(video, start))[None, None]
        assert torch.equal(heard(clips, places[row : row + 1]), spectrogram)
        expected = sound_condition(encode_sound(listener, spectrogram))[0]
        assert (tokens.train.conditions[row] == expected).double().mean() > 0.9


def test_every_other_clip_is_told_and_tokenizers_are_those_of_seed_0() -> None:
    for scale in ("toy", "gpu", "paper"):
        for name, recipe in table(scale, seed=5).items():
            if name in ("drums/gpt-sound", "platform/gpt-text", "platform/gpt-fine", "actions/gpt-class"):
                assert recipe.training.condition_dropout == 0.5
                assert recipe.seed == recipe.training.seed == 5
            elif name.startswith(("drums/", "platform/")):
                assert recipe == table(scale, seed=0)[name]


def test_all_that_the_platform_world_says_fits_the_prefix_and_can_be_read_back() -> None:
    words, clip = platform_words(), Tokenizer.clip()
    assert len(words.ids) <= TEXT.codes
    texts = set()
    for game in platform_files.collection():
        happened = platform_files.happenings(game)
        texts |= {tell(happened, range(first, first + 16)) for first in range(0, game.frames - 15, 12)}
    for text, row in zip(sorted(texts), words(sorted(texts)), strict=True):
        written = row[row != PADDING]
        assert clip.decode([words.ids[number] for number in written]).replace(" .", ".").replace(" ,", ",") == (
            text.lower()
        )
        assert written.max() < TEXT.codes and words.ids[written[-1]] == clip.end


def test_a_word_that_is_never_said_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"'Mugen dances\.' has 'dances' in it"):
        platform_words()(["Mugen walks to the right.", "Mugen dances."])
    with pytest.raises(UserError, match=r"made of 6 tokens, but a prefix of 4"):
        Words.of(["one two three"], Prefix(kind="text", codes=4, length=8))


def test_the_fine_tokenizer_differs_in_its_steps_alone_and_its_transformer_in_its_tokens() -> None:
    recipes = conditioned_recipes("toy", 1)
    coarse, fine = recipes["platform/vqgan-replicate"], recipes["platform/vqgan-fine"]
    steps = {"steps": coarse.training.steps}
    assert fine.training.steps == 7 * coarse.training.steps
    assert fine.replace(training=fine.training.replace(**steps)) == coarse
    assert recipes["platform/gpt-fine"].replace(tokens="platform/tokens-text") == recipes["platform/gpt-text"]
    assert (
        recipes["platform/tokens-fine"].replace(vqgan=recipes["platform/tokens-text"].vqgan)
        == recipes["platform/tokens-text"]
    )

"""Recipes for what is told: drums led by sound, a game led by text, actions by their class (paper 2.3, Table 1).

One transformer for each kind of condition, which is told of every other clip: of the rest it reads the token that says
that there is no condition (`transformer.conditions`). So one network knows both what follows when it is told and what
follows when it is not, each learnt from as many clips, and comparing the two compares nothing but the telling.

The tokenizers of drums and platform, and their tokens, are those of seed 0 for every seed: what is studied is what the
transformer makes of a condition.

Letters: B clips, n_c tokens of a condition.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tatslib.config import Config
from tatslib.datasets.audioset_drum import DrumClips
from tatslib.datasets.tokenizer import Tokenizer
from tatslib.errors import UserError
from tatslib.recipes.guided import GuidedRecipe
from tatslib.recipes.kinds import Recipe, Split, Tokens, TokensRecipe, TrainedVQGAN, Videos, VQGANRecipe, read_log
from tatslib.training.checkpoint import load_model, read_config, write_text
from tatslib.training.device import default_device
from tatslib.training.led_clips import BySound, ByText, Leading
from tatslib.training.presets import PRESETS, Preset, Scale
from tatslib.training.token_shards import BATCH, places_of
from tatslib.training.train_guided import GuidedTraining
from tatslib.training.train_sound import SOUND_PRESETS, evaluate_sound, train_sound
from tatslib.training.train_transformer import tokenize
from tatslib.transformer.conditions import TEXT_PADDING, Prefix, text_condition
from tatslib.vqgan.sound import SoundVQGANConfig
from tatslib.vqgan.vqgan import VQGAN
from tatslib.worlds.script import MONSTERS_HERE
from tatslib.worlds.story import Statement, say

LANGUAGE = "words.json"
VQGAN_STEPS = 5 / 7  # of the preset's: these worlds have fewer shapes than the actions
FINE_STEPS = 5  # times the preset's: until coins and monsters, a few pixels each, come through
TRANSFORMER_STEPS = 1 / 2  # of the preset's: a condition makes the sequence longer, and each step slower
UNTOLD = 0.5  # share of the clips of which nothing is told

# CLIP's 49,408 tokens and 256 places are what the paper takes. The game is told in some forty of them, and a clip of 16
# frames in 23 at most, start and end included. Every place costs time and every token a row of the softmax, so a place
# and a few tokens to spare are enough.
TEXT = Prefix(kind="text", codes=48, length=24)


# ------------------------------------------------------------------------------------------------------------- the text
class Words(Config):
    """CLIP's tokens of a small language, numbered anew: a text is what CLIP makes of it, in fewer numbers.

    Number 0 stays what texts are filled up with.
    """

    ids: tuple[int, ...]  # of CLIP's tokens, ascending
    prefix: Prefix

    @classmethod
    def of(cls, texts: Sequence[str], prefix: Prefix) -> "Words":
        """The language of some texts.

        Raises:
            UserError: if it has more tokens than the prefix has numbers.
        """
        ids = sorted({TEXT_PADDING, *Tokenizer.clip()(texts, prefix.length).unique().tolist()})
        if len(ids) > prefix.codes:
            raise UserError(f"these texts are made of {len(ids)} tokens, but a prefix of {prefix.codes} was planned.")
        return cls(ids=tuple(ids), prefix=prefix)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Texts as condition tokens, int64 (B, n_c); what they are filled up with is masked.

        A text with more tokens than the prefix is cut off, which the row does not tell: what happens last in it is
        lost. `led_clips.count_tokens` says how many it has, and `ByWords.encode_whole` refuses it.

        Raises:
            UserError: for a text with a word that the language does not have.
        """
        clip, known = Tokenizer.clip(), torch.tensor(self.ids)
        rows = clip(texts, self.prefix.length)
        numbers = torch.searchsorted(known, rows).clamp(max=len(known) - 1)
        strange = (known[numbers] != rows).nonzero()
        if len(strange):
            row, place = strange[0].tolist()
            raise UserError(
                f"{texts[row]!r} has {clip.decode([int(rows[row, place])])!r} in it, which the texts of this world "
                "never say, so that no transformer learnt what it means."
            )
        return text_condition(numbers)


@cache
def platform_words(prefix: Prefix = TEXT) -> Words:
    """The language of the platform world: every clause that `story.say` makes of what can happen in a clip of it."""
    said = [Statement("walk", "", way) for way in ("right", "left")] + [Statement("stand"), Statement("jump")]
    said += [Statement("jump", what) for what in ("gap", *MONSTERS_HERE)]
    said += [Statement("collect", "coin", count=count) for count in (1, 2, 3)]
    said += [Statement("kill", monster, count=count) for monster in MONSTERS_HERE for count in (1, 2)]
    said += [Statement("killed", monster) for monster in MONSTERS_HERE]
    return Words.of([say([]), say(said[:2]), *(say([one]) for one in said)], prefix)


class ByWords(ByText):
    """What happens in a clip, in the tokens of a small language."""

    def __init__(self, words: Words) -> None:
        super().__init__(words.prefix)
        self.words = words

    @property
    def source(self) -> str:
        """Which of CLIP's tokens the language has."""
        return self.words.fingerprint

    def encode(self, texts: Sequence[str]) -> Tensor:
        """B texts as condition tokens, int64 (B, n_c); what does not fit is cut off, and counted."""
        self.count(texts)
        return self.words(texts)


# ----------------------------------------------------------------------------------------------------------- the tokens
class LedTokensRecipe(TokensRecipe):
    """Encode clips of both splits, each with the condition tokens of just these frames."""

    def build(self, folder: Path, needs: dict[str, Any]) -> dict[str, float]:
        """Tokenise; all over again if it was cut off, which takes seconds."""
        vqgan, leading = needs[self.vqgan].model.to(default_device()), self.leading(needs)
        counts: dict[Split, int] = {"train": self.train_clips, "test": self.test_clips}
        for split, count in counts.items():
            clips = self.clips(vqgan.config, needs[self.videos], split)
            tokens = tokenize(vqgan, clips, count, BATCH, classes=clips.classes)
            conditions = leading.conditions(clips, places_of(clips, 0, count))
            tokens.with_conditions(conditions, leading.lead).write(folder / split)
        return {"train_clips": self.train_clips, "test_clips": self.test_clips}

    @abstractmethod
    def leading(self, needs: dict[str, Any]) -> Leading:
        """What makes the condition tokens."""


class SoundTokensRecipe(LedTokensRecipe):
    """The condition is what is heard, through a VQ-VAE of sound."""

    sound: str  # another recipe

    @property
    def needs(self) -> tuple[str, ...]:
        """The videos and both tokenizers."""
        return (*super().needs, self.sound)

    def leading(self, needs: dict[str, Any]) -> Leading:
        """The tokens of the spectrograms."""
        return BySound(needs[self.sound].model.to(default_device()))


@dataclass(frozen=True)
class ToldTokens(Tokens):
    """Tokenised clips with a text each, and the language of these texts."""

    words: Words


class TextTokensRecipe(LedTokensRecipe):
    """The condition is the sentence that says what happens in these frames."""

    prefix: Prefix

    def build(self, folder: Path, needs: dict[str, Any]) -> dict[str, float]:
        """Tokenise, and keep the language beside the tokens."""
        scores = super().build(folder, needs)
        write_text(folder / LANGUAGE, platform_words(self.prefix).to_json())
        return scores

    def leading(self, needs: dict[str, Any]) -> Leading:
        """The tokens of the texts."""
        return ByWords(platform_words(self.prefix))

    def load(self, folder: Path, scores: dict[str, float]) -> ToldTokens:
        """Both token sets and the language."""
        words = Words.from_json((folder / LANGUAGE).read_text(), source=folder / LANGUAGE)
        tokens = super().load(folder, scores)
        return ToldTokens(folder, tokens.train, tokens.test, words)


# ----------------------------------------------------------------------------------------------------------- the models
class SoundRecipe(VQGANRecipe):
    """Train a VQ-VAE on the sound of a world."""

    model: SoundVQGANConfig

    def build(self, folder: Path, needs: dict[str, Any]) -> dict[str, float]:
        """Train on the train split, measure on the test split."""
        train, test = (self.sounds(needs[self.videos], split) for split in ("train", "test"))
        vqgan = train_sound(self.model, self.training, train, folder, default_device(), folder.name)
        return evaluate_sound(vqgan, test)

    def sounds(self, videos: Videos, split: Split) -> DrumClips:
        """Clips whose sound is learnt; nobody looks at their pictures."""
        clips = videos.dataset(split, length=self.model.frames + sum(self.model.forward_margins), resolution=24)
        assert isinstance(clips, DrumClips)
        return clips

    def load(self, folder: Path, scores: dict[str, float]) -> TrainedVQGAN:
        """The model in evaluation mode."""
        model = VQGAN(read_config(folder, SoundVQGANConfig, expected=self.model))
        load_model(folder, model)
        return TrainedVQGAN(folder, model, self.training, read_log(folder), scores)


def conditioned_recipes(scale: Scale, seed: int) -> dict[str, Recipe]:
    """`drums/...`, `platform/...` and `actions/gpt-class`."""
    preset, sound = PRESETS[scale], SOUND_PRESETS[scale]
    source = {"train_clips": preset.train_clips, "test_clips": preset.test_clips}
    heard = SoundTokensRecipe(videos="drums/videos", vqgan="drums/vqgan-replicate", sound="drums/sound", **source)
    told = TextTokensRecipe(videos="platform/videos", vqgan="platform/vqgan-replicate", prefix=TEXT, **source)
    steps = round(preset.transformer_training.steps * TRANSFORMER_STEPS)
    settings = preset.transformer_training.replace(seed=seed, steps=steps).model_dump()
    training = GuidedTraining(**settings, condition_dropout=UNTOLD)
    size = {"training": training, "seed": seed, **preset.transformer.model_dump()}
    return {
        "drums/sound": SoundRecipe(videos="drums/videos", model=sound.vqgan, training=sound.training),
        "drums/vqgan-replicate": _tokenizer(preset, "drums"),
        "drums/tokens-sound": heard,
        "drums/gpt-sound": GuidedRecipe(tokens="drums/tokens-sound", **size),
        "platform/vqgan-replicate": _tokenizer(preset, "platform"),
        "platform/tokens-text": told,
        "platform/gpt-text": GuidedRecipe(tokens="platform/tokens-text", **size),
        "platform/vqgan-fine": _tokenizer(preset, "platform", FINE_STEPS),
        "platform/tokens-fine": told.replace(vqgan="platform/vqgan-fine"),
        "platform/gpt-fine": GuidedRecipe(tokens="platform/tokens-fine", **size),
        "actions/gpt-class": GuidedRecipe(tokens="actions/tokens-replicate", **size),
    }


def _tokenizer(preset: Preset, world: str, steps: float = VQGAN_STEPS) -> VQGANRecipe:
    """The preset's tokenizer for the videos of a world; steps are times the preset's."""
    training = preset.vqgan_training
    return VQGANRecipe(
        videos=f"{world}/videos",
        model=preset.vqgan.replace(padding="replicate"),
        training=training.replace(steps=round(training.steps * steps)),
    )

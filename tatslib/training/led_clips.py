"""What clips are led by, as condition tokens: the text or the sound of just their frames (paper 2.3, 3.1).

Dimension letters
    B clips · T frames · F M bands and moments of a spectrogram · n_c condition length
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor

from tatslib.datasets.audioset_drum import DrumClips
from tatslib.datasets.clips import ClipDataset
from tatslib.datasets.mugen import StoryClips
from tatslib.datasets.tokenizer import Tokenizer
from tatslib.datasets.tokens import Lead
from tatslib.errors import UserError
from tatslib.training.checkpoint import weights_fingerprint
from tatslib.transformer.conditions import (
    RELEASED_TEXT,
    Padding,
    Prefix,
    sound_condition,
    sound_prefix,
    text_condition,
)
from tatslib.vqgan.sound import encode_sound, sound_config
from tatslib.vqgan.vqgan import VQGAN

AT_ONCE = 32  # clips whose sound is encoded together


class Leading(ABC):
    """Something that makes the condition tokens of clips."""

    prefix: Prefix
    padding: Padding = "masked"

    @property
    @abstractmethod
    def source(self) -> str:
        """A fingerprint of what makes the tokens: another one, and the same token means something else."""

    @property
    def lead(self) -> Lead:
        """The prefix and where it comes from, as a token set remembers them."""
        return Lead(**self.prefix.model_dump(), source=self.source, padding=self.padding)

    @abstractmethod
    def check(self, clips: ClipDataset) -> None:
        """Refuse a data set that knows nothing of the kind, in a sentence."""

    @abstractmethod
    def conditions(self, clips: ClipDataset, places: Sequence[tuple[int, int]]) -> Tensor:
        """The condition tokens of the clips at some places (video, first frame), int64 (B, n_c)."""


class ByText(Leading):
    """What happens in a clip, in the tokens of CLIP.

    A text with more tokens than the prefix is cut off, as released: what it says at its end, such as that Mugen is
    killed, is not told. `cut` counts such texts, `encode_whole` refuses them, `count_tokens` says how long one is.

    Args:
        prefix: as many tokens of it as the released transformer reads, unless another says so.
        padding: "masked", or "released" for what the released transformer was trained on; see `text_condition`.

    Attributes:
        told, cut: how many texts this object encoded, and how many of them were longer than the prefix.
    """

    def __init__(self, prefix: Prefix = RELEASED_TEXT, padding: Padding = "masked") -> None:
        self.prefix, self.padding = prefix, padding
        self.told = self.cut = 0

    @property
    def source(self) -> str:
        """The merges of the tokenizer."""
        return Tokenizer.clip().fingerprint

    def check(self, clips: ClipDataset) -> None:
        """Refuse clips without texts."""
        if not isinstance(clips, StoryClips):
            raise UserError("this data set has no texts: mugen has (`tats data make platform` writes a small one).")

    def conditions(self, clips: ClipDataset, places: Sequence[tuple[int, int]]) -> Tensor:
        """Texts in tokens."""
        assert isinstance(clips, StoryClips)
        return self.encode([clips.text(*place) for place in places])

    def encode(self, texts: Sequence[str]) -> Tensor:
        """B texts as condition tokens, int64 (B, n_c); what does not fit is cut off, and counted."""
        self.count(texts)
        return text_condition(Tokenizer.clip()(list(texts), self.prefix.length), self.padding)

    def count(self, texts: Sequence[str]) -> None:
        """Remember how many texts are encoded, and how many of them are cut off."""
        self.told += len(texts)
        self.cut += sum(count_tokens(text) > self.prefix.length for text in texts)

    def encode_whole(self, texts: Sequence[str]) -> Tensor:
        """The same of texts that fit.

        Raises:
            UserError: if one has more tokens than the prefix.
        """
        for text in texts:
            if (count := count_tokens(text)) > self.prefix.length:
                raise UserError(
                    f"the transformer reads {self.prefix.length} tokens of a text, and {text[:60]!r}... has {count} "
                    "with its start and its end: shorten it, or tell it in several pieces, each with a --text of its "
                    "own, that last longer (--text-frames)."
                )
        return self.encode(texts)


def count_tokens(text: str) -> int:
    """Tokens of CLIP that a text takes, its start and its end among them."""
    return len(Tokenizer.clip().encode(text)) + 2


class BySound(Leading):
    """What is heard in a clip, in the tokens of a VQ-VAE of sound.

    Args:
        listener: the VQ-VAE.
        frames: of a clip.
    """

    def __init__(self, listener: VQGAN, frames: int | None = None) -> None:
        self.listener, self.prefix = listener, sound_prefix(sound_config(listener), frames)

    @property
    def source(self) -> str:
        """The weights of the VQ-VAE."""
        return weights_fingerprint(self.listener)

    def check(self, clips: ClipDataset) -> None:
        """Refuse clips without sound."""
        if not isinstance(clips, DrumClips):
            raise UserError("this data set has no sound: drums has (`tats data make drums` writes a small one).")

    def conditions(self, clips: ClipDataset, places: Sequence[tuple[int, int]]) -> Tensor:
        """Spectrograms in tokens."""
        assert isinstance(clips, DrumClips)
        parts = [places[start : start + AT_ONCE] for start in range(0, len(places), AT_ONCE)]
        return torch.cat([sound_condition(encode_sound(self.listener, heard(clips, part))) for part in parts])


def heard(clips: DrumClips, places: Sequence[tuple[int, int]]) -> Tensor:
    """Spectrograms of the clips at some places, float32 (B, 1, T, F, M) in [-1, 1]."""
    return rearrange([torch.from_numpy(clips.sound(*place)) for place in places], "B T F M -> B 1 T F M")

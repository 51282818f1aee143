"""Conditions that go along with a long video: the window slides over them and over the video together (paper 2.3).

A transformer knows a clip and what was said of that clip. So whenever the window moves, its condition is made anew, for
just the span of video that the transformer believes to be its clip: the text that tells what happens there, the sound
that is heard there. The class stays the same. (The released code can neither sample long videos by text nor by sound.)

Dimension letters
    B batch · n_c condition length · F latent frames of what is given · T frames · h w grid of tokens
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from tatslib.errors import UserError
from tatslib.sampling.plan import frames_needed
from tatslib.transformer.conditions import sound_condition
from tatslib.vqgan.sound import encode_sound, sound_config
from tatslib.vqgan.vqgan import VQGAN

SILENCE = -1.0  # in a spectrogram as the model reads it
Tell = Callable[[range], str]  # what happens in some frames of a video


class Storyline(Protocol):
    """What leads B videos, latent frame by latent frame."""

    def __len__(self) -> int:
        """B."""

    def window(self, first: int, frames: int) -> Tensor:
        """The condition of a clip that covers so many latent frames from `first` on: int64 (B, n_c).

        Windows may reach beyond the end of what was given.
        """


class Constant:
    """The same condition everywhere, such as a class: int64 (B, n_c)."""

    def __init__(self, condition: Tensor) -> None:
        self.condition = condition

    def __len__(self) -> int:
        """B."""
        return len(self.condition)

    def window(self, first: int, frames: int) -> Tensor:
        """The condition, always the same tensor."""
        return self.condition


@dataclass(frozen=True)
class Story:
    """What happens in a video, told piece by piece; the last piece goes on for ever.

    Asked for some frames, it tells all pieces that they touch, in order.

    Raises:
        UserError: if there are no pieces, or one lasts less than a frame.
    """

    pieces: Sequence[tuple[str, int]]  # a text and how many frames it lasts
    between: str = " "  # stands between the texts of two pieces

    def __post_init__(self) -> None:
        if not self.pieces or min(length for _, length in self.pieces) < 1:
            raise UserError(f"a story has pieces of at least 1 frame each, got {list(self.pieces)}.")

    def __call__(self, frames: range) -> str:
        """The text of some frames, `range(start, stop)`."""
        told, start = [], 0
        for number, (text, length) in enumerate(self.pieces):
            goes_on = number == len(self.pieces) - 1
            if start < frames.stop and (goes_on or start + length > frames.start):
                told.append(text)
            start += length
        return self.between.join(told)


class TextStory:
    """Videos led by text.

    Args:
        tell: for each video a `Story`, or any function of a range of frames, such as a world that describes itself.
        encode: B texts to condition tokens, int64 (B, n_c): a tokenizer and `conditions.text_condition`.
        latent_frame: frames that a latent frame stands for.
    """

    def __init__(self, tell: Sequence[Tell], encode: Callable[[list[str]], Tensor], latent_frame: int) -> None:
        self.tell, self.encode, self.latent_frame = tuple(tell), encode, latent_frame

    def __len__(self) -> int:
        """B."""
        return len(self.tell)

    def window(self, first: int, frames: int) -> Tensor:
        """The text of a span, as tokens."""
        span = range(first * self.latent_frame, (first + frames) * self.latent_frame)
        return self.encode([tell(span) for tell in self.tell])


class SoundStory:
    """Videos led by sound, which is encoded anew for each window: so what stands at its edges is as in training.

    Args:
        vqgan: of the sound.
        spectrograms: float (B, 1, T, 64, 16) in [-1, 1]; before and behind it there is silence.
        latent_frame: frames that a latent frame of the video stands for.

    Raises:
        UserError: if the VQGAN is one of video.
    """

    def __init__(self, vqgan: VQGAN, spectrograms: Tensor, latent_frame: int) -> None:
        self.vqgan, self.spectrograms, self.latent_frame = vqgan, spectrograms, latent_frame
        self.margins = sound_config(vqgan).margins

    def __len__(self) -> int:
        """B."""
        return len(self.spectrograms)

    def window(self, first: int, frames: int) -> Tensor:
        """The sound of a span, as tokens."""
        before, after = self.margins
        start = first * self.latent_frame - before
        stop = (first + frames) * self.latent_frame + after
        length = self.spectrograms.shape[2]
        heard = self.spectrograms[:, :, min(max(start, 0), length) : max(stop, 0)]
        lead = min(max(-start, 0), stop - start)
        silent = (0, 0, 0, 0, lead, stop - start - lead - heard.shape[2])
        return sound_condition(encode_sound(self.vqgan, F.pad(heard, silent, value=SILENCE)))


class TokenStory:
    """Videos led by tokens that run along with them, encoded once and for all: int64 (B, F, h, w).

    A transformer that was trained on the tokens of clips finds them a little different from those of a whole, unless
    their encoder is time-agnostic; then this saves encoding. Beyond the end the last latent frame is repeated.
    """

    def __init__(self, tokens: Tensor) -> None:
        self.tokens = tokens

    def __len__(self) -> int:
        """B."""
        return len(self.tokens)

    def window(self, first: int, frames: int) -> Tensor:
        """The tokens of a span, row by row."""
        span = torch.arange(first, first + frames).clamp(max=self.tokens.shape[1] - 1)
        return rearrange(self.tokens[:, span.to(self.tokens.device)], "B F h w -> B (F h w)")


class Sparse:
    """A storyline as it looks to a transformer that sees every `stride`-th latent frame only."""

    def __init__(self, story: Storyline, stride: int) -> None:
        self.story, self.stride = story, stride

    def __len__(self) -> int:
        """B."""
        return len(self.story)

    def window(self, first: int, frames: int) -> Tensor:
        """The condition of so many sparse latent frames: of all from the first of them to the last."""
        return self.story.window(first * self.stride, (frames - 1) * self.stride + 1)


def reach(strides: Sequence[int], window: int, latent_frames: int) -> int:
    """How many latent frames of a storyline are asked for, from the first on, when so many of video are drawn.

    They are more than are drawn: a window tells of a whole clip, of which the latent frame to draw need not be the
    last. With the shortest context, one latent frame, just so many are asked for; with a longer one no more.

    Args:
        strides: how many latent frames those of each level lie apart, as in `Hierarchy.strides`; (1,) slides only.
        window: t, latent frames of the transformer that begins.
        latent_frames: F, from 1 on.
    """
    last = frames_needed(strides, latent_frames)[0] - 1  # of the sparse latent frames
    return (max(last - 1, 0) + window - 1) * strides[0] + 1


def as_storyline(condition: Tensor | Storyline) -> Storyline:
    """Conditions that stay the same, int64 (B, n_c), as a storyline; a storyline as it is."""
    return Constant(condition) if isinstance(condition, Tensor) else condition

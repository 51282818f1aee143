"""What a video is told on the command line: a class, a text or a story of several, a sound."""

from collections.abc import Sequence
from pathlib import Path

import torch
from einops import rearrange
from torch import Tensor

from tatslib.commands.opening import load_sound_vqgan
from tatslib.datasets.audioset_drum import FPS
from tatslib.datasets.tokens import Lead, TokenIndex
from tatslib.errors import UserError
from tatslib.sampling.storyline import SoundStory, Story, Storyline, TextStory
from tatslib.sound import Sound, as_released, read_sound, spectrogram
from tatslib.training.led_clips import ByText
from tatslib.transformer.conditions import RELEASED_TEXT
from tatslib.vqgan.config import VQGANConfig

ASKED = {"text": "--text", "sound": "--sound and --sound-vqgan", "class": "--label"}


def lead_of(transformer: Path) -> Lead | None:
    """What the clips were led by on which a transformer was trained; None for a class or nothing."""
    path = transformer / "data.json"
    return TokenIndex.from_json(path.read_text(), source=path).lead if path.is_file() else None


def check_told(transformer: Path, text: Sequence[str], sound: Path | None, sound_vqgan: Path | None) -> None:
    """Refuse to tell a transformer something else than it learnt to be told, before anything large is loaded.

    Raises:
        UserError: saying what it has to be told.
    """
    lead = lead_of(transformer)
    wanted = lead.kind if lead else "class"
    given = "text" if text else "sound" if sound is not None else "class"
    if text and sound is not None:
        raise UserError("a video is led by text or by sound, not by both: leave out --text or --sound.")
    if (sound is None) != (sound_vqgan is None):
        raise UserError("--sound FILE and --sound-vqgan FOLDER, the VQ-VAE that turns it into tokens, belong together.")
    if given != wanted:
        raise UserError(f"{transformer} learnt to be led by {wanted}, not by {given}: use {ASKED[wanted]}.")
    if lead and lead.kind == "text" and (lead.codes, lead.length) != (RELEASED_TEXT.codes, RELEASED_TEXT.length):
        raise UserError(
            f"{transformer} reads {lead.length} of {lead.codes} tokens of a language of its own, not CLIP's: sample "
            "from it in Python, where its recipe keeps that language."
        )


def storyline(
    config: VQGANConfig,
    label: int,
    text: Sequence[str],
    text_frames: int,
    sound: Sound | None,
    sound_vqgan: Path | None,
    frames: int,
) -> Tensor | Storyline:
    """What one video of so many frames is told; `check_told` comes before it.

    Args:
        config: of the VQGAN of the video.
        label: the class, if neither text nor sound is given.
        text: pieces of a story, the last of which goes on to the end.
        text_frames: how long each of the others lasts.
        sound: float32 (N,) in [-1, 1].
        sound_vqgan: folder of the VQ-VAE of sound.
        frames: T.
    """
    latent_frame = config.downsample[0]
    if text:
        return TextStory([Story([(piece, text_frames) for piece in text])], ByText().encode, latent_frame)
    if sound is not None and sound_vqgan is not None:
        pictures = torch.from_numpy(as_released(spectrogram(sound, frames, FPS)))
        return SoundStory(load_sound_vqgan(sound_vqgan), rearrange(pictures, "T F M -> 1 1 T F M"), latent_frame)
    return torch.tensor([[label]])


def sound_of(path: Path, frames: int) -> Sound:
    """As much of the sound of a file as so many frames last."""
    return read_sound(path, frames / FPS)

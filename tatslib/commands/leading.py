"""What a video is told on the command line: a class, a text or a story of several, a sound."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from einops import rearrange
from torch import Tensor

from tatslib.commands.opening import load_sound_vqgan
from tatslib.datasets.audioset_drum import FPS
from tatslib.datasets.tokens import Lead, TokenIndex, told_alike
from tatslib.errors import UserError
from tatslib.sampling.plan import frames_needed
from tatslib.sampling.storyline import SoundStory, Story, Storyline, TextStory
from tatslib.sound import Sound, as_released, read_sound, spectrogram
from tatslib.training.convert import FACTS
from tatslib.training.led_clips import BySound, ByText
from tatslib.transformer.official import ReleasedFacts
from tatslib.vqgan.config import VQGANConfig
from tatslib.vqgan.sound import sound_config

ASKED = {"text": "--text", "sound": "--sound and --sound-vqgan", "class": "--label"}


def lead_of(transformer: Path) -> Lead | None:
    """What the clips were led by on which a transformer was trained; None for a class or nothing.

    Raises:
        UserError: for a folder that holds no model, or a released one that was converted by a version that did not note
            what it is led by.
    """
    if not (transformer / "config.json").is_file():
        raise UserError(
            f"There is no {transformer / 'config.json'}: {transformer} is not a run or a model of this project."
        )
    path, facts = transformer / "data.json", transformer / FACTS
    lead = TokenIndex.from_json(path.read_text(), source=path).lead if path.is_file() else None
    if lead is None and facts.is_file():
        condition = ReleasedFacts.from_json(facts.read_text(), source=facts).condition
        if condition in ("text", "sound"):
            raise UserError(f"{transformer} is led by {condition}, but {path} does not say how: convert it again.")
    return lead


def check_told(
    transformer: Path, text: Sequence[str], sound: Path | None, sound_vqgan: Path | None, fillers: Sequence[Path] = ()
) -> Lead | None:
    """Refuse to tell a transformer something else than it learnt to be told, before anything large is loaded.

    Args:
        transformer: folder of the one that begins.
        text: what was given with --text; so are the next two.
        sound: a file.
        sound_vqgan: folder of the VQ-VAE of sound, which `storyline` looks at.
        fillers: folders of the levels below.

    Returns:
        What all of them learnt to be led by; None for a class or nothing.

    Raises:
        UserError: saying what they have to be told, or which of them was told in other tokens.
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
    if lead and lead.kind == "text":
        ours = ByText(padding=lead.padding).lead
        if lead.length != ours.length or not told_alike(lead, ours):
            raise UserError(
                f"{transformer} reads {lead.length} of {lead.codes} tokens of a language of its own, not CLIP's: "
                "sample from it in Python, where its recipe keeps that language."
            )
    for filler in fillers:
        if not told_alike(lead, lead_of(filler)):
            raise UserError(f"{filler} learnt to be led by other tokens than {transformer}: name one that fits.")
    return lead


def storyline(
    config: VQGANConfig,
    lead: Lead | None,
    label: int,
    text: Sequence[str],
    text_frames: int,
    sound: Path | None,
    sound_vqgan: Path | None,
    latent_frames: int,
) -> Tensor | Storyline:
    """What one video is told; `check_told` comes before it.

    Of a file of sound is read what the windows can ask for, the moments after the last frame included: a transformer
    was told of whole clips, so it has to hear how the file goes on. There is silence only where the file has ended.

    Args:
        config: of the VQGAN of the video.
        lead: what `check_told` found.
        label: the class, if neither text nor sound is given.
        text: pieces of a story, the last of which goes on to the end.
        text_frames: how long each of the others lasts.
        sound: a file.
        sound_vqgan: folder of the VQ-VAE of sound.
        latent_frames: how many of them windows ask for, see `sampling.storyline.reach`.

    Raises:
        UserError: if a text is longer than what the transformer reads, the VQ-VAE of sound is another one than that
            which the transformer learnt to be led by, or the sound is damaged as far as it is read.
    """
    latent_frame = config.downsample[0]
    if lead and text:
        encode = ByText(padding=lead.padding).encode_whole
        encode(text)  # piece by piece; `check_fits` looks at those that a window tells together
        return TextStory([Story([(piece, text_frames) for piece in text])], encode, latent_frame)
    if lead and sound is not None and sound_vqgan is not None:
        listener = load_sound_vqgan(sound_vqgan)
        if not told_alike(lead, BySound(listener).lead):
            raise UserError(
                f"the transformer learnt to be led by the tokens of another VQ-VAE of sound than {sound_vqgan}: name "
                "that one instead."
            )
        frames = latent_frames * latent_frame + sound_config(listener).margins[1]
        # one frame more, because the last moments of a frame hear a little of the next one
        pictures = torch.from_numpy(as_released(spectrogram(sound_of(sound, frames + 1), frames, FPS)))
        return SoundStory(listener, rearrange(pictures, "T F M -> 1 1 T F M"), latent_frame)
    return torch.tensor([[label]])


def spans(
    strides: Sequence[int], window: int, latent_frames: int, context_frames: int | None, latent_frame: int
) -> Iterator[range]:
    """The frames that each window of the sparsest level tells of; those of the levels below lie within them.

    Args:
        strides: how many latent frames those of each level lie apart, as in `Hierarchy.strides`.
        window: t, latent frames of the transformer that begins.
        latent_frames: F of the video, from 1 on.
        context_frames: sparse latent frames looked back upon; None for t - 1.
        latent_frame: frames that a latent frame stands for.
    """
    context = window - 1 if context_frames is None else context_frames
    last = max(0, frames_needed(strides, latent_frames)[0] - 1 - context)
    for first in range(last + 1):
        start, stop = first * strides[0], (first + window - 1) * strides[0] + 1
        yield range(start * latent_frame, stop * latent_frame)


def check_fits(story: TextStory, spans: Iterable[range]) -> None:
    """Refuse pieces of a story that do not fit into a window together, before hours are spent on the way there.

    Args:
        story: of `storyline`.
        spans: the frames that windows tell of.

    Raises:
        UserError: with how many tokens they have.
    """
    story.encode(list(dict.fromkeys(tell(span) for span in spans for tell in story.tell)))


def sound_of(path: Path, frames: int) -> Sound:
    """As much of the sound of a file as so many frames last."""
    return read_sound(path, frames / FPS)

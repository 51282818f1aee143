"""`tats sample`."""

from itertools import islice
from pathlib import Path
from typing import Annotated

from tyro.conf import UseAppendAction

from tatslib.commands.leading import check_told, sound_of, storyline
from tatslib.commands.opening import load_vqgan
from tatslib.commands.tree import app
from tatslib.datasets.audioset_drum import FPS
from tatslib.errors import UserError
from tatslib.progress import progress
from tatslib.sampling.filters import Filters
from tatslib.sampling.hierarchical import stream
from tatslib.sound import write_video_with_sound
from tatslib.training.trained_hierarchy import load_hierarchy
from tatslib.videos import check_suffix, to_uint8, write_video
from tatslib.vqgan.windows import decode_stream


@app.command(name="sample")
def sample_command(
    vqgan: Path,
    transformer: Path,
    out: Path,
    filler: Annotated[tuple[Path, ...], UseAppendAction] = (),
    frames: int = 256,
    label: int = 0,
    text: Annotated[tuple[str, ...], UseAppendAction] = (),
    text_frames: int = 64,
    sound: Path | None = None,
    sound_vqgan: Path | None = None,
    context_frames: int | None = None,
    top_k: int | None = None,
    top_p: float | None = 0.8,
    temperature: float = 1.0,
    guidance: float = 1.0,
    seed: int = 0,
) -> None:
    """Sample one video of any length and write it to a file, while its later frames are still being made.

    With a transformer alone, by a sliding window. With a transformer of sparse latent frames and those that fill in
    between them, level by level: a hierarchy.

    Args:
        vqgan: folder of a trained VQGAN.
        transformer: folder of a transformer trained on its tokens.
        filler: folder of a transformer that fills in between the latent frames of the level above; the sparsest level
            first, each with a --filler of its own.
        out: the video: .mp4, .avi, or no suffix for a folder of frames.
        frames: length of the video; what goes beyond it of the last latent frame is cut off.
        label: class number from 0 on, for a model that knows classes.
        text: what happens, for a model that was trained on texts; several, each with a --text of its own, are a story.
        text_frames: how long each text of a story lasts; the last one goes on to the end.
        sound: a file with a sound track, for a model that was trained on sounds; the video (.mp4) gets it, too.
        sound_vqgan: folder of the VQ-VAE that turns sound into tokens.
        context_frames: latent frames to look back upon; absent, all that fit.
        top_k: draw among the k likeliest tokens.
        top_p: draw among the likeliest tokens that hold this much probability together.
        temperature: below 1 keeps closer to the likeliest tokens, above 1 strays further.
        guidance: above 1 exaggerates what the class, text or sound changes, for twice the work; 0 ignores it. It takes
            transformers that were trained with --condition-dropout.
        seed: which video.
    """
    check_suffix(out)
    if frames < 1:
        raise UserError(f"a video of {frames} frames is none: ask for 1 or more.")
    if text_frames < 1:
        raise UserError(f"a text of {text_frames} frames is none: let each last 1 or more.")
    lead = check_told(transformer, text, sound, sound_vqgan, filler)
    track = None if sound is None else sound_of(sound, frames)
    model = load_vqgan(vqgan)
    hierarchy = load_hierarchy(model, vqgan, transformer, filler, guidance)
    if not text and sound is None and label == (null := hierarchy.anchors.config.null_token):
        raise UserError(f"{transformer} knows the classes 0 to {null - 1}, got {label}; --guidance 0 names none.")
    filters = Filters(temperature=temperature, top_k=top_k, top_p=top_p)
    latent_frames = -(-frames // model.config.downsample[0]) + sum(model.config.latent_margins)
    told = storyline(model.config, lead, label, text, text_frames, track, sound_vqgan, frames)
    tokens = stream(hierarchy, told, latent_frames, filters, context_frames, seed, guidance=guidance)
    watched = progress(tokens, label="sampling", total=latent_frames, unit="latent frame")
    video = (frame for part in decode_stream(model, watched, latent_frames) for frame in to_uint8(part[0]))
    if track is not None and out.suffix == ".mp4":
        write_video_with_sound(out, islice(video, frames), track, FPS)
    else:
        write_video(out, islice(video, frames))
    print(f"wrote {frames} frames to {out}")

"""`tats sample`."""

from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import ValidationError
from tyro.conf import UseAppendAction

from tatslib.commands.leading import check_fits, check_told, sound_of, spans, storyline
from tatslib.commands.opening import load_vqgan
from tatslib.commands.tree import app
from tatslib.config import explain
from tatslib.datasets.audioset_drum import FPS
from tatslib.errors import UserError
from tatslib.progress import progress
from tatslib.sampling.decode import Engine
from tatslib.sampling.filters import Filters
from tatslib.sampling.hierarchical import stream
from tatslib.sampling.products import Weights
from tatslib.sampling.storyline import TextStory, reach
from tatslib.sound import write_video_with_sound
from tatslib.training.paper_presets import FILLER_FILTERS
from tatslib.training.trained_hierarchy import load_hierarchy
from tatslib.videos import check_suffix, to_uint8, write_video
from tatslib.vqgan.windows import decode_stream

NUMBERS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


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
    filler_top_k: int | None = None,
    filler_top_p: float | None = None,
    filler_temperature: float | None = None,
    gaps_at_once: int | None = None,
    guidance: float = 1.0,
    precision: Literal["float32", "bfloat16"] = "float32",
    weights: Weights = "own",
    compiled: bool = False,
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
            What a window tells, of one piece or of several that it meets, has to fit into the 256 tokens that the
            model reads of a text.
        text_frames: how long each text of a story lasts; the last one goes on to the end.
        sound: a file with a sound track, for a model that was trained on sounds; the video (.mp4) gets it, too. What
            is heard after the last frame still tells its windows what they lead up to.
        sound_vqgan: folder of the VQ-VAE that turns sound into tokens.
        context_frames: latent frames to look back upon; absent, all that fit.
        top_k: draw among the k likeliest tokens.
        top_p: draw among the likeliest tokens that hold this much probability together.
        temperature: below 1 keeps closer to the likeliest tokens, above 1 strays further.
        filler_top_k: the same for what fills in, at all its levels; absent, as above. The paper found a smaller k
            and p better there.
        filler_top_p: the same for what fills in; absent, 0.5, or as above where that is less. 1 leaves all tokens in.
        filler_temperature: the same for what fills in; absent, as above.
        gaps_at_once: how many gaps are filled side by side; absent, as many as pay. More take more memory and are
            faster on hardware that fewer leave idle; the video is the same.
        guidance: above 1 exaggerates what the class, text or sound changes, for twice the work; 0 ignores it. It takes
            transformers that were trained with --condition-dropout.
        precision: in which numbers the transformers compute; bfloat16 is for GPUs and takes half the memory. Other
            numbers are another video.
        weights: in which numbers the layers' weights are held for single steps: their own, bfloat16, or int8, which
            pays where weights have to come from memory.
        compiled: on a GPU, fuse the operations of a step; takes minutes before the first frame.
        seed: which video.
    """
    check_suffix(out)
    if frames < 1:
        raise UserError(f"a video of {frames} frames is none: ask for 1 or more.")
    if text_frames < 1:
        raise UserError(f"a text of {text_frames} frames is none: let each last 1 or more.")
    own = {"top_k": filler_top_k, "top_p": filler_top_p, "temperature": filler_temperature}
    filters = levels_filters(Filters(temperature=temperature, top_k=top_k, top_p=top_p), len(filler), **own)
    check_gaps(gaps_at_once, len(filler))
    lead = check_told(transformer, text, sound, sound_vqgan, filler)
    track = None if sound is None else sound_of(sound, frames)
    model = load_vqgan(vqgan)
    hierarchy = load_hierarchy(model, vqgan, transformer, filler, guidance)
    for level in (hierarchy.anchors, *hierarchy.fillers):
        level.to(NUMBERS[precision])
    if not text and sound is None and label == (null := hierarchy.anchors.config.null_token):
        raise UserError(f"{transformer} knows the classes 0 to {null - 1}, got {label}; --guidance 0 names none.")
    latent_frames = -(-frames // model.config.downsample[0]) + sum(model.config.latent_margins)
    extent = (hierarchy.strides, hierarchy.anchors.config.latent_shape[0], latent_frames)
    farthest = reach(*extent)
    told = storyline(model.config, lead, label, text, text_frames, sound, sound_vqgan, farthest)
    draws = (filters, context_frames, seed)
    engine = Engine(weights, compiled)
    tokens = stream(hierarchy, told, latent_frames, *draws, gaps_at_once=gaps_at_once, engine=engine, guidance=guidance)
    if isinstance(told, TextStory):
        check_fits(told, spans(*extent, context_frames, told.latent_frame))
    watched = progress(tokens, label="sampling", total=latent_frames, unit="latent frame")
    video = (frame for part in decode_stream(model, watched, latent_frames) for frame in to_uint8(part[0]))
    if track is not None and out.suffix == ".mp4":
        write_video_with_sound(out, islice(video, frames), track, FPS)
    else:
        write_video(out, islice(video, frames))
    print(f"wrote {frames} frames to {out}")


def levels_filters(above: Filters, fillers: int, **own: float | None) -> list[Filters]:
    """Filters for each level, the sparsest first: those of `above`, then as many as there are fillers.

    Args:
        above: of the level that begins.
        fillers: how many levels fill in.
        own: fields of `Filters` in which all levels that fill in differ from `above`; None where they do not, but for
            `top_p`, which then is that of the paper's presets if `above` has no smaller one. The paper found a smaller
            k and p better there (B.2).

    Raises:
        UserError: for any of `own` without a filler, or of an impossible value.
    """
    given, narrow = {name: value for name, value in own.items() if value is not None}, FILLER_FILTERS.top_p or 1.0
    if given and not fillers:
        raise UserError(without_filler(*(f"--filler-{name.replace('_', '-')}" for name in given)))
    widest = 1.0 if above.top_p is None else above.top_p
    try:
        below = above.replace(**{"top_p": min(widest, narrow), **given})
    except ValidationError as error:
        raise UserError(f"the filters for what fills in are impossible: {explain(error)}.") from error
    return [above, *[below] * fillers]


def check_gaps(gaps_at_once: int | None, fillers: int) -> None:
    """Refuse to fill no gap at once, or to be told how many where nothing fills in.

    Raises:
        UserError: for less than 1, or for any number without a filler.
    """
    if gaps_at_once is None:
        return
    if gaps_at_once < 1:
        raise UserError(f"{gaps_at_once} gaps at once fill nothing: take 1 or more.")
    if not fillers:
        raise UserError(without_filler("--gaps-at-once"))


def without_filler(*options: str) -> str:
    """What to say to options of transformers that fill in where there are none."""
    are = "is" if len(options) == 1 else "are"
    return f"{' and '.join(options)} {are} for transformers that fill in: name them with --filler, or leave this out."

"""The authors' checkpoints as this package's own models: safetensors and JSON, opened once with care, then without."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError
from torch import nn

from tatslib.config import explain
from tatslib.datasets.tokens import Lead, TokenIndex
from tatslib.errors import UserError
from tatslib.files import refusals_in_words, replacing, sha256
from tatslib.foreign import LightningCheckpoint, plain, read_lightning
from tatslib.training.checkpoint import (
    load_model,
    read_config,
    save_model,
    weights_fingerprint,
    write_json,
    write_text,
)
from tatslib.training.led_clips import ByText
from tatslib.transformer.official import ReleasedFacts, ReleasedTransformer, transformer_of
from tatslib.vqgan.config import VQGANConfig
from tatslib.vqgan.layout import SPECTROGRAM
from tatslib.vqgan.official import FIRST_STAGE, SOUND_STAGE, config_of, is_transformer, load_released_vqgan, vqgan_of
from tatslib.vqgan.sound import SoundVQGANConfig
from tatslib.vqgan.vqgan import VQGAN

FACTS = "facts.json"


def convert(path: Path, out: Path, vqgan: Path | None = None, sound_vqgan: Path | None = None) -> list[str]:
    """Write the models in a released checkpoint to a new folder, whole or not at all.

    Args:
        path: a VQGAN's or a transformer's file.
        out: folder to make. It gets `vqgan`, `transformer`, `sound_vqgan` (whichever are in the file), each with
            `config.json` and `model.safetensors`, and `released.json`: where all came from and how it was trained.
            A transformer also has `data.json`, whose VQGAN it was trained on, and `facts.json`, what for.
        vqgan: the VQGAN's own released file, or the folder of an earlier conversion, for a transformer whose file does
            not tell its settings or does not contain it.
        sound_vqgan: the same for the VQGAN of the sound.

    Returns:
        What was written and what was left out, in lines for a reader.

    Raises:
        UserError: if `out` is there already, cannot be written, or the files do not fit together.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is there already: name a new folder.")
    checkpoint = read_lightning(path)
    with refusals_in_words(out), replacing(out) as folder:
        try:
            if is_transformer(checkpoint):
                lines = _write_transformer(checkpoint, folder, vqgan, sound_vqgan)
            else:
                lines = [_write_own_vqgan(checkpoint, folder)]
            write_json(folder / "released.json", _provenance(checkpoint))
        except (SafetensorError, RuntimeError) as error:  # the latter for tensors that share their memory
            raise UserError(f"{out} cannot be written ({error}): choose another place or mend this one.") from error
    return [*(f"{out}/{line}" for line in lines), f"{out}/released.json: where it came from, how it was trained"]


def _write_transformer(
    checkpoint: LightningCheckpoint, folder: Path, vqgan: Path | None, sound_vqgan: Path | None
) -> list[str]:
    """Write everything that a transformer's file holds."""
    config = _settings(vqgan) if vqgan else None
    sound = _of_sound(_settings(sound_vqgan, SoundVQGANConfig), sound_vqgan) if sound_vqgan else None
    released = transformer_of(checkpoint, config, sound)
    inside = bool(checkpoint.part(FIRST_STAGE))
    if not inside and vqgan is None:
        raise UserError(
            f"{checkpoint.path} holds a transformer without its VQGAN, and a transformer is of no use without: name "
            "the VQGAN's own file as well (--vqgan)."
        )
    first_stage = vqgan_of(checkpoint, config) if inside or vqgan is None else _model(vqgan)
    if first_stage.config.codes != released.gpt.config.codes:
        raise UserError(
            f"{vqgan} has {first_stage.config.codes} codes, the transformer in {checkpoint.path} knows "
            f"{released.gpt.config.codes}: name its own VQGAN."
        )
    heard = bool(checkpoint.part(SOUND_STAGE))
    sound_stage = vqgan_of(checkpoint, sound, SOUND_STAGE) if heard and sound is not None else None
    index = TokenIndex(
        codes=released.gpt.config.codes,
        latent_shape=released.gpt.config.latent_shape,
        vqgan=weights_fingerprint(first_stage),
        latent_stride=released.facts.latent_stride,
        lead=_lead(released, sound_stage),
    )
    lines = [_write_vqgan(first_stage, folder / "vqgan"), _write_gpt(released, index, folder / "transformer")]
    if sound_stage is not None:
        lines.append(_write_vqgan(sound_stage, folder / "sound_vqgan"))
    elif heard:
        lines.append(
            f"sound_vqgan: left out, because {checkpoint.path.name} does not say how it downsamples; name its own "
            "file as well (--sound-vqgan)"
        )
    return lines


def _lead(released: ReleasedTransformer, sound_stage: VQGAN | None) -> Lead | None:
    """What a released transformer is led by beside its class; the source of a sound that was left out is not known."""
    config, kind = released.gpt.config, released.facts.condition
    length = {"codes": config.condition_codes, "length": config.condition_length}
    if kind == "text":
        return Lead(kind=kind, source=ByText().source, padding="released", **length)
    if kind == "sound":
        return Lead(kind=kind, source=weights_fingerprint(sound_stage) if sound_stage is not None else "", **length)
    return None


def _write_own_vqgan(checkpoint: LightningCheckpoint, folder: Path) -> str:
    """Write what a VQGAN's file holds: one of pictures with a single channel is one of sound."""
    vqgan = vqgan_of(checkpoint)
    if vqgan.config.channels > 1:
        return _write_vqgan(vqgan, folder / "vqgan")
    return _write_vqgan(vqgan_of(checkpoint, _of_sound(vqgan.config, checkpoint.path)), folder / "sound_vqgan")


def _write_vqgan(vqgan: VQGAN, folder: Path) -> str:
    save_model(folder, vqgan, vqgan.config)
    config = vqgan.config
    height = config.bands if isinstance(config, SoundVQGANConfig) else config.resolution
    t, h, w = config.latent_shape
    return (
        f"{folder.name}: VQGAN, {_millions(vqgan)}; {config.frames} frames of {height}x{config.resolution} become "
        f"{t}x{h}x{w} tokens out of {config.codes}"
    )


def _write_gpt(released: ReleasedTransformer, index: TokenIndex, folder: Path) -> str:
    gpt, facts = released
    save_model(folder, gpt, gpt.config)
    write_text(folder / "data.json", index.to_json())
    write_text(folder / FACTS, facts.to_json())
    t, h, w = gpt.config.latent_shape
    what = {"none": "unconditional", "class": f"of {gpt.config.condition_codes} classes"}
    return (
        f"{folder.name}: transformer, {_millions(gpt)}, {what.get(facts.condition, f'led by {facts.condition}')}; "
        f"windows of {t}x{h}x{w} tokens"
        + (f", one latent frame in {facts.latent_stride}" if facts.latent_stride > 1 else "")
        + (f", fills in between {facts.anchor_tokens} tokens at either end" if facts.anchor_tokens else "")
    )


def check_sliding(folder: Path) -> None:
    """Refuse a released transformer that cannot make a video on its own with a sliding window.

    Raises:
        UserError: if the facts beside it say that it fills in or skips latent frames.
    """
    if not (folder / FACTS).is_file():
        return
    facts = ReleasedFacts.from_json((folder / FACTS).read_text(), source=folder / FACTS)
    if facts.anchor_tokens:
        what = "fills in the latent frames between two that are given"
    elif facts.latent_stride > 1:
        what = f"makes only one latent frame in {facts.latent_stride} of a video"
    else:
        return
    raise UserError(f"{folder} cannot make a video by itself: it {what}.")


def _settings(source: Path, kind: type[VQGANConfig] = VQGANConfig) -> VQGANConfig:
    """The settings of a VQGAN in its own released file, or in a folder of this package, where they are of a kind."""
    if source.is_dir():
        return read_config(source, kind)
    checkpoint = read_lightning(source)
    if is_transformer(checkpoint):
        raise UserError(
            f"{source} is a transformer's file, which does not tell its VQGAN's settings: name the VQGAN's."
        )
    return config_of(checkpoint.args, checkpoint.state, source)


def _of_sound(config: VQGANConfig, source: Path) -> SoundVQGANConfig:
    """The same settings for pictures of sound. Released ones name the size of a video, which is not that of those."""
    bands, moments = SPECTROGRAM
    try:
        return SoundVQGANConfig(**{**config.model_dump(), "bands": bands, "resolution": moments})
    except ValidationError as error:
        raise UserError(f"{source} has settings that make no VQ-VAE of sound: {explain(error)}.") from error


def _model(source: Path) -> VQGAN:
    """A VQGAN out of its own released file, or out of a folder of this package."""
    if source.is_dir():
        vqgan = VQGAN(read_config(source, VQGANConfig))
        load_model(source, vqgan)
        return vqgan
    return load_released_vqgan(source)


def _provenance(checkpoint: LightningCheckpoint) -> dict[str, Any]:
    """Where the models came from, as plain JSON."""
    path = checkpoint.path
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        "sha256": sha256(path),
        "pytorch_lightning": checkpoint.version,
        "global_step": checkpoint.global_step,
        "epoch": checkpoint.epoch,
        "hyper_parameters": plain(checkpoint.hyper_parameters),
    }


def _millions(model: nn.Module) -> str:
    return f"{sum(parameter.numel() for parameter in model.parameters()) / 1e6:.3g} M parameters"

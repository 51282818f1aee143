"""`tats train sound`."""

from functools import partial
from pathlib import Path
from typing import Literal

from tatslib.commands.tree import train
from tatslib.datasets.audioset_drum import audioset_drum
from tatslib.distributed import first_on_each_machine, is_main, process_group
from tatslib.training.device import default_device
from tatslib.training.presets import Scale
from tatslib.training.train_sound import SOUND_PRESETS, evaluate_sound, train_sound
from tatslib.training.train_vqgan import warmup_of

SPLITS: tuple[Literal["train", "test"], ...] = ("train", "test")
UNSEEN = 8  # pixels of pictures that nobody looks at


@train.command(name="sound")
def train_sound_command(
    data: Path,
    out: Path,
    scale: Scale = "toy",
    steps: int | None = None,
    batch: int | None = None,
    sound: Literal["pickle", "track"] = "pickle",
    seed: int = 0,
) -> None:
    """Train the VQ-VAE that turns sound into tokens, on a folder of drum videos; run it again to go on after a stop.

    On several GPUs or machines: `torchrun --nproc-per-node gpu -m tatslib.cli train sound ...`.

    Args:
        data: the data set's folder, real or toy.
        out: folder of the run.
        scale: row of the table of presets.
        steps: other than the preset's; so is the next.
        batch: clips a step, over all processes.
        sound: pickle takes the spectrograms that came with the videos, track makes them from their sound.
        seed: of weights, clips and codes.
    """
    preset = SOUND_PRESETS[scale]
    config, settings = preset.vqgan, preset.training
    wanted = {name: value for name, value in {"steps": steps, "batch": batch}.items() if value is not None}
    training = settings.replace(seed=seed, warmup_without_codes=0, **wanted)
    training = training.replace(warmup_without_codes=warmup_of(out, settings, training.steps))
    with process_group():
        with first_on_each_machine():  # which decodes the videos for the others
            length = config.frames + sum(config.forward_margins)
            clips = partial(audioset_drum, data, length=length, resolution=UNSEEN, sound=sound)
            heard, held_out = (clips(split) for split in SPLITS)
        vqgan = train_sound(config, training, heard, out, device=default_device())
        if is_main():
            scores = evaluate_sound(vqgan, held_out)
            psnr, used = f"PSNR {scores['psnr']:.2f} dB", f"{scores['used_codes']:.0%} of the codes used"
            print(f"{out}: {psnr}, {used}, on held-out sound")

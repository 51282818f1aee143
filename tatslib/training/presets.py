"""The table of presets: one row a scale, each paper value with its section. The only reader of `TATS_SCALE`.

toy     two CPU cores, minutes: the settings that were seen to train there
paper   section B.2 of the paper: 8 GPUs, days
"""

import os
from typing import Literal, get_args

from tatslib.config import Config
from tatslib.errors import UserError, did_you_mean
from tatslib.training.train_transformer import TransformerTraining
from tatslib.training.train_vqgan import VQGANTraining
from tatslib.vqgan.vqgan import VQGANConfig

Scale = Literal["toy", "paper"]


class TransformerSize(Config):
    """The part of a transformer's shape that does not follow from its tokens."""

    layers: int
    heads: int
    width: int


class Preset(Config):
    """All that differs between two scales."""

    vqgan: VQGANConfig
    vqgan_training: VQGANTraining
    transformer: TransformerSize
    transformer_training: TransformerTraining
    train_clips: int  # clips that are tokenised to train the transformer
    test_clips: int


PRESETS: dict[Scale, Preset] = {
    "toy": Preset(
        vqgan=VQGANConfig(
            resolution=24,
            frames=16,
            downsample=(4, 4, 4),
            unshuffle=2,
            hidden=16,
            decoder_blocks=1,
            codes=512,
            code_width=32,
            codebook_decay=0.97,
            restart_below_mean=0.1,
        ),
        vqgan_training=VQGANTraining(
            steps=700,
            batch=8,
            learning_rate=1e-3,
            decay_tail=0.5,
            l2_weight=2.0,
            warmup_without_codes=80,
            precision="auto",
        ),
        transformer=TransformerSize(layers=4, heads=4, width=128),
        transformer_training=TransformerTraining(steps=1500, batch=16, learning_rate=2e-3, precision="auto"),
        train_clips=8192,
        test_clips=256,
    ),
    "paper": Preset(
        vqgan=VQGANConfig(),  # 16 frames of 128x128, compression 4x8x8, K = 16384, c = 256 (3.1, B.2)
        vqgan_training=VQGANTraining(
            steps=30_000,
            batch=96,  # 8 GPUs x 2 clips x 6 accumulated batches (B.2)
            learning_rate=3e-5,  # as printed in B.2; the released script trains at 9e-5
            betas=(0.5, 0.9),
            decay_tail=0.0,
            l1_weight=4.0,  # lambda_rec (B.2)
            log_every=50,
            save_every=1000,
            precision="auto",
        ),
        transformer=TransformerSize(layers=24, heads=16, width=1024),
        transformer_training=TransformerTraining(
            steps=500_000,
            batch=24,  # 8 GPUs x 3 (B.2)
            learning_rate=1.08e-4,  # 4.5e-6 times the total batch (B.2)
            warmup=0,
            cosine_decay=False,
            clip=None,  # as released; A.1 clips the VQGAN only
            log_every=50,
            save_every=5000,
            precision="auto",
        ),
        train_clips=1_000_000,
        test_clips=2048,
    ),
}


def current_scale() -> Scale:
    """The scale that this process works at, from `TATS_SCALE` (default: toy).

    Raises:
        UserError: if the variable holds something else.
    """
    value = os.environ.get("TATS_SCALE", "toy")
    for known in get_args(Scale):
        if value == known:
            return known
    known = get_args(Scale)
    raise UserError(f"TATS_SCALE is {value!r}; it can be {' or '.join(known)}{did_you_mean(value, known)}.")

"""The table of presets: one row a scale, each paper value with its section. The only reader of `TATS_SCALE`.

toy     two CPU cores, minutes: the settings that were seen to train there
gpu     one data-centre GPU, minutes: 64x64 pixels, a trembling camera, textured backgrounds
paper   section B.2 of the paper: 8 GPUs, days
"""

import os
from typing import Literal, get_args

from tatslib.config import Config
from tatslib.errors import UserError, did_you_mean
from tatslib.training.train_classifier import ClassifierTraining
from tatslib.training.train_transformer import TransformerTraining
from tatslib.training.train_vqgan import VQGANTraining
from tatslib.vqgan.vqgan import VQGANConfig

Scale = Literal["toy", "gpu", "paper"]


class TransformerSize(Config):
    """The part of a transformer's shape that does not follow from its tokens."""

    layers: int
    heads: int
    width: int


class WorldSettings(Config):
    """How the worlds are drawn and how much of them is written."""

    size: int = 64  # height of the stored videos in pixels
    groups: int = 25  # of each class of the actions world
    skies: int = 48  # long videos of the sky world to train on
    jitter: float = 0.0  # how far the camera trembles, as a share of the height
    texture: float = 0.0  # strength of a pattern behind the actions


class Preset(Config):
    """All that differs between two scales."""

    worlds: WorldSettings = WorldSettings()
    vqgan: VQGANConfig
    vqgan_training: VQGANTraining
    adversarial: VQGANTraining | None = None  # goes on from there with the adversaries; None: one run does both
    transformer: TransformerSize
    transformer_training: TransformerTraining
    train_clips: int  # clips that are tokenised to train the transformer
    test_clips: int
    study_steps: int  # training steps of each encoder of the padding study (chapter 4)
    classifier: ClassifierTraining = ClassifierTraining()


PAPER_VQGAN_TRAINING = VQGANTraining(
    steps=30_000,
    batch=96,  # 8 GPUs x 2 clips x 6 accumulated batches (B.2)
    accumulate=6,
    learning_rate=3e-5,  # as printed in B.2; the released script trains at 9e-5
    betas=(0.5, 0.9),
    decay_tail=0.0,
    l1_weight=4.0,  # lambda_rec (B.2)
    perceptual_weight=4.0,  # lambda_match (B.2), for VGG
    gan_start=10_000,  # "after the reconstruction loss generally converges" (B.2)
    matching_weight=4.0,  # lambda_match (B.2), for the discriminators
    image_gan_weight=1.0,  # lambda_disc (B.2)
    video_gan_weight=1.0,
    log_every=50,
    save_every=1000,
    precision="auto",
)

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
        adversarial=VQGANTraining(
            steps=240,
            batch=8,
            learning_rate=3e-4,
            betas=(0.5, 0.9),
            decay_tail=0.5,
            l1_weight=4.0,
            gan_start=0,
            discriminator_width=16,
            precision="auto",
        ),
        transformer=TransformerSize(layers=4, heads=4, width=128),
        transformer_training=TransformerTraining(steps=1500, batch=16, learning_rate=2e-3, precision="auto"),
        train_clips=8192,
        test_clips=256,
        study_steps=240,
    ),
    "gpu": Preset(
        worlds=WorldSettings(size=128, groups=75, skies=144, jitter=0.02, texture=0.3),
        vqgan=VQGANConfig(
            resolution=64,
            frames=16,
            downsample=(4, 8, 8),
            hidden=32,
            codes=1024,
            code_width=64,
            codebook_decay=0.97,
            restart_below_mean=0.1,
        ),
        vqgan_training=VQGANTraining(
            steps=4000,
            batch=32,
            learning_rate=5e-4,
            decay_tail=0.5,
            l2_weight=2.0,
            warmup_without_codes=300,
            log_every=10,
            precision="auto",
        ),
        adversarial=VQGANTraining(
            steps=4000,
            batch=32,
            learning_rate=1e-4,
            betas=(0.5, 0.9),
            decay_tail=0.5,
            l1_weight=4.0,
            gan_start=0,
            log_every=10,
            precision="auto",
        ),
        transformer=TransformerSize(layers=8, heads=8, width=512),
        transformer_training=TransformerTraining(
            steps=10_000, batch=64, learning_rate=6e-4, warmup=200, log_every=10, save_every=1000, precision="auto"
        ),
        train_clips=65_536,
        test_clips=1024,
        study_steps=1500,
        classifier=ClassifierTraining(steps=1000, batch=64),
    ),
    "paper": Preset(
        vqgan=VQGANConfig(),  # 16 frames of 128x128, compression 4x8x8, K = 16384, c = 256 (3.1, B.2)
        vqgan_training=PAPER_VQGAN_TRAINING,
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
        study_steps=30_000,
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

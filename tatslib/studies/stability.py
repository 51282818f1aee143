"""How trainings with adversaries go well and go wrong (paper A.1, Fig. 10, 11), and the curves of those that go well.

Every arm goes on from a first stage that was trained without adversaries, and differs from "ours" in one thing.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tatslib import recipes
from tatslib.datasets.clips import ClipDataset
from tatslib.errors import UserError
from tatslib.home import home
from tatslib.metrics.blobs import blob_ratios
from tatslib.recipes.kinds import Log, Split, clips_for, read_log
from tatslib.studies.results import Numbers, Results, Study
from tatslib.training.checkpoint import weights_fingerprint
from tatslib.training.device import default_device
from tatslib.training.loop import NotFinite
from tatslib.training.presets import PRESETS, Preset, current_scale
from tatslib.training.train_vqgan import VQGANTraining, evaluate_vqgan, train_vqgan
from tatslib.videos import to_model
from tatslib.vqgan.axial import AxialConfig, AxialVQGAN, axial_twin
from tatslib.vqgan.losses import DISCRIMINATOR_LOSSES
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig

WINDOWS = 24  # into which the steps of a run are divided, each stored as a mean
BLOB_CLIPS = 64
SATURATED = 0.1  # a discriminator whose loss is below this share of chance has nothing left to learn, or to teach
CURVES = {  # names here to names in a log
    "l1": "l1",
    "perplexity": "perplexity",
    "image_discriminator": "image_discriminator",
    "video_discriminator": "video_discriminator",
    "image_gan": "image_gan",
    "video_gan": "video_gan",
    "image_matching": "image_matching",
    "video_matching": "video_matching",
    "generator_gradient": "gradient/generator",
    "discriminator_gradient": "gradient/discriminator",
}
RECIPES = {"ours": "actions/vqgan-replicate", "early": "actions/study-replicate"}  # first stages that others use too
OURS = "actions/vqgan-gan"


@dataclass(frozen=True)
class Arm:
    """The first stage that a training goes on from, and what differs from the preset's adversarial training."""

    first_stage: str
    rate: float = 1.0  # times the preset's learning rate
    changes: dict[str, Any] = field(default_factory=dict)

    def training(self, preset: Preset, seed: int) -> VQGANTraining:
        """The settings of this arm at a scale.

        Raises:
            UserError: if the scale has no adversarial training that goes on from a finished first stage.
        """
        if preset.adversarial is None:
            raise UserError("the stability study runs at toy and gpu scale: set TATS_SCALE to one of these.")
        rate = self.rate * preset.adversarial.learning_rate
        return preset.adversarial.replace(seed=seed, learning_rate=rate, **self.changes)


ARMS = {
    "ours": Arm("ours"),
    "no-adversaries": Arm("ours", changes={"gan_start": None}),
    "early": Arm("early"),
    "axial": Arm("axial"),
    "axial-no-adversaries": Arm("axial", changes={"gan_start": None}),
    "axial-no-matching": Arm("axial", changes={"matching_weight": 0.0}),
    "group-norm": Arm("group-norm"),
    "no-clipping": Arm("ours", changes={"clip": None}),
    "no-matching": Arm("ours", changes={"matching_weight": 0.0}),
    "rate-x3": Arm("ours", rate=3.0),
    "rate-x18": Arm("ours", rate=18.0),
    "second-pass": Arm("ours", changes={"second_pass": True}),
}

PROTOCOL = f"""First stages are trained without adversaries on the actions world, with the same data, steps and seed:
    ours (convolutions, widths that double, batch norm), an axial-attention autoencoder in VideoGPT's style (same grid,
    edges and codes, as many weights, batch norm) and ours with group norm. early: ours after the fewer steps of the
    padding study, whose PSNR is near that of the axial one. Each goes on with the preset's adversarial training (Adam
    begins anew; hinge losses, image and video discriminator from the first step, feature matching 4, reconstruction 4,
    gradients clipped at 1, no perceptual term). The arms change one thing: no adversaries at all, no clipping, no
    feature matching, three times the learning rate (what the released script makes of the printed one, 3e-5 to 9e-5)
    or eighteen times (5.4e-4), and the released code's second pass a batch (second-pass). Curves: means over {WINDOWS}
    equal windows of the steps, in training mode; null where a run had stopped or has no such term. l1_before: mean
    over the last tenth of the first stage's steps; l1: over the last tenth of the adversarial steps; l1_ratio: their
    quotient. image, video: loss of that discriminator over the last tenth, relative to its loss when all logits are 0
    (1: chance); image_saturated, video_saturated: share of steps with less than {SATURATED} of chance.
    largest_gradient: norm of the autoencoder's gradient before clipping. finished: share of the steps that were made;
    a loss or gradient that is not finite ends a run, which is then measured as it stands. psnr, used_codes: on 128
    held-out clips, before and after. maps, picture: blob ratios on {BLOB_CLIPS} held-out clips. maps: for each map of
    the decoder the length of the largest feature vector over the median one, mean over clips, and spread, the standard
    deviation over clips; picture: mean absolute error of the worst patch of one token's size over the clip's. Seen
    before this was fixed, on seed 0 at toy scale: all arms but early, second-pass, group-norm and the two axial
    controls; and trainings of ours (also with group norm, without clipping, without matching, at 1.8e-2) and of the
    axial one from random weights, at 1e-3 where not said, that met the adversaries after 200 of 400 steps, when l1 was
    near 0.11 (a finished first stage: 0.045; at 1.8e-2 all had fallen apart before). There the image discriminator
    left chance within 200 steps in ours (to 0.05) and less in the axial one (0.53), so a first stage that has not
    converged hides what the architectures do: hence finished first stages, and the arm early."""


class Run(NamedTuple):
    """A training, whether it got to its end or not."""

    model: VQGAN
    log: Log
    finished: float  # share of the steps


def config_of(kind: str, preset: Preset) -> VQGANConfig:
    """The architecture of a kind of first stage; its edges are those of the preset's time-agnostic tokenizer."""
    ours = preset.vqgan.replace(padding="replicate")
    if kind == "axial":
        return axial_twin(ours)
    if kind == "printed-commitment":
        return ours.replace(commitment_weight=ours.commitment_weight * latents_a_pixel(ours))
    return ours.replace(norm="group") if kind == "group-norm" else ours


def latents_a_pixel(config: VQGANConfig) -> float:
    """Numbers in the latents of a clip over numbers in its pixels, 1/3 at the paper's size.

    The printed norms are sums; so many times less than with means the commitment counts then beside L1 (Section 2.1).
    """
    frames, rows, columns = config.downsample
    return config.code_width / (config.channels * frames * rows * columns)


def clips(config: VQGANConfig, split: Split) -> ClipDataset:
    """Clips of the actions world."""
    return clips_for(config, recipes.get("actions/videos"), split)


def first_stage(kind: str, seed: int) -> Run:
    """A training without adversaries: a recipe, or where no recipe has this architecture, a run in the home.

    None at all for "random": weights as they are initialised.
    """
    if kind in RECIPES:
        trained = recipes.get(RECIPES[kind], seed)
        return Run(trained.model, trained.log, 1.0)
    preset = PRESETS[current_scale()]
    config = config_of(kind, preset)
    if kind == "random":
        return Run(VQGAN(config, seed), [], 0.0)
    model = AxialVQGAN(config, seed) if isinstance(config, AxialConfig) else VQGAN(config, seed)
    training = preset.vqgan_training.replace(seed=seed)
    if kind == "float32":
        training = training.replace(precision="float32")
    return train(f"first-{kind}", config, training, model)


def train(name: str, config: VQGANConfig, training: VQGANTraining, start: VQGAN) -> Run:
    """Train on from the weights of `start`, which is changed; what was done before is not done again."""
    settings = f"{config.fingerprint[:6]}{training.fingerprint[:6]}{weights_fingerprint(start)[:6]}"
    folder = home() / "results" / "runs" / f"stability-{name}-{current_scale()}-{training.seed}-{settings}"
    try:
        train_vqgan(config, training, clips(config, "train"), folder, default_device(), name, start)
    except NotFinite as error:  # a result like any other: the weights are those before the update that was refused
        print(f"{name}, seed {training.seed}: {error}")
    log = read_log(folder)
    return Run(start, log, (log[-1]["step"] if log else 0) / training.steps)


def run_arm(arm: Arm, name: str, seed: int) -> Run:
    """The adversarial training of one arm; that of ours is a recipe, the one that the chapter looks at."""
    if arm == ARMS["ours"]:
        trained = recipes.get(OURS, seed)
        return Run(trained.model, trained.log, 1.0)
    start = first_stage(arm.first_stage, seed).model
    return train(name, start.config, arm.training(PRESETS[current_scale()], seed), start)


def run(seed: int, arms: Mapping[str, Arm] = ARMS) -> Numbers:
    """All arms."""
    preset, before = PRESETS[current_scale()], {}
    numbers: Numbers = {}
    for name, arm in arms.items():
        if arm.first_stage not in before:
            stage = first_stage(arm.first_stage, seed)
            before[arm.first_stage] = held_out(stage.model) | {"l1": last_tenth(stage.log, "l1")}
        numbers[name] = measure(run_arm(arm, name, seed), arm.training(preset, seed), before[arm.first_stage])
    return finite(numbers)


def measure(trained: Run, training: VQGANTraining, before: Numbers) -> Numbers:
    """The numbers of the protocol for one arm, given those of its first stage."""
    log = trained.log
    l1, chance = last_tenth(log, "l1"), chance_level(training)
    numbers: Numbers = {
        "finished": trained.finished,
        "l1_before": before["l1"],
        "l1": l1,
        "l1_ratio": l1 / before["l1"],
        "largest_gradient": max((entry.get("gradient/generator", 0.0) for entry in log), default=math.nan),
    }
    for name in ("image", "video"):
        key = f"{name}_discriminator"
        losses = [entry[key] / chance for entry in log if key in entry]
        numbers[name] = last_tenth(log, key) / chance
        numbers[f"{name}_saturated"] = fmean(loss < SATURATED for loss in losses) if losses else math.nan
    after = held_out(trained.model)
    numbers |= {f"{name}_before": before[name] for name in after} | after
    numbers["psnr_change"] = after["psnr"] - before["psnr"]
    edges = window_ends(training.steps)
    numbers["curves"] = {"step": edges, **{name: thin(log, key, edges) for name, key in CURVES.items()}}
    return numbers


def held_out(model: VQGAN) -> Numbers:
    """What a model does to clips that it was not trained on: PSNR, codes in use, blobs."""
    test = clips(model.config, "test")
    scores = evaluate_vqgan(model.to(default_device()), test)
    maps, pictures = blob_ratios(model.eval(), to_model(test.clips(0, BLOB_CLIPS, seed=7)[0]))
    return {
        "psnr": scores["psnr"],
        "used_codes": scores["used_codes"],
        "maps": maps.mean(1).tolist(),
        "spread": maps.std(1).tolist(),
        "picture": float(pictures.mean()),
    }


def chance_level(training: VQGANTraining) -> float:
    """The loss of a discriminator that has no opinion: all logits 0."""
    zeros: Tensor = torch.zeros(1)
    return float(DISCRIMINATOR_LOSSES[training.gan_loss](zeros, zeros))


def last_tenth(log: Log, key: str) -> float:
    """Mean over the last tenth of a log, nan where it never had this number."""
    values = [entry[key] for entry in log[-max(1, len(log) // 10) :] if key in entry]
    return fmean(values) if values else math.nan


def window_ends(steps: int, windows: int = WINDOWS) -> list[int]:
    """The last step of each of so many equal windows."""
    return [round(steps * (window + 1) / windows) for window in range(windows)]


def thin(log: Log, key: str, ends: Sequence[int]) -> list[float | None]:
    """Means of a logged number over the windows that end at `ends`; None where a window has none."""
    means: list[float | None] = []
    for first, last in zip((0, *ends), ends, strict=False):
        values = [entry[key] for entry in log if first < entry["step"] <= last and key in entry]
        means.append(fmean(values) if values else None)
    return means


def finite(numbers: Any) -> Any:
    """The same with None in the place of what is infinite or no number, for which JSON has no word."""
    if isinstance(numbers, dict):
        return {name: finite(value) for name, value in numbers.items()}
    if isinstance(numbers, list):
        return [finite(value) for value in numbers]
    return None if isinstance(numbers, float) and not math.isfinite(numbers) else numbers


# What to hold a run against ------------------------------------------------------------------------------------------


class Band(NamedTuple):
    """A curve over the stored seeds, window by window; nan where not every seed has it."""

    step: list[int]  # last of each window
    low: list[float]
    mean: list[float]
    high: list[float]


def expected(stored: Results, curve: str, arm: str = "ours") -> Band:
    """Mean and range over seeds of a curve of `CURVES`.

    Raises:
        UserError: if there is no such arm or curve.
    """
    windows = list(zip(*stored.values(f"{arm}/curves/{curve}"), strict=True))
    low, mean, high = ([math.nan if None in w else f(w) for w in windows] for f in (min, fmean, max))
    return Band(stored.values(f"{arm}/curves/step")[0], low, mean, high)


def strays(log: Log, curve: str, band: Band) -> list[int]:
    """Ends of the windows in which a log runs outside a band, or has nothing where the band has something.

    As in `Results.check`, there is room of the band's own width, a tenth of its value and a little on either side.
    """
    outside = []
    for end, low, high, live in zip(band.step, band.low, band.high, thin(log, CURVES[curve], band.step), strict=True):
        room = high - low + 0.1 * max(abs(low), abs(high)) + 0.005
        if not math.isnan(low) and (live is None or not low - room <= live <= high + room):
            outside.append(end)
    return outside


def hold_against(log: Log, stored: Results, curve: str, arm: str = "ours") -> str:
    """A line that says whether a live run goes as the stored ones went, and if not, from when on."""
    band = expected(stored, curve, arm)
    outside = strays(log, curve, band)
    windows = sum(not math.isnan(mean) for mean in band.mean)
    inside = f"inside in {windows - len(outside)} of {windows} windows"
    return f"{curve:24s}{inside}" + (f", first outside at step {outside[0]}" if outside else "")


def studies() -> Iterator[Study]:
    """What `make results` runs from here."""
    yield Study("stability", PROTOCOL, run)

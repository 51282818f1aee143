"""The stability study at the size of a test: what is measured, what stops, and what a live run is held against."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tatslib.errors import UserError
from tatslib.randomness import torch_generator
from tatslib.studies import stability
from tatslib.studies.results import Results, leaves, rounded
from tatslib.studies.stability_controls import CONTROLS, OTHERS, STARTS, UNREADY
from tatslib.studies.stability_judges import JUDGES, SCORED
from tatslib.training import loop
from tatslib.training.checkpoint import weights_fingerprint
from tatslib.training.presets import PRESETS
from tatslib.training.train_vqgan import VQGANTraining
from tatslib.vqgan.axial import AxialConfig
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig

TINY = VQGANConfig(
    frames=4, resolution=8, downsample=(2, 4, 4), hidden=16, encoder_blocks=0, decoder_blocks=1, codes=8, code_width=4
)
ADVERSARIAL = VQGANTraining(
    steps=4,
    batch=4,
    learning_rate=1e-3,
    betas=(0.5, 0.9),
    l1_weight=4.0,
    gan_start=0,
    discriminator_width=4,
    discriminator_layers=2,
)
FIRST = VQGANTraining(steps=3, batch=4, warmup_without_codes=1)


class Stripes:
    """Drifting stripes in the place of a world's videos, and of the clips of its splits."""

    def dataset(self, split: str, length: int, resolution: int) -> "Stripes":
        return self

    def clips(self, step: int, count: int, seed: int = 0, **share: int) -> tuple[torch.Tensor, None]:
        phases = torch.rand(count, 1, 1, 1, 1, generator=torch_generator(seed, "stripes", step)) * 7
        t, y = torch.arange(4).view(-1, 1, 1, 1), torch.arange(8).view(-1, 1, 1)
        stripes = (torch.sin(phases + t / 2 + y) * 127 + 128).to(torch.uint8)
        return stripes.expand(count, 4, 8, 8, 3), None


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def get(name: str, seed: int = 0) -> object:
        if name == "actions/videos":
            return Stripes()
        log = [{"step": step, "l1": 0.2, "gradient/generator": 1.0} for step in (1, 2, 3, 4)]
        return SimpleNamespace(model=VQGAN(TINY, seed).eval(), log=log)

    preset = PRESETS["toy"].replace(vqgan=TINY, vqgan_training=FIRST, adversarial=ADVERSARIAL)
    monkeypatch.setitem(stability.PRESETS, "toy", preset)
    monkeypatch.setattr(stability.recipes, "get", get)
    some = ("ours", "no-adversaries", "axial")
    monkeypatch.setattr(stability, "ARMS", {name: stability.ARMS[name] for name in some})
    monkeypatch.setattr(stability, "BLOB_CLIPS", 4)
    monkeypatch.setattr(stability, "evaluate_vqgan", lambda model, data: {"psnr": 20.0, "used_codes": 1.0})
    monkeypatch.setenv("TATS_HOME", str(tmp_path))


def test_each_arm_says_what_differs_from_ours() -> None:
    preset = PRESETS["toy"]
    ours = stability.ARMS["ours"].training(preset, seed=1).model_dump()
    differ = {
        name: {key: value for key, value in arm.training(preset, seed=1).model_dump().items() if value != ours[key]}
        for name, arm in stability.ARMS.items()
    }
    assert differ["no-clipping"] == {"clip": None} and differ["no-matching"] == {"matching_weight": 0.0}
    assert differ["rate-x18"] == {"learning_rate": pytest.approx(18 * ours["learning_rate"])}
    assert differ["axial"] == differ["group-norm"] == differ["early"] == {}
    assert isinstance(stability.config_of("axial", preset), AxialConfig)
    assert stability.config_of("group-norm", preset) == preset.vqgan.replace(norm="group", padding="replicate")
    with pytest.raises(UserError, match="toy and gpu scale"):
        stability.ARMS["ours"].training(PRESETS["paper"], seed=0)


def test_arms_give_the_same_numbers_for_every_seed_and_all_of_them_fit_into_json(tiny: None) -> None:
    seeds = [stability.run(seed) for seed in (0, 1)]
    assert len({tuple(leaves(rounded(numbers))) for numbers in seeds}) == 2  # other values
    names = [tuple(name for name, _ in leaves(numbers)) for numbers in seeds]
    assert names[0] == names[1] and len(names[0]) > 70
    json.dumps(seeds, allow_nan=False)
    axial = seeds[0]["axial"]
    assert axial["finished"] == 1 and 0.5 < axial["video"] < 1.5 and axial["image_saturated"] == 0
    assert axial["largest_gradient"] > 0 and axial["l1_ratio"] == pytest.approx(axial["l1"] / axial["l1_before"])
    assert len(axial["maps"]) == len(axial["spread"]) == len(axial["maps_before"])
    curves = axial["curves"]
    assert len(curves["step"]) == stability.WINDOWS and curves["step"][-1] == 4
    assert sum(value is not None for value in curves["video_discriminator"]) == 4
    assert seeds[0]["no-adversaries"]["image"] is None and seeds[0]["no-adversaries"]["l1"] > 0


def test_what_was_trained_is_not_trained_again(tiny: None, monkeypatch: pytest.MonkeyPatch) -> None:
    once = stability.run_arm(stability.ARMS["axial"], "axial", 0)
    monkeypatch.setattr(loop, "update", lambda *args: pytest.fail("a step was made"))
    again = stability.run_arm(stability.ARMS["axial"], "axial", 0)
    assert (again.log, again.finished) == (once.log, 1) and len(again.log) == 4
    assert weights_fingerprint(again.model) == weights_fingerprint(once.model)


def test_a_run_that_breaks_is_a_result(tiny: None) -> None:
    arm = stability.Arm("ours", rate=1e30)
    trained = stability.run_arm(arm, "broken", 0)
    assert 0 < trained.finished < 1
    numbers = stability.finite(stability.measure(trained, arm.training(stability.PRESETS["toy"], 0), before(0)))
    json.dumps(numbers, allow_nan=False)
    assert numbers["finished"] == trained.finished and None in numbers["curves"]["l1"]


def before(seed: int) -> dict:
    return stability.held_out(VQGAN(TINY, seed).eval()) | {"l1": 0.2}


def test_what_went_wrong_otherwise_is_no_result(tiny: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*args: object) -> None:
        raise UserError("the disk is full")

    monkeypatch.setattr(stability, "train_vqgan", no_room)
    with pytest.raises(UserError, match="disk is full"):
        stability.run(0)


def test_chance_is_what_a_discriminator_without_opinion_loses() -> None:
    assert stability.chance_level(ADVERSARIAL) == 1
    assert stability.chance_level(ADVERSARIAL.replace(gan_loss="log")) == pytest.approx(math.log(2))


LOG = [{"step": step, "l1": step / 10, **({"video_discriminator": 1.0} if step > 4 else {})} for step in range(1, 9)]


def test_a_curve_is_thinned_to_means_and_says_where_it_has_none() -> None:
    ends = stability.window_ends(10, windows=5)
    assert ends == [2, 4, 6, 8, 10]
    assert stability.thin(LOG, "l1", ends) == [*map(pytest.approx, (0.15, 0.35, 0.55, 0.75)), None]
    assert stability.thin(LOG, "video_discriminator", ends) == [None, None, 1, 1, None]
    assert stability.last_tenth(LOG, "l1") == 0.8 and math.isnan(stability.last_tenth([], "l1"))


def stored(*curves: list[float | None]) -> Results:
    numbers = {seed: {"ours": {"curves": {"step": [2, 4, 6, 8], "l1": curve}}} for seed, curve in enumerate(curves)}
    return Results("stability", "", {}, numbers)


def test_a_live_run_is_held_against_the_band_of_the_stored_ones() -> None:
    results = stored([0.1, 0.3, 0.5, None], [0.2, 0.4, 0.6, 0.7])
    band = stability.expected(results, "l1")
    assert band.step == [2, 4, 6, 8] and band.low[:3] == [0.1, 0.3, 0.5] and band.high[:3] == [0.2, 0.4, 0.6]
    assert band.mean[0] == pytest.approx(0.15) and math.isnan(band.mean[3])
    assert stability.strays(LOG, "l1", band) == []
    assert stability.hold_against(LOG, results, "l1").endswith("inside in 3 of 3 windows")
    gone = [entry | {"l1": 9.0} if entry["step"] == 4 else entry for entry in LOG[:5]]
    assert stability.strays(gone, "l1", band) == [4]
    assert stability.strays(LOG[:4], "l1", band) == [6]  # it stopped there
    assert "2 of 3 windows, first outside at step 4" in stability.hold_against(gone, results, "l1")


def test_controls_differ_from_the_study_and_are_trained_as_its_arms_are() -> None:
    preset = PRESETS["toy"]
    settings = {name: arm.training(preset, 0) for name, arm in {**stability.ARMS, **CONTROLS}.items()}
    assert not set(stability.ARMS) & set(CONTROLS)
    for name in CONTROLS:
        assert all(settings[name] != other for key, other in settings.items() if key != name)
    assert settings["no-clipping-x3"] == settings["rate-x3"].replace(clip=None)
    assert settings["no-adversaries-x18"] == settings["rate-x18"].replace(gan_start=None)


def test_late_adversaries_join_when_a_quarter_of_the_steps_are_made() -> None:
    preset = PRESETS["toy"]
    ours = stability.ARMS["ours"].training(preset, 0)
    late = {name: arm.training(preset, 0) for name, arm in STARTS.items()}
    assert late["late"] == ours.replace(gan_start=ours.steps // 4)
    assert late["late-second-pass"] == late["late"].replace(second_pass=True)


def test_the_curves_of_late_adversaries_begin_where_they_do(tiny: None) -> None:
    log = stability.run_arm(STARTS["late"], "late", 0).log
    assert ["image_discriminator" in entry for entry in log] == [False, True, True, True]


def test_first_stages_that_are_not_ready_are_measured_with_and_without_adversaries(tiny: None) -> None:
    assert {arm.first_stage for arm in UNREADY.values()} == {"early", "random"}
    numbers = stability.run(0, {name: UNREADY[name] for name in ("random", "random-no-adversaries")})
    assert numbers["random"]["l1_before"] is None and numbers["random"]["l1"] > 0
    assert numbers["random"]["image"] > 0 and numbers["random-no-adversaries"]["image"] is None
    json.dumps(numbers, allow_nan=False)


def test_the_other_arms_change_one_thing_and_float32_begins_with_its_first_stage(tiny: None, monkeypatch) -> None:
    preset = stability.PRESETS["toy"]
    ours = stability.ARMS["ours"].training(preset, 0)
    settings = {name: arm.training(preset, 0) for name, arm in OTHERS.items()}
    assert settings["axial-no-clipping"] == stability.ARMS["axial"].training(preset, 0).replace(clip=None)
    assert settings["group-norm-small-batch"] == CONTROLS["small-batch"].training(preset, 0)
    assert settings["judges-group-norm"] == ours.replace(discriminator_norm="group")
    assert settings["float32"] == ours.replace(precision="float32")
    seen = []
    monkeypatch.setattr(stability, "train", lambda name, config, training, model: seen.append((name, training)))
    stability.first_stage("float32", 0)
    stability.first_stage("axial", 0)
    assert seen == [
        ("first-float32", preset.vqgan_training.replace(precision="float32")),
        ("first-axial", preset.vqgan_training),
    ]


def test_each_arm_of_the_judges_changes_one_thing(tiny: None) -> None:
    ours = stability.ARMS["ours"].training(stability.PRESETS["toy"], 0)
    settings = {name: arm.training(stability.PRESETS["toy"], 0) for name, arm in JUDGES.items()}
    assert settings["judges-replicate"] == ours.replace(discriminator_padding="replicate")
    assert settings["matching-logits"] == ours.replace(matching_logits=True)
    assert settings["printed-commitment"] == ours
    assert sorted(SCORED) == ["judges-replicate", "no-adversaries", "ours"]


def test_the_printed_commitment_is_the_sum_over_latents_beside_the_sum_over_pixels() -> None:
    assert stability.latents_a_pixel(VQGANConfig()) == pytest.approx(1 / 3)
    printed = stability.config_of("printed-commitment", PRESETS["toy"])
    t, h, w = printed.latent_shape
    latents, pixels = t * h * w * printed.code_width, printed.frames * printed.resolution**2 * printed.channels
    assert printed.commitment_weight == pytest.approx(0.25 * latents / pixels)
    assert printed == stability.config_of("ours", PRESETS["toy"]).replace(commitment_weight=printed.commitment_weight)

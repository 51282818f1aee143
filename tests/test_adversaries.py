"""Discriminators and adversarial losses: what each computes, checked by hand, and how they enter a training run."""

import json
import math
import os
import signal
from pathlib import Path

import pytest
import torch
from torch import nn

from tatslib.errors import UserError
from tatslib.training import device as devices
from tatslib.training import loop
from tatslib.training import train_vqgan as train_vqgan_module
from tatslib.training.loop import Interrupted, NotFinite, Share
from tatslib.training.train_vqgan import VQGANTask, VQGANTraining, train_vqgan
from tatslib.vqgan.discriminators import Adversaries, DiscriminatorConfig, PatchDiscriminator, pick_frames
from tatslib.vqgan.losses import feature_matching, generator_loss, hinge, log
from tatslib.vqgan.vqgan import VQGAN
from tests.test_training import TINY, Noise

SMALL = DiscriminatorConfig(width=4, layers=2)
GAN = VQGANTraining(
    steps=8,
    batch=4,
    accumulate=2,
    gan_start=3,
    discriminator_width=2,
    discriminator_layers=2,
    save_every=1,
    perceptual_weight=0,
    decay_tail=0,
)


def run(folder: Path, **options: object) -> list[dict[str, float]]:
    train_vqgan(TINY, GAN.replace(**options), Noise(), folder)
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def without_clock(log: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in log]


def test_maps_double_in_width_and_halve_in_size_as_the_released_ones():
    maps = PatchDiscriminator(3, DiscriminatorConfig(width=4))(torch.zeros(2, 3, 16, 24, 24))
    assert [tuple(m.shape[1:3]) for m in maps] == [(4, 9), (8, 5), (16, 3), (32, 4), (1, 5)]
    shapes = [
        tuple(m.shape[2:]) for m in PatchDiscriminator(2, DiscriminatorConfig(width=4))(torch.zeros(2, 3, 24, 24))
    ]
    assert shapes == [(13, 13), (7, 7), (4, 4), (5, 5), (6, 6)]


@pytest.mark.parametrize(("norm", "width", "kind"), [("batch", 4, nn.BatchNorm2d), ("group", 16, nn.GroupNorm)])
def test_the_norm_is_a_choice_and_the_first_and_last_layer_have_none(norm, width, kind):
    layers = PatchDiscriminator(2, DiscriminatorConfig(width=width, norm=norm)).layers
    assert [isinstance(layer.norm, kind) for layer in layers] == [False, True, True, True, False]


def test_initial_weights_depend_on_the_seed_alone():
    first, again, other = (Adversaries(SMALL, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["image.layers.0.conv.weight"], other["image.layers.0.conv.weight"])


def test_each_clip_shows_its_own_frame_to_the_image_discriminator():
    video = torch.arange(2 * 3 * 4).view(2, 1, 12, 1, 1)
    assert pick_frames(video, torch.tensor([11, 0])).flatten().tolist() == [11, 12]


def test_losses_have_the_values_that_one_computes_by_hand():
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-2.0, 0.0])
    assert hinge(real, fake).item() == pytest.approx((0.25 + 0.5) / 2)
    assert hinge(torch.zeros(3), torch.zeros(3)).item() == 1
    assert log(torch.zeros(3), torch.zeros(3)).item() == pytest.approx(math.log(2))
    sigmoid = torch.sigmoid
    by_hand = -(sigmoid(real).log().mean() + (1 - sigmoid(fake)).log().mean()) / 2
    assert log(real, fake).item() == pytest.approx(by_hand.item(), rel=1e-5)
    assert generator_loss(fake).item() == 1


def test_feature_matching_leaves_out_the_logits_and_sends_no_gradient_to_the_original():
    real = [torch.ones(2, 3, requires_grad=True), torch.ones(1, requires_grad=True)]
    fake = [torch.full((2, 3), 3.0, requires_grad=True), torch.full((1,), 9.0, requires_grad=True)]
    loss = feature_matching(real, fake)
    loss.backward()
    assert loss.item() == 2 and real[0].grad is None and fake[1].grad is None
    assert torch.allclose(fake[0].grad, torch.full((2, 3), 1 / 6))


def test_the_logits_are_matched_as_a_layer_where_the_printed_sum_is_wanted():
    real, fake = [torch.ones(2, 3), torch.ones(1)], [torch.full((2, 3), 3.0), torch.full((1,), 9.0)]
    assert feature_matching(real, fake).item() == 2
    assert feature_matching(real, fake, logits=True).item() == 2 + 8


def test_the_printed_matching_reaches_the_training(tmp_path):
    left_out, counted = (run(tmp_path / str(told), gan_start=0, matching_logits=told)[0] for told in (False, True))
    for term in ("image_matching", "video_matching"):
        assert counted[term] > left_out[term] > 0


def test_with_zeros_a_judge_knows_the_place_of_a_still_grey_patch_and_with_copies_it_does_not():
    still = torch.full((1, 3, 16, 24, 24), 0.3)
    for padding, alike in (("zeros", False), ("replicate", True)):
        judge = PatchDiscriminator(3, DiscriminatorConfig(width=4, padding=padding)).eval()
        logits = judge(still)[-1]
        assert torch.allclose(logits, logits.mean().expand_as(logits), atol=1e-6) == alike


def test_the_adversaries_join_at_their_step_and_not_before(tmp_path):
    entries = run(tmp_path)
    assert ["image_gan" in entry for entry in entries] == [False] * 3 + [True] * 5
    assert entries[3]["image_discriminator"] == pytest.approx(1, abs=0.3)  # chance, for the hinge loss
    assert all("gradient/discriminator" in entry for entry in entries[3:])


def test_the_autoencoders_turn_leaves_no_gradient_in_the_discriminators_and_the_other_way_round():
    task = VQGANTask(TINY, GAN.replace(accumulate=1, gan_start=0), Noise(), torch.device("cpu"))
    calls = task.losses(0, Share(), {})
    sum(next(calls)[1].values()).backward()
    assert all(p.grad is None for p in task.adversaries.parameters())
    assert all(p.grad is not None for p in task.vqgan.parameters())
    task.vqgan.zero_grad(set_to_none=True)
    sum(next(calls)[1].values()).backward()
    assert all(p.grad is not None for p in task.adversaries.parameters())
    assert all(p.grad is None for p in task.vqgan.parameters())


def test_statistics_move_once_a_batch_and_twice_as_released(tmp_path):
    counts = {}
    for twice in (False, True):
        task = VQGANTask(TINY, GAN.replace(accumulate=1, gan_start=0, second_pass=twice), Noise(), torch.device("cpu"))
        list(task.losses(4, Share(), {}))
        counts[twice] = int(task.vqgan.encoder.norm.num_batches_tracked)
    assert counts == {False: 1, True: 2}


def test_what_a_step_sees_does_not_depend_on_how_its_batch_is_shared_out():
    task = VQGANTask(TINY, GAN, Noise(), torch.device("cpu"))
    whole, frames = task.video(5, Share()), task.random_frames(4, 4, 5, Share(), "generator")
    for of in (2, 4):
        parts = [task.video(5, Share(index, of)) for index in range(of)]
        assert torch.equal(torch.stack(parts, 1).flatten(0, 1), whole)
        drawn = [task.random_frames(4 // of, 4, 5, Share(index, of), "generator") for index in range(of)]
        assert torch.equal(torch.stack(drawn, 1).flatten(), frames)


def test_without_batch_statistics_an_accumulated_step_equals_one_of_the_whole_batch(tmp_path):
    # no norm and no codebook: the two things that look at a batch as a whole
    config, weights = TINY.replace(norm="none"), {}
    for parts in (1, 2, 4):
        training = GAN.replace(
            accumulate=parts, steps=3, warmup_without_codes=2, gan_start=0, discriminator_norm="none"
        )
        weights[parts] = train_vqgan(config, training.replace(steps=3), Noise(), tmp_path / str(parts)).state_dict()
    # after two steps without codes; the third starts the codebook, from other rows
    first = [json.loads((tmp_path / f"{n}" / "log.jsonl").read_text().splitlines()[1]) for n in (1, 2, 4)]
    for key in ("loss/generator", "loss/discriminator", "gradient/generator"):
        assert first[1][key] == pytest.approx(first[0][key], rel=1e-4)
        assert first[2][key] == pytest.approx(first[0][key], rel=1e-4)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("stop", [2, 3, 5])
def test_a_run_resumes_exactly_with_both_optimisers_across_the_start_of_the_adversaries(
    tmp_path, stop, precision, monkeypatch
):
    unbroken = run(tmp_path / "unbroken", precision=precision)
    update, steps = loop.update, []

    def stop_in_step(*arguments):
        steps.append(1)
        if len(steps) == stop:
            os.kill(os.getpid(), signal.SIGINT)  # the accumulation under way is finished first
        return update(*arguments)

    monkeypatch.setattr(loop, "update", stop_in_step)
    with pytest.raises(Interrupted):
        run(tmp_path / "broken", precision=precision)
    monkeypatch.setattr(loop, "update", update)
    assert without_clock(run(tmp_path / "broken", precision=precision)) == without_clock(unbroken)


def test_a_run_that_dies_in_the_middle_of_an_accumulation_repeats_that_step_exactly(tmp_path, monkeypatch):
    unbroken = run(tmp_path / "unbroken")
    losses = VQGANTask.losses

    def die(self, step, share, metrics):
        if (step, share.part) == (5, 1):
            raise RuntimeError("the plug was pulled")
        return losses(self, step, share, metrics)

    monkeypatch.setattr(VQGANTask, "losses", die)
    with pytest.raises(RuntimeError, match="plug"):
        run(tmp_path / "broken")
    monkeypatch.setattr(VQGANTask, "losses", losses)
    assert without_clock(run(tmp_path / "broken")) == without_clock(unbroken)


def test_float16_scales_its_losses_and_resumes_with_the_same_scale(tmp_path):
    entries = run(tmp_path / "whole", precision="float16", steps=4)
    assert all(math.isfinite(entry["loss/generator"]) for entry in entries)
    run(tmp_path / "halves", precision="float16", steps=2)
    assert without_clock(run(tmp_path / "halves", precision="float16", steps=4)) == without_clock(entries)
    state = json.loads((tmp_path / "whole" / "checkpoints" / "step_00000004" / "state.json").read_text())
    assert state["scaler"]["scale"] > 1


def test_a_run_goes_on_where_its_numbers_are_float16_or_no_longer(tmp_path, monkeypatch):
    for begun, later in ((torch.float32, torch.float16), (torch.float16, torch.float32)):
        for number, steps in ((begun, 2), (later, 4)):  # as on a card with bfloat16, then on one without, or back
            monkeypatch.setattr(devices, "number_format", lambda precision, device, number=number: number)
            entries = run(tmp_path / str(begun), precision="auto", steps=steps)
        assert len(entries) == 4 and all(math.isfinite(entry["loss/generator"]) for entry in entries)


def test_float16_stops_where_the_gradient_is_infinite_at_every_scale(tmp_path, monkeypatch):
    class Torn(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            return x.clone()

        @staticmethod
        def backward(context, gradient):
            return gradient * math.inf

    losses = VQGANTask.losses

    def tear(self, step, share, metrics):
        for name, terms in losses(self, step, share, metrics):
            yield name, {key: Torn.apply(term) if key == "reconstruction" else term for key, term in terms.items()}

    monkeypatch.setattr(VQGANTask, "losses", tear)
    with pytest.raises(NotFinite, match=r"float16 the gradient overflowed again .* up to step .* last good checkpoint"):
        run(tmp_path, precision="float16", steps=40, save_every=5)
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert 25 < len(lines) < 40  # 2 ** 16 was halved at every step
    assert "Infinity" not in "".join(lines)


@pytest.mark.parametrize("term", ["video_gan", "image_discriminator"])
def test_a_term_that_is_not_finite_is_named_before_the_update(tmp_path, term, monkeypatch):
    method = "discriminator_terms" if "discriminator" in term else "adversarial_terms"
    original = getattr(VQGANTask, method)

    def spoil(self, *arguments):
        terms = original(self, *arguments)
        return {**terms, term: terms[term] * math.nan}

    monkeypatch.setattr(VQGANTask, method, spoil)
    with pytest.raises(UserError, match=f"{term.replace('_', ' ')} became nan at step 4; the last good checkpoint is "):
        run(tmp_path)
    assert not (tmp_path / "checkpoints" / "step_00000004").exists()


def test_a_gradient_that_is_not_finite_stops_the_run_before_it_spoils_the_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "clip_gradients", lambda optimizer, limit: torch.tensor(math.inf))
    with pytest.raises(UserError, match="the norm of the gradient became inf at step 1; nothing had been saved"):
        run(tmp_path)


def test_a_batch_that_its_parts_cannot_share_evenly_is_refused():
    with pytest.raises(ValueError, match="a batch of 4 clips cannot be shared evenly by 3 parts"):
        GAN.replace(accumulate=3)


def test_a_run_can_begin_with_the_weights_of_another(tmp_path):
    start = VQGAN(TINY, seed=3)
    kernel = start.encoder.units[0].conv.weight.detach().clone()
    trained = train_vqgan(TINY, GAN.replace(steps=1, learning_rate=1e-6), Noise(), tmp_path, start=start)
    assert (trained.encoder.units[0].conv.weight - kernel).abs().max() < 1e-5


def test_the_perceptual_term_compares_the_frames_that_the_image_discriminator_sees(tmp_path, monkeypatch):
    seen = []

    class Stand(nn.Module):
        def forward(self, fake, real, generator):
            seen.append((fake, real))
            return (fake - real).square().mean(dim=(1, 2, 3))

    monkeypatch.setattr(train_vqgan_module, "load_perceptual", lambda path, **options: Stand())
    training = GAN.replace(accumulate=1, gan_start=0, perceptual_weight=4.0)
    task = VQGANTask(TINY, training, Noise(), torch.device("cpu"))
    calls = task.losses(0, Share(), {})
    terms = next(calls)[1]
    fake, real = seen[0]
    expected = pick_frames(task.video(0, Share()), task.random_frames(4, 4, 0, Share(), "generator"))
    assert torch.equal(real, expected)
    assert terms["perceptual"].item() == pytest.approx(4 * (fake - real).square().mean().item())


def test_without_its_weights_the_perceptual_term_is_off_and_the_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(train_vqgan_module, "load_perceptual", lambda path, **options: None)
    assert all("perceptual" not in entry for entry in run(tmp_path, perceptual_weight=4.0, steps=2))


class Listening(nn.Module):
    """In the place of LPIPS; notes what it was asked for and where its dropout would begin to draw."""

    def __init__(self, seen: list, **options: object):
        super().__init__()
        self.seen, self.weight = seen, nn.Parameter(torch.ones(1), requires_grad=False)
        seen.append(options)

    def forward(self, fake, real, generator):
        self.seen.append(generator.get_state().numpy().tobytes())
        return (self.weight * (fake - real)).square().mean(dim=(1, 2, 3))


@pytest.mark.parametrize("switches", [{}, {"perceptual_range": "released", "perceptual_dropout": True}])
def test_lpips_is_as_the_settings_want_it_and_drops_something_else_in_every_part(tmp_path, monkeypatch, switches):
    seen: list = []
    monkeypatch.setattr(train_vqgan_module, "load_perceptual", lambda path, **options: Listening(seen, **options))
    run(tmp_path, perceptual_weight=4.0, steps=2, **switches)
    options, *states = seen
    wanted = {"input_range": switches.get("perceptual_range", "right")}
    assert options == wanted | {"dropout": switches.get("perceptual_dropout", False)}
    assert len(set(states)) == len(states) == 2 * GAN.accumulate


def test_a_run_keeps_the_lpips_that_it_was_begun_with(tmp_path, monkeypatch, caplog):
    def lpips(scale):
        def load(path, **options):
            network = Listening([])
            network.weight.data *= scale
            return network if scale else None

        monkeypatch.setattr(train_vqgan_module, "load_perceptual", load)

    for first, second in ((1, 0), (1, 2)):
        folder = tmp_path / f"{first}-{second}"
        lpips(first)
        run(folder, perceptual_weight=4.0, steps=1)
        lpips(second)
        with pytest.raises(UserError, match=r"begun with LPIPS .*--perceptual"):
            run(folder, perceptual_weight=4.0, steps=2)
        lpips(first)
        assert len(run(folder, perceptual_weight=4.0, steps=2)) == 2
    lpips(0)
    run(tmp_path / "without", perceptual_weight=4.0, steps=1)
    lpips(1)
    later = run(tmp_path / "without", perceptual_weight=4.0, steps=2)
    assert not any("perceptual" in entry for entry in later) and "goes on without" in caplog.text


def test_a_checkpoint_for_lpips_that_would_not_be_used_is_refused(tmp_path):
    with pytest.raises(UserError, match="no weight"):
        train_vqgan(TINY, GAN, Noise(), tmp_path, perceptual=tmp_path / "vqgan.ckpt")


def test_lpips_can_come_out_of_a_released_checkpoint(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(train_vqgan_module, "load_perceptual", lambda path, **options: asked.append(path))
    training = GAN.replace(perceptual_weight=4.0, steps=1)
    train_vqgan(TINY, training, Noise(), tmp_path / "run", perceptual=tmp_path / "vqgan.ckpt")
    assert asked == [tmp_path / "vqgan.ckpt"]


def test_every_term_is_weighed_by_its_own_setting(tmp_path):
    def terms(**weights):
        task = VQGANTask(TINY, GAN.replace(accumulate=1, gan_start=0, **weights), Noise(), torch.device("cpu"))
        found: dict = {}
        for _, of_this in task.losses(0, Share(), {}):
            found |= {key: term.item() for key, term in of_this.items()}
        return found

    ones = {f"{name}_weight": 1 for name in ("image_gan", "video_gan", "matching", "l1", "l2")}
    plain, l1, l2 = terms(**ones), terms(**ones | {"l2_weight": 0}), terms(**ones | {"l1_weight": 0})
    image, video, matching = 2.0, 0.5, 3.0
    heavy = terms(image_gan_weight=image, video_gan_weight=video, matching_weight=matching, l1_weight=5, l2_weight=0.7)
    weights = {"image_gan": image, "video_gan": video, "image_matching": matching, "video_matching": matching}
    weights |= {"image_discriminator": image, "video_discriminator": video}
    assert {key: heavy[key] for key in weights} == pytest.approx({key: w * plain[key] for key, w in weights.items()})
    assert heavy["reconstruction"] == pytest.approx(5 * l1["reconstruction"] + 0.7 * l2["reconstruction"])
    assert terms(**ones | {"image_gan_weight": 0})["image_matching"] == 0 != plain["image_matching"]

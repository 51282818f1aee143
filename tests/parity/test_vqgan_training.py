"""A training step of the first stage against the released one: terms, gradients, statistics, whole optimiser steps."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.amp import GradScaler

from tatslib.training.loop import Share, update
from tatslib.training.train_vqgan import VQGANTask, VQGANTraining
from tatslib.vqgan.official import rename_adversaries, rename_state
from tests.parity.conftest import Compare
from tests.parity.fixtures import load, names_of_kind, state_of
from tests.parity.test_vqgan import config_of

RELEASED_LOSS = {"hinge": "hinge", "vanilla": "log"}


class ReplayedTask(VQGANTask):
    """Videos and frame numbers come from a fixture, in the order in which they are asked for."""

    def __init__(self, args: dict[str, Any], training: VQGANTraining, videos: list[Tensor], frames: list[Tensor]):
        super().__init__(config_of(args), training, data=None, device=torch.device("cpu"))  # type: ignore[arg-type]
        self.videos, self.frames = iter(videos), iter(frames)

    def video(self, step: int, share: Share) -> Tensor:
        return next(self.videos)

    def random_frames(self, *rest: Any) -> Tensor:
        return next(self.frames)

    def load(self, state: dict[str, Tensor]) -> None:
        """Begin with a released state, in training mode."""
        self.vqgan.load_state_dict(rename_state(state))
        self.adversaries.load_state_dict(rename_adversaries(state))
        for model in self.models.values():
            model.train()

    def tensors(self, kind: str) -> dict[str, Tensor]:
        """All of the task's tensors by our names: "state" or "grad"."""
        found: dict[str, Tensor] = {}
        for model in self.models.values():
            if kind == "state":
                found |= model.state_dict()
            else:
                found |= {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        return found


def training_of(args: dict[str, Any], **options: Any) -> VQGANTraining:
    """Our settings for released arguments, with every switch that reproduces what the released code does."""
    return VQGANTraining(
        steps=100,
        betas=(0.5, 0.9),
        learning_rate=args.get("lr", 1e-3),
        decay_tail=0,
        l1_weight=args["l1_weight"],
        gan_start=args["discriminator_iter_start"],
        gan_loss=RELEASED_LOSS[args["disc_loss_type"]],
        image_gan_weight=args["image_gan_weight"],
        video_gan_weight=args["video_gan_weight"],
        matching_weight=args["gan_feat_weight"],
        discriminator_width=args["disc_channels"],
        second_pass=True,
        **options,
    )


def renamed(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under `prefix`, some or all of those of a released model, by our names."""
    theirs = [key.removeprefix("state/") for key in tensors if key.startswith("state/")]
    numbers = {key: torch.tensor(number) for number, key in enumerate(theirs)}
    ours = {theirs[int(n)]: key for key, n in rename_state(numbers).items() if key != "codebook.initialised"}
    ours |= {theirs[int(n)]: key for key, n in rename_adversaries(numbers).items()}
    found = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    return {ours[key]: value for key, value in found.items()}


@pytest.mark.parametrize("name", names_of_kind("vqgan_train"))
def test_terms_gradients_and_statistics_equal_the_released_ones(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    args, tolerance = meta["config"]["args"], meta["tolerance"]
    frames = [tensors["in/frame_idx_g"], tensors["in/frame_idx_d"]]
    task = ReplayedTask(args, training_of(args), [tensors["in/x"]], frames)
    task.load(state_of(tensors))
    metrics: dict[str, Tensor] = {}
    calls = task.losses(meta["config"]["global_step"], Share(), metrics)

    for call, optimizer, released in (("g", "generator", "total_loss"), ("d", "discriminator", "discloss")):
        who, terms = next(calls)
        assert who == optimizer
        loss = torch.stack(list(terms.values())).sum()
        for model in task.models.values():
            model.zero_grad(set_to_none=True)
        loss.backward()
        compare(name, f"{call}: loss", loss.detach(), tensors[f"out/{call}/{released}"], tolerance)
        gradients = task.tensors("grad")
        for key, theirs in renamed(tensors, f"out/{call}/grad/").items():
            compare(name, f"{call}: gradient of {key}", gradients[key], theirs, tolerance)
        parameters = [p for group in task.optimizers[optimizer].param_groups for p in group["params"]]
        norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        compare(name, f"{call}: gradient norm", norm, tensors[f"out/{call}/grad_norm"], tolerance)
        state = task.tensors("state")
        for key, theirs in renamed(tensors, f"out/state_after_{call}/").items():
            compare(name, f"{call}: {key} afterwards", state[key], theirs, tolerance)
        if call == "g":
            found = {
                "recon_loss": terms["reconstruction"],
                "commitment_loss": terms["commitment"],
                "aeloss": terms["image_gan"] + terms["video_gan"],
                "gan_feat_loss": terms["image_matching"] + terms["video_matching"],
                "perplexity": metrics["perplexity"],
            }
            for key, value in found.items():
                compare(name, f"g: {key}", value.detach(), tensors[f"out/g/{key}"], tolerance)


@pytest.mark.parametrize("name", names_of_kind("vqgan_lightning_steps"))
def test_whole_steps_equal_those_of_the_released_trainer(name: str, compare: Compare, tmp_path: Path) -> None:
    meta, tensors = load(name)
    config = meta["config"]
    parts, batches = config["accumulate_grad_batches"], config["batches"]
    training = training_of(config["args"], accumulate=parts, batch=parts, clip=config["gradient_clip_val"])
    videos = [tensors[f"in/x{n}"] for n in range(batches)]
    task = ReplayedTask(config["args"], training, videos, list(tensors["in/frame_idx"]))
    task.load(state_of(tensors))
    states = {key: value for key, value in tensors.items() if key.startswith("state/")}
    for step in range(batches // parts):
        logged = update(task, step, training, tmp_path, GradScaler("cpu", enabled=False))
        calls = tensors["out/calls"][2 * parts * step : 2 * parts * (step + 1)]
        expected = {"reconstruction": calls[::2, 0].mean(), "commitment": calls[::2, 1].mean()}
        expected["loss/discriminator"] = calls[1::2, 0].mean()
        for key, value in expected.items():
            compare(name, f"step {step}: {key}", torch.tensor(logged[key]).double(), value, meta["tolerance"])
        state, prefix = task.tensors("state"), f"out/state_after_step{step + 1}/"
        noise = renamed(dict.fromkeys((prefix + key for key in meta["noisy_keys"]), torch.empty(0)) | states, prefix)
        for key, theirs in renamed(tensors, prefix).items():
            if theirs.is_floating_point():
                noisy = key in noise  # Adam turns the rounding of a vanishing gradient into whole steps
                limits = {"atol": 2 * training.learning_rate * (step + 1)} if noisy else meta["tolerance"]
                label = f"{name}: Adam's noise" if noisy else name
                compare(label, f"step {step}: {key}", state[key], theirs, limits)

"""Both discriminators against the released ones: the map after every layer, in training and out of it."""

import pytest
import torch

from tatslib.vqgan.discriminators import DiscriminatorConfig, PatchDiscriminator
from tatslib.vqgan.official import rename_discriminator_key
from tests.parity.conftest import Compare
from tests.parity.fixtures import load, names_of_kind, state_of


@pytest.mark.parametrize("name", names_of_kind("disc"))
@torch.no_grad()
def test_a_discriminator_equals_the_released_one_layer_by_layer(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    config = meta["config"]
    shape = DiscriminatorConfig(channels=config["input_nc"], width=config["ndf"], layers=config["n_layers"])
    discriminator = PatchDiscriminator(config["dims"], shape)
    state = {rename_discriminator_key(key): value for key, value in state_of(tensors).items()}
    discriminator.load_state_dict(state)
    for mode in ("eval", "train"):
        maps = discriminator.train(mode == "train")(tensors["in/x"])
        assert f"out/{mode}/feat{len(maps)}" not in tensors
        for layer, found in enumerate(maps):
            compare(name, f"{mode}: map {layer}", found, tensors[f"out/{mode}/feat{layer}"], meta["tolerance"])
        compare(name, f"{mode}: logits", maps[-1], tensors[f"out/{mode}/logits"], meta["tolerance"])
    after = {key: value for key, value in discriminator.state_dict().items() if "running" in key}
    for key, theirs in tensors.items():
        if key.startswith("out/state_after_train/"):
            ours = rename_discriminator_key(key.removeprefix("out/state_after_train/"))
            if ours in after:
                compare(name, ours, after[ours], theirs, meta["tolerance"])

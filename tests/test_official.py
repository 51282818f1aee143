"""The authors' files load: settings and weights find their places, and what does not fit is named."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tatslib.errors import UserError
from tatslib.foreign import LightningCheckpoint
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.transformer.official import load_released_transformer
from tatslib.vqgan.layout import Layout, layout_of
from tatslib.vqgan.official import config_of, load_released_vqgan, released_perceptual_state
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig
from tests.released import gpt_args, gpt_state, vqgan_args, vqgan_state, within, write_checkpoint

SMALL: dict[str, Any] = dict(
    frames=4,
    resolution=16,
    downsample=(2, 4, 4),
    hidden=2,
    codes=12,
    code_width=4,
    residual_padding="replicate",
    decoder_padding="replicate",
)


def small_vqgan(**changes: Any) -> VQGAN:
    vqgan = VQGAN(VQGANConfig(**{**SMALL, **changes}), seed=3).eval()
    vqgan.codebook.initialised.fill_(True)
    return vqgan


def small_gpt(**changes: Any) -> GPT:
    shape = {"codes": 12, "condition_codes": 5, "latent_shape": (2, 4, 4), "layers": 2, "heads": 2, "width": 8}
    torch.manual_seed(5)
    gpt = GPT(GPTConfig(**{**shape, **changes})).eval()
    torch.nn.init.normal_(gpt.pos_emb)
    return gpt


def same_weights(ours: torch.nn.Module, theirs: torch.nn.Module) -> bool:
    one, other = ours.state_dict(), theirs.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# VQGAN ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("padding", ["replicate", "zeros", "reflect", "circular"])
@pytest.mark.parametrize(("norm", "hidden"), [("batch", 2), ("group", 16)])
def test_a_released_vqgan_loads_with_its_padding_and_norm(tmp_path, padding, norm, hidden):
    vqgan = small_vqgan(padding=padding, norm=norm, hidden=hidden, frames=8, resolution=32)  # enough to be mirrored
    path = write_checkpoint(tmp_path / "vqgan.ckpt", vqgan_state(vqgan), vqgan_args(vqgan))
    loaded = load_released_vqgan(path)
    assert loaded.config == vqgan.config and not loaded.training
    assert same_weights(loaded, vqgan)


def test_what_the_options_do_not_say_the_tensors_show(tmp_path):
    vqgan = small_vqgan()
    told = ("sequence_length", "resolution", "downsample")
    args = {name: value for name, value in vqgan_args(vqgan).items() if name in told}
    loaded = load_released_vqgan(write_checkpoint(tmp_path / "vqgan.ckpt", vqgan_state(vqgan), args))
    assert loaded.config == vqgan.config


def test_the_released_padding_option_stops_at_residual_blocks_and_decoder():
    config = config_of({**vqgan_args(small_vqgan()), "padding_type": "constant"})
    edges = [(unit.kind, unit.padding.time) for unit in config.encoder_units]
    assert {edge for kind, edge in edges if kind == "convolution"} == {"zeros"}
    assert {edge for kind, edge in edges if kind == "residual"} == {"replicate"}
    assert {unit.padding.time for unit in config.decoder_units} == {"replicate"}


def test_the_first_stage_of_a_transformers_file_equals_the_vqgans_own_file(tmp_path):
    vqgan, gpt = small_vqgan(), small_gpt()
    state = {**within("first_stage_model", vqgan_state(vqgan)), **gpt_state(gpt)}
    path = write_checkpoint(tmp_path / "gpt.ckpt", state, gpt_args(gpt, frames=4, resolution=16))
    loaded = load_released_vqgan(path)
    assert loaded.config == vqgan.config
    assert same_weights(loaded, vqgan)


def without(name: str) -> Any:
    return lambda state: {key: value for key, value in state.items() if key != name}


def reshaped(name: str, shape: tuple[int, ...]) -> Any:
    return lambda state: {**state, name: torch.zeros(shape)}


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        (without("post_vq_conv.conv.bias"), {}, r"tensor post_vq_conv\.conv\.bias is missing"),
        (reshaped("encoder.extra", (1,)), {}, r"tensor encoder\.extra is not known here"),
        (
            reshaped("decoder.conv_last.conv.bias", (5,)),
            {},
            r"decoder\.conv_last\.conv\.bias is \(5,\) in the file and \(3,\) by its hyper-parameters",
        ),
        (without("codebook.embeddings"), {}, r"holds no tensor codebook\.embeddings of 2 axes"),
        (dict, {"n_hiddens": 32}, "n_hiddens is 32 by its hyper-parameters and 2 by its tensors"),
        (dict, {"n_codes": 2048}, "n_codes is 2048 by its hyper-parameters and 12 by its tensors"),
        (dict, {"embedding_dim": 256}, "embedding_dim is 256 by its hyper-parameters and 4 by its tensors"),
        (dict, {"norm_type": "group", "n_hiddens": 16}, "n_hiddens is 16"),
        (dict, {"norm_type": "none"}, "norm_type is none by its hyper-parameters and batch by its tensors"),
        (dict, {"downsample": [4, 8, 8]}, r"downsample \(4, 8, 8\) takes 3 levels, its tensors have 2"),
        (dict, {"downsample": None}, "does not say its downsample"),
        (dict, {"resolution": "large"}, "make no VQGAN: resolution: Input should be a valid integer"),
        (dict, {"resolution": 18}, "resolution 18 is not a multiple"),
    ],
)
def test_a_vqgan_that_does_not_fit_is_one_sentence_with_the_tensor_and_the_numbers(tmp_path, change, options, sentence):
    vqgan = small_vqgan()
    path = write_checkpoint(tmp_path / "vqgan.ckpt", change(vqgan_state(vqgan)), vqgan_args(vqgan, **options))
    with pytest.raises(UserError, match=sentence) as caught:
        load_released_vqgan(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_the_perceptual_network_of_a_released_file_is_at_hand(tmp_path):
    state = vqgan_state(small_vqgan())
    for found in (released_perceptual_state(state), released_perceptual_state(within("first_stage_model", state))):
        assert list(found) == ["lin0.model.1.weight"] and found["lin0.model.1.weight"].shape == (1, 64, 1, 1)
    with pytest.raises(UserError, match="holds no perceptual network"):
        released_perceptual_state({"a": torch.zeros(1)})


# Transformer ------------------------------------------------------------------------------------------------------

KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # shape of the model, options of the script
    "class": ({}, {}),
    "none": ({"condition_codes": 0}, {"unconditional": True, "class_cond_dim": None}),
    "text": ({"condition_codes": 30, "condition_length": 256}, {"cond_stage_key": "text", "class_cond_dim": None}),
}


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("spare", [0, 1])
def test_a_released_transformer_loads_with_its_condition(tmp_path, kind, spare):
    shape, options = KINDS[kind]
    gpt = small_gpt(**shape)
    state = {**within("first_stage_model", vqgan_state(small_vqgan())), **gpt_state(gpt, spare)}
    path = write_checkpoint(tmp_path / "gpt.ckpt", state, gpt_args(gpt, frames=4, resolution=16, **options))
    loaded, facts = load_released_transformer(path)
    assert loaded.config == gpt.config and not loaded.training
    assert same_weights(loaded, gpt)
    assert facts.condition == kind and facts.positions == gpt.config.block_size + spare
    tokens = torch.randint(gpt.config.vocabulary, (1, 9))
    assert torch.equal(loaded(tokens), gpt(tokens))
    loaded.loss(
        torch.zeros(1, gpt.config.condition_length, dtype=torch.int64), tokens[:, :4, None, None] % 12
    ).backward()


def test_the_interpolation_model_loads_and_says_what_it_is_for(tmp_path):
    gpt = small_gpt(condition_codes=0, latent_shape=(5, 4, 4))
    state = {**within("first_stage_model", vqgan_state(small_vqgan())), **gpt_state(gpt)}
    options = {"unconditional": True, "n_unmasked": 16}
    path = write_checkpoint(tmp_path / "gpt.ckpt", state, gpt_args(gpt, frames=10, resolution=16, **options))
    loaded, facts = load_released_transformer(path)
    assert isinstance(loaded.config, InterpolationConfig) and loaded.config.mask == "interpolation"
    assert loaded.config.latent_shape == (5, 4, 4) and facts.anchor_tokens == 16
    assert type(facts).from_json(facts.to_json(), source="facts") == facts


def test_a_transformer_that_was_trained_on_stored_tokens_needs_no_vqgan_to_load(tmp_path):
    gpt = small_gpt(codes=16384, condition_codes=0)
    options = {"unconditional": True, "vtokens": True, "spatial_length": 4}
    path = write_checkpoint(tmp_path / "gpt.ckpt", gpt_state(gpt), gpt_args(gpt, frames=4, resolution=16, **options))
    loaded, _ = load_released_transformer(path)
    assert loaded.config == gpt.config
    options["spatial_length"] = 15  # the script's own default, which fits nothing
    path = write_checkpoint(tmp_path / "gpt.ckpt", gpt_state(gpt), gpt_args(gpt, frames=4, resolution=16, **options))
    with pytest.raises(UserError, match="32 positions do not divide into latent frames of 15x15"):
        load_released_transformer(path)
    vqgan = VQGANConfig(**{**SMALL, "codes": 16384})
    assert load_released_transformer(path, vqgan).gpt.config == gpt.config


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        (without("transformer.ln_f.bias"), {}, r"tensor ln_f\.bias is missing"),
        (without("transformer.blocks.1.attn.key.weight"), {}, r"tensor blocks\.1\.attn\.key\.weight is missing"),
        (reshaped("transformer.vtokens_pos_emb", (1, 4)), {}, "tensor vtokens_pos_emb is not known here"),
        (reshaped("transformer.blocks.0.mlp.0.bias", (7,)), {}, r"blocks\.0\.mlp\.0\.bias is \(7,\) .* and \(32,\)"),
        (without("transformer.pos_emb"), {}, r"holds no tensor transformer\.pos_emb of 3 axes"),
        (without("transformer.tok_emb.weight"), {}, r"holds no tensor transformer\.tok_emb\.weight"),
        (dict, {"n_layer": 24}, "n_layer is 24 by its hyper-parameters and 2 by its tensors"),
        (dict, {"n_embd": 1024}, "n_embd is 1024 by its hyper-parameters and 8 by its tensors"),
        (dict, {"n_head": 3}, "width 8 cannot be shared evenly by 3 heads"),
        (dict, {"n_head": None}, "does not say its n_head"),
        (dict, {"class_cond_dim": 101}, r"has 17 rows, 12 of them .* the 5 that are left .* \(class, 101 tokens\)"),
        (dict, {"unconditional": True}, r"the 5 that are left do not fit its condition \(none, 0 tokens\)"),
        (dict, {"resolution": 64}, "its 32 positions with clips of 4 frames of 64 pixels fit none that is known"),
        (dict, {"sequence_length": None}, "does not say its sequence_length"),
        (dict, {"sequence_length": "many"}, "says sequence_length 'many'"),
        (dict, {"sample_every_n_frames": "few"}, "says sample_every_n_frames 'few'"),
        (dict, {"n_unmasked": "256"}, "says n_unmasked '256' among its hyper-parameters, which is no number of tokens"),
        (dict, {"n_unmasked": -3}, "make no transformer: anchor_tokens"),
        (dict, {"n_unmasked": 7}, "leaves 7 tokens unmasked at either end, which is no latent frame of 4x4"),
        (dict, {"n_unmasked": 16}, "2 latent frames of 16 tokens .* leave nothing to fill in"),
    ],
)
def test_a_transformer_that_does_not_fit_is_one_sentence(tmp_path, change, options, sentence):
    gpt = small_gpt()
    state = change({**within("first_stage_model", vqgan_state(small_vqgan())), **gpt_state(gpt)})
    path = write_checkpoint(tmp_path / "gpt.ckpt", state, {**gpt_args(gpt, 4, 16), **options})
    with pytest.raises(UserError, match=sentence) as caught:
        load_released_transformer(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_the_other_kind_of_file_is_said_to_be_that(tmp_path):
    vqgan, gpt = small_vqgan(), small_gpt()
    path = write_checkpoint(tmp_path / "vqgan.ckpt", vqgan_state(vqgan), vqgan_args(vqgan))
    with pytest.raises(UserError, match="holds no transformer"):
        load_released_transformer(path)
    path = write_checkpoint(tmp_path / "gpt.ckpt", gpt_state(gpt), gpt_args(gpt, 4, 16))
    for load in (load_released_vqgan, load_released_transformer):
        with pytest.raises(UserError, match="holds a transformer without its VQGAN"):
            load(path)


# The layout that a transformer's file leaves unsaid ---------------------------------------------------------------


def transformer_file(levels: int, block: int, hyper: dict[str, Any] | None = None, **args: Any) -> LightningCheckpoint:
    """As much of a transformer's checkpoint as the layout is read from; a `sound` VQGAN of as many levels if given."""
    sound = args.pop("sound", 0)
    names = [f"first_stage_model.encoder.conv_blocks.{n}.down.conv.bias" for n in range(levels)]
    names += [f"cond_stage_model.encoder.conv_blocks.{n}.down.conv.bias" for n in range(sound)]
    state: dict[str, Tensor] = {name: torch.zeros(1) for name in names}
    state["transformer.pos_emb"] = torch.zeros(1, block, 1)
    return LightningCheckpoint(Path("file.ckpt"), state, hyper or {}, args, "1.5.4", 1, 0)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (  # UCF-101 and Sky
            transformer_file(3, 1024, sequence_length=16, resolution=128, unconditional=True),
            Layout((4, 8, 8), 16, 128, (4, 16, 16), 1),
        ),
        (  # Taichi-HD: frames are counted before every fourth is taken
            transformer_file(3, 1024, sequence_length=64, resolution=128, sample_every_n_frames=4, class_cond_dim=1),
            Layout((4, 8, 8), 16, 128, (4, 16, 16), 1),
        ),
        (  # the sparse half of the hierarchical pair
            transformer_file(3, 1024, sequence_length=64, resolution=128, sample_every_n_latent_frames=4),
            Layout((4, 8, 8), 64, 128, (4, 16, 16), 1),
        ),
        (  # and the one that fills in
            transformer_file(3, 1280, sequence_length=20, resolution=128, n_unmasked=256),
            Layout((4, 8, 8), 20, 128, (5, 16, 16), 1),
        ),
        (  # MUGEN, with a position to spare
            transformer_file(4, 1280, sequence_length=16, resolution=256, cond_stage_key="text"),
            Layout((4, 16, 16), 16, 256, (4, 16, 16), 256),
        ),
    ],
)
def test_the_positions_tell_how_the_papers_models_downsample(file, expected):
    assert layout_of(file) == expected


def test_where_more_than_one_way_fits_the_vqgans_own_settings_decide():
    file = transformer_file(3, 1024, sequence_length=32, resolution=128, sample_every_n_frames=2)
    with pytest.raises(UserError, match=r"\(4, 8, 8\) into \(4, 16, 16\) or \(8, 8, 8\) into \(4, 16, 16\)"):
        layout_of(file)
    assert layout_of(file, VQGANConfig(downsample=(4, 8, 8))).frames == 16
    assert layout_of(file, VQGANConfig(downsample=(8, 8, 8))).frames == 32


def test_the_settings_of_the_vqgan_tell_how_long_the_sound_is():
    """AudioSet-Drum: frames have 96 pixels, whatever the option says, and sound fills the other positions."""
    args = {"sequence_length": 16, "resolution": 64, "sound": 4}
    file = transformer_file(3, 576 + 64 - 1, {"cond_stage_key": "stft"}, **args)
    with pytest.raises(UserError, match="does not say how its VQGAN downsamples"):
        layout_of(file)
    expected = Layout((4, 8, 8), 16, 96, (4, 12, 12), 64)
    assert layout_of(file, VQGANConfig()) == expected
    sound = VQGANConfig(frames=16, resolution=64, downsample=(4, 16, 4))
    assert layout_of(file, VQGANConfig(), sound) == expected

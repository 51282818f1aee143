"""The transformer: shapes, initialisation, what it can see, its loss, and the two ways of attending."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import scaled_dot_product_attention

from tatslib.config import explain
from tatslib.errors import UserError
from tatslib.randomness import torch_generator
from tatslib.transformer.gpt import GPT, GPTConfig, attend, parameter_groups
from tatslib.transformer.masks import causal_mask
from tatslib.transformer.official import rename_state

TINY = GPTConfig(codes=13, condition_codes=5, condition_length=2, latent_shape=(3, 2, 2), layers=2, heads=2, width=8)


def gpt(config: GPTConfig = TINY) -> GPT:
    torch.manual_seed(0)
    return GPT(config)


def random_tokens(*shape: int, high: int, step: int = 0) -> torch.Tensor:
    return torch.randint(high, shape, generator=torch_generator(0, "test", step))


def test_the_causal_mask_is_the_lower_triangle() -> None:
    assert causal_mask(3).tolist() == [[True, False, False], [True, True, False], [True, True, True]]


def test_vocabulary_and_block_size_count_the_condition() -> None:
    assert (TINY.vocabulary, TINY.frame_tokens, TINY.block_size) == (18, 4, 13)


def test_the_defaults_are_the_papers_transformer() -> None:
    ucf101 = GPTConfig(condition_codes=101)
    with torch.device("meta"):
        parameters = sum(parameter.numel() for parameter in GPT(ucf101).parameters())
    assert (ucf101.vocabulary, ucf101.block_size) == (16485, 1024)
    assert round(parameters / 1e6, 1) == 337.1


def test_a_width_that_heads_cannot_share_is_refused_with_both_numbers() -> None:
    with pytest.raises(ValidationError) as caught:
        GPTConfig(width=10, heads=4)
    assert "width 10 cannot be shared evenly by 4 heads" in explain(caught.value)


def test_weights_start_small_and_positions_at_zero() -> None:
    model = gpt(GPTConfig(codes=300, latent_shape=(2, 3, 3), layers=2, heads=2, width=64))
    state = model.state_dict()
    assert not state["pos_emb"].any() and not state["blocks.0.attn.qkv.bias"].any()
    for name in ("tok_emb", "head", "blocks.1.mlp.2", "blocks.0.attn.proj"):
        assert abs(state[f"{name}.weight"].std().item() - 0.02) < 0.001
    assert math.isclose(
        model.loss(torch.zeros(4, 1, dtype=torch.int64), random_tokens(4, 2, 3, 3, high=300)).item(),
        math.log(301),
        abs_tol=0.05,
    )


def test_the_state_holds_parameters_and_nothing_else() -> None:
    model = gpt()
    assert set(model.state_dict()) == {name for name, _ in model.named_parameters()}


def test_an_output_does_not_depend_on_later_tokens_but_on_every_earlier_one() -> None:
    model = gpt().double()
    torch.nn.init.normal_(model.head.weight)
    tokens = random_tokens(1, TINY.block_size, high=18)
    before = model(tokens)
    for position in range(TINY.block_size):
        changed = tokens.clone()
        changed[0, position] = (changed[0, position] + 1) % 18
        moved = (model(changed) != before).any(-1)[0]
        assert moved.tolist() == [p >= position for p in range(TINY.block_size)]


def test_a_mask_given_by_hand_decides_what_is_seen() -> None:
    model, tokens = gpt().double(), random_tokens(2, 9, high=18)
    torch.testing.assert_close(model(tokens, causal_mask(9)), model(tokens))
    alone = torch.eye(9, dtype=torch.bool)
    changed = tokens.clone()
    changed[:, :-1] = (changed[:, :-1] + 1) % 18
    assert torch.equal(model(tokens, alone)[:, -1], model(changed, alone)[:, -1])


def test_wrong_masks_and_too_long_sequences_end_in_a_sentence() -> None:
    with pytest.raises(UserError, match=r"mask is \(4, 4\) but the sequence needs \(5, 5\)"):
        gpt()(random_tokens(1, 5, high=18), causal_mask(4))
    with pytest.raises(UserError, match=r"14 tokens does not fit .* at most 13"):
        gpt()(random_tokens(1, 14, high=18))


@pytest.mark.parametrize("condition_codes", [5, 0])
def test_the_loss_is_the_mean_surprise_at_each_video_token(condition_codes: int) -> None:
    config = TINY.model_copy(update={"condition_codes": condition_codes})
    model = gpt(config).double()
    condition = random_tokens(2, 2, high=max(condition_codes, 1))
    codes = random_tokens(2, 3, 2, 2, high=13, step=1)
    surprises = []
    for b in range(2):
        sequence = condition[b].tolist()
        for code in codes[b].flatten().tolist():
            probabilities = model(torch.tensor([sequence]))[0, -1].softmax(-1)
            surprises.append(-math.log(probabilities[code + condition_codes].item()))
            sequence.append(code + condition_codes)
    assert math.isclose(model.loss(condition, codes).item(), sum(surprises) / len(surprises), rel_tol=1e-6)


@pytest.mark.parametrize("masked", [True, False])
def test_written_out_attention_equals_the_fused_kernel(masked: bool) -> None:
    queries, keys, values = torch.randn(3, 2, 2, 7, 4, generator=torch_generator(0, "test")).bfloat16()
    mask = causal_mask(7) if masked else None
    with torch.no_grad():
        fused = attend(queries, keys, values, mask)
    written_out = attend(queries, keys, values, mask)  # bfloat16 with gradients, on the CPU
    exact = scaled_dot_product_attention(queries.double(), keys.double(), values.double(), is_causal=True)
    for ours in (fused, written_out):
        torch.testing.assert_close(ours.double(), exact, atol=0.03, rtol=0.03)


def test_training_in_bfloat16_lowers_the_loss() -> None:
    model = gpt()
    optimizer = torch.optim.AdamW(parameter_groups(model), lr=1e-2)
    condition, codes = random_tokens(4, 2, high=5), random_tokens(4, 3, 2, 2, high=13, step=1)
    losses = []
    for _ in range(30):
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.loss(condition, codes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.5


def test_only_the_weights_of_linear_layers_decay() -> None:
    model = gpt()
    decayed, rest = parameter_groups(model, 0.3)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    linear = {"attn.qkv.weight", "attn.proj.weight", "mlp.0.weight", "mlp.2.weight"}
    expected = {f"blocks.{layer}.{name}" for layer in range(2) for name in linear} | {"head.weight"}
    assert {names[id(parameter)] for parameter in decayed["params"]} == expected
    assert decayed["weight_decay"] == 0.3 and rest["weight_decay"] == 0
    assert len(decayed["params"]) + len(rest["params"]) == len(names)


def test_released_names_are_translated_without_losing_a_weight() -> None:
    model = gpt()
    released = {"pos_emb": model.pos_emb[None]}
    for name, tensor in model.state_dict().items():
        if ".qkv." in name:
            for part, third in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                released[name.replace("qkv", part)] = third
            released[name.rpartition("qkv")[0] + "mask"] = torch.ones(1, 1, 13, 13)
        elif name != "pos_emb":
            released[name] = tensor
    renamed = rename_state(released)
    assert renamed.keys() == model.state_dict().keys()
    assert all(torch.equal(renamed[name], tensor) for name, tensor in model.state_dict().items())

"""Small weights held against float32: what is measured, with which luck clips are drawn, on an untrained model."""

from math import isfinite, log
from types import SimpleNamespace

import pytest
import torch
from einops import rearrange

from tatslib.metrics.features import ClassifierConfig, ClipClassifier, RandomFeatures
from tatslib.randomness import torch_generator
from tatslib.studies import drift, limits, small_weights
from tatslib.studies.pictures import decoded_clips
from tatslib.studies.results import leaves
from tatslib.studies.small_weights import AGAIN, KINDS, compare, draw, moved
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.vqgan.vqgan import VQGAN
from tests.test_decode import lively_gpt
from tests.test_equivariance import SMALL
from tests.test_second_stage_studies import noise

CONFIG = GPTConfig(codes=SMALL.codes, condition_codes=3, latent_shape=SMALL.latent_shape, layers=2, heads=2, width=32)
LABELS = torch.tensor([0, 2, 1, 1, 0])
PREDICTED = ("nll", "nll_change", "kl", "total_variation", "drawn_otherwise", "same_likeliest")
SETS = ("classifier", "random", "kernel")


def gpt() -> GPT:
    return lively_gpt(CONFIG, scale=0.15).float()


def clips() -> torch.Tensor:
    size = (len(LABELS), *CONFIG.latent_shape)
    return torch.randint(CONFIG.codes, size, generator=torch_generator(0, "test/tokens"))


def test_what_is_measured_of_two_distributions_is_what_a_hand_finds() -> None:
    p, q = torch.tensor([[0.6, 0.3, 0.1]]).double().log(), torch.tensor([[0.3, 0.65, 0.05]]).double().log()
    found = {name: values.item() for name, values in moved(p, q, torch.tensor([1])).items()}
    assert found["nll"] == pytest.approx(-log(0.65)) and found["nll_change"] == pytest.approx(log(0.3 / 0.65))
    assert found["kl"] == pytest.approx(0.6 * log(2) + 0.3 * log(0.3 / 0.65) + 0.1 * log(2))
    assert found["total_variation"] == pytest.approx(0.35) and found["same_likeliest"] == 0
    # top-p 0.8 leaves two tokens of each: 2/3 and 1/3 of one, 0.3/0.95 and 0.65/0.95 of the other
    assert found["drawn_otherwise"] == pytest.approx(2 / 3 - 0.3 / 0.95)


def test_float32_is_no_distance_from_itself_and_costs_what_the_whole_forward_pass_says(monkeypatch) -> None:
    monkeypatch.setattr(small_weights, "AT_ONCE", 2)  # and a last clip alone, which C would read elsewhere
    model, tokens = gpt(), clips()
    found = compare(model, "own", tokens, LABELS)
    assert tuple(found) == PREDICTED
    assert all(found[name] == 0 for name in ("nll_change", "kl", "total_variation", "drawn_otherwise"))
    assert found["same_likeliest"] == 1
    codes = rearrange(tokens, "B t h w -> B (t h w)")
    with torch.no_grad():
        logits = model(torch.cat([LABELS[:, None], codes[:, :-1] + CONFIG.condition_codes], dim=1))
        naive = torch.nn.functional.cross_entropy(logits[:, :, CONFIG.condition_codes :].mT, codes)
    assert found["nll"] == pytest.approx(float(naive), rel=1e-5)


def test_bfloat16_moves_predictions_a_little_and_8_bits_a_little_more() -> None:
    model = gpt()
    own, bfloat16, int8 = (compare(model, kind, clips(), LABELS) for kind in KINDS)
    assert KINDS == ("own", "bfloat16", "int8")
    for name in ("kl", "total_variation", "drawn_otherwise"):
        assert 0 < bfloat16[name] < int8[name]
    assert int8["kl"] < 0.01 and bfloat16["same_likeliest"] >= int8["same_likeliest"] > 0.8
    for found in (bfloat16, int8):
        assert all(map(isfinite, found.values()))
        assert found["nll"] - own["nll"] == pytest.approx(found["nll_change"], abs=1e-9)
        assert found["total_variation"] <= (found["kl"] / 2) ** 0.5, "Pinsker's inequality"


def test_every_kind_has_the_same_luck_and_again_has_another() -> None:
    model, tokenizer = gpt(), SimpleNamespace(model=VQGAN(SMALL).eval())
    own, int8, again, elsewhere = (
        draw(model, LABELS, kind, seed, turn)
        for kind, seed, turn in (("own", 4, 0), ("int8", 4, 0), ("own", 4, 1), ("own", 5, 0))
    )
    assert own.shape == (len(LABELS), *CONFIG.latent_shape) and own.dtype == torch.int64
    theirs = limits.draw(model, tokenizer, LABELS, limits.FILTERS["-p80"], 4)
    assert (decoded_clips(tokenizer.model, own) == theirs).all(), "the set that the study of limits draws"
    first = 0, 0, 0  # at the first token of a clip nothing else can be the reason
    assert torch.equal(own[:, *first], int8[:, *first])
    assert all((own != other).any((1, 2, 3)).all() for other in (again, elsewhere))
    assert (own == again).double().mean() < 0.5


def test_the_study_gives_what_its_protocol_names(monkeypatch) -> None:
    real, labels = noise(100, size=SMALL.resolution).numpy(), torch.arange(100) % 3
    torch.manual_seed(0)
    look = ClipClassifier(ClassifierConfig(classes=("a", "b", "c"), resolution=SMALL.resolution, width=8)).eval()
    rods = drift.Ruler(real, real, labels, RandomFeatures(4).fit(real), look)
    monkeypatch.setattr(small_weights, "ruler", lambda clips: rods)
    monkeypatch.setattr(limits, "originals", lambda seed: (real, labels))
    held_out, asked = SimpleNamespace(tokens=clips().int(), labels=LABELS), []
    trained = {
        "actions/gpt-replicate": SimpleNamespace(model=gpt()),
        "actions/vqgan-replicate": SimpleNamespace(model=VQGAN(SMALL).eval()),
        "actions/tokens-replicate": SimpleNamespace(test=held_out),
    }
    monkeypatch.setattr(small_weights.recipes, "get", lambda name, seed: asked.append((name, seed)) or trained[name])
    numbers = small_weights.run(2)
    assert sorted(asked) == sorted((name, 2) for name in trained)
    others = [f"again-{turn}" for turn in range(1, AGAIN + 1)]
    assert list(numbers) == [*KINDS, *others]
    for kind in KINDS:
        assert tuple(numbers[kind]) == (*PREDICTED, "identical", *SETS)
    assert all(tuple(numbers[name]) == SETS for name in others)
    assert all(isfinite(value) for _, value in leaves(numbers))
    assert numbers["own"]["identical"] == 1 and 0 <= numbers["int8"]["identical"] < 1, "each kind draws by itself"
    distances = [numbers[name]["classifier"] for name in ("own", "int8", *others)]
    assert len(set(distances)) == len(distances), "each set is another one"
    (study,) = small_weights.studies()
    assert study.name == "small-weights" and study.seeds_of == "trainings"
    for name in (*KINDS, *PREDICTED, "identical", *SETS, "again", "prefix", "cache"):
        assert name in study.protocol, name

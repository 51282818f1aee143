"""Three training steps of the codebook against the released code: running means, initialisation, restart."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from tatslib.vqgan.codebook import Codebook
from tests.parity.fixtures import load, names_of_kind

NAMES = names_of_kind("codebook_ema")
STEPS = 3


@pytest.fixture(scope="module", autouse=True)
def table(request: pytest.FixtureRequest) -> Any:
    rows: list[str] = []
    yield rows
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("\n" + "\n".join(rows))


def recorded_draws(tensors: dict[str, Tensor]) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The permutations and noises that the reference drew, in its order."""
    call = 0
    while f"in/draw_randperm_{call}" in tensors:
        yield tensors[f"in/draw_randperm_{call}"], tensors.get(f"in/draw_randn_like_{call}")
        call += 1


def pick(z: Tensor, codes: int, permutation: Tensor, noise: Tensor | None) -> Tensor:
    """What those draws select from a batch of latents: (codes, D)."""
    vectors = z.movedim(1, -1).flatten(0, -2)
    if noise is not None:
        vectors = vectors.repeat(len(noise) // len(vectors), 1) + noise * 0.01 / vectors.shape[1] ** 0.5
    return vectors[permutation][:codes]


@pytest.mark.parametrize("name", NAMES)
def test_codebook_equals_the_released_one_through_three_steps(name: str, table: list[str]) -> None:
    meta, tensors = load(name)
    config = meta["config"]
    codes = config["n_codes"]
    book = Codebook(
        codes,
        config["embedding_dim"],
        restart_below_count=None if config["no_random_restart"] else config["restart_thres"],
        restart_statistics=False,
    )
    draws = recorded_draws(tensors)
    if config["need_init"]:
        book.initialise(pick(tensors["in/z0"], codes, *next(draws)))
    else:
        start = {"embeddings": "embeddings", "counts": "N", "sums": "z_avg"}
        book.load_state_dict(
            {ours: tensors[f"state/{theirs}"] for ours, theirs in start.items()} | {"initialised": torch.tensor(True)}
        )

    errors: dict[str, float] = {}
    tolerance = {key: meta["tolerance"][key] for key in ("atol", "rtol")}
    for step in range(STEPS):
        z = tensors[f"in/z{step}"]
        out = book(z, candidates=pick(z, codes, *next(draws)))
        assert torch.equal(out.tokens, tensors[f"out/step{step}/tokens"])
        actual = {
            f"step{step}/embeddings_st": out.latents,
            f"step{step}/commitment_loss": out.commitment_loss,
            f"step{step}/perplexity": out.perplexity,
            f"state_after{step + 1}/embeddings": book.embeddings,
            f"state_after{step + 1}/N": book.counts,
            f"state_after{step + 1}/z_avg": book.sums,
        }
        for key, value in actual.items():
            errors[key] = (value - tensors[f"out/{key}"]).abs().max().item()
            torch.testing.assert_close(value, tensors[f"out/{key}"], **tolerance)
    worst = max(errors, key=errors.__getitem__)
    table.append(f"{name:24} largest error {errors[worst]:.1e} ({worst}), 0 tokens differ")

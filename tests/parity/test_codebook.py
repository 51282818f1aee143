"""Training steps of the codebook against the released code: running means, initialisation, restart."""

from collections.abc import Iterator
from itertools import count, takewhile

import pytest
import torch
from torch import Tensor

from tatslib.vqgan.codebook import Codebook
from tests.parity.conftest import Compare
from tests.parity.fixtures import load, names_of_kind


def numbered(tensors: dict[str, Tensor], name: str) -> Iterator[Tensor]:
    """The inputs in/<name>0, in/<name>1, ... as far as they go."""
    return (tensors[key] for key in takewhile(tensors.__contains__, (f"in/{name}{number}" for number in count())))


class Draws:
    """The permutations and noises that the reference drew, in its order."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.permutations = numbered(tensors, "draw_randperm_")
        self.noises = numbered(tensors, "draw_randn_like_")

    def pick(self, z: Tensor, codes: int) -> Tensor:
        """What the next draw selects from a batch of latents: (codes, D); noise only where vectors are repeated."""
        vectors = z.movedim(1, -1).flatten(0, -2)
        if len(vectors) < codes:
            noise = next(self.noises)
            vectors = vectors.repeat(len(noise) // len(vectors), 1) + noise * 0.01 / vectors.shape[1] ** 0.5
        return vectors[next(self.permutations)][:codes]


@pytest.mark.parametrize("name", names_of_kind("codebook_ema"))
def test_codebook_equals_the_released_one_step_by_step(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    config, tolerance = meta["config"], meta["tolerance"]
    codes, draws, batches = config["n_codes"], Draws(tensors), list(numbered(tensors, "z"))
    book = Codebook(
        codes,
        config["embedding_dim"],
        restart_below_count=None if config["no_random_restart"] else config["restart_thres"],
        restart_statistics=False,
    )
    if config["need_init"]:
        book.initialise(draws.pick(batches[0], codes))
    else:
        start = {"embeddings": "embeddings", "counts": "N", "sums": "z_avg"}
        book.load_state_dict(
            {ours: tensors[f"state/{theirs}"] for ours, theirs in start.items()} | {"initialised": torch.tensor(True)}
        )
    for step, z in enumerate(batches):
        out = book(z, candidates=draws.pick(z, codes))
        actual = {
            f"step{step}/tokens": out.tokens,
            f"step{step}/embeddings_st": out.latents,
            f"step{step}/commitment_loss": out.commitment_loss,
            f"step{step}/perplexity": out.perplexity,
            f"state_after{step + 1}/embeddings": book.embeddings,
            f"state_after{step + 1}/N": book.counts,
            f"state_after{step + 1}/z_avg": book.sums,
        }
        for key, value in actual.items():
            compare(name, key, value, tensors[f"out/{key}"], tolerance)

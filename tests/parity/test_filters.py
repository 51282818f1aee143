"""Top-k and top-p, exactly."""

import pytest
import torch

from tatslib.sampling.filters import Filters
from tests.parity.conftest import Compare
from tests.parity.fixtures import load, names_of_kind


@pytest.mark.parametrize("name", names_of_kind("filters"))
def test_filtered_logits_equal_the_released_filters(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    logits = tensors["in/logits"]
    for case, (top_k, top_p, at_least) in enumerate(meta["config"]["settings"]):
        if at_least == 1:  # more was never used in sampling, and Filters has no such setting
            ours = Filters(top_k=top_k or None, top_p=top_p)(logits)
            compare(name, f"top_k {top_k}, top_p {top_p}", ours, tensors[f"out/case{case}"], meta["tolerance"])
    for top_k in meta["config"]["top_k_logits"]:
        ours = Filters(top_k=top_k)(logits)
        compare(name, f"top_k_logits {top_k}", ours, tensors[f"out/top_k_logits_{top_k}"], meta["tolerance"])
    assert torch.equal(Filters()(logits), logits)

"""CCS and ICS as the paper prints them; the released code has neither."""

import pytest
from einops import rearrange

from tatslib.metrics.coherence import class_coherence, inception_coherence
from tests.parity.conftest import Compare
from tests.parity.fixtures import load, names_of_kind


@pytest.mark.parametrize("name", names_of_kind("ccs_ics"))
def test_coherence_equals_the_formulas_of_the_paper(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    chances = rearrange(tensors["in/probs"], "n v k -> v n k")
    ics = inception_coherence(chances).T
    compare(name, "CCS", class_coherence(chances), tensors["out/ccs"], meta["tolerance"])
    compare(name, "ICS of each video", ics, tensors["out/ics_per_video"], meta["tolerance"])
    compare(name, "ICS, mean", ics.mean(1), tensors["out/ics_mean"], meta["tolerance"])
    compare(name, "ICS, sum", ics.sum(1), tensors["out/ics_sum"], meta["tolerance"])

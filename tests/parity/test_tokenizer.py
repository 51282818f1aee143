"""Text to tokens as the released code does it, id for id."""

import pytest

from tatslib.datasets.tokenizer import Tokenizer
from tests.parity.conftest import Compare
from tests.parity.fixtures import load, names_of_kind


@pytest.mark.parametrize("name", names_of_kind("tokenizer"))
def test_ids_equal_those_of_the_released_tokenizer(name: str, compare: Compare) -> None:
    meta, tensors = load(name)
    ours = Tokenizer.clip()(meta["config"]["texts"], meta["config"]["context_length"])
    compare(name, "tokens", ours, tensors["out/tokens"], meta["tolerance"])

"""Recipes that take the classes away: the same clips and settings as those that are told, and a start token."""

import torch

from tatslib.datasets.tokens import TokenClips, TokenIndex
from tatslib.recipes.table import table
from tatslib.recipes.untold import UntoldFillerRecipe, UntoldSparseRecipe, without_classes

INDEX = TokenIndex(clips=4, codes=8, latent_shape=(13, 2, 2), classes=("a", "b"), vqgan="0" * 8)


def tokens() -> TokenClips:
    return TokenClips(torch.arange(4 * 13 * 4).view(4, 13, 2, 2) % 8, torch.tensor([0, 1, 0, 1]), INDEX, seed=3)


def test_what_is_taken_away_is_the_class_and_nothing_else() -> None:
    told, untold = tokens(), without_classes(tokens())
    assert untold.index == told.index.replace(classes=()) and untold.seed == told.seed
    assert torch.equal(untold.tokens, told.tokens) and untold.labels.tolist() == [0, 0, 0, 0]


def test_levels_differ_from_those_that_are_told_in_that_alone() -> None:
    recipes = table("toy", 2)
    for level, kind in (("sparse", UntoldSparseRecipe), ("filler", UntoldFillerRecipe)):
        told, untold = recipes[f"actions/gpt-{level}"], recipes[f"actions/gpt-untold-{level}"]
        assert type(untold) is kind and dict(untold) == dict(told)
        clips, plain = untold.clips(tokens()), told.clips(tokens())
        assert torch.equal(clips.tokens, plain.tokens) and clips.index == plain.index.replace(classes=())
        assert untold.shape(clips.index).condition_codes == 1 and told.shape(plain.index).condition_codes == 2
    assert dict(recipes["actions/gpt-untold"]) == dict(recipes["actions/gpt-replicate"])

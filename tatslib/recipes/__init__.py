"""Named artefacts, built once and used everywhere: data sets, tokenizers, token sets, transformers.

A recipe is a frozen config. `get(name)` is a pure function of it, of the recipes it needs and of the scale: the folder
carries a fingerprint of all three. What is there is loaded, what is half-built is gone on with, what is missing is
built, dependencies first. A lock keeps two processes from building the same thing twice.

    vqgan = recipes.get("actions/vqgan-replicate").model
    print(recipes.plan("actions/gpt-replicate"))
"""

from tatslib.recipes.build import get
from tatslib.recipes.planning import Plan, plan

__all__ = ["Plan", "get", "plan"]

"""Named artefacts, built once and used everywhere: data sets, tokenizers, token sets, transformers.

A recipe is a frozen config. What `get(name)` gives is decided by it, by the recipes it needs and by the scale: the
folder carries a fingerprint of all three. (To the last bit only on one kind of machine: number formats and the order of
sums depend on the processor and on how many cores were idle.) What is there is loaded, what is half-built is gone on
with, what is missing is built, dependencies first. A lock keeps two processes from building the same thing twice.

    vqgan = recipes.get("actions/vqgan-replicate").model
    print(recipes.plan("actions/gpt-replicate"))
"""

from tatslib.recipes.build import get
from tatslib.recipes.planning import Plan, plan

__all__ = ["Plan", "get", "plan"]

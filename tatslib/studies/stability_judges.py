"""What the paper prints or leaves open about the first stage, and the released code does in its own way (2.1, A.1).

The discriminators see zeros around every map, in time as well, so they know where in a clip they are. Zeros in the
encoder's padding spoil the tokens; do those of its judges, through what they ask of it?
"""

from collections.abc import Iterator

from tatslib import recipes
from tatslib.studies.padding import CLIPS, score
from tatslib.studies.results import Numbers, Study
from tatslib.studies.stability import ARMS, PROTOCOL, RECIPES, Arm, first_stage, run, run_arm
from tatslib.training.device import default_device

JUDGES = {
    "judges-replicate": Arm("ours", changes={"discriminator_padding": "replicate"}),
    "matching-logits": Arm("ours", changes={"matching_logits": True}),
    "printed-commitment": Arm("printed-commitment"),
}
SCORED = {name: arm for name, arm in (ARMS | JUDGES).items() if name in ("ours", "no-adversaries", "judges-replicate")}


def run_judges(seed: int) -> Numbers:
    """The arms, and Eq. 3 where judges with zeros, with copies and none at all can be held against each other."""
    videos = recipes.get("actions/videos")
    numbers = run(seed, JUDGES)
    models = {name: run_arm(arm, name, seed).model for name, arm in SCORED.items()}
    models["before"] = first_stage("ours", seed).model
    numbers["equivariance"] = {name: score(m.to(default_device()).eval(), videos) for name, m in models.items()}
    return numbers


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocol."""
    yield Study(
        "stability-judges",
        f"""Arms beside those of the study stability, measured in the same way; chosen when its results were known, and
        fixed before any of them was run. judges-replicate: both discriminators have copies of the edge around every map
        where they have zeros. matching-logits: the logits of the discriminators are matched as well, the printed sum
        over all layers. printed-commitment: the commitment term as printed, a sum over the numbers of the latents
        beside a sum over those of the pixels, which weighs it less by the quotient of their numbers; in the first stage
        and after. equivariance: Eq. 3 on {CLIPS} held-out clips, of the encoder before ({RECIPES["ours"]}), and after
        as many steps with the preset's judges (ours), with judges-replicate, and with none (no-adversaries). The other
        study: {PROTOCOL}""",
        run_judges,
    )

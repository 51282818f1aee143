"""What the study of stability left open: is it the judges, is it the clipping, is it the size of the batch? (A.1)

Its arm at three times the learning rate loses, and at eighteen times falls apart; how far would the same rates have got
without judges? Clipping made no difference at the preset's rate, where gradients are small; and at three times it? A.1
says that small batches bring out blobs. And the discriminators' loss has another form.
"""

from collections.abc import Iterator
from functools import partial

from tatslib.studies.results import Study
from tatslib.studies.stability import PROTOCOL, Arm, run

SMALL = 2  # clips a step
CONTROLS = {
    "no-adversaries-x3": Arm("ours", rate=3.0, changes={"gan_start": None}),
    "no-adversaries-x18": Arm("ours", rate=18.0, changes={"gan_start": None}),
    "no-clipping-x3": Arm("ours", rate=3.0, changes={"clip": None}),
    "small-batch": Arm("ours", changes={"batch": SMALL}),
    "log-loss": Arm("ours", changes={"gan_loss": "log"}),
}


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocol."""
    yield Study(
        "stability-controls",
        f"""Arms beside those of the study stability, from the same first stages, measured in the same way; chosen when
        the results of that study were known. no-adversaries-x3, no-adversaries-x18: no adversaries, at three and
        eighteen times the preset's learning rate. no-clipping-x3: with adversaries at three times the rate, gradients
        not clipped. small-batch: {SMALL} clips a step, which are also all that the batch norms see, and as many steps.
        log-loss: the loss of the discriminators with logarithms in the place of hinges. The other study: {PROTOCOL}""",
        partial(run, arms=CONTROLS),
    )

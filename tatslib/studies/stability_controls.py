"""What the study of stability left open: is it the judges, is it the clipping, is it the size of the batch? (A.1)

Its arm at three times the learning rate loses, and at eighteen times falls apart; how far would the same rates have got
without judges? Clipping made no difference at the preset's rate, where gradients are small; and at three times it? A.1
says that small batches bring out blobs: of either norm? The axial autoencoder without clipping, judges with another
norm or loss, and numbers of 32 bits throughout are the rest.
"""

from collections.abc import Iterator
from functools import partial

from tatslib.studies.results import Study
from tatslib.studies.stability import PROTOCOL, Arm, run
from tatslib.training.presets import Preset
from tatslib.training.train_vqgan import VQGANTraining

SMALL = 2  # clips a step
ALONE = 1 / 4  # share of the steps in which the reconstruction goes on alone


class Late(Arm):
    """Adversaries that join on the way."""

    def training(self, preset: Preset, seed: int) -> VQGANTraining:
        """The settings of this arm at a scale, as `Arm.training` makes and refuses them."""
        settings = super().training(preset, seed)
        return settings.replace(gan_start=round(settings.steps * ALONE))


CONTROLS = {
    "no-adversaries-x3": Arm("ours", rate=3.0, changes={"gan_start": None}),
    "no-adversaries-x18": Arm("ours", rate=18.0, changes={"gan_start": None}),
    "no-clipping-x3": Arm("ours", rate=3.0, changes={"clip": None}),
    "small-batch": Arm("ours", changes={"batch": SMALL}),
    "log-loss": Arm("ours", changes={"gan_loss": "log"}),
}

STARTS = {"late": Late("ours"), "late-second-pass": Late("ours", changes={"second_pass": True})}
UNREADY = {
    "early-no-adversaries": Arm("early", changes={"gan_start": None}),
    "random": Arm("random"),
    "random-no-adversaries": Arm("random", changes={"gan_start": None}),
}

OTHERS = {
    "axial-no-clipping": Arm("axial", changes={"clip": None}),
    "group-norm-small-batch": Arm("group-norm", changes={"batch": SMALL}),
    "judges-group-norm": Arm("ours", changes={"discriminator_norm": "group"}),
    "float32": Arm("float32", changes={"precision": "float32"}),
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
    yield Study(
        "stability-starts",
        f"""Adversaries that join while the run is on its way, as in a training from nothing; measured as in the study
        stability, chosen when its results were known. late: the preset's training, but the adversaries join after
        a quarter of the steps, before which nothing but the reconstruction is trained; curves of theirs begin there.
        late-second-pass: the same with the released code's second pass a batch, which learns statistics before that,
        too. The other study: {PROTOCOL}""",
        partial(run, arms=STARTS),
    )
    yield Study(
        "stability-unready",
        f"""First stages that have not converged, with adversaries from the first step and without, measured as in the
        study stability, chosen when its results were known. early-no-adversaries: the shorter first stage of that
        study's arm early, trained on without adversaries. random, random-no-adversaries: from random weights, with the
        settings of the adversarial training and no more steps; there is no l1_before. The other study: {PROTOCOL}""",
        partial(run, arms=UNREADY),
    )
    yield Study(
        "stability-others",
        f"""Arms beside those of the study stability, measured in the same way; chosen when its results were known.
        axial-no-clipping: the axial autoencoder, gradients not clipped. group-norm-small-batch: ours with group norm,
        {SMALL} clips a step, beside small-batch of the study stability-controls. judges-group-norm: ours with batch
        norm, the discriminators with group norm. float32: ours, its first stage and its adversarial training in
        float32; all other arms compute in bfloat16 where the machine multiplies it, as this one does. The other study:
        {PROTOCOL}""",
        partial(run, arms=OTHERS),
    )

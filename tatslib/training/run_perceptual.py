"""LPIPS for the length of a run: it is there, or away, from the first step to the last, however often one stops."""

import logging
from pathlib import Path

from torch import nn

from tatslib.config import Config
from tatslib.distributed import from_main
from tatslib.errors import UserError
from tatslib.training.checkpoint import weights_fingerprint, write_text

FILE, NONE = "perceptual.json", "none"
logger = logging.getLogger(__name__)


class PerceptualWeights(Config):
    """What LPIPS a run was begun with."""

    perceptual_network: str  # fingerprint of its weights, or "none"


def as_begun(run: Path, network: nn.Module | None) -> nn.Module | None:
    """LPIPS as the run was begun with: `network`, or none, with a warning, where it was begun without.

    A run that is begun notes it in `perceptual.json`.

    Args:
        run: folder of the run.
        network: what can be had now; None if nothing can.

    Raises:
        UserError: if the run was begun with LPIPS and it is not here, or is another one.
    """
    now = NONE if network is None else weights_fingerprint(network)
    begun = from_main(lambda: _noted(run / FILE, now))
    if begun == now:
        return network
    if begun == NONE:
        logger.warning("%s was begun without LPIPS and goes on without: begin a new run to have it.", run)
        return None
    what = "is not here" if network is None else f"has other weights ({now})"
    raise UserError(
        f"{run} was begun with LPIPS ({begun}), which {what}: put the same VGG16 file under TATS_HOME, "
        "name the checkpoint with --perceptual, or choose another folder."
    )


def _noted(path: Path, now: str) -> str:
    if path.is_file():
        return PerceptualWeights.from_json(path.read_text(), source=path).perceptual_network
    write_text(path, PerceptualWeights(perceptual_network=now).to_json())
    return now

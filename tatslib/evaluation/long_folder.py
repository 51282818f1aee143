"""A folder of long videos, window by window: reads it for `tatslib.evaluation.long` (paper 3.3).

Letters: V videos, n windows of a video, T H W frames, F feature dimensions.
"""

import tempfile
from pathlib import Path
from typing import cast

import numpy as np

from tatslib.datasets.clips import ClipDataset
from tatslib.evaluation import long
from tatslib.evaluation.evaluate import Evaluation, protocol_of
from tatslib.evaluation.measures import Numbers, need_for_covariance
from tatslib.evaluation.networks import Extractor
from tatslib.evaluation.protocol import Settings
from tatslib.evaluation.videos_folder import VideosFolder
from tatslib.metrics.features import Classifier, FeatureNetwork
from tatslib.progress import progress
from tatslib.videos import Video


def evaluate_long(
    generated: VideosFolder,
    real: ClipDataset,
    named: tuple[str, str, str | None],
    settings: Settings,
    networks: dict[str, Extractor],
    scratch: Path,
) -> Evaluation:
    """Measure long videos along their length.

    Args:
        generated: all frames of the long videos, a multiple of the window.
        real: clips of one window.
        named: see `evaluate`.
        settings: how many real clips, which seed. There is one run: the repeats are the windows.
        networks: "features" for the distance of each window, and "classifier" for CCS and ICS, or none.
        scratch: folder for the decoded videos while they are measured, all frames as bytes.

    Raises:
        UserError: if there are too few videos, the length is no multiple of a window, or a network cannot take them.
    """
    looker, classifier = networks["features"], networks.get("classifier")
    count = settings.clips_for("fvd", real.windows)
    for network in networks.values():
        network.check(real.length, real.resolution)
    need_for_covariance(looker.dimensions, min(count, real.windows), len(generated), looker.what)
    places = real.places(0, count, settings.seed)
    clips = np.stack([real.clip(*place) for place in progress(places, "real clips", unit="clip")])
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        numbers: Numbers = long.evaluate(
            all_frames(generated, Path(folder)),
            clips,
            {looker.name: cast(FeatureNetwork, looker.network)},
            None if classifier is None else cast(Classifier, classifier.network),
            clips_per_dimension=0,  # see above: the paper's own protocol has 1.3
        )
    settings = settings.replace(metrics=("fvd",), repeats=1)
    protocol = protocol_of(generated, real, named, settings, {"fvd": len(generated)}, {"fvd": looker})
    return Evaluation(protocol, {"long": numbers}, len(generated))


def all_frames(generated: VideosFolder, folder: Path) -> Video:
    """Every video of a folder, uint8 (V, T, H, W, 3), in a file that is read as it is looked at."""
    side = generated.resolution
    shape = (len(generated), generated.length, side, side, 3)
    frames = np.lib.format.open_memmap(folder / "videos.npy", "w+", np.uint8, shape)
    for index in progress(range(len(generated)), "long videos", unit="video"):
        frames[index] = generated.clip(index)
    return frames

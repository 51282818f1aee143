"""What is measured and how: the protocol without which no number stands."""

from collections.abc import Sequence
from typing import Self

from pydantic import Field, field_validator, model_validator

from tatslib.config import Config
from tatslib.errors import did_you_mean

METRICS = ("fvd", "kvd", "is", "motion", "colour", "ssim", "psnr")
DISTANCES = ("fvd", "kvd")
PIXELS = ("motion", "colour")
PAIRED = ("ssim", "psnr")
LONG = "long"  # the name of all that is measured along long videos
PAPER_CLIPS = 2048  # generated videos for FVD and KVD (B.1)
PAPER_CLIPS_IS = 10_000  # for IS (B.1)
PAPER_VIDEOS_LONG = 512  # long ones (B.1)
PAPER_FRAME = 45  # of SSIM and PSNR, counted from 1 (3.1, Table 1c)
REPEATS = 10  # "we run the evaluations for 10 times and report the standard deviations" (B.1)

JACKKNIFE = (
    "distances: jackknife over up to 20 groups of videos, Student's t, none of fewer than 5 groups, "
    "Fréchet distances not below 0"
)
HOW = {  # an interval of 95 % is found, by metric
    **dict.fromkeys(DISTANCES, JACKKNIFE),
    "is": "IS: bootstrap over clips, within 1 and the number of classes",
    **dict.fromkeys(PIXELS, "motion, colour: bootstrap over clips"),
    **dict.fromkeys(PAIRED, "SSIM, PSNR: bootstrap over pairs"),
    LONG: f"{JACKKNIFE}; means over videos: bootstrap over videos, within their range; medians, stripes: none",
}


class Settings(Config):
    """What a run shall do, whatever it finds."""

    metrics: tuple[str, ...] = DISTANCES
    clips: int | None = Field(None, gt=1)  # on either side; None: as many as there are, up to the paper's number
    repeats: int = Field(REPEATS, gt=0)
    seed: int = 0
    frame: int = Field(PAPER_FRAME, gt=0)  # of SSIM and PSNR, counted from 1
    long: int | None = Field(None, gt=1)  # frames of long videos, which are measured otherwise and have no `metrics`

    @field_validator("metrics")
    @classmethod
    def _known(cls, metrics: tuple[str, ...]) -> tuple[str, ...]:
        for metric in metrics:
            if metric not in METRICS:
                raise ValueError(f"there is no metric {metric!r}{did_you_mean(metric, METRICS)}: {', '.join(METRICS)}")
        return tuple(dict.fromkeys(metrics))

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if bool(self.metrics) == (self.long is not None):
            raise ValueError(f"metrics {self.metrics} and long {self.long}: one of the two is needed, not both")
        return self

    def clips_for(self, metric: str, there: int) -> int:
        """Clips on either side for a metric, of so many videos that are there."""
        most = {"is": PAPER_CLIPS_IS, **dict.fromkeys(PAIRED, there)}.get(metric, PAPER_CLIPS)
        return self.clips or min(there, most)


class Side(Config):
    """One of the two sets that are compared."""

    name: str  # of its folder
    layout: str  # of the data set, or "folder"
    split: str | None = None
    videos: int
    skipped: int = 0  # too short or damaged; of what is measured, none may be
    height: int | None = None  # as stored, where all have one size
    width: int | None = None
    stride: int = 1
    position: str  # of the clip in a video

    def __str__(self) -> str:
        split = f", {self.split} split" if self.split else ""
        size = f" of {self.width}x{self.height}" if self.height else ""
        skipped = f" ({self.skipped} skipped)" if self.skipped else ""
        stride = "every frame" if self.stride == 1 else f"every {self.stride} frames"
        videos = "1 video" if self.videos == 1 else f"{self.videos:,} videos"
        return f"{self.name} ({self.layout}{split}): {videos}{size}{skipped}, {self.position}, {stride}"


class Looker(Config):
    """The network of a metric."""

    name: str
    what: str
    checksum: str
    dimensions: int
    unpublished: dict[str, str] = Field(default_factory=dict)  # see `networks.Extractor`

    def __str__(self) -> str:
        files = ", ".join(f"{name} {digest}" for name, digest in self.unpublished.items())
        unknown = f" (not known in advance; as found: {files})" if files else ""
        return f"{self.what}, SHA-256 {self.checksum[:12]}{unknown}"


class Counts(Config):
    """How much went into a number."""

    real: int  # clips of a draw; fewer than `generated` where there are no more
    generated: int  # clips of a draw, or long videos
    repeats: int = 1  # draws that differ, on either side


class Protocol(Config):
    """All that a number depends on."""

    settings: Settings
    real: Side
    generated: Side
    frames: int  # of a clip, or of a window of a long video
    resolution: int
    antialias: bool
    clips: dict[str, Counts]  # by metric
    networks: dict[str, Looker]  # by metric; of long videos by measure
    interval: str | None  # how intervals of 95 % were found
    package: str
    torch: str

    def sides(self) -> list[str]:
        """The two sets in words."""
        return [f"generated  {self.generated}", f"real       {self.real}"]

    def of(self, metric: str) -> str:
        """All that the number of one metric depends on, in one line."""
        count, length = self.clips[metric], self.settings.long
        shape = f"{self.frames} frames, {self.resolution}x{self.resolution}"
        if length is not None:
            shape = (
                f"{count.generated:,} generated videos of {length:,} frames in windows of {self.frames}, "
                f"{count.real:,} real clips of {shape}"
            )
        elif metric in PAIRED:
            pairs = f"{count.generated:,} pairs of videos of one name"
            shape = f"{pairs}, frame {self.settings.frame} of each, {self.resolution}x{self.resolution}"
        else:
            few = f"{count.generated:,} generated clips and all {count.real:,} real ones"
            shape = f"{few if count.real < count.generated else f'{count.generated:,} clips a side'}, {shape}"
        resize = "antialiased" if self.antialias else "not antialiased"
        again = "" if count.repeats == 1 else f", {count.repeats} repeats"
        split = self.real.split or self.real.name
        return f"{shape} {resize}; real: {split}; {self._looked(metric)}{again}, seed {self.settings.seed}"

    def _looked(self, metric: str) -> str:
        if self.settings.long is None:
            return str(self.networks[metric])
        return "; ".join(f"{measure}: {looker}" for measure, looker in self.networks.items())


def intervals(metrics: Sequence[str]) -> str | None:
    """How the intervals of these metrics are found, in one line; None where none has any."""
    found = dict.fromkeys(HOW[metric] for metric in metrics)
    return f"95 %; {'; '.join(found)}" if found else None

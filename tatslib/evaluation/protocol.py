"""What is measured and how: the protocol without which no number stands."""

from typing import Any

from pydantic import Field, field_validator

from tatslib.config import Config
from tatslib.errors import did_you_mean

METRICS = ("fvd", "kvd", "is", "motion", "colour")
DISTANCES = ("fvd", "kvd")
PIXELS = ("motion", "colour")
PAPER_CLIPS = 2048  # generated videos for FVD and KVD (B.1)
PAPER_CLIPS_IS = 10_000  # for IS (B.1)
REPEATS = 10  # "we run the evaluations for 10 times and report the standard deviations" (B.1)


class Settings(Config):
    """What a run shall do, whatever it finds."""

    metrics: tuple[str, ...] = Field(("fvd", "kvd"), min_length=1)
    clips: int | None = Field(None, gt=1)  # on either side; None: as many as there are, up to the paper's number
    repeats: int = Field(REPEATS, gt=0)
    seed: int = 0

    @field_validator("metrics")
    @classmethod
    def _known(cls, metrics: tuple[str, ...]) -> tuple[str, ...]:
        for metric in metrics:
            if metric not in METRICS:
                raise ValueError(f"there is no metric {metric!r}{did_you_mean(metric, METRICS)}: {', '.join(METRICS)}")
        return tuple(dict.fromkeys(metrics))

    def clips_for(self, metric: str, there: int) -> int:
        """Clips on either side for a metric, of so many videos that are there."""
        return self.clips or min(there, PAPER_CLIPS_IS if metric == "is" else PAPER_CLIPS)


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
        return f"{self.name} ({self.layout}{split}): {self.videos} videos{size}{skipped}, {self.position}, {stride}"


class Looker(Config):
    """The network of a metric."""

    name: str
    what: str
    checksum: str
    dimensions: int

    def __str__(self) -> str:
        return f"{self.what}, SHA-256 {self.checksum[:12]}"


class Protocol(Config):
    """All that a number depends on."""

    settings: Settings
    real: Side
    generated: Side
    frames: int
    resolution: int
    antialias: bool
    clips: dict[str, int]  # on either side, by metric
    networks: dict[str, Looker]  # by metric
    interval: str = "95 %; distances: jackknife over 20 groups of videos; IS, motion, colour: bootstrap over clips"
    package: str
    torch: str

    def sides(self) -> list[str]:
        """The two sets in words."""
        return [f"generated  {self.generated}", f"real       {self.real}"]

    def of(self, metric: str) -> str:
        """All that the number of one metric depends on, in one line."""
        clips = f"{self.clips[metric]:,} clips a side, {self.frames} frames, {self.resolution}x{self.resolution}"
        resize = "antialiased" if self.antialias else "not antialiased"
        again = "" if metric in PIXELS or self.settings.repeats == 1 else f", {self.settings.repeats} repeats"
        split = self.real.split or self.real.name
        return f"{clips} {resize}; real: {split}; {self.networks[metric]}{again}, seed {self.settings.seed}"


def as_json(protocol: Protocol, numbers: dict[str, Any]) -> dict[str, Any]:
    """What is written to a file: the protocol once, and beside each number in a line."""
    beside = {m: {**found, "protocol": protocol.of("fvd" if m == "long" else m)} for m, found in numbers.items()}
    return {"protocol": protocol.model_dump(mode="json"), "metrics": beside}

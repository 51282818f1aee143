"""What would show a claim: comparisons of numbers in book/results, and what came out of each.

A number is named "study:path/in/it", such as "drift:zeros-3/nearest"; a whole number in the path picks from a list.
"""

from dataclasses import dataclass
from math import isfinite
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Literal

from tatslib.studies.results import STUDENT_95, exists, load
from tatslib.training.presets import Scale

if TYPE_CHECKING:
    from claims_votes import Recount

Verdict = Literal["yes", "no", "open", "missing"]
WORDS: dict[Verdict, str] = {
    "yes": "as claimed",
    "no": "the other way round",
    "open": "not to be told",
    "missing": "no results yet",
}


@dataclass(frozen=True)
class Outcome:
    """What one comparison gave."""

    verdict: Verdict
    seeds: tuple[int, ...] = ()
    mean: float | None = None
    half: float | None = None  # of the 95 % interval
    values: tuple[float, ...] = ()  # one a seed


@dataclass(frozen=True)
class Test:
    """One comparison that a claim stands or falls with.

    `more` and `less`: the first number is larger or smaller than the second (or than `than`): the 95 % interval of the
    paired difference (Student's, over seeds) leaves out 0 and every seed has the sign of the claim. With `quotient` it
    is the first number as a share of the second that is compared with `than`.
    `not less`: no seed has less; if `less` holds by the rule above, it is the other way round.
    `equal`: every seed has exactly `than`. `within`: the interval lies inside -margin .. margin.
    """

    __test__ = False  # not a test of pytest

    what: str  # in words, for the reader
    key: str
    kind: Literal["more", "less", "not less", "equal", "within"]
    other: str | None = None
    than: float = 0.0
    margin: float = 0.0
    quotient: bool = False
    unit: str = ""
    digits: int = 2

    def studies(self) -> list[str]:
        """Whose results it needs."""
        return list(dict.fromkeys(key.partition(":")[0] for key in (self.key, self.other) if key))

    def outcome(self, scale: Scale = "toy") -> Outcome:
        """Look it up.

        Raises:
            UserError: if a study has results but not this key.
        """
        if not all(exists(name, scale) for name in self.studies()):
            return Outcome("missing")
        first = series(self.key, scale)
        second = series(self.other, scale) if self.other else dict.fromkeys(first, self.than)
        seeds = tuple(sorted(first.keys() & second.keys()))
        if self.quotient:
            values = tuple(first[seed] / second[seed] - self.than for seed in seeds)
        else:
            values = tuple(first[seed] - second[seed] for seed in seeds)
        if len(values) - 1 not in STUDENT_95 or not all(isfinite(value) for value in values):
            return Outcome("open", seeds, values=values)
        half = STUDENT_95[len(values) - 1] * stdev(values) / len(values) ** 0.5
        return Outcome(self.verdict(fmean(values), half, values), seeds, fmean(values), half, values)

    def verdict(self, mean: float, half: float, values: tuple[float, ...]) -> Verdict:
        """The rule."""
        if self.kind == "equal":
            return "yes" if not any(values) else "no"
        if self.kind == "within":
            return "yes" if abs(mean) + half < self.margin else "no" if abs(mean) - half > self.margin else "open"
        if self.kind == "not less":
            less = all(value < 0 for value in values) and -mean > half
            return "no" if less else "yes" if all(value >= 0 for value in values) else "open"
        sign = 1 if self.kind == "more" else -1
        if all(sign * value > 0 for value in values) and sign * mean > half:
            return "yes"
        return "no" if all(sign * value < 0 for value in values) and -sign * mean > half else "open"

    def says(self, found: Outcome) -> str:
        """One line of evidence, such as "zeros minus replicate: +0.07 ± 0.03 nats; as claimed"."""
        if found.mean is None or found.half is None:
            return f"{self.what}: {WORDS[found.verdict]}"
        unit = f" {self.unit}" if self.unit else ""
        if self.kind == "equal":
            shown = ", ".join(f"{value + self.than:.{self.digits}f}" for value in found.values)
            return f"{self.what}: {shown}{unit}; {WORDS[found.verdict]}"
        shown = (
            f"{found.mean + (self.than if self.quotient else 0):+.{self.digits}f} ± {found.half:.{self.digits}f}{unit}"
        )
        verdict = "further apart" if (self.kind, found.verdict) == ("within", "no") else WORDS[found.verdict]
        margin = f" (up to {self.margin:g}{unit} counts as none)" if self.kind == "within" else ""
        limit = f" (limit {self.than:g})" if self.quotient else ""
        against = f", less {self.than:g}{unit}" if self.than and not self.quotient else ""
        return f"{self.what}{against}: {shown}{margin}{limit}; {verdict}"


def series(key: str, scale: Scale = "toy") -> dict[int, float]:
    """The number at a path, by seed; without those seeds in which there is none."""
    name, _, path = key.partition(":")
    study = load(name, scale)
    *parts, last = path.split("/")
    values = [row[int(last)] for row in study.values("/".join(parts))] if picks(last) else study.values(path)
    return {seed: float(value) for seed, value in zip(study.seeds, values, strict=True) if value is not None}


def picks(part: str) -> bool:
    """Whether a part of a path picks from a list."""
    return part.removeprefix("-").isdigit()


@dataclass(frozen=True)
class Claim:
    """One sentence of the paper, in our words, and how it is put to the test."""

    id: str
    claim: str
    where: str  # in the paper
    tests: tuple[Test, ...]  # all of them as claimed: reproduced
    chapter: str = ""  # number and section, such as "04 Four paddings and real frames"
    cell: str = ""  # a piece of the source of the cell there that computes it; see `claims_cells`
    note: str = ""
    beside: tuple[Test, ...] = ()  # worth knowing; the status does not depend on them
    recounts: tuple["Recount", ...] = ()  # of what the paper published


def more(what: str, key: str, other: str | None = None, unit: str = "", digits: int = 2, than: float = 0.0) -> Test:
    """The first number is the larger one."""
    return Test(what, key, "more", other, than, unit=unit, digits=digits)


def less(what: str, key: str, other: str | None = None, unit: str = "", digits: int = 2, than: float = 0.0) -> Test:
    """The first number is the smaller one."""
    return Test(what, key, "less", other, than, unit=unit, digits=digits)


FIGURE_5 = {  # by what every claim about that figure is held, in each study of 1024 frames that has both arms
    "late/random_change": ("change of the Fréchet distance, random features", "%", 0),
    "late/classifier_change": ("the same, classifier", "%", 0),
    "later/nearest": ("change in grey levels to the nearest real clip", "", 1),
}
SHORTER = {  # the same of shorter videos, whose changes are not in percent
    "random_change": ("change of the Fréchet distance, random features", "", 2),
    "classifier_change": ("the same, classifier", "", 2),
    "nearest_change": ("change in grey levels to the nearest real clip", "", 1),
}


def changes(
    first: str, second: str, words: str, kind: Literal["more", "less"], rulers: dict[str, tuple[str, str, int]]
) -> tuple[Test, ...]:
    """How the quality of one arm ("study:arm") changes along the video, against another arm."""
    return tuple(
        Test(f"{words}, {ruler}", f"{first}/{key}", kind, f"{second}/{key}", unit=unit, digits=digits)
        for key, (ruler, unit, digits) in rulers.items()
    )

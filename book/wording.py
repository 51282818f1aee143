"""How measured numbers are put into words: differences, intervals, spans, shares; read for `measured.py`."""

import torch

from tatslib.errors import UserError
from tatslib.metrics.coherence import area_under
from tatslib.studies.results import Results, load


def size(value: float, sign: int) -> float:
    """A number without its sign, where the words around it say the sign ("nearer", "costs").

    Raises:
        UserError: if it has the other sign, so that the words would be wrong.
    """
    if value * sign < 0:
        raise UserError(
            f"the words in book/measured.py speak of a number {'above' if sign > 0 else 'below'} 0: {value}."
        )
    return abs(value)


def span(of: list[float], digits: int, unit: str, sign: int) -> str:
    """Lowest and highest, such as "1.2 to 1.4 dB", all of this sign, which the words around them say.

    Raises:
        UserError: if one has the other sign.
    """
    sizes = sorted(size(value, sign) for value in of)
    return f"{sizes[0]:.{digits}f} to {sizes[-1]:.{digits}f} {unit}"


def minus(study: Results, key: str, other: str) -> list[float]:
    """Differences, one a seed."""
    return [a - b for a, b in zip(study.values(key), study.values(other), strict=True)]


def interval(study: Results, key: str, other: str, digits: int, unit: str, sign: int | None = None) -> str:
    """Mean difference and half its 95 % interval, such as "-0.04 ± 0.13 dB"; no minus where the words say the sign.

    Raises:
        UserError: if the mean has not the sign that the words say.
    """
    mean, half = study.difference(key, other)
    return f"{mean if sign is None else size(mean, sign):.{digits}f} ± {half:.{digits}f} {unit}"


def across(study: Results, key: str, other: str, other_key: str, digits: int, unit: str) -> str:
    """`interval` of two studies, the second by its name, that have the same trainings as seeds."""
    beside = load(other)
    pairs = {
        seed: {"one": one, "other": two}
        for seed, one, two in zip(study.seeds, study.values(key), beside.values(other_key), strict=True)
    }
    return interval(Results("", "", {}, pairs), "one", "other", digits, unit)


def share(study: Results, key: str) -> str:
    """Mean as whole percents."""
    return f"{100 * study.mean(key):.0f} %"


def bare(study: Results, key: str, other: str, digits: int) -> str:
    """`interval` of a number without a unit."""
    return interval(study, key, other, digits, "").rstrip()


def opening(study: Results) -> str:
    """What opening a page of the book costs at most, and which chapter is the heaviest, of all repetitions."""
    heaviest, slowest = (max(study.values(key)) for key in ("heaviest", "slowest"))
    chapters = {
        int(name[10:12]): max(study.values(f"pages/{name}/megabytes"))
        for name in study.seeds[0]["pages"]
        if name.startswith("notebooks.")
    }
    chapter = max(chapters, key=lambda number: chapters[number])
    seconds = max(
        value
        for name in study.seeds[0]["pages"]
        if name.startswith(f"notebooks.{chapter:02d}")
        for value in study.values(f"pages/{name}/seconds")
    )
    return (
        f"the heaviest page, the first one with its videos, brings {heaviest:.1f} MB, the slowest is there after "
        f"{slowest:.1f} seconds; the heaviest chapter, the {chapter}th, brings {chapters[chapter]:.1f} MB in "
        f"{seconds:.1f} seconds"
    )


def worth_of_first_window(study: Results) -> float:
    """The most that the first window adds to an area under CCS, of all arms and seeds."""
    curves = [
        c for arm in ("base-3", "base-1", "two-levels", "three-levels") for c in study.values(f"{arm}/windows/ccs")
    ]
    return max(area_under(torch.tensor([1.0, *later])) - area_under(torch.tensor(later)) for later in curves)


def rate_in_each_seed(study: Results) -> str:
    """What three times the learning rate costs, in the best and in the worst seed."""
    least, *_, most = sorted(size(value, -1) for value in study.values("rate-x3/psnr_change"))
    return f"three times the rate cost {least:.1f} dB in one seed, {most:.1f} in another"

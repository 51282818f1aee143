"""Measured numbers in the pages' text, computed from `book/results` as the text has them.

`check_numbers.py` asks of every page that it says what stands here and no other measured number. Where results change,
the phrase changes with them, and the build says which sentence is out of date.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from make_claims import human_study

from tatslib.studies.results import Results, leaves, load

Words = Callable[[Results], str]


@dataclass(frozen=True)
class Phrase:
    """A few words of a page with numbers in them, and the study they come from."""

    page: str
    study: str
    words: Words


def keys(study: Results) -> list[str]:
    """The paths of all single numbers of a study, without lists."""
    first = next(iter(study.seeds.values()))
    return [key for key, _ in leaves(first) if isinstance(study.values(key)[0], float | int)]


def span(of: list[float], digits: int, unit: str) -> str:
    """Lowest and highest, such as "1.2 to 1.4 dB"; signs left to the words around them."""
    sizes = sorted(abs(value) for value in of)
    return f"{sizes[0]:.{digits}f} to {sizes[-1]:.{digits}f} {unit}"


def minus(study: Results, key: str, other: str) -> list[float]:
    """Differences, one a seed."""
    return [a - b for a, b in zip(study.values(key), study.values(other), strict=True)]


def interval(study: Results, key: str, other: str, digits: int, unit: str, sign: bool = True) -> str:
    """Mean difference and half its 95 % interval, such as "-0.04 ± 0.13 dB"."""
    mean, half = study.difference(key, other)
    return f"{mean if sign else abs(mean):.{digits}f} ± {half:.{digits}f} {unit}"


def share(study: Results, key: str) -> str:
    """Mean as whole percents."""
    return f"{100 * study.mean(key):.0f} %"


PHRASES = [
    Phrase("ledger", "codebook-resume", lambda s: span(minus(s, "before/psnr", "after/psnr"), 1, "dB")),
    Phrase(
        "ledger",
        "codebook-restarts",
        lambda s: (
            f"{share(s, 'statistics/used_codes')} of the codes are used, {share(s, 'vector/used_codes')} with the "
            f"vector alone, {share(s, 'none/used_codes')} without"
        ),
    ),
    Phrase("ledger", "stability", lambda s: interval(s, "second-pass/psnr_change", "ours/psnr_change", 2, "dB")),
    Phrase("ledger", "stability", lambda s: span(s.values("rate-x3/psnr_change"), 1, "dB")),
    Phrase("ledger", "draws", lambda s: interval(s, "paper/nearest", "released/nearest", 1, "grey levels", sign=False)),
    Phrase(
        "ledger",
        "interpolation-reading",
        lambda s: (
            f"{share(s, 'released/first')} of the first symbols and {share(s, 'released/rest')} of the others right, "
            f"three seeds, and ours {share(s, 'trained/first')}"
        ),
    ),
]


def counted_again() -> list[str]:
    """What the page on the human study says of the paper's votes."""
    found = human_study()
    votes, pairs = found["votes"], found["one_vote_a_pair"]

    def between(count: dict[str, Any]) -> str:
        return f"interval is {100 * count['low']:.1f} % to {100 * count['high']:.1f} %"

    rows = [f"| {r} | {worth:.0f} independent ones |" for r, worth in found["by_agreement"].items() if r != "1.0"]
    return [
        f"TATS is chosen in {100 * votes['share']:.1f} % of the votes",
        between(votes).replace("interval is", "by Clopper and Pearson's method, is"),
        f"with probability {votes['p_value']:.0e}",
        *rows,
        f"| always the same | {found['by_agreement']['1.0']:.0f} independent ones |",
        f"With {pairs['first']} of 100 pairs for TATS the {between(pairs)}",
        f"a coin does that with probability {pairs['p_value']:.1g}",
        f"A share of {100 * votes['share']:.0f} % is more than chance from {found['fewest_votes']} independent",
    ]


# Numbers that follow from a definition or a setting and were not measured, with the reason.
SETTLED = {
    ("00_start_here", "10 dB"): "the definition of the decibel",
    ("00_start_here", "20 dB"): "the definition of the decibel",
    ("00_start_here", "30 dB"): "the definition of the decibel",
    ("04_equivariance_score", "It scores 0.75"): "the paper's, as the paragraph says (A.3)",
    ("04_equivariance_score", "replicate scores 0.75"): "the paper's, as the paragraph says (A.3)",
    ("04_equivariance_score", "30 %"): "1 - 0.7",
    ("06_a_transformer_over_video_tokens", "80 % of the probability"): "the paper's top-p, as the sentence before says",
    ("10_measuring_short_videos", "real data score 90.52"): "the paper's Table 1, as the text says",
    (
        "12_at_paper_scale",
        "token by token, 0.65",
    ): "published, in the table that the text names; billions of parameters",
    ("12_at_paper_scale", "token by token, 0.84"): "the same",
    ("12_at_paper_scale", "token by token, 0.63"): "the same",
    ("12_at_paper_scale", "8.6"): "published, in the table that the text names",
    ("12_at_paper_scale", "1,788,425"): "counted by others, as the sentence says",
    ("ledger", "nearer to training clips with 0.80"): "the paper's top-p, as the row says",
    ("ledger", "1.35 M steps"): "the paper's (B.2)",
    ("ledger", "p 0.5 in the presets"): "a setting, in tatslib/training/paper_presets.py",
    ("ledger", "about 40 %"): "511 of the 1280 targets, as the row says",
    ("ledger", "to 1e-9"): "the tolerance of tests/parity/test_distances.py",
    ("ledger", "708 nats"): "minus the logarithm of the smallest normal float64",
    ("human_study", "67 % for a method that is slightly"): "an example, with the share above",
    ("human_study", "and 67 % for one that wins"): "the same example",
    ("human_study", '"67% of the time"'): "the paper's words",
    ("human_study", "with confidence > 0.95"): "the paper's words",
    ("human_study", "not just above 0.95"): "the paper's words",
    ("human_study", "0.1"): "a correlation, chosen",
    ("human_study", "0.3"): "a correlation, chosen",
    ("human_study", "0.5"): "a correlation, chosen",
    ("human_study", "The 95 % interval"): "the level of the interval",
    ("notation", "between −0.5 and 0.5"): "a convention",
}


def phrases() -> dict[str, list[str]]:
    """What each page has to say, by the page's name."""
    found = defaultdict(list)
    for phrase in PHRASES:
        found[phrase.page].append(phrase.words(load(phrase.study)))
    found["human_study"] = counted_again()
    return dict(found)

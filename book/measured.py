"""Measured numbers in the pages' text, computed from `book/results` as the text has them.

`check_numbers.py` asks of every page that it says what stands here and no other measured number. Where results change,
the phrase changes with them, and the build says which sentence is out of date. A few numbers come from what a committed
chapter printed instead.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any, cast

from claims_votes import human_study
from make_results import PENDING
from wording import across, bare, interval, minus, opening, rate_in_each_seed, share, span, worth_of_first_window

from tatslib.errors import UserError
from tatslib.studies.results import Results, exists, leaves, load

CHAPTERS = Path(__file__).resolve().parent.parent / "notebooks"
NOT_YET = (*PENDING, "page-costs")  # the latter is measured of the finished book
Words = Callable[[Results], str]


@dataclass(frozen=True)
class Phrase:
    """A few words of a page with numbers in them, and the study they come from."""

    page: str
    study: str
    words: Words


@dataclass(frozen=True)
class Quote:
    """A few words of a page with numbers in them that a committed chapter prints."""

    page: str
    chapter: str
    printed: str  # a regular expression; "." is any character, a line break too
    words: str  # with {0}, {1} ... for its groups


def keys(study: Results) -> list[str]:
    """The paths of all single numbers of a study, without lists."""
    first = next(iter(study.seeds.values()))
    return [key for key, _ in leaves(first) if all(isinstance(value, float | int) for value in study.values(key))]


PHRASES = [
    Phrase("how_to_read", "page-costs", opening),
    Phrase("05_adversaries", "stability", rate_in_each_seed),
    Phrase(
        "04_equivariance_score",
        "stability-judges",
        lambda s: (
            "scores "
            f"{interval(s, 'equivariance/no-adversaries/score', 'equivariance/ours/score', 3, 'less', sign=1)} than "
            "after as many steps without them"
        ),
    ),
    Phrase("ledger", "codebook-resume", lambda s: span(minus(s, "before/psnr", "after/psnr"), 1, "dB", 1)),
    Phrase(
        "ledger",
        "codebook-restarts",
        lambda s: (
            f"{share(s, 'statistics/used_codes')} of the codes are used, {share(s, 'vector/used_codes')} with the "
            f"vector alone, {share(s, 'none/used_codes')} without"
        ),
    ),
    Phrase(
        "ledger",
        "stability-starts",
        lambda s: interval(s, "late-second-pass/psnr_change", "late/psnr_change", 2, "dB"),
    ),
    Phrase("ledger", "stability", lambda s: interval(s, "second-pass/psnr_change", "ours/psnr_change", 2, "dB")),
    Phrase(
        "ledger",
        "stability-others",
        lambda s: across(s, "float32/psnr_change", "stability", "ours/psnr_change", 2, "dB") + " more than in bfloat16",
    ),
    Phrase(
        "ledger",
        "stability-others",
        lambda s: across(s, "float32/psnr_before", "stability", "ours/psnr_before", 2, "dB") + " from it",
    ),
    Phrase(
        "ledger",
        "stability-others",
        lambda s: across(s, "judges-group-norm/psnr_change", "stability", "ours/psnr_change", 2, "dB"),
    ),
    Phrase(
        "ledger",
        "stability-judges",
        lambda s: (
            "with copies of the edge in the place of zeros PSNR changes by "
            f"{across(s, 'judges-replicate/psnr_change', 'stability', 'ours/psnr_change', 2, 'dB')} more"
        ),
    ),
    Phrase(
        "ledger",
        "stability-judges",
        lambda s: (
            "the equivariance score by "
            f"{bare(s, 'equivariance/judges-replicate/score', 'equivariance/ours/score', 3)}; "
            "judges with zeros change that by "
            f"{bare(s, 'equivariance/ours/score', 'equivariance/no-adversaries/score', 3)} against none, judges with "
            f"copies by {bare(s, 'equivariance/judges-replicate/score', 'equivariance/no-adversaries/score', 3)}"
        ),
    ),
    Phrase(
        "ledger",
        "stability-judges",
        lambda s: (
            "with the logits matched as well PSNR changes by "
            f"{across(s, 'matching-logits/psnr_change', 'stability', 'ours/psnr_change', 2, 'dB')} more"
        ),
    ),
    Phrase(
        "ledger",
        "stability-judges",
        lambda s: (
            "a first stage ends "
            f"{across(s, 'printed-commitment/psnr_before', 'stability', 'ours/psnr_before', 2, 'dB')} from ours, and "
            "adversaries then change its PSNR by "
            f"{across(s, 'printed-commitment/psnr_change', 'stability', 'ours/psnr_change', 2, 'dB')} more"
        ),
    ),
    Phrase(
        "ledger",
        "first-stage-speed-full",
        lambda s: f"at the paper's size {s.mean('lookup/ratio'):.1f} and {s.mean('encode/ratio'):.1f} times",
    ),
    Phrase("ledger", "stability", lambda s: interval(s, "rate-x3/psnr_change", "ours/psnr_change", 1, "dB")),
    Phrase(
        "ledger",
        "stability-controls",
        lambda s: across(s, "log-loss/psnr_change", "stability", "ours/psnr_change", 2, "dB"),
    ),
    Phrase(
        "ledger",
        "perceptual-switches",
        lambda s: (
            f"the term is {s.mean('range/biases-0/term'):.2f} times ours and its gradient "
            f"{s.mean('range/biases-0/gradient'):.2f} times, at a cosine of {s.mean('range/biases-0/cosine'):.2f}; "
            f"with biases of standard deviation 1, {s.mean('range/biases-1/term'):.2f} and "
            f"{s.mean('range/biases-1/gradient'):.2f} times, at {s.mean('range/biases-1/cosine'):.2f}"
        ),
    ),
    Phrase(
        "ledger",
        "perceptual-switches",
        lambda s: (
            f"changes the term of one frame by {100 * s.mean('dropout/frame'):.1f} % (a standard deviation), "
            f"that of 64 frames by {100 * s.mean('dropout/term'):.1f} %; the gradient of a draw has a cosine of "
            f"{s.mean('dropout/cosine'):.2f} to that without"
        ),
    ),
    Phrase("ledger", "token-speed", lambda s: f"takes {s.mean('ratio'):.1f} times as long"),
    Phrase(
        "ledger",
        "first-stage-speed",
        lambda s: (
            f"lookup takes {s.mean('lookup/ratio'):.1f} times as long, "
            f"encoding as a whole {s.mean('encode/ratio'):.1f} times"
        ),
    ),
    Phrase(
        "ledger",
        "first-stage-speed",
        lambda s: (
            f"1024 toy frames take {s.mean('memory/windows/1024'):.0f} MB in windows and "
            f"{s.mean('memory/whole/1024'):.0f} MB whole, 256 frames {s.mean('memory/windows/256'):.0f} MB and "
            f"{s.mean('memory/whole/256'):.0f} MB"
        ),
    ),
    Phrase(
        "ledger",
        "bench-sample",
        lambda s: (
            f"one toy video come {s.mean('batch-1/ratio_to_reference'):.1f} times as fast as in the released way, "
            f"those of 32 videos {s.mean('batch-32/ratio_to_reference'):.1f} times"
        ),
    ),
    Phrase(
        "ledger",
        "bench-sample",
        lambda s: (
            f"hierarchy is {s.mean('batch-1/ratio_hierarchical'):.1f} times as fast, "
            f"that of 32 videos {s.mean('batch-32/ratio_hierarchical'):.1f} times"
        ),
    ),
    Phrase("ledger", "draws", lambda s: interval(s, "paper/nearest", "released/nearest", 1, "grey levels", sign=-1)),
    Phrase(
        "ledger",
        "interpolation-reading",
        lambda s: (
            f"{share(s, 'released/first')} of the first symbols and {share(s, 'released/rest')} of the others right, "
            f"three seeds, and ours {share(s, 'trained/first')}"
        ),
    ),
    Phrase(
        "ledger",
        "equivariance-trained",
        lambda s: f"score {s.text('released-zeros/score')}, zeros throughout {s.text('zeros/score')}",
    ),
    Phrase("ledger", "stability", lambda s: interval(s, "group-norm/psnr_change", "ours/psnr_change", 2, "dB")),
    Phrase("ledger", "stability", lambda s: interval(s, "no-matching/psnr_change", "ours/psnr_change", 2, "dB")),
    Phrase("ledger", "stability", lambda s: interval(s, "no-clipping/psnr_change", "ours/psnr_change", 2, "dB")),
    Phrase("ledger", "drift", lambda s: interval(s, "replicate-1/nearest", "replicate-3/nearest", 1, "grey levels")),
    Phrase(
        "ledger",
        "hierarchy-speed",
        lambda s: (
            f"{s.text('seconds/two-levels-1', 1)} seconds gap after gap, {s.text('seconds/two-levels-64', 1)} with 64"
        ),
    ),
    Phrase("ledger", "decoder-windows", lambda s: f"differ by {s.mean('replicate/grey_levels'):.1f} grey levels"),
    Phrase(
        "ledger",
        "hierarchy-options",
        lambda s: (
            "p 0.5 in place of 0.8: "
            + interval(s, "hierarchical-fill-p0.5/nearest", "hierarchical/nearest", 1, "grey levels")
        ),
    ),
    Phrase(
        "ledger", "hierarchy", lambda s: interval(s, "three-levels/nearest", "two-levels/nearest", 1, "grey levels")
    ),
    Phrase("ledger", "hierarchy", lambda s: f"adds at most {worth_of_first_window(s):.4f} to an area"),
    Phrase(
        "ledger",
        "condition-text-fine",
        lambda s: (
            f"stays the first one: {bare(s, 'story/own/happens', 'story/beginning/happens', 3)}; against none: "
            f"{bare(s, 'story/own/happens', 'story/untold/happens', 3)}"
        ),
    ),
    Phrase(
        "ledger",
        "condition-sound",
        lambda s: (
            f"SSIM {bare(s, 'given-0/own/ssim', 'given-0/other/ssim', 3)}, strikes (F1) "
            f"{bare(s, 'given-0/own/f1', 'given-0/other/f1', 2)}"
        ),
    ),
    Phrase("ledger", "likelihood", lambda s: interval(s, "held_out", "seen", 2, "nats a token")),
    Phrase(
        "ledger",
        "short-videos",
        lambda s: (
            f"{s.mean('held_out/classifier/frechet_spread'):.2f} over ten draws, "
            f"{s.mean('held_out/classifier/frechet_error'):.2f} by the jackknife"
        ),
    ),
    Phrase(
        "ledger",
        "short-videos",
        lambda s: (
            f"{s.mean('held_out/random/frechet'):.2f} if they are of held-out videos, "
            f"{s.mean('floor/random/frechet'):.2f} if of training videos"
        ),
    ),
]

QUOTES = [
    Quote(
        "12_at_paper_scale",
        "12_at_paper_scale",
        r"VQGAN, 128 x 128, 57 hours +(\d+)%",
        "{0} % of their peak at 128 by 128",
    ),
    Quote(
        "12_at_paper_scale",
        "12_at_paper_scale",
        r"transformer, 500 K steps, 10 days +(\d+)%",
        "{0} % of their peak with 500 K steps",
    ),
    Quote(
        "ledger", "01_videos_as_data", r"would be ([\d.]+) times as likely", "{0} times as likely as one of the longest"
    ),
    Quote("ledger", "03_zero_padding_corrupts_tokens", r"as printed: (\d+)%", "as printed {0} % of the tokens agree"),
    Quote(
        "ledger",
        "08_planning_ahead",
        r"reported: ([\d.]+) over all; in the gap: ([\d.]+)",
        "reports {0} nats where filling in costs {1}",
    ),
    Quote(
        "ledger",
        "10_measuring_short_videos",
        r"other clips of the same videos +([\d.]+) +([\d.]+).*resized without antialiasing +([\d.]+) +([\d.]+)",
        "score {3} in random features and {2} in a classifier's, other clips of these videos {1} and {0}",
    ),
    Quote(
        "ledger",
        "10_measuring_short_videos",
        r"clip from all  all from clip\ntraining +([\d.]+) +([\d.]+)",
        "real clips score {1} the other way round and {0} this way",
    ),
    Quote(
        "ledger",
        "10_measuring_short_videos",
        r"over that of CCVS\* \+ StyleGAN: \+([\d.]+)%",
        "over CCVS* + StyleGAN it would be {0} %",
    ),
    Quote(
        "ledger",
        "11_measuring_long_videos",
        r"as printed +the other way.*?TATS-base +([\d.]+) +([\d.]+)",
        "six videos of TATS-base: {0} nats, the other way {1}",
    ),
    Quote(
        "ledger",
        "11_measuring_long_videos",
        r"bins a colour\nskies: the world itself +([\d.]+) +([\d.]+) +([\d.]+)\nskies: TATS-base, context 3 +([\d.]+)"
        r" +([\d.]+) +([\d.]+)",
        "4, 8 and 16 bins, eighteen toy skies: real {0}, {1}, {2}; generated {3}, {4}, {5}",
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


def quoted(quote: Quote) -> str:
    """The words of a quote with the numbers that the chapter printed.

    Raises:
        UserError: if the chapter no longer prints them.
    """
    cells = json.loads((CHAPTERS / f"{quote.chapter}.ipynb").read_text())["cells"]
    shown = "\n".join("".join(output.get("text", [])) for cell in cells for output in cell.get("outputs", []))
    found = re.search(quote.printed, shown, re.DOTALL)
    if found is None:
        raise UserError(f"{quote.chapter} prints nothing like {quote.printed!r}, which {quote.page}.md quotes.")
    return quote.words.format(*found.groups())


def pending(study: str) -> bool:
    """Whether there are no results of this study yet and none are asked for."""
    return study in NOT_YET and not exists(study, "toy")


def placeholder(phrase: Phrase) -> str:
    """A phrase whose study is pending, with "?" in place of its numbers."""
    words = phrase.words(cast(Results, Unmeasured(phrase.study)))
    return re.sub(r"\bnan\b", "?", words)


class Unmeasured:
    """Stands for the results of a study that was not run: no number of it is a number."""

    def __init__(self, study: str) -> None:
        self.study = study

    def values(self, key: str) -> list[float]:
        """One seed, no number."""
        return [nan]

    def mean(self, key: str) -> float:
        """No number."""
        return nan


def phrases() -> dict[str, list[str]]:
    """What each page has to say, by the page's name; phrases of pending studies are in `placeholders`."""
    found = defaultdict(list)
    for phrase in PHRASES:
        if not pending(phrase.study):
            found[phrase.page].append(phrase.words(load(phrase.study)))
    for quote in QUOTES:
        found[quote.page].append(quoted(quote))
    found["human_study"] = counted_again()
    return dict(found)


def placeholders() -> dict[str, list[str]]:
    """What each page has to say while studies are pending, by the page's name."""
    found = defaultdict(list)
    for phrase in PHRASES:
        if pending(phrase.study):
            found[phrase.page].append(placeholder(phrase))
    return dict(found)

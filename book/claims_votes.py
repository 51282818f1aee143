"""What the paper counted and published, tested again: nothing is measured here, so it is a scale of its own."""

from dataclasses import dataclass
from typing import Any

from claims_tests import WORDS, Verdict

from tatslib.metrics.preference import effective_votes, fewest_votes, preference

PAPERS_VOTES, PAPERS_PAIRS = (355, 175), 100  # C.3


@dataclass(frozen=True)
class Recount:
    """Votes for the first of two methods and for the second.

    As claimed: the exact 95 % interval of the first one's share (Clopper and Pearson) lies above one half.
    """

    what: str  # in words, for the reader
    first: int
    second: int
    counts: bool = True  # or worth knowing, and the status does not depend on it

    def verdict(self) -> Verdict:
        """The rule."""
        found = preference(self.first, self.second)
        return "yes" if found.low > 0.5 else "no" if found.high < 0.5 else "open"

    def evidence(self) -> dict[str, Any]:
        """As it is stored, with the names that measured evidence has."""
        found = preference(self.first, self.second)
        share, low, high, word = 100 * found.share, 100 * found.low, 100 * found.high, WORDS[self.verdict()]
        return {
            "says": f"{self.what}, {self.first} to {self.second}: {share:.1f} %, exact 95 % interval {low:.1f} % to "
            f"{high:.1f} %, by chance with probability {found.p_value:.1g}; {word}",
            "verdict": word,
            "counts": self.counts,
            "votes": [self.first, self.second],
            "share": round(found.share, 5),
            "interval": [round(found.low, 5), round(found.high, 5)],
            "p_value": float(f"{found.p_value:.5g}"),
            "seeds_of": None,  # there are none
            "files": [],
            "keys": [],
        }


def pairs_for_first() -> int:
    """How many of the paper's pairs go to TATS, if all raters of a pair agree."""
    first, second = PAPERS_VOTES
    return round(first / (first + second) * PAPERS_PAIRS)


def human_study() -> dict[str, Any]:
    """The paper's votes counted again, for the page on the human study."""
    first, second = PAPERS_VOTES
    counted = preference(first, second)
    pairs = pairs_for_first()
    a_pair = (first + second) / PAPERS_PAIRS
    return {
        "votes": counted._asdict(),
        "votes_a_pair": a_pair,
        "by_agreement": {str(r): round(effective_votes(first + second, a_pair, r), 1) for r in (0.1, 0.3, 0.5, 1.0)},
        "one_vote_a_pair": preference(pairs, PAPERS_PAIRS - pairs)._asdict(),
        "fewest_votes": fewest_votes(counted.share),
    }

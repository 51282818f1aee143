"""Which of two videos do people choose? Votes counted exactly (paper, supplement C.3: 355 against 175).

Letters: n votes, k of them for the first of two methods.
"""

import csv
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tatslib.errors import UserError

COLUMNS = ("pair", "rater", "choice")  # what a file of votes must have; the rating page writes more


class Preference(NamedTuple):
    """What so many votes say about how often the first method would be chosen."""

    first: int
    second: int
    share: float  # of the first, 0 .. 1
    low: float  # Clopper-Pearson interval of the share
    high: float
    p_value: float  # two-sided, of a fair coin giving a count at least as uneven


class Vote(NamedTuple):
    """One answer of one rater about one pair of videos."""

    pair: str
    rater: str
    first: bool  # whether the first method's video was chosen


def preference(first: int, second: int, level: float = 0.95) -> Preference:
    """The exact binomial test against 1/2 and the Clopper-Pearson interval.

    Exact means: from the binomial distribution itself, without a normal curve. It takes the votes to be independent.
    Where several raters see the same pair or one rater sees many, they are not: see `effective_votes`, `by_pair`.

    Args:
        first: votes for the first method.
        second: votes for the second. Ties are not counted; decide beforehand what becomes of them.
        level: share of such intervals that hold the true share, at the least.

    Raises:
        UserError: if there are no votes, a negative number, or no level between 0 and 1.
    """
    if min(first, second) < 0 or first + second == 0:
        raise UserError(f"{first} against {second} votes are no count: give two numbers, 0 or more, not both 0.")
    if not 0 < level < 1:
        raise UserError(f"a level of {level} is none: choose one between 0 and 1, such as 0.95.")
    n, tail = first + second, (1 - level) / 2
    low = 0.0 if first == 0 else crossing(lambda p: at_least(first, n, p) - tail)
    high = 1.0 if second == 0 else crossing(lambda p: tail - at_least(second, n, 1 - p))
    return Preference(first, second, first / n, low, high, coin(first, second))


def coin(first: int, second: int) -> float:
    """Probability of a count at least as uneven, either way, when each vote is the toss of a fair coin."""
    n, k = first + second, max(first, second)
    term = math.comb(n, k)  # whole numbers: nothing is rounded before the last division
    ways = 0
    for j in range(k, n + 1):
        ways += term
        term = term * (n - j) // (j + 1)
    return min(1.0, 2 * ways / 2**n)


def at_least(k: int, n: int, p: float) -> float:
    """Probability of k or more successes in n trials that succeed with probability p."""
    if p <= 0 or p >= 1:
        return float(k <= 0 or p >= 1)
    of_n = math.lgamma(n + 1)
    logs = (
        of_n - math.lgamma(j + 1) - math.lgamma(n - j + 1) + j * math.log(p) + (n - j) * math.log1p(-p)
        for j in range(k, n + 1)
    )
    return math.fsum(math.exp(log) for log in logs)


def crossing(rising: Callable[[float], float]) -> float:
    """Where a function that rises over 0 .. 1 passes 0, by halving the interval until floats end."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return low


def effective_votes(votes: int, votes_a_pair: float, agreement: float) -> float:
    """How many independent votes so many votes are worth, when those about one pair resemble each other (Kish).

    n / (1 + (m - 1) r) for m votes a pair. The same formula serves raters: m votes of each, r how alike they are.

    Args:
        votes: n.
        votes_a_pair: m, 1 or more.
        agreement: r, the correlation of two votes about the same pair: 0 for none, 1 if they are always the same.

    Raises:
        UserError: if a number is outside its range.
    """
    if votes < 1 or votes_a_pair < 1 or not 0 <= agreement <= 1:
        raise UserError(
            f"{votes} votes, {votes_a_pair} a pair, agreement {agreement}: "
            "there must be 1 vote or more, 1 a pair or more, and an agreement between 0 and 1."
        )
    return votes / (1 + (votes_a_pair - 1) * agreement)


def fewest_votes(share: float, level: float = 0.95) -> int:
    """The smallest number of independent votes from which on such a share is not put down to chance.

    Votes are whole, so that the p-value goes up and down a little as they grow more: counted is from where it stays
    below 1 - `level`, looked at for 300 numbers.

    Raises:
        UserError: if the share is not between 0.55 and 1.
    """
    if not 0.55 <= share <= 1:
        raise UserError(f"a share of {share} says little with few votes: give one from 0.55 to 1.")
    last = n = 0
    while n <= last + 300:
        n += 1
        first = round(share * n)
        if coin(first, n - first) >= 1 - level:
            last = n
    return last + 1


def read_votes(path: Path) -> list[Vote]:
    """The votes in a file that the book's rating page saved.

    Args:
        path: CSV with the columns `pair`, `rater` and `choice`, which is A for the first folder and B for the second.

    Raises:
        UserError: if a column is missing, a choice is neither, or there are no votes.
    """
    with path.open(newline="") as file:
        rows = csv.DictReader(file)
        if missing := [name for name in COLUMNS if name not in (rows.fieldnames or [])]:
            raise UserError(f"{path.name} has no column {missing[0]!r}: it takes {', '.join(COLUMNS)}.")
        found = list(rows)
    if wrong := [row["choice"] for row in found if row["choice"] not in ("A", "B")]:
        raise UserError(f"{path.name} has the choice {wrong[0]!r}: a choice is A or B.")
    if not found:
        raise UserError(f"{path.name} has no votes.")
    return [Vote(row["pair"], row["rater"], row["choice"] == "A") for row in found]


def counted(votes: Sequence[Vote]) -> Preference:
    """All votes together, as if they were independent.

    Raises:
        UserError: if there are none.
    """
    first = sum(vote.first for vote in votes)
    return preference(first, len(votes) - first)


def by_pair(votes: Sequence[Vote]) -> Preference:
    """Each pair one vote, that of the majority; pairs without one are left out.

    Raters who see the same two videos answer alike, whatever the methods are worth. One vote a pair is right however
    alike they answer, and gives up what several raters of a pair know.

    Raises:
        UserError: if no pair has a majority.
    """
    lead: Counter[str] = Counter()
    for vote in votes:
        lead[vote.pair] += 1 if vote.first else -1
    return preference(sum(x > 0 for x in lead.values()), sum(x < 0 for x in lead.values()))

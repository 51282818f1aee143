"""Hold each claim of the paper against book/results, by rule, into book/results/claims.json and book/claims.md.

    make_claims.py            write both files
    make_claims.py --check    say whether they are what the results make of them

Nobody types a status. `claims_tokens.py`, `claims_sampling.py` and `claims_videos.py` say of each claim which numbers
would show it and in which direction; what the studies found decides.
"""

import json
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import claims_cells
import make_results
from claims_sampling import SAMPLING
from claims_tests import WORDS, Claim, Outcome, Verdict
from claims_tokens import FIRST_STAGE, PADDING
from claims_videos import CONDITIONS, LONG
from claims_votes import human_study

from tatslib.errors import UserError
from tatslib.studies.results import SeedsOf, file_name, load, rounded
from tatslib.training.presets import Scale

BOOK = Path(__file__).resolve().parent
JSON, PAGE = BOOK / "results" / "claims.json", BOOK / "claims.md"
PARTS = {
    "Padding and tokens": PADDING,
    "Training the first stage": FIRST_STAGE,
    "Windows and plans": SAMPLING,
    "Conditions": CONDITIONS,
    "Long and short videos": LONG,
}
SCALES: tuple[Scale, ...] = ("toy", "gpu", "paper")
RULE = (
    "A comparison is as claimed if every seed has the sign of the claim and the 95 % interval of the paired difference "
    "(Student's, over seeds) leaves out zero; the other way round, if both hold for the opposite sign; else it is not "
    "to be told. (Not less: as claimed if no seed has less.) Reproduced: all comparisons of a claim are as claimed. "
    "Partly: some are. Not shown: none is, though there are results. Not tested: there are no results. A comparison "
    "without results yet counts as not to be told where others have some. Recomputed: nothing was measured here; what "
    "the paper concludes follows from counts that it publishes, by an exact test."
)
STATUSES = ("reproduced", "partly", "not shown", "not tested")
PUBLISHED = "published"  # a scale of its own: recomputed from counts in the paper
SCALE_NAMES = {scale: f"{scale} scale" for scale in SCALES} | {PUBLISHED: "published counts"}
INTRODUCTION = """# What is reproduced

<!-- Written by book/make_claims.py from book/results; do not edit. -->

{count} claims of the paper {{cite:p}}`ge2022tats`, and what this book's results say of each. At toy scale: {counts}.
The status is not an opinion: a program compares numbers and applies one rule.

:::{{admonition}} The rule
{rule}
:::

Toy scale is one small world a data set, two processor cores and three seeds. A claim that does not show there may hold
at the paper's size, and one that does may not. Each claim leads to its evidence further down, and from there to the
cell of the chapter that computes it.

A seed is not the same everywhere, so each line says what was repeated. *Trainings*: the models were trained anew for
each seed. *Draws*: one training, from which videos were drawn anew; such a line says nothing of how trainings differ.
*Repetitions*: a measurement of time or memory, taken again. *Initialisations*: random weights, not trained.
"""


def status(outcomes: list[Outcome]) -> str:
    """The rule in `RULE`."""
    verdicts: list[Verdict] = [outcome.verdict for outcome in outcomes]
    if all(verdict == "missing" for verdict in verdicts):
        return "not tested"
    if all(verdict == "yes" for verdict in verdicts):
        return "reproduced"
    return "partly" if "yes" in verdicts else "not shown"


@cache
def seeds_of() -> dict[str, SeedsOf]:
    """What the seeds of each study repeat, as the studies say themselves."""
    return {study.name: study.seeds_of for study in make_results.studies()}


def evidence(claim: Claim, scale: Scale = "toy") -> list[dict[str, Any]]:
    """Each comparison with its numbers, where they lie, and what it says."""
    found = []
    for counts, tests in ((True, claim.tests), (False, claim.beside)):
        for test in tests:
            outcome = test.outcome(scale)
            found.append(
                {
                    "says": test.says(outcome),
                    "verdict": WORDS[outcome.verdict],
                    "counts": counts,
                    "difference": rounded(list(outcome.values)),
                    "mean": rounded(outcome.mean),
                    "half_interval": rounded(outcome.half),
                    "seeds_of": " and ".join(sorted({seeds_of()[name] for name in test.studies()})),
                    "files": [f"book/results/{file_name(name, scale)}" for name in test.studies()],
                    "keys": [key.partition(":")[2] for key in (test.key, test.other) if key],
                    "than": test.than,
                }
            )
    return found


def entry(claim: Claim) -> dict[str, Any]:
    """A claim as it is stored."""
    outcomes = {scale: [test.outcome(scale) for test in claim.tests] for scale in SCALES}
    measured = [scale for scale in SCALES if any(outcome.verdict != "missing" for outcome in outcomes[scale])]
    seeds = sorted({seed for scale in measured for outcome in outcomes[scale] for seed in outcome.seeds})
    found = {
        "id": claim.id,
        "claim": claim.claim,
        "where": claim.where,
        "status": {scale: status(outcomes[scale]) for scale in SCALES},
        "scale": [*measured],
        "seeds": seeds,
        "evidence": {scale: evidence(claim, scale) for scale in measured},
        "chapter": claim.chapter,
        "cell": claims_cells.find(claim.chapter, claim.cell) if claim.cell else None,
        "note": claim.note,
    }
    if claim.recounts:
        holds = all(recount.verdict() == "yes" for recount in claim.recounts if recount.counts)
        found["status"][PUBLISHED] = "recomputed" if holds else "not confirmed"
        found["scale"].append(PUBLISHED)
        found["evidence"][PUBLISHED] = [recount.evidence() for recount in claim.recounts]
    return found


def collect() -> dict[str, Any]:
    """All of it, as it is stored in claims.json."""
    claims = [{"part": part} | entry(claim) for part, claims in PARTS.items() for claim in claims]
    files = sorted({path for c in claims for found in c["evidence"].values() for row in found for path in row["files"]})
    existing = [path for path in files if (BOOK.parent / path).is_file()]
    commits = {Path(path).stem: load(Path(path).stem).provenance["commit"] for path in existing if "-gpu" not in path}
    return {
        "claims": claims,
        "human_study": human_study(),
        "provenance": {"command": "python book/make_claims.py", "rule": RULE, "files": existing, "commits": commits},
    }


# ------------------------------------------------------------------------------------------------------------ the page
def chapter_link(where: str, cell: dict[str, str] | None) -> str:
    """ "04 What it costs" as a link to that section of Chapter 4, and the cell in it."""
    if not cell:
        return ""
    number, _, section = where.partition(" ")
    return f"[Chapter {int(number)}, *{section}*]({cell['notebook']}#{cell['anchor']}), cell `{cell['id']}`"


def badge(word: str) -> str:
    """A status with a class for its colour; the word itself says it."""
    return f"[{word}]{{.status .{re.sub(' ', '-', word)}}}"


def page(found: dict[str, Any]) -> str:
    """claims.md."""
    claims = found["claims"]
    counts = {word: sum(claim["status"]["toy"] == word for claim in claims) for word in STATUSES}
    lines = [
        INTRODUCTION.format(
            count=len(claims), counts=", ".join(f"{n} {word}" for word, n in counts.items()), rule=RULE
        ),
        *("{.claims}", "| Claim | Toy | GPU | Paper scale | Paper |", "|---|---|---|---|---|"),
    ]
    for claim in claims:
        words = " | ".join(badge(claim["status"][scale]) for scale in SCALES)
        words += f" {badge(claim['status'][PUBLISHED])}" if PUBLISHED in claim["status"] else ""
        lines.append(f"| [{claim['claim']}](#claim-{claim['id']}) | {words} | {claim['where']} |")
    for part in PARTS:
        lines += ["", f"## {part}"]
        for claim in (c for c in claims if c["part"] == part):
            lines += section(claim)
    return "\n".join(lines) + "\n"


def section(claim: dict[str, Any]) -> list[str]:
    """One claim with its evidence."""
    title = claim["id"].replace("-", " ").capitalize()
    lines = ["", f"(claim-{claim['id']})=", f"### {title}", "", f"*{claim['claim']}*", ""]
    said = [f"{SCALE_NAMES[scale]}: {badge(claim['status'][scale])}" for scale in claim["scale"] or ["toy"]]
    place = chapter_link(claim["chapter"], claim["cell"])
    lines += [" · ".join([f"Paper: {claim['where']}", *said, *([place] if place else [])]), ""]
    for scale in claim["scale"]:
        for row in claim["evidence"][scale]:
            files = ", ".join(f"`{Path(path).name}`" for path in row["files"])
            source = f" ({files}; {repeated(row)})" if files else ""
            lines.append(f"- {'' if row['counts'] else 'Beside it: '}{row['says']}{source}")
        lines += [""]
        if scale != PUBLISHED:
            lines += [f"Seeds: {', '.join(map(str, claim['seeds']))}.", ""]
    if claim["note"]:
        lines += [claim["note"], ""]
    return lines[:-1] if lines[-1] == "" else lines


def repeated(row: dict[str, Any]) -> str:
    """How often and what, such as "3 trainings"."""
    return f"{len(row['difference'])} {row['seeds_of']}" if row["difference"] else row["seeds_of"]


def files() -> dict[Path, str]:
    """What is written where."""
    found = collect()
    return {JSON: json.dumps(found, indent=1, ensure_ascii=False) + "\n", PAGE: page(found)}


def stale() -> list[str]:
    """One sentence for each file that is not what the results make of it now."""
    return [
        f"{path.name} is not what book/results say: run python book/make_claims.py."
        for path, text in files().items()
        if not path.is_file() or path.read_text() != text
    ]


def main() -> None:
    """Write, or compare."""
    if "--check" in sys.argv:
        sys.exit("\n".join(stale()))
    for path, text in files().items():
        path.write_text(text)
        print(path)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(str(error)) from None

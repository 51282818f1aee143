"""The table of claims: statuses follow from numbers by a rule, and the stored table is what the numbers say now."""

import json
import re
from dataclasses import replace

import claims_cells
import claims_tests
import make_claims
import pytest
from claims_tests import Claim, Outcome, Test
from claims_votes import Recount

from tatslib import studies as studies_room
from tatslib.errors import UserError
from tatslib.studies.results import Results

CLAIMS = [claim for part in make_claims.PARTS.values() for claim in part]
ORIGIN = {"scale": "toy", "commit": "c"}


def stored(values: list[float], other: list[float]) -> Results:
    rows = zip(values, other, strict=True)
    return Results("made-up", "", ORIGIN, {k: {"a": a, "b": b, "rows": [b, a]} for k, (a, b) in enumerate(rows)})


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch):
    """Put made-up numbers where results are looked up."""

    def put(values: list[float], other: list[float], scale: str = "toy") -> None:
        monkeypatch.setattr(claims_tests, "exists", lambda name, at: name == "made-up" and at == scale)
        monkeypatch.setattr(claims_tests, "load", lambda name, at: stored(values, other))
        monkeypatch.setattr(make_claims, "seeds_of", lambda: {"made-up": "trainings"})

    return put


MORE = Test("a minus b", "made-up:a", "more", "made-up:b", unit="dB")


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([1.0, 1.1, 1.2], "yes"),
        ([-1.0, -1.1, -1.2], "no"),
        ([1.0, 1.1, -0.1], "open"),  # one seed says otherwise
        ([0.1, 2.0, 0.2], "open"),  # all seeds agree, and the interval holds zero
        ([0.0, 0.0, 0.0], "open"),
        ([float("inf"), 1.0, 1.0], "open"),
    ],
)
def test_more_needs_every_seed_and_an_interval_without_zero(study, values: list[float], verdict: str) -> None:
    study(values, [0.0, 0.0, 0.0])
    assert MORE.outcome().verdict == verdict
    assert replace(MORE, kind="less").outcome().verdict == {"yes": "no", "no": "yes", "open": "open"}[verdict]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.0, 0.1, 3.0], "yes"),  # no seed has less, whatever the interval
        ([-0.1, 0.1, 3.0], "open"),
        ([-0.1, -5.0, -0.2], "open"),  # all have less, and the interval holds zero
        ([-1.0, -1.1, -1.2], "no"),
    ],
)
def test_not_less_needs_that_no_seed_has_less(study, values: list[float], verdict: str) -> None:
    study(values, [0.0, 0.0, 0.0])
    assert replace(MORE, kind="not less", other=None).outcome().verdict == verdict


def test_equal_is_exact_and_within_looks_at_the_whole_interval(study) -> None:
    study([1.0, 1.0, 1.0], [1.0, 1.0, 1.01])
    equal = Test("a", "made-up:a", "equal", than=1.0)
    assert equal.outcome().verdict == "yes" and replace(equal, key="made-up:b").outcome().verdict == "no"
    within = replace(MORE, kind="within", margin=0.05)
    assert within.outcome().verdict == "yes" and replace(within, margin=0.01).outcome().verdict == "open"


def test_a_quotient_is_compared_with_its_limit(study) -> None:
    study([1.0, 1.1, 0.9], [4.0, 4.4, 3.6])
    share = replace(MORE, kind="less", quotient=True, than=0.3)
    assert share.outcome().verdict == "yes" and replace(share, than=0.2).outcome().verdict == "no"
    assert "+0.25 ± 0.00" in share.says(share.outcome())


def test_a_whole_number_in_a_path_picks_from_a_list(study) -> None:
    study([1.0, 2.0, 3.0], [0.0, 0.0, 0.0])
    assert claims_tests.series("made-up:rows/-1", "toy") == {0: 1.0, 1: 2.0, 2: 3.0}
    assert claims_tests.series("made-up:rows/0", "toy") == {0: 0.0, 1: 0.0, 2: 0.0}


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        (["yes", "yes"], "reproduced"),
        (["yes", "open"], "partly"),
        (["yes", "no"], "partly"),
        (["yes", "missing"], "partly"),
        (["open", "no"], "not shown"),
        (["open", "missing"], "not shown"),
        (["missing", "missing"], "not tested"),
        ([], "not tested"),
    ],
)
def test_the_status_follows_from_the_comparisons(verdicts: list[str], status: str) -> None:
    assert make_claims.status([Outcome(verdict) for verdict in verdicts]) == status


def test_without_results_a_claim_is_not_tested_and_says_so(study) -> None:
    study([1.0, 1.1, 1.2], [0.0, 0.0, 0.0], scale="gpu")
    entry = make_claims.entry(Claim("x", "It is more.", "1", (MORE,)))
    assert entry["status"] == {"toy": "not tested", "gpu": "reproduced", "paper": "not tested"}
    assert entry["scale"] == ["gpu"] and entry["seeds"] == [0, 1, 2]
    (row,) = entry["evidence"]["gpu"]
    assert row["files"] == ["book/results/made-up-gpu.json"] and row["keys"] == ["a", "b"]
    assert row["says"] == "a minus b: +1.10 ± 0.25 dB; as claimed" and row["seeds_of"] == "trainings"


@pytest.mark.parametrize(
    ("votes", "word"), [((355, 175), "recomputed"), ((52, 48), "not confirmed"), ((175, 355), "not confirmed")]
)
def test_published_counts_are_a_scale_of_their_own(votes: tuple[int, int], word: str) -> None:
    entry = make_claims.entry(Claim("x", "It is more.", "1", (), recounts=(Recount("votes", *votes),)))
    assert entry["status"] == dict.fromkeys(make_claims.SCALES, "not tested") | {"published": word}
    assert entry["scale"] == ["published"] and entry["seeds"] == []
    (row,) = entry["evidence"]["published"]
    assert row["votes"] == list(votes) and row["files"] == [] and row["seeds_of"] is None


CHAPTER = [
    {"cell_type": "markdown", "id": "a", "source": ["# Chapter\n", "## What `it` costs\n"]},
    {"cell_type": "code", "id": "b", "source": ["one = load()\n", "show(one)"], "outputs": []},
    {"cell_type": "code", "id": "c", "source": ["show(two)"], "outputs": []},
]


@pytest.fixture
def chapter(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "98_made_up.ipynb").write_text(json.dumps({"cells": CHAPTER}))
    monkeypatch.setattr(claims_cells, "NOTEBOOKS", tmp_path)
    claims_cells.cells.cache_clear()


def test_a_cell_is_found_by_a_piece_of_its_source(chapter) -> None:
    assert claims_cells.find("98 What `it` costs", "one = load()") == {
        "id": "b",
        "notebook": "notebooks/98_made_up.ipynb",
        "anchor": "what-it-costs",
    }


@pytest.mark.parametrize(
    ("where", "piece", "says"),
    [
        ("98 What `it` costs", "three", "no cell"),
        ("98 What `it` costs", "show(", "2 cells"),
        ("98 Elsewhere", "show(two)", "stands under"),
        ("97 Elsewhere", "show(two)", "no chapter"),
    ],
)
def test_a_piece_that_leads_to_no_single_cell_is_refused(chapter, where: str, piece: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        claims_cells.find(where, piece)


def test_anchors_are_those_of_the_renderer() -> None:
    renderer = pytest.importorskip("myst_parser.mdit_to_docutils.base")
    for claim in CLAIMS:
        section = claim.chapter.partition(" ")[2]
        assert claims_cells.anchor(section) == renderer.default_slugify(section.replace("`", ""))


# ----------------------------------------------------------------------------------------------------- the table itself
def test_what_is_stored_is_what_the_results_say_now() -> None:
    assert make_claims.stale() == []


def test_claims_have_names_places_and_words() -> None:
    assert len(CLAIMS) >= 18 and len({claim.id for claim in CLAIMS}) == len(CLAIMS)
    for claim in CLAIMS:
        assert re.fullmatch(r"[a-z-]+", claim.id) and claim.where and claim.claim.endswith(".")
        assert claim.tests or claim.recounts, f"{claim.id}: what would show it?"


def test_each_claim_leads_to_the_cell_that_computes_it() -> None:
    page = make_claims.PAGE.read_text()
    for entry in json.loads(make_claims.JSON.read_text())["claims"]:
        assert entry["cell"], f"{entry['id']} names no cell"
        notebook = make_claims.BOOK.parent / entry["cell"]["notebook"]
        ids = [cell["id"] for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
        assert ids.count(entry["cell"]["id"]) == 1, f"{entry['id']}: its cell is not in {notebook.name}"
        assert f"({entry['cell']['notebook']}#{entry['cell']['anchor']})" in page and entry["cell"]["id"] in page


def test_figure_5_is_held_to_the_same_numbers_in_every_claim() -> None:
    rulers = set(claims_tests.FIGURE_5)
    for claim in (c for c in CLAIMS if "Fig. 5" in c.where or "Fig. 2, 5" in c.where):
        keys = {tuple(key.partition("/")[::2] for key in (test.key, test.other)) for test in claim.tests}
        pairs = {(a, b) for (a, _), (b, _) in keys}
        of_long = {ruler for pair in keys for place, ruler in pair if place.startswith("long-")}
        of_shorter = {ruler for pair in keys for place, ruler in pair if not place.startswith("long-")}
        assert of_long == rulers and of_shorter in (set(), set(claims_tests.SHORTER)), claim.id
        assert len(claim.tests) == len(pairs) * len(rulers), claim.id
        contexts = {arm for pair in pairs for arm in pair if arm.startswith("long-base")}
        assert contexts == {"long-base:base-3", "long-base:base-1"}, claim.id


def test_what_a_seed_is_is_said_of_each_comparison() -> None:
    kinds = make_claims.seeds_of()
    assert {kinds[name] for name in kinds if name.startswith("long-")} == {"trainings"}
    assert kinds["padding-costs"] == "repetitions" and kinds["perceptual-switches"] == "initialisations"
    for claim in CLAIMS:
        for test in (*claim.tests, *claim.beside):
            assert len({kinds[name] for name in test.studies()}) == 1, f"{claim.id}: {test.what}"
    for entry in json.loads(make_claims.JSON.read_text())["claims"]:
        for row in entry["evidence"].get("toy", []):
            assert row["seeds_of"] in ("trainings", "draws", "repetitions", "initialisations"), entry["id"]


def test_no_status_is_written_by_hand() -> None:
    for claim in CLAIMS:
        words = f"{claim.note} {' '.join(test.what for test in claim.tests)}"
        assert not re.search("reproduced|not shown|not tested|partly", words), claim.id


def test_each_comparison_is_of_a_study_that_can_be_run() -> None:
    names = set(re.findall(r"\"([a-z]+(?:-[a-z]+)*)\"", "\n".join(p.read_text() for p in sources())))
    for claim in CLAIMS:
        for test in (*claim.tests, *claim.beside):
            assert set(test.studies()) <= names, claim.id


def sources():
    (folder,) = studies_room.__path__
    return sorted(make_claims.Path(folder).glob("*.py"))


def test_each_section_that_a_claim_names_is_in_its_chapter() -> None:
    for claim in CLAIMS:
        number, _, section = claim.chapter.partition(" ")
        for chapter in (make_claims.BOOK.parent / "notebooks").glob(f"{number}_*.py" if number else "nothing"):
            assert not section or f"# ## {section}\n" in chapter.read_text(), claim.id


def test_the_page_links_each_claim_to_its_evidence_and_shows_every_status() -> None:
    page, stored_table = make_claims.PAGE.read_text(), json.loads(make_claims.JSON.read_text())
    for entry in stored_table["claims"]:
        assert f"(#claim-{entry['id']})" in page and f"\n(claim-{entry['id']})=\n" in page
        for rows in entry["evidence"].values():
            assert all(row["says"] in page for row in rows)
    assert set(stored_table["provenance"]) == {"command", "rule", "files", "commits"}

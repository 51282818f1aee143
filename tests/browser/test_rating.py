"""The rating page from a disk: it blinds, it counts as the package does, it remembers, it asks nobody outside."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tatslib.metrics.preference import by_pair, counted, preference, read_votes
from tatslib.videos import write_video

PAGE = (Path(__file__).resolve().parents[2] / "book" / "_static" / "rating.html").as_uri()
VIDEOS = 4
DESKTOP, PHONE = {"width": 1000, "height": 900}, {"width": 360, "height": 740}
BRIGHTNESS = "e => Math.max(...getComputedStyle(e).{}.match(/[0-9.]+/g).slice(0, 3).map(Number))"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two methods with four videos each; a file that is no video lies beside them."""
    root = tmp_path_factory.mktemp("methods")
    for method, frames in (("secret-a", 5), ("secret-b", 50)):
        for number in range(VIDEOS):
            video = np.full((frames, 16, 16, 3), 60 * number, dtype=np.uint8)
            (root / method).mkdir(exist_ok=True)
            write_video(root / method / f"{method}-{number}.mp4", video)
        (root / method / "notes.txt").write_text("not a video")
    return root / "secret-a", root / "secret-b"


@pytest.fixture(scope="module")
def tab(chromium: Browser) -> Iterator[tuple[Page, list[str]]]:
    """One page for all tests, with what it complained about: a new one takes a browser longer than most tests."""
    context = chromium.new_context(viewport=DESKTOP)
    page, complaints = context.new_page(), []
    page.set_default_timeout(60_000)  # a busy machine is not a broken page
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    ours = (PAGE, "blob:", "data:")
    page.on("request", lambda r: None if r.url.startswith(ours) else complaints.append(f"outside: {r.url}"))
    page.goto(PAGE)
    yield page, complaints
    context.close()


@pytest.fixture
def page(tab: tuple[Page, list[str]]) -> Iterator[Page]:
    """Opened afresh, in light, on a desktop, without memories."""
    page, complaints = tab
    complaints.clear()
    page.emulate_media(color_scheme="light", reduced_motion="no-preference")
    page.set_viewport_size(DESKTOP)
    page.evaluate("localStorage.clear()")
    page.reload()
    yield page
    assert complaints == []


def begin(page: Page, folders: tuple[Path, Path], **fields: str) -> None:
    for name, folder in zip("ab", folders, strict=True):
        page.locator(f"#folder-{name}").set_input_files(folder)
    for name, value in fields.items():
        page.locator(f"#{name.replace('_', '-')}").fill(value)
    page.get_by_role("button", name="Begin").click()
    page.wait_for_selector("#rating:not([hidden]), #results:not([hidden])")


def shown(page: Page) -> list[float]:
    """Seconds of the left and of the right video: which method stands where, as only the test may know."""
    # The page forbids itself to evaluate strings, which waiting for a condition would do again and again.
    known = """v => new Promise(done => v.readyState >= 1 ? done(v.duration)
        : v.addEventListener('loadedmetadata', () => done(v.duration), {once: true}))"""
    return [page.locator(f"#{side}").evaluate(known) for side in ("left", "right")]


def saved(page: Page, path: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the votes").click()
    download.value.save_as(path)
    return path


def test_votes_are_unblinded_in_the_file_and_counted_as_the_package_counts(page, folders, tmp_path):
    begin(page, folders, rater="Ada, the first", name_a="ours")
    sides = []
    for number in range(VIDEOS):
        assert page.locator("#place").inner_text() == f"Pair {number + 1} of {VIDEOS}"
        assert "secret" not in page.content(), "no file name may give a method away"
        left, right = shown(page)
        sides.append(left < right)
        page.keyboard.press("1" if (left < right) == (number != 0) else "2")  # for A, but for the first pair
    assert sum(sides) == VIDEOS / 2, "each method stands left in half of the pairs"
    path = saved(page, tmp_path / "votes.csv")
    votes = read_votes(path)
    assert [vote.rater for vote in votes] == ["Ada, the first"] * VIDEOS
    assert [vote.first for vote in votes] == [False, True, True, True]
    found = counted(votes)
    summary = page.locator("#summary").inner_text()
    assert "ours 3, B 1" in summary
    assert f"{100 * found.low:.1f} % to {100 * found.high:.1f} %" in summary and f"{found.p_value:.3f}" in summary


def test_the_page_computes_the_interval_of_the_package(page):
    for counts in [(355, 175), (0, 7), (7, 0), (1, 1), (4, 16), (900, 600)]:
        here, there = page.evaluate("([a, b]) => rating.count(a, b)", list(counts)), preference(*counts)
        assert [here["share"], here["low"], here["high"]] == pytest.approx(there[2:5], abs=1e-9)
        assert here["pValue"] == pytest.approx(there.p_value, rel=1e-9)


def test_raters_see_the_same_pairs_in_orders_of_their_own(page):
    plan = """seed => rating.plan([...'abcdefgh'], [...'ABCDEFGH'], {pairing: 'random', pairSeed: '0', seed})
        .map(p => [p.a + p.b, p.left])"""
    one, again, other = (page.evaluate(plan, seed) for seed in ("1", "1", "2"))
    assert one == again and one != other
    assert sorted(pair for pair, _ in one) == sorted(pair for pair, _ in other)
    assert [side for _, side in one].count("A") == 4


def test_a_study_goes_on_where_it_was_left_and_the_last_answer_can_be_taken_back(page, folders):
    begin(page, folders)
    page.keyboard.press("2")
    page.keyboard.press("1")
    page.reload()
    begin(page, folders)
    assert page.locator("#place").inner_text() == f"Pair 3 of {VIDEOS}"
    page.keyboard.press("u")
    assert page.locator("#place").inner_text() == f"Pair 2 of {VIDEOS}"
    page.reload()
    begin(page, folders, rater="somebody else")
    assert page.locator("#place").inner_text() == f"Pair 1 of {VIDEOS}"


def test_votes_are_forgotten_when_asked(page, folders):
    begin(page, folders)
    page.keyboard.press("1")
    page.get_by_role("button", name="Stop and count").click()
    page.get_by_role("button", name="Forget these votes").click()
    assert page.locator("#summary").inner_text() == "No votes." and page.evaluate("localStorage.length") == 0


def test_a_pair_left_out_is_no_vote_and_stopping_early_counts_what_there_is(page, folders, tmp_path):
    begin(page, folders)
    page.get_by_role("button", name="Leave this pair out").click()
    page.get_by_role("button", name="Left").click()
    page.get_by_role("button", name="Stop and count").click()
    assert page.locator("caption").inner_text().startswith("1 votes of 1 rater(s) about 1 pair(s)")
    assert len(read_votes(saved(page, tmp_path / "votes.csv"))) == 1
    page.get_by_role("button", name="Go on rating").click()
    assert page.locator("#place").inner_text() == f"Pair 3 of {VIDEOS}"


def test_files_of_several_raters_are_counted_together_and_one_vote_a_pair(page, tmp_path):
    paths = []
    for rater in range(3):
        rows = [f'"x, {pair} | y",rater {rater},{"A" if pair < 8 else "B"}' for pair in range(10)]
        paths.append(tmp_path / f"{rater}.csv")
        paths[-1].write_text("\r\n".join(["pair,rater,choice", *rows]) + "\r\n")
    page.locator("#votes-files").set_input_files(paths)
    page.wait_for_selector("#counted table")
    text = page.locator("#counted").inner_text()
    votes = [vote for path in paths for vote in read_votes(path)]
    for found in (counted(votes), by_pair(votes)):
        assert f"A {found.first}, B {found.second}" in text
        assert f"{100 * found.low:.1f} % to {100 * found.high:.1f} %" in text
    paths[0].write_text("a,b\n1,2\n")
    page.locator("#votes-files").set_input_files(paths[:1])
    page.wait_for_selector("#counted .complaint")


def test_a_file_of_votes_survives_commas_quotes_and_lines(page):
    rows = [{"pair": 'a "b", c\nd | e', "rater": "r", "choice": "A"}]
    back = page.evaluate("rows => rating.fromCSV(rating.toCSV(rows))", rows)
    assert {key: back[0][key] for key in rows[0]} == rows[0]


def test_a_folder_without_videos_and_a_video_that_cannot_be_played_are_said(page, folders, tmp_path):
    for name in ("empty", "broken"):
        (tmp_path / name).mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("nothing")
    (tmp_path / "broken" / "x.mp4").write_bytes(b"no video")
    page.locator("#folder-a").set_input_files(tmp_path / "empty")
    page.locator("#folder-b").set_input_files(folders[1])
    page.get_by_role("button", name="Begin").click()
    assert "in the folder of A" in page.locator("#complaint").inner_text()
    begin(page, (tmp_path / "broken", folders[1]))
    expect(page.locator("#broken")).to_contain_text("cannot play", timeout=60_000)


def test_everything_has_a_name_and_can_be_reached_by_keyboard(page, folders):
    unnamed = page.locator("input, select, button").evaluate_all(
        "all => all.filter(e => !(e.labels && e.labels.length) && !e.textContent.trim()).map(e => e.id)"
    )
    assert unnamed == []
    begin(page, folders)
    assert page.evaluate("document.activeElement.id") == "asked", "the question is read out first"
    reached = set()
    for _ in range(24):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"choose-left", "choose-right", "again", "skip", "stop"} <= reached
    page.locator("#choose-right").focus()
    page.keyboard.press("Enter")
    assert page.locator("#place").inner_text() == f"Pair 2 of {VIDEOS}"


def test_dark_is_dark_and_nothing_moves_where_less_motion_is_asked_for(page, folders):
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    assert page.locator("body").evaluate(BRIGHTNESS.format("backgroundColor")) < 60
    assert page.locator("body").evaluate(BRIGHTNESS.format("color")) > 180
    begin(page, folders)
    shown(page)
    assert page.locator("video").evaluate_all("all => all.every(v => v.paused)")


def test_it_fits_a_phone(page, folders):
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    begin(page, folders)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_it_is_one_file_that_fetches_nothing():
    text = Path(PAGE.removeprefix("file://")).read_text()
    assert "http://" not in text and "https://" not in text and " src=" not in text
    assert "default-src 'none'" in text

"""The built book in a real browser: it moves, it reads, it asks nobody outside."""

import functools
import http.server
import re
import threading
from collections.abc import Iterator

import pytest
import render
from chapters import COLAB
from playwright.sync_api import Browser, BrowserContext, Page

PAGES = [f"{page}.html" for page in render.pages()]
FIRST_CHAPTER = "notebooks/00_start_here.html"
VIDEOS = "notebooks/01_videos_as_data.html"
SCORE = "notebooks/04_equivariance_score.html"
PLANNING = "notebooks/08_planning_ahead.html"
TELLING = "notebooks/09_telling_it_what_to_show.html"
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
PLAYING = "v => !v.paused && v.currentTime > 0.3"
PATIENCE = 90_000  # milliseconds: other tests may hold both cores


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128  # a page asks for dozens of files at once; whom a short queue turns away waits for seconds


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    assert (render.HTML / "index.html").exists(), "run `make book` first"
    handler = functools.partial(QuietHandler, directory=str(render.HTML))
    with Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def open_page(context: BrowserContext, site: str, complaints: list[str]) -> Page:
    """A page that notes every script error and every request to another machine."""
    page = context.new_page()
    page.on("console", lambda m: complaints.append(f"console: {m.text}") if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
    page.on("response", lambda r: complaints.append(f"{r.status}: {r.url[:100]}") if r.status >= 400 else None)

    def note_outside(request: object) -> None:
        if not request.url.startswith((site, "data:", "blob:")):
            complaints.append(f"outside: {request.url}")

    page.on("request", note_outside)
    return page


@pytest.fixture
def page(request, chromium: Browser, site: str) -> Iterator[Page]:
    """A desktop page in light; a test asks for another with `with_options`."""
    context = chromium.new_context(**{"viewport": WIDE} | getattr(request, "param", {}))
    complaints: list[str] = []
    yield open_page(context, site, complaints)
    context.close()
    assert complaints == []


def with_options(**options: object) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", [options], indirect=True, ids=["-".join(options)])


def open_at(page: Page, url: str) -> None:
    """Go to a page and wait until all that it shows is there.

    Not for a silent network: a browser stops reading a long video when it has enough ahead, and keeps the line open.
    """
    page.goto(url)  # returns when the page, its scripts and its pictures are loaded
    page.evaluate("document.fonts.ready.then(() => true)")
    page.evaluate("new Promise(done => requestIdleCallback(() => done(true), {timeout: 2000}))")


PHONE = with_options(viewport=NARROW, device_scale_factor=2, is_mobile=True, has_touch=True)


def test_what_this_machine_ran_belongs_to_what_is_stored():
    executed = sorted((render.BOOK / "_build" / "notebooks").glob("*.ipynb"))
    assert executed, "run `make book` first"
    assert [path.name for path in executed if "OUTSIDE what is stored" in path.read_text()] == []


@PHONE
def test_every_page_opens_without_a_complaint_fits_a_phone_and_has_its_heading_and_colab_button(page, site):
    """Opened once each, as a phone does it: opening is what takes the time."""
    for name in PAGES:
        open_at(page, site + name)
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"], name
        beyond = page.evaluate(
            "[...document.querySelectorAll('.bd-article figure, figure img, .bd-article video')]"
            ".filter(e => !e.closest('.tats-scroll') && e.getBoundingClientRect().right > 361).length"
        )
        assert beyond == 0, name
        assert page.locator("h1").first.inner_text()
        if name.startswith("notebooks/"):
            address = f"{COLAB}/blob/main/{name.removesuffix('.html')}.ipynb"
            assert page.locator(f'.dropdown-launch-buttons a[href="{address}"]').count() == 1
            assert page.locator(f'article a[href="{address}"]').count() == 1


def test_mathematics_is_set_and_not_typed(page, site):
    page.goto(site + "notation.html")
    page.wait_for_selector("mjx-container mjx-math")
    assert "\\(" not in page.locator("article").inner_text()


@pytest.mark.parametrize("name", ["index.html", FIRST_CHAPTER])
def test_videos_play_while_in_view_in_step_and_with_a_frame_count(page, site, name):
    page.goto(site + name)
    figure = page.locator(".tats-videos").first
    figure.scroll_into_view_if_needed()
    for video in figure.locator("video").all():
        page.wait_for_function(PLAYING, arg=video.element_handle(), timeout=PATIENCE)
    assert re.fullmatch(r"frame \d+ of \d+", figure.locator("output").inner_text())
    gaps = figure.evaluate(
        "f => { const all = [...f.querySelectorAll('video')], n = all[0].dataset.frames;"
        " const same = all.filter(v => v.dataset.frames === n).map(v => v.currentTime);"
        " const gap = Math.max(...same) - Math.min(...same); return Math.min(gap, all[0].duration - gap); }"
    )
    assert gaps < 0.25
    figure.get_by_role("button").click()
    assert figure.evaluate("f => [...f.querySelectorAll('video')].every(v => v.paused)")
    assert figure.get_by_role("button").get_attribute("aria-label") == "Play"


def test_every_slider_of_the_padding_explorer_turns_to_the_page_of_its_choice(page, site):
    page.goto(site + SCORE)
    figure = page.locator(".tats-flipbook").first
    figure.scroll_into_view_if_needed()
    for slider in figure.get_by_role("slider").all():
        slider.press("End")
        shown = figure.locator(".tats-page:visible")
        assert shown.count() == 1
        chosen = [s.get_attribute("aria-valuetext") for s in figure.get_by_role("slider").all()]
        assert all(word in shown.get_attribute("data-label") for word in chosen)


def test_the_mask_explorer_picks_a_row_by_pointer_and_by_keyboard(page, site):
    page.goto(site + PLANNING)
    figure = page.locator(".tats-masks")
    figure.scroll_into_view_if_needed()
    figure.locator("svg").nth(1).locator(".row[data-row='5']").hover()
    assert figure.locator(".row.picked").evaluate_all("all => all.map(g => g.dataset.row)") == ["5"] * 3
    assert figure.locator(".marks.picked").count() == 3
    words = figure.locator("p[data-words]").nth(1)
    assert "2a is to predict 2b" in words.inner_text() and "a leak in 2 layers" in words.inner_text()
    slider = figure.get_by_role("slider")
    slider.press("End")
    assert slider.get_attribute("aria-valuetext") == "Ba" and "Ba is to predict Bb" in words.inner_text()
    slider.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "3b"


def test_the_hierarchy_player_draws_step_by_step_and_stops(page, site):
    page.goto(site + PLANNING)
    figure = page.locator(".tats-hierarchy")
    figure.scroll_into_view_if_needed()
    page.wait_for_function("f => f.querySelectorAll('.waiting').length < 90", arg=figure.element_handle())
    figure.get_by_role("button").click()
    assert figure.get_by_role("button").get_attribute("aria-label") == "Play"
    slider = figure.get_by_role("slider")
    slider.press("Home")
    assert figure.locator("[data-step]:not(.waiting)").count() == 0
    for _ in range(12):
        slider.press("ArrowRight")
    assert figure.locator("output").inner_text() == "step 12 of 33"
    drawn = [plan.locator("[data-step]:not(.waiting)").count() for plan in figure.locator("[data-steps]").all()]
    assert drawn == [12, 33, 33], "both plans are done where the other has drawn a third"


@with_options(reduced_motion="reduce")
def test_the_hierarchy_player_waits_where_less_motion_is_asked_for(page, site):
    page.goto(site + PLANNING)
    figure = page.locator(".tats-hierarchy")
    figure.scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    assert figure.locator("output").inner_text() == "step 33 of 33" and figure.locator(".waiting").count() == 0


@with_options(java_script_enabled=False)
def test_without_scripts_masks_and_plans_are_pictures(page, site):
    page.goto(site + PLANNING)
    assert page.locator(".tats-masks .row.picked").count() == 3
    assert page.locator(".tats-hierarchy [data-step]").count() == 99
    assert page.locator(".tats-hierarchy .waiting").count() == page.locator(".tats-bar:visible").count() == 0


@pytest.mark.parametrize(("name", "videos"), [(VIDEOS, 2), (TELLING, 3)])
def test_a_drum_video_is_silent_until_its_button_is_pressed_and_one_is_heard_at_a_time(page, site, name, videos):
    open_at(page, site + name)
    figure = page.locator(".tats-heard")
    figure.scroll_into_view_if_needed()
    shown, buttons = figure.locator("video").all(), figure.locator(".tats-sound").all()
    assert len(shown) == len(buttons) == videos, "a button under each"
    page.wait_for_function(PLAYING, arg=shown[0].element_handle(), timeout=PATIENCE)
    silent = "f => [...f.querySelectorAll('video')].map(v => v.muted)"
    assert figure.evaluate(silent) == [True] * videos
    for heard, (video, button) in enumerate(zip(shown, buttons, strict=True)):
        button.click()
        assert figure.evaluate(silent) == [number != heard for number in range(videos)]
        pressed = [other.get_attribute("aria-pressed") == "true" for other in buttons]
        assert pressed == [number == heard for number in range(videos)]
        page.wait_for_function("v => v.webkitAudioDecodedByteCount > 0", arg=video.element_handle(), timeout=PATIENCE)
    buttons[-1].click()
    assert figure.evaluate(silent) == [True] * videos


def test_the_slider_of_a_player_goes_to_a_frame(page, site):
    page.goto(site + FIRST_CHAPTER)
    figure = page.locator(".tats-videos").first
    figure.scroll_into_view_if_needed()
    slider = figure.get_by_role("slider")
    slider.focus()
    slider.press("End")
    last = int(slider.get_attribute("max")) + 1
    assert figure.locator("output").inner_text() == f"frame {last} of {last}"
    slider.press("ArrowLeft")
    assert figure.locator("output").inner_text() == f"frame {last - 1} of {last}"


@with_options(reduced_motion="reduce")
def test_nothing_plays_by_itself_where_less_motion_is_asked_for(page, site):
    page.goto(site + "index.html")
    page.locator(".tats-videos").first.scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    assert page.locator("video").evaluate_all("all => all.every(v => v.paused && v.currentTime === 0)")


def test_the_flipbook_turns_by_keyboard_and_says_where_it_is(page, site):
    page.goto(site + VIDEOS)
    book = page.locator(".tats-flipbook").first
    book.scroll_into_view_if_needed()
    before, said = book.locator(".tats-page:visible").inner_html(), book.locator("output").inner_text()
    book.get_by_role("slider").press("ArrowRight")
    assert book.locator(".tats-page:visible").count() == 1
    assert book.locator(".tats-page:visible").inner_html() != before
    assert book.locator("output").inner_text() != said


@with_options(java_script_enabled=False)
def test_without_scripts_videos_have_controls_and_the_flipbook_is_a_picture(page, site):
    page.goto(site + FIRST_CHAPTER)
    assert page.locator("video").evaluate_all("all => all.every(v => v.controls && v.poster)")
    assert page.locator(".tats-bar:visible").count() == 0


def test_search_finds_what_the_book_says(page, site):
    page.goto(site + "search.html?q=codebook")
    page.wait_for_selector("ul.search li a")
    page.locator("ul.search", has_text="Ledger of differences").wait_for()  # results come one by one


@with_options(color_scheme="dark")
def test_dark_is_dark_all_through_and_can_be_switched(page, site):
    page.goto(site + FIRST_CHAPTER)
    brightness = "e => Math.max(...getComputedStyle(e).{}.match(/[0-9.]+/g).slice(0, 3).map(Number))"
    assert page.locator("body").evaluate(brightness.format("backgroundColor")) < 60
    for figure in page.locator(".tats-figure").all():
        assert figure.evaluate(brightness.format("color")) > 180
    # Outputs have no light box: whatever is not transparent must be dark.
    boxes = page.locator(".cell_output, .cell_output *").evaluate_all(
        "all => all.map(e => getComputedStyle(e).backgroundColor).filter(c => c.startsWith('rgb('))"
    )
    assert all(max(int(n) for n in re.findall(r"\d+", box)) < 90 for box in boxes if box), set(boxes)
    button = page.locator("button.theme-switch-button:visible").first
    for _ in range(3):  # auto, light, dark
        button.click()
        if page.locator("html").get_attribute("data-theme") == "light":
            break
    assert page.locator("body").evaluate(brightness.format("backgroundColor")) > 200


def test_a_mention_of_a_figure_leads_to_it(page, site):
    page.goto(site + FIRST_CHAPTER)
    mention = page.locator("article p a", has_text=re.compile(r"^Figure 0\.\d+$")).first
    anchor = mention.get_attribute("href").split("#")[1]
    mention.click()
    assert page.locator(f"figure#{anchor}").is_visible()

"""Where links lead when the pages of the book are joined into one for print."""

import json

import make_pdf
import pytest
import render


def test_all_pages_are_printed_in_their_order_but_those_of_the_reference() -> None:
    printed = make_pdf.printed()
    assert printed[0] == "index" and "notation" in printed and "notebooks/12_at_paper_scale" in printed
    assert printed == [page for page in render.pages() if page != "api" and not page.startswith("api/")]


def test_no_two_pages_share_a_place() -> None:
    assert len({make_pdf.anchor(page) for page in make_pdf.printed()}) == len(make_pdf.printed())


@pytest.mark.parametrize(
    ("page", "address", "place"),
    [
        ("index", "https://arxiv.org/abs/2204.03638", "https://arxiv.org/abs/2204.03638"),
        ("index", "#the-path", "#index--the-path"),
        ("index", "notation.html", "#notation"),
        ("index", "notebooks/00_start_here.html", "#notebooks-00_start_here"),
        ("notebooks/00_start_here", "../ledger.html#words", "#ledger--words"),
        ("notebooks/00_start_here", "01_videos_as_data.html", "#notebooks-01_videos_as_data"),
        ("notebooks/00_start_here", "../api/vqgan.html#encoder", ""),
        ("index", "genindex.html", ""),
    ],
)
def test_a_link_leads_to_its_place_on_paper_or_nowhere(page: str, address: str, place: str) -> None:
    assert make_pdf.target(page, address) == place


def test_an_address_beside_a_page_is_seen_from_the_root_of_the_book() -> None:
    assert make_pdf.beside("notebooks/00_start_here", "../_static/media/a.jpg") == "_static/media/a.jpg"
    assert make_pdf.beside("index", "_images/b.png") == "_images/b.png"


def test_readers_do_not_see_what_asks_for_outputs_to_be_compared():
    stored = (render.ROOT / "notebooks" / "02_from_video_to_tokens.ipynb").read_text()
    shown = render.without_marks(stored)
    assert stored.count(render.MARK.strip()) == 15 and render.MARK.strip() not in shown
    before, after = (["".join(cell["source"]) for cell in json.loads(text)["cells"]] for text in (stored, shown))
    assert all(a == b.removeprefix(render.MARK) for a, b in zip(after, before, strict=True))
    assert [c.get("outputs") for c in json.loads(shown)["cells"]] == [
        c.get("outputs") for c in json.loads(stored)["cells"]
    ]

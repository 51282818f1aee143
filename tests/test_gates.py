"""What every chapter owes its reader, and what the repository owes everybody: read from the committed files."""

import hashlib
import json
import re
import subprocess
from pathlib import Path
from statistics import median

import make_results
import pytest
import run_chapters
import yaml
from chapters import CHAPTERS, COLAB, REPOSITORY, ROOT, Chapter

from tatslib.studies.results import leaves

MENTION = re.compile(r"\bFigure ([0-9A-Z]+\.[0-9]+)\b")
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def tracked_text() -> dict[Path, str]:
    texts = {}
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content:
            texts[path] = content.decode()
    return texts


# -------------------------------------------------------------------------------------------------------- it really ran
def test_there_are_chapters_and_each_stands_in_the_table_of_contents():
    contents = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
    listed = [chapter["file"] for part in contents["parts"] for chapter in part["chapters"]]
    assert [f"notebooks/{chapter.name}" for chapter in CHAPTERS] == [n for n in listed if n.startswith("notebooks/")]
    assert CHAPTERS


@each_chapter
def test_every_code_cell_was_run_in_order(chapter: Chapter):
    counts = [cell["execution_count"] for cell in chapter.cells("code")]
    assert counts == list(range(1, len(counts) + 1))


@each_chapter
def test_the_outputs_are_those_of_this_text_and_took_time(chapter: Chapter):
    stored = chapter.content["metadata"]["tats"]
    assert stored["text"] == run_chapters.text_hash(chapter.text), "run `make chapters` and commit the notebook"
    assert stored["seconds"] > 0
    assert stored["peak_memory_mib"] < 6 * 1024


@each_chapter
def test_notebook_and_text_agree(chapter: Chapter):
    made = run_chapters.build_notebook(chapter.text)
    expected = [(cell.id, cell.cell_type, cell.source, dict(cell.metadata)) for cell in made.cells]
    found = [(c["id"], c["cell_type"], "".join(c["source"]), c["metadata"]) for c in chapter.content["cells"]]
    assert found == expected, "run `make chapters` and commit the notebook"


@each_chapter
def test_no_output_is_an_error_or_a_warning(chapter: Chapter):
    for output in chapter.outputs():
        assert output["output_type"] != "error"
        assert output.get("name") != "stderr", "".join(output["text"])


@each_chapter
def test_no_output_tells_where_it_was_run(chapter: Chapter):
    printed = chapter.printed()
    for place in (str(ROOT), str(Path.home()) + "/", "/home/", "/Users/", "/content/"):
        assert place not in printed


@each_chapter
def test_no_output_is_the_address_of_an_object(chapter: Chapter):
    # what the last line of a cell is worth to Python and to nobody else, and another in every run
    shown = ["".join(output.get("data", {}).get("text/plain", "")) for output in chapter.outputs()]
    assert not [text for text in shown if re.search(r" at 0x[0-9a-f]+>", text) and "<Figure" not in text]


def promised(chapter: Chapter) -> tuple[float, float]:
    """(seconds, GB of memory) as the chapter's paragraph "What it costs." has them."""
    texts = [text for source in chapter.sources("markdown") for text in source.split("\n\n")]
    (said,) = (" ".join(text.split()) for text in texts if text.startswith("**What it costs.**"))
    minutes = re.search(r"\babout (\d+) minutes|\bunder (a) minute", said, re.IGNORECASE)
    memory = re.search(r"([\d.]+) GB of memory", said)
    assert minutes and memory, "say for instance: about 4 minutes, 1.3 GB of memory"
    return 60.0 * int(minutes[1] or 1), float(memory[1])


@each_chapter
def test_the_run_cost_no_more_than_the_chapter_says(chapter: Chapter):
    seconds, memory = promised(chapter)
    stored = chapter.content["metadata"]["tats"]
    assert stored["seconds"] <= 1.25 * seconds
    assert stored["peak_memory_mib"] * 2**20 <= 1.25 * memory * 1e9


@each_chapter
def test_what_ran_before_the_readers_eyes_belongs_to_what_is_stored(chapter: Chapter):
    assert "OUTSIDE what is stored" not in chapter.printed()


# --------------------------------------------------------------------------------------------- it can be read by anyone
@each_chapter
def test_everything_shown_is_described_in_words(chapter: Chapter):
    for output in chapter.outputs():
        kinds = [kind for kind in output.get("data", {}) if kind.startswith("image/")]
        assert not kinds, "shown without a description: use tatslib.viz"
    for tag, attributes in chapter.shown():
        if tag == "img":
            assert len(attributes["alt"].split()) >= 4
        if tag == "svg":
            assert attributes["role"] == "img" and len(attributes["aria-label"].split()) >= 4
        if tag == "video":
            assert len(attributes["aria-label"].split()) >= 4 and attributes["poster"] and "controls" in attributes
    for source in chapter.sources("markdown"):
        assert "![](" not in source


@each_chapter
def test_figures_are_numbered_without_a_gap_and_mentioned_ones_exist(chapter: Chapter):
    number = str(int(chapter.name[:2])) if chapter.name[:2].isdigit() else chapter.name[0].upper()
    anchors = [attributes["id"] for tag, attributes in chapter.shown() if tag == "figure"]
    assert anchors == [f"fig-{number.lower()}-{k}" for k in range(1, len(anchors) + 1)]
    mentioned = set(MENTION.findall("\n".join(chapter.sources("markdown"))))
    own = {mention for mention in mentioned if mention.split(".")[0] == number}
    assert own <= {f"{number}.{k}" for k in range(1, len(anchors) + 1)}


@each_chapter
def test_chapters_link_to_chapters_only(chapter: Chapter):
    """Other pages of the book have another address on GitHub, in Colab and in the rendered book."""
    for source in chapter.sources("markdown"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", source):
            assert target in {f"{other.name}.ipynb" for other in CHAPTERS}


@each_chapter
def test_cells_are_short_and_the_chapter_has_its_length(chapter: Chapter):
    lengths = [len(source.splitlines()) for source in chapter.sources("code")]
    assert median(lengths) <= 12
    assert max(lengths) <= 40
    words = sum(len(source.split()) for source in chapter.sources("markdown"))
    assert 2000 <= words <= 4000
    assert chapter.notebook.stat().st_size < 1_000_000


@each_chapter
def test_the_chapter_opens_in_colab_and_leaves_its_torch_alone(chapter: Chapter):
    template = (ROOT / "CONTRIBUTING.md").read_text()
    install = template[template.index("# %%\nimport sys") + 5 :].split("\n```")[0]
    assert f"{COLAB}/blob/main/notebooks/{chapter.name}.ipynb" in chapter.sources("markdown")[0]
    assert chapter.sources("code")[0] == install, "the first cell is the one given in CONTRIBUTING.md"
    assert chapter.content["metadata"]["accelerator"] == "GPU"
    assert chapter.content["metadata"]["colab"]["gpuType"] == "T4"


@each_chapter
def test_exercises_have_folded_solutions(chapter: Chapter):
    folded = [cell for cell in chapter.cells("code") if "hide-cell" in cell["metadata"].get("tags", [])]
    assert folded, "tag a solution's cell with hide-cell"


# ------------------------------------------------------------------------------------------------------- the repository
def test_no_tracked_file_is_large():
    assert [str(path) for path in tracked() if path.stat().st_size > 2_000_000] == []


def test_the_hash_of_the_package_covers_every_kind_of_file_in_it():
    kinds = {path.suffix for path in tracked() if path.is_relative_to(ROOT / "tatslib")}
    assert kinds == set(run_chapters.PACKAGE_FILES)


def test_the_repository_has_one_address():
    owner = re.compile(r"(?:github\.com|github)/([\w.-]+/[\w.-]*tats-book)")
    for path, text in tracked_text().items():
        for found in owner.findall(text):
            assert REPOSITORY.endswith("/" + found), f"{path}: {found}"
    config = yaml.safe_load((ROOT / "book" / "_config.yml").read_text())
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert config["repository"]["url"] == citation["repository-code"] == REPOSITORY


def test_no_tracked_text_names_a_folder_of_this_machine():
    home = str(Path.home()) + "/"
    for path, text in tracked_text().items():
        if path != Path(__file__):
            assert str(ROOT) not in text and home not in text, path


STUDIES = sorted(
    path for path in (ROOT / "book" / "results").glob("*.json") if path.name not in ("front_page.json", "claims.json")
)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_each_result_has_its_protocol_its_origin_and_three_seeds(path: Path):
    content = json.loads(path.read_text())
    wanted = min(3, len(make_results.SEEDS.get(path.stem, range(3))))  # fewer only for videos to look at
    assert len(content["protocol"].split()) > 10 and len(content["seeds"]) >= wanted
    assert all(content["provenance"][key] for key in ("commit", "date", "scale", "hardware", "torch", "command"))
    assert not re.search("unknown|dirty", content["provenance"]["commit"]), "measure what is committed"
    shapes = {tuple(name for name, _ in leaves(numbers)) for numbers in content["seeds"].values()}
    assert len(shapes) == 1, "every seed has the same numbers"


STORED_LINE = re.compile(r"([\w-]+(?:/[\w-]+)+) +live +\S+ +stored ([^a-zA-Z]+?) {3}(?:as stored|OUTSIDE)")


@each_chapter
def test_the_stored_numbers_that_a_chapter_shows_are_those_of_the_files(chapter: Chapter):
    seeds = [json.loads(path.read_text())["seeds"].values() for path in STUDIES]
    for key, shown in STORED_LINE.findall(chapter.printed()):
        digits = len(shown.split(", ")[0].partition(".")[2])
        rows = [[dict(leaves(numbers)).get(key) for numbers in study] for study in seeds]
        texts = [", ".join(f"{value:.{digits}f}" for value in row) for row in rows if None not in row]
        assert shown in texts, key


def test_there_are_results_of_every_study():
    assert {study.name for study in make_results.studies()} - set(make_results.PENDING) <= {p.stem for p in STUDIES}


def test_each_video_of_the_front_page_has_its_origin_on_record():
    media = ROOT / "book" / "_static" / "media"
    recorded = {v["file"]: v for v in json.loads((ROOT / "book/results/front_page.json").read_text())["videos"]}
    assert set(recorded) == {path.name for path in media.glob("*.mp4")}
    for name, record in recorded.items():
        assert hashlib.sha256((media / name).read_bytes()).hexdigest() == record["sha256"]
        assert record["made_by"] and "seed" in record

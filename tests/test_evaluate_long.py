"""A folder of long videos against real clips: the numbers are those of the measures, with how sure they are."""

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from tatslib import cli
from tatslib.datasets.clips import ClipDataset
from tatslib.errors import UserError
from tatslib.evaluation import along, gathering, long, long_folder, networks
from tatslib.evaluation.along import Distances, over_videos, real_against_real, window_distances
from tatslib.evaluation.draws import generated_draws, real_draws
from tatslib.evaluation.evaluate import Evaluation
from tatslib.evaluation.long_folder import evaluate_long
from tatslib.evaluation.measures import Draw, any_frechet, jackknife_error
from tatslib.evaluation.networks import Extractor, open_network, open_perceptual
from tatslib.evaluation.protocol import Settings
from tatslib.evaluation.report import report
from tatslib.evaluation.videos_folder import VideosFolder, find_videos
from tatslib.metrics.features import ClipClassifier
from tatslib.metrics.fidelity import difference_map
from tatslib.randomness import numpy_generator
from tatslib.training.checkpoint import save_model
from tatslib.videos import read_frames, write_video
from tests.test_evaluate import CLASSIFIER, SHAPE, write
from tests.test_perceptual import network as vgg
from tests.test_perceptual import released_file

FRAMES = 40  # five windows

network = vgg  # the fixture


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long and real videos, and a classifier that was never trained."""
    folder = tmp_path_factory.mktemp("long")
    write(folder / "made", 10, seed=3, frames=FRAMES)
    write(folder / "real", 20, seed=2, frames=12)
    save_model(folder / "classifier", ClipClassifier(CLASSIFIER), CLASSIFIER)
    return folder


def measured(place: Path, cache: Path, repeats: int = 3, seed: int = 0, **more: Extractor) -> Evaluation:
    real = ClipDataset(find_videos(place / "real"), cache=place / "frames", **SHAPE)
    made = VideosFolder(place / "made", **{**SHAPE, "length": FRAMES})
    looker = open_network(str(place / "classifier"))
    settings = Settings(metrics=(), clips=30, repeats=repeats, seed=seed, long=FRAMES)
    return evaluate_long(
        made, real, ("real", "folder", None), settings, {"features": looker, "classifier": looker, **more}, cache
    )


def test_the_numbers_are_those_of_the_measures_on_the_same_videos(place, tmp_path):
    found = measured(place, tmp_path, repeats=1).numbers["long"]
    real = ClipDataset(find_videos(place / "real"), cache=place / "frames", **SHAPE)
    clips = np.stack([real.clip(*spot) for spot in real_draws(real, 30, 1, 0)[0]])
    videos = np.stack([read_frames(path) for path in sorted((place / "made").iterdir())])
    classifier = open_network(str(place / "classifier")).network
    wanted = long.evaluate(videos, clips, {"c": classifier}, classifier, clips_per_dimension=0)
    assert found["quality"]["mean"] == pytest.approx(wanted["quality"]["c"], rel=1e-4)
    assert found["change"]["mean"] == pytest.approx(wanted["change"]["c"], rel=1e-3, abs=1e-3)
    for name in ("ccs", "ics", "area", "nearest", "motion", "colour", "earlier", "unique", "jump"):
        assert found[name]["mean"] == pytest.approx(wanted[name], rel=1e-4, abs=1e-6), name
    assert found["stripes"] == pytest.approx(wanted["stripes"])
    for name, end in wanted["ends"].items():
        assert found["ends"][name]["mean"] == pytest.approx(end["mean"])
        assert found["ends"][name]["over videos"] == pytest.approx(end["spread"])
    shares = [found["loop"]["share"], found["period"]["share of power"], found["still"]["mean"]]
    assert all(0 <= share <= 1 for share in shares) and 2 <= found["period"]["frames"] <= FRAMES / 2


def test_the_protocol_says_what_was_measured_and_by_which_networks(place, tmp_path):
    found = measured(place, tmp_path)
    line, text = found.protocol.of("long"), report(found)
    assert "10 generated videos of 40 frames in windows of 8, 30 real clips of 8 frames, 16x16" in line
    checksum = open_network(str(place / "classifier")).checksum[:12]
    assert line.count(checksum) == 2 and "quality: " in line and "ccs, ics: " in line and "3 repeats" in line
    assert line in text and "distances: jackknife" in text and "medians, stripes: none" in text
    assert found.protocol.clips["long"].model_dump() == {"real": 30, "generated": 10, "repeats": 3}


def test_real_clips_are_drawn_anew_and_videos_where_there_are_more_than_a_repeat_takes(place, tmp_path, monkeypatch):
    all_of_them = measured(place, tmp_path).numbers["long"]
    assert min(all_of_them["quality"]["spread"]) > 0 and len(all_of_them["quality"]["repeats"]) == 3
    assert all_of_them["ccs"]["spread"] is None and all_of_them["ccs"]["interval"][1] != all_of_them["ccs"]["mean"][1]
    assert all_of_them["ends"]["ssim"]["spread"] is None and all_of_them["ends"]["ssim"]["interval"] is not None
    monkeypatch.setattr(long_folder, "PAPER_VIDEOS_LONG", 9)
    some = measured(place, tmp_path)
    assert some.computed == 0, "the same rows"
    numbers, ics = some.numbers["long"], some.numbers["long"]["ics"]
    assert ics["spread"][0] == 0 and max(ics["spread"]) > 0 and numbers["area"]["spread"] is not None
    assert some.protocol.clips["long"].generated == 9


def test_a_run_that_is_stopped_goes_on_and_a_window_is_a_clip_like_others(place, tmp_path, monkeypatch):
    unbroken = measured(place, tmp_path / "unbroken")
    monkeypatch.setattr(gathering, "VIDEOS_AT_ONCE", 2)
    read = VideosFolder.clip

    def until(self: VideosFolder, video: int) -> np.ndarray:
        if video == 6:
            raise KeyboardInterrupt
        return read(self, video)

    with monkeypatch.context() as patch:
        patch.setattr(VideosFolder, "clip", until)
        with pytest.raises(KeyboardInterrupt):
            measured(place, tmp_path / "stopped")
    again = measured(place, tmp_path / "stopped")
    assert 0 < again.computed < unbroken.computed and again.computed <= 4 * (2 + FRAMES // 8)
    assert again.numbers["long"]["quality"]["mean"] == pytest.approx(unbroken.numbers["long"]["quality"]["mean"])
    made = VideosFolder(place / "made", **SHAPE)
    firsts = [partial(made.clip, number) for number in range(len(made))]
    assert gathering.gather(open_network(str(place / "classifier")), firsts, tmp_path / "unbroken", "")[1] == 0


def test_processes_share_the_videos_and_each_has_all_rows(place, tmp_path, monkeypatch):
    one, look = open_network(str(place / "classifier")), gathering.Look
    videos = numpy_generator(0, "long noise").integers(0, 256, (3, FRAMES, 16, 16, 3), np.uint8)
    readers = [partial(videos.__getitem__, number) for number in range(3)]
    whole = Extractor("whole", "", "0" * 64, lambda x: torch.as_tensor(x[:, 0, 0, 0]).double(), dimensions=3)
    looks = [look(one), look(one, one.chances)]
    alone = gathering.gather_along(readers, (5, 8), [whole], looks, tmp_path / "one", "")
    assert [tuple(part.shape) for part in (*alone[0], *alone[1])] == [(3, 3), (3, 5, 8), (3, 5, 3)]
    assert alone[2] == 3 * 6, "both looks have the same rows"
    monkeypatch.setattr(gathering, "world_size", lambda: 4)  # more processes than videos
    monkeypatch.setattr(gathering, "features_of_all", lambda mine, videos: mine)
    for rank in range(4):
        monkeypatch.setattr(gathering, "rank", lambda rank=rank: rank)
        found = gathering.gather_along(readers, (5, 8), [whole], looks, tmp_path / "n", "")
        (rows,), (features, chances), computed = found
        assert computed == (6 if rank < 3 else 0) and torch.equal(rows, alone[0][0][rank::4])
        assert torch.allclose(features, alone[1][0][rank::4], atol=1e-6) and chances.dtype == torch.float64
        assert chances.shape == (rank < 3, 5, 3)


def test_other_real_clips_and_lpips_leave_the_rest_of_the_rows_as_they_were_kept(place, tmp_path, network):
    measured(place, tmp_path / "kept")
    real = numpy_generator(0, "other clips").integers(0, 256, (4, 8, 16, 16, 3), np.uint8)
    perceptual = open_perceptual(str(released_file(tmp_path / "vqgan.ckpt", network)))
    made = VideosFolder(place / "made", **{**SHAPE, "length": FRAMES})
    readers = [partial(made.clip, number) for number in range(10)]
    parts = long_folder.row_extractors(real, 5, perceptual)
    rows, _, computed = gathering.gather_along(readers, (5, 8), parts, [], tmp_path / "kept", "")
    assert [part.name for part in parts] == ["long", "nearest", "lpips"] and computed == 20
    assert set(long_folder.columns(rows, 5, 16)) >= {"nearest", "motion", "lpips", "map"}


def test_what_fails_on_one_process_is_told_to_those_that_wait(place, tmp_path, monkeypatch):
    told = []

    @contextmanager
    def one_for_all() -> Iterator[None]:
        try:
            yield
        except Exception:
            told.append(True)
            raise

    for module in (along, gathering, long_folder):
        monkeypatch.setattr(module, "one_for_all", one_for_all)
    broken = torch.zeros(6, 3, 2)
    broken[:, 1] = math.nan
    with pytest.raises(UserError, match="finite"):
        window_distances(broken, [range(6)], [Draw(torch.randn(20, 2), range(20))])
    assert told == [True]
    classifier = open_network(str(place / "classifier"))
    folder = tmp_path / classifier.folder / "folder.safetensors"
    folder.mkdir(parents=True)
    with pytest.raises(UserError, match="cannot be read"):
        gathering.gather(classifier, [], tmp_path, "")
    with pytest.raises(UserError, match="cannot be read"):
        gathering.gather_along([], (5, 8), [classifier], [], tmp_path, "")
    assert told == [True] * 3
    monkeypatch.setattr(
        long_folder, "_of_real", lambda real, places, *_: (torch.zeros(len(places), 8), dict.fromkeys(places, 0))
    )
    monkeypatch.setattr(ClipDataset, "clip", lambda *_: [][0])
    with pytest.raises(IndexError):
        measured(place, tmp_path)
    assert told == [True] * 4


def test_lpips_of_the_ends_is_there_when_its_weights_are_named(place, tmp_path, network):
    weights = released_file(tmp_path / "vqgan.ckpt", network)
    perceptual = open_perceptual(str(weights))
    found = measured(place, tmp_path, perceptual=perceptual)
    videos = np.stack([read_frames(path) for path in sorted((place / "made").iterdir())])
    wanted = long.ends(videos, network)["lpips"]
    assert found.numbers["long"]["ends"]["lpips"]["mean"] == pytest.approx(float(wanted.mean()), rel=1e-5)
    assert found.numbers["long"]["ends"]["lpips"]["over videos"] == pytest.approx(float(wanted.std()), rel=1e-5)
    assert f"lpips: LPIPS (VGG16), SHA-256 {perceptual.checksum[:12]}" in report(found)


def test_weights_of_lpips_that_cannot_be_had_are_missed_in_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="nowhere"):
        open_perceptual(str(tmp_path / "nowhere.ckpt"))
    monkeypatch.setattr(networks, "load_perceptual", lambda path: None)
    with pytest.raises(UserError, match=r"put vgg16-397923af\.pth"):
        open_perceptual("vgg16")


def test_the_jackknife_of_windows_is_that_of_each_window_alone():
    generator = torch.Generator().manual_seed(0)
    windows = torch.randn(30, 4, 3, generator=generator) + torch.arange(4)[None, :, None]
    real = [Draw(torch.randn(50, 3, generator=generator), [n % 25 for n in range(50)]) for _ in range(2)]
    found = window_distances(windows, [range(30)] * 2, real)
    quality = found.numbers()["quality"]
    for number, window in enumerate(windows.unbind(1)):
        made = Draw(window, range(30))
        values = [any_frechet(draw.rows, window) for draw in real]
        assert quality["mean"][number] == pytest.approx(sum(values) / 2)
        low, high = quality["interval"][number]
        width = 2.093 * jackknife_error(any_frechet, real[0], made)
        assert high - quality["mean"][number] == pytest.approx(width, rel=1e-6)
        assert low == pytest.approx(max(quality["mean"][number] - width, 0), rel=1e-6), "no distance is below 0"
    assert quality["interval"][0][0] == 0 < quality["interval"][3][0]
    few = window_distances(windows[:4], [range(4)], real[:1]).numbers()["quality"]
    assert few["interval"] is None and few["mean"][0] > 0, "four groups are too few for an interval"


def test_real_clips_are_held_against_as_many_as_there_are_videos():
    real = [Draw(torch.randn(50, 3, generator=torch.Generator().manual_seed(seed)), range(50)) for seed in range(3)]
    found = real_against_real(real, 20)
    assert found["repeats"] == pytest.approx([any_frechet(real[k].rows, real[k + 1].rows[:20]) for k in range(2)])
    assert found["clips"] == 20 and real_against_real(real, 70)["clips"] == 50
    assert real_against_real(real[:1] * 3, 20) is None, "clips against themselves say nothing"


def test_no_change_is_below_minus_a_hundred_percent():
    groups = torch.tensor([[4.0, 1], [1, 1], [9, 1], [2, 1], [4, 1]]).double()
    found = Distances(torch.tensor([[4.0, 1], [4, 1]]).double(), groups, groups).numbers()["change"]
    assert found["mean"][1] == -75 and found["interval"][1][0] == -100 and found["interval"][1][1] > -50


def test_the_change_has_an_interval_that_knows_the_first_window_and_its_own_move_together():
    groups = [[1, 2], [2, 4], [3, 6], [2, 4], [1, 2]]
    distances = Distances(*(torch.tensor(rows).double() for rows in ([[2, 4], [3, 6]], groups, [[1, 2]] * 5)))
    change = distances.numbers()["change"]
    assert change["mean"] == [0, 100] and change["interval"] == [[0, 0], [100, 100]]  # always twice the first
    nothing = Distances(*(torch.tensor([[0.0, 1.0]]) for _ in range(3)))
    assert nothing.numbers()["change"] is None


def test_means_over_videos_leave_out_what_is_not_finite_and_say_none_where_nothing_is():
    values = torch.tensor([1.0, math.inf, 3.0])
    assert over_videos(values, [[0, 1, 2]], seed=0)["mean"] == 2
    assert over_videos(values[1:2], [[0]], seed=0) == {"mean": None, "spread": None, "interval": None}
    shares = torch.tensor([1.0] * 9 + [0] * 5)
    draws = [list(range(14)), [0] * 14]  # the mean of the second is at the edge, and moves the interval of the first
    assert over_videos(shares, draws, seed=0)["interval"][1] == 1, "no share is above 1"
    assert over_videos(1 - shares, draws, seed=0)["interval"][0] == 0
    curve = over_videos(torch.tensor([[1.0, 2], [3, 6]]), [[0], [1]], seed=0)
    assert curve["mean"] == [2, 4] and curve["spread"] == pytest.approx([2**0.5, 8**0.5]) and curve["interval"] is None


def test_the_mean_map_of_differences_is_that_of_the_videos_a_repeat_takes(place, tmp_path, monkeypatch):
    videos = np.stack([read_frames(path) for path in sorted((place / "made").iterdir())])
    found = measured(place, tmp_path, repeats=1)
    assert torch.allclose(found.difference, difference_map(videos, -25, -1)) and found.videos == 10
    monkeypatch.setattr(long_folder, "PAPER_VIDEOS_LONG", 9)
    some = measured(place, tmp_path, repeats=1)
    taken = sorted(video for video, _ in generated_draws(10, 9, 1, 0)[0])
    assert some.videos == 9 and torch.allclose(some.difference, difference_map(videos[taken], -25, -1))
    assert long.stripes(some.difference) == pytest.approx(some.numbers["long"]["stripes"])


def test_the_command_says_what_needs_a_classifier_and_draws_the_map_beside_the_numbers(
    place, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("TATS_HOME", str(tmp_path))
    out, picture = tmp_path / "numbers.json", tmp_path / "numbers-differences.png"
    line = f"tats evaluate {place / 'made'} --against {place / 'real'} --features random --frames 8 --resolution 16"
    monkeypatch.setattr("sys.argv", [*line.split(), "--long", str(FRAMES), "--repeats", "1", "--clips", "70"])
    monkeypatch.setattr(networks, "RANDOM_DIMENSIONS", 4)
    cli.main()
    assert "\nCCS, ICS: none, no classifier; add --classifier c3d\n" in capsys.readouterr().out
    assert not list(tmp_path.glob("*.png"))
    classifier = str(place / "classifier")
    monkeypatch.setattr("sys.argv", [*sys.argv, "--classifier", classifier, "--out", str(out)])
    cli.main()
    printed = capsys.readouterr().out
    assert "no classifier" not in printed and "\nCCS, share of videos in" in printed and out.is_file()
    assert printed.endswith(f"drew where frames 16 and 40 differ to {picture}\n")
    assert picture.read_bytes()[1:4] == b"PNG"
    with pytest.raises(SystemExit):
        monkeypatch.setattr("sys.argv", [*sys.argv[:-1], str(tmp_path / "missing.json" / "numbers.json")])
        (tmp_path / "missing.json").write_text("no folder")
        cli.main()
    assert "cannot be written" in capsys.readouterr().err


def test_a_video_that_is_still_but_for_a_jump_gives_json(place, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TATS_HOME", str(tmp_path))
    still = np.full((FRAMES, 16, 16, 3), 20, np.uint8)
    still[20:] = 200
    for number in range(9):
        write_video(tmp_path / "made" / f"{number}", still)
    line = f"tats evaluate {tmp_path / 'made'} --against {place / 'real'} --features {place / 'classifier'} --frames 8"
    out = tmp_path / "n.json"
    monkeypatch.setattr("sys.argv", [*line.split(), "--long", str(FRAMES), "--repeats", "1", "--out", str(out)])
    cli.main()
    stored = json.loads(out.read_text(), parse_constant=pytest.fail)
    found, printed = stored["metrics"]["long"], capsys.readouterr().out
    assert found["jump"]["mean"] is None and found["jump"]["still but for jumps"] == 1
    assert found["loop"] == {"share": 1, "frames": 1} and found["still"]["mean"] == pytest.approx(38 / 39)
    assert "no classifier" not in printed, "the features are one"
    assert found["protocol"] in printed and stored["protocol"]["settings"]["metrics"] == []

"""A folder of videos against real ones: the numbers are those of the metrics, and nothing is measured in silence."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tatslib import cli
from tatslib.commands.evaluate import evaluate_command, open_networks, open_real
from tatslib.datasets.clips import ClipDataset
from tatslib.errors import UserError
from tatslib.evaluation import evaluate as evaluation
from tatslib.evaluation.draws import generated_draws, real_draws
from tatslib.evaluation.evaluate import evaluate
from tatslib.evaluation.measures import (
    STUDENT_95,
    Draw,
    any_frechet,
    bias,
    bias_of_score,
    column,
    distances,
    inception,
    interval,
    jackknife_error,
)
from tatslib.evaluation.networks import open_network, pixels
from tatslib.evaluation.protocol import Looker, Settings
from tatslib.evaluation.report import report, title
from tatslib.evaluation.videos_folder import VideosFolder, find_videos
from tatslib.metrics.features import ClassifierConfig, ClipClassifier, class_probabilities, clip_features
from tatslib.metrics.frechet import frechet_distance
from tatslib.metrics.inception import inception_scores
from tatslib.metrics.kernel import kernel_distance
from tatslib.metrics.motion import frame_changes
from tatslib.randomness import numpy_generator
from tatslib.training.checkpoint import save_model
from tatslib.videos import read_frames, write_video

SHAPE = {"length": 8, "resolution": 16}
CLASSIFIER = ClassifierConfig(classes=("a", "b", "c"), frames=8, resolution=16, width=8)


def write(folder: Path, videos: int, seed: int, frames: int = 8, size: int = 16) -> Path:
    """Videos of squares that wander over a plain background."""
    generator = numpy_generator(seed, "test videos")
    for number in range(videos):
        video = np.full((frames, size, size, 3), generator.integers(0, 200, 3), dtype=np.uint8)
        x, step = generator.integers(0, size - 6), generator.integers(0, 2)
        for moment, frame in enumerate(video):
            left = (x + step * moment) % (size - 6)
            frame[4:10, left : left + 6] = 255
        write_video(folder / f"{number:03d}.mp4", video)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real and made videos, and a classifier that was never trained."""
    folder = tmp_path_factory.mktemp("evaluate")
    write(folder / "made", 24, seed=1)
    write(folder / "real", 20, seed=2, frames=12)
    save_model(folder / "classifier", ClipClassifier(CLASSIFIER), CLASSIFIER)
    return folder


def sides(place: Path) -> tuple[VideosFolder, ClipDataset]:
    real = ClipDataset(find_videos(place / "real"), cache=place / "frames", **SHAPE)
    return VideosFolder(place / "made", **SHAPE), real


# ---------------------------------------------------------------------------------------------------------- the numbers
def test_the_numbers_are_those_of_the_metrics_on_the_same_clips(place, tmp_path):
    generated, real = sides(place)
    looker = open_network(str(place / "classifier"))
    settings = Settings(metrics=("fvd", "kvd", "is", "motion", "colour"), clips=20, repeats=2, seed=3)
    both = {"features": looker, "classifier": looker}
    found = evaluate(generated, real, ("real", "folder", None), settings, both, tmp_path)
    made = np.stack([read_frames(path) for path in generated.paths])
    network = looker.network
    for repeat in range(2):
        clips = np.stack([real.clip(*p) for p in real_draws(real, 20, 2, seed=3)[repeat]])
        chosen = made[[video for video, _ in generated_draws(24, 20, 2, seed=3)[repeat]]]
        features = clip_features(network, clips), clip_features(network, chosen)
        assert len(set(real_draws(real, 20, 2, seed=3)[repeat])) == 20
        expected = frechet_distance(*features, clips_per_dimension=0)
        assert found.numbers["fvd"]["repeats"][repeat] == pytest.approx(expected, rel=1e-4)
        assert found.numbers["kvd"]["repeats"][repeat] == pytest.approx(kernel_distance(*features), rel=1e-3, abs=1e-9)
        expected = float(inception_scores(class_probabilities(network, chosen)))
        assert found.numbers["is"]["repeats"][repeat] == pytest.approx(expected, rel=1e-6)
    first = made[[video for video, _ in generated_draws(24, 20, 1, seed=3)[0]]]
    assert found.numbers["motion"]["change"]["generated"]["mean"] == pytest.approx(float(frame_changes(first).mean()))
    text = report(found)
    for metric in settings.metrics:
        assert found.protocol.of(metric) in text, "no number without its protocol"
    assert looker.checksum[:12] in text and "20 clips a side, 8 frames, 16x16" in text


def test_all_videos_are_taken_where_there_are_no_more_and_other_ones_each_time_where_there_are():
    assert generated_draws(5, 5, 2, seed=0) == [[(v, 0) for v in range(5)]] * 2
    first, second = generated_draws(50, 20, 2, seed=0)
    assert first != second and len(set(first)) == 20


def test_a_draw_of_real_clips_holds_each_window_once_and_all_of_them_if_there_are_no_more(place):
    _, real = sides(place)
    assert real.windows == 100
    first, second = real_draws(real, 90, 2, seed=0)
    assert len(set(first)) == len(set(second)) == 90 and first != second and first != sorted(first)
    assert set(real_draws(real, 400, 1, seed=0)[0]) == {(video, start) for video in range(20) for start in range(5)}
    assert len(real_draws(real, 400, 1, seed=0)[0]) == 100


def test_clips_for_training_are_drawn_as_ever(place):
    _, real = sides(place)
    windows = numpy_generator(3, "clips", 5).integers(100, size=6)
    assert real.places(5, 6, seed=3) == [divmod(int(window), 5) for window in windows]
    assert np.array_equal(real.clips(5, 6, seed=3)[0][2], real.clip(*real.places(5, 6, seed=3)[2]))


def test_fewer_real_windows_than_videos_are_all_taken_once_and_the_protocol_says_so(place, tmp_path):
    generated = VideosFolder(place / "made", **SHAPE)
    real = ClipDataset(find_videos(place / "made")[:20], cache=place / "frames", **SHAPE)  # one window a video
    looker = open_network(str(place / "classifier"))
    settings = Settings(metrics=("fvd", "kvd", "is"), repeats=3)
    both = {"features": looker, "classifier": looker}
    found = evaluate(generated, real, ("real", "folder", None), settings, both, tmp_path)
    assert found.protocol.clips["fvd"].model_dump() == {"real": 20, "generated": 24, "repeats": 1}
    assert found.numbers["kvd"]["spread"] is None and found.numbers["kvd"]["real against real"] is None
    rows = [clip_features(looker.network, np.stack([generated.clip(n) for n in range(many)])) for many in (20, 24)]
    assert found.numbers["kvd"]["mean"] == pytest.approx(kernel_distance(*rows), rel=1e-3, abs=1e-9)
    text = report(found)
    assert "24 generated clips and all 20 real ones" in text and "real clips, all 20: " in text
    assert "real against real: none, every draw holds all of them" in text


def test_a_generated_video_is_measured_at_its_own_pace_and_a_real_one_at_the_stride_of_the_data_set(place):
    real, _ = open_real(place / "real", "folder", "train", 2, {**SHAPE, "length": 4, "cache": place / "frames"})
    assert real.stride == 2
    generated = VideosFolder(place / "made", length=4, resolution=16)
    assert np.array_equal(generated.clip(3), read_frames(generated.paths[3])[:4])


def test_the_jackknife_error_is_how_far_repetitions_of_the_whole_experiment_are_apart():
    generator = torch.Generator().manual_seed(0)

    def draw(shift: float) -> Draw:
        return Draw(torch.randn(200, 3, generator=generator) + shift, range(200))

    pairs = [(draw(0), draw(1)) for _ in range(60)]
    apart = torch.tensor([any_frechet(a.rows, b.rows) for a, b in pairs]).std()
    errors = torch.tensor([jackknife_error(any_frechet, a, b) for a, b in pairs[:10]])
    assert float(errors.mean()) == pytest.approx(float(apart), rel=0.3)


def test_clips_of_one_video_are_left_out_together():
    rows = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    other = Draw(torch.randn(40, 2, generator=torch.Generator().manual_seed(1)), range(40))
    twice = Draw(rows.repeat_interleave(2, 0), [video for video in range(40) for _ in range(2)])
    as_if_independent = Draw(twice.rows, range(80))
    assert jackknife_error(any_frechet, twice, other) > jackknife_error(any_frechet, as_if_independent, other)


def test_the_bias_is_shown_and_a_line_brings_it_nearer_to_nothing():
    generator = torch.Generator().manual_seed(0)
    real, made = ([Draw(torch.randn(400, 10, generator=generator), range(400)) for _ in range(3)] for _ in range(2))
    shown = bias(any_frechet, real, made, seed=0)
    assert shown["clips"] == [100, 200, 400] and shown["distances"] == sorted(shown["distances"], reverse=True)
    assert abs(shown["extrapolated"]) < 0.3 * shown["distances"][-1]
    few = bias(any_frechet, [Draw(real[0].rows[:20], range(20))], [Draw(made[0].rows[:20], range(20))], seed=0)
    assert few["clips"] == [20] and few["extrapolated"] is None


def test_the_bias_of_an_inception_score_is_shown_and_a_line_brings_it_nearer_to_that_of_all_clips():
    many = (2 * torch.randn(40_000, 10, generator=torch.Generator().manual_seed(0))).double().softmax(1)
    shown = bias_of_score(list(many.split(200)), seed=0, subsets=1)
    assert shown["clips"] == [50, 100, 200] and shown["scores"] == sorted(shown["scores"])
    everything = float(inception_scores(many))
    assert abs(shown["extrapolated"] - everything) < 0.3 * abs(shown["scores"][-1] - everything)


def test_a_score_of_the_same_videos_in_every_repeat_has_no_spread_but_an_interval():
    rows = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)).double().softmax(1)
    one = inception(lambda rows: rows, [Draw(rows, range(50))], Draw(rows, range(50)), seed=0)
    assert one["spread"] is None and len(one["repeats"]) == 1 and one["interval"][0] < one["mean"] < one["interval"][1]


def test_what_a_single_video_cannot_tell_is_none_and_not_an_endless_number():
    rows = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    real, made = [Draw(rows, range(40))] * 2, [Draw(rows[:30], [0] * 30)]
    assert jackknife_error(any_frechet, real[0], made[0]) is None
    assert distances(any_frechet, real, made, seed=0, biased=False)["interval"] is None
    assert column(rows[:1, 0], rows[:, 0], seed=0)["real"]["interval"] is None


def test_an_interval_is_students_and_there_is_none_of_fewer_than_five_groups():
    for freedom, edge in STUDENT_95.items():
        x = torch.linspace(-edge, edge, 100_001, dtype=torch.float64)
        assert float(torch.trapezoid(torch.distributions.StudentT(freedom).log_prob(x).exp(), x)) == pytest.approx(
            0.95, abs=1e-4
        )
    assert list(STUDENT_95) == list(range(4, 20))
    assert interval(1, 2, 20) == pytest.approx([1 - 2 * 2.093, 1 + 2 * 2.093])
    assert interval(1, 2, 5) == pytest.approx([1 - 2 * 2.776, 1 + 2 * 2.776])
    assert interval(1, 2, 4) is None and interval(1, None, 20) is None
    rows = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    one, other = Draw(rows[:30], range(30)), Draw(rows[30:], [0, 1, 2, 3, 4, 5, 6, 6, 6, 6])
    found = distances(any_frechet, [one] * 2, [other], seed=0, biased=False)
    assert found["interval"] == interval(found["mean"], found["error"], 7)


def test_no_interval_of_a_score_goes_beyond_the_number_of_classes():
    rows = torch.eye(3, dtype=torch.float64).repeat(4, 1)[:11]
    found = inception(lambda rows: rows, [Draw(rows, range(11))], Draw(rows, range(11)), seed=0)
    assert found["mean"] > 2.9 and found["interval"][0] > 1 and found["interval"][1] == 3


def test_only_the_papers_networks_give_numbers_of_the_papers_names():
    def looker(name: str) -> Looker:
        return Looker(name=name, what=name, checksum="0" * 64, dimensions=4)

    assert [title(m, looker("i3d")) for m in ("fvd", "kvd")] == ["FVD", "KVD"] and title("is", looker("c3d")) == "IS"
    assert not any(
        title(m, looker("classifier")).startswith(n) for m, n in (("fvd", "FVD"), ("kvd", "KVD"), ("is", "IS"))
    )


def test_frozen_videos_are_still_and_keep_their_colours(tmp_path):
    frame = numpy_generator(0, "frozen").integers(0, 256, (1, 1, 16, 16, 3), dtype=np.uint8)
    change, still, colour = pixels().rows(frame.repeat(8, 1))[0].tolist()
    assert (change, still) == (0, 1) and colour == pytest.approx(1)


# ---------------------------------------------------------------------------------------------------------- at the door
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"metric": ("fdv",)}, "perhaps you meant 'fvd'"),
        ({"features": "i3"}, "perhaps you meant 'i3d'"),
        ({"features": "random", "metric": ("fvd",)}, "takes 65 clips or more"),
        ({"features": "{classifier}", "frames": 4}, "takes clips of 8 frames, got 4"),
        ({"features": "{classifier}", "resolution": 32}, "was trained at 16x16"),
        ({"features": "{classifier}", "clips": 25}, "holds 24 videos, and 25 are asked for"),
        ({"classifier": "random", "metric": ("is",)}, "knows no classes"),
        ({"videos": "{nowhere}"}, "does not exist"),
        ({"videos": "{classifier}"}, "No video (.mp4"),
        ({"videos": "{arrays}"}, "hold arrays: write them with `tatslib.videos.write_video`"),
        ({"videos": "{mixed}"}, "videos of one model have one size"),
        ({"videos": "{short}"}, "has 5 frames, and 8 of each are to be measured"),
        ({"videos": "{cut}"}, "002.avi"),
        ({"videos": "{torn}"}, "_00000004.jpg cannot be read as an image"),
        ({"videos": "{changing}"}, "changes its picture size on the way"),
        ({"videos": "{empty}"}, "is empty"),
        ({"out": "{empty}"}, "is a folder: name a file in it"),
        ({"out": "{arrays}/samples.npz/numbers.json"}, "which is no folder"),
        ({"against": "{cut}", "dataset": "folder"}, "002.avi"),
        ({"metric": ("psnr",), "frame": 9}, "add `--frames 9`"),
        ({"metric": ("ssim",), "frame": 8}, "none of the 20 real videos is named '020'"),
        ({"long": 40}, "leave out either --metric or --long"),
        ({"long": 40, "metric": (), "frames": 16, "features": "random"}, "multiple of --frames, such as 1024"),
        ({"perceptual": "vgg16"}, "add --long"),
        ({"long": 64, "metric": (), "frames": 0}, "--frames starts at 1, got 0"),
        ({"resolution": 0}, "--resolution starts at 1, got 0"),
        ({"stride": 0}, "--stride starts at 1, got 0"),
    ],
)
def test_a_mistake_is_named_before_anything_is_computed(options, sentence, place, tmp_path, monkeypatch):
    monkeypatch.setenv("TATS_HOME", str(tmp_path / "home"))
    paths = {"classifier": place / "classifier", "nowhere": tmp_path / "nowhere"}
    paths |= {name: tmp_path / name for name in ("arrays", "mixed", "short", "cut", "torn", "changing", "empty")}
    paths["arrays"].mkdir()
    paths["empty"].mkdir()
    for name, frame in (("torn", b"no picture"), ("changing", None)):
        write_video(paths[name] / "frames", np.zeros((8, 16, 16, 3), np.uint8))
        fourth = sorted((paths[name] / "frames").iterdir())[3]
        Image.fromarray(np.zeros((10, 16, 3), np.uint8)).save(fourth) if frame is None else fourth.write_bytes(frame)
    np.savez(paths["arrays"] / "samples.npz", np.zeros(3))
    write(write(paths["mixed"], 1, seed=0).parent / "mixed" / "others", 1, seed=0, size=20)
    write(paths["short"], 2, seed=0, frames=5)
    for number in range(3):
        noise = numpy_generator(number, "noise").integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
        write_video(paths["cut"] / f"{number:03d}.avi", noise)
    last = paths["cut"] / "002.avi"
    last.write_bytes(last.read_bytes()[: last.stat().st_size // 2])
    asked = {"videos": place / "made", "against": place / "real", "features": "{classifier}", "metric": ("kvd",)}
    asked |= {"frames": 8, "repeats": 1}
    asked |= {k: v.format(**paths) if isinstance(v, str) else v for k, v in {**asked, **options}.items()}
    asked |= {name: Path(asked[name]) for name in ("videos", "against", "out") if name in asked}
    monkeypatch.setattr(evaluation, "gather", None)
    with pytest.raises(ValueError) as error:
        evaluate_command(**asked)
    assert sentence in str(error.value)


def test_what_sees_classes_is_a_network_and_not_a_folder_of_its_name(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "random").mkdir()
    settings = Settings(metrics=(), long=40)
    assert set(open_networks(settings, "random", None, None, None)) == {"features"}
    found = open_networks(settings, str(place / "classifier"), None, None, None)
    assert found["classifier"] is found["features"]


def test_previews_beside_videos_are_no_frames_and_a_folder_of_frames_is_a_video(tmp_path):
    write(tmp_path, 2, seed=0)
    write_video(tmp_path / "frames", read_frames(tmp_path / "000.mp4"))
    (tmp_path / "preview.png").write_bytes(b"no picture at all")
    assert [path.name for path in find_videos(tmp_path)] == ["000.mp4", "001.mp4", "frames"]


def test_folders_behind_links_count_once_and_hidden_ones_not(tmp_path, monkeypatch):
    write(tmp_path / "elsewhere", 2, seed=0)
    write(tmp_path / "made", 1, seed=1)
    (tmp_path / "made" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "made" / "round").symlink_to(tmp_path / "made")
    write(tmp_path / "made" / ".half written", 1, seed=2)
    names = [str(path.relative_to(tmp_path / "made")) for path in find_videos(tmp_path / "made")]
    assert names == ["000.mp4", "linked/000.mp4", "linked/001.mp4"]

    def refused(place: str) -> object:
        raise PermissionError(13, "Permission denied", str(place))

    monkeypatch.setattr("os.scandir", refused)
    with pytest.raises(UserError, match=r"made cannot be read \(Permission denied\)"):
        find_videos(tmp_path / "made")


def test_the_command_prints_and_writes_numbers_with_their_protocol(place, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TATS_HOME", str(tmp_path))
    made, real, network, out = (str(place / name) for name in ("made", "real", "classifier", "numbers.json"))
    line = f"tats evaluate {made} --against {real} --metric fvd is motion --features {network} --frames 8"
    monkeypatch.setattr("sys.argv", [*line.split(), "--repeats", "2", "--out", out])
    cli.main()
    printed = capsys.readouterr().out
    stored = json.loads(Path(out).read_text())
    assert (
        stored["protocol"]["generated"] | {"videos": 24, "height": 16, "name": "made"}
        == stored["protocol"]["generated"]
    )
    assert stored["metrics"]["fvd"]["protocol"] in printed and len(stored["metrics"]["fvd"]["repeats"]) == 2
    assert len(stored["metrics"]["is"]["repeats"]) == 1 and stored["metrics"]["is"]["spread"] is None
    assert "no spread: every repeat would take all 24 videos" in printed and "IS: bootstrap over clips" in printed
    assert stored["protocol"]["clips"]["is"] == {"real": 24, "generated": 24, "repeats": 1}
    assert "2 repeats" in stored["metrics"]["fvd"]["protocol"] and "repeats" not in stored["metrics"]["is"]["protocol"]
    assert f"{stored['metrics']['fvd']['mean']:.4g}" in printed
    assert stored["protocol"]["networks"]["fvd"]["checksum"] == open_network(network).checksum

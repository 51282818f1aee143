"""From drums and stories on disk to videos that are led by them: the commands, and what they say to a wrong one."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tatslib.commands import leading, sample, tokenize
from tatslib.commands.opening import open_clips
from tatslib.datasets.audioset_drum import FPS
from tatslib.datasets.sharded_clips import ShardedClips
from tatslib.errors import UserError
from tatslib.randomness import numpy_generator
from tatslib.sampling import sliding_window
from tatslib.sampling.plan import frames_needed
from tatslib.sampling.storyline import SILENCE, SoundStory, Sparse, TextStory
from tatslib.sound import RATE, as_released, read_sound, spectrogram, write_video_with_sound
from tatslib.training.checkpoint import save_model, weights_fingerprint
from tatslib.training.led_clips import BySound, ByText, count_tokens
from tatslib.training.presets import PRESETS
from tatslib.training.token_benchmark import EncodedAnew
from tatslib.training.token_shards import places_of
from tatslib.training.train_sound import SOUND_PRESETS
from tatslib.training.train_transformer import condition_tokens, gpt_config
from tatslib.transformer.conditions import RELEASED_TEXT, Padding
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.videos import read_frames
from tatslib.vqgan.vqgan import VQGAN
from tatslib.worlds import drums, platform_files
from tests.test_hierarchy_commands import Commands

TOKENIZE = "tokenize --vqgan @vqgan --clips 33 --shard-clips 32 "
HEARD = TOKENIZE + "--data @drums --dataset drums --out @heard --condition sound --sound-vqgan @listener"
TOLD = TOKENIZE + "--data @game --dataset mugen --out @told --condition text"
SAMPLE = "sample --vqgan @vqgan --frames 14 "


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("led")
    drums.write(folder / "drums", train=2, test=1, size=24)
    platform_files.write(folder / "game", train=2, test=1, mean_frames=20, size=24)
    vqgan = VQGAN(PRESETS["toy"].vqgan)
    save_model(folder / "vqgan", vqgan, vqgan.config)
    listener = VQGAN(SOUND_PRESETS["toy"].vqgan)
    save_model(folder / "listener", listener, listener.config)
    return folder


@pytest.fixture
def tats(made, monkeypatch, capsys) -> Commands:
    monkeypatch.setenv("TATS_HOME", str(made / "home"))
    return Commands(made, monkeypatch, capsys)


def test_a_video_is_led_by_the_sound_of_a_file_and_gets_it(tats, made):
    assert "of the codes used" in tats("train sound --data @drums --out @trained --steps 1 --batch 2")
    refused = tats(TOKENIZE + "--data @drums --dataset drums --out @heard --condition sound")
    assert "--sound-vqgan FOLDER" in refused
    assert "wrote 2 of 2 shards" in tats(HEARD) and "nothing to do" in tats(HEARD)
    lead = json.loads((made / "heard" / "index.json").read_text())["tokens"]["lead"]
    source = weights_fingerprint(VQGAN(SOUND_PRESETS["toy"].vqgan))
    assert lead == {"kind": "sound", "codes": 128, "length": 32, "source": source}
    assert "trained 1 steps" in tats("train transformer --tokens @heard --out @by-sound --steps 1")
    source = next((made / "drums" / "video" / "test").glob("*.mp4"))
    led = SAMPLE + f"--transformer @by-sound --sound {source} --sound-vqgan @listener --out @led.mp4"
    assert "wrote 14 frames" in tats(led)
    assert read_frames(made / "led.mp4").shape == (14, 24, 24, 3)
    assert 14 * 800 <= len(read_sound(made / "led.mp4")) < 18 * 800
    assert "learnt to be led by sound, not by class" in tats(SAMPLE + "--transformer @by-sound --out @x.mp4")
    assert "belong together" in tats(SAMPLE + f"--transformer @by-sound --out @x.mp4 --sound {source}")


class Attentive(SoundStory):
    """A storyline of sound that remembers itself, and up to which frame its windows asked."""

    latest: "Attentive"

    def __init__(self, *given) -> None:
        super().__init__(*given)
        self.asked, Attentive.latest = 0, self

    def window(self, first: int, frames: int) -> Tensor:
        self.asked = max(self.asked, (first + frames) * self.latent_frame + self.margins[1])
        return super().window(first, frames)


def heard_is_in_the_file(path: Path, frames: int) -> None:
    """See that all windows, some of which reach past so many frames, heard what the file holds."""
    story = Attentive.latest
    assert story.asked > frames
    whole = torch.from_numpy(as_released(spectrogram(read_sound(path), story.asked, FPS)))
    assert (whole[frames:] > SILENCE).any(), "the file is silent there"
    assert torch.equal(story.spectrograms[0, 0, : story.asked], whole)


@pytest.mark.parametrize("frames", [14, 84])  # of 90: the last windows of 84 reach past the end of the file
def test_windows_that_reach_past_the_last_frame_hear_how_the_file_goes_on(frames, tats, made, monkeypatch):
    tats(HEARD)
    tats("train transformer --tokens @heard --out @listens --steps 1")
    monkeypatch.setattr(leading, "SoundStory", Attentive)
    source = next((made / "drums" / "video" / "test").glob("*.mp4"))
    line = f"sample --vqgan @vqgan --transformer @listens --sound {source} --sound-vqgan @listener --context-frames 1"
    assert f"wrote {frames} frames" in tats(f"{line} --frames {frames} --out @far.mp4")
    heard_is_in_the_file(source, frames)
    assert len(read_sound(made / "far.mp4")) < (frames + 4) * 800  # the video's own track ends with it


def test_a_listener_that_hears_beyond_its_window_hears_the_file_there(tmp_path, monkeypatch):
    valid = VQGAN(SOUND_PRESETS["toy"].vqgan.replace(padding="valid"))
    save_model(tmp_path / "listener", valid, valid.config)
    noise = numpy_generator(0, "noise").uniform(-1, 1, 4 * RATE).astype("float32")
    write_video_with_sound(tmp_path / "noise.mp4", np.zeros((2, 16, 16, 3), np.uint8), noise, FPS)
    monkeypatch.setattr(leading, "SoundStory", Attentive)
    config, lead = PRESETS["toy"].vqgan, BySound(valid).lead
    story = leading.storyline(config, lead, 0, (), 64, tmp_path / "noise.mp4", tmp_path / "listener", 6)
    story.window(0, 6)
    assert valid.config.margins[1] > 0
    heard_is_in_the_file(tmp_path / "noise.mp4", 6 * config.downsample[0])


def test_pictures_of_sound_stay_the_same_when_more_of_it_is_read():
    loud = numpy_generator(0, "sound").uniform(-1, 1, 60 * RATE // 30).astype("float32")
    soft = loud * (1e-3 ** (np.arange(len(loud)) < 20 * RATE // 30)).astype("float32")  # what comes later is louder
    for sound in (loud, soft):
        whole = as_released(spectrogram(sound, 60, FPS))
        for frames in (1, 7, 20):  # the last moments of a frame hear a little of the next one
            part = as_released(spectrogram(sound[: (frames + 1) * RATE // 30], frames, FPS))
            assert np.array_equal(part, whole[:frames])


def test_a_video_is_led_by_a_story_of_two_texts(tats, made):
    assert "this data set has no texts" in tats(TOKENIZE + "--data @drums --dataset drums --out @told --condition text")
    assert "wrote 2 of 2 shards" in tats(TOLD)
    assert "trained 1 steps" in tats("train transformer --tokens @told --out @by-text --steps 1")
    config = json.loads((made / "by-text" / "config.json").read_text())
    assert (config["condition_codes"], config["condition_length"]) == (49408, 256)
    story = "--text Mugen-jumps. --text Mugen-stands. --text-frames 8"
    assert "wrote 14 frames" in tats(SAMPLE + f"--transformer @by-text --out @story {story}")
    assert "not by sound: use --text" in tats(
        SAMPLE + "--transformer @by-text --out @x.mp4 --sound @led.mp4 --sound-vqgan @listener"
    )
    assert "by text or by sound, not by both" in tats(
        SAMPLE + "--transformer @by-text --out @x.mp4 --sound @led.mp4 --sound-vqgan @listener --text Hm."
    )
    said = tats(SAMPLE + f"--transformer @by-text --out @x.mp4 --text {'-'.join(['Mugen-jumps.'] * 100)}")
    assert "reads 256 tokens of a text" in said and "shorten it" in said


def test_texts_that_do_not_fit_are_counted_and_are_refused_where_they_must_be_whole():
    by_text = ByText()
    fits, longer = "jumps " * 254, "jumps " * 255
    tokens = by_text.encode([fits, longer, "jumps"])
    assert (by_text.told, by_text.cut) == (3, 1)
    assert torch.equal(tokens[0], tokens[1]) and torch.equal(by_text.encode_whole([fits])[0], tokens[0])
    with pytest.raises(UserError, match=r"reads 256 tokens of a text, and 'jumps .* has 257 .* shorten it, .*--text"):
        by_text.encode_whole(["jumps", longer])


class ReadsTwelve(ByText):
    """Leads by so few tokens of CLIP that most sentences of a game do not fit."""

    def __init__(self, padding: Padding = "masked") -> None:
        super().__init__(RELEASED_TEXT.replace(length=12), padding)


def test_texts_that_were_cut_are_told_of_once_at_the_end_and_stored_nowhere(tats, made, monkeypatch):
    assert "were cut" not in tats(TOLD.replace("@told", "@fits"))
    monkeypatch.setattr(tokenize, "ByText", ReadsTwelve)
    said = tats(TOLD.replace("@told", "@cut"))
    (counted,) = re.findall(r"(\d+) of 33 texts had more than 12 tokens and were cut", said)
    clips = open_clips("mugen", made / "game", "train", PRESETS["toy"].vqgan, (0, 0))
    longer = sum(count_tokens(clips.text(*place)) > 12 for place in places_of(clips, 0, 33))
    assert int(counted) == longer > 0
    assert said.splitlines()[-1].count("were cut") == said.count("were cut") == 1
    assert '"cut"' not in (made / "cut" / "index.json").read_text()
    assert "were cut" not in tats(TOLD.replace("@told", "@cut"))  # nothing was to be done
    monkeypatch.setattr(tokenize, "sum_over_ranks", lambda counts: counts.mul_(2))  # as if another process had as many
    assert f"{2 * longer} of 66 texts had more" in tats(TOLD.replace("@told", "@cut-by-two"))


def test_the_third_split_of_mugen_is_encoded_and_measured_against_and_other_sets_have_none(tats, made):
    game = made / "three"
    shutil.copytree(made / "game", game)
    lists = next(game.rglob("test.json")).parent
    shutil.copy(lists / "test.json", lists / "val.json")
    told = tats(TOLD.replace("@game", "@three").replace("@told", "@val") + " --split val")
    assert "wrote 2 of 2 shards" in told
    drawn = next(game.rglob("*.mp4")).parent
    line = "evaluate @{} --against @three --dataset mugen --split {} --metric motion --repeats 1 --resolution 24"
    assert "mugen, val" in tats(line.format(drawn.relative_to(made), "val"))
    assert 'splits "train" and "test", got \'val\'' in tats(HEARD + " --split val")


def test_pieces_that_do_not_fit_into_one_window_together_are_refused_before_anything_is_sampled(
    tats, made, monkeypatch
):
    tats(TOLD)
    tats("train transformer --tokens @told --out @reads-256 --steps 1")
    half = "-".join(["Mugen-jumps."] * 40)  # 202 tokens, with a start and an end
    pieces = f"--text Mugen-stands. --text {half} --text {half}"
    line = f"sample --vqgan @vqgan --transformer @reads-256 --out @pieces --context-frames 1 {pieces}"

    def begin(*given: object) -> None:
        raise UserError("the first latent frame is drawn")

    monkeypatch.setattr(sample, "decode_stream", begin)
    said = tats(f"{line} --frames 48 --text-frames 16")  # frames 20 to 35 are told of both
    assert "reads 256 tokens of a text" in said and "--text-frames" in said
    for fits in ("--frames 16 --text-frames 16", "--frames 48 --text-frames 64"):  # no window meets both
        assert "is drawn" in tats(f"{line} {fits}")


@pytest.mark.parametrize("context", [None, 1, 2])
@pytest.mark.parametrize(("strides", "latent_frames"), [((1,), 9), ((1,), 2), ((3,), 9), ((3, 1), 10)])
def test_spans_are_those_that_the_sampler_asks_for(strides, latent_frames, context):
    asked = []

    class Witness(TextStory):
        def window(self, first: int, frames: int) -> Tensor:
            asked.append(range(4 * first, 4 * (first + frames)))
            return torch.zeros(1, 1, dtype=torch.int64)

    gpt = GPT(GPTConfig(codes=8, latent_shape=(4, 1, 1), layers=1, heads=1, width=8))
    story = Sparse(Witness([str], list, 4), strides[0])
    needed = frames_needed(strides, latent_frames)[0]
    sliding_window.sample(gpt, story, needed, context_frames=context, progress=False)
    assert set(leading.spans(strides, 4, latent_frames, context, 4)) == set(asked)


@pytest.mark.parametrize(
    ("line", "dataset", "folder", "written"), [(HEARD, "drums", "drums", "heard"), (TOLD, "mugen", "game", "told")]
)
def test_clips_encoded_anew_have_the_tokens_and_the_condition_that_shards_have(
    line, dataset, folder, written, tats, made
):
    tats(line)
    vqgan, listener = VQGAN(PRESETS["toy"].vqgan).eval(), VQGAN(SOUND_PRESETS["toy"].vqgan).eval()
    shards, clips = ShardedClips.read(made / written), open_clips(dataset, made / folder, "train", vqgan.config, (0, 0))
    anew = EncodedAnew(vqgan, clips, shards.index, BySound(listener, 16) if dataset == "drums" else ByText())
    stored = shards.shard(0)  # 32 clips, in the order in which they were drawn
    tokens, labels = anew.batch(0, 32)
    conditions = anew.batch_conditions(0, 32)
    assert torch.equal(tokens, stored.tokens.long()) and torch.equal(labels, stored.labels)
    assert conditions.dtype == torch.int64 and torch.equal(conditions, stored.conditions.long())
    parts = torch.stack([anew.batch_conditions(0, 16, rank=rank, world_size=2) for rank in (0, 1)], dim=1)
    assert torch.equal(parts.flatten(0, 1), conditions)
    config = gpt_config(shards.index, 1, 1, 8)
    rows = [condition_tokens(config, *of.batch(0, 4)[1:], of.batch_conditions(0, 4)) for of in (shards, anew)]
    assert [row.shape for row in rows] == [(4, config.condition_length)] * 2


def test_the_bench_of_tokens_leads_clips_as_the_shards_do_or_says_why_not(tats):
    tats(HEARD)
    bench = "bench tokens --tokens @{} --data @{} --dataset {} --vqgan @vqgan --seconds 0.01"
    heard = bench.format("heard", "drums", "drums")
    found = json.loads(tats(heard + " --sound-vqgan @listener").splitlines()[-1])
    assert (found["condition"], found["condition_length"]) == ("sound", 32)
    assert "led by sound: say where its VQ-VAE lies (--sound-vqgan FOLDER)" in tats(heard)
    tats(TOLD)
    told = bench.format("told", "game", "mugen")
    assert "led by text, not by sound: leave out --sound-vqgan" in tats(told + " --sound-vqgan @listener")
    assert "this data set has no texts" in tats(bench.format("told", "drums", "drums"))
    assert "told nothing special, but clips here wording varied" in tats(told + " --wording varied")


def test_clips_that_would_be_led_by_something_else_are_refused(tats, made):
    tats(HEARD)
    vqgan, listener = VQGAN(PRESETS["toy"].vqgan), VQGAN(SOUND_PRESETS["toy"].vqgan)
    index = ShardedClips.read(made / "heard").index
    clips = open_clips("drums", made / "drums", "train", vqgan.config, (0, 0))
    with pytest.raises(UserError, match="led by their class, those of the token set by 32 of 128 tokens of sound"):
        EncodedAnew(vqgan, clips, index)
    with pytest.raises(UserError, match=r"led by 64 of 128 tokens of sound, made by .*, those .* by 32 of 128 tokens"):
        EncodedAnew(vqgan, clips, index, BySound(listener, 32))
    with pytest.raises(
        UserError, match=r"made by [0-9a-f]+, those of the token set by 32 of 128 tokens of sound, made"
    ):
        EncodedAnew(vqgan, clips, index, BySound(VQGAN(SOUND_PRESETS["toy"].vqgan, seed=1), 16))

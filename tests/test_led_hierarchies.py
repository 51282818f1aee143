"""Hierarchies that a text or a sound leads: told while sampling what they were told in training, and by commands."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tatslib.commands import leading
from tatslib.datasets.audioset_drum import DrumClips, audioset_drum
from tatslib.datasets.mugen import StoryClips, mugen
from tatslib.datasets.tokens import TokenIndex
from tatslib.sampling import hierarchical
from tatslib.sampling.hierarchical import Hierarchy
from tatslib.sampling.interpolation import GapFiller
from tatslib.sampling.storyline import SoundStory, Storyline, TextStory
from tatslib.training.checkpoint import save_model
from tatslib.training.convert import convert
from tatslib.training.led_clips import BySound, ByText, Leading
from tatslib.training.presets import PRESETS, TransformerSize
from tatslib.training.train_sound import SOUND_PRESETS
from tatslib.training.trained_hierarchy import load_hierarchy
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.videos import read_frames
from tatslib.vqgan.vqgan import VQGAN
from tatslib.worlds import drums, platform_files
from tatslib.worlds.script import events
from tatslib.worlds.story import tell
from tests.test_condition_commands import Attentive, heard_is_in_the_file
from tests.test_convert import gpt_file
from tests.test_decode import lively_gpt
from tests.test_hierarchy_commands import Commands
from tests.test_official import small_gpt, small_vqgan
from tests.test_storyline import ear

VIDEOS = {"train": 2, "test": 1}
GAME = {**VIDEOS, "mean_frames": 20}  # so that each has the least that there is, 96
KINDS = {"text": ("game", "mugen", ""), "sound": ("drums", "drums", " --sound-vqgan @listener")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("led")
    drums.write(folder / "drums", **VIDEOS, size=24)
    platform_files.write(folder / "game", **GAME, size=24)
    for name, vqgan in (("vqgan", VQGAN(PRESETS["toy"].vqgan)), ("listener", VQGAN(SOUND_PRESETS["toy"].vqgan))):
        save_model(folder / name, vqgan, vqgan.config)
    return folder


# --------------------------------------------------------------------------- what is told in training and in sampling
LATENT_FRAME = 2  # frames
SHORTEST = 90  # frames of every video of both worlds, at least
WINDOW = 3  # sparse latent frames


class Heard(NamedTuple):
    """What a transformer was told while sampling, int64 (B, n_c), and of which latent frames."""

    first: int
    latent_frames: int
    condition: Tensor


@contextmanager
def overheard() -> Iterator[list[Heard]]:
    """All that the transformers of a hierarchy are told: sparse ones for every window, fillers for every gap."""
    heard: list[Heard] = []

    class Listening(GapFiller):
        """Remembers the conditions of its gaps, which come from the beginning of the video to its end."""

        filled = 0

        def __call__(self, condition: Tensor, *given) -> Tensor:
            span = self.config.ratio * self.stride
            for row in condition:
                heard.append(Heard(self.filled * span, span + 1, row[None]))
                self.filled += 1
            return super().__call__(condition, *given)

    def densify(filler: GapFiller, story: Storyline, frames: Iterator[Tensor], stride: int, *rest) -> Iterator[Tensor]:
        filler.stride = stride
        return honest(filler, story, frames, stride, *rest)

    class Windows:
        """A sparse storyline that remembers what it said."""

        def __init__(self, story: Storyline, stride: int) -> None:
            self.story, self.stride = story, stride

        def __len__(self) -> int:
            return len(self.story)

        def window(self, first: int, frames: int) -> Tensor:
            condition = sparse(self.story, self.stride).window(first, frames)
            heard.append(Heard(first * self.stride, (frames - 1) * self.stride + 1, condition))
            return condition

    honest, sparse = hierarchical._densify, hierarchical.Sparse
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hierarchical, "GapFiller", Listening)
        patch.setattr(hierarchical, "_densify", densify)
        patch.setattr(hierarchical, "Sparse", Windows)
        yield heard


@cache
def ear_of_the_test() -> VQGAN:
    return ear()


def clips_of(folder: Path, kind: str, frames: int) -> StoryClips | DrumClips:
    """Clips of so many frames of a world, as `tats tokenize` opens them."""
    name, _, _ = KINDS[kind]
    options = {"length": frames, "resolution": 8, "cache": folder / "cache"}
    return mugen(folder / name, **options) if kind == "text" else audioset_drum(folder / name, **options)


def leading_of(kind: str, frames: int) -> Leading:
    """What makes the conditions of clips of so many frames, as `tats tokenize` does."""
    return ByText() if kind == "text" else BySound(ear_of_the_test(), frames)


def story_of(folder: Path, kind: str, video: int, start: int) -> Storyline:
    """The storyline of a video from some frame on, as the world knows it."""
    clips = clips_of(folder, kind, SHORTEST)
    if isinstance(clips, DrumClips):
        whole = torch.from_numpy(clips.sound(video, 0))[None, None]
        return SoundStory(ear_of_the_test(), whole[:, :, start:], LATENT_FRAME)
    game = next(game for game in platform_files.collection(**GAME) if game.name == clips.paths[video].stem)
    happens = events(game.script)

    def told(span: range) -> str:
        return tell(happens, range(start + span.start, start + span.stop))

    return TextStory([told], ByText().encode, LATENT_FRAME)


@cache
def hierarchy_of(kind: str, ratios: tuple[int, ...]) -> Hierarchy:
    """Transformers that read as many condition tokens as the spans of their windows have."""

    def model(config: type[GPTConfig], window: int, stride: int) -> GPT:
        prefix = leading_of(kind, ((window - 1) * stride + 1) * LATENT_FRAME).prefix
        size = {"codes": 4, "latent_shape": (window, 1, 2), "layers": 1, "heads": 1, "width": 2}
        return lively_gpt(prefix.before(config(**size)))

    strides = [int(np.prod(ratios[level:])) for level in range(len(ratios) + 1)]
    fillers = zip(ratios, strides[1:], strict=True)
    return Hierarchy(
        model(GPTConfig, WINDOW, strides[0]),
        [model(InterpolationConfig, ratio + 1, stride) for ratio, stride in fillers],
    )


@pytest.mark.parametrize("kind", list(KINDS))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_each_level_is_told_in_sampling_what_it_is_told_in_training_of_the_same_frames(kind, made, data) -> None:
    ratios = data.draw(st.sampled_from([(2,), (4,), (2, 2), (4, 2), (2, 4)]))
    hierarchy = hierarchy_of(kind, ratios)
    longest = (SHORTEST // LATENT_FRAME - 1) // hierarchy.strides[0]  # the last sparse frame of a video
    last = data.draw(st.integers(WINDOW - 1, longest))
    latent_frames = last * hierarchy.strides[0] + 1
    start = data.draw(st.integers(0, SHORTEST - latent_frames * LATENT_FRAME))
    video, gaps = data.draw(st.integers(0, 1)), data.draw(st.integers(1, 5))
    with overheard() as heard:
        story = story_of(made, kind, video, start)
        hierarchical.sample(hierarchy, story, latent_frames, gaps_at_once=gaps, progress=False)
    sparse, *gaps_of = [(WINDOW - 1) * hierarchy.strides[0] + 1, *(stride + 1 for stride in hierarchy.strides[:-1])]
    firsts = {span: sorted({each.first for each in heard if each.latent_frames == span}) for span in (sparse, *gaps_of)}
    assert all(each.latent_frames in firsts for each in heard)
    assert firsts.pop(sparse) == [first * hierarchy.strides[0] for first in range(last - WINDOW + 2)]
    assert firsts == {span: list(range(0, latent_frames - 1, span - 1)) for span in gaps_of}
    for each in heard:
        frames = each.latent_frames * LATENT_FRAME
        clips, place = clips_of(made, kind, frames), (video, start + each.first * LATENT_FRAME)
        assert torch.equal(each.condition, leading_of(kind, frames).conditions(clips, [place]))


def test_the_world_tells_its_windows_apart(made) -> None:
    for kind in KINDS:
        story = story_of(made, kind, 0, 0)
        assert len({tuple(story.window(first, 5)[0].tolist()) for first in range(0, 40, 4)}) > 2, kind


# ------------------------------------------------------------------------------------------------------- by commands
@pytest.fixture
def tats(made, monkeypatch, capsys) -> Commands:
    toy = PRESETS["toy"]
    size, few = TransformerSize(layers=1, heads=2, width=16), toy.transformer_training.replace(batch=2)
    monkeypatch.setitem(PRESETS, "toy", toy.replace(transformer=size, transformer_training=few))
    monkeypatch.setenv("TATS_HOME", str(made / "home"))
    return Commands(made, monkeypatch, capsys)


def tokenize(tats: Commands, kind: str, frames: int) -> str:
    folder, dataset, more = KINDS[kind]
    line = f"tokenize --vqgan @vqgan --clips 4 --shard-clips 32 --data @{folder} --dataset {dataset}{more} "
    return tats(line + f"--condition {kind} --frames {frames} --out @{kind}-{frames}")


def levels_told(folder: Path, names: list[str]) -> list[tuple[int, int, int]]:
    """Latent frames of a window, how far apart, and condition tokens, of trained transformers."""
    facts = [json.loads((folder / name / "data.json").read_text()) for name in names]
    return [(fact["latent_shape"][0], fact["latent_stride"], fact["lead"]["length"]) for fact in facts]


@pytest.mark.parametrize(("kind", "lengths"), [("text", (256, 256)), ("sound", (104, 40))])
def test_what_leads_a_planned_video_leads_both_its_levels(kind, lengths, tats, made) -> None:
    for frames in (52, 20):  # 13 latent frames, of which every 4th is drawn first; 5 to fill in between two of those
        assert "wrote 1 of 1 shards" in tokenize(tats, kind, frames)
    levels = {"sparse": "transformer --latent-stride 4 --tokens @{}-52", "filler": "interpolation --tokens @{}-20"}
    for name, line in levels.items():
        line = f"train {line.format(kind)} --condition-dropout 0.3 --steps 2 --out @{kind}-{name}"
        assert "trained 2 steps" in tats(line)
    found = levels_told(made, [f"{kind}-{name}" for name in levels])
    assert found == [(4, 4, lengths[0]), (5, 1, lengths[1])]
    source = next((made / "drums" / "video" / "test").glob("*.mp4"))
    story = "--text Mugen-jumps. --text Mugen-stands. --text-frames 12"
    told = story if kind == "text" else f"--sound {source} --sound-vqgan @listener"
    planned = f"sample --vqgan @vqgan --transformer @{kind}-sparse --filler @{kind}-filler --frames 24"
    for guidance in (1, 50):
        assert "wrote 24 frames" in tats(f"{planned} {told} --guidance {guidance} --out @{kind}-{guidance}.avi")
    quiet, loud = (read_frames(made / f"{kind}-{guidance}.avi") for guidance in (1, 50))
    assert quiet.shape == (24, 24, 24, 3) and not np.array_equal(quiet, loud)
    assert f"learnt to be led by {kind}, not by class" in tats(f"{planned} --out @x.avi")
    assert not (made / "x.avi").exists()


def test_a_sound_leads_three_levels_each_trained_on_clips_of_its_own_length(tats, made, monkeypatch) -> None:
    for frames in (36, 20, 12):  # 9 latent frames, every 4th of them; 5, every other one; 3
        tokenize(tats, "sound", frames)
    levels = {
        "high": "transformer --tokens @sound-36 --latent-stride 4",
        "middle": "interpolation --tokens @sound-20 --latent-stride 2 --latent-frames 3",
        "low": "interpolation --tokens @sound-12 --latent-frames 3",
    }
    for name, line in levels.items():
        assert "trained 1 steps" in tats(f"train {line} --steps 1 --out @{name}")
    assert levels_told(made, list(levels)) == [(3, 4, 72), (3, 2, 40), (3, 1, 24)]
    source = next((made / "drums" / "video" / "test").glob("*.mp4"))
    line = f"sample --vqgan @vqgan --transformer @high --frames 30 --sound {source} --sound-vqgan @listener --out "
    monkeypatch.setattr(leading, "SoundStory", Attentive)
    assert "wrote 30 frames" in tats(line + "@three.mp4 --filler @middle --filler @low --context-frames 1")
    assert Attentive.latest.asked == 52  # its anchors: latent frames 0, 4, 8, with windows of 3 of them up to 12
    heard_is_in_the_file(source, 30)
    assert read_frames(made / "three.mp4").shape == (30, 24, 24, 3)
    assert "low was trained on latent frames 1 apart" in tats(line + "@x.mp4 --filler @low --filler @middle")


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_led_set_of_the_wrong_length_is_refused_before_a_run_is_begun(kind, tats, made) -> None:
    tokenize(tats, kind, 52)
    for line, clips, latent_frames, frames in (
        ("interpolation", 13, 5, 20),
        ("interpolation --latent-frames 3", 13, 3, 12),
        ("interpolation --latent-stride 4 --latent-frames 3", 13, 9, 36),
        ("transformer --latent-stride 5", 13, 11, 44),
        ("transformer --latent-stride 4 --latent-frames 3", 13, 9, 36),
        ("transformer --latent-frames 4", 13, 4, 16),
    ):
        said = tats(f"train {line} --tokens @{kind}-52 --out @{kind}-x --steps 1")
        assert f"the {kind} of clips of {clips} latent frames is not that of {latent_frames} of them" in said
        assert f"of exactly {latent_frames} (`tats tokenize --frames {frames}`)" in said
    short = tats(f"train interpolation --tokens @{kind}-52 --latent-stride 4 --out @{kind}-x --steps 1")
    assert "pieces of 17 latent frames, 16 apart, cannot be cut out of clips of 13" in short
    assert not (made / f"{kind}-x").exists()
    line = f"train transformer --tokens @{kind}-52 --latent-stride 4 --steps 1 --out @{kind}-y"
    assert "trained 1 steps" in tats(line)
    index = TokenIndex.from_json((made / f"{kind}-y" / "data.json").read_text(), source="")
    assert (index.latent_shape[0], index.latent_stride) == (4, 4)


# ---------------------------------------------------------------------------------------------------------- released
def test_a_released_hierarchy_is_put_together_by_what_its_facts_say(tmp_path: Path) -> None:
    telling = {"cond_stage_key": "text", "class_cond_dim": None}
    shape = {"condition_codes": 49408, "condition_length": 256, "layers": 1}
    vqgan = small_vqgan()
    for name, latents, options in (
        ("sparse", 2, {"sample_every_n_latent_frames": 2, "sequence_length": 8}),
        ("filler", 3, {"n_unmasked": 16, "sequence_length": 6}),
    ):
        gpt = small_gpt(**shape, latent_shape=(latents, 4, 4))
        convert(gpt_file(tmp_path / f"{name}.ckpt", gpt, vqgan, **telling, **options), tmp_path / name)
    folders = [tmp_path / name / "transformer" for name in ("sparse", "filler")]
    hierarchy = load_hierarchy(vqgan, tmp_path / "sparse" / "vqgan", folders[0], folders[1:])
    assert hierarchy.strides == (2, 1)
    with overheard() as heard:
        story = TextStory([lambda span: f"from {span.start} to {span.stop}"], ByText(padding="released").encode, 2)
        assert hierarchical.sample(hierarchy, story, 5, progress=False).shape == (1, 5, 4, 4)
    assert {each.latent_frames for each in heard} == {3}

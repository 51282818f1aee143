"""Long videos led by text, sound and class: the window slides over the condition and the video together."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tatslib.errors import UserError
from tatslib.randomness import torch_generator
from tatslib.sampling import hierarchical
from tatslib.sampling.filters import Filters
from tatslib.sampling.hierarchical import Hierarchy
from tatslib.sampling.noise import seeded_noise
from tatslib.sampling.sliding_window import sample
from tatslib.sampling.storyline import SILENCE, Constant, SoundStory, Sparse, Story, TextStory, TokenStory, reach
from tatslib.transformer.conditions import sound_condition, sound_prefix, text_condition
from tatslib.transformer.gpt import GPTConfig
from tatslib.transformer.interpolation import InterpolationConfig
from tatslib.vqgan.sound import SoundVQGANConfig, encode_sound
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig
from tests import naive
from tests.test_decode import lively_gpt

SHAPE = {"codes": 9, "condition_codes": 5, "condition_length": 4, "layers": 2, "heads": 2, "width": 8}
CONFIG = GPTConfig(**SHAPE, latent_shape=(3, 2, 2))
WORDS = {"walks": 1, "jumps": 2, "falls": 3, "end": 4}
STORY = Story((("walks", 8), ("jumps", 4), ("falls", 4)))
OTHER = Story((("falls", 10), ("walks jumps", 100)))
LATENT_FRAME = 2  # frames of video that a latent frame stands for


def encode(texts: list[str]) -> Tensor:
    """A tokenizer of three words a text, and an end."""
    ids = torch.zeros(len(texts), 4, dtype=torch.int64)
    for row, text in zip(ids, texts, strict=True):
        words = [WORDS[word] for word in [*text.split()[:3], "end"]]
        row[: len(words)] = torch.tensor(words)
    return text_condition(ids)


def told() -> TextStory:
    return TextStory([STORY, OTHER], encode, LATENT_FRAME)


class Overheard:
    """A storyline that remembers what it was asked."""

    def __init__(self, videos: int, answer: Callable[[int, int], Tensor]) -> None:
        self.videos, self.answer = videos, answer
        self.asked: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return self.videos

    def window(self, first: int, frames: int) -> Tensor:
        self.asked.append((first, frames))
        return self.answer(first, frames)


def test_a_story_tells_every_piece_that_some_frames_touch_and_its_end_for_ever() -> None:
    assert STORY(range(0, 8)) == "walks" and STORY(range(0, 9)) == "walks jumps"
    assert STORY(range(7, 13)) == "walks jumps falls" and STORY(range(15, 16)) == STORY(range(500, 501)) == "falls"
    assert Story(STORY.pieces, between=", and ")(range(8, 13)) == "jumps, and falls"
    for pieces in ((), (("walks", 0),)):
        with pytest.raises(UserError, match="pieces of at least 1 frame each"):
            Story(pieces)


def test_the_window_of_a_text_story_is_the_text_of_its_span_of_frames() -> None:
    assert torch.equal(told().window(0, 3), encode(["walks", "falls"]))
    assert torch.equal(told().window(3, 3), encode(["walks jumps", "falls walks jumps"]))
    assert torch.equal(told().window(90, 3), encode(["falls", "walks jumps"]))


@pytest.mark.parametrize("context", [1, 2])
def test_a_constant_storyline_is_the_plain_sampler(context: int) -> None:
    gpt, condition = lively_gpt(CONFIG, scale=1), encode(["walks", "jumps falls"])
    plain = sample(gpt, condition, 7, context_frames=context, progress=False)
    stories = (Constant(condition), Overheard(2, lambda first, frames: condition.clone()))
    for story in (*stories, TextStory([Story((("walks", 1),)), Story((("jumps falls", 1),))], encode, LATENT_FRAME)):
        assert torch.equal(sample(gpt, story, 7, context_frames=context, progress=False), plain)


@pytest.mark.parametrize("context", [1, 2])
@pytest.mark.parametrize("given", [0, 2])
def test_each_latent_frame_is_drawn_given_the_story_of_its_window(context: int, given: int) -> None:
    gpt, story = lively_gpt(CONFIG, scale=1), told()
    noise = list(seeded_noise(0, range(2), 9, 2, "cpu", range(2 * 9)))
    start = sample(gpt, story, 3, seed=8, progress=False)[:, :given] if given else None
    drawn = sample(gpt, story, 9, context_frames=context, noise=noise, start=start, progress=False)
    assert start is None or torch.equal(drawn[:, :given], start)
    found = drawn[:, :given]
    luck = iter(noise)
    for frame in range(given, 9):  # by the definition, a latent frame at a time, given the story of its window
        condition = story.window(max(0, frame - context), 3)
        own = [next(luck) for _ in range(4)]
        found = naive.slide(gpt, condition, frame + 1, Filters(), context, own, found)
    assert torch.equal(drawn, found)
    flat = sample(gpt, story.window(0, 3), 9, context_frames=context, noise=noise, start=start, progress=False)
    assert not torch.equal(flat, drawn), "the story decides nothing here"


def test_the_past_does_not_know_how_the_story_ends() -> None:
    gpt = lively_gpt(CONFIG, scale=1)
    twist = Story((("walks", 8), ("falls", 4), ("walks", 4)))
    one, two = (
        sample(gpt, TextStory([story], encode, LATENT_FRAME), 12, seed=2, progress=False) for story in (STORY, twist)
    )
    assert torch.equal(one[:, :4], two[:, :4]) and not torch.equal(one, two)


def test_a_storyline_that_speaks_nonsense_is_refused_in_a_sentence() -> None:
    gpt, short = lively_gpt(CONFIG), encode(["walks"])
    with pytest.raises(UserError, match="needs int64 of shape"):
        sample(gpt, Constant(short[:, :3]), 2, progress=False)
    with pytest.raises(UserError, match="2 videos gave 1 conditions"):
        sample(gpt, Overheard(2, lambda first, frames: short), 2, progress=False)
    later = Overheard(1, lambda first, frames: short + 9 * (first > 0))
    with pytest.raises(UserError, match="to 13, but this transformer knows 0 to 4"):
        sample(gpt, later, 9, progress=False)


# ------------------------------------------------------------------------------------------------------- hierarchies
def hierarchy() -> Hierarchy:
    fillers = [lively_gpt(InterpolationConfig(**SHAPE, latent_shape=(3, 2, 2)), seed, scale=1) for seed in (1, 2)]
    return Hierarchy(lively_gpt(CONFIG, scale=1), fillers)


def test_a_constant_storyline_is_the_plain_hierarchy() -> None:
    condition = encode(["walks", "jumps falls"])
    plain = hierarchical.sample(hierarchy(), condition, 10, gaps_at_once=2, progress=False)
    assert torch.equal(hierarchical.sample(hierarchy(), Constant(condition), 10, gaps_at_once=2, progress=False), plain)
    led = hierarchical.sample(hierarchy(), told(), 10, gaps_at_once=2, progress=False)
    assert not torch.equal(led, plain)
    assert torch.equal(hierarchical.sample(hierarchy(), told(), 10, gaps_at_once=1, progress=False), led)


def test_each_level_asks_about_the_span_of_its_own_windows() -> None:
    story = Overheard(1, lambda first, frames: encode(["walks"]))
    hierarchical.sample(hierarchy(), story, 13, context_frames=1, gaps_at_once=2, progress=False)
    # every 4th latent frame, three of them in a window; then from anchor to anchor, 4 apart, and 2 apart
    assert {frames for _, frames in story.asked} == {9, 5, 3}
    assert [first for first, frames in story.asked if frames == 9][-3:] == [0, 4, 8]
    assert {first for first, frames in story.asked if frames == 5} == {0, 4, 8}
    assert {first for first, frames in story.asked if frames == 3} == {0, 2, 4, 6, 8, 10}
    assert len(Sparse(story, 4)) == 1


@pytest.mark.parametrize("levels", [1, 3])
@pytest.mark.parametrize("latent_frames", [1, 2, 5, 6, 13])
def test_windows_reach_as_far_as_is_said_with_the_shortest_context_and_never_farther(
    levels: int, latent_frames: int
) -> None:
    whole = hierarchy()
    planned = Hierarchy(whole.anchors, whole.fillers[: levels - 1])
    said = reach(planned.strides, CONFIG.latent_shape[0], latent_frames)
    for context in (1, 2):
        story = Overheard(1, lambda first, frames: encode(["walks"]))
        hierarchical.sample(planned, story, latent_frames, context_frames=context, progress=False)
        farthest = max(first + frames for first, frames in story.asked)
        assert farthest == said if context == 1 else farthest <= said


# ------------------------------------------------------------------------------------------------------------- sound
SOUND = SoundVQGANConfig(frames=6, downsample=(2, 16, 16), hidden=1, decoder_blocks=1, codes=6, code_width=4)


def track(frames: int = 10) -> Tensor:
    return torch.rand(2, 1, frames, 64, 16, generator=torch_generator(0, "track")) * 2 - 1


def ear(config: SoundVQGANConfig = SOUND) -> VQGAN:
    """An untrained VQ-VAE whose codes lie where its latents do, so that it tells sounds apart."""
    vqgan, heard = VQGAN(config), track(12 + sum(config.forward_margins))
    for _ in range(20):  # until the statistics of its norms are those of the sounds
        vqgan.train()(heard, generator=torch_generator(0, "codes"))
    return vqgan.eval()


def test_the_window_of_a_sound_is_encoded_as_a_clip_of_its_own_with_silence_behind_the_end() -> None:
    vqgan = ear()
    story, sound = SoundStory(vqgan, track(), LATENT_FRAME), track()
    assert not torch.equal(story.window(1, 3), story.window(0, 3))
    assert torch.equal(story.window(1, 3), sound_condition(encode_sound(vqgan, sound[:, :, 2:8])))
    silence = torch.full((2, 1, 6, 64, 16), SILENCE)
    silence[:, :, :2] = sound[:, :, 8:]
    assert torch.equal(story.window(4, 3), sound_condition(encode_sound(vqgan, silence)))
    silence[:] = SILENCE
    assert torch.equal(story.window(40, 3), sound_condition(encode_sound(vqgan, silence)))
    with pytest.raises(UserError, match="turns videos into tokens"):
        SoundStory(VQGAN(VQGANConfig(hidden=1, resolution=16, code_width=2, codes=4)), track(), LATENT_FRAME)


def test_real_sound_stands_around_a_window_where_padding_is_valid() -> None:
    config = SOUND.replace(padding="valid")
    before, after = config.margins
    vqgan, sound = ear(config), track(80)
    window = SoundStory(vqgan, sound, LATENT_FRAME).window(20, 3)
    assert torch.equal(window, sound_condition(encode_sound(vqgan, sound[:, :, 40 - before : 46 + after])))
    first = SoundStory(vqgan, sound, LATENT_FRAME).window(0, 3)
    led_in = torch.cat([torch.full((2, 1, before, 64, 16), SILENCE), sound[:, :, : 6 + after]], dim=2)
    assert torch.equal(first, sound_condition(encode_sound(vqgan, led_in)))


def test_a_long_video_follows_its_sound_and_nothing_that_comes_later() -> None:
    prefix = sound_prefix(SOUND)
    gpt = lively_gpt(prefix.before(GPTConfig(**{**SHAPE, "codes": 9}, latent_shape=(3, 2, 2))), scale=1)
    vqgan, sound = ear(), track(20)
    other = sound.clone()
    other[:, :, 12:] = SILENCE
    one, two = (sample(gpt, SoundStory(vqgan, heard, LATENT_FRAME), 10, progress=False) for heard in (sound, other))
    assert torch.equal(one[:, :6], two[:, :6]) and not torch.equal(one, two)


def test_tokens_along_a_video_slide_with_it() -> None:
    story = TokenStory(torch.arange(2 * 5 * 2 * 1).view(2, 5, 2, 1))
    assert story.window(1, 3).tolist() == [[2, 3, 4, 5, 6, 7], [12, 13, 14, 15, 16, 17]]
    assert story.window(4, 3)[0].tolist() == [8, 9, 8, 9, 8, 9] and len(story) == 2

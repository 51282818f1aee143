"""What text is worth: what is told happens, a word changes a fate, a story is followed (paper 2.3, 3.4, Fig. 9).

What happens in a video is read from its pictures (`metrics.happenings`) and held against a sentence.

Letters: V videos, T frames, n windows of a video.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import NamedTuple

import numpy as np

from tatslib import recipes
from tatslib.datasets.mugen import StoryClips
from tatslib.metrics.features import windows
from tatslib.metrics.happenings import seen_events, text_fidelity
from tatslib.recipes.conditioned import FINE_STEPS, VQGAN_STEPS
from tatslib.recipes.kinds import clips_for
from tatslib.sampling.storyline import TextStory
from tatslib.studies.conditions import AT_ONCE, SAMPLING, TRAINING, draw, encoded, nats, of_another, trained, untold
from tatslib.studies.pictures import decoded_films
from tatslib.studies.results import Numbers, Study
from tatslib.training.token_shards import BATCH, places_of
from tatslib.transformer.conditions import null_condition
from tatslib.videos import Video
from tatslib.vqgan.vqgan import VQGANConfig
from tatslib.worlds.script import MONSTERS_HERE
from tatslib.worlds.story import Event, Statement, tell
from tatslib.worlds.story_check import check, parse

CLIPS = 256  # of the training length
EDITS = 96  # of each kind
STORY_FRAMES = 96  # the shortest video of the world, so that every one can be told
COPIES = 2  # long videos for each story
STEPS_SEARCHED = 400  # for texts to edit, 32 clips each
AGAIN = 1000  # added to a seed for other luck
KILLS, KILLED = "kills", "is killed by"  # the edit of Fig. 9


# --------------------------------------------------------------------------------------------------- what is said of it
def spoken(config: VQGANConfig) -> StoryClips:
    """Held-out clips with their texts."""
    data = clips_for(config, recipes.get("platform/videos"), "test")
    assert isinstance(data, StoryClips)
    return data


def of_others(texts: Sequence[str]) -> list[str]:
    """For each text the next one, round and round, that says something else."""
    turned = [[*texts[place + 1 :], *texts[: place + 1]] for place in range(len(texts))]
    return [next(other for other in others if other != text) for text, others in zip(texts, turned, strict=True)]


def measure(videos: Video, texts: Sequence[str]) -> Numbers:
    """How much of what a text states is seen in the video, uint8 (V, T, H, W, 3), of the same number.

    Returns:
        "happens": the mean over videos of the share of stated events that happen; "by_kind": of all statements of a
        kind, the share that happen.
    """
    by_kind: dict[str, list[bool]] = defaultdict(list)
    shares = []
    for video, text in zip(videos, texts, strict=True):
        checked = check(text, seen_events(video))
        shares.append(fmean(true for _, true in checked) if checked else 0.0)
        for statement, true in checked:
            by_kind[statement.kind].append(true)
    return {"happens": fmean(shares), "by_kind": {kind: fmean(found) for kind, found in sorted(by_kind.items())}}


# ---------------------------------------------------------------------------------------------------------- a word
@dataclass(frozen=True)
class Edit:
    """A text, the same text with a word changed, and what that changes: one statement goes, another one comes."""

    before: str
    after: str
    gone: Statement
    come: Statement

    @property
    def rest(self) -> list[Statement]:
        """What is stated either way."""
        return [statement for statement in parse(self.before) if statement != self.gone]


def fate(text: str) -> str | None:
    """ "is killed by" becomes "kills", as in Fig. 9, or the other way round; None where that makes no sense.

    Mugen has one fate in a text, and nothing can happen after he is killed.
    """
    if text.count(KILLED) == 1 and KILLS not in text:
        return text.replace(KILLED, KILLS)
    if text.count(KILLS) == 1 and KILLED not in text and "," not in text[text.index(KILLS) :]:
        return text.replace(KILLS, KILLED)
    return None


def monster(text: str) -> str | None:
    """The only monster of a text becomes the next one of its kind; None for a text with none, or with several."""
    named = [name for name in MONSTERS_HERE for _ in range(text.count(name))]
    if len(named) != 1:
        return None
    return text.replace(named[0], MONSTERS_HERE[(MONSTERS_HERE.index(named[0]) + 1) % len(MONSTERS_HERE)])


EDITING: dict[str, Callable[[str], str | None]] = {"fate": fate, "monster": monster}


def edit(before: str, editing: Callable[[str], str | None]) -> Edit | None:
    """A text edited; None if that changes anything but a single statement that is made once."""
    after = editing(before)
    if after is None:
        return None
    old, new = parse(before), parse(after)
    changed = [pair for pair in zip(old, new, strict=True) if pair[0] != pair[1]]
    if len(changed) != 1 or changed[0][0].count != 1:
        return None
    return Edit(before, after, *changed[0])


def edits(data: StoryClips, kind: str, wanted: int = EDITS) -> list[Edit]:
    """So many edits of texts of held-out clips (fewer if there are not more), in the order in which these are drawn."""
    found: list[Edit] = []
    for step in range(STEPS_SEARCHED):
        texts = [data.text(*place) for place in data.places(step, BATCH)]
        found += [one for text in texts if (one := edit(text, EDITING[kind])) is not None]
        if len(found) >= wanted:
            break
    return found[:wanted]


def measure_edits(edited: Sequence[Edit], before: Video, after: Video, again: Video) -> Numbers:
    """Whether a change of a word changes what happens, and nothing else.

    Args:
        edited: V edits.
        before: videos by the texts before, uint8 (V, T, H, W, 3).
        after: by the texts after, with the same luck.
        again: by the texts before once more, with other luck.

    Returns:
        "before": share of videos in which the event happens that the first text states; "after": that of the second;
        "changes": the first happens before and not after, the second after and not before; "by_luck": the same of
        `again` in the place of `after`; "rest": share of the other statements that happen before, and "rest_after";
        "apart", "apart_by_luck": mean difference of the videos in grey levels; "texts": how many different ones.
    """
    seen = [[seen_events(video) for video in videos] for videos in (before, after, again)]
    changes, by_luck = (
        fmean(turns(one, first, second) for one, first, second in zip(edited, seen[0], other, strict=True))
        for other in seen[1:]
    )
    rests = [
        [happens(part, events) for one, events in zip(edited, shown, strict=True) for part in one.rest]
        for shown in seen[:2]
    ]
    return {
        "before": fmean(happens(one.gone, events) for one, events in zip(edited, seen[0], strict=True)),
        "after": fmean(happens(one.come, events) for one, events in zip(edited, seen[1], strict=True)),
        "changes": changes,
        "by_luck": by_luck,
        "rest": fmean(rests[0]) if rests[0] else float("nan"),
        "rest_after": fmean(rests[1]) if rests[1] else float("nan"),
        "apart": float(np.abs(before.astype(float) - after).mean()),
        "apart_by_luck": float(np.abs(before.astype(float) - again).mean()),
        "texts": len({one.before for one in edited}),
    }


def happens(statement: Statement, events: Sequence[Event]) -> bool:
    """Whether one statement is true of what happens in a video."""
    return check([statement], events)[0][1]


def turns(one: Edit, before: Sequence[Event], after: Sequence[Event]) -> bool:
    """Whether of two videos the first shows only what goes, and the second only what comes."""
    first, second = ([happens(fact, events) for fact in (one.gone, one.come)] for events in (before, after))
    return first == [True, False] and second == [False, True]


# --------------------------------------------------------------------------------------------------------- a long story
def stories(data: StoryClips) -> list[Callable[[range], str]]:
    """What each held-out video says of any of its frames."""
    return [partial(_told, data, video) for video in range(len(data)) if data.frames[video] >= STORY_FRAMES]


def _told(data: StoryClips, video: int, frames: range) -> str:
    return tell(data.events(video), frames, data.name)


def measure_story(videos: Video, told: Sequence[Callable[[range], str]], frames: int) -> Numbers:
    """Videos (V, n T, H, W, 3) window by window, each held against what the story says of just these frames.

    Returns:
        "windows": the mean share of stated events that happen, for each window; "happens": the mean over them.
    """
    parts = windows(videos, frames)  # (V, n, T, H, W, 3)
    spans = [range(first, first + frames) for first in range(0, videos.shape[1], frames)]
    shares = [
        fmean(text_fidelity(video[number], story(span)) for video, story in zip(parts, told, strict=True))
        for number, span in enumerate(spans)
    ]
    return {"windows": shares, "happens": fmean(shares)}


# ------------------------------------------------------------------------------------------------------------ the study
class Names(NamedTuple):
    """The recipes of a tokenizer, of its tokens with texts, and of the transformer that learnt from them."""

    vqgan: str
    tokens: str
    gpt: str


COARSE = Names("platform/vqgan-replicate", "platform/tokens-text", "platform/gpt-text")
FINE = Names("platform/vqgan-fine", "platform/tokens-fine", "platform/gpt-fine")


def run(seed: int, names: Names = COARSE) -> Numbers:
    """Single clips, edits, long stories."""
    vqgan, tokens, gpt = trained(names.vqgan, seed), recipes.get(names.tokens, seed), trained(names.gpt, seed)
    data, frames = spoken(vqgan.config), vqgan.config.frames
    places = places_of(data, 0, CLIPS)
    texts = [data.text(*place) for place in places]
    real = np.stack([data.clip(*place) for place in places])
    own = draw(gpt, vqgan, tokens.words(texts), frames, seed)
    numbers: Numbers = {
        "nats": {
            "told": nats(gpt, tokens.test),
            "other": nats(gpt, of_another(tokens.test)),
            "untold": nats(gpt, untold(gpt, tokens.test)),
        },
        "real": measure(real, texts),
        "rebuilt": measure(decoded_films(vqgan, encoded(vqgan, real), AT_ONCE), texts),
        "own": measure(own, texts),
        "other": measure(own, of_others(texts)),
        "untold": measure(draw(gpt, vqgan, null_condition(gpt.config, CLIPS), frames, seed), texts),
    }
    for kind in EDITING:
        edited = edits(data, kind)
        before, after = (tokens.words(said) for said in zip(*((one.before, one.after) for one in edited), strict=True))
        turns = ((before, seed), (after, seed), (before, seed + AGAIN))
        numbers[f"edit-{kind}"] = measure_edits(
            edited, *(draw(gpt, vqgan, words, frames, luck) for words, luck in turns)
        )
    return numbers | {"story": run_stories(seed, data, names)}


def run_stories(seed: int, data: StoryClips, names: Names) -> Numbers:
    """Long videos that hear a story as it goes on, only its beginning, or nothing."""
    vqgan, tokens, gpt = trained(names.vqgan, seed), recipes.get(names.tokens, seed), trained(names.gpt, seed)
    tales = [story for story in stories(data) for _ in range(COPIES)]
    clip = vqgan.config.frames
    heard = {
        "own": TextStory(tales, tokens.words, vqgan.config.downsample[0]),
        "beginning": tokens.words([story(range(clip)) for story in tales]),
        "untold": null_condition(gpt.config, len(tales)),
    }
    videos = {arm: draw(gpt, vqgan, words, STORY_FRAMES, seed) for arm, words in heard.items()}
    numbers = {arm: measure_story(drawn, tales, clip) for arm, drawn in videos.items()}
    return numbers | {"other": measure_story(videos["own"], tales[COPIES:] + tales[:COPIES], clip)}


@dataclass(frozen=True)
class Tale:
    """A video and the text that it was led by."""

    text: str
    video: Video  # uint8 (T, H, W, 3)


def sample_edits(seed: int, kind: str = "fate", number: int = 4, names: Names = COARSE) -> list[tuple[Tale, Tale]]:
    """The first edits of a kind, before and after, with the same luck; they are not chosen."""
    vqgan, words = trained(names.vqgan, seed), recipes.get(names.tokens, seed).words
    gpt, edited = trained(names.gpt, seed), edits(spoken(vqgan.config), kind, number)
    before, after = (
        [Tale(text, video) for text, video in zip(said, draw(gpt, vqgan, words(said), 16, seed), strict=True)]
        for said in ([one.before for one in edited], [one.after for one in edited])
    )
    return list(zip(before, after, strict=True))


def sample_story(seed: int, told: Callable[[range], str], frames: int, names: Names = COARSE) -> Video:
    """One video led by a story, such as a `storyline.Story`: uint8 (T, H, W, 3)."""
    vqgan, words = trained(names.vqgan, seed), recipes.get(names.tokens, seed).words
    story = TextStory([told], words, vqgan.config.downsample[0])
    return draw(trained(names.gpt, seed), vqgan, story, frames, seed)[0]


PROTOCOL = f"""{TRAINING} The condition is the sentence that tells what happens in a clip. Tokenizers are those of
    seed 0. Sampling: {SAMPLING}. What happens is read from the pictures by rules; happens: share of stated events
    that do, the mean over videos; by_kind: of all statements of a kind. {CLIPS} clips of 16 frames by the texts of
    held-out clips: own is held against its own text, other is the same video against the next text that says
    something else, untold is drawn without a text. real, rebuilt: the held-out clips themselves, and through the
    tokenizer. edit: {EDITS} texts of held-out clips with one word changed, and the same luck. fate: "{KILLED}"
    becomes "{KILLS}", as in the paper, or where nothing follows the other way round; monster: another one is
    named. before, after: share of videos in which the event happens that the text states; changes: both, and
    neither happens in the other video; by_luck: the same where the text stays and the luck is another; rest,
    rest_after: share of the statements that stay that happen; apart: grey levels between the two videos. story:
    {COPIES} videos of {STORY_FRAMES} frames for each held-out video, told anew what happens in its 16 frames
    whenever the window moves (own), told the beginning for ever (beginning), or nothing (untold); windows of 16
    frames side by side are held against what the story says of them, and those of own against the next story as
    well (other). nats: nats a token on held-out clips, told the text, told that of the next clip, not told."""


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocols."""
    yield Study("condition-text", PROTOCOL, run)
    yield Study(
        "condition-text-fine",
        f"""The study condition-text once more with another tokenizer (platform/vqgan-fine), trained for {FINE_STEPS}
        times the preset's steps in the place of {VQGAN_STEPS:.2f} times: through the first one no real clip shows a
        coin that is collected or a monster that is killed, so that no text could have changed that. How long to train
        was decided by what comes through of real clips, before a transformer was trained on its tokens. All else is
        the same: {PROTOCOL}""",
        partial(run, names=FINE),
    )

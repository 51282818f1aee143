"""What sound is worth: drum videos led by their sound track, by another one, by none (paper 2.3, 3.2, Table 1c).

The paper measures SSIM and PSNR at the 45th frame and follows Sound2Sight (B.1), but does not say how many real frames
its videos begin with. So three openings are measured: none, one latent frame (4 frames), and a whole clip (16 frames).

Letters: V videos, T frames, H W their height and width, F M bands and moments of a spectrogram.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from einops import repeat
from torch import Tensor

from tatslib import recipes
from tatslib.datasets.audioset_drum import DrumClips
from tatslib.metrics.fidelity import psnr, ssim
from tatslib.metrics.strikes import Agreement, Strike, agreement, seen_strikes
from tatslib.sampling.storyline import SoundStory
from tatslib.sound import Sound
from tatslib.studies.conditions import (
    AT_ONCE,
    SAMPLING,
    TRAINING,
    draw,
    encoded,
    nats,
    of_another,
    opening,
    trained,
    untold,
)
from tatslib.studies.pictures import decoded_films
from tatslib.studies.results import Numbers, Study
from tatslib.training.led_clips import heard
from tatslib.transformer.conditions import null_condition
from tatslib.videos import Video
from tatslib.vqgan.vqgan import VQGAN
from tatslib.worlds import drums

FRAMES = drums.CLIP_FRAMES
JUDGED = 45  # the frame at which SSIM and PSNR are taken, counted from 1 (Table 1c)
GIVEN = (0, 4, 16)  # real frames that a video begins with
COPIES = 2  # videos drawn for each held-out one
WITHIN = 1  # frames between a strike that is seen and one that is heard


@dataclass(frozen=True)
class Played:
    """Held-out drum videos with what is heard in them."""

    frames: Video  # uint8 (V, T, H, W, 3)
    spectrograms: Tensor  # float32 (V, 1, T, F, M) in [-1, 1]
    strikes: list[list[Strike]]  # as the world has them
    sounds: list[drums.Clip]  # from which `drums.listen` makes the sound itself

    def first(self, videos: int) -> "Played":
        """Some of them."""
        return Played(self.frames[:videos], self.spectrograms[:videos], self.strikes[:videos], self.sounds[:videos])

    def times(self, copies: int) -> "Played":
        """Each of them so often, one behind the other."""
        return Played(
            repeat(self.frames, "v ... -> (v n) ...", n=copies),
            repeat(self.spectrograms, "v ... -> (v n) ...", n=copies),
            [strikes for strikes in self.strikes for _ in range(copies)],
            [clip for clip in self.sounds for _ in range(copies)],
        )


def held_out(resolution: int) -> Played:
    """All videos of the test split."""
    videos = recipes.get("drums/videos")
    data = videos.dataset("test", length=FRAMES, resolution=resolution)
    assert isinstance(data, DrumClips)
    clips = {clip.name: clip for clip in drums.collection(seed=videos.seed) if clip.split == "test"}
    found = [clips[path.stem] for path in data.paths]
    places = [(video, 0) for video in range(len(data))]
    frames = np.stack([data.clip(*place) for place in places])
    return Played(frames, heard(data, places), [clip.strikes for clip in found], found)


# ----------------------------------------------------------------------------------------------------------- the rulers
def measure(videos: Video, played: Played, given: int, copies: int = 1) -> Numbers:
    """How well videos, uint8 (V, T, H, W, 3), go with the sound of the real ones of the same number.

    Only what is not given counts. The sound of another video is that of the one `copies` further on.

    Returns:
        "precision", "recall", "f1": of the strikes seen; "strikes": how many are seen for each that is heard; "chance":
        F1 against the sound of another video; "ssim", "psnr": against the real frame at `JUDGED`, the mean over videos.
    """
    seen = [_after(given, seen_strikes(video)) for video in videos]
    true = [_after(given, strikes) for strikes in played.strikes]
    own = agreements(seen, true)
    frame = slice(JUDGED - 1, JUDGED)
    return {
        "precision": own.precision,
        "recall": own.recall,
        "f1": f1(own),
        "strikes": own.found / own.true,
        "chance": f1(agreements(seen, true[copies:] + true[:copies])),
        "ssim": float(ssim(videos[:, frame], played.frames[:, frame]).mean()),
        "psnr": float(psnr(videos[:, frame], played.frames[:, frame]).mean()),
    }


def agreements(seen: Sequence[Sequence[Strike]], true: Sequence[Sequence[Strike]]) -> Agreement:
    """All videos together."""
    pairs = zip(seen, true, strict=True)
    return sum((agreement(found, wanted, WITHIN) for found, wanted in pairs), Agreement(0, 0, 0))


def f1(counted: Agreement) -> float:
    """2 matched / (found + true): the harmonic mean of precision and recall, 0 where nothing is matched."""
    return 2 * counted.matched / max(counted.found + counted.true, 1)


def _after(given: int, strikes: Sequence[Strike]) -> list[Strike]:
    return [strike for strike in strikes if strike[0] >= given]


# ------------------------------------------------------------------------------------------------------------ the study
def led(played: Played, seed: int, vqgan: VQGAN, given: int, sound: Tensor | None) -> Video:
    """As many videos as were played, uint8 (V, T, H, W, 3), led by `sound` (V, 1, T, F, M), or by nothing."""
    start, gpt = opening(vqgan, played.frames, given) if given else None, trained("drums/gpt-sound", seed)
    if sound is None:
        return draw(gpt, vqgan, null_condition(gpt.config, len(played.frames)), FRAMES, seed, start)
    story = SoundStory(trained("drums/sound", seed), sound, vqgan.config.downsample[0])
    return draw(gpt, vqgan, story, FRAMES, seed, start)


def run(seed: int) -> Numbers:
    """Every opening, told its own sound, another one, or none."""
    vqgan, tokens = trained("drums/vqgan-replicate", seed), recipes.get("drums/tokens-sound", seed).test
    once = held_out(vqgan.config.resolution)
    played = once.times(COPIES)
    gpt = trained("drums/gpt-sound", seed)
    numbers: Numbers = {
        "nats": {
            "told": nats(gpt, tokens),
            "other": nats(gpt, of_another(tokens)),
            "untold": nats(gpt, untold(gpt, tokens)),
        },
        "real": measure(once.frames, once, 0),
        "rebuilt": measure(rebuilt(vqgan, once.frames), once, 0),
    }
    sounds: dict[str, Tensor | None] = {
        "own": played.spectrograms,
        "other": played.spectrograms.roll(-COPIES, 0),
        "untold": None,
    }
    for given in GIVEN:
        numbers[f"given-{given}"] = {
            arm: measure(led(played, seed, vqgan, given, sound), played, given, COPIES) for arm, sound in sounds.items()
        }
        if given:
            still = np.repeat(once.frames[:, given - 1 : given], FRAMES, axis=1)
            numbers[f"given-{given}"]["still"] = measure(still, once, given)
    return numbers


def rebuilt(vqgan: VQGAN, videos: Video) -> Video:
    """Videos (V, T, H, W, 3) through the tokenizer; an incomplete latent frame is filled up with the last frame."""
    short = -videos.shape[1] % vqgan.config.downsample[0]
    whole = np.concatenate([videos, np.repeat(videos[:, -1:], short, axis=1)], axis=1)
    return decoded_films(vqgan, encoded(vqgan, whole), AT_ONCE)[:, : videos.shape[1]]


@dataclass(frozen=True)
class Concert:
    """Held-out videos, what a transformer makes of them, and the sound."""

    real: Video  # uint8 (V, T, H, W, 3)
    told: Video  # led by the sound
    untold: Video  # the same luck and the same opening, led by nothing
    sounds: list[Sound]  # float32 (T * drums.SAMPLES,) each
    strikes: list[list[Strike]]  # that are heard


def sample_videos(seed: int, videos: int = 2, given: int = 4) -> Concert:
    """The first held-out videos, told and not told."""
    vqgan = trained("drums/vqgan-replicate", seed)
    played = held_out(vqgan.config.resolution).first(videos)
    told, silent = (led(played, seed, vqgan, given, sound) for sound in (played.spectrograms, None))
    return Concert(
        played.frames, told, silent, [drums.listen(clip.seed, clip.frames) for clip in played.sounds], played.strikes
    )


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocol."""
    given = ", ".join(str(frames) for frames in GIVEN)
    yield Study(
        "condition-sound",
        f"""{TRAINING} The condition is what is heard in a clip, in tokens. Tokenizers are those of seed 0. Sampling:
        {SAMPLING}; whenever the window moves, the sound of its 16 frames is encoded anew, with silence behind the end.
        Videos of {FRAMES} frames, {COPIES} for each of the test split's; they begin with {given} real frames, encoded
        without those that follow. own: led by the sound of that video; other: by that of the next one; untold:
        by none. Strikes are read from the light of the drums, those behind the opening count, and a strike seen and one
        heard belong together if they are of one drum and at most {WITHIN} frame apart: precision, recall, f1, over all
        videos together; strikes: how many are seen for each that is heard; chance: F1 against the sound of the next
        video. ssim, psnr: at the {JUDGED}th frame against the real one at 24x24 pixels, the mean over videos. real,
        rebuilt: the held-out videos themselves, and through the tokenizer; still: the last given frame for ever.
        nats: nats a token on held-out clips, told the sound, told that of another clip, not told.""",
        run,
    )

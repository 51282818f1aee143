"""What it takes to encode clips: once before a transformer trains, or anew in every step of its training."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from tatslib import recipes
from tatslib.datasets.sharded_clips import ShardedClips
from tatslib.recipes.kinds import clips_for
from tatslib.studies.results import Numbers, Study
from tatslib.training.benchmark import Work, in_turns
from tatslib.training.device import default_device
from tatslib.training.presets import PRESETS, current_scale
from tatslib.training.token_benchmark import EncodedAnew, training_step
from tatslib.training.token_shards import tokenize_in_shards

CLIPS = 128  # tokenised in one turn
SECONDS = 10.0  # of each kind of work


def run(seed: int) -> Numbers:
    """One measurement; seeds stand for repetitions.

    Returns:
        "clips_per_s": clips tokenised a second, from the frame cache to a shard on disk;
        "step/shards", "step/anew": seconds of a training step with tokens from shards, and with clips encoded anew;
        "ratio": the second of these over the first.
    """
    scale, device = current_scale(), default_device()
    vqgan = recipes.get("actions/vqgan-replicate").model.to(device)
    clips = clips_for(vqgan.config, recipes.get("actions/videos"), "train", margins=vqgan.config.margins)
    training, numbers = PRESETS[scale].transformer_training.replace(accumulate=1), count()
    with TemporaryDirectory() as folder:

        def tokenise() -> Path:
            place = Path(folder) / str(next(numbers))
            tokenize_in_shards(vqgan, clips, CLIPS, CLIPS, place)
            return place

        shards = ShardedClips.read(tokenise())
        anew = EncodedAnew(vqgan, clips, shards.index)
        works: dict[str, Work] = {
            "ours": training_step(training, shards, scale, device),
            "anew": training_step(training, anew, scale, device),
            "tokenise": tokenise,
        }
        took = in_turns(works, SECONDS, device)
    return {
        "clips_per_s": CLIPS / took["tokenise"],
        "step": {"shards": took["ours"], "anew": took["anew"]},
        "ratio": took["anew"] / took["ours"],
    }


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocol."""
    yield Study(
        "token-speed",
        f"""The tokenizer actions/vqgan-replicate, random windows of its training videos, their frames decoded
        beforehand, and a transformer of the preset with the preset's batch. clips_per_s: {CLIPS} clips cut out,
        encoded and written to a shard. step/shards: seconds of a training step of the transformer, forward, backward
        and update, with tokens from such a shard, which has been read and checked once before. step/anew: the same
        with other windows in each step, cut out and encoded within it. ratio: step/anew over step/shards. Medians of
        interleaved rounds, by the clock on the wall, with all threads that the machine has, about
        {3 * SECONDS:.0f} seconds in all. Three repetitions stand where others have
        seeds.""",
        run,
        seeds_of="repetitions",
    )

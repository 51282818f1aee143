"""What has been proposed for sampling since: guidance by the condition, a penalty on repetition; over long videos."""

from collections.abc import Callable, Iterator

from tatslib import recipes
from tatslib.sampling import sliding_window
from tatslib.sampling.filters import Filters
from tatslib.studies.drift import TOP_P
from tatslib.studies.hierarchy import FILTERS, OPTION_FRAMES, VIDEOS_A_CLASS, Sampler, base, model, run_arms
from tatslib.studies.results import Numbers, Study

CONTEXT = 3
SCALES = (1.0, 1.5, 3.0)  # of guidance
PENALTIES = (0.0, 0.5, 2.0)  # logits a time that a code stood there in the context


def guided(seed: int, scale: float) -> Sampler:
    """The sliding window with guidance; at a scale of 1 the same transformer without."""
    gpt = model("guided", seed)
    return lambda condition, latent_frames, seed: sliding_window.sample(
        gpt, condition, latent_frames, FILTERS, context_frames=CONTEXT, seed=seed, guidance=scale
    )


def run(seed: int) -> Numbers:
    """Each option at three strengths, the first of which is none."""
    arms: dict[str, Callable[[], Sampler]] = {}
    for penalty in PENALTIES:
        filters = Filters(top_p=TOP_P, repetition_penalty=penalty)
        arms[f"penalty-{penalty:g}"] = lambda filters=filters: base(seed, CONTEXT, filters)  # type: ignore[misc]
    for scale in SCALES:
        arms[f"guidance-{scale:g}"] = lambda scale=scale: guided(seed, scale)  # type: ignore[misc]
    nll = {name: recipes.get(f"actions/gpt-{name}", seed).scores["nll"] for name in ("replicate", "guided")}
    return {"nll": nll, **run_arms(arms, seed, OPTION_FRAMES)}


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocol."""
    yield Study(
        "sampling-options",
        f"""The sliding window with a context of {CONTEXT}, {VIDEOS_A_CLASS} videos of {OPTION_FRAMES} frames of each
        class, top-p {TOP_P}; rulers as in the study hierarchy. penalty: what is subtracted from a logit for each latent
        frame of the context in which that code stood at the same place. guidance: classifier-free, of a transformer
        trained as long and on the same tokens, a tenth of them without their class; 1 is that transformer without
        guidance. nll: nats a token on held-out clips, the class being told.""",
        run,
    )

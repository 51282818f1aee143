"""How fast tokens are drawn, beside the released way of drawing them and, for single videos, beside torch alone."""

from collections.abc import Iterator

from tatslib.studies.results import Numbers, Study
from tatslib.training.memory import in_fresh_process
from tatslib.training.presets import current_scale
from tatslib.training.sampling_benchmark import bench_sample

BATCHES = (1, 32)  # videos side by side
SECONDS = 1.0  # of each kind of work
SETTING = ("threads", "layers")  # the same in every repetition, and no result


def run(seed: int) -> Numbers:
    """One measurement, each batch in a process of its own; seeds stand for repetitions.

    Returns:
        For "batch-1" and "batch-32" the numbers of `bench_sample`'s last line.

    Raises:
        UserError: if the restated sampler is not there: it belongs to the repository and is not installed.
    """
    numbers: Numbers = {}
    for videos in BATCHES:
        found = in_fresh_process(bench_sample, current_scale(), SECONDS, compare=True, batch=(videos,), threads=1)
        measured = {name: value for name, value in found.items() if isinstance(value, float | int)}
        numbers[f"batch-{videos}"] = {name: value for name, value in measured.items() if name not in SETTING}
    return numbers


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocol."""
    yield Study(
        "bench-sample",
        f"""Two transformers of the preset's shape with random weights, their heads scaled so that predictions are about
        as sure as trained ones; top-k 2048 and top-p 0.8, on a toy vocabulary of 512 top-p alone. Work: read a full
        context and draw the next latent frame, for {BATCHES[0]} or {BATCHES[1]} videos side by side, and fill in a gap,
        64 in one batch. reference: the same with the released way of sampling, restated in tests/benchmarks/, which
        fills one gap of each video after another; a test holds its tokens to ours. hierarchical: a sparse latent frame
        and the gap after it. ratio: seconds of the reference over ours. torch: ours without the step in C, which only
        single videos of small models use. gain_bfloat16 and gain_int8: of layers with small weights over torch in the
        model's own numbers; kl: nats by which the next token's probabilities move, from float32. peak_mb: most memory
        held by a process that does our work alone, torch itself included; of a GPU, what was allocated there.
        read_gb_per_s: weights and cache that a step reads; copy_gb_per_s: what a plain copy of 64 MB moves.
        seconds_per_video: for 1024 frames, by extrapolation, not decoded. Medians of rounds in turns, about
        {SECONDS:.0f} second each kind of work, on one thread, counting what the process computes; on a GPU by wall
        clock. Each batch in a process of its own. Three repetitions stand where others have seeds.""",
        run,
        seeds_of="repetitions",
    )

"""A plan says beforehand what the sampler does: which latent frames, in which order, how many side by side."""

import pytest
import torch

from tatslib.errors import UserError
from tatslib.sampling.decode import Decoder
from tatslib.sampling.hierarchical import sample
from tatslib.sampling.plan import Step, order_of_drawing
from tests.test_hierarchical import THREE_LEVELS


def test_the_plan_of_a_sliding_window_is_one_frame_after_another() -> None:
    assert order_of_drawing((1,), 3, gaps_at_once=5) == [Step(0, (0,)), Step(0, (1,)), Step(0, (2,))]


def test_anchors_come_first_then_gaps_side_by_side() -> None:
    steps = order_of_drawing((4, 1), 9, gaps_at_once=2)
    assert steps == [Step(0, (0,)), Step(0, (4,)), Step(0, (8,)), Step(1, (1, 5)), Step(1, (2, 6)), Step(1, (3, 7))]
    one_by_one = order_of_drawing((4, 1), 9, gaps_at_once=1)
    assert [step.frames for step in one_by_one] == [(0,), (4,), (1,), (2,), (3,), (8,), (5,), (6,), (7,)]


@pytest.mark.parametrize("gaps_at_once", [1, 3, 16])
@pytest.mark.parametrize("latent_frames", [1, 2, 17, 50])
def test_every_frame_is_drawn_once_and_no_gap_before_its_anchors(latent_frames: int, gaps_at_once: int) -> None:
    steps = order_of_drawing((16, 4, 1), latent_frames, gaps_at_once)
    drawn = [frame for step in steps for frame in step.frames]
    assert len(drawn) == len(set(drawn)) and set(range(latent_frames)) <= set(drawn)
    when = {frame: number for number, step in enumerate(steps) for frame in step.frames}
    for step in steps[1:]:
        span = (16, 16, 4)[step.level]
        for frame in step.frames:
            before = frame - frame % span if step.level else frame - span
            assert when[before] < when[frame] and (step.level == 0 or when[before + span] < when[frame])


@pytest.mark.parametrize("gaps_at_once", [1, 2, 16])
def test_the_sampler_draws_what_the_plan_says(gaps_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[tuple[int, int]] = []
    generate = Decoder.generate

    def counted(decoder: Decoder, logits: torch.Tensor, count: int, *rest: object) -> torch.Tensor:
        found.extend([(len(logits), 2)] * (count // 2))  # a frame has two tokens
        return generate(decoder, logits, count, *rest)

    monkeypatch.setattr(Decoder, "generate", counted)
    sample(THREE_LEVELS, torch.tensor([[1]]), 50, gaps_at_once=gaps_at_once, progress=False)
    assert [side_by_side for side_by_side, _ in found] == [
        len(step.frames) for step in order_of_drawing(THREE_LEVELS.strides, 50, gaps_at_once)
    ]


def test_the_papers_own_video_takes_17408_steps_instead_of_65536() -> None:
    tokens = 256
    base, batched, alone = (
        order_of_drawing(strides, 257 if len(strides) > 1 else 256, gaps)
        for strides, gaps in (((1,), 1), ((4, 1), 64), ((4, 1), 1))
    )
    assert len(base) * tokens == 65_536
    assert [sum(step.level == level for step in batched) * tokens for level in (0, 1)] == [16_640, 768]
    assert sum(step.level for step in alone) * tokens == 49_152


@pytest.mark.parametrize(
    ("strides", "frames", "gaps", "complaint"),
    [
        ((), 5, 1, "strides go down to 1"),
        ((4,), 5, 1, "strides go down to 1"),
        ((6, 4, 1), 5, 1, r"got \(6, 4, 1\)"),
        ((1, 1), 5, 1, "strides go down to 1"),
        ((4, 1), 0, 1, "0 latent frames"),
        ((4, 1), 5, 0, "0 gaps at once"),
    ],
)
def test_a_plan_that_leads_nowhere_is_refused(strides, frames, gaps, complaint) -> None:
    with pytest.raises(UserError, match=complaint):
        order_of_drawing(strides, frames, gaps)

"""Work that a GPU is asked for once and plays back from then on.

Asking a GPU for an operation takes the processor some microseconds, and a token takes hundreds of operations. A
recording is asked for in one call. It repeats what was done, on the memory with which it was done: numbers that change
have to lie in tensors, and nothing may wait for an answer of the device.
"""

from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")
WARM_UP = 3  # times that work is done before it is recorded, so that libraries have prepared what they need


class Recording(Generic[Result]):
    """Some work on tensors, to be repeated on others of the same shapes.

    Args:
        work: operations on its arguments and on tensors that stay where they are. It may write into the latter what
            it would write again: it is done several times while it is recorded.
        given: the arguments of the first time; None stays None.
    """

    def __init__(self, work: Callable[..., Result], *given: Tensor | None) -> None:
        self.given = [None if one is None else one.clone() for one in given]
        self.play, self.result = record(partial(work, *self.given))

    def __call__(self, *given: Tensor | None) -> Result:
        """What the work gives for such arguments. The next call writes its own into the same tensors."""
        for mine, new in zip(self.given, given, strict=True):
            if mine is not None and new is not None:
                mine.copy_(new)
        self.play()
        return self.result


def record(work: Callable[[], Result]) -> tuple[Callable[[], None], Result]:
    """Record work on the present GPU: what plays it back, and the tensors into which that writes."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            work()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = work()
    return graph.replay, result

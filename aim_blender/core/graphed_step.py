# SPDX-License-Identifier: GPL-3.0-or-later
"""A step of an optimisation captured once as a CUDA graph and replayed: hundreds of small launches become one.

The plain twin is to call the same function directly.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

STEPS_BEFORE = 3  # run plainly before the capture, so that everything the step allocates once is there


class GraphedStep:
    """Calls `step`, first plainly and from the fourth time on as a graph.

    step: reads and writes tensors that stay where they are, and waits for nothing on the host. Its optimiser must be
    capturable. A step that cannot be captured goes on plainly, and `failure` says why.
    """

    def __init__(self, step: Callable[[], None]) -> None:
        self.step = step
        self.calls = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.failure = ""

    def __call__(self) -> None:
        self.calls += 1
        if self.calls <= STEPS_BEFORE:
            stream = torch.cuda.Stream()  # what is freed on the default stream could not be used in a capture
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                self.step()
            torch.cuda.current_stream().wait_stream(stream)
            return
        if self.graph is None and not self.failure:
            self._capture()
        if self.graph is not None:
            self.graph.replay()
        else:
            self.step()

    def _capture(self) -> None:
        """Record the step without running it."""
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self.step()
        except RuntimeError as error:
            self.failure = str(error).splitlines()[0]
            torch.cuda.synchronize()
            return
        self.graph = graph

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
        self.stream: torch.cuda.Stream | None = None
        self.graph: torch.cuda.CUDAGraph | None = None
        self.failure = ""

    def __call__(self) -> None:
        """Do one step: as it is at first, and from then on by replaying its graph."""
        self.calls += 1
        if self.calls <= STEPS_BEFORE:
            self._run_aside()
            return
        if self.graph is None and not self.failure:
            try:
                self.graph = self._captured()
            except RuntimeError as error:
                self.failure = first_cause(error)
        if self.graph is not None:
            self.graph.replay()
        else:
            self.step()

    def release(self) -> None:
        """Give the graph's memory back; the step is not called again."""
        self.graph = None

    def _run_aside(self) -> None:
        """The plain step on the stream of the capture, whose handles and workspaces are made by it. On the default
        stream, gradients would be tied to that, which no capture may wait for."""
        if self.stream is None:
            self.stream = torch.cuda.Stream()
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            self.step()
        torch.cuda.current_stream().wait_stream(self.stream)

    def _captured(self) -> torch.cuda.CUDAGraph:
        """The step recorded without running it. Raises RuntimeError."""
        graph, before = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, stream=self.stream):
                self.step()
        finally:
            torch.cuda.set_stream(before)  # a capture that fails leaves its own behind
        return graph


def first_cause(error: RuntimeError) -> str:
    """The first line of the error that all others followed from: ending a failed capture fails as well."""
    while isinstance(error.__context__, RuntimeError):
        error = error.__context__
    return (str(error).strip() or type(error).__name__).splitlines()[0]

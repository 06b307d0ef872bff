# SPDX-License-Identifier: GPL-3.0-or-later
"""A learning step can be captured as a CUDA graph, as far as that shows without a GPU; else it goes on and says so.

The step runs on torch's device `meta`, whose tensors have no values: what would wait for one, such as float(tensor), a
branch or a selection by a mask, fails there as it fails in a capture.
"""

import importlib

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from aim_blender.core.learning import learning, optimising
from aim_blender.core.learning.graphed_step import STEPS_BEFORE, GraphedStep
from aim_blender.core.learning.learning import Learner, learn_actor
from aim_blender.core.learning.schedule import PHASES
from aim_blender.core.shared.captured.captures import read_capture
from aim_blender.core.shared.settings.learning_settings import LearningSettings
from tests.core.tiny_capture import write_capture

SETTINGS = LearningSettings(iterations=40, hidden=12, depth=2, batch_points=64, device="cpu", threads=1)
NOT_CAPTURED = "operation not permitted when stream is capturing"


class OneDevice(TorchDispatchMode):
    """Refuses every operation that touches another device than `meta`, and those that look at values on the host."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[str] = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = str(operation)
        found = operation(*args, **(kwargs or {}))
        self.operations.append(name)
        for tensor in tree_leaves((args, kwargs, found)):
            if isinstance(tensor, torch.Tensor) and tensor.device.type != "meta":
                raise AssertionError(f"{name} touches a tensor on the {tensor.device}")
        if "_linalg_check_errors" in name:
            raise AssertionError(f"{name} waits for the device")
        return found


class NothingFromPython(TorchFunctionMode):
    """Refuses tensors made of Python's values, which are copied from the host: in a graph they would never change."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        listed = name in ("__getitem__", "__setitem__") and any(isinstance(part, list) for part in tree_of(args[1]))
        if function in (torch.tensor, torch.as_tensor, torch.from_numpy) or listed:
            raise AssertionError(f"{name} copies values from Python")
        return function(*args, **(kwargs or {}))


def tree_of(index) -> tuple:
    return index if isinstance(index, tuple) else (index,)


@pytest.fixture
def learner(demo_capture, demo_preparation, monkeypatch) -> Learner:
    """A learner that thinks it is on a GPU."""
    monkeypatch.setattr(learning, "choose_device", lambda _: torch.device("meta"))
    # Adam keeps its state where a graph can reach it only on devices that have graphs.
    adam = importlib.import_module("torch.optim.adam")
    monkeypatch.setattr(adam, "_get_capturable_supported_devices", lambda **_: ["meta"])
    return Learner(demo_capture, SETTINGS, demo_preparation)


def operations_of(step) -> list[str]:
    with NothingFromPython(), OneDevice() as seen:
        step()
    return seen.operations


def test_no_step_waits_for_the_host(learner):
    for phase in PHASES:
        while learner.phase != phase:
            learner.schedule.advance()
        for _ in range(STEPS_BEFORE):
            learner._step()
        recorded = operations_of(learner._step)
        assert recorded == operations_of(learner._step), f"no two steps of {phase} are alike"
        assert any("addcdiv" in name for name in recorded), "Adam did not step"
    assert all(group["lr"].device.type == "meta" for group in learner.optimiser.param_groups)


def test_offsets_alone_are_rounded(learner, monkeypatch):
    """While the expressions learn, their layers may use TF32; what the positions go through may not."""
    seen = []
    monkeypatch.setattr(learning, "linear_blend_skinning", noted(seen, "skinning", learning.linear_blend_skinning))
    monkeypatch.setattr(learner.model, "anatomy", noted(seen, "anatomy", learner.model.anatomy))
    monkeypatch.setattr(learner.model, "expressions", noted(seen, "expressions", learner.model.expressions))
    while learner.phase != "expressions":
        learner.schedule.advance()
    learner._step()
    assert seen == [("anatomy", "ieee"), ("skinning", "ieee"), ("expressions", "tf32")]


def noted(seen: list, name: str, function):
    """The function, which notes its name and the precision of matrix products whenever it is called."""

    def called(*arguments):
        seen.append((name, torch.backends.cuda.matmul.fp32_precision))
        return function(*arguments)

    return called


@pytest.mark.parametrize(
    "wrong",
    [
        lambda learner, loss: loss.item(),
        lambda learner, loss: loss if loss > 0 else None,
        lambda learner, loss: learner.template[learner.known > 0],
        lambda learner, loss: learner.template[[0, 1]],
        lambda learner, loss: loss * torch.ones(()),
        lambda learner, loss: loss * torch.tensor(2.0, device=learner.device),
        lambda learner, loss: learner.template.cpu(),
        lambda learner, loss: torch.linalg.inv(learner.model.jaw()),
    ],
)
def test_what_cannot_be_captured_is_found(learner, wrong):
    def step():
        wrong(learner, learner.losses(learner.points)[1])

    with pytest.raises((AssertionError, RuntimeError)):
        operations_of(step)


class NeverCaptured(GraphedStep):
    """As on a GPU whose driver refuses: what fails is told twice, the second time by the end of the capture."""

    def _run_aside(self) -> None:
        self.step()

    def _captured(self) -> torch.cuda.CUDAGraph:
        try:
            raise RuntimeError(f"CUDA error: {NOT_CAPTURED}\nCUDA kernel errors might be reported later")
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")


def test_a_step_that_cannot_be_captured_goes_on_plainly():
    done = []
    step = NeverCaptured(lambda: done.append(1))
    for _ in range(STEPS_BEFORE + 2):
        step()
    assert len(done) == STEPS_BEFORE + 2
    assert step.failure == f"CUDA error: {NOT_CAPTURED}"


def test_why_there_is_no_graph_is_told(tmp_path, monkeypatch):
    """The result is that of the plain step; the reason is reported once, and stands in the notes."""
    capture = read_capture(write_capture(tmp_path / "capture.npz"))
    wanted = learn_actor(capture, SETTINGS)

    class Refused(Learner):
        def __init__(self, *arguments) -> None:
            super().__init__(*arguments)
            self._graphed_steps = {name: NeverCaptured(self._step) for name in PHASES}

    monkeypatch.setattr(learning, "Learner", Refused)
    monkeypatch.setattr(optimising, "REPORT_SECONDS", 0.0)
    lines = []
    found = learn_actor(capture, SETTINGS, lines.append)
    why = f"learning ran without a CUDA graph, so it took longer, because CUDA error: {NOT_CAPTURED}"
    assert [line["message"] for line in lines].count(why) == 1
    assert (wanted.settings["notes"], found.settings["notes"]) == ([], [why])
    assert (found.bone == wanted.bone).all()

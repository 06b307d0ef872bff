# SPDX-License-Identifier: GPL-3.0-or-later
"""A moment of learning on the demo actor: whether this Python and this device can do the work, and how fast."""

from __future__ import annotations

import math
import time
from typing import Any

import torch

from ..model.devices import choose_device
from ..shared.captured.captures import Capture
from ..shared.demo.demo_actor import make_demo_actor
from ..shared.foundation.errors import InputError
from ..shared.settings.learning_settings import LearningSettings
from .graphed_step import STEPS_BEFORE
from .learning import Learner
from .preparation import prepare
from .trusted_device import trusted_learner

WARM_UP = STEPS_BEFORE + 1  # steps that are not timed: in these a GPU loads its kernels and captures its graph
MOST_STEPS = 30
LONGEST_S = 2.0


def try_learning(device: str = "auto") -> dict[str, Any]:
    """Take some learning steps of the default size: `device`, the name of what learned, and `step_ms`, of one step.

    device: auto, cpu or cuda. Raises InputError if there is no such device, or what it computes is no number.
    """
    demo = make_demo_actor()
    settings = LearningSettings(device=device, without=("anatomy", "thickness"))
    capture = Capture(tuple(demo.names), demo.shapes, demo.topology, {})
    preparation = prepare(capture, settings.without, "neutral")
    learner, _ = trusted_learner(
        lambda on: Learner(capture, settings, preparation, on), choose_device(device, apple=True)
    )
    chosen = learner.device
    if chosen.type == "cpu":
        learner.set_threads()
    for _ in range(WARM_UP):
        learner.step()
    start, steps = _now(chosen), 0
    while steps < MOST_STEPS and (steps == 0 or _now(chosen) - start < LONGEST_S):
        learner.step()
        steps += 1
    seconds = _now(chosen) - start
    error_mm = learner.read_curve(learner.phase)["error_mm"]
    if not math.isfinite(error_mm):
        raise InputError("learning gave no numbers on this device; choose cpu, or another build of torch")
    names = {"cpu": "cpu", "mps": "Apple's graphics"}
    name = names.get(chosen.type) or torch.cuda.get_device_name(chosen)
    return {"device": name, "step_ms": round(1000 * seconds / steps, 1)}


def _now(device: torch.device) -> float:
    """The time in seconds, when the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    if device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()

# SPDX-License-Identifier: GPL-3.0-or-later
"""Apple's GPU is used where its first steps are the processor's and faster. No machine of the tests has one: here it is
this processor under another name, which makes it right, wrong or slow."""

import time
from collections.abc import Callable

import pytest
import torch

from aim_blender.core.learning.learning import Learner, learn_actor
from aim_blender.core.learning.preparation import Preparation
from aim_blender.core.learning.trusted_device import PROCESSOR, trusted_learner
from aim_blender.core.model import devices
from aim_blender.core.model.devices import choose_device
from aim_blender.core.shared.captured.captures import Capture
from aim_blender.core.shared.settings.learning_settings import LearningSettings

APPLE = torch.device("mps")
SETTINGS = LearningSettings(iterations=40, hidden=12, depth=2, batch_points=64, threads=1)


class Maker:
    """Makes learners on this processor, whatever they are asked for, each changed by what is put under the name of its
    device. asked: the devices, the last one that of the learner that was given back."""

    def __init__(self, capture: Capture, preparation: Preparation) -> None:
        self.capture, self.preparation = capture, preparation
        self.changes: dict[str, Callable[[Learner], None]] = {}
        self.asked: list[torch.device] = []

    def __call__(self, device: torch.device) -> Learner:
        self.asked.append(device)
        learner = Learner(self.capture, SETTINGS, self.preparation, PROCESSOR)
        if device.type in self.changes:
            self.changes[device.type](learner)
        return learner


@pytest.fixture
def make(demo_capture, demo_preparation) -> Maker:
    return Maker(demo_capture, demo_preparation)


def slowly(learner: Learner) -> None:
    step = learner._step

    def slow() -> None:
        time.sleep(0.05)
        step()

    learner.__dict__["_step"] = slow


def test_what_agrees_and_is_faster_learns(make):
    make.changes["cpu"] = slowly
    learner, why = trusted_learner(make, APPLE)
    assert (make.asked[-1], why) == (APPLE, "")
    assert learner.iteration == 0, "the steps of the trial are not the first of learning"


def test_a_slower_one_does_not(make):
    make.changes["mps"] = slowly
    _, why = trusted_learner(make, APPLE)
    assert make.asked[-1] == PROCESSOR
    assert "learning ran on the processor, because a step took Apple's graphics" in why


@pytest.mark.parametrize("part", ["anatomy_networks", "expression_network"])
def test_a_wrong_one_does_not(make, part):
    def wrong(learner: Learner) -> None:
        with torch.no_grad():
            next(getattr(learner.model, part).parameters()).mul_(1.5)

    make.changes |= {"mps": wrong, "cpu": slowly}
    _, why = trusted_learner(make, APPLE)
    assert make.asked[-1] == PROCESSOR
    assert "Apple's graphics found" in why


def test_one_that_fails_says_what_failed(demo_capture, demo_preparation):
    if torch.backends.mps.is_available():
        pytest.skip("there is such a GPU here, which does not fail")
    learner, why = trusted_learner(lambda on: Learner(demo_capture, SETTINGS, demo_preparation, on), APPLE)
    assert learner.device == PROCESSOR
    assert why.startswith("learning ran on the processor, because Apple's graphics failed at its first steps (")


def test_the_reason_stands_in_the_notes(demo_capture, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    said = []
    actor = learn_actor(demo_capture, SETTINGS, said.append)
    assert any("Apple's graphics" in line["message"] for line in said)
    assert any("Apple's graphics" in note for note in actor.settings["notes"])


def test_only_what_knows_float32_alone_takes_it(monkeypatch):
    monkeypatch.setattr(devices.torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(devices.torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu", apple=True) == PROCESSOR
    assert choose_device("auto", apple=True) == APPLE

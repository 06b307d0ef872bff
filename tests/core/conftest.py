# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo actor as a capture, and what is learned, fitted and baked from it once for all tests of the core."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from aim_blender.core.shared.demo.demo_actor import DemoActor, DemoPerformance, make_demo_actor

if TYPE_CHECKING:
    from aim_blender.core.learning.learning import Preparation
    from aim_blender.core.model.actor import Actor
    from aim_blender.core.shared.captured.captures import Capture
    from aim_blender.core.shared.captured.performances import Performance
    from aim_blender.core.shared.results.bake_arrays import Bake
    from aim_blender.core.shared.results.takes import Take

EVERY = 12  # of the demo performance's 144 frames, the ones that are fitted here
TOLERANCE_MM = 0.1


@pytest.fixture(scope="session")
def demo() -> DemoActor:
    return make_demo_actor()


@pytest.fixture(scope="session")
def demo_capture(demo: DemoActor) -> Capture:
    from aim_blender.core.shared.captured.captures import Bone, Capture

    bones = {
        "skull": Bone(demo.skull_vertices, demo.skull_triangles),
        "mandible": Bone(demo.mandible_vertices, demo.mandible_triangles),
    }
    return Capture(tuple(demo.names), demo.shapes, demo.topology, bones)


@pytest.fixture(scope="session")
def demo_preparation(demo_capture: Capture) -> Preparation:
    from aim_blender.core.learning.learning import prepare

    return prepare(demo_capture)


@pytest.fixture(scope="session")
def demo_learned(demo_capture: Capture) -> Actor:
    """Hardly learned, but exact on its meshes by the residual, as every actor is."""
    from aim_blender.core.learning.learning import learn_actor
    from aim_blender.core.shared.settings.learning_settings import LearningSettings

    settings = LearningSettings(iterations=60, hidden=16, depth=2, batch_points=256, device="cpu", threads=1)
    return learn_actor(demo_capture, settings)


@pytest.fixture(scope="session")
def demo_shot(demo: DemoActor) -> DemoPerformance:
    """Frames all over the demo performance, with the head's motion and their truth."""
    shot = demo.performance()
    return DemoPerformance(*(getattr(shot, name)[::EVERY] for name in ("vertices", "jaw", "head", "activations")))


@pytest.fixture(scope="session")
def demo_frames(demo: DemoActor, demo_shot: DemoPerformance) -> Performance:
    from aim_blender.core.shared.captured.performances import Performance

    numbers = np.arange(len(demo_shot.vertices), dtype=np.int32) * EVERY + 1
    return Performance(demo_shot.vertices.astype(np.float32), numbers, 24.0, demo.topology, "demo performance")


@pytest.fixture(scope="session")
def demo_take(demo_learned: Actor, demo_frames: Performance) -> Take:
    from aim_blender.core.fitting.fitting import FittingSettings, fit_performance

    return fit_performance(demo_learned, demo_frames, FittingSettings(modes=20, device="cpu"))


@pytest.fixture(scope="session")
def demo_bake(demo_learned: Actor, demo_take: Take) -> Bake:
    from aim_blender.core.baking.baking import bake_take

    return bake_take(demo_learned, demo_take, TOLERANCE_MM)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Actor, Performance]:
    """An actor without bones of a mesh of few points, and a performance of it."""
    from aim_blender.core.learning.learning import learn_actor
    from aim_blender.core.shared.captured.captures import read_capture
    from aim_blender.core.shared.captured.performances import read_performance
    from aim_blender.core.shared.settings.learning_settings import LearningSettings
    from tests.core.tiny_capture import write_capture, write_performance

    folder = tmp_path_factory.mktemp("tiny")
    settings = LearningSettings(iterations=20, hidden=8, depth=1, device="cpu", threads=1)
    actor = learn_actor(read_capture(write_capture(folder / "capture.npz")), settings)
    return actor, read_performance(write_performance(folder / "performance.npz"))

# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance with other axes than its actor is turned back, and one whose head turns is not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.fitting.performance_space import axes_of
from aim_blender.core.model.actor import Actor
from aim_blender.core.shared.captured.performances import Performance
from aim_blender.core.shared.results.takes import Take

Z_UP = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float)


def turned(performance: Performance, turn: np.ndarray) -> Performance:
    return dataclasses.replace(performance, vertices=(performance.vertices @ turn.T).astype(np.float32))


def test_other_axes_are_taken_for_axes(demo_learned: Actor, demo_frames: Performance, demo_take: Take) -> None:
    settings = FittingSettings(modes=20, device="cpu")
    found = fit_performance(demo_learned, turned(demo_frames, Z_UP), settings)
    np.testing.assert_allclose(found.head, demo_take.head, atol=2e-3)
    assert any("other axes" in note and "turned back" in note for note in found.figures["notes"])
    assert not any("axes" in note for note in demo_take.figures["notes"])


@pytest.mark.parametrize("unit", [1.0, 0.001])
def test_axes_in_any_unit(unit: float, demo_learned: Actor, demo_frames: Performance) -> None:
    there = turned(demo_frames, Z_UP * unit)
    found = axes_of(there, demo_learned.neutral)
    assert found is not None
    np.testing.assert_array_equal(found, Z_UP)


def test_a_head_that_turns_stays_turned(demo_learned: Actor, demo_frames: Performance) -> None:
    assert axes_of(demo_frames, demo_learned.neutral) is None
    sideways = Rotation.from_euler("z", 80, degrees=True).as_matrix()
    vertices = demo_frames.vertices.copy()
    vertices[len(vertices) // 2 :] = vertices[len(vertices) // 2 :] @ sideways.T
    assert axes_of(dataclasses.replace(demo_frames, vertices=vertices), demo_learned.neutral) is None

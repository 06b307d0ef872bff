# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of a rig's controls: the best within bounds, few of them, smooth, and alike where the face is alike."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from aim_blender.core.shared.rigs.control_equations import control_equations
from aim_blender.core.shared.rigs.control_solving import solve_controls
from aim_blender.core.shared.rigs.together import groups_apart, touched_by

CONTROLS, POINTS, FRAMES = 12, 40, 20


@pytest.fixture
def rig() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Effects (C, P, 3), offsets (F, P, 3) that not all of can be reached, and bounds (C,)."""
    random = np.random.default_rng(4)
    effects = random.normal(size=(CONTROLS, POINTS, 3)) * np.geomspace(0.1, 30, CONTROLS)[:, None, None]
    time = np.linspace(0, 3, FRAMES)
    values = np.stack([np.sin(time * (1 + n / 5) + n) for n in range(CONTROLS)], 1)
    values[:, 4:] = 0.0
    offsets = np.tensordot(values, effects, 1) + random.normal(size=(FRAMES, POINTS, 3)) * 0.05
    return effects, offsets, np.full(CONTROLS, -0.6), np.full(CONTROLS, 0.8)


def error(effects: np.ndarray, offsets: np.ndarray, values: np.ndarray) -> float:
    return float(np.sqrt(((np.tensordot(values, effects, 1) - offsets) ** 2).sum(2).mean(1)).mean())


def test_all_controls_reach_what_scipy_reaches(rig):
    effects, offsets, least, most = rig
    system = effects.reshape(CONTROLS, -1).T
    best = np.stack([lsq_linear(system, each.ravel(), bounds=(least, most)).x for each in offsets])
    found = solve_controls(control_equations(effects[None], offsets), least, most, 0.0, 0.0)
    assert (found.values >= least - 1e-9).all()
    assert (found.values <= most + 1e-9).all()
    assert error(effects, offsets, found.values) == pytest.approx(found.error, rel=1e-6)
    assert found.error < 1.01 * error(effects, offsets, best)


def test_sparsity_leaves_out_what_is_not_needed_and_keeps_its_loss(rig):
    effects, offsets, least, most = rig
    equations = control_equations(effects[None], offsets)
    found = solve_controls(equations, least, most, 0.0, 0.1)
    assert found.active < 0.5
    assert found.error <= 1.1 * found.full_error + 1e-9
    assert found.full_error == pytest.approx(solve_controls(equations, least, most, 0.0, 0.0).error, rel=1e-4)


def test_smoothing_calms_what_jitters(rig):
    effects, offsets, least, most = rig
    noisy = offsets + np.random.default_rng(1).normal(size=offsets.shape) * 0.5
    equations = control_equations(effects[None], noisy)
    steps = [
        np.abs(np.diff(solve_controls(equations, least, most, each, 0.0).values, axis=0)[:, 0]).sum() for each in (0, 1)
    ]
    assert steps[1] < 0.7 * steps[0]


def test_two_sides_of_a_face_are_alike():
    """A symmetric face moved symmetrically: mirrored controls have the same values, and opposite ones do not fight."""
    random = np.random.default_rng(2)
    one = random.normal(size=(3, POINTS, 3))
    mirrored = one[:, ::-1] * [-1, 1, 1]
    effects = np.concatenate([one, mirrored, -one])  # the last three undo the first
    offsets = np.array([[0.7, 0.2, 0.4]]) @ (one + mirrored).reshape(3, -1)
    equations = control_equations(effects[None], offsets.reshape(1, POINTS, 3))
    values = solve_controls(equations, np.zeros(9), np.ones(9), 0.0, 0.05).values[0]
    assert values[:3] == pytest.approx(values[3:6], abs=0.02)
    assert not values[6:].any()


def test_each_frame_follows_the_pose_it_is_near(rig):
    effects, _, least, most = rig
    both = np.stack([effects, -effects])
    wanted = np.repeat(effects[:1] * 0.5, 2, axis=0)
    equations = control_equations(both, wanted, np.array([0, 1]))
    values = solve_controls(equations, least, most, 0.0, 0.0).values
    assert values[:, 0] == pytest.approx([0.5, -0.5], abs=0.01)


def test_a_control_that_moves_nothing_rests(rig):
    effects, offsets, least, most = rig
    effects[3] = 0.0
    found = solve_controls(control_equations(effects[None], offsets), least, most, 0.002, 0.08)
    assert not found.values[:, 3].any()
    assert np.isfinite(found.values).all()


def test_controls_of_different_points_are_tried_at_once():
    """No two of a group touch a point, and all are in one."""
    effects = np.zeros((4, 6, 3))
    for control, points in enumerate(([0, 1], [1, 2], [3], [4, 5])):
        effects[control, points, 0] = control + 1.0
    effects[3, 0, 1] = 1e-6  # next to nothing
    touched = touched_by(effects)
    groups = groups_apart(touched, [0, 1, 2, 3])
    assert sorted(each for group in groups for each in group) == [0, 1, 2, 3]
    assert len(groups) == 2
    assert all(touched[group].sum(0).max() == 1 for group in groups)
    assert groups_apart(touched, []) == []

# SPDX-License-Identifier: GPL-3.0-or-later
"""Deformation transfer on a small sheet: what it must keep exactly."""

import numpy as np
import pytest

from aim_blender.core.characters.deformation_transfer import DeformationTransfer
from tests.core.tiny_capture import grid, shapes


@pytest.fixture(scope="module")
def triangles() -> np.ndarray:
    quads = grid()[1]
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def test_the_same_neutral_gets_the_same_frames(triangles):
    frames = shapes()
    movement = np.linalg.norm(frames - frames[0], axis=-1).max(0)
    found = DeformationTransfer(frames[0], frames[0], triangles, movement).transfer(frames)
    np.testing.assert_allclose(found, frames, atol=1e-6)


def test_a_larger_target_deforms_as_much_for_its_size(triangles):
    frames = shapes()
    # Where nothing moves, nothing must be held elsewhere than it is: bend the far half of the sheet only.
    neutral = frames[0]
    bend = np.clip(neutral[:, 2] / neutral[:, 2].max() - 0.4, 0, None)[:, None] ** 2
    frame = neutral + bend * np.array([4.0, -30.0, 6.0])
    movement = bend[:, 0]
    found = DeformationTransfer(neutral, 2 * neutral, triangles, movement).transfer(frame[None])[0]
    np.testing.assert_allclose(found, 2 * frame, atol=0.05)


def test_triangles_turn_with_the_source(triangles):
    """A rigid turn of a sheet shaped otherwise stays a rigid turn."""
    neutral, target = shapes()[0], shapes()[3]
    angle = 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    movement = np.linalg.norm(neutral @ turn.T - neutral, axis=1)
    found = DeformationTransfer(neutral, target, triangles, movement).transfer((neutral @ turn.T)[None])[0]
    wanted = target @ turn.T
    edges = np.linalg.norm(np.diff(found[triangles], axis=1) - np.diff(wanted[triangles], axis=1), axis=-1)
    moved = np.linalg.norm(np.diff(found[triangles], axis=1) - np.diff(target[triangles], axis=1), axis=-1)
    assert edges.mean() < 0.1 * moved.mean()


def test_a_triangle_across_touching_lips_makes_no_spike(triangles):
    """The source is cut along a row and its lips all but touch; the target is whole there, and its triangles large."""
    target = grid()[0]
    height = np.unique(np.round(target[:, 2], 6))
    lower = target[:, 2] > height[len(height) // 2]
    source = target.copy()
    step = height[len(height) // 2 + 1] - height[len(height) // 2]
    source[lower, 2] -= step - 0.02
    frame = source + lower[:, None] * np.array([0.0, 3.0, 20.0])
    movement = np.linalg.norm(frame - source, axis=1)
    found = DeformationTransfer(source, target, triangles, movement).transfer(frame[None])[0]
    moved = np.linalg.norm(found - target, axis=1)
    assert moved.max() < 1.5 * movement.max() + 1.0

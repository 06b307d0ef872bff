# SPDX-License-Identifier: GPL-3.0-or-later
"""Head motion that is left in a capture is found, taken out and said; a head that was held still is left as it is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aim_blender.core.geometry.rigid import angle_degrees
from aim_blender.core.learning import stabilizing
from aim_blender.core.learning.stabilizing import stabilized
from aim_blender.core.shared.captured.captures import Capture


def test_a_head_that_was_held_still_is_left_as_it_is(demo_capture: Capture) -> None:
    assert stabilized(demo_capture) is demo_capture


@pytest.mark.parametrize("most_points", [stabilizing.MOST_POINTS, 1000])
def test_what_was_left_of_the_heads_motion_is_taken_out(
    demo_capture: Capture, most_points: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stabilizing, "MOST_POINTS", most_points)
    random = np.random.default_rng(0)
    count = len(demo_capture.vertices) - 1
    turns = Rotation.from_rotvec(np.deg2rad(random.uniform(-1, 1, (count, 3)))).as_matrix()
    shifts = random.uniform(-1, 1, (count, 1, 3))
    noise = random.normal(size=demo_capture.vertices[1:].shape) * 0.05
    moved = (demo_capture.vertices[1:] + noise) @ turns.transpose(0, 2, 1) + shifts
    moved[3] = demo_capture.vertices[4]  # of one it was held still
    capture = dataclasses.replace(demo_capture, vertices=np.concatenate([demo_capture.vertices[:1], moved]))
    found = stabilized(capture)
    assert np.abs(found.vertices - demo_capture.vertices)[:, ::7].mean() < 0.1
    np.testing.assert_array_equal(found.vertices[4], capture.vertices[4])
    (note,) = found.notes
    widest = angle_degrees(np.pad(np.delete(turns, 3, 0), ((0, 0), (0, 1), (0, 1)))).max()
    assert f"{count - 1} shapes" in note
    assert abs(float(note.split(" degrees")[0].split()[-1]) - widest) < 0.15
    off = np.linalg.norm(found.vertices - demo_capture.vertices, axis=-1)
    assert np.quantile(off, 0.99) < 0.4

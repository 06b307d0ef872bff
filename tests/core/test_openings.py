# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a surface turns inwards: around a bag, and nowhere on a ball."""

import numpy as np
import pytest
import trimesh

from aim_blender.core.correspondence.registration import _matching_slits
from aim_blender.core.geometry.openings import LEVELS, margins, openness

RADIUS, EDGE = 100.0, 0.95  # mm, and the cosine of the circle around which the ball turns inwards


@pytest.fixture(scope="module")
def ball() -> tuple[np.ndarray, np.ndarray]:
    mesh = trimesh.creation.icosphere(5, RADIUS)
    return np.asarray(mesh.vertices), np.asarray(mesh.faces)


def test_a_ball_is_open_and_its_bag_is_not(ball):
    points, triangles = ball
    assert margins(points, triangles, 1.0) == []
    inside = points[:, 2] > EDGE * RADIUS
    bag = points.copy()
    bag[inside, 2] = 2 * EDGE * RADIUS - bag[inside, 2] - 60 * (points[inside, 2] / RADIUS - EDGE) / (1 - EDGE)
    assert openness(bag, triangles, 1.0)[points[:, 2] > 0.99 * RADIUS].max() < 0.3
    found = margins(bag, triangles, 1.0)
    assert 1 <= len(found) <= len(LEVELS)
    for loop in found:
        around = np.arctan2(bag[loop, 1], bag[loop, 0])
        assert np.histogram(around, 8, (-np.pi, np.pi))[0].min() > 0  # all the way round
        across = np.hypot(bag[loop, 0], bag[loop, 1]) / (RADIUS * np.sqrt(1 - EDGE**2))
        assert across.min() > 0.4
        assert across.max() < 1.1

    # The same ball with a hole where the other has its bag: the two are one opening.
    hole = triangles[~(points[triangles, 2] > 0.985 * RADIUS).all(1)]
    tube = np.where(inside[:, None], bag, points)
    slits, others, rims = _matching_slits(tube, hole, bag, triangles, 1.0)
    assert (len(slits), len(others), len(rims)) == (1, 1, 2)
    assert not any(exact for *_, exact in rims)
    for own, other in zip(slits[0], others[0], strict=True):
        assert np.linalg.norm(tube[own].mean(0) - bag[other].mean(0)) < 8.0

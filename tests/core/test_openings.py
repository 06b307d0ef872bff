# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a surface turns inwards: around a bag, and nowhere on a ball."""

import numpy as np
import pytest
import trimesh

from aim_blender.core.correspondence.registration import (
    ONE_PLACE,
    _aligned_by_openings,
    _matching_openings,
    _Openings,
    _slits,
    align,
)
from aim_blender.core.geometry.openings import LEVELS, margins, openness

NOWHERE = np.zeros((0, 3))  # nothing is expected
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
    openings = _Openings(tube, hole, 1.0, bag), _Openings(bag, triangles, 1.0, bag)
    slits, others, rims = _slits(tube, bag, _matching_openings(tube, bag, openings, ONE_PLACE, NOWHERE))
    assert (len(slits), len(others), len(rims)) == (1, 1, 2)
    assert not any(exact for *_, exact in rims)
    for own, other in zip(slits[0], others[0], strict=True):
        assert np.linalg.norm(tube[own].mean(0) - bag[other].mean(0)) < 8.0

    # Two bags without a rim are one opening where a mouth or an eye is expected, and none where none is.
    both, mouth = (openings[1], openings[1]), np.array([[0.0, 0.0, RADIUS]])
    assert len(_matching_openings(bag, bag, both, ONE_PLACE, mouth)) == 1
    for elsewhere in (NOWHERE, -mouth):
        assert _matching_openings(bag, bag, both, ONE_PLACE, elsewhere) == []


def test_openings_say_how_faces_lie_where_landmarks_are_off(ball):
    points, triangles = ball
    middles = RADIUS * np.array([[0.0, -0.5, 0.866], [0.4, 0.4, 0.825], [-0.4, 0.4, 0.825]])
    around = [np.linalg.norm(points - middle, axis=1) < 18.0 for middle in middles]
    with_holes = triangles[~np.any([inside[triangles].all(1) for inside in around], axis=0)]
    # A profile, of which all landmarks are found 12 mm too high on the other.
    rise = np.arange(-0.9, 0.9, 0.15)
    profile, higher = (
        np.array([np.linalg.norm(points - RADIUS * np.array([0.0, np.sin(r), np.cos(r)]), axis=1).argmin() for r in on])
        for on in (rise, rise + 0.12)
    )
    pairs = np.stack([profile, higher], axis=1)
    openings = _Openings(points, with_holes, 1.0, points), _Openings(points, with_holes, 1.0, points)
    laid = align(points, points, pairs)
    again = _aligned_by_openings(laid, points, pairs, openings, NOWHERE)
    off, left = (
        np.mean([np.linalg.norm((each - points)[inside].mean(0)) for inside in around]) for each in (laid, again)
    )
    assert off > 8.0
    assert left < 0.6 * off

# SPDX-License-Identifier: GPL-3.0-or-later
"""The head's rigid motion: registration by its properties, and the demo performance's own head motion."""

import numpy as np
import pytest

from aim_blender.core.model.head import estimate_head, quietness, rigid_registration
from tests.core.geometry import degrees_between, moved, random_motions, rigid


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(2)


def test_registration_finds_any_motion(random):
    points, motions = random.normal(size=(40, 3)) * 30 + 100, random_motions(8, random)
    target = np.stack([moved(motion, points) for motion in motions])
    found = rigid_registration(points, target, random.random((8, 40)) + 0.1)
    assert np.allclose(found, motions, atol=1e-9)


def test_registration_looks_away_where_the_weight_is_nothing(random):
    points, motion = random.normal(size=(40, 3)) * 30, random_motions(1, random)
    target, weight = moved(motion[0], points)[None].copy(), np.ones((1, 40))
    target[0, :15] += 50
    weight[0, :15] = 0
    assert np.allclose(rigid_registration(points, target, weight), motion, atol=1e-9)


def test_registration_minimises_the_weighted_squares(random):
    points, weight = random.normal(size=(40, 3)) * 30, random.random((1, 40))
    target = moved(rigid((10, 20, 30), (1, 2, 3)), points)[None] + random.normal(size=(1, 40, 3))

    def cost(motion):
        return (weight[0] * ((moved(motion, points) - target[0]) ** 2).sum(1)).sum()

    best = rigid_registration(points, target, weight)[0]
    for turn in (*np.eye(3), *-np.eye(3)):
        assert cost(best) < cost(best @ rigid(tuple(turn * 0.01), (0, 0, 0)))
        assert cost(best) < cost(rigid((0, 0, 0), tuple(turn * 0.01)) @ best)


def test_registration_never_mirrors(random):
    points = random.normal(size=(40, 3)) * [30, 30, 3]
    target = (points * [1, 1, -1])[None]
    found = rigid_registration(points, target, np.ones((1, 40)))
    assert np.linalg.det(found[0, :3, :3]) == pytest.approx(1.0)


def test_registration_of_a_flat_sheet_is_rigid(random):
    points, motion = random.normal(size=(40, 3)) * [30, 30, 0], random_motions(1, random)
    found = rigid_registration(points, moved(motion[0], points)[None], np.ones((1, 40)))
    assert np.allclose(found, motion, atol=1e-9)


def test_still_skin_is_where_no_shape_moves_it(demo, demo_learned):
    quiet = quietness(demo_learned)
    moving = np.linalg.norm(demo.shapes - demo.neutral, axis=2).max(0)
    assert quiet[moving < 1e-3].min() > quiet[moving > 1.0].max()


def test_head_of_the_demo_performance_is_recovered(demo, demo_learned, demo_shot):
    found = estimate_head(demo_learned, demo_shot.vertices)
    assert degrees_between(demo_shot.head, np.eye(4)).max() > 3.0
    assert degrees_between(found, demo_shot.head).max() < 0.1
    middle = demo.neutral.mean(0)
    assert np.linalg.norm(moved_all(found, middle) - moved_all(demo_shot.head, middle), axis=1).max() < 0.1


def moved_all(motions: np.ndarray, point: np.ndarray) -> np.ndarray:
    return motions[:, :3, :3] @ point + motions[:, :3, 3]


def test_expressions_do_not_move_the_head(demo, demo_learned):
    found = estimate_head(demo_learned, demo.shapes)
    assert degrees_between(found, np.eye(4)).max() < 0.1
    middle = demo.neutral.mean(0)
    assert np.linalg.norm(moved_all(found, middle) - middle, axis=1).max() < 0.1


def test_head_moves_with_the_performance(demo_learned, demo_shot):
    away = rigid((30.0, 80.0, -20.0), (500.0, 20.0, -90.0))
    frames = demo_shot.vertices[:4]
    here, there = estimate_head(demo_learned, frames), estimate_head(demo_learned, moved(away, frames))
    assert np.allclose(away @ here, there, atol=1e-4)


def test_frames_do_not_depend_on_each_other(demo_learned, demo_shot):
    together = estimate_head(demo_learned, demo_shot.vertices[:3])
    alone = np.concatenate([estimate_head(demo_learned, demo_shot.vertices[i : i + 1]) for i in range(3)])
    assert np.allclose(together, alone, atol=1e-9)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes with copies of vertices, loose vertices and still bodies: figures as without them, and they go along."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.fitting.fitting_points import fit_points
from aim_blender.core.geometry.working_mesh import working_mesh
from aim_blender.core.learning.learning import learn_actor
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.points.points import PointPerformance
from aim_blender.core.shared.captured.captures import Capture
from aim_blender.core.shared.captured.performances import Performance
from aim_blender.core.shared.demo.demo_actor import DemoPerformance
from aim_blender.core.shared.foundation.topology import Topology
from aim_blender.core.shared.results.takes import Take
from aim_blender.core.shared.settings.learning_settings import LearningSettings
from tests.core.bodies import with_body

LITTLE = LearningSettings(iterations=20, hidden=8, depth=1, batch_points=256, device="cpu", threads=1)
FITTING = FittingSettings(modes=20, device="cpu")
SAME = 1e-3  # mm


@dataclasses.dataclass(frozen=True)
class Change:
    """What is made of a head: of which of its vertices each comes (-1: of none), and the shapes and frames of those
    that come of none."""

    topology: Topology
    source: np.ndarray
    capture: Capture
    frames: np.ndarray


def split(demo_capture: Capture, shot: DemoPerformance, flat: bool) -> Change:
    """Every face apart, or those of one side of the head."""
    topology = demo_capture.topology
    corners = topology.corners
    if flat:
        source, corners = corners, np.arange(len(corners))
    else:
        count = topology.vertex_count
        middle = np.add.reduceat(demo_capture.neutral[corners, 0], topology.starts) / topology.sizes
        aside = np.repeat(middle > 10.0, topology.sizes)
        both = np.unique(corners[aside])
        both = both[np.isin(both, corners[~aside])]
        new = np.arange(count)
        new[both] = np.arange(count, count + len(both))
        source = np.concatenate([np.arange(count), both])
        corners = np.where(aside, new[corners], corners)
    found = Topology(corners, topology.sizes, len(source))
    capture = dataclasses.replace(demo_capture, vertices=demo_capture.vertices[:, source], topology=found)
    return Change(found, source, capture, shot.vertices[:, source])


def added(demo_capture: Capture, shot: DemoPerformance, body: bool) -> Change:
    """A head on a body, or with loose vertices that move wildly."""
    count = len(demo_capture.neutral)
    if body:
        shapes, topology = with_body(demo_capture.vertices, demo_capture.topology)
        lift = shapes[0, 0] - demo_capture.neutral[0]
        shapes = shapes - lift
        rest = np.broadcast_to(shapes[0, count:], (len(shot.vertices), shapes.shape[1] - count, 3))
    else:
        random = np.random.default_rng(0)
        places = demo_capture.neutral[random.integers(0, count, 50)] + random.normal(size=(50, 3)) * 5
        wild = places + random.normal(size=(len(demo_capture.vertices), 50, 3)) * 20
        wild[0] = places
        shapes = np.concatenate([demo_capture.vertices, wild], axis=1)
        topology = Topology(demo_capture.topology.corners, demo_capture.topology.sizes, count + 50)
        rest = np.broadcast_to(places, (len(shot.vertices), 50, 3))
    source = np.append(np.arange(count), np.full(shapes.shape[1] - count, -1))
    capture = dataclasses.replace(demo_capture, vertices=shapes, topology=topology)
    return Change(topology, source, capture, np.concatenate([shot.vertices, rest], axis=1))


@pytest.fixture(scope="module")
def still_shot(demo_shot: DemoPerformance) -> DemoPerformance:
    """A few frames without the head's motion."""
    inverse = np.linalg.inv(demo_shot.head)
    still = demo_shot.vertices @ inverse[:, :3, :3].transpose(0, 2, 1) + inverse[:, None, :3, 3]
    return dataclasses.replace(demo_shot, vertices=still)


def learned_and_fitted(change_capture: Capture, frames: np.ndarray) -> tuple[Actor, Take]:
    actor = learn_actor(change_capture, LITTLE)
    numbers = np.arange(len(frames), dtype=np.int32)
    performance = Performance(frames.astype(np.float32), numbers, 24.0, change_capture.topology, "performance")
    return actor, fit_performance(actor, performance, FITTING)


@pytest.fixture(scope="module")
def boneless(demo_capture: Capture) -> Capture:
    """The demo's capture without bones, which is learned faster."""
    return dataclasses.replace(demo_capture, bones={})


@pytest.fixture(scope="module")
def plain(boneless: Capture, still_shot: DemoPerformance) -> tuple[Actor, Take]:
    return learned_and_fitted(boneless, still_shot.vertices)


@pytest.mark.parametrize("kind", ["seams", "flat", "body", "loose"])
def test_figures_are_as_without(
    kind: str, boneless: Capture, still_shot: DemoPerformance, plain: tuple[Actor, Take]
) -> None:
    make = split if kind in ("seams", "flat") else added
    change = make(boneless, still_shot, kind in ("flat", "body"))
    actor, take = learned_and_fitted(change.capture, change.frames)
    assert actor.topology.digest == change.topology.digest
    assert any("vertices" in note for note in actor.settings["notes"])
    skin = change.source >= 0
    assert np.abs(actor.shapes()[:, skin] - change.capture.vertices[:, skin]).max() < SAME
    np.testing.assert_allclose(take.error_mm, plain[1].error_mm, rtol=0.02, atol=1e-3)
    wanted = evaluate_take(*plain)["vertices"]
    found = evaluate_take(actor, take)["vertices"]
    assert np.abs(found[:, skin] - wanted[:, change.source[skin]]).max() < 0.05
    first = np.full(len(boneless.neutral), -1)
    first[change.source[skin][::-1]] = np.flatnonzero(skin)[::-1]
    apart = found[:, skin] - found[:, first[change.source[skin]]]
    assert np.abs(apart).max() < SAME
    if kind == "body":
        body = found[:, ~skin]
        assert np.abs(body - change.capture.neutral[~skin]).max() < 1e-4
    if kind == "loose":
        moved = np.linalg.norm(found[:, ~skin] - change.capture.neutral[~skin], axis=-1)
        assert moved.max() > 1.0
        assert moved.max() < np.linalg.norm(wanted - boneless.neutral, axis=-1).max() + 1.0


def test_points_do_not_open_seams(boneless: Capture, still_shot: DemoPerformance) -> None:
    change = split(boneless, still_shot, flat=False)
    actor = learn_actor(change.capture, LITTLE)
    vertices = np.linspace(0, len(boneless.neutral) - 1, 60).astype(int)
    places = change.frames[:4, vertices]
    names, trust, numbers = tuple(map(str, vertices)), np.ones(places.shape[:2]), np.arange(4, dtype=np.int32)
    points = PointPerformance(names, places, trust, vertices, numbers, 24.0, "points")
    found = evaluate_take(actor, fit_points(actor, points))["vertices"]
    copies = np.arange(len(boneless.neutral), len(change.source))
    assert np.abs(found[:, copies] - found[:, change.source[copies]]).max() < SAME


def test_lips_that_touch_at_rest_are_not_welded() -> None:
    """Two squares whose rims lie at one place in the neutral, and part in a shape."""
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    neutral = np.concatenate([square, square + np.array([0, 1, 0])])
    topology = Topology(np.arange(8), np.array([4, 4]), 8)
    opened = neutral + np.where(np.arange(8) < 4, -0.5, 0.5)[:, None] * [0, 1, 0]
    assert working_mesh(np.stack([neutral, neutral + 0.1]), topology).copies == 2
    assert working_mesh(np.stack([neutral, opened]), topology).copies == 0


def test_copies_that_differ_in_the_last_digit_are_welded() -> None:
    side = 12
    across, down = np.meshgrid(np.arange(side, dtype=float), np.arange(side, dtype=float))
    sheet = np.stack([across, down, np.sin(across)], axis=-1).reshape(-1, 3) * 10 + 1e3 / 3
    index = np.arange(side * side).reshape(side, side)
    corners = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], axis=-1).reshape(-1)
    apart = sheet[corners] + np.random.default_rng(0).uniform(-1, 1, (len(corners), 3)) * 1e-5
    found = working_mesh(apart[None], Topology(np.arange(len(corners)), np.full(len(corners) // 4, 4), len(corners)))
    assert len(found.chosen) == side * side


def test_a_lash_follows_the_lid_that_it_closes_with() -> None:
    across, up = (each.ravel() for each in np.meshgrid(np.arange(6), np.arange(6), indexing="xy"))
    skin = np.stack([2.0 * across, 2.0 * up, np.zeros(36)], axis=1)
    lid = up < 3  # closes, and what is above stays
    lash = np.array([[2.0, 5.5, 1.0], [4.0, 5.5, 1.0], [6.0, 5.5, 1.0], [8.0, 5.5, 1.0]])
    closed = np.concatenate([skin + np.outer(lid, [0.0, -9.0, 0.0]), lash - [0.0, 9.0, 0.0]])
    grid = np.arange(36).reshape(6, 6)
    corners = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=-1)
    topology = Topology(np.append(corners.ravel(), np.arange(36, 40)), np.full(26, 4), 40)
    found = working_mesh(np.stack([np.concatenate([skin, lash]), closed]), topology, np.arange(40) >= 36)
    follows = found.chosen[found.follows[36:]]
    assert up[follows].tolist() == [2] * 4
    assert across[follows].tolist() == [1, 2, 3, 4]


def test_a_mesh_without_such_is_worked_on_as_it_is(demo_capture: Capture) -> None:
    assert working_mesh(demo_capture.vertices, demo_capture.topology).is_whole

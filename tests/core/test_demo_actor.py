# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo actor is what the rest of the project believes it to be: its mesh, bones, shapes, truth and performance."""

from __future__ import annotations

import numpy as np
import pytest

from aim_blender.core.shared.demo.demo_actor import DemoActor, DemoPerformance, make_demo_actor
from aim_blender.core.shared.demo.demo_bones import HINGE_AXIS, HINGE_CENTRE
from aim_blender.core.shared.demo.demo_head import EYE_CENTRE, EYE_RADIUS

CAPTURE_NAMES = [
    "neutral", "jaw_open", "jaw_open_stretch", "smile", "big_smile", "frown", "pucker", "funnel", "surprise", "anger",
    "disgust", "eyes_closed", "jaw_left", "jaw_right", "jaw_forward", "mouth_left", "mouth_right", "cheek_puff",
    "lips_in", "dimple_press",
]  # fmt: skip


@pytest.fixture(scope="module")
def actor() -> DemoActor:
    return make_demo_actor()


@pytest.fixture(scope="module")
def performance(actor: DemoActor) -> DemoPerformance:
    return actor.performance()


def directed_edges(actor: DemoActor) -> np.ndarray:
    """(L, 2) every face's edges in the face's own direction."""
    topology = actor.topology
    following = np.arange(1, len(topology.corners) + 1)
    following[topology.starts + topology.sizes - 1] = topology.starts
    return np.stack([topology.corners, topology.corners[following]], axis=1)


def lips_and_lids(actor: DemoActor, shape: np.ndarray) -> list[np.ndarray]:
    """Height in mm of the upper over the lower rim, at each place along the mouth, the left and the right eye."""
    gaps = []
    for loop in actor.head.layout.rim_loops:
        half = len(loop) // 2
        lower, upper = loop[1:half], loop[:half:-1]
        assert np.allclose(actor.head.layout.angle[lower], actor.head.layout.angle[upper])
        gaps.append(shape[upper, 2] - shape[lower, 2])
    return gaps


def test_is_the_same_whenever_made(actor: DemoActor, performance: DemoPerformance) -> None:
    again = make_demo_actor()
    assert np.array_equal(actor.shapes, again.shapes)
    assert np.array_equal(actor.skull_vertices, again.skull_vertices)
    assert actor.topology.digest == again.topology.digest
    assert np.array_equal(performance.vertices, again.performance().vertices)


def test_counts_names_and_size(actor: DemoActor) -> None:
    count = actor.topology.vertex_count
    assert 4000 <= count <= 9000
    assert actor.names == CAPTURE_NAMES
    assert actor.shapes.shape == (20, count, 3)
    assert np.array_equal(actor.shapes[0], actor.neutral)
    assert actor.skin_weight.shape == (count,)
    assert actor.jaw.shape == (20, 4, 4)
    assert (actor.topology.sizes == 4).mean() > 0.95
    assert np.isfinite(actor.shapes).all()
    chin, crown = actor.neutral[actor.neutral[:, 1] < -78, 2].min(), actor.neutral[:, 2].max()
    assert 210 < crown - chin < 250
    assert actor.skin_colours.shape == (count, 3)
    assert actor.eyes_colours.shape == actor.eyes_vertices.shape


def test_mesh_is_manifold_and_faces_outwards(actor: DemoActor) -> None:
    edges = directed_edges(actor)
    assert len(np.unique(edges, axis=0)) == len(edges)  # no edge used twice in one direction
    _, uses = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
    assert uses.max() == 2
    assert len(np.unique(edges)) == actor.topology.vertex_count  # no loose vertices
    a, b, c = (actor.neutral[actor.topology.triangles()[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    assert area.min() > 1e-4
    assert np.einsum("ij,ij->", a, np.cross(b, c)) > 0


def test_mouth_eyes_and_neck_are_open(actor: DemoActor) -> None:
    edges = set(map(tuple, directed_edges(actor).tolist()))
    following = {a: b for a, b in edges if (b, a) not in edges}
    loops = []
    while following:
        loop = [next(iter(following))]
        while (vertex := following.pop(loop[-1])) != loop[0]:
            loop.append(vertex)
        loops.append(loop)
    slits = sorted(int(actor.head.layout.slit[loop[0]]) for loop in loops)
    assert slits == [0, 1, 2, 3]
    mouth, *eyes = lips_and_lids(actor, actor.neutral)
    assert mouth.min() > 0.0
    assert mouth.max() < 1.0
    for eye in eyes:
        assert 8 < eye.max() < 12


def test_is_symmetric(actor: DemoActor) -> None:
    mirror = actor.head.layout.mirror
    assert np.array_equal(mirror[mirror], np.arange(len(mirror)))
    assert np.abs(actor.neutral[mirror] * [-1, 1, 1] - actor.neutral).max() < 1e-9
    assert np.abs(actor.skin_weight[mirror] - actor.skin_weight).max() < 1e-9
    for name in ("jaw_open", "smile", "surprise", "eyes_closed", "pucker"):
        shape = actor.shapes[actor.names.index(name)]
        assert np.abs(shape[mirror] * [-1, 1, 1] - shape).max() < 1e-9
    left, right = (actor.shapes[actor.names.index(f"mouth_{side}")] for side in ("left", "right"))
    assert np.abs(left[mirror] * [-1, 1, 1] - right).max() < 1e-9


def test_bones_are_closed_and_inside_the_skin(actor: DemoActor) -> None:
    trimesh = pytest.importorskip("trimesh")
    layout = actor.head.layout
    triangles = actor.topology.triangles()
    outer = [triangles[(layout.roll[triangles] == 0).all(1)]]  # without the strips behind lips and lids
    points = [*actor.neutral]
    neck = np.flatnonzero(layout.height == layout.height.min())
    neck = neck[np.argsort(layout.angle[neck])]
    for loop in (*layout.rim_loops, neck):  # closed with a fan each
        centre = len(points)
        points.append(actor.neutral[loop].mean(0))
        outer.append(np.stack([np.roll(loop, -1), loop, np.full(len(loop), centre)], 1))
    skin = trimesh.Trimesh(np.array(points), np.concatenate(outer), process=False)
    trimesh.repair.fix_winding(skin)
    assert skin.is_watertight
    for vertices, faces in (
        (actor.skull_vertices, actor.skull_triangles),
        (actor.mandible_vertices, actor.mandible_triangles),
    ):
        bone = trimesh.Trimesh(vertices, faces, process=False)
        assert bone.is_watertight
        assert bone.is_winding_consistent
        assert all(part.volume > 0 for part in bone.split(only_watertight=False))
        depth = trimesh.proximity.signed_distance(skin, vertices)
        assert depth.min() > 0.5
    chin = actor.neutral[np.argmin(actor.neutral[:, 1] + 1000 * (np.abs(actor.neutral[:, 2] + 92) > 3))]
    to_bone = np.linalg.norm(actor.mandible_vertices - chin, axis=1).min()
    assert 7 < to_bone < 14


def test_jaw_is_rigid_and_turns_about_the_hinge(actor: DemoActor) -> None:
    turn = actor.jaw[:, :3, :3]
    assert np.allclose(turn @ turn.transpose(0, 2, 1), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(turn), 1.0)
    assert np.array_equal(actor.hinge_centre, HINGE_CENTRE)
    opened = actor.jaw[actor.names.index("jaw_open")]
    for along in (-50.0, 0.0, 50.0):
        point = HINGE_CENTRE + along * HINGE_AXIS
        assert np.allclose(opened[:3, :3] @ point + opened[:3, 3], point)
    assert np.degrees(np.arccos((np.trace(opened[:3, :3]) - 1) / 2)) == pytest.approx(20.0)
    teeth = actor.mandible_vertices[np.argmin(actor.mandible_vertices[:, 1])]
    assert (opened[:3, :3] @ teeth + opened[:3, 3] - teeth)[2] < -20
    condyles = actor.mandible_vertices[np.abs(actor.mandible_vertices[:, 2] - HINGE_CENTRE[2]) < 2]
    assert np.abs(condyles[:, 1] - HINGE_CENTRE[1]).max() < 30
    assert actor.jaw[actor.names.index("jaw_left")][0, 3] != 0
    still = actor.names.index("smile")
    assert np.allclose(actor.jaw[still], np.eye(4))


def test_skin_weight_parts_the_lips_and_leaves_the_upper_head(actor: DemoActor) -> None:
    loop = actor.head.layout.rim_loops[0]
    half = len(loop) // 2
    middle = half // 2
    assert actor.skin_weight[loop[middle]] > 0.99
    assert actor.skin_weight[loop[half + middle]] < 0.01
    assert actor.skin_weight.min() >= 0 and actor.skin_weight.max() <= 1
    assert actor.skin_weight[actor.neutral[:, 2] > 0].max() < 0.01
    assert actor.skin_weight[actor.neutral[:, 2] < -148].max() < 0.01


def test_shapes_are_skinning_plus_muscles(actor: DemoActor) -> None:
    k = actor.skin_weight[:, None]
    for index, name in enumerate(actor.names):
        jaw = actor.jaw[index]
        skinned = (1 - k) * actor.neutral + k * (actor.neutral @ jaw[:3, :3].T + jaw[:3, 3])
        if name in ("jaw_open", "jaw_left", "jaw_right"):
            assert np.abs(actor.shapes[index] - skinned).max() < 1e-9
        elif name != "neutral":
            moved = np.linalg.norm(actor.shapes[index] - skinned, axis=1)
            assert 3.0 < moved.max() < 25.0
            assert (moved < 0.01).mean() > 0.3  # muscles are local


def test_lids_close_over_the_eyes_and_lips_do_not_cross(actor: DemoActor, performance: DemoPerformance) -> None:
    for name, shape in zip(actor.names, actor.shapes, strict=True):
        mouth, *eyes = lips_and_lids(actor, shape)
        assert mouth.min() > -0.5, name
        for eye in eyes:
            assert eye.min() > -0.5, name
            if name == "eyes_closed":
                assert np.abs(eye).max() < 0.5
    outer = actor.head.layout.roll == 0
    for skin in (*actor.shapes, *actor.skin(performance.jaw, performance.activations)[::6]):
        for flip in (1, -1):
            distance = np.linalg.norm(skin[outer] - EYE_CENTRE * [flip, 1, 1], axis=1)
            assert distance.min() > EYE_RADIUS


def test_expressions_move_what_they_say(actor: DemoActor) -> None:
    offset = {name: shape - actor.neutral for name, shape in zip(actor.names, actor.shapes, strict=True)}
    loop = actor.head.layout.rim_loops[0]
    right_corner, left_corner = loop[0], loop[len(loop) // 2]
    assert offset["smile"][left_corner, 0] > 3 and offset["smile"][left_corner, 2] > 3
    assert offset["smile"][right_corner, 0] < -3 and offset["smile"][right_corner, 2] > 3
    assert offset["frown"][left_corner, 2] < -3
    assert offset["pucker"][left_corner, 0] < -5
    assert offset["mouth_left"][left_corner, 0] > 3
    brow = np.argmin(np.linalg.norm(actor.neutral - [20, -93, 27], axis=1))
    assert offset["surprise"][brow, 2] > 4
    assert offset["anger"][brow, 2] < -2
    chin = np.argmin(np.linalg.norm(actor.neutral - [0, -93, -93], axis=1))
    assert offset["jaw_open"][chin, 2] < -20
    assert offset["jaw_forward"][chin, 1] < -3


def test_performance_has_its_truth(actor: DemoActor, performance: DemoPerformance) -> None:
    assert performance.vertices.shape == (144, actor.topology.vertex_count, 3)
    assert performance.fps == 24
    skin = actor.skin(performance.jaw, performance.activations)
    moved = np.einsum("fij,fvj->fvi", performance.head[:, :3, :3], skin) + performance.head[:, None, :3, 3]
    assert np.abs(moved - performance.vertices).max() < 1e-9
    for motion in (performance.jaw, performance.head):
        turn = motion[:, :3, :3]
        assert np.allclose(turn @ turn.transpose(0, 2, 1), np.eye(3), atol=1e-12)
    assert np.linalg.norm(performance.head[:, :3, 3], axis=1).max() > 1
    steps = np.linalg.norm(np.diff(performance.vertices, axis=0), axis=2)
    assert steps.max() < 12  # mm a frame: a blink is the fastest
    lips = [lips_and_lids(actor, frame)[0].min() for frame in skin]
    assert min(lips) > -0.6


def test_performance_is_not_in_the_span_of_the_shapes(actor: DemoActor, performance: DemoPerformance) -> None:
    basis = (actor.shapes[1:] - actor.neutral).reshape(19, -1).T
    wanted = (actor.skin(performance.jaw, performance.activations) - actor.neutral).reshape(144, -1).T
    weights = np.linalg.lstsq(basis, wanted, rcond=None)[0]
    left = np.linalg.norm((wanted - basis @ weights).T.reshape(144, -1, 3), axis=2)
    face = actor.neutral[:, 1] < -40
    assert left[:, face].mean() > 0.2
    assert left.max() > 3.0


def test_performance_length_is_free(actor: DemoActor, performance: DemoPerformance) -> None:
    assert np.array_equal(actor.performance(30).vertices, performance.vertices[:30])

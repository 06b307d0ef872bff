# SPDX-License-Identifier: GPL-3.0-or-later
"""A capture at fault is refused in one sentence that names the mesh; a sound one passes."""

import numpy as np
import pytest

from aim_blender.core.shared.captured.capture_checks import check_follow, check_shapes, same_as_neutral
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import Topology


def grid(side: int = 20) -> tuple[np.ndarray, Topology]:
    """A curved sheet of side * side vertices, 5 mm apart."""
    across, down = np.meshgrid(np.arange(side), np.arange(side))
    points = np.stack([across * 5.0, np.sin(across / 4) * 10, down * 5.0], axis=-1).reshape(-1, 3)
    index = np.arange(side * side).reshape(side, side)
    quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], axis=-1).reshape(-1, 4)
    return points, Topology.from_padded(quads, len(points))


def stretched(points: np.ndarray) -> np.ndarray:
    return points + np.stack([points[:, 0] * 0, np.cos(points[:, 2] / 9) * 8, points[:, 2] * 0.1], axis=1)


def refused(names, vertices, topologies) -> str:
    with pytest.raises(InputError) as caught:
        check_shapes(names, vertices, topologies)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_sound_capture_passes():
    points, topology = grid()
    check_shapes(["neutral", "smile"], np.stack([points, stretched(points)]), [topology, topology])


def test_one_shape_is_too_few():
    points, topology = grid()
    assert "at least 2 shapes" in refused(["neutral"], [points], [topology])


def test_other_vertex_count_names_the_mesh():
    points, topology = grid()
    fewer_points, fewer = grid(19)
    sentence = refused(["neutral", "smile", "frown"], [points, points, fewer_points], [topology, topology, fewer])
    assert "'frown'" in sentence and "361" in sentence and "400" in sentence


def test_other_faces_name_the_mesh():
    points, topology = grid()
    turned = Topology(topology.corners[::-1].copy(), topology.sizes, topology.vertex_count)
    assert "'smile'" in refused(["neutral", "smile"], [points, points], [topology, turned])


def test_repeated_name():
    points, topology = grid()
    assert "'smile'" in refused(["neutral", "smile", "smile"], [points] * 3, [topology] * 3)


def test_a_shape_without_a_name():
    points, topology = grid()
    assert "shape 1 has no name" in refused(["neutral", " "], [points, stretched(points)], [topology] * 2)


@pytest.mark.parametrize("scale", [(1, 0, 1), (1, 0, 0)])
def test_flat_meshes(scale):
    points, topology = grid()
    flat = points * scale
    assert "'neutral' is flat" in refused(["neutral", "smile"], [flat, flat], [topology] * 2)
    assert "'smile' is flat" in refused(["neutral", "smile"], [points, points * (1, 0, 1)], [topology] * 2)
    with pytest.raises(InputError, match=r"'frame 1' is flat: .* scaled by 0, and"):
        check_follow(["frame 1"], (points * (1, 0, 1))[None], "neutral", points, topology.edges())


def test_expressions_that_are_the_neutral():
    points, topology = grid()
    shapes = [points, points, stretched(points)]
    assert "'smile' and all other shapes are the same as 'neutral'" in refused(
        ["neutral", "smile", "frown"], [points] * 3, [topology] * 3
    )
    check_shapes(["neutral", "smile", "frown"], shapes, [topology] * 3)
    assert same_as_neutral(["neutral", "smile", "frown"], shapes) == ["smile"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_coordinate_that_is_not_a_number(value):
    points, topology = grid()
    broken = stretched(points)
    broken[17, 1] = value
    sentence = refused(["neutral", "smile"], [points, broken], [topology] * 2)
    assert "'smile'" in sentence and "vertex 17" in sentence


@pytest.mark.parametrize("share", [1.0, 0.05])
def test_shuffled_vertices(share):
    points, topology = grid(60)
    random = np.random.default_rng(0)
    moved = random.choice(len(points), int(share * len(points)), replace=False)
    shuffled = points.copy()
    shuffled[moved] = points[np.roll(moved, 1)]
    sentence = refused(["neutral", "smile"], [points, shuffled], [topology] * 2)
    assert "'smile'" in sentence and "shuffled" in sentence


def test_a_mirror_image_is_named_and_what_is_flat_has_none():
    """However it is turned."""
    points, topology = grid()
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    points = np.vstack([points, points.mean(0) + np.array([0, 40, 0])])
    topology = Topology(topology.corners, topology.sizes, len(points))
    check_shapes(["neutral", "smile"], [points, stretched(points) @ turn.T], [topology] * 2)
    sentence = refused(["neutral", "smile"], [points, stretched(points) * [-1, 1, 1] @ turn.T], [topology] * 2)
    assert "'smile' is the mirror image of 'neutral'" in sentence
    flat = points * [1, 0.01, 1]  # hardly any depth: enough to be a mesh, not enough to tell its sides
    check_shapes(["neutral", "smile"], [flat, flat * [-1, 1, 1]], [topology] * 2)


def test_other_unit_is_not_called_shuffled():
    points, topology = grid()
    sentence = refused(["neutral", "smile"], [points, points / 1000], [topology] * 2)
    assert "0.001 times the size" in sentence

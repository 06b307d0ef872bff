# SPDX-License-Identifier: GPL-3.0-or-later
"""Face lists: what they hold, what makes two the same, and which are refused."""

import numpy as np
import pytest

from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import Topology, same_surface

# A triangle, a quad and a pentagon around vertex 0.
CORNERS = np.array([0, 1, 2, 0, 2, 3, 4, 0, 4, 5, 6, 7])
SIZES = np.array([3, 4, 5])


def mixed() -> Topology:
    return Topology(CORNERS, SIZES, 8)


def refused(*arguments) -> str:
    with pytest.raises(InputError) as caught:
        Topology(*arguments)
    return str(caught.value)


def test_arrays_are_int32_whatever_was_given():
    topology = Topology(CORNERS.tolist(), SIZES.astype(np.uint8), 8)
    assert topology.corners.dtype == topology.sizes.dtype == np.int32
    assert np.array_equal(topology.starts, [0, 3, 7])


def test_triangles_cover_every_polygon_in_its_direction():
    triangles = {tuple(triangle) for triangle in mixed().triangles().tolist()}
    assert triangles == {(0, 1, 2), (0, 2, 3), (0, 3, 4), (0, 4, 5), (0, 5, 6), (0, 6, 7)}


def test_triangles_keep_the_area(demo):
    def area(triangles):
        a, b, c = (demo.neutral[triangles[:, k]] for k in range(3))
        return np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2

    quads = demo.topology.sizes == 4
    other_diagonal = []
    for start, size in zip(demo.topology.starts, demo.topology.sizes, strict=True):
        face = demo.topology.corners[start : start + size]
        other_diagonal += [face[[1, 2, 3]], face[[1, 3, 0]]] if size == 4 else [face]
    triangles = demo.topology.triangles()
    assert len(triangles) == 2 * quads.sum() + (~quads).sum()
    assert area(triangles) == pytest.approx(area(np.array(other_diagonal)), rel=5e-3)


def test_edges_are_each_border_once():
    edges = mixed().edges().tolist()
    assert sorted(map(tuple, edges)) == [
        (0, 1), (0, 2), (0, 4), (0, 7), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7),
    ]  # fmt: skip


def test_edges_obey_euler(demo):
    holes = 4  # mouth, eyes and neck
    assert demo.topology.vertex_count - len(demo.topology.edges()) + len(demo.topology.sizes) == 2 - holes


def test_padded_faces():
    faces = np.array([[0, 1, 2, -1, -1], [0, 2, 3, 4, -1], [0, 4, 5, 6, 7]])
    assert Topology.from_padded(faces, 8).digest == mixed().digest


def test_digest_tells_faces_direction_and_count_apart():
    turned = CORNERS.copy()
    turned[:3] = turned[:3][::-1]
    others = [Topology(turned, SIZES, 8), Topology(CORNERS, SIZES, 9), Topology(CORNERS, SIZES[::-1], 8)]
    assert len({mixed().digest, *(other.digest for other in others)}) == 4
    assert mixed().digest == Topology(CORNERS.astype(np.int64), SIZES, 8).digest


def test_cut_polygons_are_the_same_surface():
    cut = Topology.from_padded(mixed().triangles(), 8)
    assert same_surface(mixed(), mixed())
    assert same_surface(mixed(), cut)
    assert same_surface(cut, mixed())


def test_other_faces_are_another_surface():
    joined = CORNERS.copy()
    joined[1] = 3
    assert not same_surface(mixed(), Topology(joined, SIZES, 8))
    assert not same_surface(mixed(), Topology(CORNERS, SIZES, 9))


@pytest.mark.parametrize(
    ("corners", "sizes", "count", "part"),
    [
        (CORNERS, SIZES[:2], 8, "do not add up"),
        (CORNERS[:-1], SIZES, 8, "do not add up"),
        (CORNERS, SIZES, 7, "names vertex 7"),
        (np.where(CORNERS == 5, -2, CORNERS), SIZES, 8, "names vertex -2"),
        (np.where(CORNERS == 5, 5 + 2**32, CORNERS), SIZES, 8, "names vertex 4294967301"),
        (CORNERS + 0.0, SIZES, 8, "whole numbers"),
        ([0, 1], [2], 8, "fewer than 3 corners"),
        ([], [], 8, "no faces"),
        (CORNERS.reshape(2, 6), SIZES, 8, "do not add up"),
    ],
)
def test_damaged_face_lists_are_refused(corners, sizes, count, part):
    assert part in refused(np.array(corners), np.array(sizes), count)

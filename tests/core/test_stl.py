# SPDX-License-Identifier: GPL-3.0-or-later
"""STL files: triangles without vertices, told apart by the order of the actor's triangles."""

import struct

import numpy as np
import pytest

from aim_blender.core.shared.captured.performances import read_performance
from aim_blender.core.shared.captured.stl import StlOrder, read_stl
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import Topology


def grid(columns: int = 12, rows: int = 9) -> tuple[np.ndarray, Topology]:
    """A bent sheet of quads with one triangle and one pentagon, as faces of every size come in a mesh."""
    across, up = np.meshgrid(np.linspace(-90, 90, columns), np.linspace(-100, 100, rows))
    vertices = np.stack([across, -60 * np.cos(across / 90), up], axis=-1).reshape(-1, 3)
    index = np.arange(columns * rows).reshape(rows, columns)
    quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], axis=-1).reshape(-1, 4).tolist()
    top = index[-1]
    vertices = np.concatenate([vertices, [[-90, 0, 120], [-75, 0, 140], [-60, 0, 120]]])
    extra = len(index.ravel())
    faces = [*quads[:40], [top[3], top[4], extra + 2], *quads[40:], [top[0], top[1], extra + 2, extra + 1, extra]]
    return vertices, Topology(np.concatenate(faces), np.array([len(face) for face in faces]), len(vertices))


def soup(vertices: np.ndarray, topology: Topology) -> np.ndarray:
    """(T, 3, 3) the faces one after the other, each as a fan."""
    corners = []
    for start, size in zip(topology.starts, topology.sizes, strict=True):
        face = topology.corners[start : start + size]
        corners += [[face[0], face[i], face[i + 1]] for i in range(1, size - 1)]
    return vertices[np.array(corners)]


def write_stl(path, triangles, binary=True):
    if binary:
        body = b"".join(struct.pack("<12fH", 0, 0, 0, *each.ravel(), 0) for each in triangles)
        path.write_bytes(b"solid, as some binary files begin".ljust(80) + struct.pack("<I", len(triangles)) + body)
        return path
    lines = ["solid face"]
    for each in triangles:
        lines += ["facet normal 0 0 1", " outer loop", *(f"  vertex {x:e} {y:e} {z:e}" for x, y, z in each)]
        lines += [" endloop", "endfacet"]
    path.write_text("\n".join([*lines, "endsolid face"]) + "\n")
    return path


@pytest.mark.parametrize("binary", [True, False])
def test_vertices_are_found_again(tmp_path, binary):
    vertices, topology = grid()
    found = StlOrder(topology).vertices(write_stl(tmp_path / "a.stl", soup(vertices, topology), binary))
    assert np.abs(found - vertices).max() < 1e-4


def test_a_folder_is_a_performance(tmp_path):
    vertices, topology = grid()
    for number in range(3):
        write_stl(tmp_path / f"frame_{number}.stl", soup(vertices + np.array([0, number, 0]), topology))
    found = read_performance(tmp_path, topology)
    assert found.frames.tolist() == [0, 1, 2]  # as the files are numbered
    assert found.topology is topology
    assert np.abs(found.vertices[2] - vertices - [0, 2, 0]).max() < 1e-4
    with pytest.raises(InputError, match="keep no vertex order"):
        read_performance(tmp_path)


def test_a_quad_cut_along_its_other_diagonal_does_no_harm(tmp_path):
    vertices, topology = grid()
    triangles = soup(vertices, topology)
    a, b, c, d = vertices[topology.corners[topology.starts[30] : topology.starts[30] + 4]]
    triangles[60], triangles[61] = (a, b, d), (b, c, d)
    found = StlOrder(topology).vertices(write_stl(tmp_path / "a.stl", triangles))
    assert np.abs(found - vertices).max() < 1e-4


def test_other_triangles_are_refused(tmp_path):
    vertices, topology = grid()
    triangles = soup(vertices, topology)
    order = StlOrder(topology)
    with pytest.raises(InputError, match=r"few\.stl has \d+ triangles but the actor's mesh, cut into triangles, has"):
        order.vertices(write_stl(tmp_path / "few.stl", triangles[:-1]))
    shuffled = triangles[np.random.default_rng(0).permutation(len(triangles))]
    with pytest.raises(InputError, match=r"other\.stl has its triangles in another order than the actor's mesh"):
        order.vertices(write_stl(tmp_path / "other.stl", shuffled))


@pytest.mark.parametrize("content", [b"", b"solid\nvertex 1 2\n", b"solid\nvertex 1 2 3\n", b"\xff\xfe" * 100])
def test_what_is_no_stl_is_said(tmp_path, content):
    (tmp_path / "a.stl").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.stl cannot be read as a mesh"):
        read_stl(tmp_path / "a.stl")

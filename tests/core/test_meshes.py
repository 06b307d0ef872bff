# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh files keep their vertices' order and their polygons; what is no mesh is refused by name."""

import struct

import numpy as np
import pytest

from aim_blender.core.files.neutrals import read_neutral
from aim_blender.core.shared.captured.captures import read_capture
from aim_blender.core.shared.captured.meshes import list_mesh_files, read_mesh, write_mesh
from aim_blender.core.shared.captured.performances import read_performance
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import Topology
from tests.core.mesh_files import write_ply
from tests.core.tiny_capture import POINTS, grid

VERTICES, QUADS = grid()

PYRAMID = """# a pyramid with texture seams, exported by some program
mtllib pyramid.mtl
o pyramid
v 0 0 0
v 10 0 0 1.0
v 10 10 0
v 0 10 0
v 5 5 8e0
vt 0 0
vt 1 0
vt 0.5 1
vn 0 0 1
s off
usemtl skin
f 4/1/1 3/2/1 2/3/1 1/1/1
f 1/1 2/2 5/3
f 2//1 3//1 5//1
f -3 -2 -1
f 4 1 5
"""


def refused(path) -> str:
    with pytest.raises(InputError) as caught:
        read_mesh(path)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    return sentence


def test_obj_keeps_order_polygons_and_seams(tmp_path):
    (tmp_path / "pyramid.obj").write_text(PYRAMID)
    vertices, topology = read_mesh(tmp_path / "pyramid.obj")
    assert np.array_equal(vertices, [[0, 0, 0], [10, 0, 0], [10, 10, 0], [0, 10, 0], [5, 5, 8]])
    assert topology.sizes.tolist() == [4, 3, 3, 3, 3]
    assert topology.corners.tolist() == [3, 2, 1, 0, 0, 1, 4, 1, 2, 4, 2, 3, 4, 3, 0, 4]


def test_obj_of_other_programs(tmp_path):
    """Windows line ends, a comment in another encoding, tabs, and a vertex that no face uses; a byte order mark before
    the first vertex, a face over two lines, and the end of a file of DOS."""
    text = b"# caf\xe9\r\nv 0 0 0\r\nv\t1 0 0\r\nv 9 9 9\r\nv 0\t1 0\r\nf 1 2\t4\r\n"
    (tmp_path / "other.obj").write_bytes(text)
    vertices, topology = read_mesh(tmp_path / "other.obj")
    assert np.array_equal(vertices, [[0, 0, 0], [1, 0, 0], [9, 9, 9], [0, 1, 0]])
    assert topology.corners.tolist() == [0, 1, 3]
    (tmp_path / "marked.obj").write_bytes(
        b"\xef\xbb\xbf" + text.split(b"\n", 1)[1].replace(b" 2\t", b" 2 \\\r\n") + b"\x1a"
    )
    again, others = read_mesh(tmp_path / "marked.obj")
    assert np.array_equal(again, vertices)
    assert np.array_equal(others.corners, topology.corners)


def test_written_meshes_come_back(tmp_path, demo):
    write_mesh(tmp_path / "head.obj", demo.neutral, demo.topology)
    vertices, topology = read_mesh(tmp_path / "head.obj")
    assert topology.digest == demo.topology.digest
    assert np.abs(vertices - demo.neutral).max() < 1e-6


@pytest.mark.parametrize("binary", [True, False])
def test_ply_keeps_order_and_polygons(tmp_path, binary):
    shuffled = np.random.default_rng(0).permutation(QUADS)
    vertices, topology = read_mesh(write_ply(tmp_path / "sheet.ply", VERTICES, shuffled, binary))
    assert np.abs(vertices - VERTICES).max() < 1e-5
    assert topology.digest == Topology.from_padded(shuffled, POINTS).digest


def test_ply_of_triangles_and_quads(tmp_path):
    faces = [QUADS[0].tolist(), QUADS[1][:3].tolist(), [0, 1, 2, 3, 4], QUADS[2].tolist()]
    for binary in (True, False):
        _, topology = read_mesh(write_ply(tmp_path / "mixed.ply", VERTICES, faces, binary))
        assert topology.sizes.tolist() == [4, 3, 5, 4]
        assert topology.corners.tolist() == [corner for face in faces for corner in face]


@pytest.mark.parametrize("order", ["<", ">"])
def test_ply_with_all_that_scanners_write(tmp_path, order):
    """Doubles, normals and colours, an element of another program, flags of faces, and both byte orders."""
    kind = {"<": "little", ">": "big"}[order]
    header = f"""ply
format binary_{kind}_endian 1.0
comment made by a scanner
obj_info 1 patch
element vertex 4
property double x
property double y
property double z
property float nx
property uchar red
element patch 1
property list uchar float weights
property int id
element face 2
property uchar flags
property list uint8 uint32 vertex_index
property float quality
end_header
"""
    points = [(0.125, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0.3)]
    data = b"".join(struct.pack(f"{order}dddfB", *point, 0.5, 7) for point in points)
    data += struct.pack(f"{order}B3fi", 3, 1, 2, 3, 42)
    data += struct.pack(f"{order}BB4If", 1, 4, 0, 1, 2, 3, 0.5) + struct.pack(f"{order}BB3If", 1, 3, 2, 1, 0, 0.5)
    (tmp_path / "scan.ply").write_bytes(header.encode() + data)
    vertices, topology = read_mesh(tmp_path / "scan.ply")
    assert np.array_equal(vertices, points)
    assert topology.sizes.tolist() == [4, 3]
    assert topology.corners.tolist() == [0, 1, 2, 3, 2, 1, 0]


def test_ply_keeps_double_and_unused_vertices(tmp_path):
    vertices = np.concatenate([VERTICES, VERTICES[:1], [[500.0, 0, 0]]])
    found, topology = read_mesh(write_ply(tmp_path / "sheet.ply", vertices, QUADS[:, :3]))
    assert np.abs(found - vertices).max() < 1e-4
    assert topology.digest == Topology.from_padded(QUADS[:, :3], len(vertices)).digest


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "it has no vertices"),
        ("f 1 2 3\n", "it has no vertices"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\n", "no faces"),
        ("v 0 0 0\nv 1 0\nv 0 1 0\nf 1 2 3\n", "three numbers"),
        ("v 0 0 0\nv 1 0 zero\nv 0 1 0\nf 1 2 3\n", "'zero'"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4\n", "names vertex 3 of a mesh with 3"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 -5\n", "names vertex -2"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n", "counts from 1"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2\n", "fewer than 3 corners"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 three\n", "'three'"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf\n", "fewer than 3 corners"),
    ],
)
def test_bad_obj_is_refused(tmp_path, text, part):
    (tmp_path / "bad.obj").write_text(text)
    assert part in refused(tmp_path / "bad.obj")


@pytest.mark.parametrize(
    "damage", ["empty", "header", "truncated", "garbage", "points only", "wild face", "wild count"]
)
def test_bad_ply_is_refused(tmp_path, damage):
    path = write_ply(tmp_path / "bad.ply", VERTICES, QUADS)
    data = path.read_bytes()
    if damage == "points only":
        write_ply(path, VERTICES, QUADS[:0])
    elif damage == "wild face":
        write_ply(path, VERTICES, np.where(QUADS == 3, 999, QUADS))
    elif damage == "wild count":
        path.write_bytes(data.replace(b"element face 196", b"element face 999999999999"))
    else:
        path.write_bytes({"empty": b"", "header": data[:60], "truncated": data[:-500], "garbage": data[::-1]}[damage])
    refused(path)


def test_truncated_ascii_ply_is_refused(tmp_path):
    path = write_ply(tmp_path / "bad.ply", VERTICES, QUADS, binary=False)
    path.write_bytes(path.read_bytes()[:-300])
    refused(path)


def test_missing_and_foreign_files_are_refused(tmp_path):
    refused(tmp_path / "nothing.obj")
    (tmp_path / "mesh.fbx").write_bytes(b"Kaydara FBX Binary")
    assert ".obj, .ply" in refused(tmp_path / "mesh.fbx")
    (tmp_path / "folder.obj").mkdir()
    refused(tmp_path / "folder.obj")
    (tmp_path / "binary.obj").write_bytes(bytes(range(256)) * 20)
    refused(tmp_path / "binary.obj")


@pytest.mark.parametrize("suffix", [".fbx", ".abc", ".usdc", ".glb"])
def test_what_blender_imports_is_pointed_to_it(tmp_path, suffix):
    path = tmp_path / f"head{suffix}"
    path.write_bytes(b"any")
    for read, given in (
        (read_performance, path),
        (read_performance, tmp_path),
        (read_capture, path),
        (read_capture, tmp_path),
        (read_neutral, path),
    ):
        with pytest.raises(InputError, match=f"; import a {suffix} file in Blender"):
            read(given)


# -- folders ----------------------------------------------------------------------------------------------------------


def test_meshes_of_a_folder_come_by_name(tmp_path):
    for name in ("b.obj", "a.OBJ", "notes.txt", ".c.obj", "._a.obj", "a.mtl"):
        (tmp_path / name).touch()
    assert [path.name for path in list_mesh_files(tmp_path)] == ["a.OBJ", "b.obj"]


@pytest.mark.parametrize(
    ("files", "part"),
    [(["a.obj", "b.ply"], "both .obj and .ply"), (["a.stl"], "keep no vertex order"), (None, "is not a folder")],
)
def test_folders_that_do_not_hold_one_format_are_refused(tmp_path, files, part):
    folder = tmp_path / "folder"
    if files is not None:
        folder.mkdir()
        for name in files:
            (folder / name).touch()
    with pytest.raises(InputError) as caught:
        list_mesh_files(folder)
    assert part in str(caught.value)
    assert str(folder) in str(caught.value)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the template bones from the two meshes they come from. Run in Blender's environment.

    python make_bones.py hat_skull.stl hat_jaw.stl FOLDER

Writes skull.ply and mandible.ply: millimetres, Z up, the face towards -Y, X to the character's left, the middle of the
condyles at the origin, normals outwards, and left and right exact mirror images.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import bpy  # isort: skip  # brings bmesh and mathutils along
import bmesh
import numpy as np
from mathutils import Matrix

MILLIMETRES_PER_METRE = 1000.0
# The meshes have X to the front, Y up and Z to the character's right.
TURN = Matrix(((0.0, 0.0, -1.0), (-1.0, 0.0, 0.0), (0.0, 1.0, 0.0)))
SMALLEST_PIECE = 200  # faces; what hangs together by fewer is a stray sheet inside the skull
LONGEST_EDGE = 31.0  # mm; behind the palate longer ones are sheets that span from one process to the next
BEHIND_PALATE = -20.0  # Y in mm


def read_stl(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) in mm, turned upright, and triangles (T, 3) of a binary STL file."""
    content = path.read_bytes()
    (count,) = struct.unpack_from("<I", content, 80)
    kind = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    corners = np.frombuffer(content, kind, count, 84)["corners"].reshape(-1, 3)
    vertices, index = np.unique(corners, axis=0, return_inverse=True)
    return MILLIMETRES_PER_METRE * vertices.astype(np.float64) @ np.array(TURN).T, index.reshape(-1, 3)


def cleaned(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same without stray pieces, wound outwards, and its left half mirrored about X = 0."""
    mesh = bpy.data.meshes.new("bone")
    mesh.from_pydata(vertices.tolist(), [], triangles.tolist())
    mesh.validate()
    shape = bmesh.new()
    shape.from_mesh(mesh)
    bmesh.ops.remove_doubles(shape, verts=list(shape.verts), dist=1e-3)
    bmesh.ops.dissolve_degenerate(shape, edges=list(shape.edges), dist=1e-3)
    bmesh.ops.delete(shape, geom=stray_faces(shape) + spanning_faces(shape), context="FACES")
    bmesh.ops.symmetrize(shape, input=[*shape.verts, *shape.edges, *shape.faces], direction="X", dist=0.05)
    bmesh.ops.triangulate(shape, faces=list(shape.faces))
    bmesh.ops.delete(shape, geom=stray_faces(shape), context="FACES")
    bmesh.ops.recalc_face_normals(shape, faces=list(shape.faces))
    shape.verts.index_update()
    found = np.array([vertex.co for vertex in shape.verts]), np.array([[v.index for v in f.verts] for f in shape.faces])
    shape.free()
    bpy.data.meshes.remove(mesh)
    return found


def stray_faces(shape: bmesh.types.BMesh) -> list[bmesh.types.BMFace]:
    """The faces of pieces that are too small to be bone."""
    shape.faces.index_update()
    seen: set[int] = set()
    stray: list[bmesh.types.BMFace] = []
    for first in shape.faces:
        if first.index in seen:
            continue
        piece, waiting = [], [first]
        seen.add(first.index)
        while waiting:
            face = waiting.pop()
            piece.append(face)
            for neighbour in (each for vertex in face.verts for each in vertex.link_faces):
                if neighbour.index not in seen:
                    seen.add(neighbour.index)
                    waiting.append(neighbour)
        if len(piece) < SMALLEST_PIECE:
            stray += piece
    return stray


def spanning_faces(shape: bmesh.types.BMesh) -> list[bmesh.types.BMFace]:
    """The long sheets below the skull's base, behind the palate, which are no bone."""
    return [
        face
        for face in shape.faces
        if max(edge.calc_length() for edge in face.edges) > LONGEST_EDGE and face.calc_center_median().y > BEHIND_PALATE
    ]


def write_ply(path: Path, vertices: np.ndarray, triangles: np.ndarray) -> None:
    """Write vertices (V, 3) and triangles (T, 3) as a binary PLY file."""
    header = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {len(vertices)}\nproperty float x\nproperty float y\n"
        f"property float z\nelement face {len(triangles)}\nproperty list uchar ushort vertex_indices\nend_header\n"
    )
    faces = np.zeros(len(triangles), dtype=[("size", "u1"), ("corners", "<u2", 3)])
    faces["size"], faces["corners"] = 3, triangles
    path.write_bytes(header.encode() + vertices.astype("<f4").tobytes() + faces.tobytes())


def main(skull_file: Path, jaw_file: Path, folder: Path) -> None:
    """Read both, put the origin between the condyles, clean them, and write them."""
    skull, jaw = read_stl(skull_file), read_stl(jaw_file)
    points = jaw[0]
    back = points[:, 1] > np.quantile(points[:, 1], 0.8)
    condyles = points[back & (points[:, 2] > np.quantile(points[back, 2], 0.9))]
    folder.mkdir(parents=True, exist_ok=True)
    for name, (vertices, triangles) in (("skull", skull), ("mandible", jaw)):
        origin = np.array([middle_of(vertices), *condyles[:, 1:].mean(0)])
        write_ply(folder / f"{name}.ply", *cleaned(vertices - origin, triangles))


def middle_of(vertices: np.ndarray) -> float:
    """X of the mirror plane of vertices (V, 3): midway between what lies outermost on the left and on the right."""
    return float(np.quantile(vertices[:, 0], 0.02) + np.quantile(vertices[:, 0], 0.98)) / 2


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))

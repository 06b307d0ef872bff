# SPDX-License-Identifier: GPL-3.0-or-later
"""Which vertices make which face: what all meshes of one actor share. Needs numpy only; Blender's process uses it
too."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .errors import InputError


@dataclass(frozen=True, eq=False)
class Topology:
    """The faces of a mesh.

    corners: (L,) int32, the vertex of every face corner, face after face.
    sizes: (P,) int32, the number of corners of every face.
    vertex_count: number of vertices V.

    Raises InputError if a corner names a vertex that does not exist or the sizes do not add up.
    """

    corners: np.ndarray
    sizes: np.ndarray
    vertex_count: int

    def __post_init__(self) -> None:
        corners, sizes = np.asarray(self.corners), np.asarray(self.sizes)
        if any(array.size and array.dtype.kind not in "iu" for array in (corners, sizes)):
            raise InputError("the face list is damaged: it holds other things than whole numbers")
        corners, sizes = corners.astype(np.int64), sizes.astype(np.int64)  # checked before they are narrowed
        if corners.ndim != 1 or sizes.ndim != 1 or int(sizes.sum()) != len(corners):
            raise InputError("the face list is damaged: its face sizes do not add up to its number of corners")
        if len(sizes) == 0 or sizes.min() < 3:
            raise InputError("the mesh has no faces, or faces with fewer than 3 corners; a face mesh is needed")
        if corners.min() < 0 or corners.max() >= self.vertex_count:
            wrong = corners.min() if corners.min() < 0 else corners.max()
            raise InputError(
                f"the face list is damaged: it names vertex {wrong} of a mesh with {self.vertex_count} vertices"
            )
        object.__setattr__(self, "corners", corners.astype(np.int32))
        object.__setattr__(self, "sizes", sizes.astype(np.int32))

    @classmethod
    def from_padded(cls, faces: np.ndarray, vertex_count: int) -> Topology:
        """Faces (P, K) int, where -1 pads a face with fewer than K corners."""
        faces = np.asarray(faces)
        keep = faces >= 0
        return cls(faces[keep], keep.sum(1), vertex_count)

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of the face list and the vertex count: equal means the same topology."""
        content = hashlib.sha256(np.int64(self.vertex_count).tobytes())
        content.update(self.corners.astype("<i4").tobytes())
        content.update(self.sizes.astype("<i4").tobytes())
        return content.hexdigest()

    @cached_property
    def starts(self) -> np.ndarray:
        """(P,) the index of each face's first corner."""
        return np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.int64)

    def in_faces(self) -> np.ndarray:
        """(V,) bool: the vertices that are a corner of a face."""
        found = np.zeros(self.vertex_count, dtype=bool)
        found[self.corners] = True
        return found

    def within(self, kept: np.ndarray) -> Topology:
        """The faces whose corners are all among the vertices kept (V,) bool, of the same vertices. Raises InputError if
        there are none."""
        whole = np.logical_and.reduceat(kept[self.corners], self.starts)
        return Topology(self.corners[np.repeat(whole, self.sizes)], self.sizes[whole], self.vertex_count)

    def part(self, kept: np.ndarray) -> tuple[Topology, np.ndarray]:
        """The faces whose corners are all among the vertices kept (V,) bool, as a mesh of their own, and which vertices
        (W,) of this one it has. Raises InputError if there are none."""
        some = self.within(kept)
        chosen, renumbered = np.unique(some.corners, return_inverse=True)
        return Topology(renumbered.ravel().astype(np.int32), some.sizes, len(chosen)), chosen

    def triangles(self) -> np.ndarray:
        """(T, 3) int32: every face cut into a fan of triangles."""
        fans = []
        for size in np.unique(self.sizes):
            starts = self.starts[self.sizes == size]
            for corner in range(1, size - 1):
                fans.append(self.corners[starts[:, None] + [0, corner, corner + 1]])
        return np.concatenate(fans).astype(np.int32)

    def following(self) -> np.ndarray:
        """(L,) for each face corner the next one of its face."""
        following = np.arange(1, len(self.corners) + 1)
        following[self.starts + self.sizes - 1] = self.starts
        return following

    def edges(self) -> np.ndarray:
        """(E, 2) int32: every edge once, the lower vertex first."""
        ends = self.corners.astype(np.int64), self.corners[self.following()].astype(np.int64)
        # As one number each, which is sorted many times faster than a pair, and than np.unique does.
        pairs = np.sort(np.minimum(*ends) * self.vertex_count + np.maximum(*ends))
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]
        return np.stack(np.divmod(pairs, self.vertex_count), axis=1).astype(np.int32)


def same_surface(first: Topology, second: Topology) -> bool:
    """Whether two topologies are one, or one is the other with its polygons cut, as some file formats do."""
    if first.digest == second.digest:
        return True
    if first.vertex_count != second.vertex_count:
        return False
    one, other = (each.edges().astype(np.int64) for each in (first, second))
    ours, theirs = (ends[:, 0] * first.vertex_count + ends[:, 1] for ends in (one, other))  # a number each
    return bool(np.isin(ours, theirs).all() or np.isin(theirs, ours).all())

# SPDX-License-Identifier: GPL-3.0-or-later
"""STL files of a face whose topology is known. They hold triangles without vertices: the order of the triangles, which
most programs keep, says which corner is which vertex."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..foundation.errors import UNREADABLE, InputError, reason
from ..foundation.topology import Topology
from .capture_checks import check_near

TORN = 1e-3  # of the mesh's size: corners of one vertex that lie further apart are not of one vertex
TORN_SHARE = 0.02  # of the vertices may be: where a program cuts a quad along its other diagonal


def read_stl(path: Path) -> np.ndarray:
    """(T, 3, 3) float64 the corners of the triangles of a binary or text file. Raises InputError, naming the file."""
    corners = _read_stl(path)
    check_near(str(path), corners)
    return corners


def _read_stl(path: Path) -> np.ndarray:
    try:
        content = path.read_bytes()
        count = int.from_bytes(content[80:84], "little") if len(content) >= 84 else -1
        if len(content) == 84 + 50 * count:
            kind = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("more", "<u2")])
            return np.frombuffer(content, kind, count, 84)["corners"].astype(np.float64)
        words = [line.split() for line in content.decode("ascii", errors="strict").splitlines()]
        corners = np.array([[float(each) for each in line[1:4]] for line in words if line[:1] == ["vertex"]])
        if len(corners) == 0 or len(corners) % 3 or corners.shape[1] != 3:
            raise ValueError("it is neither a binary nor a text STL file, or breaks off")
        return corners.reshape(-1, 3, 3)
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as a mesh: {reason(error)}") from error


class StlOrder:
    """Which corner of an STL file's triangles is which vertex of a mesh: the faces in their order, cut into fans."""

    def __init__(self, topology: Topology) -> None:
        self.vertex_count = topology.vertex_count
        cut = topology.sizes - 2
        number = np.arange(cut.sum()) - np.repeat(np.cumsum(cut) - cut, cut)  # of each triangle in its face
        first = np.repeat(topology.starts, cut)
        fans = topology.corners[np.stack([first, first + number + 1, first + number + 2], axis=1)]
        self.triangle_count = len(fans)
        self.order = np.argsort(fans.ravel(), kind="stable")  # corners, vertex after vertex
        corners = np.bincount(fans.ravel(), minlength=self.vertex_count)
        self.lonely = corners == 0
        ends = np.cumsum(corners)
        self.low, self.high = ends - corners + (corners.clip(min=1) - 1) // 2, ends - corners + corners // 2
        self.starts = (ends - corners)[~self.lonely]

    def vertices(self, path: Path) -> np.ndarray:
        """(V, 3) float64 of a file: for each vertex the median of its corners. A vertex of no face is no number.

        Raises InputError, naming the file, if it has other triangles or has them in another order.
        """
        triangles = read_stl(path)
        if len(triangles) != self.triangle_count:
            raise InputError(
                f"{path} has {len(triangles)} triangles but the actor's mesh, cut into triangles, has "
                f"{self.triangle_count}; export the very mesh that the actor was learned from"
            )
        corners = triangles.reshape(-1, 3)[self.order]
        apart = np.maximum.reduceat(corners, self.starts) - np.minimum.reduceat(corners, self.starts)
        torn = (apart.max(1) > TORN * np.ptp(corners, axis=0).max()).mean()
        if torn > TORN_SHARE:
            raise InputError(
                f"{path} has its triangles in another order than the actor's mesh: {torn:.0%} of the vertices would be "
                "torn; an STL file keeps no vertices, so export .obj or .ply instead"
            )
        found = np.full((self.vertex_count, 3), np.nan)
        owner = np.flatnonzero(~self.lonely)
        # The median: one corner of many may be another vertex's, where a quad is cut along its other diagonal.
        rank = np.empty_like(corners)
        group = np.repeat(np.arange(len(self.starts)), np.diff(np.append(self.starts, len(corners))))
        for axis in range(3):
            rank[:, axis] = corners[np.lexsort((corners[:, axis], group)), axis]
        found[owner] = 0.5 * (rank[self.low[owner]] + rank[self.high[owner].clip(max=len(rank) - 1)])
        return found

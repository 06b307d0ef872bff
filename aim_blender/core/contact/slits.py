# SPDX-License-Identifier: GPL-3.0-or-later
"""The two sides of the mouth and of each eye on any mesh, found once: what may touch there and how it is ordered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from ..checks.face_spots import places_of
from ..geometry.surfaces import edge_graph
from ..model.actor import Actor
from ..shared.faces.face_profile import HeadFrame

COLUMNS = {"lips": 11, "left lids": 7, "right lids": 7}
HALF_WIDTH_MM = {"lips": 40.0, "left lids": 24.0, "right lids": 24.0}  # that no half of a mouth or eye exceeds
MEETING_MM = {
    "lips": 2.0,
    "left lids": 3.5,
    "right lids": 3.5,
}  # a vertex that comes as close to the other side in some shape may touch it
SKIN_SHARE = 0.28  # of a slit's width: so far the skin goes along with its margin
AROUND_MM = 5.0  # by which the way to the middle of the other side is longer: nearer to a slit's end sides are one
BESIDE = 1.5  # columns: what lies farther aside is not what a place may touch


@dataclass(frozen=True)
class Side:
    """One side of a slit. points: (P,) vertices that may touch the other side. triangles: (T, 3) with a corner among
    them. column: (P,) where the points lie from one end of the slit, in columns. around: (V,) how much the skin goes
    along with them, from 1 to 0. moves: mm by which the actor's shapes move them up or down most."""

    points: np.ndarray
    triangles: np.ndarray
    column: np.ndarray
    around: np.ndarray
    moves: float


@dataclass(frozen=True)
class Slit:
    """A mouth or an eye. upper, lower: its sides. axes: (3, 3) unit vectors left, up and front. across: (V,) how far
    along the slit a vertex lies, in columns: -0.5 and columns - 0.5 at its ends. unit: a mm of a common head. shapes:
    (N+1, V, 3) the actor's neutral and shapes."""

    name: str
    upper: Side
    lower: Side
    axes: np.ndarray
    across: np.ndarray
    columns: int
    unit: float
    shapes: np.ndarray

    def hats(self, across: np.ndarray) -> np.ndarray:
        """(..., columns) how much of each column is at places across: sums to 1 in the slit and fades at its ends."""
        inside = np.clip(np.minimum(across + 1.0, self.columns - across), 0.0, 1.0)
        return inside[..., None] * np.clip(1.0 - np.abs(across[..., None] - np.arange(self.columns)), 0.0, 1.0)


def find_slits(actor: Actor) -> list[Slit]:
    """The slits of an actor's face that are found: none where no face is, or its lips are sealed."""
    places = places_of(actor)
    if places is None:
        return []
    pairs = {
        "lips": (places.upper_lip, places.lower_lip),
        "left lids": (places.upper_lid[0], places.lower_lid[0]),
        "right lids": (places.upper_lid[1], places.lower_lid[1]),
    }
    triangles = actor.topology.triangles().astype(np.int64)
    graph = edge_graph(actor.neutral, triangles)
    shapes = actor.shapes()
    found = [
        _slit(name, upper, lower, places.frame, shapes, triangles, graph)
        for name, (upper, lower) in pairs.items()
        if upper is not None and lower is not None
    ]
    return [each for each in found if each is not None]


def _slit(
    name: str,
    upper: int,
    lower: int,
    frame: HeadFrame,
    shapes: np.ndarray,
    triangles: np.ndarray,
    graph: sparse.csr_matrix,
) -> Slit | None:
    axes = np.stack([frame.left, frame.up, frame.front])
    unit = 1.0 / frame.scale
    reach = HALF_WIDTH_MM[name] * unit
    ways = dijkstra(graph, directed=False, indices=[upper, lower], limit=1.3 * reach)  # (2, V)
    ways = ways.clip(max=1.3 * reach)
    near = (ways.min(0) < reach) & (np.abs(ways[0] - ways[1]) > AROUND_MM * unit)
    is_upper = ways[0] < ways[1]
    members = [np.flatnonzero(near & is_upper), np.flatnonzero(near & ~is_upper)]
    meeting = _meeting(shapes, members, MEETING_MM[name] * unit)
    if min(len(each) for each in meeting) < 3:
        return None
    x = shapes[0] @ axes[0]
    low, high = (f(x[each]) for f in (np.min, np.max) for each in [np.concatenate(meeting)])
    columns = COLUMNS[name]
    across = (x - low) / (high - low) * columns - 0.5
    away = np.stack([dijkstra(graph, directed=False, indices=each, limit=reach, min_only=True) for each in meeting])
    skin = SKIN_SHARE * (high - low)
    away = away.clip(max=4 * skin)
    sides = []
    for own, other, points in ((0, 1, meeting[0]), (1, 0, meeting[1])):
        clear = ((away[other] - away[own]) / (away[other] + away[own]).clip(min=1e-9)).clip(0.0, 1.0)
        around = (0.5 + 0.5 * np.cos(np.pi * (away[own] / skin).clip(0.0, 1.0))) * clear
        chosen = np.zeros(len(x), bool)
        chosen[points] = True
        belongs = np.isin(np.arange(len(x)), members[own])
        touching = triangles[chosen[triangles].any(1) & belongs[triangles].all(1)]
        moves = np.abs((shapes[1:, points] - shapes[0, points]) @ axes[1]).max(initial=0.0)
        sides.append(Side(points, touching, across[points], around, float(moves)))
    return Slit(name, sides[0], sides[1], axes, across, columns, unit, shapes)


def _meeting(shapes: np.ndarray, members: list[np.ndarray], reach: float) -> list[np.ndarray]:
    """The vertices of both sides that come close to the other side in a shape: not what is its neighbour anyway."""
    close = [np.zeros(len(each), bool) for each in members]
    for shape in shapes:
        trees = [cKDTree(shape[each]) for each in members]
        for own, other in ((0, 1), (1, 0)):
            distance = trees[other].query(shape[members[own]], distance_upper_bound=reach)[0]
            close[own] |= np.isfinite(distance)
    return [each[chosen] for each, chosen in zip(members, close, strict=True)]

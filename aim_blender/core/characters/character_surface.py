# SPDX-License-Identifier: GPL-3.0-or-later
"""How the surface of a new character moves as another face does that lies on it, where it is no such face as well:
inside its mouth, between lips that are joined, at teeth, at eyes and below its head."""

from __future__ import annotations

import numpy as np
from scipy.sparse.csgraph import dijkstra

from ..correspondence.registration import HEAD, mean_radius
from ..correspondence.rest_mesh import RestMesh
from ..geometry.openings import openness
from ..geometry.skinning import linear_blend_skinning
from ..geometry.surfaces import edge_graph, neighbour_average
from ..shared.faces.similarity import similarity
from ..shared.foundation.smoothstep import smoothstep
from .filling import filled

BRIDGE_GROWTH, BRIDGE_MM = 4.0, 0.5  # an edge of the source's that grows so much, beyond so much, leads across a slit
HIDDEN = 0.6  # of what a place could see, how much it sees at most inside a mouth
INSIDE = 0.35  # likewise, the median of teeth and eyes
FAR_MM = (40.0, 90.0)  # off the source a mesh is less and less of its head, and then not at all
SURE = 0.5  # how sure the places of a face must be that is said to join two lips
LEAST_PART = 3  # vertices
JAW_MM = 1.0  # a jaw that moves a place less tells little of it
BOTH_JAWS = 0.5  # how much the jaw's shares differ in a part that belongs to both
AROUND_JOINED = 1.0  # over how much skin, by how far joined lips would part, they draw on it
SOFTLY = 4.0  # the power of the way with which they do so less
EVENING = 30  # times a share is averaged with its neighbours'


class CharacterSurface:
    """mesh: the surface of a character of V vertices. source: (N+1, V, 3) mm the shapes of another face where each
    vertex has its place on it, turned as the character stands, the neutral first, and skin_weight (V, 1) there. sure:
    (V,) how sure these places are. scale: how much larger the character is."""

    def __init__(
        self, mesh: RestMesh, source: np.ndarray, skin_weight: np.ndarray, sure: np.ndarray, scale: float
    ) -> None:
        self.mesh, self.scale = mesh, scale
        chosen = mesh.chosen
        self.source, self.skin_weight, self.sure = source[:, chosen], skin_weight[chosen], sure[chosen]
        unit = scale * mean_radius(source[0]) / HEAD
        self.open = openness(mesh.vertices, mesh.triangles, unit)  # (W,)
        self.near = self._near()
        self.bridges = self._bridges()
        self.joined = self.bridges & (self.open[mesh.triangles].mean(1) >= HIDDEN)

    def moved(self, given: np.ndarray, jaw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far each vertex moves in each shape (N, V, 3), and its skin_weight (V, 1). given: (N, V, 3) how far the
        source says. jaw: (N, 4, 4) of the character."""
        mesh = self.mesh
        given = self.near[:, None] * given[:, mesh.chosen]
        held = self._apart_from_joined(given)
        between = self.bridges & ~self.joined
        moved = filled(mesh.vertices, mesh.triangles, given, self.sure, held, between, self.joined)
        weight = self.skin_weight * self.near[:, None].astype(self.skin_weight.dtype)
        for part, share in self._inner_parts(self._with_jaw(jaw)).items():
            rows = mesh.part == part
            weight[rows] = share
            moved[:, rows] = share * (
                linear_blend_skinning(mesh.vertices[rows], jaw, np.ones((1, 1))) - mesh.vertices[rows]
            )
        return moved[:, mesh.follows], weight[mesh.follows]

    def _with_jaw(self, jaw: np.ndarray) -> np.ndarray:
        """(W,) in [0, 1] how much the source's skin at each vertex goes with the jaw (N, 4, 4) where that opens most.

        Lips follow their teeth in the end; the skin_weight of lips that is learned may say less."""
        points = self.mesh.vertices
        opened = linear_blend_skinning(points, jaw, np.ones((1, 1))) - points  # (N, W, 3)
        most = int(np.linalg.norm(opened, axis=-1).max(1).argmax())
        moved = self.scale * (self.source[most + 1] - self.source[0])
        along, square = (moved * opened[most]).sum(1), (opened[most] ** 2).sum(1)
        return (along / (square + JAW_MM**2)).clip(0.0, 1.0)

    def notes(self) -> list[str]:
        """What an artist should know of it."""
        found = []
        if self.joined.any():
            found.append(
                f"{int(self.joined.sum())} faces lead straight from one lip or lid to the other, where the source's "
                "part: there the mesh has no opening, and stays closed; cut it open to let it part"
            )
        # What hangs in bags behind lips and lids has no sure place on a source that has no bags.
        between = self.bridges & ~self.joined & (self.sure[self.mesh.triangles].min(1) >= SURE)
        if between.any():
            found.append(
                f"{int(between.sum())} faces join the lips or lids, and are drawn out where these part; if they show, "
                "take them away from the mesh"
            )
        return found

    def _apart_from_joined(self, given: np.ndarray) -> np.ndarray:
        """(W,) in [0, 1] how far from faces that join two lips a vertex lies, for how far these would part by what is
        given (N, W, 3): the skin around has to make up for it."""
        mesh = self.mesh
        if not self.joined.any():
            return np.ones(len(mesh.vertices))
        corners = mesh.triangles[self.joined]
        parting = np.linalg.norm(given[:, corners] - np.roll(given[:, corners], 1, axis=2), axis=-1).max()
        way = dijkstra(
            edge_graph(mesh.vertices, mesh.triangles),
            directed=False,
            indices=np.unique(corners),
            limit=AROUND_JOINED * parting,
            min_only=True,
        )
        return (way / (AROUND_JOINED * parting)).clip(max=1.0) ** SOFTLY

    def _inner_parts(self, follows: np.ndarray) -> dict[int, np.ndarray]:
        """Parts inside of the head by number, and how much the jaw carries their vertices (P, 1): teeth and eyes
        altogether or not at all, gums of both jaws in one piece smoothly. follows: (W,) how much the skin nearest to
        each vertex goes with the jaw."""
        found = {}
        parts = self.mesh.part
        sizes = np.bincount(parts)
        for part in np.flatnonzero(sizes >= LEAST_PART):
            rows = parts == part
            if part == sizes.argmax() or np.median(self.open[rows]) >= INSIDE:
                continue
            share = follows[rows, None]
            least, most = np.quantile(share, (0.1, 0.9))
            if most - least < BOTH_JAWS or abs(share.mean() - 0.5) > BOTH_JAWS / 2:
                found[int(part)] = np.full_like(share, np.round(share.mean()))
            else:
                edges = edge_graph(self.mesh.vertices, self.mesh.triangles).tocoo()
                averaging = neighbour_average(np.stack([edges.row, edges.col], axis=1), len(self.mesh.vertices))
                around = averaging[rows][:, rows]
                for _ in range(EVENING):
                    share = around @ share
                found[int(part)] = share
        return found

    def _near(self) -> np.ndarray:
        """(W,) in [0, 1] how much a vertex is of the head: 0 where no place of the source's is near."""
        weight = self.sure + 1e-3
        scale, turn, shift = similarity(self.source[0], self.mesh.vertices, weight)
        off = np.linalg.norm(scale * self.source[0] @ turn.T + shift - self.mesh.vertices, axis=1) / scale
        return smoothstep((FAR_MM[1] - off) / (FAR_MM[1] - FAR_MM[0]))

    def _bridges(self) -> np.ndarray:
        """(T,) bool: the triangles whose corners lie on two sides of an opening of the source's."""
        ends = self.mesh.triangles, np.roll(self.mesh.triangles, 1, axis=1)
        length = np.linalg.norm(self.source[:, ends[0]] - self.source[:, ends[1]], axis=-1)  # (N+1, T, 3)
        grown = length[1:].max(0) > BRIDGE_GROWTH * (length[0] + BRIDGE_MM)
        return grown.any(1)

# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the two sides of a slit are apart in frames, column by column: less than 0 where one is inside the other.

Each point of a side is set against the closest place on the other's skin. Before that skin the gap is the distance,
behind it less than nothing: a lid that lies over the other does not cross it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ..geometry.surfaces import rim_vertices
from ..shared.foundation.normals import unit_vectors
from .slits import DEEPEST_MM, Side, Slit

EXACT_MM = 2.0  # beside an edge's length: what is farther apart is told by vertices
MOST_AROUND = 10  # triangles of a vertex that are looked at
CLEAR = 0.3  # of its distance a point is above skin's normal, at least, that is surely before it
STRETCHED = 1.5  # times their length at rest edges get at most, to tell what is near


@dataclass(frozen=True)
class Touching:
    """Of each column what is closest in f frames. gap: (f, C) mm. corners: (f, C, 4) vertices, a point's and those of
    the triangle that it is closest to. shares: (f, C, 4) what they take part in the gap. direction: (f, C, 3) unit,
    along which the point goes away."""

    gap: np.ndarray
    corners: np.ndarray
    shares: np.ndarray
    direction: np.ndarray


class Gaps:
    """Measures a slit in frames of some vertices. place: (W,) where among them each of the working mesh is."""

    def __init__(self, slit: Slit, place: np.ndarray) -> None:
        self.slit = slit
        self.tests = [
            _Tests(one, other, place, slit) for one, other in ((slit.upper, slit.lower), (slit.lower, slit.upper))
        ]
        column = np.concatenate([column_of(side, slit) for side in (slit.upper, slit.lower)])
        self.own = [np.flatnonzero(column == each) for each in range(slit.columns)]

    def of(self, frames: np.ndarray) -> Touching:
        """The gaps g and what is closest in frames (f, R, 3) without head motion; endless where a column has no
        points."""
        count, columns = len(frames), self.slit.columns
        found = [each.of(frames) for each in self.tests]
        gap, corners, shares, direction = (np.concatenate(each, axis=1) for each in zip(*found, strict=True))
        which = np.zeros((count, columns), np.int64)
        least = np.full((count, columns), np.inf)
        for column, own in enumerate(self.own):
            if len(own):
                which[:, column] = own[gap[:, own].argmin(1)]
                least[:, column] = np.take_along_axis(gap, which[:, column, None], axis=1)[:, 0]
        rows = np.arange(count)[:, None]
        return Touching(least, corners[rows, which], shares[rows, which], direction[rows, which])


def column_of(side: Side, slit: Slit) -> np.ndarray:
    """(P,) the column of each point of a side."""
    return side.column.round().astype(int).clip(0, slit.columns - 1)


class _Tests:
    """Points of one side against the skin of the other."""

    def __init__(self, own: Side, other: Side, place: np.ndarray, slit: Slit) -> None:
        self.points = place[own.points]
        column = column_of(own, slit)
        self.by_column = np.argsort(column, kind="stable")  # (P,)
        _, self.begins, self.which = np.unique(column[self.by_column], return_index=True, return_inverse=True)
        self.which = self.which[np.argsort(self.by_column)]  # (P,)
        strip, corner = np.unique(other.triangles, return_inverse=True)
        self.strip, self.triangles = place[strip], corner.reshape(-1, 3)  # (S,), (T, 3)
        self.ring = _ring(self.triangles, len(strip))  # (S, K)
        edges = slit.neutral[strip][np.roll(self.triangles, -1, axis=1)] - slit.neutral[strip][self.triangles]
        edges /= np.linalg.norm(edges, axis=-1, keepdims=True).clip(min=1e-12)
        angles = np.arccos(np.einsum("tkx,tkx->tk", -edges, np.roll(edges, 1, axis=1)).clip(-1.0, 1.0))
        corners = self.triangles.ravel(), np.repeat(np.arange(len(self.triangles)), 3)
        shape = len(strip), len(self.triangles)
        self.angles = sparse.csr_matrix((angles.ravel().astype(np.float32), corners), shape=shape)
        self.on_border = np.zeros(len(strip), bool)
        self.on_border[rim_vertices(self.triangles)] = True
        longest = np.full(len(strip), 0.0)
        corner = slit.neutral[strip][self.triangles]
        length = np.linalg.norm(corner - np.roll(corner, 1, axis=1), axis=-1).max(1)
        np.maximum.at(longest, self.triangles.ravel(), np.repeat(length, 3))
        self.longest = (STRETCHED * longest).astype(np.float32)  # (S,) mm of the edges around each vertex
        self.exact = EXACT_MM * slit.unit
        self.deepest = DEEPEST_MM[slit.name] * slit.unit

    def of(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Gaps (f, P), corners (f, P, 4), shares (f, P, 4) and directions (f, P, 3) in frames (f, R, 3)."""
        count = len(frames)
        middle = frames[:, self.strip].mean(1, keepdims=True)
        skin = (frames[:, self.strip] - middle).astype(np.float32)  # fine near it
        points = (frames[:, self.points] - middle).astype(np.float32)
        nearest = self._nearest(points, skin)  # (f, P)
        rows = np.arange(count)[:, None]
        away = points - skin[rows, nearest]  # (f, P, 3)
        length = np.sqrt(np.einsum("fpx,fpx->fp", away, away))
        gap, direction = length.copy(), away / length[..., None].clip(min=1e-6)
        corners = np.repeat(self.strip[nearest][..., None], 4, axis=2)
        corners[..., 0] = self.points
        shares = np.broadcast_to(np.array([1.0, -1.0, 0.0, 0.0]), (*gap.shape, 4)).copy()
        normals = self._normals(skin)  # (f, S, 3)
        around = self.longest[nearest]
        counts = self._may_be_least(length, around, np.einsum("fpx,fpx->fp", away, normals[rows, nearest]))
        frame, point = np.nonzero(counts & (length < self.exact + around))
        if len(frame):
            triangle = self.ring[nearest[frame, point]]  # (n, K)
            around = skin[frame[:, None, None], self.triangles[triangle]]  # (n, K, 3, 3)
            parts, best = closest_on_triangles(points[frame, point], around)
            corner = self.triangles[triangle[np.arange(len(frame)), best]]  # (n, 3)
            at = np.einsum("nk,nkx->nx", parts, skin[frame[:, None], corner])
            up = np.einsum("nk,nkx->nx", parts, normals[frame[:, None], corner])
            up = unit_vectors(up)
            on_border = (self.on_border[corner] | (parts < 1e-5)).all(1)
            near, grows = _signed(points[frame, point] - at, up, on_border)
            near = np.where(near < -self.deepest, length[frame, point], near)
            gap[frame, point], direction[frame, point] = near, grows
            corners[frame, point, 1:] = self.strip[corner]
            shares[frame, point, 1:] = -parts
        return gap.astype(np.float64), corners, shares, direction

    def _may_be_least(self, length: np.ndarray, around: np.ndarray, height: np.ndarray) -> np.ndarray:
        """(f, P) bool which points may be the closest of their columns, by their distances from the nearest vertex and
        their heights over it (f, P), and the edges' length around it (f, P)."""
        # No place of a triangle is farther from its nearest corner than 0.58 of its longest edge.
        nearer = np.where(height > CLEAR * length, length - 0.58 * around, -length)
        least = np.minimum.reduceat(length[:, self.by_column], self.begins, axis=1)  # (f, columns that have points)
        return nearer <= least[:, self.which]

    def _nearest(self, points: np.ndarray, skin: np.ndarray) -> np.ndarray:
        """(f, P) which of the skin's vertices (f, S, 3) is closest to each of points (f, P, 3)."""
        # Frame by frame, what lies between stays in the processor's cache. |p|² is left out: it changes no order.
        square = np.einsum("fsx,fsx->fs", skin, skin)[:, None]
        against = np.concatenate([-2.0 * skin.transpose(0, 2, 1), square], axis=1)  # (f, 4, S)
        sources = np.concatenate([points, np.ones_like(points[..., :1])], axis=2)
        found = np.empty(points.shape[:2], np.int64)
        squares = np.empty((points.shape[1], skin.shape[1]), np.float32)
        for frame in range(len(points)):
            np.matmul(sources[frame], against[frame], out=squares)
            squares.argmin(1, out=found[frame])
        return found

    def _normals(self, skin: np.ndarray) -> np.ndarray:
        """(f, S, 3) unit normals of the skin (f, S, 3), by the triangles' angles in the neutral."""
        one, two, three = (skin[:, self.triangles[:, corner]] for corner in range(3))
        of_faces = unit_vectors(np.cross(two - one, three - one)).transpose(1, 0, 2)  # (T, f, 3)
        summed = self.angles @ of_faces.reshape(len(self.triangles), -1)
        return unit_vectors(summed.reshape(len(summed), -1, 3).transpose(1, 0, 2))


def _signed(away: np.ndarray, up: np.ndarray, on_border: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gaps (n,) of points that are away (n, 3) from skin with normals up (n, 3), and how they grow (n, 3).

    Beside an edge where the mesh ends a point goes from behind the skin to before it without a jump.
    """
    length = np.sqrt(np.einsum("nx,nx->n", away, away))
    height = np.einsum("nx,nx->n", away, up)
    beside = away - height[:, None] * up
    aside = np.sqrt(np.einsum("nx,nx->n", beside, beside))
    behind = height < 0.0
    sign = np.where(behind, -1.0, 1.0)
    gap, grows = sign * length, sign[:, None] * away / length[:, None].clip(min=1e-6)
    grows = np.where(length[:, None] > 1e-4, grows, up)
    ends = behind & on_border
    gap = np.where(ends, aside + height, gap)
    along = beside / aside[:, None].clip(min=1e-6) + up
    return gap, np.where(ends[:, None], unit_vectors(along), grows)


def closest_on_triangles(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares (n, 3) of the corners at the place q that is closest to points (n, 3) on one of triangles (n, K, 3, 3),
    and on which (n,). After Ericson, Real-Time Collision Detection, 2005, 5.1.5."""
    a, b, c = triangles[:, :, 0], triangles[:, :, 1], triangles[:, :, 2]
    ab, ac, ap = b - a, c - a, points[:, None] - a

    def dot(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.asarray(np.einsum("nkx,nkx->nk", one, other))

    bb, cc, bc, pb, pc = dot(ab, ab), dot(ac, ac), dot(ab, ac), dot(ap, ab), dot(ap, ac)
    area = (bb * cc - bc * bc).clip(min=1e-12)
    v, w = (cc * pb - bc * pc) / area, (bb * pc - bc * pb) / area
    inside = (v >= 0) & (w >= 0) & (v + w <= 1)
    # On an edge: ab, ac or bc, whichever is closest.
    on_ab, on_ac = (pb / bb.clip(min=1e-12)).clip(0, 1), (pc / cc.clip(min=1e-12)).clip(0, 1)
    along = (bb + cc - 2 * bc).clip(min=1e-12)
    on_bc = ((pc - pb + bb - bc) / along).clip(0, 1)
    zero = np.zeros_like(v)
    tried = [(v, w), (on_ab, zero), (zero, on_ac), (1 - on_bc, on_bc)]
    least = np.full(v.shape, np.inf, v.dtype)
    square = dot(ap, ap)
    for index, (one, other) in enumerate(tried):
        far = square + one * one * bb + other * other * cc + 2 * (one * other * bc - one * pb - other * pc)
        better = (far < least) & (inside if index == 0 else True)
        least = np.where(better, far, least)
        v, w = np.where(better, one, v), np.where(better, other, w)
    best = least.argmin(1)
    rows = np.arange(len(points))
    v, w = v[rows, best], w[rows, best]
    return np.stack([1 - v - w, v, w], axis=1), best


def _ring(triangles: np.ndarray, count: int) -> np.ndarray:
    """(S, K) the triangles around each of count vertices, the first again where it has fewer."""
    flat = triangles.ravel()
    order = np.argsort(flat, kind="stable")
    first = np.searchsorted(flat[order], np.arange(count + 1))
    most = min(int(np.diff(first).max()), MOST_AROUND)
    index = first[:-1, None] + np.arange(most)
    index = np.where(index < first[1:, None], index, first[:-1, None])
    return order[index] // 3

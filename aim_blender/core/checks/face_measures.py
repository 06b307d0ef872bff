# SPDX-License-Identifier: GPL-3.0-or-later
"""What a face shows, in measures that mean the same on every face: lip gap, mouth width, height of the mouth's corners,
lid gaps and heights of the brows.

The few places that they need are found on any mesh: lips and lids are what comes together and moves apart in the
actor's own shapes, or the two sides of an open rim; the brows are what rises most above the eyes. A place that is not
found is None and its measure nan.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

from ..geometry.openings import openness
from ..geometry.surfaces import boundary_loops, edge_graph
from ..model.head import robust_registration
from ..shared.faces.face_landmarks import SIDES, landmarks_in_frame
from ..shared.faces.face_profile import PROFILE, HeadFrame, find_head_frame, outward_sign
from ..shared.foundation.errors import InputError
from ..shared.foundation.normals import vertex_normals
from ..shared.foundation.topology import Topology
from .seen_places import Pair, at_seen

# Windows in the head's frame: left, up, front of the nasion in mm of a typical adult. Mouths lie about the stomion.
MOUTH_HALF_MM = (45.0, 20.0, 25.0)
EYE_LOW_MM, EYE_HIGH_MM = (12.0, -26.0, -32.0), (50.0, 16.0, 8.0)
BROW_ABOVE_LIDS_MM = (11.0, 30.0)
BROW_INNER_MM, BROW_OUTER_MM = (-22.0, -8.0), (4.0, 20.0)  # beside the middle of the lids, outwards
HEAD_LOW_MM, HEAD_HIGH_MM = (-110.0, -60.0, -230.0), (110.0, 140.0, 40.0)  # where still skin is looked for

# Margins of lips and lids are seen from in front, or half from a side, above or below: not bags and insides of masks.
HIDDEN_MM = 4.0  # along the skin
LEAST_FACING = -0.3  # cosine; rolls behind a margin turn farther away
SEEN_FROM = np.array([[0.0, 0.0, 1.0], [0.7, 0.0, 0.7], [-0.7, 0.0, 0.7], [0.0, 0.7, 0.7], [0.0, -0.7, 0.7]])
MIDDLE_MM = 3.0  # from the face's middle, or between two places one above the other
COLUMN_MM = 2.0  # between columns in which the lips' line is followed to its ends
CONTACT_MM = 2.0  # added to a distance so that touching places have no endless strain
LEAST_STRAIN = 1.0  # change of a gap by its smallest distance: skin stretches by less
LEAST_RANGE_MM = 1.5  # by which a gap must open in some shape
# Lips and lids are two sides of a slit: the way along the skin is longer than that across by this factor and length.
AROUND, AROUND_MM, AROUND_LIMIT_MM = 1.3, 5.0, 80.0
CLOSE_TO_BEST = 0.7  # of the largest strain: from here on what lies in front is the lips' or lids' margin
IN_FRONT = 0.2  # mm of a range that a mm farther in front is worth
FOLLOWED_MM = (9.0, 3.5, 7.0)  # the lips' line goes left, up and front by less from column to column
LEAST_FOLLOWED = 0.4  # of the strain in the middle; nearer to a corner it falls to none
MOST_CANDIDATES = 2000  # of a window; meshes with more are so dense that every second one will do
QUIET_MM = 0.15  # a point that no shape moves by more says all it can about the head
STILL_POINTS = 1500
LEAST_STILL = 12


@dataclass(frozen=True)
class Places:
    """Vertices of the places that are measured, each an index or None where it is not found; a pair is left, right of
    the character. frame: how the head is turned."""

    frame: HeadFrame
    upper_lip: int | None
    lower_lip: int | None
    mouth_corner: tuple[int | None, int | None]
    upper_lid: tuple[int | None, int | None]
    lower_lid: tuple[int | None, int | None]
    inner_brow: tuple[int | None, int | None]
    outer_brow: tuple[int | None, int | None]


@dataclass(frozen=True)
class FacePlaces(Places):
    """neutral: (V, 3) mm. still: (S,) vertices that tell how a head stands. trust: (S,) how much each counts."""

    neutral: np.ndarray
    still: np.ndarray
    trust: np.ndarray


@dataclass(frozen=True)
class Measure:
    """One measure: the sum over vertices (P,) of their places off the nasion, or offsets, times gradient (P, 3)."""

    vertices: np.ndarray
    gradient: np.ndarray

    def of(self, offsets: np.ndarray) -> np.ndarray:
        """(...,) mm by how much offsets (..., V, 3) change it."""
        return np.einsum("...px,px->...", offsets[..., self.vertices, :], self.gradient)


@dataclass(frozen=True)
class FaceMeasures:
    """Measures in mm of F frames, (F,) each; nan throughout where a place is missing.

    lip_gap: from the lower to the upper lip in the middle. mouth_width: between the corners. corner_height: of the
    corners above the nasion, mean of the sides, the jaw's part not taken out. lid_gap_*: from the lower to the upper
    lid. brow_height_*: of the inner and outer brow above the nasion, mean of both.
    """

    lip_gap: np.ndarray
    mouth_width: np.ndarray
    corner_height: np.ndarray
    lid_gap_left: np.ndarray
    lid_gap_right: np.ndarray
    brow_height_left: np.ndarray
    brow_height_right: np.ndarray

    def named(self) -> dict[str, np.ndarray]:
        """The measures by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def find_places(neutral: np.ndarray, topology: Topology, shapes: np.ndarray | None = None) -> FacePlaces:
    """The places of a face from neutral (V, 3) in mm, turned anyhow, and shapes (N, V, 3) of it, if there are any.

    Raises InputError if no face is found.
    """
    neutral = np.asarray(neutral, np.float64)
    triangles = topology.triangles().astype(np.int64)
    shapes = neutral[None] if shapes is None else np.asarray(shapes, np.float64)
    moved = np.linalg.norm(shapes - neutral, axis=-1).max(0)
    triangles = _of_head(neutral, triangles, moved)
    frame = find_head_frame(neutral, triangles)
    used = np.unique(triangles)
    axes = np.stack([frame.left, frame.up, frame.front], axis=1) / frame.scale
    at = frame.local(neutral[used])
    offsets = (np.concatenate([neutral[None], shapes]) - neutral)[:, used] @ axes
    own = np.searchsorted(used, triangles)
    edges = edge_graph(at, own)
    face = _Face(used, at, offsets, edges, _in_front(at, own, edges))
    rims = [np.searchsorted(used, loop) for loop in boundary_loops(triangles)]
    landmarks = landmarks_in_frame(neutral, triangles, frame)
    lips, corners = _mouth(face, rims, frame.local(neutral[landmarks["stomion"]]) if "stomion" in landmarks else None)
    seen = frame.seen, np.where(face.in_front[:, None], at, np.nan), not moved.any()
    lips = at_seen(lips, ("inner_upper_lip", "inner_lower_lip"), *seen)
    corners = at_seen(corners, ("mouth_corner.L", "mouth_corner.R"), *seen)
    lids = [
        at_seen(_lids(face, rims, side), (f"upper_lid{suffix}", f"lower_lid{suffix}"), *seen)
        for suffix, side in SIDES.items()
    ]
    brows = [_brows(face, pair, side) for pair, side in zip(lids, (1.0, -1.0), strict=True)]
    still, trust = _still(face)

    def pair(*indices: int | None) -> Pair:
        first, second = (None if index is None else int(used[index]) for index in indices)
        return first, second

    upper_lip, lower_lip = pair(*lips)
    places = Places(
        frame, upper_lip, lower_lip, pair(*corners),
        *(pair(*each) for each in zip(*lids, strict=True)), *(pair(*each) for each in zip(*brows, strict=True)),
    )  # fmt: skip
    return FacePlaces(**vars(places), neutral=neutral, still=used[still], trust=trust)


def measures_at(places: Places) -> dict[str, Measure | None]:
    """The measures by name, as FaceMeasures tells them; None for those of which a place is missing."""
    left, up = places.frame.left, places.frame.up
    corner, lid, low = places.mouth_corner, places.upper_lid, places.lower_lid
    brow = places.inner_brow, places.outer_brow
    sides = dict(enumerate(("left", "right")))
    return {
        "lip_gap": _summed((places.upper_lip, up), (places.lower_lip, -up)),
        "mouth_width": _summed((corner[0], left), (corner[1], -left)),
        "corner_height": _summed((corner[0], up / 2), (corner[1], up / 2)),
        **{f"lid_gap_{name}": _summed((lid[side], up), (low[side], -up)) for side, name in sides.items()},
        **{f"brow_height_{name}": _summed(*((each[side], up / 2) for each in brow)) for side, name in sides.items()},
    }


def _summed(*terms: tuple[int | None, np.ndarray]) -> Measure | None:
    vertices = [vertex for vertex, _ in terms if vertex is not None]
    if len(vertices) < len(terms):
        return None
    return Measure(np.array(vertices), np.stack([gradient for _, gradient in terms]))


def measure(places: FacePlaces, frames: np.ndarray) -> FaceMeasures:
    """What frames (F, V, 3) in mm show, wherever the head has gone in them."""
    frames = np.asarray(frames)
    still = frames[:, places.still].astype(np.float64)
    head = robust_registration(places.neutral[places.still], still, places.trust)  # (F, 4, 4)
    measures = measures_at(places)
    found = {name: np.full(len(frames), np.nan) for name in measures}
    for name, each in measures.items():
        if each is not None:
            off = frames[:, each.vertices].astype(np.float64) - head[:, None, :3, 3]
            back = np.einsum("fji,fpj->fpi", head[:, :3, :3], off) - places.frame.nasion
            found[name] = np.einsum("fpx,px->f", back, each.gradient)
    return FaceMeasures(**found)


@dataclass(frozen=True)
class _Face:
    """The U vertices of the head: used (U,) their numbers, at (U, 3) left, up, front in mm of a typical adult, offsets
    (N+1, U, 3) of the neutral, which are 0, and of the shapes, edges (U, U) with their lengths, and in_front (U,) bool
    which are seen."""

    used: np.ndarray
    at: np.ndarray
    offsets: np.ndarray
    edges: sparse.csr_matrix
    in_front: np.ndarray

    def inside(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """(U,) bool which vertices lie in a box."""
        return np.all((self.at > low) & (self.at < high), axis=1)


@dataclass(frozen=True)
class _Gap:
    """Two vertices one above the other on the two sides of a slit, and how much that opens by how close they come."""

    upper: int
    lower: int
    strain: float


def _of_head(neutral: np.ndarray, triangles: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """The triangles (T, 3) of the head: all, or those near what the shapes move if a whole body stands on it."""
    moving = np.flatnonzero(moved > 0.1 * moved.max(initial=0.0)) if moved.max(initial=0.0) > 0 else np.empty(0, int)
    if not len(moving):
        return triangles
    low, high = neutral[moving].min(0), neutral[moving].max(0)
    margin = 0.6 * float((high - low).max())
    near = ((neutral > low - margin) & (neutral < high + margin)).all(1)[triangles].all(1)
    return triangles[near] if near.any() else triangles


def _in_front(at: np.ndarray, triangles: np.ndarray, edges: sparse.csr_matrix) -> np.ndarray:
    """(U,) bool which vertices are seen from in front or lie just behind such, as where closed lips touch."""
    outward = triangles if outward_sign(at[triangles]) > 0 else triangles[:, ::-1]
    seen = np.flatnonzero(openness(at, outward, 1.0, SEEN_FROM) > 0)
    near = dijkstra(edges, directed=False, indices=seen, limit=HIDDEN_MM, min_only=True)
    return np.isfinite(near) & (vertex_normals(at, outward)[:, 2] > LEAST_FACING)


def _mouth(
    face: _Face, rims: list[np.ndarray], stomion: np.ndarray | None
) -> tuple[tuple[int | None, int | None], tuple[int | None, int | None]]:
    """Upper and lower lip in the middle, and the mouth's corners left and right."""
    middle = np.array([0.0, *PROFILE["stomion"]]) if stomion is None else np.array([0.0, *stomion[1:]])
    half = np.array(MOUTH_HALF_MM)
    window = face.inside(middle - half, middle + half)
    pairs = _slit_pairs(face, np.flatnonzero(window), closed_at_rest=True)
    gap = None if pairs is None else pairs.best(np.abs(pairs.middle[:, 0]) < MIDDLE_MM)
    if pairs is not None and gap is not None:
        return (gap.upper, gap.lower), (_corner(face, pairs, gap, 1.0), _corner(face, pairs, gap, -1.0))
    rim = _rim_inside(rims, window)
    if rim is None:
        return (None, None), (None, None)
    gap = _gap_of_rim(face, rim, 0.0)
    corners = int(rim[face.at[rim, 0].argmax()]), int(rim[face.at[rim, 0].argmin()])
    return (gap.upper, gap.lower) if gap else (None, None), corners


def _corner(face: _Face, pairs: _Pairs, middle: _Gap, side: float) -> int | None:
    """The mouth's corner on one side: the lips' line is followed out there, and the rest of the way leads around it."""
    last = middle
    for out in np.arange(COLUMN_MM, MOUTH_HALF_MM[0], COLUMN_MM):
        step = pairs.middle - (face.at[last.upper] + face.at[last.lower]) / 2
        followed = (np.abs(pairs.middle[:, 0] - side * out) < COLUMN_MM) & (np.abs(step) < FOLLOWED_MM).all(1)
        last = pairs.best(followed & (pairs.strain > LEAST_FOLLOWED * middle.strain), close=1.0) or last
    way = _way(face, last.upper, last.lower)
    return None if way is None else int(way[(side * face.at[way, 0]).argmax()])


def _way(face: _Face, start: int, end: int) -> np.ndarray | None:
    """The vertices (W,) of the shortest way along the skin that faces the viewer, or along all of it; None without."""
    for among in (np.flatnonzero(face.in_front), np.arange(len(face.at))):
        first, last = np.searchsorted(among, (start, end))
        graph = face.edges[among][:, among]
        before = dijkstra(graph, directed=False, indices=first, limit=AROUND_LIMIT_MM, return_predecessors=True)[1]
        way = [int(last)]
        while before[way[-1]] >= 0:
            way.append(int(before[way[-1]]))
        if way[-1] == first:
            return among[way]
    return None


def _lids(face: _Face, rims: list[np.ndarray], side: float) -> tuple[int | None, int | None]:
    """The middles of upper and lower lid on one side."""
    low, high = np.array(EYE_LOW_MM), np.array(EYE_HIGH_MM)
    if side < 0:
        low[0], high[0] = -high[0], -low[0]
    window = face.inside(low, high)
    pairs = _slit_pairs(face, np.flatnonzero(window), closed_at_rest=False)
    gap = None if pairs is None else pairs.best()
    if gap is None and (rim := _rim_inside(rims, window)) is not None:
        gap = _gap_of_rim(face, rim, float(face.at[rim, 0].mean()))
    return (gap.upper, gap.lower) if gap else (None, None)


def _brows(face: _Face, lids: tuple[int | None, int | None], side: float) -> tuple[int | None, int | None]:
    """The inner and the outer brow above an eye: where the skin of the brow rises most, or in its middle."""
    if lids[0] is None or lids[1] is None:
        return None, None
    eye = (face.at[lids[0]] + face.at[lids[1]]) / 2
    found: list[int | None] = []
    for inner, outer in (BROW_INNER_MM, BROW_OUTER_MM):
        across = side * (face.at[:, 0] - eye[0])
        above = face.at[:, 1] - eye[1]
        in_front = face.at[:, 2] > eye[2] - 15.0
        window = (across > inner) & (across < outer) & (above > BROW_ABOVE_LIDS_MM[0]) & in_front
        among = np.flatnonzero(window & (above < BROW_ABOVE_LIDS_MM[1]))
        if not len(among):
            found.append(None)
            continue
        rise = face.offsets[:, among, 1].max(0)
        middle = np.array([(inner + outer) / 2, np.mean(BROW_ABOVE_LIDS_MM)])
        off = np.linalg.norm(np.stack([across[among], above[among]], axis=1) - middle, axis=1)
        # As good as the largest is all that rises nearly as far: of it the middle.
        found.append(int(among[np.where(rise >= 0.8 * rise.max(), off, np.inf).argmin()]))
    return found[0], found[1]


@dataclass(frozen=True)
class _Pairs:
    """P pairs of vertices on two sides of a slit, upper and lower (P,). middle: (P, 3) between them. range: (P,) by how
    much their distance along the head's height changes over the shapes. strain: (P,) this by how close they come."""

    upper: np.ndarray
    lower: np.ndarray
    middle: np.ndarray
    range: np.ndarray
    strain: np.ndarray

    def best(self, among: np.ndarray | None = None, close: float = CLOSE_TO_BEST) -> _Gap | None:
        """Of pairs (P,) bool the one that parts most and lies in front of those whose strain is close to the largest,
        which the margins have; or None."""
        strain = self.strain if among is None else np.where(among, self.strain, 0.0)
        if not len(strain) or strain.max() < LEAST_STRAIN:
            return None
        score = self.range + IN_FRONT * self.middle[:, 2]
        best = np.where(strain >= max(LEAST_STRAIN, close * strain.max()), score, -np.inf).argmax()
        return _Gap(int(self.upper[best]), int(self.lower[best]), float(self.strain[best]))


def _slit_pairs(face: _Face, among: np.ndarray, closed_at_rest: bool) -> _Pairs | None:
    """Pairs of vertices (A,) one above the other between which the shapes open a slit.

    Skin between two places stretches by less than their distance, and folds leave the way along it short.
    closed_at_rest: how close they come is how close they are in the neutral, as lips are that other shapes roll in;
    else in any shape, as lids are.
    """
    if len(among) < 2 or len(face.offsets) < 2:
        return None
    graph = face.edges[among][:, among]
    chosen = np.flatnonzero(face.in_front[among])
    chosen = chosen[:: -(-len(chosen) // MOST_CANDIDATES) or 1]
    at = face.at[among[chosen]]
    beside = np.abs(at[:, None, 0] - at[None, :, 0]) < MIDDLE_MM
    upper, lower = np.nonzero(beside & (at[:, None, 1] > at[None, :, 1] - 1.0))
    apart = at[upper] - at[lower]  # (P, 3)
    ways = dijkstra(graph, directed=False, indices=chosen, limit=AROUND_LIMIT_MM)[:, chosen].clip(max=AROUND_LIMIT_MM)
    distance = np.linalg.norm(apart, axis=1)
    slit = ways[upper, lower] > AROUND * distance + AROUND_MM
    # A jaw carries the lower lip farther down, a blink the upper lid.
    down = face.offsets[:, among[chosen], 1].min(0)
    slit &= (down[lower] <= down[upper]) if closed_at_rest else (down[upper] <= down[lower])
    upper, lower, apart, nearest = upper[slit], lower[slit], apart[slit], distance[slit]
    lowest, highest = apart[:, 1].copy(), apart[:, 1].copy()
    for offset in face.offsets[1:, among[chosen]]:
        now = apart + offset[upper] - offset[lower]
        if not closed_at_rest:
            nearest = np.minimum(nearest, np.linalg.norm(now, axis=1))
        lowest, highest = np.minimum(lowest, now[:, 1]), np.maximum(highest, now[:, 1])
    parted = highest - lowest
    return _Pairs(
        upper=among[chosen[upper]],
        lower=among[chosen[lower]],
        middle=(at[upper] + at[lower]) / 2,
        range=parted,
        strain=np.where(parted >= LEAST_RANGE_MM, parted / (nearest + CONTACT_MM), 0.0),
    )


def _rim_inside(rims: list[np.ndarray], window: np.ndarray) -> np.ndarray | None:
    """The longest of some loops that lies in a window (U,) bool, or None."""
    return next((rim for rim in rims if window[rim].all()), None)


def _gap_of_rim(face: _Face, rim: np.ndarray, across: float) -> _Gap | None:
    """The highest and lowest vertex of a rim near a place across the face."""
    column = rim[np.argsort(np.abs(face.at[rim, 0] - across))[: max(4, len(rim) // 6)]]
    upper, lower = int(column[face.at[column, 1].argmax()]), int(column[face.at[column, 1].argmin()])
    return None if upper == lower else _Gap(upper, lower, 0.0)


def _still(face: _Face) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (S,) of the head that shapes move least, and how much each tells of the head (S,)."""
    inside = np.flatnonzero(face.inside(np.array(HEAD_LOW_MM), np.array(HEAD_HIGH_MM)))
    if len(inside) < LEAST_STILL:
        raise InputError("the mesh has too few vertices around the face to tell how its head stands; a face is needed")
    moved = np.linalg.norm(face.offsets[:, inside], axis=-1).max(0)
    order = inside[np.argsort(moved, kind="stable")][: max(LEAST_STILL, len(inside) // 3)]
    order = order[:: -(-len(order) // STILL_POINTS)]
    return order, 1.0 / (np.linalg.norm(face.offsets[:, order], axis=-1).max(0) ** 2 + QUIET_MM**2)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Laying one face's surface onto another's: first in one piece, then smoothly deformed, coarse to fine."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import robust_laplacian
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from ..geometry.openings import margins
from ..geometry.surfaces import Surface, boundary_loops, slit_sides
from ..shared.faces.similarity import similarity
from ..shared.foundation.normals import vertex_normals

Report = Callable[[dict], None]

HEAD = 130.0  # mm; the mean_radius of a head. Lengths below are for such a head
FACE_UNIT = 0.76  # of such a mm in a mm of the typical adult whose face face_profile knows
SMOOTH_MM = (80.0, 50.0, 35.0, 25.0, 18.0, 12.0, 8.0, 6.0, 4.0)  # how far a displacement reaches, pass after pass
TURNS = 3  # closest points looked for in each pass
FAR_MM = (40.0, 6.0)  # closest points further than this do not pull, in the first and last pass
FACING = 0.5  # cosine of the normals below which closest points do not pull
# A place that another point of the source is much nearer to is that point's: what only the source has, such as a bag
# behind its lips, must not be drawn to the nearest skin.
CLAIM_RATIO, CLAIM_MM = 2.0, 3.0
REACH_MM = 5.0  # see Surface
RIM_PULL = 3.0  # of the rims of slits, in units of a typical vertex's
MARGINS_MM = 25.0  # the pass from whose reach on margins, known to some mm only, pull no longer: the lips lie better
LANDMARK_PULL = 10.0
ONE_PLACE, ONE_SIZE = 0.5, 2.0  # how far off in its width, and how much wider, one opening may be on two faces
FIRST_PLACE = 1.0  # how far off before the openings have told how the faces lie: as far as suggested landmarks err
OPENING_WEIGHT = 3.0  # of the middle of an opening among landmarks that were suggested
EXPECTED_MM = 20.0  # of an opening's expected place, within which another is that one
LARGEST_SLIT = 0.25  # of the head's diagonal; a wider rim is where a mesh ends
WIDE_MM = 100.0  # or of a mask, which is small beside its mouth
LEAST_PAIRS = 3  # of landmarks that tell how a face lies
ALIGN_SAMPLE, ALIGN_TRIM, ALIGN_TURNS = 1500, 0.7, 40
COINCIDENT = 1e-9  # of the head's size


@dataclass(frozen=True)
class Laid:
    """The source laid onto the target: vertices (Vs, 3) where the source's vertices come to lie; source_sides (Vs,) and
    target_sides (Vt,) on which side of a slit vertices lie, see slit_sides. unit: a mm of a common head."""

    vertices: np.ndarray
    source_sides: np.ndarray
    target_sides: np.ndarray
    unit: float


def lay(
    source_mesh: tuple[np.ndarray, np.ndarray],
    target_mesh: tuple[np.ndarray, np.ndarray],
    pairs: np.ndarray,
    opposite: np.ndarray,
    held: bool,
    unit: float,
    report: Report,
    expected: np.ndarray | None = None,
) -> Laid:
    """Lay the source's vertices onto the target. The meshes: vertices (Vs, 3), (Vt, 3) and triangles facing outwards.

    pairs: (P, 2) a source and a target vertex that belong together; fewer than 3 and the whole surfaces are aligned.
    opposite: (S, 2) rows of pairs that lie above and below a slit; for slits that are not open rims in both, such as a
    mouth with its bag. held: whether the pairs also hold when the source is deformed. unit: a mm of a common head on
    the target. expected: (E, 3) about where the target's mouth and eyes are, if that is known.
    """
    expected = np.zeros((0, 3)) if expected is None else expected
    (source, source_triangles), (target, target_triangles) = source_mesh, target_mesh
    aligned = align(source, target, pairs)
    openings = _Openings(aligned, source_triangles, unit, target), _Openings(target, target_triangles, unit, target)
    if not held and len(pairs) >= LEAST_PAIRS:
        aligned = _aligned_by_openings(aligned, target, pairs, openings, expected)
    met = _matching_openings(aligned, target, openings, ONE_PLACE, expected)
    source_slits, target_slits, rims = _slits(aligned, target, met)
    source_sides = slit_sides(aligned, source_triangles, source_slits)
    target_sides = slit_sides(target, target_triangles, target_slits)
    for above, below in pairs[opposite]:
        known = (sides[each[k]] for k, sides in enumerate((source_sides, target_sides)) for each in (above, below))
        if not all(known):
            source_slits.append((above[:1], below[:1]))
            target_slits.append((above[1:], below[1:]))
            source_sides = slit_sides(aligned, source_triangles, source_slits)
            target_sides = slit_sides(target, target_triangles, target_slits)
    surface = Surface(target, target_triangles, target_sides, REACH_MM * unit)
    outer = _outer_rim(target_triangles, target_slits, len(target))
    laplacian, mass = robust_laplacian.mesh_laplacian(aligned, source_triangles)
    area = mass.diagonal()
    typical = float(area.mean())
    area = np.where(area > 0, area, 1e-3 * typical)
    bending = (laplacian @ sparse.diags(1 / area) @ laplacian).tocsc()

    displaced = np.zeros_like(aligned)
    total = len(SMOOTH_MM) * TURNS
    for step, (smooth, _) in enumerate(itertools.product(SMOOTH_MM, range(TURNS))):
        report({"message": "Laying the source onto the target", "done": step, "total": total})
        now = aligned + displaced
        normals = vertex_normals(now, source_triangles)
        found = surface.closest(now, normals, source_sides)
        progress = step / (total - 1)
        far = unit * FAR_MM[0] ** (1 - progress) * FAR_MM[1] ** progress
        corners = surface.triangles[found.triangle]
        on_rim = ((found.barycentric > 1e-6) <= outer[corners]).all(1)
        places = surface.at(found)
        nearest = _nearest(now, normals, places, surface.normals_at(found), surface.reach)
        claimed = found.distance > CLAIM_RATIO * nearest + CLAIM_MM * unit
        pull = area * ((found.cosine > FACING) & (found.distance < far) & ~on_rim & ~claimed)
        wanted = places - aligned
        for rim, rim_places, exact in rims:
            if not exact and smooth < MARGINS_MM:
                continue
            pull[rim] = np.maximum(pull[rim], RIM_PULL * typical)
            wanted[rim] = rim_places - aligned[rim]
        if held:
            pull[pairs[:, 0]] = LANDMARK_PULL * typical
            wanted[pairs[:, 0]] = target[pairs[:, 1]] - aligned[pairs[:, 0]]
        system = (sparse.diags(pull) + (smooth * unit) ** 4 * bending + 1e-6 * sparse.diags(area)).tocsc()
        factor = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        displaced = factor.solve(pull[:, None] * wanted)
    return Laid(aligned + displaced, source_sides, target_sides, unit)


def _nearest(
    points: np.ndarray, normals: np.ndarray, places: np.ndarray, facing: np.ndarray, reach: float
) -> np.ndarray:
    """(P,) how near the nearest of points (V, 3) is to each of places (P, 3), where it faces much the same way."""
    tree = cKDTree(np.concatenate([points, reach * normals], axis=1))
    return tree.query(np.concatenate([places, reach * facing], axis=1))[0]


# -- in one piece -----------------------------------------------------------------------------------------------------


def align(source: np.ndarray, target: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The source (Vs, 3) turned, moved and scaled onto the target (Vt, 3).

    By pairs (P, 2) of vertices if there are 3 or more; else by trying how it lies, and then by closest points.
    """
    if len(pairs) >= LEAST_PAIRS:
        one, other = source[pairs[:, 0]], target[pairs[:, 1]]
        return _apply(similarity(one, other), source)
    pick = [np.linspace(0, len(points) - 1, min(len(points), ALIGN_SAMPLE)).astype(int) for points in (source, target)]
    sample, other = source[pick[0]], target[pick[1]]
    tree = cKDTree(target)
    best_error, best = np.inf, (1.0, np.eye(3), np.zeros(3))
    scale = mean_radius(target) / mean_radius(source)
    for turn in _quarter_turns():
        start = (scale, turn, other.mean(0) - scale * turn @ sample.mean(0))
        found, error = _closest_similarity(sample, target, tree, start, 6)
        back = cKDTree(_apply(found, source)).query(other)[0]
        error = max(error, float(np.quantile(back, ALIGN_TRIM)))
        if error < 0.95 * best_error:  # the first is no turn at all
            best_error, best = error, found
    best, _ = _closest_similarity(source[pick[0]], target, tree, best, ALIGN_TURNS)
    return _apply(best, source)


def _closest_similarity(
    sample: np.ndarray, target: np.ndarray, tree: cKDTree, start: tuple[float, np.ndarray, np.ndarray], turns: int
) -> tuple[tuple[float, np.ndarray, np.ndarray], float]:
    """Refine a similarity by closest points, of which the nearest ALIGN_TRIM count; and how far these are."""
    found = start
    for _ in range(turns):
        distance, nearest = tree.query(_apply(found, sample))
        close = distance <= np.quantile(distance, ALIGN_TRIM)
        if distance[close].max() <= COINCIDENT * mean_radius(target):
            break
        found = similarity(sample[close], target[nearest[close]])
    distance = tree.query(_apply(found, sample))[0]
    return found, float(np.quantile(distance, ALIGN_TRIM))


def _apply(similarity: tuple[float, np.ndarray, np.ndarray], points: np.ndarray) -> np.ndarray:
    scale, rotation, shift = similarity
    return scale * points @ rotation.T + shift


def _quarter_turns() -> list[np.ndarray]:
    """The 24 rotations that carry axes onto axes, no turn first."""
    turns = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = np.diag(signs)[list(order)]
            if np.linalg.det(matrix) > 0:
                turns.append(matrix)
    return sorted(turns, key=lambda matrix: -np.trace(matrix))


def mean_radius(points: np.ndarray) -> float:
    """The root mean square distance of points (P, 3) from their middle."""
    return float(np.sqrt(((points - points.mean(0)) ** 2).sum(1).mean()))


# -- slits ------------------------------------------------------------------------------------------------------------

Slit = tuple[np.ndarray, np.ndarray]  # the vertices along its two sides
Rim = tuple[np.ndarray, np.ndarray, bool]  # source vertices (R,), where they belong (R, 3), and whether exactly


class _Openings:
    """The small openings of a surface, points (V, 3) with triangles (T, 3), as loops of vertices. unit: a mm of a
    common head. target: (W, 3) whose size tells what is small."""

    def __init__(self, points: np.ndarray, triangles: np.ndarray, unit: float, target: np.ndarray) -> None:
        self.points, self.triangles, self.unit = points, triangles, unit
        self.largest = max(LARGEST_SLIT * np.linalg.norm(np.ptp(target, axis=0)), WIDE_MM * unit)
        self.rims = self._small(boundary_loops(triangles))

    @cached_property
    def inward(self) -> list[np.ndarray]:
        """Where the surface turns inwards; finding this takes seconds."""
        return self._small(margins(self.points, self.triangles, self.unit))

    def _small(self, loops: list[np.ndarray]) -> list[np.ndarray]:
        return [loop for loop in loops if np.ptp(self.points[loop], axis=0).max() < self.largest]


def _aligned_by_openings(
    source: np.ndarray,
    target: np.ndarray,
    pairs: np.ndarray,
    openings: tuple[_Openings, _Openings],
    expected: np.ndarray,
) -> np.ndarray:
    """The source (Vs, 3) aligned anew, by its landmarks, pairs (P, 2), and by the middles of openings that both have.

    Suggested landmarks lie along the profile, and where on it a brow ends and a nose begins, faces differ most.
    """
    met = _matching_openings(source, target, openings, FIRST_PLACE, expected)
    if not met:
        return source
    middles = [np.stack([points[pair[k]].mean(0) for pair in met]) for k, points in enumerate((source, target))]
    one, other = (np.concatenate([points[pairs[:, k]], middles[k]]) for k, points in enumerate((source, target)))
    weight = np.repeat([1.0, OPENING_WEIGHT], [len(pairs), len(met)])
    return _apply(similarity(one, other, weight), source)


def _matching_openings(
    source: np.ndarray,
    target: np.ndarray,
    openings: tuple[_Openings, _Openings],
    place: float,
    expected: np.ndarray,
) -> list[tuple[np.ndarray, np.ndarray, bool]]:
    """The openings that both surfaces have where they lie on each other, mouth and eyes, where they are open, and
    whether exactly. place: how far off in its width one may be.

    Where one has a rim and the other turns inwards, into a bag, both are matched where they turn inwards; or, where the
    one does not turn inwards before it ends, its rim with where the other does. Where neither has a rim, as heads with
    bags behind their lids and masks with a wall, what turns inwards counts where it is expected (E, 3).
    """
    rims = [each.rims for each in openings]
    pairs = [(*pair, True) for pair in _matching_loops(source, rims[0], target, rims[1], place)]
    alone = [  # middles of rims without a partner
        points[loop].mean(0)
        for k, points in enumerate((source, target))
        for loop in rims[k]
        if not any(pair[k] is loop for pair in pairs)
    ]
    known = np.concatenate([np.reshape(alone, (-1, 3)), *(target[pair[1]].mean(0)[None] for pair in pairs)])
    reach = EXPECTED_MM * openings[1].unit
    alone += [middle for middle in expected if np.linalg.norm(known - middle, axis=1).min(initial=np.inf) > reach]
    if alone:
        inward = [each.inward for each in openings]
        meeting = [(inward[0], inward[1]), (rims[0], inward[1]), (inward[0], rims[1])]
        for loop, other in itertools.chain(*(_matching_loops(source, one, target, two, place) for one, two in meeting)):
            width = np.linalg.norm(np.ptp(target[other], axis=0))
            far = [middle for middle in alone if np.linalg.norm(target[other].mean(0) - middle) > 0.5 * width]
            if len(far) < len(alone):
                pairs.append((loop, other, False))
                alone = far
    return pairs


def _slits(
    source: np.ndarray, target: np.ndarray, pairs: list[tuple[np.ndarray, np.ndarray, bool]]
) -> tuple[list[Slit], list[Slit], list[Rim]]:
    """The sides of openings that belong together, on either surface, and where the source's rims belong."""
    slits: tuple[list[Slit], list[Slit]] = ([], [])
    laid: list[Rim] = []
    for loop, other, exact in pairs:
        along = np.linalg.svd(target[other] - target[other].mean(0), full_matrices=False)[2][0]
        mine, theirs = two_sides(source, loop, along), two_sides(target, other, along)
        for own, wanted in zip(mine, theirs, strict=True):
            share, other_share = shares(source[own]), shares(target[wanted])
            places = np.stack([np.interp(share, other_share, target[wanted, axis]) for axis in range(3)], axis=1)
            laid.append((own, places, exact))
        for found_slits, sides in zip(slits, (mine, theirs), strict=True):
            found_slits.append((sides[0][1:-1], sides[1][1:-1]))  # the corners belong to both
    return *slits, laid


def _matching_loops(
    source: np.ndarray, loops: list[np.ndarray], target: np.ndarray, others: list[np.ndarray], place: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The loops of either surface that lie on each other and are about as wide."""
    if not loops or not others:
        return []
    sides = ((source, loops), (target, others))
    middles = [np.stack([points[loop].mean(0) for loop in each]) for points, each in sides]
    widths = [np.array([np.linalg.norm(np.ptp(points[loop], axis=0)) for loop in each]) for points, each in sides]
    distance = np.linalg.norm(middles[0][:, None] - middles[1][None], axis=2)
    narrow, wide = np.minimum(widths[0][:, None], widths[1]), np.maximum(widths[0][:, None], widths[1])
    # A nearer one of another size, as a nostril's beside an eye, is not in the way.
    distance[(distance > place * narrow) | (wide >= ONE_SIZE * narrow)] = np.inf
    pairs = []
    for i, loop in enumerate(loops):
        j = int(distance[i].argmin())
        if np.isfinite(distance[i, j]) and distance[:, j].argmin() == i:
            pairs.append((loop, others[j]))
    return sorted(pairs, key=lambda pair: np.linalg.norm(source[pair[0]].mean(0) - target[pair[1]].mean(0)))


def two_sides(points: np.ndarray, loop: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A loop cut at its two ends along a direction, both parts from end to end: there, and back."""
    place = points[loop] @ along
    loop = np.roll(loop, -int(place.argmin()))
    end = int((points[loop] @ along).argmax())
    return loop[: end + 1], np.append(loop[end:], loop[0])


def shares(points: np.ndarray) -> np.ndarray:
    """(P,) how far along a line of points (P, 3) each lies, from 0 to 1."""
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    return way / max(way[-1], 1e-12)


def _outer_rim(triangles: np.ndarray, slits: list[Slit], count: int) -> np.ndarray:
    """(V,) bool: where the mesh ends, at the neck or behind the ears, but not along a slit that both have."""
    rim = np.zeros(count, bool)
    for loop in boundary_loops(triangles):
        rim[loop] = True
    for sides in slits:
        rim[np.concatenate(sides)] = False
    return rim

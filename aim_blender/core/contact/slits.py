# SPDX-License-Identifier: GPL-3.0-or-later
"""The two sides of the mouth and of each eye on any mesh, found once: what may touch there and how it is ordered.

A side ends in its margin, which is what lies next to the other side in the neutral. What may touch is a strip of skin
on both sides of the margin: outside, and inside as far as the mesh has one, a rolled rim or a bag.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from ..checks.face_spots import places_of
from ..geometry.surfaces import edge_graph, samples
from ..model.actor import Actor
from ..points.points import Binding
from ..shared.faces.face_profile import HeadFrame, outward_sign
from ..shared.foundation.smoothstep import smoothstep

COLUMNS = {"lips": 11, "left lids": 7, "right lids": 7}
HALF_WIDTH_MM = {"lips": 40.0, "left lids": 24.0, "right lids": 24.0}  # that no half of a mouth or eye exceeds
MEETING_MM = {"lips": 2.0, "left lids": 3.5, "right lids": 3.5}  # sides come as close in some shape all along a slit
STRIP_MM = {"lips": 6.0, "left lids": 3.0, "right lids": 3.0}  # from the margin, of what touches the other side
BEYOND_MM = 6.0  # more than that, of what is touched
DEEPEST_MM = {"lips": 5.0, "left lids": 2.0, "right lids": 2.0}  # in the other side; deeper lies behind it
MARGIN_MM = 0.6  # farther from the other side than its column's closest
IN_FRONT = 0.4  # mm of distance that a mm farther in front is worth: bags come closer to each other than margins
BEHIND_MM = {"lips": 6.0, "left lids": 2.5, "right lids": 2.5}  # a margin what may touch is by no more
BEHIND_END = 1.5  # columns from the last one's middle, where what moves a slit ends
FADING = 1.2  # columns over which it fades there
SKIN_SHARE = {"lips": 0.15, "left lids": 0.2, "right lids": 0.2}  # of a slit's width the skin goes along with margins
WIDER = (1.0, 1.5, 2.0, 3.0)  # times that: lids that no shape closes, and coarse ones, whose vertices stay apart
LEAST_WIDTH = 0.6  # of what no half of a slit exceeds, which lies so close together
COARSE = 0.5  # of how close sides come: where edges are longer, what lies between the vertices counts too
STEEP = 1.0  # by which a margin comes closer to the other side, along the slit: eyes open so from their corners
BESIDE = 1.5  # typical edges: so far along the slit a margin has others beside it
BOTH = 1.5  # times the share by which one margin is nearer, by which a place is of its side
FEWEST = 2  # vertices of a side that come close to the other
AROUND_MM = 5.0  # by which the way to the middle of the other side is longer: nearer to a slit's end sides are one


@dataclass(frozen=True)
class Side:
    """One side of a slit. points: (P,) vertices that may touch the other side. column: (P,) where they lie from one end
    of the slit, in columns. margin: (M,) vertices. triangles: (T, 3) of its strip. around: (W,) how much the skin goes
    along with the margin, from 1 to 0. moves: mm by which the shapes move the margin up or down most."""

    points: np.ndarray
    column: np.ndarray
    margin: np.ndarray
    triangles: np.ndarray
    around: np.ndarray
    moves: float


@dataclass(frozen=True)
class Slit:
    """A mouth or an eye on the working mesh, of W vertices. upper, lower: its sides. axes: (3, 3) unit vectors left, up
    and front. across: (W,) how far along the slit a vertex lies, in columns: -0.5 and columns - 0.5 at its ends. unit:
    a mm of a common head. neutral: (W, 3). near: (W,) mm along the surface to the closest margin. upwards: (W,) from
    1 on the upper side to 0 on the lower. skin: mm from a margin that go along with it."""

    name: str
    upper: Side
    lower: Side
    axes: np.ndarray
    across: np.ndarray
    columns: int
    unit: float
    neutral: np.ndarray
    near: np.ndarray
    upwards: np.ndarray
    skin: float

    def splines(self, count: int, fading: bool = True) -> np.ndarray:
        """(W, count) smooth functions along the slit, one beside the other: B-splines, together 1 in the slit, which
        fade behind its ends, or do not."""
        inside = np.ones(len(self.across))
        if fading:
            beside = np.minimum(self.across + BEHIND_END, self.columns - 1 + BEHIND_END - self.across)
            inside = smoothstep(beside / FADING)
        at = ((self.across + 0.5) * count / self.columns - 0.5).clip(-0.5, count - 0.5)
        off = np.abs(at[:, None] - np.arange(count))
        spline = np.where(off < 0.5, 0.75 - off**2, 0.5 * np.clip(1.5 - off, 0.0, None) ** 2)
        return inside[:, None] * spline / spline.sum(1, keepdims=True)


def find_slits(actor: Actor) -> list[Slit]:
    """The slits of an actor's face that are found, on its working mesh: none where no face is, or its lips are
    sealed."""
    places = places_of(actor)
    if places is None:
        return []
    pairs = {
        "lips": (places.upper_lip, places.lower_lip),
        "left lids": (places.upper_lid[0], places.lower_lid[0]),
        "right lids": (places.upper_lid[1], places.lower_lid[1]),
    }
    work = actor.working
    triangles = work.topology.triangles().astype(np.int64)
    shapes = actor.shapes()[:, work.chosen]
    if outward_sign(shapes[0, triangles]) < 0:
        triangles = triangles[:, ::-1]
    graph = edge_graph(shapes[0], triangles)
    found = []
    for name, pair in pairs.items():
        upper, lower = (-1 if each is None else int(work.follows[each]) for each in pair)
        if min(upper, lower) >= 0:
            found.append(_slit(name, upper, lower, places.frame, shapes, triangles, graph))
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
    unit = frame.scale
    reach = HALF_WIDTH_MM[name] * unit
    ways = dijkstra(graph, directed=False, indices=[upper, lower], limit=1.3 * reach)  # (2, W)
    ways = ways.clip(max=1.3 * reach)
    near = (ways.min(0) < reach) & (np.abs(ways[0] - ways[1]) > AROUND_MM * unit)
    members = [near & (ways[0] < ways[1]), near & (ways[0] >= ways[1])]
    grain = _grain(shapes[0], triangles, members)
    places = [_places(shapes[0], triangles, each, grain, MEETING_MM[name] * unit) for each in members]
    x = shapes[0] @ axes[0]
    for wider in WIDER:
        meeting = _meeting(shapes, members, places, wider * MEETING_MM[name] * unit)
        if meeting is not None and np.ptp(x[meeting]) > LEAST_WIDTH * reach:
            break
    if meeting is None:
        return None
    low, high = x[meeting].min(), x[meeting].max()
    columns = COLUMNS[name]
    across = (x - low) / (high - low) * columns - 0.5
    margins = _margins(shapes[0], axes, members, places, across, columns, MARGIN_MM * unit, BESIDE * grain)
    if min(len(each) for each in margins) == 0:
        return None
    skin = SKIN_SHARE[name] * (high - low)
    touched = max((STRIP_MM[name] + BEYOND_MM) * unit, BESIDE * grain)
    far = max(4 * skin, touched)
    away = np.stack([dijkstra(graph, directed=False, indices=each, limit=far, min_only=True) for each in margins])
    away = away.clip(max=far)
    sides = []
    for own, other in ((0, 1), (1, 0)):
        clear = ((away[other] - away[own]) / (away[other] + away[own]).clip(min=1e-9)).clip(0.0, 1.0)
        around = (0.5 + 0.5 * np.cos(np.pi * (away[own] / skin).clip(0.0, 1.0))) * clear
        inside = members[own] & (across > -0.5) & (across < columns - 0.5)
        inside &= shapes[0] @ axes[2] >= _front_of(margins[own], shapes[0] @ axes[2], across) - BEHIND_MM[name] * unit
        points = np.flatnonzero(inside & (away[own] <= STRIP_MM[name] * unit))
        strip = members[own] & (away[own] <= touched)
        margin = margins[own]
        moves = np.abs((shapes[1:, margin] - shapes[0, margin]) @ axes[1]).max(initial=0.0)
        sides.append(Side(points, across[points], margin, triangles[strip[triangles].all(1)], around, float(moves)))
    if min(len(side.triangles) for side in sides) == 0:
        return None
    upwards = (0.5 + BOTH * (away[1] - away[0]) / away.sum(0).clip(min=1e-9)).clip(0.0, 1.0)
    upper_side, lower_side = sides
    near = away.min(0)
    return Slit(name, upper_side, lower_side, axes, across, columns, unit, shapes[0], near, upwards, skin)


def _grain(neutral: np.ndarray, triangles: np.ndarray, members: list[np.ndarray]) -> float:
    """How long an edge about a slit typically is, in mm."""
    about = neutral[triangles[(members[0] | members[1])[triangles].all(1)]]
    return float(np.median(np.linalg.norm(about - np.roll(about, 1, axis=1), axis=-1))) if len(about) else 0.0


def _places(neutral: np.ndarray, triangles: np.ndarray, member: np.ndarray, grain: float, reach: float) -> Binding:
    """Places all over one side. Where edges are short beside a reach in mm, the vertices."""
    own = triangles[member[triangles].all(1)]
    if grain <= COARSE * reach or not len(own):
        return Binding.at(np.flatnonzero(member))
    of_sample, shares = samples(neutral, own, COARSE * reach)
    return Binding(own[of_sample], shares)


def _meeting(shapes: np.ndarray, members: list[np.ndarray], places: list[Binding], reach: float) -> np.ndarray | None:
    """The vertices that come close to the other side in a shape; None where there are too few."""
    own = [np.flatnonzero(each) for each in members]
    close = [np.zeros(len(each), bool) for each in own]
    if min(len(each) for each in own) < FEWEST:
        return None
    for shape in shapes:
        for this, other in ((0, 1), (1, 0)):
            tree = cKDTree(places[other].of(shape))
            close[this] |= np.isfinite(tree.query(shape[own[this]], distance_upper_bound=reach)[0])
    found = [each[chosen] for each, chosen in zip(own, close, strict=True)]
    return None if min(len(each) for each in found) < FEWEST else np.concatenate(found)


def _margins(
    neutral: np.ndarray,
    axes: np.ndarray,
    members: list[np.ndarray],
    places: list[Binding],
    across: np.ndarray,
    columns: int,
    wide: float,
    beside: float,
) -> list[np.ndarray]:
    """The vertices of both sides that are next to the other side and in front: closest in their column, and no farther
    than the slit is steep from those that lie within so many mm beside them."""
    inside = (across > -0.5) & (across < columns - 0.5)
    own = [np.flatnonzero(each & inside) for each in members]
    if min(len(each) for each in own) == 0:
        return own
    found = []
    for this, other in ((0, 1), (1, 0)):
        distance = cKDTree(places[other].of(neutral)).query(neutral[own[this]])[0]
        distance -= IN_FRONT * (neutral[own[this]] @ axes[2])
        column = across[own[this]].round().astype(int).clip(0, columns - 1)
        least = np.full(columns, np.inf)
        np.minimum.at(least, column, distance)
        some = np.flatnonzero(distance <= least[column] + wide)
        x = neutral[own[this][some]] @ axes[0]
        along = np.abs(x[:, None] - x)
        closer = distance[some] + STEEP * along + wide < distance[some][:, None]
        found.append(own[this][some[~(closer & (along < beside)).any(1)]])
    return found


def _front_of(margin: np.ndarray, front: np.ndarray, across: np.ndarray) -> np.ndarray:
    """(W,) how far in front a margin (M,) lies beside each vertex."""
    order = margin[np.argsort(across[margin])]
    return np.interp(across, across[order], front[order])

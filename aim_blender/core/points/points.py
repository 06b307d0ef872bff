# SPDX-License-Identifier: GPL-3.0-or-later
"""Sparse points of a performance: markers, or handles that an artist drags, and where on the skin they belong."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from ..geometry.surfaces import samples, unit_vectors
from ..model.actor import Actor
from ..model.head import robust_registration, without_head
from ..shared.captured.frame_numbers import sampling_of
from ..shared.captured.performances import DEFAULT_FPS, check_given_fps, checked_fps
from ..shared.captured.point_tables import LARGEST, read_point_table
from ..shared.faces.similarity import NAMES, millimetres_of
from ..shared.foundation.errors import UNREADABLE, InputError, reason
from ..shared.foundation.remembering import remembered
from ..shared.foundation.topology import Topology
from ..shared.sources.recognising import holds_c3d, holds_json
from .c3d_points import read_c3d
from .laying import laid_on

MOSTLY_SEEN = 0.9  # of the points of the fullest frame, where a frame may be that of rest
ASKED_FRAMES = 60
SAMPLED_MM = 1.0
# As one piece: points that lie this near to the skin are in place; so many tell where they belong; others lie so near.
IN_PLACE_MM, LEAST_LAID, LAID_MM = 1.0, 20, 2.5
BESIDE_MM = 2.5  # from where they are bound, on the mean of the nearest frame: the head moves, or is elsewhere
NEAR_MM = 5.0  # a marker further than this from the neutral's skin, on the median, is not meant to lie on it


@dataclass(frozen=True)
class Binding:
    """Where P points lie on the skin: corners (P, 3) int vertices and shares (P, 3) that add up to 1."""

    corners: np.ndarray
    shares: np.ndarray

    def of(self, values: np.ndarray) -> np.ndarray:
        """Values (..., V, C) of the vertices at the points: (..., P, C)."""
        return (values[..., self.corners, :] * self.shares[..., None]).sum(-2)

    def of_fields(self, values: np.ndarray) -> np.ndarray:
        """Values (V, N, 3) of the vertices at the points: (P, N, 3)."""
        return self.of(values.reshape(len(values), -1)).reshape(len(self.corners), *values.shape[1:])

    def only(self, chosen: np.ndarray) -> Binding:
        """Of some of the points."""
        return Binding(self.corners[chosen], self.shares[chosen])

    @staticmethod
    def at(vertices: np.ndarray) -> Binding:
        """Points at vertices (P,)."""
        return Binding(np.asarray(vertices)[:, None], np.ones((len(vertices), 1)))


class SkinAtRest:
    """A neutral's skin, to find places on. sampled: points all over it, SAMPLED_MM apart; tree: of these."""

    def __init__(self, neutral: np.ndarray, topology: Topology) -> None:
        import trimesh  # only here, as in anatomy

        triangles = topology.triangles()
        of_triangle, shares = samples(neutral, triangles, SAMPLED_MM)
        self.sampled = Binding(triangles[of_triangle], shares)
        self.tree = cKDTree(self.sampled.of(neutral))
        self._triangles, self._mesh = triangles, trimesh.Trimesh(neutral, triangles, process=False)

    @cached_property
    def _normals(self) -> np.ndarray:
        """(S, 3) unit normals at its samples; only points that do not lie on it need them."""
        corners = self._mesh.vertices[self.sampled.corners]
        return unit_vectors(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))

    def distance(self, places: np.ndarray) -> float:
        """How many mm places (P, 3) lie from its samples; three quarters of them are nearer."""
        return float(np.quantile(self.tree.query(places)[0], 0.75))

    def laid(self, places: np.ndarray) -> np.ndarray:
        """Places (P, 3) laid onto it as one piece, as they are where they lie on it, or too few or too far to tell."""
        off = self.distance(places)
        if len(places) < LEAST_LAID or off <= IN_PLACE_MM:
            return places
        found = laid_on(places, self.tree, self._normals)
        return found if self.distance(found) <= min(LAID_MM, 0.5 * off) else places

    def nearest(self, places: np.ndarray) -> Binding:
        """Where on it is nearest to places (P, 3) in mm."""
        from trimesh import proximity, triangles

        there, _, face = proximity.closest_point(self._mesh, places)
        return Binding(self._triangles[face], triangles.points_to_barycentric(self._mesh.triangles[face], there))


_skin_at_rest = remembered(SkinAtRest)


def skin_at_rest(actor: Actor) -> SkinAtRest:
    """The skin of an actor's neutral, made once."""
    return _skin_at_rest(actor.neutral, actor.topology)


@dataclass(frozen=True)
class PointPerformance:
    """positions: (F, P, 3) float64 mm, not a number where a point is missing. confidence: (F, P) in [0, 1].

    names: of the P points. vertices: (P,) the vertex each belongs to, -1 where the file does not say.
    frames: (F,) int32 frame numbers. fps: frames a second. source: the file, for messages. notes: what to say of how it
    was read. unit_factor: as Performance has it.
    """

    names: tuple[str, ...]
    positions: np.ndarray
    confidence: np.ndarray
    vertices: np.ndarray
    frames: np.ndarray
    fps: float
    source: str
    notes: tuple[str, ...] = ()
    unit_factor: float | None = None

    def only(self, chosen: np.ndarray) -> PointPerformance:
        """Some of the points."""
        return replace(
            self,
            names=tuple(self.names[point] for point in chosen),
            positions=self.positions[:, chosen],
            confidence=self.confidence[:, chosen],
            vertices=self.vertices[chosen],
        )


def read_points(path: Path, fps: float | None = None, millimetres_per_unit: float | None = None) -> PointPerformance:
    """Points from C3D, JSON or CSV. fps: frames a second, instead of what the file says, or of DEFAULT_FPS.
    millimetres_per_unit: of its lengths, where somebody names it; else told by the face that they make.

    JSON: {"fps": 24, "points": [{"name": "chin", "vertex": 12}, ...], "frames": [{"frame": 1, "positions": [[x, y, z],
    null, ...], "confidence": [...]}, ...]}; vertex, fps and confidence may be left out. CSV: columns frame, name, x,
    y, z and, if known, confidence and vertex, in whatever spelling core/shared/captured/point_tables.py knows. A place
    of exactly 0, 0, 0 means that the point is not there. Raises InputError, naming the file, for anything else.
    """
    check_given_fps(fps)
    try:
        if holds_c3d(path):
            performance = _read_c3d(path, fps)
        else:
            performance = _read_json(path, fps) if holds_json(path) else _read_csv(path, fps)
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as points: {reason(error)}") from error
    if performance.positions.shape[0] == 0 or performance.positions.shape[1] == 0:
        raise InputError(f"{path} has no frames or no points; at least one of each is needed")
    if millimetres_per_unit is None:
        return performance
    positions = performance.positions * millimetres_per_unit
    return replace(performance, positions=positions, unit_factor=millimetres_per_unit)


def in_millimetres(actor: Actor, points: PointPerformance) -> tuple[PointPerformance, float]:
    """The points in mm, and by what their unit was multiplied: 1 unless their size says otherwise.

    The size is that of the places on the actor that the points name; of points that name none, it is what puts them
    onto the neutral's skin. Raises InputError, naming the file, for a unit that cannot be told.
    """
    _check_vertices(actor, points)
    if points.unit_factor is not None:
        return points, 1.0
    named = points.vertices >= 0
    unit = 1.0
    if named.any():
        unit = millimetres_of(actor.neutral[points.vertices[named]], _known(points)[:, named], points.source)
    else:
        first = _first_places(points)
        skin = skin_at_rest(actor)
        off = {factor: np.median(skin.tree.query(factor * first)[0]) for factor in (1.0, *NAMES)}
        if off[1.0] > NEAR_MM:
            unit = next((factor for factor, distance in off.items() if distance <= NEAR_MM), 1.0)
    return (points, 1.0) if unit == 1.0 else (replace(points, positions=unit * points.positions), unit)


def bind_points(actor: Actor, points: PointPerformance, rest_frame: int | str = "auto") -> Binding:
    """Where points in mm belong: at the vertex the file names, else at the neutral's skin nearest to where they are in
    the frame of rest: the chosen one, or of those that show most of them the one in which they lie nearest to it.

    Raises InputError, naming the file, for a vertex that does not exist, or points that do not start at the neutral.
    """
    _check_vertices(actor, points)
    corners = np.repeat(points.vertices.clip(min=0)[:, None], 3, axis=1)
    shares = np.tile([1.0, 0.0, 0.0], (len(corners), 1))
    free = points.vertices < 0
    if free.any():
        skin = skin_at_rest(actor)
        first = _places_at_rest(points, free, skin, rest_frame)
        distance = np.median(skin.tree.query(first)[0])
        if distance > NEAR_MM:
            raise InputError(
                f"{points.source} says of no vertex, and its points start {distance:.0f} mm from the "
                "neutral's skin; name each point's vertex, or begin with the neutral in place and in mm"
            )
        found = skin.nearest(first)
        corners[free], shares[free] = found.corners, found.shares
    return Binding(corners, shares)


def binding_note(points: PointPerformance, binding: Binding, actor: Actor) -> list[str]:
    """What an artist should know of points that name no vertices: what counts as rest."""
    free = points.vertices < 0
    if not free.any():
        return []
    known, places = _known(points)[:, free], binding.of(actor.neutral)[free]
    off = _mean_off(known, places)
    beside = ""
    if off.min() > BESIDE_MM:
        seen = np.isfinite(known).all(-1)
        head = robust_registration(places, np.where(seen[..., None], known, 0.0), seen.astype(np.float64))
        laid, off = off, _mean_off(without_head(known, head), places)
        beside = f" once the head's motion is taken off, {laid[off.argmin()]:.1f} mm before"
    frame = int(off.argmin())
    return [
        f"{int(free.sum())} points name no vertex: they were bound to the skin; in frame {points.frames[frame]}, the "
        f"nearest to the neutral, they lie {off[frame]:.1f} mm from it{beside}, and what every frame shows counts as "
        "rest; name their vertices if the face never rests"
    ]


def _mean_off(known: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(F,) mm how far points (F, P, 3), not a number where one is missing, lie from places (P, 3) on the mean; endless
    in frames that show few."""
    off = np.linalg.norm(known - places, axis=-1)
    count = np.isfinite(off).sum(1)
    return np.where(count > 0.5 * count.max(), np.nansum(off, axis=1) / count.clip(min=1), np.inf)


def _places_at_rest(points: PointPerformance, some: np.ndarray, skin: SkinAtRest, rest_frame: int | str) -> np.ndarray:
    """(P', 3) where some (P,) of the points are in the chosen frame, or in that in which they lie nearest to the
    neutral's skin, of those that show most of them; a point that it does not show, where it is in the next best.

    Where they lie beside it in all of these frames, because the head moves, they are laid onto it in each. Raises
    InputError for a point that is never seen.
    """
    first = _first_places(points)[some]
    known = _known(points)[:, some]
    seen = np.isfinite(known).all(-1)
    count = seen.sum(1)
    rich = np.flatnonzero(count >= MOSTLY_SEEN * count.max())
    rich = rich[np.linspace(0, len(rich) - 1, min(len(rich), ASKED_FRAMES)).astype(int)]
    chosen = np.flatnonzero(points.frames == rest_frame) if isinstance(rest_frame, int) else rich[:0]
    asked = np.union1d(rich, chosen)
    places = {frame: known[frame, seen[frame]] for frame in asked}
    off = {frame: skin.distance(there) for frame, there in places.items()}
    if min(off[frame] for frame in (chosen if len(chosen) else rich)) > IN_PLACE_MM:
        places = {frame: skin.laid(there) for frame, there in places.items()}
        off = {frame: skin.distance(there) for frame, there in places.items()}
    nearest = sorted(rich, key=lambda frame: off[frame])
    for frame in [*nearest[::-1], *chosen]:
        first[seen[frame]] = places[frame]
    return first


def _check_vertices(actor: Actor, points: PointPerformance) -> None:
    count = len(actor.bone)
    if points.vertices.max() >= count:
        raise InputError(f"{points.source} names vertex {points.vertices.max()}, but the actor's mesh has {count}")


def _known(points: PointPerformance) -> np.ndarray:
    """(F, P, 3) the positions, not a number where a point does not count at all."""
    return np.where((points.confidence > 0)[..., None], points.positions, np.nan)


def _first_places(points: PointPerformance) -> np.ndarray:
    """(P, 3) where the points are in the first frame that shows most of them; the others, where they first are.

    Raises InputError for a point that is never seen.
    """
    known = _known(points)
    seen = np.isfinite(known).all(-1)
    never = [name for name, found in zip(points.names, seen.any(0), strict=True) if not found]
    if never:
        raise InputError(f"{points.source} has no position of {never[0]!r} in any frame; remove it or track it")
    fullest = int(seen.sum(1).argmax())
    frame = np.where(seen[fullest], fullest, seen.argmax(0))
    return known[frame, np.arange(len(points.names))]


def _read_json(path: Path, fps: float | None) -> PointPerformance:
    data = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(data, dict):
        raise ValueError("it is not an object with points and frames")
    points, frames = data["points"], data["frames"]
    if not all(isinstance(each, dict) for listed in (points, frames) for each in listed):
        raise ValueError("its points and frames are not lists of objects")
    if len({str(point["name"]) for point in points}) < len(points):
        raise ValueError("two points have one name")
    for frame in frames:
        if len(frame["positions"]) != len(points):
            found = len(frame["positions"])
            raise ValueError(f"frame {frame['frame']} has {found} positions for {len(points)} points")
    positions = np.full((len(frames), len(points), 3), np.nan)
    confidence = np.ones((len(frames), len(points)))
    for index, frame in enumerate(frames):
        for place, position in enumerate(frame["positions"]):
            if position is not None:
                positions[index, place] = _position(position)
        if frame.get("confidence") is not None:
            confidence[index] = frame["confidence"]
    positions[~np.isfinite(positions).all(-1) | (positions == 0).all(-1)] = np.nan
    if np.nanmax(np.abs(positions), initial=0.0) > LARGEST:
        raise ValueError(f"a point lies at {np.nanmax(np.abs(positions)):.3g} mm; nothing of a face does")
    return _sampled(
        PointPerformance(
            tuple(str(point["name"]) for point in points),
            positions,
            checked_confidence(confidence),
            np.array([_vertex(point.get("vertex")) for point in points], dtype=np.int64),
            np.zeros(0, dtype=np.int32),
            fps or checked_fps(float(data.get("fps", DEFAULT_FPS))),
            str(path),
        ),
        np.array([_frame(frame["frame"]) for frame in frames], dtype=np.float64),
    )


def _read_csv(path: Path, fps: float | None) -> PointPerformance:
    rows = read_point_table(path, 3, fps)
    frames, at = np.unique(rows.frame, return_inverse=True)
    positions = np.full((len(frames), len(rows.names), 3), np.nan)
    confidence = np.ones((len(frames), len(rows.names)))
    positions[at, rows.point], confidence[at, rows.point] = rows.places, rows.confidence
    rate = fps or rows.fps or DEFAULT_FPS
    trusted, nowhere = checked_confidence(confidence), np.zeros(0, dtype=np.int32)
    points = PointPerformance(rows.names, positions, trusted, rows.vertices, nowhere, rate, str(path), rows.notes)
    return _sampled(points, frames)


def _read_c3d(path: Path, fps: float | None) -> PointPerformance:
    markers = read_c3d(path, fps)
    total, count = markers.positions.shape[:2]
    nowhere, trust = np.zeros(0, dtype=np.int32), np.ones((total, count))
    named = np.full(count, -1, dtype=np.int64)
    points = PointPerformance(
        markers.names, markers.positions, trust, named, nowhere, markers.fps, str(path), markers.notes
    )
    return _sampled(points, markers.first_frame + np.arange(total, dtype=np.float64))


def _sampled(points: PointPerformance, places: np.ndarray) -> PointPerformance:
    """The frames of points whose samples lie at places (S,), in frames; missing ones lie between, without points."""
    sampling = sampling_of(places)
    return replace(
        points,
        positions=sampling.taken(points.positions),
        confidence=np.nan_to_num(sampling.taken(points.confidence)),
        frames=sampling.frames,
        notes=(*points.notes, *sampling.notes),
    )


def whole_number(value: Any) -> int:
    """A frame or vertex as a JSON file has it. Raises ValueError if it is none."""
    number = int(value)
    if isinstance(value, bool) or number != float(value):
        raise ValueError(f"{value!r} is not a whole number, as a frame or a vertex is")
    return number


def _frame(value: Any) -> float:
    """A frame as a JSON file has it, which may lie between two. Raises ValueError if it is none."""
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is no frame's number")
    return float(value)


def _vertex(value: Any) -> int:
    """The vertex a point is bound to, -1 for none."""
    vertex = -1 if value is None else whole_number(value)
    if not -1 <= vertex < 2**31:
        raise ValueError(f"a point is on vertex {vertex}; vertices count from 0")
    return vertex


def _position(values: Any) -> list[float]:
    if len(values) != 3:
        raise ValueError(f"the position {values} does not have three numbers")
    return [math.nan if value is None else float(value) for value in values]


def checked_confidence(confidence: np.ndarray) -> np.ndarray:
    """The confidence. Raises ValueError unless all of it lies between 0 and 1."""
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("a confidence is not between 0 and 1")
    return confidence

# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting bones as it is asked for: a neutral in any unit, landmarks and depths corrected by hand, teeth, own bones."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..shared.bones.template_bones import BONE_LANDMARKS, read_template_bones
from ..shared.bones.tissue_depths import SOURCE, depths_of_landmarks
from ..shared.captured.capture_checks import check_finite
from ..shared.captured.captures import BONE_NAMES, Bone, read_as_it_is, read_bones
from ..shared.captured.meshes import MESH_SUFFIXES, list_mesh_files, read_mesh, write_mesh
from ..shared.faces.face_landmarks import LANDMARK_NAMES, frame_of_landmarks, landmarks_in_frame
from ..shared.faces.face_profile import HeadFrame, find_head_frame, outward_sign
from ..shared.faces.head_region import moving_vertices
from ..shared.faces.units import Measured, named_unit, size_of, unit_note, unit_of
from ..shared.foundation.errors import UNREADABLE, InputError, reason
from ..shared.foundation.topology import Topology
from ..shared.foundation.whole_files import written_whole
from .anatomy_fit import AnatomyFit, fit_template, measure_bones

TEETH_NAMES = ("upper_teeth", "lower_teeth")
FAR_OFF_MM = 4.0  # a depth that is missed by more is named


@dataclass(frozen=True)
class AnatomyRequest:
    """What to fit bones to.

    neutral: (V, 3) in any unit. topology: its faces. landmarks: vertices picked by hand, by name. depths: mm changed by
    hand, by name. bones: somebody's own instead of the template's. teeth: upper_teeth and lower_teeth (·, 3). moving:
    (V,) bool, the vertices that expressions move, if they are known. millimetres_per_unit: of the neutral; None where
    its face tells it. skin: (V,) bool, which vertices are not of hair, clothes, eyes and the like; None if all are.
    """

    neutral: np.ndarray
    topology: Topology
    landmarks: Mapping[str, int] = field(default_factory=dict)
    depths: Mapping[str, float] = field(default_factory=dict)
    bones: Mapping[str, Bone] = field(default_factory=dict)
    teeth: Mapping[str, np.ndarray] = field(default_factory=dict)
    moving: np.ndarray | None = None
    millimetres_per_unit: float | None = None
    skin: np.ndarray | None = None


def fit_anatomy(request: AnatomyRequest) -> AnatomyFit:
    """Bones in the unit and place of the neutral. Raises InputError if the neutral or what was picked is of no use."""
    neutral, triangles = np.asarray(request.neutral, dtype=np.float64), request.topology.triangles()
    if not np.isfinite(neutral).all():
        raise InputError("the neutral has vertices with a coordinate that is not a number; repair or export it again")
    depths = depths_of_landmarks(request.depths)
    given = checked_landmarks(request.landmarks, len(neutral))
    frame = _frame(neutral, triangles, given, request.moving)
    head = frame.around(neutral) & (True if request.skin is None else request.skin)
    head[list(given.values())] = True
    part, chosen = request.topology.part(head)  # bones are fitted into the head, whatever it stands on
    neutral, triangles = neutral[chosen], part.triangles()
    given = {name: int(np.searchsorted(chosen, vertex)) for name, vertex in given.items()}
    measured = Measured(frame.scale, size_of(neutral))
    asked = request.millimetres_per_unit
    unit = unit_of(measured, "the neutral", "--unit") if asked is None else named_unit(asked)
    millimetres = unit.millimetres
    frame = dataclasses.replace(frame, nasion=frame.nasion * millimetres, scale=frame.scale * millimetres)
    neutral = neutral * millimetres
    landmarks = {**landmarks_in_frame(neutral, triangles, frame), **given}
    notes = []
    if millimetres != 1.0:
        notes.append(f"{unit_note(measured, unit, 'the neutral')}; the bones that were written are in it too")
    if outward_sign(neutral[triangles]) < 0:
        notes.append("the neutral's normals point inwards and were taken the other way")
    if crowded := _crowded_edges(triangles):
        notes.append(f"{crowded} of the neutral's edges belong to more than two faces, which the fit does not mind")
    if request.bones:
        own = {name: Bone(bone.vertices * millimetres, bone.triangles) for name, bone in request.bones.items()}
        fitted = measure_bones(neutral, triangles, landmarks, depths, own)
    else:
        teeth = {name: points * millimetres for name, points in request.teeth.items()}
        fitted = fit_template(neutral, triangles, frame, landmarks, depths, read_template_bones(), teeth)
    notes += fitted.notes + _remarks(fitted)
    bones = {name: Bone(bone.vertices / millimetres, bone.triangles) for name, bone in fitted.bones.items()}
    picked = {name: int(chosen[vertex]) for name, vertex in fitted.landmarks.items()}
    return dataclasses.replace(fitted, bones=bones, notes=notes, landmarks=picked)


def read_request(
    neutral: Path,
    landmarks: Path | None = None,
    depths: Path | None = None,
    bones: Path | None = None,
    teeth: Path | None = None,
    millimetres_per_unit: float | None = None,
) -> AnatomyRequest:
    """The request that files describe. neutral: a mesh, a capture's folder, or capture.npz. Raises InputError."""
    moving = None
    if neutral.is_dir() or neutral.suffix.lower() == ".npz":
        capture = read_as_it_is(neutral)
        points, topology = capture.neutral, capture.topology
        moving = moving_vertices(capture.vertices, topology.in_faces())
    else:
        points, topology = read_mesh(neutral)
        check_finite(neutral.name, points)
    return AnatomyRequest(
        points,
        topology,
        read_object(landmarks, "a vertex for each landmark") if landmarks else {},
        read_object(depths, "a depth in mm for each landmark") if depths else {},
        read_bones(bones) if bones else {},
        _read_teeth(teeth) if teeth else {},
        moving,
        millimetres_per_unit,
    )


def write_anatomy(fitted: AnatomyFit, suggested: Mapping[str, int], folder: Path) -> None:
    """Write skull.obj, mandible.obj and anatomy.json into a folder, which learning then takes for its bones.

    suggested: the landmarks that nobody picked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in BONE_NAMES:
        bone = fitted.bones[name]
        topology = Topology(bone.triangles.ravel(), np.full(len(bone.triangles), 3), len(bone.vertices))
        with written_whole(folder / f"{name}.obj") as temporary:
            write_mesh(temporary, bone.vertices, topology)
        (folder / f"{name}.ply").unlink(missing_ok=True)  # a folder of bones holds one format
    described = {
        "landmarks": {
            name: {"vertex": vertex, "from": "suggested" if name in suggested else "given"}
            for name, vertex in fitted.landmarks.items()
        },
        "depths_asked_mm": fitted.depths_asked,
        "depths_reached_mm": fitted.depths_reached,
        "depths_source": SOURCE,
        **fitted.figures,
    }
    with written_whole(folder / "anatomy.json") as temporary:
        temporary.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def _frame(
    neutral: np.ndarray, triangles: np.ndarray, given: Mapping[str, int], moving: np.ndarray | None
) -> HeadFrame:
    """How the head is turned: from its shape or, where that shows no face, from enough landmarks picked by hand."""
    try:
        return find_head_frame(neutral, triangles, moving)
    except InputError as error:
        frame = frame_of_landmarks(neutral, given)
        if frame is None:
            raise InputError(f"{error}; pick the nasion, the menton and both mouth_corner by hand") from error
        return frame


def checked_landmarks(given: Mapping[str, Any], count: int) -> dict[str, int]:
    """Vertices by name of a neutral with so many. Raises InputError for a name or a vertex that is none."""
    for name, vertex in given.items():
        if name not in LANDMARK_NAMES:
            raise InputError(f"there is no landmark {name!r}; there are {', '.join(LANDMARK_NAMES)}")
        if isinstance(vertex, bool) or not isinstance(vertex, int) or not 0 <= vertex < count:
            raise InputError(
                f"the landmark {name} is on vertex {vertex}, but the neutral has the vertices 0 to {count - 1}"
            )
    return dict(given)


def _crowded_edges(triangles: np.ndarray) -> int:
    edges = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    return int((np.unique(edges, axis=0, return_counts=True)[1] > 2).sum())


def _remarks(fitted: AnatomyFit) -> list[str]:
    """Sentences on what to look at after a fit."""
    remarks = []
    missing = [name for name in BONE_LANDMARKS if name not in fitted.landmarks]
    if missing:
        remarks.append(f"the neutral has no skin at {', '.join(missing)}; the bone there is only carried along")
    far = [
        f"{name} ({fitted.depths_reached[name]:.1f} of {asked:.1f} mm)"
        for name, asked in fitted.depths_asked.items()
        if abs(fitted.depths_reached[name] - asked) > FAR_OFF_MM
    ]
    if far:
        remarks.append(f"the bone is not as deep as asked at {', '.join(far)}; look whether the landmark is right")
    if fitted.outside:
        remarks.append(f"{fitted.outside} points of the bones are not below the skin; correct the landmarks nearby")
    return remarks


def read_object(path: Path, what: str) -> dict[str, Any]:
    """The JSON object that a file holds. what: it holds, for the message. Raises InputError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as JSON: {reason(error)}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold one JSON object with {what}")
    return content


def _read_teeth(folder: Path) -> dict[str, np.ndarray]:
    files = {path.stem.lower(): path for path in list_mesh_files(folder)}
    found = {name: read_mesh(files[name])[0] for name in TEETH_NAMES if name in files}
    if not found:
        suffixes = " or ".join(MESH_SUFFIXES)
        raise InputError(f"{folder} has neither upper_teeth nor lower_teeth as {suffixes}; it must hold one or both")
    return found

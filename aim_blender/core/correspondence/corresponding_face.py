# SPDX-License-Identifier: GPL-3.0-or-later
"""One of the two faces of a correspondence: its skin, how it is turned, and where its mouth and its eyes are."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..shared.faces.face_landmarks import MIDDLE_LANDMARKS, landmarks_in_frame
from ..shared.faces.face_profile import FACE_HALF_MM, FACE_MIDDLE_MM, HeadFrame, find_head_frame
from ..shared.foundation.errors import InputError
from ..shared.foundation.topology import Topology
from .registration import FACE_UNIT, HEAD, mean_radius
from .rest_mesh import RestMesh, rest_mesh

SKIN_SHARE = 0.25  # of the largest part's area in the face: smaller parts are teeth, eyes, lashes
SEEN_AT_SIDES = ("mouth_corner", "inner_eye", "outer_eye")  # of HeadFrame.seen
# Where the mouth and the eyes are, in mm of a typical adult: half widths left, up and front of their middles.
MOUTH_HALF_MM = np.array([30.0, 12.0, 25.0])
EYE_MIDDLE_MM, EYE_HALF_MM = np.array([32.0, -4.0, -12.0]), np.array([20.0, 13.0, 20.0])


@dataclass(frozen=True)
class CorrespondingFace:
    """mesh: its surface at rest. frame: how its head is turned, None where no face is found. skin: (S,) which vertices
    of the mesh are of the skin of the head, and triangles (T, 3) of these."""

    mesh: RestMesh
    frame: HeadFrame | None
    skin: np.ndarray
    triangles: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, topology: Topology, look: bool = True) -> CorrespondingFace:
        """The face of a mesh at rest, points (V, 3). look: whether to look how it is turned, which takes seconds."""
        mesh = rest_mesh(np.asarray(points, np.float64), topology)
        frame = None
        if look:
            with contextlib.suppress(InputError):  # without a face the whole surfaces are aligned
                frame = find_head_frame(mesh.vertices, mesh.triangles)
        skin, numbered = np.unique(_of_skin(mesh, frame), return_inverse=True)
        return cls(mesh, frame, skin, numbered.reshape(-1, 3))

    @property
    def vertices(self) -> np.ndarray:
        """(S, 3) the skin."""
        return self.mesh.vertices[self.skin]

    @property
    def unit(self) -> float:
        """A mm of a common head, in the mesh's unit; see registration.HEAD."""
        return mean_radius(self.vertices) / HEAD if self.frame is None else FACE_UNIT * self.frame.scale

    def suggested(self) -> dict[str, int]:
        """The landmarks of the profile, as rows of the skin, or none where no face is found, and the corners of mouth
        and eyes where a detector sees them: others at the sides are placed by typical proportions."""
        if self.frame is None:
            return {}
        found = landmarks_in_frame(self.vertices, self.triangles, self.frame)
        seen = {name: place for name, place in self.frame.seen.items() if name.startswith(SEEN_AT_SIDES)}
        local = self.frame.local(self.vertices)
        corners = {name: int(np.linalg.norm(local - place, axis=1).argmin()) for name, place in seen.items()}
        return {**{name: found[name] for name in MIDDLE_LANDMARKS if name in found}, **corners}

    def known(self, landmarks: Mapping[str, int]) -> dict[str, int]:
        """Landmarks that are vertices of the whole mesh as rows of the skin, the nearest where one is not of it."""
        rows = self.mesh.follows[list(landmarks.values())]
        places = self.mesh.vertices[rows]
        return {
            name: int(np.linalg.norm(self.vertices - place, axis=1).argmin())
            for name, place in zip(landmarks, places, strict=True)
        }

    def openings(self) -> np.ndarray:
        """(E, 3) about where mouth and eyes are; nothing where no face is found."""
        stomion = self.suggested().get("stomion")
        if self.frame is None or stomion is None:
            return np.zeros((0, 3))
        axes = self.frame.scale * np.stack([self.frame.left, self.frame.up, self.frame.front])
        eyes = self.frame.nasion + np.outer((1.0, -1.0), EYE_MIDDLE_MM[:1]) @ axes[:1] + EYE_MIDDLE_MM[1:] @ axes[1:]
        return np.concatenate([self.vertices[[stomion]], eyes])

    def mouth(self, points: np.ndarray) -> np.ndarray | None:
        """(P,) bool: which of points (P, 3) are about the mouth; None where no face is found."""
        stomion = self.suggested().get("stomion")
        if self.frame is None or stomion is None:
            return None
        return (np.abs(self.frame.local(points) - self.frame.local(self.vertices[stomion])) < MOUTH_HALF_MM).all(1)

    def eyes(self, points: np.ndarray) -> np.ndarray | None:
        """(P,) bool: which of points (P, 3) are about the eyes; None where no face is found."""
        if self.frame is None:
            return None
        local = self.frame.local(points)
        local = np.concatenate([np.abs(local[:, :1]), local[:, 1:]], axis=1)
        return (np.abs(local - EYE_MIDDLE_MM) < EYE_HALF_MM).all(1)


def _of_skin(mesh: RestMesh, frame: HeadFrame | None) -> np.ndarray:
    """The triangles (T, 3) of the skin of the head: of the parts that are most of the face, without a body below."""
    corners = mesh.vertices[mesh.triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    near = np.ones(len(area), bool)
    if frame is not None:
        of_face = (np.abs(frame.local(corners.mean(1)) - FACE_MIDDLE_MM) < FACE_HALF_MM).all(1)
        area = np.where(of_face, area, 0.0)
        near = frame.around(mesh.vertices)[mesh.triangles].all(1)
    part = mesh.part[mesh.triangles[:, 0]]
    size = np.bincount(part, area, mesh.part.max() + 1)
    return mesh.triangles[near & (size >= SKIN_SHARE * size.max())[part]]

# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of an actor before the networks learn: the template, the constraints, the jaw, the mirror plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy.anatomy import Hinge, mirror_partners, mirror_plane, trace_constraints
from ..anatomy.hinge_witnesses import settle_hinge
from ..anatomy.incisors import lower_incisors
from ..anatomy.jaw import JawEstimate, rest_jaw
from ..anatomy.jaw_estimate import estimate_jaw, measured_jaw
from ..anatomy.jaw_pivot import likely_pivot
from ..anatomy.jaw_witnesses import hinge_of_motion, jaw_of_points, lower_teeth
from ..geometry.coarse_mesh import coarse_mesh, coarse_modes
from ..geometry.modes import laplacian_modes
from ..model.model import UNIT_MM
from ..shared.bones.bone_checks import set_bones_right
from ..shared.bones.constraints import Constraints
from ..shared.captured.capture_checks import same_as_neutral
from ..shared.captured.captures import Capture
from ..shared.faces.trusted_region import trusted_points
from ..shared.settings.learning_settings import Space

SEPARATING_MODES = 16  # of the mesh, beside the mean shape: where lips or lids touch in space, these differ
SEPARATING_HEIGHT = 0.3
COARSE_FROM, PLACES = 40_000, 8000  # vertices, from where on these functions follow from their values at so many places
INTRINSIC_MODES = 24  # instead of a position
AT_REST = (
    "the jaw opens in no shape, so it stays at rest in all of them; a shape with the mouth wide open would tell how "
    "the skin follows it"
)


@dataclass(frozen=True)
class Preparation:
    """What is known before the networks learn. Lengths in mm; arrays over the V skin points.

    template: (V, I) network input in units of UNIT_MM about centre (3,). jaw_free: (V,) bool, where the jaw never
    moves the skin. mirror: (V,) index of each point's mirror partner, about mirror_plane (2, 3): a point and a normal.
    incisors: (3,) the lower incisors, None without a mandible or teeth.
    notes: sentences that the user is told, such as what was wrong with the bones and set right.
    """

    centre: np.ndarray
    template: np.ndarray
    constraints: Constraints
    hinge: Hinge | None
    jaw: JawEstimate
    jaw_free: np.ndarray
    mirror: np.ndarray
    mirror_plane: np.ndarray
    incisors: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def build_template(vertices: np.ndarray, triangles: np.ndarray, kind: Space) -> tuple[np.ndarray, np.ndarray]:
    """The networks' input, c in docs/model.md: (V, I) in units of UNIT_MM about a centre (3,): the first three columns
    are a position.

    vertices: (N+1, V, 3) mm, the neutral first. Where lips or lids touch in space, only the mesh can tell them apart:
    `separated` adds its first Laplacian modes to the mean shape, as heights. Every vertex counts alike in them, so they
    also draw apart the corners of mouth and eyes, where neighbours half a millimetre apart move by millimetres.
    """
    shape = vertices[0] if kind == "neutral" else vertices.mean(0)
    centre = shape.mean(0)
    position = (shape - centre) / UNIT_MM
    count = {"separated": SEPARATING_MODES, "intrinsic": INTRINSIC_MODES}.get(kind, 0)
    if count == 0:
        return position, centre
    count = min(count + 1, len(shape) - 2)
    if len(shape) < COARSE_FROM:
        modes, _ = laplacian_modes(shape, triangles, count, equal_vertices=True)
    else:
        mesh = coarse_mesh(shape, triangles, PLACES)
        modes = mesh.spread(coarse_modes(mesh, shape, triangles, count)[0])
    heights = modes[:, 1:] / np.abs(modes[:, 1:]).max(0)
    return np.concatenate([position, heights * (SEPARATING_HEIGHT if kind == "separated" else 1.0)], axis=1), centre


def prepare(capture: Capture, without: tuple[str, ...] = (), space: Space = "separated") -> Preparation:
    """Trace the constraints, estimate the jaw, and build the template."""
    vertices, triangles = capture.vertices, capture.topology.triangles()
    inputs, centre = build_template(vertices, triangles, space)

    constraints, hinge, incisors = Constraints.none(), None, None
    jaw = rest_jaw(len(vertices) - 1, len(capture.neutral))
    edges = capture.topology.edges()
    plane = mirror_plane(capture.neutral, triangles)
    idle = same_as_neutral(capture.names, vertices)
    notes = [*capture.notes]
    notes += [f"{name!r} is the same as the neutral, so it shows nothing" for name in idle]
    jaw_points = capture.jaw_points
    if jaw_points is None:
        teeth = lower_teeth(capture.neutral, vertices[1:], edges)
        if len(teeth):
            jaw_points = vertices[:, teeth]
            notes.append(
                f"{len(teeth)} vertices of the mesh are fixed to the jaw, as lower teeth are, so the jaw is read from "
                "them"
            )
    if capture.bones:
        skin, bones, told = set_bones_right(capture.neutral, triangles, capture.bones)
        notes += told
        # The jaw shows itself in all the skin over the mandible, cheeks and lips included, and is read the better the
        # more of it is seen. The anatomy is told only what the trusted points say.
        everywhere = trace_constraints(capture.neutral, skin, bones)
        if everywhere.on_mandible.any():
            hinge, told = settle_hinge(bones, capture.neutral, vertices[1:], everywhere, plane)
            notes += told
            incisors = lower_incisors(bones["mandible"].vertices, hinge)
            if jaw_points is None:
                bone = everywhere.bone[everywhere.on_mandible]
                pivot = likely_pivot(hinge, bones["mandible"].vertices, bone, capture.neutral)
                jaw = estimate_jaw(capture.neutral, vertices[1:], edges, everywhere, pivot)
                if not jaw.skin_weight.any():
                    notes.append(AT_REST)
        if "anatomy" not in without:
            trusted = trusted_points(capture.trusted)
            constraints = everywhere if trusted is None else trace_constraints(capture.neutral, skin, bones, trusted)
    if jaw_points is not None:
        motion = jaw_of_points(jaw_points)
        hinge = hinge or hinge_of_motion(motion, jaw_points[0], capture.neutral)
        incisors = lower_incisors(jaw_points[0], hinge) if incisors is None else incisors
        jaw = measured_jaw(capture.neutral, vertices[1:], edges, motion)
    jaw_free = (jaw.skin_weight < 0.02) & (jaw.trust > 0.0)
    partner = mirror_partners(capture.neutral, plane)
    return Preparation(centre, inputs, constraints, hinge, jaw, jaw_free, partner, plane, incisors, tuple(notes))

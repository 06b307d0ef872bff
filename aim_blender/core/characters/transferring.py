# SPDX-License-Identifier: GPL-3.0-or-later
"""An actor from a neutral alone: what another actor's face does, in this face's places, sizes and turns.

Nothing of it is captured, and it says so. Its shapes are the source's, carried, and it is exact on them; its jaw turns
about the source's hinge, carried to where it lies in this face. Copied offsets, not copied deformations: the triangles
of deformation transfer (Sumner and Popović 2004) are resized and turned each by itself, by what two persons differ in
there by chance, and their sum is further from what a face would do than its copied offsets are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from ..anatomy.anatomy import Hinge, mirror_plane
from ..anatomy.jaw import compose_jaw, decompose_jaw, hinge_axes
from ..correspondence.correspondence import Correspondence
from ..correspondence.registration import mean_radius
from ..correspondence.rest_mesh import rest_mesh
from ..geometry.skinning import linear_blend_skinning
from ..model.actor import Actor, jaw_movements
from ..model.model import UNIT_MM
from ..parts.finding import find_parts
from ..parts.parts import Parts
from ..retargeting.carrying import carried_actor, facing
from ..shared.bones.constraints import Constraints
from ..shared.captured.performances import UNIT_FACTORS
from ..shared.faces.mouth_parts import share_of_jaw
from ..shared.faces.similarity import similarity
from ..shared.faces.spheres import sphere_of
from ..shared.faces.units import measure, unit_of
from ..shared.foundation.normals import vertex_normals
from ..shared.foundation.topology import Topology, same_surface
from .character_surface import CharacterSurface
from .closing import closing, find_slits
from .local_frames import LocalFrames
from .own_shapes import agreeing, jaw_strength

Report = Callable[[dict], None]

LIKELY_SIZES = (0.4, 2.5)  # of a head, measured by another: outside it is in another unit
CONDYLE_MM = 40.0  # how far about the hinge the skin tells where it lies
LEAST_SURE = 1e-3  # how much a place counts that is not sure at all


def millimetres_of(neutral: np.ndarray, topology: Topology, source: Actor, whose: str) -> float:
    """By what a neutral (V, 3) must be multiplied to be in mm, told by its face or, where none is found, by how large
    it is beside the source. whose: the mesh, for the message. Raises InputError if it cannot be told."""
    measured = measure(neutral, topology.triangles())
    if measured.face is not None:
        return unit_of(measured, whose, "--unit").millimetres
    ratio = mean_radius(neutral) / mean_radius(source.neutral)
    if LIKELY_SIZES[0] <= ratio <= LIKELY_SIZES[1]:
        return 1.0
    return float(min(UNIT_FACTORS, key=lambda factor: abs(np.log(max(ratio, 1e-12) * factor))))


def transfer_actor(
    source: Actor,
    neutral: np.ndarray,
    topology: Topology,
    correspondence: Correspondence | None,
    name: str,
    report: Report | None = None,
    own: Mapping[str, np.ndarray] | None = None,
    choices: str = "",
) -> Actor:
    """The actor with neutral (W, 3) mm that moves as the source does, in its own proportions.

    correspondence: of the source's mesh to this one; None where they are of one topology. name: the source's, to say
    whose expressions these are. own: expressions (W, 3) mm that the character has of its own, by what the source calls
    them. choices: what an artist says of the mesh's parts, as part_kinds.read_choices reads it. Raises InputError if
    the correspondence is not that of the two meshes, or the choices name no part.
    """
    report = report or (lambda _: None)
    report({"message": "Transferring the expressions", "done": 0, "total": 1})
    neutral = np.asarray(neutral, np.float64)
    there, sure = source, np.ones(len(neutral))
    across = not same_surface(source.topology, topology)
    if across:
        if correspondence is None:
            raise ValueError("meshes of different topology need a correspondence")
        correspondence.check(source.topology, topology)
        there, sure = carried_actor(source, correspondence, topology), correspondence.confidence.astype(np.float64)
    scale, turn = facing(there.neutral, neutral, sure + LEAST_SURE)
    turned = there.shapes() @ turn.T  # (N+1, W, 3) the source as it would face

    given = _carried_offsets(source, turned, turn, neutral, sure, correspondence if across else None)
    owned = {source.names.index(each): shape - neutral for each, shape in (own or {}).items()}
    strength = np.ones(len(given))
    if owned:
        carried, given = given, agreeing(neutral, given, owned)
        strength = jaw_strength(carried, given, there.skin_weight)
    hinge, jaw, skin_weight = None, np.tile(np.eye(4), (len(source.names), 1, 1)), there.skin_weight
    if source.hinge is not None:
        hinge, scale = _carried_hinge(there, neutral, sure)
        pose = strength[:, None] * decompose_jaw(source.jaw, source.hinge)
        axes = hinge_axes(source.hinge).T @ hinge_axes(hinge)  # (3, 3) turns rows from one hinge to the other
        jaw = compose_jaw(np.concatenate([pose[:, :3] @ axes, scale * pose[:, 3:] @ axes], axis=1), hinge)
    notes: list[str] = []
    if across:
        surface = CharacterSurface(rest_mesh(neutral, topology), turned, skin_weight, sure, scale)
        given, skin_weight = surface.moved(given, jaw)
        notes = surface.notes()
        given[list(owned)] = np.stack(list(owned.values())) if owned else given[:0]
    shapes = neutral + given
    # Whole shapes, and what the jaw leaves of them: e_i transferred after skinning was 0.51 mm off where this is 0.39.
    expressions = shapes - linear_blend_skinning(neutral, jaw, skin_weight)
    parts = _parts_of(source, neutral, topology, across, choices)
    if parts is not None:
        notes += [parts.note()] if across else []
        skin_weight, expressions = _with_parts(parts, neutral, across, skin_weight, expressions)
    thickness = np.float32(scale) * there.thickness
    normal = vertex_normals(neutral, topology.triangles()).astype(np.float32)
    bone = (neutral - thickness * normal).astype(np.float32)
    residual = (neutral - (bone + thickness * normal).astype(np.float64)).astype(np.float32)
    actor = Actor(
        names=source.names,
        topology=topology,
        template=((neutral - neutral.mean(0)) / UNIT_MM).astype(np.float32),
        bone=bone,
        normal=normal,
        thickness=thickness.astype(np.float32),
        skin_weight=skin_weight,
        jaw=jaw,
        implicit_expressions=expressions.transpose(1, 0, 2).astype(np.float32),
        neutral_residual=residual,
        expression_residual=np.zeros((len(neutral), len(source.names), 3), np.float32),
        hinge=hinge,
        constraints=Constraints.none(),
        settings={
            "transferred_from": name,
            "own_shapes": sorted(own or {}),
            "notes": notes,
            **({"parts": choices} if choices else {}),
        },
        kept_mirror=mirror_plane(neutral, topology.triangles()),
        parts=parts,
    )
    moved = np.linalg.norm(actor.shapes()[1:] - neutral, axis=-1)
    actor.figures.update(
        {
            "transferred": f"expressions from {name} carried to this face; not captured",
            **({"own_shapes": len(owned)} if owned else {}),
            "points": len(neutral),
            "size": float(scale),
            "largest_movement_mm": float(moved.max()),
            "jaw_open_degrees": max((row["open_degrees"] for row in jaw_movements(actor)), default=0.0),
        }
    )
    report({"message": "Transferring the expressions", "done": 1, "total": 1})
    return actor


def carried_shapes(source: np.ndarray, neutral: np.ndarray, topology: Topology, sure: np.ndarray) -> np.ndarray:
    """(N, W, 3) mm a neutral (W, 3) as source (N+1, W, 3) is, the source's neutral first and turned as it stands.

    sure: (W,) how sure the places are. Nothing of it is a jaw's.
    """
    given = LocalFrames(source[0], neutral, sure).carried(source[1:] - source[0])
    skin_weight, at_rest = np.zeros((len(neutral), 1)), np.tile(np.eye(4), (len(given), 1, 1))
    surface = CharacterSurface(rest_mesh(neutral, topology), source, skin_weight, sure, 1.0)
    return neutral + surface.moved(given, at_rest)[0]


def _parts_of(source: Actor, neutral: np.ndarray, topology: Topology, across: bool, choices: str = "") -> Parts | None:
    """The parts of a neutral (W, 3): the source's where the mesh is its own, else what a neutral alone shows: eyeballs,
    teeth, tongue, and caps; other parts of a stranger's mesh move as the skin beside them, unless they were chosen."""
    if not across and not choices:
        if source.parts is None:
            return None
        found, centres = source.parts, source.parts.centres.copy()
        for part in found.eyes:  # the neutral's own, which may be of another size
            own = found.part_of == part
            sphere = sphere_of(neutral[own])
            moved = neutral[own].mean(0) - source.neutral[own].mean(0)
            centres[part] = centres[part] + moved if sphere is None else sphere.centre
        return replace(found, centres=centres)
    here = find_parts(neutral[None], topology, choices)
    if here is None:
        return None
    of_itself = ("turns", "skull", "jaw", "bends") if source.hinge is not None else ("turns", "skull")
    chosen = here.found or ("",) * len(here.names)
    return here.some([kind in of_itself or bool(old) for kind, old in zip(here.kinds, chosen, strict=True)])


def _with_parts(
    parts: Parts, neutral: np.ndarray, across: bool, skin_weight: np.ndarray, expressions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The skinning weight (W, 1) and the expressions (N, W, 3) of a neutral (W, 3) as its parts have them: what was
    carried to an eyeball is some lid's, and to a stranger's tongue some lip's."""
    if across:
        skin_weight = _share_of_jaw(parts, neutral, skin_weight)
        expressions = np.where(parts.of("bends")[:, None], 0.0, expressions)
    rigid, of_jaw = parts.rigid[:, None], parts.of("jaw")[:, None]
    return np.where(rigid, of_jaw.astype(np.float32), skin_weight), np.where(rigid, 0.0, expressions)


def _share_of_jaw(parts: Parts, neutral: np.ndarray, skin_weight: np.ndarray) -> np.ndarray:
    """The skinning weight (W, 1) where it is that of a stranger's gums and tongue, which no skin tells."""
    bends = parts.of("bends")
    lower = neutral[parts.of("jaw")]
    upper = neutral[parts.of("skull")]
    if len(lower):  # of what goes with the skull, the teeth
        upper = upper[np.linalg.norm(upper - lower.mean(0), axis=1) < 2 * np.linalg.norm(np.ptp(lower, axis=0))]
    found = skin_weight.copy()
    found[bends, 0] = share_of_jaw(neutral[bends], parts.axes[1], upper, lower)
    return found


def _carried_offsets(
    source: Actor,
    turned: np.ndarray,
    turn: np.ndarray,
    neutral: np.ndarray,
    sure: np.ndarray,
    correspondence: Correspondence | None,
) -> np.ndarray:
    """(N, W, 3) how far the source says that each vertex of neutral (W, 3) moves. turned: (N+1, W, 3) its shapes there,
    turned by turn (3, 3)."""
    frames = LocalFrames(turned[0], neutral, sure)
    own = source.shapes() @ turn.T
    mesh = rest_mesh(own[0], source.topology)

    def carry(values: np.ndarray) -> np.ndarray:
        whole = values[mesh.follows]
        return whole if correspondence is None else correspondence.carry(whole)

    slits = find_slits(mesh, own[1:, mesh.chosen] - own[0, mesh.chosen])
    given = frames.carried(turned[1:] - turned[0])
    return given + closing(slits, turned[0], neutral, frames.resize, carry) if slits else given


def _carried_hinge(there: Actor, neutral: np.ndarray, sure: np.ndarray) -> tuple[Hinge, float]:
    """The source's hinge where it lies in neutral (W, 3), and by how much larger the jaw about it is. sure: (W,) how
    sure the places are."""
    hinge = there.hinge
    assert hinge is not None
    beside = np.linalg.norm(there.neutral - hinge.centre, axis=1)
    beside = np.exp(-(((beside - beside.min()) / CONDYLE_MM) ** 2)) * (sure + LEAST_SURE)
    share = there.skin_weight[:, 0].astype(np.float64) * (sure + LEAST_SURE)
    # Half by the skin about the joint, half by the skin that the jaw moves.
    weight = beside / beside.sum() + share / max(share.sum(), 1e-12)
    scale, rotation, shift = similarity(there.neutral, neutral, weight)
    return Hinge(scale * rotation @ hinge.centre + shift, rotation @ hinge.axis, rotation @ hinge.up), scale

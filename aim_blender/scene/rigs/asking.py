# SPDX-License-Identifier: GPL-3.0-or-later
"""What a take wants of a mesh, and what the controls of its rig do to it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import bpy
import numpy as np

from ...core.shared.faces.similarity import similarity
from ...core.shared.foundation.errors import InputError
from ...core.shared.foundation.wording import listed
from ..baking.baked_take import BakedTake
from ..basics import meshes
from . import rig_data
from .controls import Control, controls_of
from .posing import PosedRig

# Of a mesh that are looked at: what controls do is smooth. Of a long take fewer, down to the least, so that all frames
# keep to some memory.
LARGEST_POINTS, LEAST_POINTS, ALL_POINTS = 3000, 400, 6_000_000
UNLIKE = 0.3  # of the neutral's spread, which no face in another pose is off
# Of the mesh's size: what moves no point so far, when it is tried, moves nothing.
NOTHING = 2e-4
WHOLE = 0.97  # of what a control does: if it is one rigid motion of all that the take moves, it moves the head
NO_BETWEEN = "can only be switched, with no values between: make a Float of what shall be keyed (Edit Property > Type)"
FACE = 0.05  # of the farthest that the take moves a point: where the face begins


@dataclass(frozen=True)
class Wanted:
    """What a take wants of some points of a mesh, in the mesh's space.

    points: which vertices (P,). offsets: (F, P, 3) from rest, without the head's motion. moving: (P,) how far the
    take's shapes and jaw move each. millimetres: in a unit of the mesh's space. size: of the mesh in the scene.
    rest_off: how far a point at rest is off the actor's neutral at most, in the mesh's space.
    """

    points: np.ndarray
    offsets: np.ndarray
    moving: np.ndarray
    millimetres: float
    size: float
    rest_off: float


@dataclass(frozen=True)
class Response:
    """What controls do. controls: C that move the face. effects: (C, P, 3), of a change by 1. rest: (P, 3) points where
    all rest. idle: the labels of controls that move nothing. whole: of those that move all of the face as one.
    hindered: why some may do less than they could. switches: the labels of properties that move the face, but have too
    few values to follow it."""

    controls: list[Control]
    effects: np.ndarray
    rest: np.ndarray
    idle: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    hindered: list[str] = field(default_factory=list)
    switches: list[str] = field(default_factory=list)


def usable_rig(mesh: bpy.types.Object | None, baked: BakedTake) -> list[bpy.types.ID]:
    """The data-blocks of a mesh's rig. Raises InputError if it cannot be asked or keyed."""
    if not meshes.is_there(mesh):
        raise InputError("no character is chosen; choose the mesh that the rig moves")
    assert mesh is not None
    count = len(meshes.mesh_of(mesh).vertices)
    if count != len(baked.neutral):
        raise InputError(
            f"{mesh.name!r} has {count} vertices and the actor {len(baked.neutral)}; choose the rigged mesh that the "
            "actor was captured with, or retarget the take to an actor of this mesh"
        )
    if not mesh.visible_get():
        raise InputError(f"{mesh.name!r} is hidden, and so not moved by its rig; show it first")
    found = rig_data.related(mesh)
    rig_data.check_no_cycle(found)
    return found


def wanted_of(baked: BakedTake, mesh: bpy.types.Object, rest: np.ndarray, points: np.ndarray, scale: float) -> Wanted:
    """What the take wants of the vertices `points` of a mesh that rests at rest (P, 3). scale: mm in a unit of the
    bake. Raises InputError if the mesh is another one with as many vertices."""
    neutral = baked.neutral[points]
    size, rotation, slide = similarity(neutral, rest)
    gap = np.linalg.norm(size * neutral @ rotation.T + slide - rest, axis=1)
    off = float(gap.mean())
    if not off < UNLIKE * float(np.linalg.norm(rest - rest.mean(0), axis=1).mean()):
        raise InputError(
            f"at rest the vertices of {mesh.name!r} are {off / size * scale:.0f} mm off the actor's neutral: they are "
            "another mesh's, stand in another order, or the rig turns in a circle; choose the rigged mesh that the "
            "actor was captured with"
        )
    shaped = neutral + np.tensordot(baked.key_weights, baked.keys[:, points], 1)  # (F, P, 3)
    share = baked.skin_weight[points, None]
    jaw = baked.jaw
    followed = shaped @ jaw[:, :3, :3].transpose(0, 2, 1) + jaw[:, None, :3, 3]
    offsets = size * ((1 - share) * shaped + share * followed - neutral) @ rotation.T
    moving = np.linalg.norm(offsets, axis=2).max(0)
    if len(baked.keys):  # of a short take too, what the actor can move is the face
        moving = np.maximum(moving, size * np.linalg.norm(baked.keys[:, points], axis=2).max(0))
    extent = np.ptp(rest, axis=0)
    to_scene = np.cbrt(abs(np.linalg.det(meshes.matrix_array(mesh.matrix_world)[:3, :3])))
    return Wanted(
        points, offsets, moving, scale / size, float(np.linalg.norm(extent) / np.sqrt(3) * to_scene), float(gap.max())
    )


def points_of(mesh: bpy.types.Object, frames: int) -> np.ndarray:
    """Which vertices are looked at of a take of so many frames."""
    count = len(meshes.mesh_of(mesh).vertices)
    most = max(LEAST_POINTS, min(LARGEST_POINTS, ALL_POINTS // frames))
    return np.arange(0, count, -(-count // most))


def candidates(mesh: bpy.types.Object, datablocks: list[bpy.types.ID]) -> list[Control]:
    """All controls that the rig shows. Raises InputError if there are none, or they may not be keyed."""
    found = _shown(mesh, datablocks)
    usable = [each for each in found if each.kind != "SWITCH"]
    if not usable:
        more = f"; {listed([each.label for each in found[:3]])} {NO_BETWEEN}" if found else ""
        raise InputError(
            f"the rig of {mesh.name!r} has nothing to key: no shown bone, no shape key and no property that "
            f"nothing drives{more}"
        )
    owning = {each.place for each in usable}
    rig_data.check_editable([each for each in datablocks if rig_data.where(each) in owning])
    return usable


def _shown(mesh: bpy.types.Object, datablocks: list[bpy.types.ID]) -> list[Control]:
    box = np.array([corner[:] for corner in mesh.bound_box])
    scale = np.cbrt(abs(np.linalg.det(meshes.matrix_array(mesh.matrix_world)[:3, :3])))
    return controls_of(mesh, datablocks, float(np.linalg.norm(np.ptp(box, axis=0)) / np.sqrt(3) * scale))


def proposed(mesh: bpy.types.Object, datablocks: list[bpy.types.ID]) -> list[Control]:
    """Those that are asked first: all but scales, which a rig has for other purposes."""
    found = candidates(mesh, datablocks)
    return [each for each in found if each.kind != "SCALE"] or found


def switches_of(
    rig: PosedRig, mesh: bpy.types.Object, datablocks: list[bpy.types.ID]
) -> Generator[tuple[str, float], None, list[str]]:
    """The labels of switches that move the face. Yields while it goes on."""
    found = [each for each in _shown(mesh, datablocks) if each.kind == "SWITCH"]
    if not found:
        return []
    rests = np.array([each.rest for each in found])
    poses = [rests, *(rests + np.diag([each.step for each in found]))]
    shown = yield from rig.asked(found, poses, "asking the rig")
    far = np.linalg.norm(shown[1:] - shown[0], axis=2).max(1)
    least = NOTHING * float(np.linalg.norm(np.ptp(shown[0], axis=0)))
    return [each.label for each, moved in zip(found, far, strict=True) if moved > least]


def ask_rig(
    rig: PosedRig, wanted: Wanted, controls: Sequence[Control], screen: bool, hindered: Sequence[str] = ()
) -> Generator[tuple[str, float], None, Response]:
    """What each control does about rest. Yields while it goes on. screen: leave out what moves all of the face as one,
    and ask what has several controls as a whole first. hindered: why some may do nothing. Raises InputError if nothing
    moves the face."""
    rests = np.array([each.rest for each in controls])
    spread = float(np.linalg.norm(np.ptp((yield from rig.asked(controls, [rests], "asking the rig"))[0], axis=0)))
    left = list(range(len(controls)))
    if screen:
        left = yield from _screened(rig, controls, rests, NOTHING * spread)
    poses = [rests]
    for number in left:
        poses.append(rests.copy())
        poses[-1][number] += controls[number].step
    shown = yield from rig.asked(controls, poses, "asking the controls")
    rest, changes = shown[0].astype(np.float64), shown[1:].astype(np.float64) - shown[0]
    moves = np.linalg.norm(changes, axis=2).max(1) > NOTHING * spread if len(left) else np.zeros(0, dtype=bool)
    as_one = np.array(
        [moved and _is_rigid(change, rest, wanted.moving) for moved, change in zip(moves, changes, strict=True)]
    )
    kept = [place for place in range(len(left)) if moves[place] and not (screen and as_one[place])]
    chosen = [left[place] for place in kept]
    idle = [controls[number].label for number in range(len(controls)) if number not in left]
    idle += [controls[number].label for number, moved in zip(left, moves, strict=True) if not moved]
    if not kept:
        reason = "; ".join(hindered) or "choose others, or show the bones that do"
        raise InputError(f"none of the {len(controls)} controls moves the face, such as {listed(idle[:3])}; {reason}")
    steps = np.array([controls[number].step for number in chosen])
    whole = [controls[left[place]].label for place in range(len(left)) if screen and moves[place] and as_one[place]]
    moving = [controls[number] for number in chosen]
    return Response(moving, changes[kept] / steps[:, None, None], rest, idle, whole, list(hindered))


def _screened(
    rig: PosedRig, controls: Sequence[Control], rests: np.ndarray, least: float
) -> Generator[tuple[str, float], None, list[int]]:
    """Which controls belong to something, such as a bone, that moves a point by more than least as a whole."""
    owners: dict[tuple[object, str], list[int]] = {}
    for number, control in enumerate(controls):
        owners.setdefault((control.place, control.owner), []).append(number)
    tried = []
    for numbers in owners.values():
        tried.append(rests.copy())
        for number in numbers:  # by uneven steps, so that none undoes another
            tried[-1][number] += controls[number].step * (0.6 + 0.4 * ((7 * number) % 11) / 11)
    shown = yield from rig.asked(controls, [rests, *tried], "asking the rig")
    far = np.linalg.norm(shown[1:] - shown[0], axis=2).max(1)
    return sorted(
        number for numbers, each in zip(owners.values(), far, strict=True) if each > least for number in numbers
    )


def _is_rigid(change: np.ndarray, rest: np.ndarray, moving: np.ndarray) -> bool:
    """Whether a control's change (P, 3) is one small rigid motion and growth of what the take moves."""
    x, y, z = (rest - rest.mean(0)).T
    zero, one = np.zeros_like(x), np.ones_like(x)
    rows = np.stack(
        [
            np.stack([one, zero, zero, zero, z, -y, x], 1),
            np.stack([zero, one, zero, -z, zero, x, y], 1),
            np.stack([zero, zero, one, y, -x, zero, z], 1),
        ],
        1,
    )  # (P, 3, 7)
    weight = (moving > FACE * moving.max())[:, None].astype(np.float64)
    system, wanted = (rows * weight[:, :, None]).reshape(-1, 7), (change * weight).ravel()
    gap = wanted - system @ np.linalg.lstsq(system, wanted, rcond=None)[0]
    return bool(gap @ gap < (1 - WHOLE) * (wanted @ wanted))

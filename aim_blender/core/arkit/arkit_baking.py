# SPDX-License-Identifier: GPL-3.0-or-later
"""Baking a take to the 52 keys of ARKit, or to VRM's expressions, with weights in [0, 1] and no correctives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from ..anatomy.jaw import compose_jaw
from ..baking.baking import CHUNK_FRAMES, posed_frames, rest_space
from ..model.evaluation import check_belongs, placed_frames, stabilized_frames
from ..shared.faces.arkit_names import JAW, SHAPES
from ..shared.faces.vrm_names import DOUBLED, IN_VRM_0, OPPOSITES, mixtures
from ..shared.foundation.large_arrays import room_for
from ..shared.results.bake_arrays import Bake
from ..shared.results.takes import Take
from .arkit_shapes import ArkitShapes
from .arkit_weights import COLUMNS, PAIRS, jaw_weights, key_weights

Report = Callable[[dict], None]

STRONGER = 0.02  # of a weight: a jaw that goes further than its keys is told of


def bake_arkit(
    shapes: ArkitShapes, take: Take, keys: str = "arkit", jaw: str = "bone", report: Report | None = None
) -> Bake:
    """A bake with keys named as `keys` says, arkit, vrm0 or vrm1, and the jaw as a `bone`, or in the `keys`.

    Raises InputError if the take is not the actor's.
    """
    report = report or (lambda _: None)
    actor = shapes.actor
    check_belongs(actor, take)
    own = take.jaw if jaw == "bone" else np.tile(np.eye(4), (len(take.frames), 1, 1))
    offsets = (shapes.beside_bone() if jaw == "bone" else shapes.whole()).astype(np.float32)
    mixed = mixing(keys)
    names = SHAPES if mixed is None else tuple(mixed[0])
    matrix = np.eye(len(SHAPES)) if mixed is None else mixed[1]
    offsets = np.tensordot(matrix.astype(np.float32), offsets, 1)
    frames = room_for((len(take.frames), offsets[0].size))
    for first in range(0, len(frames), CHUNK_FRAMES):
        part = slice(first, min(first + CHUNK_FRAMES, len(frames)))
        rest = rest_space(stabilized_frames(actor, take, part), own[part], actor.skin_weight) - actor.neutral
        frames[part] = rest.reshape(len(rest), -1)
        report({"message": "Unposing frames", "done": part.stop, "total": len(frames)})
    weights = _weights(shapes, take, offsets, frames, names, report)
    hinge = actor.hinge
    bake = Bake(
        topology=actor.topology,
        neutral=actor.neutral,
        key_names=names,
        named_count=len(names),
        keys=offsets,
        key_weights=weights.astype(np.float32),
        skin_weight=actor.skin_weight[:, 0] if jaw == "bone" else np.zeros(len(actor.neutral), np.float32),
        jaw=own,
        head=take.head,
        hinge_centre=np.asarray(actor.neutral.mean(0) if hinge is None else hinge.centre, np.float64),
        hinge_axis=np.asarray(actor.mirror[1] if hinge is None else hinge.axis, np.float64),
        frames=take.frames,
        fps=take.fps,
        key_jaw=compose_jaw(matrix @ shapes.poses, hinge) if jaw == "bone" and hinge is not None else None,
    )
    bake.figures.update(_errors(bake, shapes, take, report))
    bake.figures["notes"] = _notes(bake, shapes, keys)
    if mixed is None and take.shape_weights is not None:
        bake.figures["notes"].insert(1, "the weights are those of the recording that the take plays")
    return bake


def _weights(
    shapes: ArkitShapes, take: Take, offsets: np.ndarray, frames: np.ndarray, names: Sequence[str], report: Report
) -> np.ndarray:
    """(F, N) in [0, 1] of keys (N, V, 3) for frames (F, 3V). A take that plays a recording of ARKit's shapes has their
    weights: what the actor was never captured in shows in its frames but in part, or not at all."""
    whole = tuple(names) == SHAPES
    if whole and take.shape_weights is not None:
        return np.clip(take.shape_weights, 0.0, 1.0)
    fixed, free = np.zeros((len(frames), len(names))), np.ones(len(names), dtype=bool)
    if whole and shapes.hinge is not None:
        fixed[:, COLUMNS] = jaw_weights(shapes, take.jaw, report)
        free[COLUMNS] = False
    free &= [name not in (*DOUBLED, *(IN_VRM_0[each] for each in DOUBLED)) for name in names]
    opposite = PAIRS if whole else _opposites(names)
    return key_weights(offsets.reshape(len(names), -1), frames, fixed, free, opposite, report=report)


def _opposites(names: Sequence[str]) -> list[tuple[int, int]]:
    """Which of VRM's names, of 0 or 1, undo each other."""
    pairs = [*OPPOSITES, *((IN_VRM_0[one], IN_VRM_0[other]) for one, other in OPPOSITES)]
    return [(names.index(one), names.index(other)) for one, other in pairs if one in names]


def mixing(keys: str) -> tuple[list[str], np.ndarray] | None:
    """Names of keys (N,) and of how much of each shape they are (N, 52); None for ARKit's own."""
    if keys == "arkit":
        return None
    found = mixtures(0 if keys == "vrm0" else 1)
    return list(found), np.array([[parts.get(shape, 0.0) for shape in SHAPES] for parts in found.values()])


def _errors(bake: Bake, shapes: ArkitShapes, take: Take, report: Report) -> dict[str, object]:
    total, points = len(bake.frames), len(bake.neutral)
    mean = worst = 0.0
    for first in range(0, total, CHUNK_FRAMES):
        part = slice(first, min(first + CHUNK_FRAMES, total))
        off = np.linalg.norm(posed_frames(bake, part) - placed_frames(shapes.actor, take, part), axis=-1)
        mean, worst = mean + float(off.sum()) / (total * points), max(worst, float(off.max()))
        report({"message": "Checking the bake", "done": part.stop, "total": total})
    return {
        "tolerance_mm": worst,
        "mean_mm": mean,
        "worst_mm": worst,
        "correctives": 0,
        "named_keys": bake.named_count,
        "frames": total,
    }


def _notes(bake: Bake, shapes: ArkitShapes, keys: str) -> list[str]:
    figures = bake.figures
    notes = [
        f"keys alone come within {figures['mean_mm']:.2f} mm of the take, {figures['worst_mm']:.1f} mm at worst; a "
        "bake with the actor's own keys and correctives comes nearer"
    ]
    used = bake.key_weights.max(0) > STRONGER
    if keys == "arkit" and shapes.hinge is not None:
        full = [shape for shape, column in zip(JAW, COLUMNS, strict=True) if bake.key_weights[:, column].max() >= 1.0]
        if full:
            notes.append(f"{', '.join(full)} reaches 1: where the jaw goes further than it was captured, keys cannot")
    return [*notes, *(shapes.notes if used.any() else [])]


def head_angles(take: Take, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """(F, 3) radians of the head's pitch, yaw and roll, and (F, 4) degrees of the eyes where the take knows them, as
    phone_rows has them: the inverse of what fit_phone does. axes: (3, 3) rows, the character's left, up and front."""
    turn = axes @ take.head[:, :3, :3] @ axes.T
    angles = Rotation.from_matrix(turn).as_euler("YXZ")[:, [1, 0, 2]]
    eyes = take.figures.get("eye_degrees")
    if not isinstance(eyes, dict) or {len(column) for column in eyes.values()} != {len(take.frames)}:
        return np.unwrap(angles, axis=0), None
    columns = [eyes[name] for name in ("left_yaw", "left_pitch", "right_yaw", "right_pitch")]
    return np.unwrap(angles, axis=0), np.array(columns, dtype=np.float64).T

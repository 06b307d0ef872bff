# SPDX-License-Identifier: GPL-3.0-or-later
"""Baking a take into shape keys and bones (docs/model.md section 5).

A rig deforms shape keys before bones, x = H [(1-k) + k T] (s0 + sum_i g_i δ_i), with one weight g_i per key and frame.
AIM adds e_i after skinning with a weight per point, so a bake is a change of variables: frames and shapes go back to
rest space, named keys take what they can, and correctives take the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..geometry.rigid import apply_motion
from ..geometry.skinning import linear_blend_skinning
from ..model.actor import Actor
from ..model.evaluation import check_belongs, placed_frames, stabilized_frames
from ..parts.turning import turned_about
from ..shared.foundation.errors import InputError
from ..shared.foundation.large_arrays import room_for
from ..shared.results.bake_arrays import Bake, BakedEyes
from ..shared.results.takes import Take
from ..shared.settings.baking_settings import BakingSettings
from .correctives import distances, fewest_correctives

Report = Callable[[dict], None]

LOWEST_WEIGHT, HIGHEST_WEIGHT = 0.0, 1.5  # of a named key: a performance may be stronger than the capture
TEMPORAL_SMOOTHNESS = 0.02  # of the named keys' mean squared offset, for a change of 1 between frames
CHUNK_FRAMES = 32
COMPARED_FRAMES = 256  # with the keys at once: a long take's are read from a file
LEAST_DETERMINANT = 0.05  # of the blended rotation: a jaw turned by more than 150 degrees has no rest space


def bake_take(
    actor: Actor, take: Take, tolerance_mm: float = BakingSettings.tolerance_mm, report: Report | None = None
) -> Bake:
    """Bake a take so that no point of any frame is further from the fitted frame than tolerance_mm.

    report is called with {"message", "done", "total"}. Raises InputError if the take is not this actor's.
    """
    check_belongs(actor, take)
    report = report or (lambda _: None)
    total, neutral, skin_weight = len(take.frames), actor.neutral, actor.skin_weight
    points = len(neutral)

    at_rest = replace(take, gaze=None)  # eyes are turned by bones
    named = rest_space(actor.shapes()[1:], actor.jaw, skin_weight) - neutral  # δ_i (N, V, 3), docs/model.md (37)
    named = named.astype(np.float32)
    rest = room_for((total, points, 3))  # x_j - s0
    for first in range(0, total, CHUNK_FRAMES):
        part = slice(first, min(first + CHUNK_FRAMES, total))
        rest[part] = rest_space(stabilized_frames(actor, at_rest, part), take.jaw[part], skin_weight) - neutral
        report({"message": "Unposing frames", "done": part.stop, "total": total})

    flat_named, flat_rest = named.reshape(len(named), -1), rest.reshape(total, -1)
    # A shape that the take leaves out stays at 0, however like the frames it looks.
    played = take.coefficients.any((0, 1))
    weights = np.zeros((total, len(named)))  # g (F, N)
    if played.any():
        weights[:, played] = bounded_weights(flat_named[played], flat_rest, report=report)
    named_mean = named_worst = 0.0
    for first in range(0, total, CHUNK_FRAMES):  # in place: a long take's frames are mapped from a file
        part = slice(first, min(first + CHUNK_FRAMES, total))
        flat_rest[part] -= weights[part] @ flat_named
        off = distances(flat_rest[part])
        named_mean, named_worst = named_mean + float(off.sum()) / (total * points), max(named_worst, float(off.max()))
    # Half a hundredth of the tolerance is left for float32.
    correctives, corrective_weights = fewest_correctives(flat_rest, 0.995 * tolerance_mm, report)
    key_names = unique_names([*actor.names, *(f"corrective_{i + 1:03d}" for i in range(len(correctives)))])
    keys = np.concatenate([named, correctives.reshape(-1, points, 3)])
    key_weights = np.concatenate([weights, corrective_weights], axis=1).astype(np.float32)

    if actor.hinge is not None:
        centre, axis = actor.hinge.centre, actor.hinge.axis
    else:
        centre, axis = neutral.mean(0), actor.mirror[1]
    bake = Bake(
        topology=actor.topology,
        neutral=neutral,
        key_names=key_names,
        named_count=len(named),
        keys=keys,
        key_weights=key_weights,
        skin_weight=skin_weight[:, 0],
        jaw=take.jaw,
        head=take.head,
        hinge_centre=np.asarray(centre, dtype=np.float64),
        hinge_axis=np.asarray(axis, dtype=np.float64),
        frames=take.frames,
        fps=take.fps,
        eyes=_eyes(actor, take),
        unbound=_unbound(actor),
        key_jaw=actor.jaw,
    )
    mean = worst = 0.0
    for first in range(0, total, CHUNK_FRAMES):
        part = slice(first, min(first + CHUNK_FRAMES, total))
        off = np.linalg.norm(posed_frames(bake, part) - placed_frames(actor, take, part), axis=-1)
        mean, worst = mean + float(off.sum()) / (total * points), max(worst, float(off.max()))
        report({"message": "Checking the bake", "done": part.stop, "total": total})
    bake.figures.update(
        tolerance_mm=tolerance_mm,
        mean_mm=mean,
        worst_mm=worst,
        correctives=len(correctives),
        named_keys=len(named),
        named_only_mean_mm=named_mean,
        named_only_worst_mm=named_worst,
        frames=total,
    )
    return bake


def posed_frames(bake: Bake, part: slice) -> np.ndarray:
    """(f, V, 3) float64 what Blender shows: x = H [(1-k) + k T] (s0 + sum_i g_i δ_i), docs/model.md (35)."""
    offsets = bake.key_weights[part].astype(np.float64) @ bake.keys.reshape(len(bake.keys), -1).astype(np.float64)
    shaped = bake.neutral + offsets.reshape(-1, *bake.neutral.shape)
    skinned = linear_blend_skinning(shaped, bake.jaw[part], bake.skin_weight[:, None])
    if bake.eyes is not None:
        skinned = turned_about(skinned, bake.eyes.of, bake.eyes.centres, bake.eyes.gaze[part])
    moved = apply_motion(skinned, bake.head[part])
    return moved if bake.unbound is None else np.where(bake.unbound[:, None], shaped, moved)


def _eyes(actor: Actor, take: Take) -> BakedEyes | None:
    """The actor's eyes, and where a take knows how they turn, that."""
    parts = actor.parts
    if parts is None or len(parts.eyes) == 0:
        return None
    gaze = np.zeros((len(take.frames), len(parts.eyes), 3)) if take.gaze is None else take.gaze
    return BakedEyes(parts.eye_names, parts.eye_of.astype(np.int32), parts.eye_centres, parts.axes[[2, 1]], gaze)


def _unbound(actor: Actor) -> np.ndarray | None:
    """(V,) bool the vertices that stay where they are, None if there are none."""
    return None if actor.parts is None or "still" not in actor.parts.kinds else actor.parts.of("still")


def rest_space(shapes: np.ndarray, jaw: np.ndarray, skin_weight: np.ndarray) -> np.ndarray:
    """M^-1 s with M = (1-k) I + k T per point: shapes (F, V, 3), jaw (F, 4, 4), skin_weight (V, 1) -> (F, V, 3):
    docs/model.md (36).

    Raises InputError if a jaw turns so far that blending it with rest collapses the skin.
    """
    weight = skin_weight[None, :, :, None]  # (1, V, 1, 1)
    blend = (1 - weight) * np.eye(3) + weight * jaw[:, None, :3, :3]  # (F, V, 3, 3)
    if np.linalg.det(jaw[:, :3, :3]).min(initial=1.0) < 0 or np.linalg.det(blend).min(initial=1.0) < LEAST_DETERMINANT:
        raise InputError("the jaw turns so far that the skin collapses; fit the performance again")
    shifted = shapes - skin_weight * jaw[:, None, :3, 3]
    return np.linalg.solve(blend, shifted[..., None])[..., 0]


def bounded_weights(
    keys: np.ndarray,
    frames: np.ndarray,
    iterations: int = 500,
    temporal: float = TEMPORAL_SMOOTHNESS,
    highest: float = HIGHEST_WEIGHT,
    report: Report = lambda _: None,
) -> np.ndarray:
    """Weights g (F, N) in [LOWEST_WEIGHT, highest], smooth in time, that bring keys (N, X) closest to frames (F, X).

    Minimises, docs/model.md (38), sum_j |g_j keys - frame_j|² + smoothness sum_j |g_j - g_{j-1}|² by accelerated
    projected gradient. report is called with {"message", "done", "total"}.
    """
    gram = (keys @ keys.T).astype(np.float64)  # (N, N)
    right = shared_with(frames, keys, report)  # (F, N)
    smoothness = temporal * np.trace(gram) / len(gram)
    step = 1.0 / (np.linalg.eigvalsh(gram)[-1] + 4 * smoothness + 1e-12)
    weights = momentum = np.clip(np.zeros_like(right), LOWEST_WEIGHT, highest)
    speed = 1.0
    for iteration in range(iterations):
        report({"message": "Weighting the named keys", "done": iteration, "total": iterations})
        gradient = momentum @ gram - right
        change = np.diff(momentum, axis=0) * smoothness
        gradient[1:] += change
        gradient[:-1] -= change
        following = np.clip(momentum - step * gradient, LOWEST_WEIGHT, highest)
        next_speed = (1 + np.sqrt(1 + 4 * speed**2)) / 2
        momentum = following + (speed - 1) / next_speed * (following - weights)
        weights, speed = following, next_speed
    return weights


def shared_with(frames: np.ndarray, keys: np.ndarray, report: Report) -> np.ndarray:
    """(F, N) float64 products of frames (F, X) with keys (N, X). report is called with {"message", "done", "total"}."""
    found = np.empty((len(frames), len(keys)))
    for first in range(0, len(frames), COMPARED_FRAMES):
        part = slice(first, min(first + COMPARED_FRAMES, len(frames)))
        found[part] = frames[part] @ keys.T
        report({"message": "Comparing frames with keys", "done": part.stop, "total": len(frames)})
    return found


def unique_names(names: list[str]) -> tuple[str, ...]:
    """Names as Blender keeps them, at most 63 bytes each, and distinct."""
    found: list[str] = []
    for name in names:
        short = name.encode()[:63].decode(errors="ignore")
        number = 1
        while short in found:
            ending = f".{number:03d}"
            short = name.encode()[: 63 - len(ending)].decode(errors="ignore") + ending
            number += 1
        found.append(short)
    return tuple(found)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Corrections of a take: one frame is made otherwise, and the frames about it fade into the change and out of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..anatomy.jaw import compose_jaw, decompose_jaw
from ..geometry.rigid import angle_degrees
from ..model.actor import Actor
from ..model.evaluation import check_belongs, stabilized_frames
from ..shared.foundation.archives import save_arrays
from ..shared.foundation.errors import UNREADABLE, InputError, reason
from ..shared.results.bake_arrays import read_bake
from ..shared.results.takes import Take, fading, index_of
from .baking import rest_space, unique_names

SAME_JAW_DEGREES = 0.01  # less is how files keep it


@dataclass(frozen=True)
class Correction:
    """What changes in one frame. own: (M, N) of the take's coefficients. more: (M', N) coefficients of `modes` (V, M')
    that come on top. jaw: (4, 4) the frame's jaw."""

    own: np.ndarray
    more: np.ndarray
    modes: np.ndarray
    jaw: np.ndarray


def corrected(take: Take, actor: Actor, number: int, correction: Correction, blend: int) -> tuple[Take, np.ndarray]:
    """The take with one frame changed and `blend` frames on either side that fade, and the frame's shape before and
    after: (2, V, 3) mm, without the head's motion.

    Its error_mm stays that of the fit. Raises InputError if the take is not the actor's, or has no such frame.
    """
    check_belongs(actor, take)
    if blend < 0:
        raise InputError(f"the change is to fade over {blend} frames; it must be 0 or more")
    index = index_of(take, number)
    share = fading(take.frames, number, blend)
    touched = np.flatnonzero(share)
    modes, first = _with_modes(take.modes, correction.modes)
    grown = np.zeros((len(take.frames), modes.shape[1], len(take.names)), dtype=np.float32)
    grown[:, : take.modes.shape[1]] = take.coefficients
    added = np.zeros(grown.shape[1:])
    added[: take.modes.shape[1]] += correction.own
    added[first : first + len(correction.more)] += correction.more
    grown[touched] += (share[touched, None, None] * added).astype(np.float32)
    jaw = take.jaw.copy()
    if actor.hinge is not None:
        poses = decompose_jaw(take.jaw[touched], actor.hinge)
        change = decompose_jaw(correction.jaw[None], actor.hinge)[0] - decompose_jaw(take.jaw[index], actor.hinge)
        jaw[touched] = compose_jaw(poses + share[touched, None] * change, actor.hinge)
    corrections = [*take.settings.get("corrections", []), {"frame": number, "blend": blend}]
    found = dataclasses.replace(
        take, modes=modes, coefficients=grown, jaw=jaw, settings={**take.settings, "corrections": corrections}
    )
    part = slice(index, index + 1)
    return found, np.concatenate([stabilized_frames(actor, each, part) for each in (take, found)])


def correct_bake(
    path: Path, out: Path, take: Take, number: int, shapes: np.ndarray, blend: int
) -> tuple[str, np.ndarray]:
    """Write a bake.npz with a further corrective key, and return its name and (V, 3) float32 mm in rest space.

    take: as it was before. shapes: (2, V, 3) mm the frame before and after. The bake's jaw stays as it is, so that the
    key holds what a corrected jaw changes. Raises InputError if the file is damaged, or has other frames than the take.
    """
    try:
        arrays = read_bake(path)
        if len(arrays["neutral"]) != shapes.shape[1]:
            raise ValueError(f"it has {len(arrays['neutral'])} vertices but the actor {shapes.shape[1]}")
    except UNREADABLE as error:
        raise InputError(f"{path} is gone or damaged: {reason(error)}; bake the take again") from error
    frames, names = arrays["frames"], [str(name) for name in arrays["key_names"]]
    keys, weights, jaw = arrays["keys"], arrays["key_weights"], arrays["jaw"]
    skin_weight = arrays["skin_weight"].reshape(-1, 1)
    untouched = np.ones(len(take.frames), dtype=bool)
    for each in take.settings.get("corrections", []):
        untouched &= fading(take.frames, each["frame"], each["blend"]) == 0
    inside, compared = np.isin(frames, take.frames), np.isin(frames, take.frames[untouched])
    apart = jaw[compared] @ np.linalg.inv(take.jaw[np.searchsorted(take.frames, frames[compared])])
    if not inside.all() or angle_degrees(apart).max(initial=0.0) > SAME_JAW_DEGREES:
        raise InputError(f"{path} has other frames than the take, or another rate; correct a bake of the take itself")
    shown = jaw[frames == number] if number in frames else take.jaw[index_of(take, number)][None]  # (1, 4, 4)
    posed = rest_space(shapes, np.repeat(shown, 2, axis=0), skin_weight)
    key = (posed[1] - posed[0]).astype(np.float32)
    *_, name = unique_names([*names, f"frame_{number}"])
    arrays["key_names"] = np.array([*names, name])
    arrays["keys"] = np.concatenate([keys, key[None].astype(keys.dtype)])
    share = fading(frames, number, blend).astype(weights.dtype)
    arrays["key_weights"] = np.concatenate([weights, share[:, None]], axis=1)
    save_arrays(out, arrays)
    return name, key


def _with_modes(modes: np.ndarray, more: np.ndarray) -> tuple[np.ndarray, int]:
    """Modes (V, ·) that hold both, and where the second begin: within the first where these hold them already."""
    for first in range(modes.shape[1] - more.shape[1] + 1):
        part = modes[:, first : first + more.shape[1]]
        if np.allclose(part[:, 0], more[:, 0], atol=1e-6) and np.allclose(part, more, atol=1e-5):
            return modes, first
    return np.concatenate([modes, more], axis=1), modes.shape[1]

# SPDX-License-Identifier: GPL-3.0-or-later
"""Corrections of a take: one frame is made otherwise, and the frames about it fade into the change and out of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .actor import Actor
from .archives import open_archive
from .baking import rest_space, unique_names
from .errors import UNREADABLE, InputError, reason
from .evaluation import check_belongs, stabilized_frames
from .files import save_arrays
from .jaw import compose_jaw, decompose_jaw
from .rigid import angle_degrees
from .takes import Take, fading, index_of

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
    """The take with one frame changed and `blend` frames on either side that fade, and what a corrective key of the
    frame is: (V, 3) float32 mm in rest space, as in a bake.

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
    before, after = (stabilized_frames(actor, each, part) for each in (take, found))
    posed = [rest_space(each, take.jaw[part], actor.skin_weight)[0] for each in (before, after)]
    return found, (posed[1] - posed[0]).astype(np.float32)


def correct_bake(path: Path, out: Path, take: Take, number: int, key: np.ndarray, blend: int) -> str:
    """Write a bake.npz with a further corrective key (V, 3) mm, and return its name. take: as it was before.

    Raises InputError if the file is damaged, or has other frames than the take.
    """
    try:
        with open_archive(path) as archive:
            arrays = {name: archive[name] for name in archive.files}
        frames, names = arrays["frames"], [str(name) for name in arrays["key_names"]]
        keys, weights, jaw = arrays["keys"], arrays["key_weights"], arrays["jaw"]
    except UNREADABLE as error:
        raise InputError(f"{path} is gone or damaged: {reason(error)}; bake the take again") from error
    inside = np.isin(frames, take.frames)
    there = np.searchsorted(take.frames, frames[inside])
    apart = jaw[inside] @ np.linalg.inv(take.jaw[there])
    if not inside.all() or angle_degrees(apart).max(initial=0.0) > SAME_JAW_DEGREES:
        raise InputError(f"{path} has other frames than the take, or another rate; correct a bake of the take itself")
    *_, name = unique_names([*names, f"frame_{number}"])
    arrays["key_names"] = np.array([*names, name])
    arrays["keys"] = np.concatenate([keys, key[None].astype(keys.dtype)])
    share = fading(frames, number, blend).astype(weights.dtype)
    arrays["key_weights"] = np.concatenate([weights, share[:, None]], axis=1)
    save_arrays(out, arrays)
    return name


def _with_modes(modes: np.ndarray, more: np.ndarray) -> tuple[np.ndarray, int]:
    """Modes (V, ·) that hold both, and where the second begin: within the first where these hold them already."""
    for first in range(modes.shape[1] - more.shape[1] + 1):
        part = modes[:, first : first + more.shape[1]]
        if np.allclose(part[:, 0], more[:, 0], atol=1e-6) and np.allclose(part, more, atol=1e-5):
            return modes, first
    return np.concatenate([modes, more], axis=1), modes.shape[1]

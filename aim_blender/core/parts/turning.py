# SPDX-License-Identifier: GPL-3.0-or-later
"""How eyeballs turn: measured in frames, placed in frames, and carried to another face as directions."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from .parts import Parts


def place_eyes(
    points: np.ndarray, parts: Parts | None, gaze: np.ndarray | None, vertices: np.ndarray | slice = slice(None)
) -> np.ndarray:
    """Points (F, P, 3) mm of frames without the head's motion, with the eyeballs turned: x = c + R (s0 - c).

    gaze: (F, E, 3) rotation vectors; None leaves them at rest. vertices: which of the mesh's the points are. The one
    place where they are turned: evaluation, live, bake and errors ask it.
    """
    if parts is None or gaze is None or len(parts.eyes) == 0:
        return points
    eye_of = parts.eye_of[vertices]
    if not (eye_of >= 0).any():
        return points
    return turned_about(points, eye_of, parts.eye_centres, gaze)


def turned_about(points: np.ndarray, eye_of: np.ndarray, centres: np.ndarray, gaze: np.ndarray) -> np.ndarray:
    """Points (F, P, 3) turned about the centres (E, 3) of the eyes that they are of (P,), -1 for none, by rotation
    vectors (F, E, 3)."""
    turned = points.copy()
    for eye, centre in enumerate(centres):
        rows = np.flatnonzero(eye_of == eye)
        rotation = Rotation.from_rotvec(gaze[:, eye]).as_matrix()
        turned[:, rows] = (points[:, rows] - centre) @ rotation.transpose(0, 2, 1) + centre
    return turned


def measured_turns(neutral: np.ndarray, frames: np.ndarray, centre: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """(F, 3) the rotation vectors about a centre (3,) that best carry points (P, 3) onto frames (F, P, 3) without the
    head's motion (Kabsch). trust: (F, P) how much each point counts. Rest where fewer than 3 do."""
    import roma

    known = (trust > 0).sum(1) >= 3
    weight = np.where(known[:, None], trust, 1.0)
    rest = np.broadcast_to(neutral - centre, frames.shape)
    arm = np.where((weight > 0)[..., None], frames - centre, 0.0)
    arm[~known] = rest[~known]
    # Beside each point its opposite, so that both clouds lie about the centre, which then stays.
    one, other = (np.concatenate([points, -points], axis=1) for points in (rest, arm))
    both = np.concatenate([weight, weight], axis=1)
    rotation, _ = roma.rigid_points_registration(torch.as_tensor(one), torch.as_tensor(other), torch.as_tensor(both))
    return Rotation.from_matrix(rotation.numpy()).as_rotvec()


def gaze_of_angles(degrees: np.ndarray, parts: Parts) -> np.ndarray | None:
    """(F, E, 3) the gaze of angles (F, 4) in degrees: yaw towards the face's left and pitch downwards, of the left eye
    and of the right. None without eyes."""
    if len(parts.eyes) == 0:
        return None
    left, up, _ = parts.axes
    gaze = np.zeros((len(degrees), len(parts.eyes), 3))
    for eye, aside in enumerate(sides_of(parts)):
        yaw, pitch = np.deg2rad(degrees[:, :2] if aside >= 0 else degrees[:, 2:]).T
        # Up turns the front towards the left, left turns it downwards.
        turn = Rotation.from_rotvec(yaw[:, None] * up) * Rotation.from_rotvec(pitch[:, None] * left)
        gaze[:, eye] = turn.as_rotvec()
    return gaze


def sides_of(parts: Parts) -> np.ndarray:
    """(E,) in [-1, 1] how far each eye lies to the face's left, among its eyes."""
    along = parts.eye_centres @ parts.axes[0]
    along = along - (along.max() + along.min()) / 2
    return along / max(float(np.abs(along).max()), 1e-9)


def carry_gaze(gaze: np.ndarray | None, source: Parts | None, target: Parts | None) -> np.ndarray | None:
    """(F, E', 3) the gaze (F, E, 3) of the source's eyes as that of the target's: each looks into the same direction,
    as its own face has left, up and front, as the source's eye on its side. None where either has no eyes."""
    if gaze is None or source is None or target is None or len(source.eyes) == 0 or len(target.eyes) == 0:
        return None
    nearest = np.abs(sides_of(target)[:, None] - sides_of(source)).argmin(1)  # (E',)
    return gaze[:, nearest] @ source.axes.T @ target.axes

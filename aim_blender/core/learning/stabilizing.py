# SPDX-License-Identifier: GPL-3.0-or-later
"""The head's motion that a session left in the shapes of a capture: found by the skin that stays, and taken out."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..geometry.rigid import angle_degrees
from ..model.head import QUIET_MM, robust_registration, without_head
from ..shared.captured.captures import Capture

LEAST_DEGREES, LEAST_MM = 0.1, 0.15  # less is left as it is
QUIET_SHARE = 0.3  # of the skin that an expression leaves alone
STILL_MM = 0.05  # skin that moves by less shows that the head was held still
ROUNDS = 3  # which skin stays is known better once the motion is taken out
MOST_POINTS = 20_000  # of the skin, by which the head is told: more say nothing new
BETTER = 0.6  # what is left of the quiet skin's motion, or else it was no motion of the head


def stabilized(capture: Capture) -> Capture:
    """A capture without the rigid motion of its head from shape to shape, and a note on how much that was.

    A shape whose quiet skin stays where it is, or is no nearer without the motion, is left as it is.
    """
    chosen = np.arange(len(capture.neutral))
    if len(chosen) > MOST_POINTS:
        chosen = np.sort(np.random.default_rng(0).permutation(len(chosen))[:MOST_POINTS])
    neutral, shapes = capture.neutral[chosen], capture.vertices[1:, chosen]
    distance = np.linalg.norm(shapes - neutral, axis=-1)  # (N, P)
    before = np.quantile(distance, QUIET_SHARE, axis=1)
    trust = 1.0 / (np.median(distance, axis=0) ** 2 + QUIET_MM**2)
    for _ in range(ROUNDS):
        motion = robust_registration(neutral, shapes, trust)  # (N, 4, 4)
        settled = without_head(shapes, motion)
        left = np.linalg.norm(settled - neutral, axis=-1)
        trust = 1.0 / ((left**2).mean(0) + QUIET_MM**2)
    after = np.quantile(left, QUIET_SHARE, axis=1)
    middle = capture.neutral.mean(0)
    degrees = angle_degrees(motion)
    moved = np.linalg.norm(motion[:, :3, :3] @ middle + motion[:, :3, 3] - middle, axis=1)
    taken = (before > STILL_MM) & (after < BETTER * before) & ((degrees > LEAST_DEGREES) | (moved > LEAST_MM))
    if not taken.any():
        return capture
    vertices = capture.vertices.copy()
    vertices[1:][taken] = without_head(vertices[1:][taken], motion[taken])
    jaw_points = capture.jaw_points
    if jaw_points is not None:
        turned = without_head(jaw_points[1:], motion)
        jaw_points = np.concatenate([jaw_points[:1], np.where(taken[:, None, None], turned, jaw_points[1:])])
    note = (
        f"the head moves in {int(taken.sum())} shapes, by {degrees[taken].max():.2f} degrees and "
        f"{moved[taken].max():.2f} mm at most: that was taken out"
    )
    return dataclasses.replace(capture, vertices=vertices, jaw_points=jaw_points, notes=(*capture.notes, note))

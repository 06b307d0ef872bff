# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of a rig's controls within bounds, few of them at work, smooth in time.

The cost of a control is its effect, as in Racković et al. 2023 (arXiv 2302.04820 and 2302.04843), who add the sum of
all weights to the squared error and go from control to control. Here a whole curve is one step: the coupling of
neighbouring frames is replaced by a bound on it, which makes the step closed and never lets the objective grow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .control_equations import ControlEquations

ROUNDS = 400
SETTLED = 3e-3  # of the largest value: what a round may still change
# By what share a cheaper control has to better the error; if not, rounds go on to what is finer by a factor, at most.
STALLED, FINER, FINEST = 0.02, 0.5, 5e-4
# Of what controls do alike the nearest to rest is taken; a thousandth of an effect costs no accuracy.
RIDGE = 1e-3
BISECTIONS = 2
# Of the cost at which no control is worth moving: where the search for the right one begins and ends, and its steps.
FIRST, CHEAPEST, CHEAPER = 0.1, 1e-6, 0.4
FREE_LOSS = 0.005  # of the motion itself: a rig that can do all of it may lose this much for fewer controls


@dataclass(frozen=True)
class SolvedControls:
    """values: (F, C). error, full_error: of a frame, root mean square over points and mean over frames, by the
    equations, and what it is if all controls may be used. cost: of a control's effect, by which they were solved for.
    active: the mean share of controls that are at work in a frame, of those that move anything."""

    values: np.ndarray
    error: float
    full_error: float
    cost: float
    active: float


def solve_controls(
    equations: ControlEquations, least: np.ndarray, most: np.ndarray, smoothing: float, loss: float
) -> SolvedControls:
    """The curves that follow what is wanted with few controls.

    least, most: (C,) bounds of the values, with 0 (rest) in them. smoothing: what a change from frame to frame costs
    beside an error of the same size. loss: by what share the error may grow for the sake of fewer controls.
    """
    full = curves_within(equations, least, most, smoothing, 0.0, _without_bounds(equations))
    full_error = float(equations.errors(full).mean())
    allowed = max(full_error * (1 + loss), full_error + min(loss, FREE_LOSS) * float(np.sqrt(equations.energy).mean()))
    found, low = full, 0.0
    high = float(np.abs(equations.right).max(initial=0.0))  # at this cost no control is worth moving
    if loss > 0 and high > 0:
        # From none to as many as it takes, so that each solution is near the next one with more.
        sparser, price, above = np.zeros_like(full), high * FIRST, high * FIRST
        settled, before = SETTLED, np.inf
        while price > high * CHEAPEST and not low:
            z = curves_within(equations, least, most, smoothing, price, sparser, settled)
            error = equations.errors(z).mean()
            if error <= allowed:
                low, found = price, z
            elif error > (1 - STALLED) * before and settled > FINEST:
                # It is not the price that keeps the error up: at this one the solution is not settled yet.
                settled *= FINER
            else:
                above, sparser, before, price = price, z, error, price * CHEAPER
        settled = max(settled * FINER, FINEST)
        for _ in range(BISECTIONS if low else 0):
            price = float(np.sqrt(low * above))
            z = curves_within(equations, least, most, smoothing, price, sparser, settled)
            if equations.errors(z).mean() <= allowed:
                low, found = price, z
            else:
                above, sparser = price, z
    return solution(equations, found, full_error, low)


def solution(equations: ControlEquations, z: np.ndarray, full_error: float, cost: float) -> SolvedControls:
    """The curves z (C, F) of effects as values of the controls."""
    moving = equations.scale > 0
    per_unit = np.divide(1.0, equations.scale, out=np.zeros_like(equations.scale), where=moving)
    active = float((z[moving] != 0).mean()) if moving.any() else 0.0
    return SolvedControls((z * per_unit[:, None]).T, float(equations.errors(z).mean()), full_error, cost, active)


def curves_within(
    equations: ControlEquations,
    least: np.ndarray,
    most: np.ndarray,
    smoothing: float,
    cost: float,
    start: np.ndarray,
    settled: float = SETTLED,
) -> np.ndarray:
    """z (C, F) that minimises ½ zᵀ H z - bᵀ z + cost |z| + ½ smoothing Σ (z_f - z_f+1)² + ½ ridge z².

    least, most: (C,) bounds of the values x, z = scale x. start: (C, F). settled: of the largest value, what the last
    round may still change.
    """
    scale, gram, right = equations.scale, equations.gram, equations.right
    below, above = least * scale, most * scale
    z = np.clip(start, below[:, None], above[:, None])
    everywhere = np.flatnonzero(scale > 0)
    tolerance = settled * float(np.abs(right).max(initial=0.0))
    chosen = everywhere
    for _ in range(ROUNDS):
        changed = 0.0
        for index in chosen.tolist():
            curve = z[index]
            pull = _row(gram, equations.pose_of, index, z) - right[index] + RIDGE * curve
            curvature = _diagonal(gram, equations.pose_of, index) + RIDGE
            if smoothing > 0:
                pull = pull + smoothing * _roughness(curve)
                curvature = curvature + 4.0 * smoothing
            aim = curve - pull / curvature
            if cost > 0:
                aim = np.sign(aim) * np.maximum(np.abs(aim) - cost / curvature, 0.0)
            aim = np.clip(aim, below[index], above[index])
            changed = max(changed, float(np.abs(aim - curve).max()))
            z[index] = aim
        if changed <= tolerance:
            if len(chosen) == len(everywhere):
                break
            chosen = everywhere
        else:  # what rests throughout is looked at again at the end
            chosen = everywhere[np.abs(z[everywhere]).max(1) > 0] if cost > 0 else everywhere
    return z


def _row(gram: np.ndarray, pose_of: np.ndarray, index: int, z: np.ndarray) -> np.ndarray:
    if len(gram) == 1:
        return np.asarray(gram[0, index] @ z)
    return np.asarray((gram[:, index] @ z)[pose_of, np.arange(z.shape[1])])


def _diagonal(gram: np.ndarray, pose_of: np.ndarray, index: int) -> np.ndarray:
    return np.asarray(gram[pose_of, index, index])


def _roughness(curve: np.ndarray) -> np.ndarray:
    """(F,) the gradient of ½ Σ (z_f - z_f+1)²."""
    steps = np.diff(curve)
    found = np.zeros_like(curve)
    found[1:] += steps
    found[:-1] -= steps
    return found


def _without_bounds(equations: ControlEquations) -> np.ndarray:
    """(C, F) z where neither bounds nor other frames count."""
    found = np.empty_like(equations.right)
    for pose, gram in enumerate(equations.gram):
        at = equations.pose_of == pose
        found[:, at] = np.linalg.solve(gram + RIDGE * np.eye(len(gram)), equations.right[:, at])
    return found

# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of a rig's controls within bounds, few of them at work, smooth in time.

The cost of a control is its effect, as in Racković et al. 2023 (arXiv 2302.04820 and 2302.04843), who add the sum of
all weights to the squared error and go from control to control. Here a whole curve is one step: the coupling of
neighbouring frames is replaced by a bound on it, which makes the step closed and never lets the objective grow.

Such a cost also holds back what is at work, so each solution is solved for once more with a cost that what moves far
hardly pays (reweighted, as in Candès, Wakin and Boyd 2008): a smaller error with as many controls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .control_equations import ControlEquations

ROUNDS = 400
SETTLED = 3e-3  # of the largest value: what a round may still change
# By how much an error may exceed what is allowed for finer rounds, by a factor down to the finest, or for any.
NEAR, HOPELESS, FINER, FINEST = 1.02, 1.4, 0.5, 1.5e-3
FURTHER = 1.4  # times a step of a curve: overrelaxed, which takes fewer rounds
# Of what controls do alike the nearest to rest is taken; this share of an effect costs hardly any accuracy.
RIDGE = 3e-4
BISECTIONS = 2
FAR = 0.1  # of the mean effect at work: a control that does this pays half, one that rests all
# Of the cost at which no control is worth moving: where the search for the right one begins and ends, and its steps.
FIRST, CHEAPEST, CHEAPER = 0.1, 1e-6, 0.4
FREE_LOSS = 0.005  # of the motion itself: a rig that can do all of it may lose this much for fewer controls


@dataclass(frozen=True)
class SolvedControls:
    """values: (F, C). error, full_error: of a frame, root mean square over points and mean over frames, by the
    equations, and what it is if all controls may be used. costs: (C, F) of a control's effect, by which they were
    solved for. active: the mean share of controls that are at work in a frame, of those that move anything."""

    values: np.ndarray
    error: float
    full_error: float
    costs: np.ndarray
    active: float


def solve_controls(
    equations: ControlEquations, least: np.ndarray, most: np.ndarray, smoothing: float, loss: float
) -> SolvedControls:
    """The curves that follow what is wanted with few controls.

    least, most: (C,) bounds of the values, with 0 (rest) in them. smoothing: what a change from frame to frame costs
    beside an error of the same size. loss: by what share the error may grow for the sake of fewer controls.
    """
    bounds = least, most, smoothing
    full = curves_within(equations, *bounds, 0.0, _without_bounds(equations), SETTLED if loss > 0 else FINEST)
    full_error = float(equations.errors(full).mean())
    allowed = max(full_error * (1 + loss), full_error + min(loss, FREE_LOSS) * float(np.sqrt(equations.energy).mean()))
    found, costs, low = full, np.zeros_like(full), 0.0
    high = float(np.abs(equations.right).max(initial=0.0))  # at this cost no control is worth moving
    if loss > 0 and high > 0:
        # From none to as many as it takes, so that each solution is near the next one with more.
        sparser, price, above = np.zeros_like(full), high * FIRST, high * FIRST
        bisected = 0
        while price > high * CHEAPEST and bisected < BISECTIONS:
            z = curves_within(equations, *bounds, price, sparser)
            again, paid = _reweighted(equations, bounds, price, z, allowed)
            if equations.errors(again).mean() <= allowed:
                low, found, costs = price, again, paid
            else:
                above, sparser = price, z
            bisected += low > 0
            price = float(np.sqrt(low * above)) if low else price * CHEAPER
    return solution(equations, found, full_error, costs)


def _reweighted(
    equations: ControlEquations,
    bounds: tuple[np.ndarray, np.ndarray, float],
    price: float,
    z: np.ndarray,
    allowed: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The curves z (C, F) solved for again, where what moves far pays less, and the costs (C, F). bounds: least, most
    and smoothing. allowed: the error for which rounds go on to what is finer, where it is near."""
    working = np.abs(z[z != 0])
    if not len(working) or equations.errors(z).mean() > HOPELESS * allowed:
        return z, np.full_like(z, price)
    far = FAR * float(working.mean())
    costs = price * far / (np.abs(z) + far)
    settled, error = SETTLED, np.inf
    while settled >= FINEST and (error == np.inf or allowed < error < NEAR * allowed):
        z = curves_within(equations, *bounds, costs, z, settled)
        settled, error = settled * FINER, float(equations.errors(z).mean())
    return z, costs


def solution(equations: ControlEquations, z: np.ndarray, full_error: float, costs: np.ndarray) -> SolvedControls:
    """The curves z (C, F) of effects as values of the controls."""
    moving = equations.scale > 0
    per_unit = np.divide(1.0, equations.scale, out=np.zeros_like(equations.scale), where=moving)
    active = float((z[moving] != 0).mean()) if moving.any() else 0.0
    return SolvedControls((z * per_unit[:, None]).T, float(equations.errors(z).mean()), full_error, costs, active)


def curves_within(
    equations: ControlEquations,
    least: np.ndarray,
    most: np.ndarray,
    smoothing: float,
    cost: float | np.ndarray,
    start: np.ndarray,
    settled: float = SETTLED,
    damping: float = 0.0,
) -> np.ndarray:
    """z (C, F) that minimises ½ zᵀ H z - bᵀ z + cost |z| + ½ smoothing Σ (z_f - z_f+1)² + ½ ridge z² + ½ damping (z -
    start)².

    least, most: (C,) bounds of the values x, z = scale x. cost: of all, or (C, F) of each. start: (C, F). settled: of
    the largest value, what the last round may still change.
    """
    scale, gram, right = equations.scale, equations.gram, equations.right
    below, above = least * scale, most * scale
    z = np.clip(start, below[:, None], above[:, None])
    everywhere = np.flatnonzero(scale > 0)
    costs = np.broadcast_to(cost, z.shape)
    paid = bool(costs.any())
    tolerance = settled * float(np.abs(right).max(initial=0.0))
    chosen = everywhere
    for _ in range(ROUNDS):
        changed = 0.0
        for index in chosen.tolist():
            curve = z[index]
            pull = _row(gram, equations.pose_of, index, z) - right[index] + RIDGE * curve
            pull += damping * (curve - start[index])
            curvature = _diagonal(gram, equations.pose_of, index) + RIDGE + damping
            if smoothing > 0:
                pull = pull + smoothing * _roughness(curve)
                curvature = curvature + 4.0 * smoothing
            aim = curve - FURTHER * pull / curvature
            if paid:
                aim = np.sign(aim) * np.maximum(np.abs(aim) - FURTHER * costs[index] / curvature, 0.0)
            aim = np.clip(aim, below[index], above[index])
            changed = max(changed, float(np.abs(aim - curve).max()))
            z[index] = aim
        if changed <= tolerance:
            if len(chosen) == len(everywhere):
                break
            chosen = everywhere
        else:  # what rests throughout is looked at again at the end
            chosen = everywhere[np.abs(z[everywhere]).max(1) > 0] if paid else everywhere
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

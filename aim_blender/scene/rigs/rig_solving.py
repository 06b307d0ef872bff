# SPDX-License-Identifier: GPL-3.0-or-later
"""A take as values of a rig's controls: the rig is asked, the controls are solved for, and the rig is asked again."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import partial

import bpy
import numpy as np

from ...core.shared.rigs.control_equations import control_equations
from ...core.shared.rigs.control_solving import FINEST, SETTLED, SolvedControls, curves_within, solution, solve_controls
from ...core.shared.rigs.together import groups_apart, touched_by
from ...core.shared.settings.rig_settings import RigSettings
from ..baking.baked_take import BakedTake
from ..basics.meanwhile import meanwhile
from . import asking, hindrances
from .controls import Control
from .posing import PosedRig

STRAIGHT = 0.02  # by what share the error may be worse than foreseen of a rig that counts as linear
BETTER = 0.01  # by what share a round has to better the error for another
SHARES = (1.0, 0.4)
POSES = 4  # of the take about which the rig is asked again
DAMPING = 0.1  # of the squared error: what a change between rounds costs, since what is far from linear is overshot
SMALL = 0.3  # of a control's step, by which it is moved there


@dataclass(frozen=True)
class SolvedRig:
    """controls: C of them. values: (F, C). mean_mm, worst_mm: how far points of all frames are off, as the rig shows
    them. error_mm: of a frame, root mean square, and mean over frames. least_mm: what that would be of a rig that is
    linear, with all controls at work. active: the mean share of controls that are not at rest. gap: (F, P, 3) what is
    lacking of what is wanted. idle, whole: as Response has them."""

    controls: list[Control]
    values: np.ndarray
    mean_mm: float
    worst_mm: float
    error_mm: float
    least_mm: float
    active: float
    gap: np.ndarray
    idle: list[str]
    whole: list[str]
    response: asking.Response
    wanted: asking.Wanted


Steps = Generator[tuple[str, float], None, SolvedRig]


def solve_rig(
    context: bpy.types.Context,
    mesh: bpy.types.Object,
    baked: BakedTake,
    scale: float,
    settings: RigSettings,
    controls: list[Control] | None = None,
) -> Steps:
    """Yields (message, share) while Blender may do other things. Returns the values of the controls.

    baked: the take, of the mesh's actor. scale: mm in its unit. controls: with their bounds; those that are proposed
    if left out. Between the yields the rig is as it was found. Raises InputError, see asking.
    """
    datablocks = asking.usable_rig(mesh, baked)
    rig = PosedRig(context, mesh, asking.points_of(mesh, len(baked.frames)))
    response, wanted = yield from responded(rig, mesh, baked, scale, datablocks, controls)
    chosen = response.controls
    rests = np.array([each.rest for each in chosen])
    least, most = np.array([each.least for each in chosen]) - rests, np.array([each.most for each in chosen]) - rests

    def solve() -> SolvedControls:
        equations = control_equations(response.effects[None], wanted.offsets)
        return solve_controls(equations, least, most, settings.smoothing, settings.loss)

    def solve_again(effects: np.ndarray, aim: np.ndarray, pose_of: np.ndarray) -> SolvedControls:
        equations = control_equations(effects, aim, pose_of)
        start = best.T * equations.scale[:, None]
        settled = SETTLED if settings.loss > 0 else FINEST  # who spares no control wants what they can do
        z = curves_within(equations, least, most, settings.smoothing, solved.costs, start, settled, DAMPING)
        return solution(equations, z, solved.full_error, solved.costs)

    solved = yield from meanwhile("solving", solve)
    expected = solved.error
    best, best_gap = solved.values, (yield from _gap(rig, response, wanted, solved.values))
    for _ in range(settings.rounds):
        if _error(best_gap) <= (1 + STRAIGHT) * expected:
            break
        near, pose_of = _poses(best)
        effects = yield from _effects_about(rig, response, near, best)
        aim = best_gap + _moved(effects, pose_of, best)
        again = yield from meanwhile("solving again", partial(solve_again, effects, aim, pose_of))
        before = _error(best_gap)
        for share in SHARES:  # of the way there: what is far from linear is overshot
            values = best + share * (again.values - best)
            gap = yield from _gap(rig, response, wanted, values)
            if _error(gap) < before:
                best, best_gap, expected = values, gap, again.error
                break
        if _error(best_gap) > (1 - BETTER) * before:
            break
    off = np.linalg.norm(best_gap, axis=2) * wanted.millimetres
    return SolvedRig(
        chosen,
        best + rests,
        float(off.mean()),
        float(off.max()),
        _error(best_gap) * wanted.millimetres,
        solved.full_error * wanted.millimetres,
        float((best != 0).mean()),
        best_gap,
        response.idle,
        response.whole,
        response,
        wanted,
    )


def responded(
    rig: PosedRig,
    mesh: bpy.types.Object,
    baked: BakedTake,
    scale: float,
    datablocks: list[bpy.types.ID],
    controls: list[Control] | None,
) -> Generator[tuple[str, float], None, tuple[asking.Response, asking.Wanted]]:
    """What the controls do, and what the take wants of the mesh. controls: as solve_rig has them."""
    asked = asking.proposed(mesh, datablocks) if controls is None else controls
    rests = np.array([each.rest for each in asked])
    rest = (yield from rig.asked(asked, [rests], "asking the rig"))[0].astype(np.float64)
    wanted = asking.wanted_of(baked, mesh, rest, rig.points, scale)
    response = yield from asking.ask_rig(rig, wanted, asked, controls is None, hindrances.hindered(datablocks))
    if controls is None:
        response = replace(response, switches=(yield from asking.switches_of(rig, mesh, datablocks)))
    return response, wanted


def _gap(
    rig: PosedRig, response: asking.Response, wanted: asking.Wanted, values: np.ndarray
) -> Generator[tuple[str, float], None, np.ndarray]:
    """(F, P, 3) what the rig still lacks where its controls are at values (F, C) from rest."""
    rests = np.array([each.rest for each in response.controls])
    shown = yield from rig.asked(response.controls, list(values + rests), "looking at the frames")
    return wanted.offsets - (shown - response.rest)


def _poses(values: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Frames that lie far from each other and from rest, and (F,) which of them each frame is near; farthest first."""
    scaled = values / np.maximum(np.abs(values).max(0), 1e-9)
    chosen = [int((scaled**2).sum(1).argmax())]
    distances = [((scaled - scaled[chosen[0]]) ** 2).sum(1)]
    while len(chosen) < min(POSES, len(values)):
        nearest = np.min(distances, axis=0)
        if nearest.max() <= 0:
            break
        chosen.append(int(nearest.argmax()))
        distances.append(((scaled - scaled[chosen[-1]]) ** 2).sum(1))
    return chosen, np.argmin(distances, axis=0)


def _effects_about(
    rig: PosedRig, response: asking.Response, frames: list[int], values: np.ndarray
) -> Generator[tuple[str, float], None, np.ndarray]:
    """(K, C, P, 3) effects about the poses of some frames, asked for those controls that are at work in them; at once
    for those that move different points."""
    rests = np.array([each.rest for each in response.controls])
    effects = np.repeat(response.effects[None], len(frames), axis=0)
    touched = touched_by(response.effects)
    poses: list[np.ndarray] = []
    of: list[tuple[int, list[int], np.ndarray]] = []
    for number, frame in enumerate(frames):
        about = values[frame] + rests
        poses.append(about)
        of.append((number, [], about))
        for group in groups_apart(touched, np.flatnonzero(values[frame]).tolist()):
            tried = about.copy()
            for place in group:
                control = response.controls[place]
                step = control.step * SMALL
                tried[place] += -step if about[place] + step > control.most else step
            poses.append(tried)
            of.append((number, group, tried - about))
    shown = yield from rig.asked(response.controls, poses, "asking again")
    base = shown[0]
    for points, (number, group, steps) in zip(shown, of, strict=True):
        if not group:
            base = points
        for place in group:
            own = touched[place]
            effects[number, place, own] = (points[own] - base[own]) / steps[place]
    return effects


def _moved(effects: np.ndarray, pose_of: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(F, P, 3) what values (F, C) do by the effects (K, C, P, 3) of each frame's pose."""
    found = np.empty((len(values), *effects.shape[2:]))
    for pose, each in enumerate(effects):
        at = pose_of == pose
        found[at] = np.tensordot(values[at], each, 1)
    return found


def _error(gap: np.ndarray) -> float:
    """Of a frame, root mean square over its points, and mean over frames."""
    return float(np.sqrt((gap**2).sum(2).mean(1)).mean())

# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist should know of a take on a rig: lips that it holds together, and what else moves it while it plays."""

from __future__ import annotations

import bpy
import numpy as np

from ...core.shared.faces.similarity import similarity
from ...core.shared.foundation.wording import listed
from ...core.shared.rigs.parting import held_together
from ...core.shared.settings.rig_settings import LayerSettings
from ..basics import versions
from . import rig_data
from .asking import NO_BETWEEN, Response
from .posing import PosedRig
from .rig_solving import SolvedRig

LITTLE = 0.5  # of the motion: who reaches less should look at what is hidden
ELSEWHERE = 0.05  # of the farthest that the take moves a point: how far rest may be off the actor's neutral unsaid
PLAYED = 6  # frames that are looked at once they are keyed
# By how much more than was solved for a frame may be off as the file plays it: a share, and millimetres.
WORSE, SLACK_MM = 1.25, 0.1
SHOWN = 3  # of a list in a sentence


def switched(response: Response) -> str:
    """What to tell of switches that move the face and are left alone; empty if there are none."""
    return f"{listed(response.switches[:SHOWN])} {NO_BETWEEN}" if response.switches else ""


def resting(solved: SolvedRig) -> str:
    """What to tell of a face that is not the actor's while all controls rest; empty if it is."""
    if solved.wanted.rest_off <= ELSEWHERE * float(solved.wanted.moving.max()):
        return ""
    return (
        f"with all controls at rest the face is up to {solved.wanted.rest_off * solved.wanted.millimetres:.1f} mm off "
        "the actor's neutral, which stays in every frame: a locked shape key, a hidden bone or what drives them is not "
        "at rest"
    )


def lacking(solved: SolvedRig) -> str:
    """What to tell of controls that do little of a take; empty if they do most of it."""
    motion = float(np.linalg.norm(solved.wanted.offsets, axis=2).mean()) * solved.wanted.millimetres
    if solved.mean_mm <= (1 - LITTLE) * motion:
        return ""
    return (
        f"that is most of the motion, which is {motion:.2f} mm: show the bones that do the rest, such as the jaw's, or "
        "choose more controls"
    )


def glued(solved: SolvedRig, frames: np.ndarray) -> str:
    """What to tell of lips that the rig holds together; empty if there are none. frames: (F,) as they are numbered."""
    held = held_together(solved.response.rest, solved.wanted.offsets, solved.gap)
    if held is None:
        return ""
    unit = solved.wanted.millimetres
    return (
        f"in frame {frames[held.frame]} what the take parts by {held.wanted * unit:.0f} mm, as the lips, opens by "
        f"{held.shown * unit:.0f} mm: where one bone moves both, as automatic weights make it, give each lip to its own"
    )


def played_otherwise(
    context: bpy.types.Context, mesh: bpy.types.Object, solved: SolvedRig, frames: np.ndarray, layer: LayerSettings
) -> str:
    """What to tell if the keyed file shows something else than was solved for; empty if it does not.

    Some of the frames (F,) are gone to, and the present one again. The head may move: what is compared is the face. A
    layer that adds to what is there is not looked at, nor frames in which one blends.
    """
    if layer.onto == "add":
        return ""
    blends = (0, 0) if layer.onto == "action" else (layer.blend_in, layer.blend_out)
    inside = np.flatnonzero((frames >= frames[0] + blends[0]) & (frames <= frames[-1] - blends[1]))
    if len(inside) == 0:
        return ""
    looked = np.unique(inside[np.linspace(0, len(inside) - 1, PLAYED).astype(int)])
    wanted = solved.response.rest + solved.wanted.offsets[looked]  # (f, P, 3)
    off, alone = np.empty(len(looked)), np.empty(len(looked))
    rig, scene = PosedRig(context, mesh, solved.wanted.points), context.scene
    before = scene.frame_current, scene.frame_subframe
    try:
        for number, index in enumerate(looked):
            scene.frame_set(int(frames[index]))
            off[number] = _off(rig.now().astype(np.float64), wanted[number]) * solved.wanted.millimetres
            alone[number] = _off(wanted[number] - solved.gap[index], wanted[number]) * solved.wanted.millimetres
    finally:
        scene.frame_set(before[0], subframe=before[1])
    worse = off - (WORSE * alone + SLACK_MM)
    if worse.max() <= 0:
        return ""
    worst = int(worse.argmax())
    said = (
        f"but in frame {frames[looked[worst]]}, as the file plays, the face is {off[worst]:.1f} mm off, where the "
        f"controls alone leave {alone[worst]:.1f}: something else moves it, too, or holds it"
    )
    others = _others(mesh, solved)
    return f"{said}, such as {listed(others[:SHOWN])}" if others else said


def _off(shown: np.ndarray, wanted: np.ndarray) -> float:
    """How far points (P, 3) are from what is wanted of them on average, wherever the head is and turns to."""
    _, rotation, _ = similarity(shown, wanted)
    gap = wanted - shown @ rotation.T
    return float(np.linalg.norm(gap - gap.mean(0), axis=1).mean())


def _others(mesh: bpy.types.Object, solved: SolvedRig) -> list[str]:
    """What else of a rig changes from frame to frame."""
    keyed = {(each.place, each.path) for each in solved.controls}
    found = []
    for each in rig_data.related(mesh):
        for curve in versions.curves_of(each):
            own = (rig_data.where(each), curve.data_path) in keyed
            if own and any(not modifier.mute for modifier in curve.modifiers):
                found.append(f"the modifiers of the curve {curve.data_path} of {each.name!r}")
            if not own and not curve.mute:
                found.append(f"the keys of {curve.data_path} of {each.name!r}")
        found += [
            f"the driver of {curve.data_path} of {each.name!r}, which uses the frame"
            for curve in rig_data.drivers(each)
            if curve.driver.type == "SCRIPTED" and "frame" in curve.driver.expression
        ]
        if isinstance(each, bpy.types.Object):
            found += [f"the modifier {item.name!r} of {each.name!r}" for item in each.modifiers if item.type == "WAVE"]
    return list(dict.fromkeys(found))

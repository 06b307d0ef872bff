# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene's list of a rig's controls, and a take that is solved for those that are chosen."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import bpy

from ...core.shared.foundation.errors import InputError
from ...core.shared.foundation.wording import listed
from ...core.shared.settings.rig_settings import LayerSettings, RigSettings
from ..baking import rig_baking
from ..baking.baked_take import BakedTake
from ..basics import nla_strips
from ..basics.records import ActorRecord, RigRecord
from . import asking, remarks
from .controls import Control
from .posing import PosedRig
from .rig_keying import key_rig
from .rig_solving import SolvedRig, Steps, responded, solve_rig

SHOWN = 3  # of a list in a sentence


def propose(
    context: bpy.types.Context, baked: BakedTake, scale: float
) -> Generator[tuple[str, float], None, asking.Response]:
    """What the controls of the scene's rig do. Yields while it goes on. scale: mm in a unit of the bake."""
    mesh = context.scene.aim.rig.mesh
    datablocks = asking.usable_rig(mesh, baked)
    rig = PosedRig(context, mesh, asking.points_of(mesh, len(baked.frames)))
    return (yield from responded(rig, mesh, baked, scale, datablocks, None))[0]


def list_controls(state: RigRecord, response: asking.Response) -> str:
    """Fill the list of the scene's rig (`aim.rig`) and return what to tell. What was limited or not chosen of the
    same controls stays so."""
    before = {each.identifier: (each.use, each.least, each.most) for each in state.controls}
    state.controls.clear()
    for control in response.controls:
        row = state.controls.add()
        row.name, row.identifier = control.label, control.identifier
        row.least, row.most = control.least, control.most
        if control.identifier in before:
            row.use, row.least, row.most = before[control.identifier]
    told = f"{len(response.controls)} controls move the face"
    if response.whole:
        told += f"; {len(response.whole)} move all of it as one and are left alone, such as {response.whole[0]}"
    if response.idle:
        told += f"; {len(response.idle)} move nothing of it, such as {response.idle[0]}"
    return "; ".join(each for each in (told, *response.hindered, remarks.switched(response)) if each)


def solve(context: bpy.types.Context, baked: BakedTake, scale: float, settings: RigSettings) -> Steps:
    """The take as values of the scene's rig; of the listed controls that are chosen, of all if none are listed.

    Raises InputError.
    """
    state = context.scene.aim.rig
    controls = None
    if len(state.controls):
        found = {each.identifier: each for each in _all_controls(state.mesh, baked)}
        rows = [row for row in state.controls if row.use]
        if not rows:
            raise InputError("no control of the list is chosen; choose those that shall be keyed")
        gone = [row.name for row in rows if row.identifier not in found]
        if gone:
            raise InputError(
                f"the rig has no control {listed(gone[:SHOWN])} any more, or a driver has it; propose the "
                "controls again"
            )
        controls = [_limited(found[row.identifier], row) for row in rows]
    return (yield from solve_rig(context, state.mesh, baked, scale, settings, controls))


def _all_controls(mesh: bpy.types.Object | None, baked: BakedTake) -> list[Control]:
    datablocks = asking.usable_rig(mesh, baked)
    assert mesh is not None
    return asking.candidates(mesh, datablocks)


def _limited(control: Control, row: Any) -> Control:
    """The control within the bounds that its row gives it. Raises InputError if rest is not between them."""
    if not row.least <= control.rest <= row.most or row.least == row.most:
        raise InputError(
            f"the limits of {row.name} are {row.least:.3g} and {row.most:.3g}; it rests at {control.rest:.3g}, which "
            "must lie between them"
        )
    step = control.step
    if not row.least <= control.rest + step <= row.most:
        step = (row.most if row.most > control.rest else row.least) - control.rest
    return replace(control, least=row.least, most=row.most, step=step)


def write(
    context: bpy.types.Context,
    actor: ActorRecord,
    title: str,
    baked: BakedTake,
    solved: SolvedRig,
    layer: LayerSettings,
) -> str:
    """Key the solved controls, and the head's bone if one is chosen. baked: the frames that were solved for. Returns
    what to tell. Raises InputError before anything is changed."""
    state = context.scene.aim.rig
    head, driven = [], []
    if state.head_bone:
        rig = rig_baking.Rig(
            state.mesh, armature=state.armature, head_bone=state.head_bone, head_location=state.head_location
        )
        head, driven = rig_baking.head_curves(baked, actor, rig)
    curves = [(each.datablock, each.path, each.index, each.group, each.values) for each in head]
    writer = nla_strips.writer_for(title, state.new_action, layer)
    key_rig(solved, baked.frames, writer, layer.onto == "add", curves)
    told = (
        f"keyed {len(solved.controls)} controls on frames {int(baked.frames[0])} to {int(baked.frames[-1])}: "
        f"{solved.mean_mm:.2f} mm off on average, {solved.worst_mm:.1f} mm at worst, "
        f"{solved.active:.0%} of the controls at work in a frame"
    )
    if driven:
        told += f"; {listed(driven)} kept the drivers of what they were not keyed in"
    elif state.head_bone:
        told += f"; {state.head_bone!r} turns the head"
    else:
        told += "; the head's own motion is left out, choose a Head Bone for it"
    if solved.idle and len(state.controls):
        told += (
            f"; {listed(solved.idle[:SHOWN])} {'moves' if len(solved.idle) == 1 else 'move'} nothing and were left out"
        )
    said = [
        *solved.response.hindered,
        remarks.switched(solved.response),
        remarks.resting(solved),
        remarks.lacking(solved),
        remarks.glued(solved, baked.frames),
        remarks.played_otherwise(context, state.mesh, solved, baked.frames, layer),
    ]
    return "; ".join([told, *(each for each in said if each)])

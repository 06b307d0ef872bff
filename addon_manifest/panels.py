# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab AIM in the 3D view's side bar: actor, learning, performance. It only draws; nothing is computed here."""

from __future__ import annotations

from typing import Any

import bpy

from ..aim_blender.scene.actors import actors
from ..aim_blender.scene.basics.records import ActorRecord, SceneRecord
from ..aim_blender.scene.jobs import jobs
from ..aim_blender.scene.jobs.environment import ENVIRONMENT
from ..aim_blender.scene.live import live
from ..aim_blender.scene.live.live_correcting import LiveCorrection
from ..aim_blender.scene.live.live_fitting import LiveFit
from ..aim_blender.scene.live.live_retargeting import LiveRetarget
from ..ops.basics import base
from .basics.parts import (
    AimPanel,
    doing,
    is_learned,
)
from .basics.text import draw_problem, draw_text
from .jobs.preferences import draw_environment

WHILE_LIVE: dict[type, str] = {
    LiveCorrection: "add handles, drag them, and press Keep Frame",
    LiveFit: "change the performance or drag a handle: the face follows",
    LiveRetarget: "change the settings of Retarget, and press Retarget when it looks right",
}


class AIM_PT_main(AimPanel, bpy.types.Panel):
    bl_label = "AIM"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        if base.latest_problem and not _is_shown_by_job(context, base.latest_problem):
            draw_problem(layout, base.latest_problem)
        chosen = base.preferences(context)
        if chosen is not None and (ENVIRONMENT.state == "making" or ENVIRONMENT.missing(chosen.interpreter)):
            _draw_first_run(layout, chosen)
        draw_text(layout, next_step(context), "FORWARD")


def _draw_first_run(layout: bpy.types.UILayout, chosen: Any) -> None:
    """While there is no Python that can learn: what to do about it."""
    box = layout.box()
    if not ENVIRONMENT.active and ENVIRONMENT.state != "failed":
        draw_text(box, "learning and fitting need a Python with PyTorch: set it up, or name one that has it", "INFO")
    else:
        draw_environment(box, chosen.interpreter)
    if ENVIRONMENT.state != "making":
        box.operator("aim.environment_install", icon="IMPORT")
        box.prop(chosen, "interpreter", text="", placeholder="Python with PyTorch")


def next_step(context: bpy.types.Context) -> str:
    """One sentence: what to do now."""
    state, actor = context.scene.aim, actors.active_actor(context.scene)
    if actor is None:
        return "select the meshes of one face, the neutral last, and press New Actor; or try Add Demo Actor"
    return _under_way(actor) or _to_do(state, actor)


def _under_way(actor: ActorRecord) -> str:
    run = jobs.of(actor)
    if type(live.CURRENT) in WHILE_LIVE:
        return WHILE_LIVE[type(live.CURRENT)]
    if run is not None and run.active:
        return f"{doing(run)}{' waits its turn' if run.waiting else ''}; you can go on working"
    return ""


def _to_do(state: SceneRecord, actor: ActorRecord) -> str:
    run = jobs.of(actor)
    if not actors.is_there(actor.neutral):
        return f"the neutral of {actor.name} was deleted; undo, or make the actor again"
    if run is not None and run.resumable:
        return "resume the job, or start it again"
    if not is_learned(actor):
        if actor.skull is None and actor.mandible is None:
            return f"open Anatomy and press Fit Bones, so that the jaw is known, or learn {actor.name} without bones"
        return f"press Learn to learn {actor.name}"
    if not any(take.actor == actor.identifier for take in state.takes):
        if state.performance_kind == "OBJECT" and actors.is_there(state.performance_object):
            return f"press Fit to fit {state.performance_object.name}"
        return "pick a performance and press Fit"
    return "play the animation, or fit another performance"


def _is_shown_by_job(context: bpy.types.Context, sentence: str) -> bool:
    actor = actors.active_actor(context.scene)
    run = jobs.of(actor) if actor is not None else None
    return run is not None and run.status.error == sentence


CLASSES = (AIM_PT_main,)

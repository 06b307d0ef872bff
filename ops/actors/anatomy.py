# SPDX-License-Identifier: GPL-3.0-or-later
"""Bones under the skin: fitting them, tracing them, and looking at what was learned of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy
from bpy.props import EnumProperty

from ...aim_blender.scene.actors import actors, tracing
from ...aim_blender.scene.jobs import anatomy_jobs, jobs
from ..basics.base import AimOperator, in_object_mode, may_start_job, refused, require_actor, worker_interpreter
from ..basics.computing import ComputingOperator
from ..basics.results import start_job


class AIM_OT_constraints_trace(ComputingOperator, bpy.types.Operator):
    bl_idname = "aim.constraints_trace"
    bl_label = "Trace Constraints"
    bl_description = (
        "Find the skin points that lie over the bones, as learning does, and show them over the 3D view: blue over the "
        "skull, orange over the mandible, with lines of the soft tissue's thickness"
    )
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        actor = actors.active_actor(context.scene)
        if actor is None:
            return refused(cls, "Make an actor first")
        if actor.skull is None or actor.mandible is None:
            return refused(cls, "Fit bones to the neutral first, or pick a skull and a mandible")
        if context.mode == "EDIT_MESH":
            return refused(cls, "Return to Object Mode first")
        return True

    def read(self, context: bpy.types.Context) -> Callable[[], Any]:
        return tracing.read_for_tracing(require_actor(context))

    def finish(self, context: bpy.types.Context, found: Any) -> set[str]:
        traced = tracing.keep(found)
        context.scene.aim.show_constraints = True
        jobs.redraw("WINDOW")
        self.tell("; ".join([traced.sentence, *traced.notes]), warning=bool(traced.notes))
        return {"FINISHED"}


class AIM_OT_anatomy_fit(AimOperator, bpy.types.Operator):
    bl_idname = "aim.anatomy_fit"
    bl_label = "Fit Bones"
    bl_description = (
        "Fit a skull and a mandible to the neutral, by its landmarks and by how thick the soft tissue is there. They "
        "are new objects and become the actor's bones; bones that you brought stay in the scene"
    )
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return may_start_job(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        actor, interpreter = require_actor(context), worker_interpreter(context)
        work = anatomy_jobs.prepare_anatomy(actor)
        start_job(self, actor, "anatomy", interpreter, work, f"fitting bones to {actor.name}")
        return {"FINISHED"}


class AIM_OT_anatomy_show(AimOperator, bpy.types.Operator):
    bl_idname = "aim.anatomy_show"
    bl_label = "Show Anatomy"
    bl_description = (
        "Show what was learned of the actor's inside as a new object beside the actor, or all of it as a picture"
    )
    bl_options = {"REGISTER", "UNDO"}

    what: EnumProperty(
        name="What",
        description="What to show of the inside",
        items=(
            ("anatomy", "Dense Anatomy", "The bone under every point of the skin, as a mesh"),
            ("thickness", "Thickness", "How thick the soft tissue is, as colours with a legend in millimetres"),
            ("normals", "Bone Normals", "Which way the bone faces, as colours and as lines"),
            (
                "skin_weight",
                "Skinning Weight",
                "How much of the jaw's motion the skin takes, as a vertex group",
            ),
            ("error", "Network Error", "How far off the networks alone are, as colours with a legend"),
            ("symmetry", "Asymmetry", "How far the bone is from the mirror image of the other side's"),
            (anatomy_jobs.SHEET, "Picture Sheet", "All of it in one picture, in an image editor"),
        ),
        default="anatomy",
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        actor = actors.active_actor(context.scene)
        if actor is not None and not actor.file_path:
            return refused(cls, "Learn the actor first")
        if not may_start_job(cls, context):
            return False
        return in_object_mode(cls, context)

    def run(self, context: bpy.types.Context) -> set[str]:
        actor = require_actor(context)
        if anatomy_jobs.inspection_file(actor).is_file():
            self.tell(anatomy_jobs.show_inside(context, actor, self.what))
            return {"FINISHED"}
        interpreter, folder = worker_interpreter(context), anatomy_jobs.prepare_inspection(actor, self.what)
        start_job(self, actor, "inspect", interpreter, folder, f"looking inside {actor.name}")
        return {"FINISHED"}


CLASSES = (AIM_OT_constraints_trace, AIM_OT_anatomy_fit, AIM_OT_anatomy_show)

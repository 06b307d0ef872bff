# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python that does the work: tried, set up and removed."""

from __future__ import annotations

import shlex
import textwrap
from pathlib import Path
from typing import Any

import bpy
from bpy.props import EnumProperty, StringProperty

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.jobs.environment import video_plan
from ...aim_blender.jobs.environment.environment_plan import BUILDS, detect_build
from ...aim_blender.jobs.supervision.interpreter import InterpreterError
from ...aim_blender.scene.jobs import environment, jobs
from ...aim_blender.scene.jobs.environment import ENVIRONMENT
from ..basics.base import AimOperator, preferences, refused, worker_device, worker_interpreter

DIALOG_PIXELS = 620
DIALOG_CHARACTERS = 96


def is_idle(operator: type[Any]) -> bool:
    """Whether nothing uses or changes the environment; if not, Blender shows what does."""
    if ENVIRONMENT.active:
        return refused(operator, "The environment is being worked on; wait for it or cancel it")
    if any(run.active for run in jobs.RUNS.values()):
        return refused(operator, "A job is running; wait for it or cancel it")
    return True


class AIM_OT_environment_check(AimOperator, bpy.types.Operator):
    bl_idname = "aim.environment_check"
    bl_label = "Check Environment"
    bl_description = (
        "Test the Python that learns and fits: whether it has everything it needs, which devices it "
        "sees, and how fast it learns"
    )
    bl_options = {"REGISTER"}

    def run(self, context: bpy.types.Context) -> set[str]:
        ENVIRONMENT.look_again()
        try:
            interpreter = worker_interpreter(context)
        except InterpreterError as error:
            ENVIRONMENT.fail(str(error))
            raise
        if not bpy.app.background:
            ENVIRONMENT.start(interpreter, worker_device(context))
            jobs.watch()
            return {"FINISHED"}
        ENVIRONMENT.run(interpreter, worker_device(context))
        self.tell(ENVIRONMENT.text)
        return {"FINISHED"}


class AIM_OT_environment_install(AimOperator, bpy.types.Operator):
    bl_idname = "aim.environment_install"
    bl_label = "Set Up Environment"
    bl_description = (
        "Make an environment with PyTorch for learning and fitting, in a folder of the extension's "
        "own. First it shows what will be run, where, and how much will be downloaded"
    )
    bl_options = {"REGISTER"}

    build: EnumProperty(
        name="Build",
        description="Which build of PyTorch to install; it starts with the one that suits this computer",
        items=(
            ("auto", "Automatic", "Take the build that suits this computer"),
            *((name, build.label, build.description) for name, build in BUILDS.items()),
        ),
    )
    base: StringProperty(
        name="Base Python",
        description="The Python to make the environment with; leave it empty to use one of the system's, or Blender's",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )
    shown_base = ""
    found: Path | str = ""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return is_idle(cls)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Show what will be done before it is done."""
        self.build = detect_build()
        self.shown_base, self.found = "", self._found_base()
        return set(
            context.window_manager.invoke_props_dialog(
                self, width=DIALOG_PIXELS, title="Set Up Environment", confirm_text="Set Up"
            )
        )

    def draw(self, context: bpy.types.Context) -> None:
        """The dialog: the choices, then the very commands, the folder and the size."""
        column = self.layout.column()
        column.use_property_split = True
        column.prop(self, "build")
        chosen = preferences(context)
        if chosen is not None:
            column.prop(chosen, "pip_options")
        column.prop(self, "base")
        if self.base != self.shown_base:  # looked for once, because it is run to see what it is
            self.shown_base, self.found = self.base, self._found_base()
        for text, icon, alert in self._lines(context):
            _draw_lines(self.layout, text, icon, alert)

    def _found_base(self) -> Path | str:
        """The Python to start from, or why there is none."""
        try:
            return environment.base_python(self.base)
        except InterpreterError as error:
            return str(error)

    def _lines(self, context: bpy.types.Context) -> list[tuple[str, str, bool]]:
        """What the dialog tells: text, icon, and whether it is a problem."""
        if isinstance(self.found, str):
            return [(self.found, "ERROR", True)]
        plan = self._plan(context, self.found)
        try:
            commands = plan.commands()
            lines = [("This will be run:", "CONSOLE", False)]
            lines += [(shlex.join(command), "BLANK1", False) for command in commands]
            lines.append((f"The environment goes into {plan.folder}", "FILE_FOLDER", False))
            lines.append((f"It is {plan.size}", "IMPORT", False))
            if plan.takes_cuda_instead:
                text = (
                    "pip takes the NVIDIA build here, which learns on the processor too; the smaller processor build "
                )
                text += "needs the option that PyTorch's page Get Started names"
                lines.append((text, "INFO", False))
            if chosen := getattr(preferences(context), "interpreter", ""):
                lines.append((f"It will be used instead of {chosen}", "INFO", False))
            plan.check()
            environment.require_network(plan)
        except InputError as error:
            return [(str(error), "ERROR", True)]
        return lines

    def _plan(self, context: bpy.types.Context, base: Path) -> environment.Plan:
        chosen = preferences(context)
        build = detect_build() if self.build == "auto" else self.build
        return environment.plan_for(base, build, chosen.pip_options if chosen is not None else "")

    def run(self, context: bpy.types.Context) -> set[str]:
        plan = self._plan(context, environment.base_python(self.base))
        plan.check()
        environment.require_network(plan)
        if bpy.app.background:
            ENVIRONMENT.make(plan, _use_it)
            self.tell(ENVIRONMENT.text)
            return {"FINISHED"}
        ENVIRONMENT.start_making(plan, _use_it)
        jobs.watch()
        return {"FINISHED"}


class AIM_OT_video_install(AimOperator, bpy.types.Operator):
    bl_idname = "aim.video_install"
    bl_label = "Install Video"
    bl_description = (
        "Install what fitting to videos needs into the environment: a face detector, its model, and what decodes "
        "movies. First it shows what will be run and how much will be downloaded. Videos never leave this computer"
    )
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if sentence := video_plan.unavailable():
            return refused(cls, sentence[:1].upper() + sentence[1:])
        return is_idle(cls)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Show what will be done before it is done."""
        return set(
            context.window_manager.invoke_props_dialog(
                self, width=DIALOG_PIXELS, title="Install Video", confirm_text="Install"
            )
        )

    def draw(self, context: bpy.types.Context) -> None:
        """The dialog: the very commands, the size, and whose work it is."""
        try:
            plan = self._plan(context)
            lines = [("This will be run:", "CONSOLE", False)]
            lines += [(line, "BLANK1", False) for line in plan.shown]
            lines.append((f"It is {video_plan.SIZE}", "IMPORT", False))
            lines.append((video_plan.LICENCES, "INFO", False))
            environment.require_network(plan)
        except InputError as error:
            lines = [(str(error), "ERROR", True)]
        for text, icon, alert in lines:
            _draw_lines(self.layout, text, icon, alert)

    def run(self, context: bpy.types.Context) -> set[str]:
        plan = self._plan(context)
        plan.check()
        environment.require_network(plan)
        ENVIRONMENT.start_video(plan)
        if bpy.app.background:
            ENVIRONMENT.wait()
            self.tell(ENVIRONMENT.text)
        jobs.watch()
        return {"FINISHED"}

    def _plan(self, context: bpy.types.Context) -> environment.VideoPlan:
        chosen = preferences(context)
        options = chosen.pip_options if chosen is not None else ""
        return environment.video_plan_for(worker_interpreter(context), options)


class AIM_OT_environment_cancel(AimOperator, bpy.types.Operator):
    bl_idname = "aim.environment_cancel"
    bl_label = "Cancel"
    bl_description = "Stop setting the environment up, and remove what there is of it"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if ENVIRONMENT.state != "making":
            return refused(cls, "No environment is being set up")
        return True

    def run(self, context: bpy.types.Context) -> set[str]:
        ENVIRONMENT.cancel()
        return {"FINISHED"}


class AIM_OT_environment_remove(AimOperator, bpy.types.Operator):
    bl_idname = "aim.environment_remove"
    bl_label = "Remove Environment"
    bl_description = "Remove the environment that Set Up Environment made, and everything that it downloaded"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not is_idle(cls):
            return False
        if not environment.is_there():
            return refused(cls, "No environment was set up")
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask first."""
        return set(context.window_manager.invoke_confirm(self, event))

    def run(self, context: bpy.types.Context) -> set[str]:
        ENVIRONMENT.remove(wait=bpy.app.background)
        jobs.watch()
        if bpy.app.background:
            self.tell(ENVIRONMENT.text)
        return {"FINISHED"}


def _use_it() -> None:
    """An environment that was just set up is used: no other interpreter stays chosen."""
    chosen = preferences(bpy.context)
    if chosen is not None and chosen.interpreter:
        chosen.interpreter = ""


def _draw_lines(layout: bpy.types.UILayout, text: str, icon: Any, alert: bool) -> None:
    """A text in the dialog, over as many lines as it needs."""
    column = layout.column(align=True)
    column.scale_y = 0.8
    column.alert = alert
    for number, line in enumerate(textwrap.wrap(text[:1].upper() + text[1:], DIALOG_CHARACTERS)):
        column.label(text=line, icon=icon if number == 0 else "BLANK1")


CLASSES = (
    AIM_OT_environment_check,
    AIM_OT_environment_install,
    AIM_OT_video_install,
    AIM_OT_environment_cancel,
    AIM_OT_environment_remove,
)

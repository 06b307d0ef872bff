# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel Expressions below Retarget: what each of the performer's shapes is on the target."""

from __future__ import annotations

from typing import Any

import bpy

from ...aim_blender.core.shared.foundation.errors import InputError
from ...aim_blender.scene.actors import actors
from ...aim_blender.scene.basics.records import ActorRecord, PairRecord
from ...aim_blender.scene.retargeting import pair_rows, retarget_lists
from ..basics.parts import AimPanel, ListRow, draw_figure, draw_job, draw_notes
from ..basics.text import draw_text, text_width

NAME_SHARE = 0.42  # of the performer's name in a line
FIGURE_WIDTH = 2.1  # in buttons' heights
WIDE = 44  # letters of a line, from which there is room for both figures in the list


def target_of(context: bpy.types.Context) -> ActorRecord | None:
    """The actor that is picked as the target; None while none is."""
    try:
        return retarget_lists.picked_target(context.scene, actors.active_actor(context.scene), "")
    except InputError:
        return None


class AIM_UL_pairs(ListRow, bpy.types.UIList):
    """Expressions of two actors."""

    def draw_row(
        self, context: bpy.types.Context, layout: bpy.types.UILayout, data: Any, item: Any, index: int
    ) -> None:
        row = layout.row(align=True)
        if data.proposed:  # all of it can be changed below the list, where there is room
            row.label(text="", icon=_mark(context.scene, item))
            proposed = _draw_line(row, item.name, pair_rows.summary(item), pair_rows.figures(item))
            proposed.active = pair_rows.is_changed(item)
            return
        row.prop(item, "left_out", text="", icon="HIDE_ON" if item.left_out else "HIDE_OFF", emboss=False)
        row = row.split(factor=NAME_SHARE, align=True)
        row.label(text=item.name, translate=False)
        partner = row.row(align=True)
        partner.enabled = not item.left_out
        partner.prop(item, "target", text="")


def _draw_line(row: Any, name: str, partner: str, figures: tuple[str, str]) -> Any:
    """A line of the list, or its heading. Returns the layout of the partner."""
    pair = row.split(factor=NAME_SHARE, align=True)
    pair.label(text=name, translate=False)
    shown = pair.row(align=True)
    shown.label(text=partner, translate=False)
    for figure in figures if text_width() >= WIDE else figures[1:]:
        draw_figure(row, figure, FIGURE_WIDTH)
    return shown


def _mark(scene: bpy.types.Scene, item: Any) -> Any:
    """The icon of a row: left out, changed, accepted, to be looked at, or nothing of these."""
    if item.left_out:
        return "HIDE_ON"
    if retarget_lists.unknown_partners(scene, item):
        return "ERROR"
    if item.target:
        return "GREASEPENCIL"
    if item.accepted:
        return "CHECKMARK"
    return "ERROR" if pair_rows.is_doubtful(item) else "BLANK1"


class AIM_MT_pair_shapes(bpy.types.Menu):
    """The target's shapes that may join the chosen pair."""

    bl_label = "Add Shape"
    bl_description = "Choose one more of the target's shapes for the chosen expression; they are shown together, whole"

    def draw(self, context: bpy.types.Context) -> None:
        pair = retarget_lists.active_pair(context.scene.aim.retarget)
        taken = pair.target.split(pair_rows.JOINED)
        for name in retarget_lists.shape_names(context.scene):
            if name not in taken:
                self.layout.operator("aim.retarget_pair_add", text=name, translate=False).shape = name


class AIM_PT_retarget_pairs(AimPanel, bpy.types.Panel):
    bl_label = "Expressions"
    bl_parent_id = "AIM_PT_retarget"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, state = self.layout, context.scene.aim.retarget
        actor, target = actors.active_actor(context.scene), target_of(context)
        if not len(state.pairs):
            text = "they pair by name, and by what they do where no names pair; propose pairs to see and change them"
            draw_text(layout, text, "INFO")
        elif actor is not None and target is not None and not retarget_lists.is_of(state, actor, target):
            draw_text(layout, "these are the pairs of other actors; propose those of the chosen ones", "ERROR")
        elif actor is not None and target is not None and retarget_lists.is_outdated(state, actor, target):
            draw_text(layout, "an actor was learned again since; propose the pairs anew", "ERROR")
        layout.operator("aim.retarget_pairs_propose", icon="VIEWZOOM")
        if actor is not None:
            draw_job(layout, actor, "pair")
        # The buttons stand below it, as below the rig's pairs: names need the width.
        rows = 8 if state.proposed else 3
        if state.proposed and actor is not None and target is not None:
            heading = layout.row(align=True)
            heading.scale_y = 0.8
            heading.label(text="", icon="BLANK1")
            _draw_line(heading, actor.name, target.name, ("Alike", "Done"))
            heading.label(text="", icon="BLANK1")  # over the scroll bar
        layout.template_list("AIM_UL_pairs", "", state, "pairs", state, "active_pair", rows=rows)
        if state.proposed and 0 <= state.active_pair < len(state.pairs):
            _draw_pair(context.scene, layout.box(), state.pairs[state.active_pair])
        row = layout.row(align=True)
        row.operator("aim.retarget_pairs_find", icon="FILE_REFRESH")
        row.operator("aim.retarget_pairs_clear", text="", icon="X")
        if state.proposed:
            row = layout.row(align=True)
            row.operator("aim.retarget_pair_accept", text="Accept All", icon="CHECKMARK").every = True
            row.operator("aim.retarget_pair_reset", text="Reset All", icon="LOOP_BACK").every = True
        draw_notes(layout, retarget_lists.notes_of(state))


def _draw_pair(scene: bpy.types.Scene, layout: Any, pair: PairRecord) -> None:
    """The pair that is chosen in the list: how it came about, the target's shapes in it, and what can be done."""
    row = layout.row(align=True)
    row.label(text=pair.name, icon="SHAPEKEY_DATA", translate=False)
    row.prop(pair, "left_out", icon="HIDE_ON" if pair.left_out else "HIDE_OFF", emboss=False, text="")
    unknown = retarget_lists.unknown_partners(scene, pair)
    if unknown:
        draw_text(layout, f"the target has no shape {unknown[0]!r}; choose another", "ERROR")
    else:
        draw_text(layout, pair_rows.explained(pair))
    field = layout.row()
    field.enabled = not pair.left_out
    field.prop(pair, "target", text="", placeholder="Choose Shapes")
    removable = pair_rows.partners(pair)
    column = layout.column(align=True)
    for name, share in [] if pair.left_out else pair_rows.parts(pair):
        row = column.row(align=True)
        row.label(text=name, translate=False)
        figure = row.row()
        figure.alignment = "RIGHT"
        figure.label(text=share)
        if name in removable and len(removable) > 1:
            row.operator("aim.retarget_pair_remove", text="", icon="X", emboss=False).shape = name
        else:
            row.label(text="", icon="BLANK1")
    row = layout.row(align=True)
    row.menu("AIM_MT_pair_shapes", icon="ADD")
    if pair_rows.is_changed(pair) or pair.accepted:
        row.operator("aim.retarget_pair_reset", icon="LOOP_BACK").every = False
    else:
        row.operator("aim.retarget_pair_accept", icon="CHECKMARK").every = False


CLASSES = (AIM_UL_pairs, AIM_MT_pair_shapes, AIM_PT_retarget_pairs)

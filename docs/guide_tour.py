# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: go through the guide's tasks with the demo actor, and photograph the sections of the tab AIM.

docs/make_pictures.py runs it. Every section is open in its picture, and those that do not matter there are left out.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import bpy
import headless
import make_pictures as common
import numpy as np

FOLDER = Path(os.environ["AIM_FOLDER"])
MAIN = "AIM_PT_main"
LONG = ("baking", "pairs")  # pictures that only fit into the window without its larger scale
SCROLLED = ("pairs",)  # those whose lower end matters
THUMBNAILS_S = 10.0  # until the small pictures of all shapes that are listed have been made
SECTIONS = {
    "first_steps": ("AIM_PT_actor", "AIM_PT_anatomy", "AIM_PT_learn", "AIM_PT_performance"),
    "actor": ("AIM_PT_actor", "AIM_PT_shapes"),
    "anatomy": ("AIM_PT_anatomy", "AIM_PT_landmarks"),
    "anatomy_more": ("AIM_PT_anatomy", "AIM_PT_depths", "AIM_PT_trusted", "AIM_PT_inside"),
    "learning": ("AIM_PT_actor", "AIM_PT_learn"),
    "learned": ("AIM_PT_learn", "AIM_PT_jaw", "AIM_PT_learn_settings"),
    "fitting": ("AIM_PT_performance",),
    "fitted_take": ("AIM_PT_performance",),
    "retargeting": ("AIM_PT_retarget", "AIM_PT_retarget_regions"),
    "pairs": ("AIM_PT_retarget", "AIM_PT_retarget_pairs"),
    "baking": ("AIM_PT_bake", "AIM_PT_rig"),
    "batch": ("AIM_PT_batch",),
}


def panel_classes() -> list[type]:
    """The sections of the tab AIM; the menus of presets are panels too, and stay."""
    registered = headless.extension_module("addon_manifest.registry").CLASSES
    panels = [each for each in registered if issubclass(each, bpy.types.Panel)]
    return [each for each in panels if getattr(each, "bl_category", "") == "AIM"]


def show_only(names: tuple[str, ...]) -> None:
    """Register the sections of these names alone, all open."""
    for each in reversed(panel_classes()):
        if each.is_registered:
            bpy.utils.unregister_class(each)
    for each in panel_classes():
        if each.__name__ in (MAIN, *names):
            each.bl_options = set()
            bpy.utils.register_class(each)


def photograph(name: str, then: Callable[[], None]) -> None:
    """The whole window in name.png and the side bar's place in name.json; then go on."""
    bpy.context.preferences.view.ui_scale = 1.0 if name in LONG else common.SCALE
    show_only(SECTIONS[name])
    common.soon(common.DRAWN_S, common.open_tab)
    if name in SCROLLED:
        common.soon(2 * common.DRAWN_S, common.scroll_to_end)
    common.soon(3 * common.DRAWN_S, lambda: _take(name, then))


def _take(name: str, then: Callable[[], None]) -> None:
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    bar = next(region for region in area.regions if region.type == "UI")
    (FOLDER / f"{name}.json").write_text(json.dumps([bar.x, bar.y, bar.width, bar.height, window.height]))
    # Blender's own screenshots are black on a virtual screen.
    subprocess.run(["import", "-window", "root", str(FOLDER / f"{name}.png")], check=True)
    print("photographed", name)
    common.soon(0.1, then)


def begin() -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(FOLDER / "shot.blend"))
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    show_only(SECTIONS["first_steps"])
    common.dress_view()
    common.soon(common.DRAWN_S, lambda: photograph("first_steps", add_actor))


def add_actor() -> None:
    bpy.ops.aim.demo_actor_add()
    scene = bpy.context.scene
    scene.frame_end = scene.aim.frame_end
    scene.aim.iterations = common.ITERATIONS
    scene.aim.show_shape = True
    common.dress_view()
    show_only(SECTIONS["actor"])
    common.soon(THUMBNAILS_S, lambda: photograph("actor", trace))


def trace() -> None:
    bpy.context.scene.aim.show_shape = False
    bpy.ops.aim.landmarks_suggest()
    bpy.ops.aim.constraints_trace()
    photograph("anatomy", more_anatomy)


def more_anatomy() -> None:
    bpy.ops.aim.depths_reset()
    photograph("anatomy_more", learn)


def learn() -> None:
    state = bpy.context.scene.aim
    state.show_constraints = state.show_landmarks = False
    bpy.ops.aim.actor_learn()
    common.when(lambda: common.run().status.fraction >= common.LEARNED_SHARE, lambda: photograph("learning", wait))


def wait() -> None:
    common.when(lambda: not common.run().active, learned)


def learned() -> None:
    if common.run().status.error:
        raise RuntimeError(common.run().status.error)
    preferences().interpreter = ""  # a path that means nothing to others
    photograph("learned", lambda: photograph("fitting", fit))


def preferences() -> bpy.types.AddonPreferences:
    return bpy.context.preferences.addons[headless.load_extension()].preferences


def fit() -> None:
    preferences().interpreter = os.environ["AIM_WORKER"]
    bpy.ops.aim.performance_fit()
    common.when(lambda: not common.run().active, fitted)


def fitted() -> None:
    state = bpy.context.scene.aim
    if common.run().status.error or not len(state.takes):
        raise RuntimeError(common.run().status.error or "no take came")
    photograph("fitted_take", add_target)


def add_target() -> None:
    """A second actor, who has no shape for some of what the first one does, and its smile as two."""
    state = bpy.context.scene.aim
    bpy.ops.aim.demo_actor_add()
    target = state.actors[-1]
    target.name = "Other Actor"
    part_in_two(target, "smile")
    for name in ("frown", "jaw_left", "jaw_right"):
        target.shapes.remove(target.shapes.find(name))
    bpy.ops.aim.actor_learn()
    common.when(lambda: not learning_of_target().active, choose_target)


def learning_of_target() -> object:
    return headless.extension_module("aim_blender.scene.jobs.jobs").of(bpy.context.scene.aim.actors[-1])


def part_in_two(actor: bpy.types.PropertyGroup, name: str) -> None:
    """Give an actor a shape's left half and its right half for the shape."""
    keys = actor.neutral.data.shape_keys.key_blocks
    rest = np.array([point.co for point in keys[0].data])
    moved = np.array([point.co for point in keys[name].data]) - rest
    left = 1 / (1 + np.exp(-rest[:, :1] / 0.004))
    actor.shapes.remove(actor.shapes.find(name))
    for side, share in (("left", left), ("right", 1 - left)):
        key = actor.neutral.shape_key_add(name=f"{name}_{side}")
        key.points.foreach_set("co", (rest + share * moved).astype(np.float32).ravel())
        shape = actor.shapes.add()
        shape.name, shape.object, shape.shape_key = key.name, actor.neutral, key.name


def choose_target() -> None:
    state = bpy.context.scene.aim
    if learning_of_target().status.error:
        raise RuntimeError(learning_of_target().status.error)
    target = state.actors[-1]
    state.active_actor = 0
    state.retarget_target = target.name
    target.neutral.vertex_groups.new(name="brows")
    bpy.ops.aim.retarget_region_add()
    photograph("retargeting", propose)


def propose() -> None:
    bpy.ops.aim.retarget_pairs_propose()
    common.when(lambda: not common.run().active, proposed)


def proposed() -> None:
    pairs = bpy.context.scene.aim.retarget.pairs
    pairs["frown"].target = "disgust"
    bpy.context.scene.aim.retarget.active_pair = pairs.find("smile")
    photograph("pairs", bake)


def bake() -> None:
    state = bpy.context.scene.aim
    mesh = state.actors[-1].neutral
    state.rig.mesh = mesh
    state.rig.armature = next(item for item in state.takes[0].collection.objects if item.type == "ARMATURE")
    state.rig.jaw_bone, state.rig.head_bone = "jaw", "head"
    bpy.ops.aim.rig_pairs_find()
    photograph("baking", batch)


def batch() -> None:
    bpy.ops.aim.batch_shot_add()
    shot = bpy.context.scene.aim.batch.shots[-1]
    for name in ("actor", "take", "targets"):
        setattr(shot, name, Path(getattr(shot, name)).name)  # the folders mean nothing to others
    photograph("batch", common.ready)

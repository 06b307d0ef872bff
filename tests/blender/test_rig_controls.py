# SPDX-License-Identifier: GPL-3.0-or-later
"""A take onto any rig: its mesh follows, by few controls, and nothing else of the rig changes."""

import bpy
import headless
import numpy as np
import pytest
import rigs
from scenes import problem, shown
from test_baked import formula
from test_rig_baking import curves
from test_scripts import run_script


def off(item, values):
    """(F, V) mm that the mesh is off at each frame, as Blender plays it, and how far the face moves."""
    found = []
    for number, points in zip(values["frames"], formula(values), strict=True):
        bpy.context.scene.frame_set(int(number))
        found.append(np.linalg.norm(shown(item) * 1000 - points, axis=1))
    return np.array(found), np.linalg.norm(formula(values) - values["neutral"], axis=2)


@pytest.mark.parametrize(("make", "share"), [("keys_with_a_jaw", 0.06), ("driven_keys", 0.06), ("bones_alone", 0.6)])
def test_the_mesh_follows_the_take(rig_take, make, share):
    """Rigs that can do all of it do it but for what sparsity costs; bones alone do what they can."""
    item, _ = getattr(rigs, make)()
    bpy.context.scene.aim.rig.mesh = item
    bpy.ops.aim.take_bake_to_controls()
    errors, motion = off(item, rig_take)
    assert errors.mean() < share * motion.mean()
    bpy.ops.aim.take_bake_to_controls(loss=0.0, smoothing=0.0, rounds=4)
    exact, _ = off(item, rig_take)
    assert (exact**2).mean() < (errors**2).mean()
    if make != "bones_alone":
        assert exact.mean() < 0.02 * motion.mean()


def test_driven_keys_are_reached_through_what_drives_them(rig_take):
    item, controls = rigs.driven_keys()
    bpy.context.scene.aim.rig.mesh = item
    bpy.ops.aim.take_bake_to_controls()
    assert item.data.shape_keys.animation_data.action is None
    keyed = {path for path, _ in curves(controls)}
    assert {'pose.bones["face"]["smile"]', 'pose.bones["slider"].location'} <= keyed


def test_properties_of_every_kind_are_keyed_or_named(rig_take, capfd):
    """A slider of whole numbers, an array, the scene's and a material's are keyed; a tick that moves the face and what
    a view layer has are named."""
    item, controls = rigs.driven_keys()
    bone, scene = controls.pose.bones["face"], bpy.context.scene
    bone["percent"], bone["pair"], bone["tick"], scene["shown"] = 0, [0.0, 0.0], False, 0.0
    bone.id_properties_ui("percent").update(min=0, max=100, soft_min=0, soft_max=100)
    found = item.data.shape_keys.animation_data.drivers
    sources = (("percent", "var / 100"), ("pair", "var"), ("tick", "var"), ("shown", "var"))
    for number, (name, expression) in enumerate(sources):
        driver = found.find(f'key_blocks["key {number}"].value').driver
        driver.expression, variable = expression, driver.variables[0]
        if name == "shown":
            variable.type = "CONTEXT_PROP"
        variable.targets[0].data_path = f'["{name}"]' if name == "shown" else f'pose.bones["face"]["{name}"]'
        variable.targets[0].data_path += "[1]" if name == "pair" else ""
    bpy.context.scene.aim.rig.mesh = item
    said = told(capfd)
    assert "face tick can only be switched, with no values between" in said
    keyed = curves(controls)
    percents = [value for _, value, _ in keyed['pose.bones["face"]["percent"]', 0]]
    assert max(percents) > 40
    assert percents == [round(value) for value in percents]
    assert ('pose.bones["face"]["pair"]', 1) in keyed
    assert ('["shown"]', 0) in curves(scene)
    assert (type(bone["percent"]), type(bone["tick"])) == (int, bool)
    material, layer = bpy.data.materials.new("paint"), bpy.context.view_layer
    material["worn"], layer["seen"] = 0.0, 0.0
    for number, source in ((0, material), (3, layer)):
        variable = found.find(f'key_blocks["key {number}"].value').driver.variables[0]
        variable.type = "SINGLE_PROP" if source == material else "CONTEXT_PROP"
        if source == material:
            variable.targets[0].id_type = "MATERIAL"
            variable.targets[0].id, variable.targets[0].data_path = material, '["worn"]'
        else:
            variable.targets[0].context_property, variable.targets[0].data_path = "ACTIVE_VIEW_LAYER", '["seen"]'
    assert '["seen"] of the view layer drives the rig, but cannot be' in told(capfd)
    assert max(abs(value) for _, value, _ in curves(material)['["worn"]', 0]) > 0.4
    item.data.shape_keys.key_blocks["key 2"].driver_remove("value")
    item.data.shape_keys.key_blocks["key 2"].value = 0.9
    item.data.shape_keys.key_blocks["key 2"].lock_shape = True
    said = told(capfd)
    assert "with all controls at rest the face is up to" in said
    assert "as the file plays" not in said


def test_controls_are_proposed_chosen_and_limited(rig_take):
    item, _ = rigs.keys_with_a_jaw()
    state = bpy.context.scene.aim.rig
    state.mesh = item
    bpy.ops.aim.rig_controls_propose()
    names = {each.name for each in state.controls}
    assert {"key 0", "key 3", "jaw Rotation X", "jaw Location Z"} <= names
    before = shown(item)
    state.controls["key 0"].use = False
    state.controls["key 1"].most = 0.25
    bpy.ops.aim.rig_controls_propose()
    assert not state.controls["key 0"].use
    assert np.array_equal(shown(item), before)
    bpy.ops.aim.take_bake_to_controls(loss=0.0)
    found = curves(item.data.shape_keys)
    assert ('key_blocks["key 0"].value', 0) not in found
    assert max(value for _, value, _ in found['key_blocks["key 1"].value', 0]) == pytest.approx(0.25, abs=1e-4)
    for each in state.controls:
        each.use = False
    assert "o control of the list is chosen" in problem(bpy.ops.aim.take_bake_to_controls)


def test_what_was_keyed_stays(rig_take):
    item, rig = rigs.keys_with_a_jaw()
    rig.pose.bones["skull"].rotation_mode = "XYZ"
    rig.pose.bones["skull"].rotation_euler.x = 0.0
    rig.pose.bones["skull"].keyframe_insert("rotation_euler", frame=60)
    old, before = rig.animation_data.action, curves(rig)
    for each in rig.pose.bones["skull"].id_data.data.collections_all:
        each.is_visible = True
    bpy.context.scene.aim.rig.mesh = item
    bpy.ops.aim.rig_controls_propose()
    for each in bpy.context.scene.aim.rig.controls:
        each.use = not each.name.startswith("skull")
    bpy.ops.aim.take_bake_to_controls()
    assert rig.animation_data.action != old
    assert {key: curves(rig)[key] for key in before} == before


def test_rigs_that_cannot_be_used_are_refused_in_a_sentence(rig_take, tmp_path):
    state = bpy.context.scene.aim.rig
    state.mesh = rigs.skin("bare")
    assert "'bare' has nothing to key" in problem(bpy.ops.aim.take_bake_to_controls)
    state.mesh["idle"] = 0.5
    assert "moves the face, such as bare idle" in problem(bpy.ops.aim.take_bake_to_controls)
    item, controls = rigs.driven_keys()
    state.mesh = item
    face_bone = controls.pose.bones["face"]
    for driven, by in (("smile", "frown"), ("frown", "smile")):
        driver = face_bone.driver_add(f'["{driven}"]').driver
        driver.type = "AVERAGE"
        target = driver.variables.new().targets[0]
        target.id, target.data_path = controls, f'pose.bones["face"]["{by}"]'
    assert "rivers go round in a circle" in problem(bpy.ops.aim.take_bake_to_controls)
    bpy.ops.mesh.primitive_cube_add()
    state.mesh = bpy.context.object
    assert "has 8 vertices and the actor 168" in problem(bpy.ops.aim.take_bake_to_controls)


def told(capfd, **arguments):
    """What is told of a bake onto the chosen rig."""
    capfd.readouterr()
    bpy.ops.aim.take_bake_to_controls(**arguments)
    return capfd.readouterr().out


def test_what_keeps_a_rig_from_more_and_what_else_moves_it_is_said(rig_take, capfd):
    item, rig = rigs.keys_with_a_jaw()
    bpy.context.scene.aim.rig.mesh = item
    assert "something else" not in told(capfd)
    rig.data.pose_position = "REST"
    said = told(capfd)
    assert "'rig' is in Rest Position" in said
    assert "that is most of the motion" in said
    item.show_only_shape_key = True
    assert "shows one of its shape keys alone" in problem(bpy.ops.aim.take_bake_to_controls)
    item.show_only_shape_key, rig.data.pose_position = False, "POSE"
    driver = rig.pose.bones["skull"].driver_add("location", 2).driver
    driver.type, driver.expression = "SCRIPTED", "0.002 * frame"
    bpy.context.scene.frame_set(7)
    said = told(capfd)
    assert "as the file plays, the face is" in said
    assert "the driver of pose.bones[\"skull\"].location of 'rig', which uses the frame" in said
    assert bpy.context.scene.frame_current == 7


def test_curves_that_are_muted_are_refused_or_heard_in_the_copy(rig_take):
    item, _ = rigs.keys_with_a_jaw()
    state = bpy.context.scene.aim.rig
    state.mesh, state.new_action = item, False
    bpy.ops.aim.take_bake_to_controls()
    keys = item.data.shape_keys
    versions = headless.extension_module("aim_blender.scene.basics.versions")
    for curve in versions.curves_of(keys):
        curve.mute = True
    assert "is muted; unmute it" in problem(bpy.ops.aim.take_bake_to_controls)
    state.new_action = True
    bpy.ops.aim.take_bake_to_controls()
    errors, motion = off(item, rig_take)
    assert errors.mean() < 0.06 * motion.mean()


def test_what_a_mesh_is_bound_to_is_part_of_its_rig(rig_take):
    """The keys are those of a cage, which the mesh follows, and its jaw's bone hangs on a control's."""
    cage, rig = rigs.keys_with_a_jaw()
    control = rigs.armature({"held": rigs.jaw_bones()["jaw"]}, "control")
    target = rig.pose.bones["jaw"].constraints.new("ARMATURE").targets.new()
    target.target, target.subtarget = control, "held"
    item = rigs.skin("film")
    item.modifiers.new("bound", "SURFACE_DEFORM").target = cage
    with bpy.context.temp_override(object=item):
        bpy.ops.object.surfacedeform_bind(modifier="bound")
    bpy.context.scene.aim.rig.mesh = item
    bpy.ops.aim.rig_controls_propose()
    assert {"key 0", "held Rotation X"} <= {each.name for each in bpy.context.scene.aim.rig.controls}
    bpy.ops.aim.take_bake_to_controls()
    errors, motion = off(item, rig_take)
    assert errors.mean() < 0.06 * motion.mean()


def test_a_linked_rig_names_what_to_override_and_an_override_works(rig_take, tmp_path):
    item, rig = rigs.keys_with_a_jaw()
    item.name, rig.name = "hero", "hero rig"
    library = str(tmp_path / "library.blend")
    bpy.data.libraries.write(library, {item, rig})
    with bpy.data.libraries.load(library, link=True) as (_, there):
        there.objects = ["hero"]
    linked, scene = there.objects[0], bpy.context.scene
    scene.collection.objects.link(linked)
    scene.collection.objects.link(next(each.object for each in linked.modifiers))
    bpy.context.scene.aim.rig.mesh = linked
    said = problem(bpy.ops.aim.take_bake_to_controls)
    assert "'hero rig'" in said
    assert "make a library override of them" in said
    override = linked.override_hierarchy_create(scene, bpy.context.view_layer, do_fully_editable=True)
    bpy.context.scene.aim.rig.mesh = override
    assert "he mesh data 'face" in problem(bpy.ops.aim.take_bake_to_controls)
    override.data.override_create(remap_local_usages=True)
    bpy.ops.aim.take_bake_to_controls()
    errors, motion = off(bpy.context.scene.aim.rig.mesh, rig_take)
    assert errors.mean() < 0.06 * motion.mean()
    bpy.ops.aim.take_bake_to_controls(onto="replace")
    assert off(bpy.context.scene.aim.rig.mesh, rig_take)[0] == pytest.approx(errors, abs=1e-3)


def test_one_undo_takes_it_back(rig_take):
    item, rig = rigs.keys_with_a_jaw()
    bpy.context.scene.aim.rig.mesh = item
    rig.pose.bones["jaw"].keyframe_insert("location", frame=3)
    before = curves(rig)
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.aim.take_bake_to_controls("EXEC_DEFAULT", True)
    assert curves(rig) != before
    bpy.ops.ed.undo()
    assert curves(bpy.data.objects["rig"]) == before
    bpy.ops.aim.take_bake_to_controls("EXEC_DEFAULT", True, onto="add")
    bpy.ops.aim.pose_assets_add("EXEC_DEFAULT", True)
    assert len(bpy.data.objects["rig"].animation_data.nla_tracks) == 2
    bpy.ops.ed.undo()
    assert not [action for action in bpy.data.actions if action.asset_data]
    bpy.ops.ed.undo()
    assert curves(bpy.data.objects["rig"]) == before
    assert not bpy.data.objects["rig"].animation_data.nla_tracks


def test_the_script_does_the_same(rig_take, tmp_path):
    item, _ = rigs.keys_with_a_jaw()
    saved = tmp_path / "shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(saved))
    arguments = ("--onto-controls", item.name, "--layer", "replace", "--end", "16", "--push-down")
    done = run_script("bake.py", "--blend", saved, *arguments, "--save", tmp_path / "done.blend")
    assert done.returncode == 0, done.stderr
    assert "keyed face" in done.stdout
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "done.blend"))
    assert bpy.data.objects["face"].data.shape_keys.animation_data.nla_tracks
    errors, motion = off(bpy.data.objects["face"], rig_take)
    assert errors.mean() < 0.06 * motion.mean()

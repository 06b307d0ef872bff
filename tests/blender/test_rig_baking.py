# SPDX-License-Identifier: GPL-3.0-or-later
"""A take onto a character of one's own: it moves as the bake says, and nothing but the chosen curves changes."""

import bpy
import headless
import numpy as np
import pytest
from mathutils import Euler, Matrix
from scenes import add_capture, add_mesh, face, rotation, shown
from test_baked import bake, bring_in, formula, result

EXPRESSIONS = ["mouthSmileLeft", "jawOpen", "browDown_R", "cheekPuff"]
KEYS = ["CheekPuff", "MouthSmile_L", "blinkers", "browDownRight", "Jaw Drop"]
OF = {"mouthSmileLeft": "MouthSmile_L", "jawOpen": "Jaw Drop", "browDown_R": "browDownRight", "cheekPuff": "CheekPuff"}


def arrays():
    """A bake without correctives whose weights stay within the sliders of new shape keys."""
    found = bake(correctives=0)
    found["key_names"] = np.array(EXPRESSIONS)
    found["key_weights"] = np.clip(found["key_weights"], 0, 1)
    return found


def character(bake, frame, at, apart=False):
    """A mesh and an armature of odd bones that stand at `at` and face as the frame (4, 4) says, in metres.

    apart: the jaw's bone is no child of the head's.
    """
    place = Matrix.LocRotScale((0.3, -1.0, 2.0), Euler((0.4, -0.8, 1.9)), (2.0, 2.0, 2.0))
    to_scene = Matrix(frame.tolist())
    to_scene.translation = at
    inside = place.inverted() @ to_scene
    data = bpy.data.armatures.new("rig")
    rig = bpy.data.objects.new("rig", data)
    bpy.context.scene.collection.objects.link(rig)
    rig.matrix_world = place
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    ends = {
        "neck": ((0.0, 0.03, -0.1), (0.02, 0.05, 0.1)),
        "mandibula": (tuple(bake["hinge_centre"] / 1000), (0.1, 0, 0)),
    }
    for name, (head, tail) in ends.items():
        bone = data.edit_bones.new(name)
        bone.head, bone.tail, bone.roll = (
            inside @ Matrix.Translation(head).translation,
            inside @ Matrix.Translation(tail).translation,
            0.7,
        )
    other = data.edit_bones.new("hand")
    other.head, other.tail = (5, 0, 0), (5, 1, 0)
    if not apart:
        data.edit_bones["mandibula"].parent = data.edit_bones["neck"]
    bpy.ops.object.mode_set(mode="OBJECT")
    rig.pose.bones["neck"].rotation_mode = "AXIS_ANGLE"
    rig.pose.bones["mandibula"].rotation_mode = "ZXY"

    def local(points):
        return np.array([inside @ Matrix.Translation(point).translation for point in points / 1000])

    neutral = local(bake["neutral"])
    _, corners, sizes = face()
    mesh = add_mesh("character", neutral, corners, sizes)
    mesh.parent = rig
    mesh.shape_key_add(name="Basis")
    for name in KEYS:
        key = mesh.shape_key_add(name=name, from_mix=False)
        key.value = 0.0
        source = {target: expression for expression, target in OF.items()}.get(name)
        if source is not None:
            moved = bake["neutral"] + bake["keys"][EXPRESSIONS.index(source)]
            key.points.foreach_set("co", local(moved).astype(np.float32).ravel())
    for name, weights in (("neck", 1 - bake["skin_weight"]), ("mandibula", bake["skin_weight"])):
        group = mesh.vertex_groups.new(name=name)
        for index, weight in enumerate(weights):
            group.add([index], float(weight), "REPLACE")
    modifier = mesh.modifiers.new("Armature", "ARMATURE")
    modifier.object = rig
    return mesh, rig


def choose(mesh, rig, **more):
    chosen = bpy.context.scene.aim.rig
    chosen.mesh, chosen.armature, chosen.jaw_bone, chosen.head_bone = mesh, rig, "mandibula", "neck"
    chosen.head_location = True
    for name, value in more.items():
        setattr(chosen, name, value)


@pytest.fixture
def frame():
    frame = np.eye(4)
    frame[:3, :3] = rotation(np.array([1, 2, 3]), 50)
    return frame


@pytest.fixture
def baked_take(scene, tmp_path, frame):
    """A take with a bake; the actor's neutral faces as the frame says."""
    items = add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    items[0].matrix_world = Matrix(frame.tolist())
    values = arrays()
    bring_in(tmp_path / "fit_001", values, 1000, frame)
    return values


@pytest.mark.parametrize("apart", [False, True])
def test_the_character_moves_as_the_bake_says(scene, baked_take, frame, apart):
    at = (1.5, 0.4, -0.2)
    mesh, rig = character(baked_take, frame, at, apart)
    choose(mesh, rig)
    bpy.ops.aim.rig_pairs_find()
    assert {pair.name: pair.target for pair in scene.aim.rig.pairs} == OF
    bpy.ops.aim.bake_to_rig()
    largest = 0.0
    for number, points in zip(baked_take["frames"], formula(baked_take), strict=True):
        scene.frame_set(int(number))
        wanted = points @ frame[:3, :3].T + np.array(at) * 1000
        largest = max(largest, float(np.linalg.norm(shown(mesh) * 1000 - wanted, axis=1).max()))
    # The armature is scaled and turned in float32, so this is no longer a thousandth of a millimetre.
    assert largest < 0.005
    assert not any(rig.pose.bones["hand"].matrix_basis[row][column] for row, column in ((0, 3), (1, 3), (2, 3)))


def curves(datablock):
    """Each curve's keys: {(path, index): [(frame, value, interpolation), ...]}."""
    versions = headless.extension_module("aim_blender.scene.basics.versions")
    return {
        (curve.data_path, curve.array_index): [
            (point.co.x, round(point.co.y, 6), point.interpolation) for point in curve.keyframe_points
        ]
        for curve in versions.curves_of(datablock)
    }


def animate(mesh, rig):
    """Animation of the user's own, inside and outside of the take's frames."""
    for number, value in ((1, 0.1), (10, 0.9), (60, 0.4)):
        for key in ("blinkers", "MouthSmile_L"):
            mesh.data.shape_keys.key_blocks[key].value = value
            mesh.data.shape_keys.key_blocks[key].keyframe_insert("value", frame=number)
        for name, path in (("hand", "location"), ("mandibula", "rotation_euler")):
            setattr(rig.pose.bones[name], path, (value, 0, 0))
            rig.pose.bones[name].keyframe_insert(path, frame=number)


def test_in_the_present_action_only_the_chosen_curves_change_in_the_takes_frames(scene, baked_take, frame):
    mesh, rig = character(baked_take, frame, (1, 0, 0))
    animate(mesh, rig)
    keys = mesh.data.shape_keys
    before = {each: curves(each) for each in (keys, rig)}
    actions = (keys.animation_data.action, rig.animation_data.action)
    properties = [(key.slider_min, key.slider_max, key.mute) for key in keys.key_blocks]
    choose(mesh, rig, new_action=False)
    bpy.ops.aim.bake_to_rig()
    assert (keys.animation_data.action, rig.animation_data.action) == actions
    after = {each: curves(each) for each in (keys, rig)}
    smile, jaw = ('key_blocks["MouthSmile_L"].value', 0), ('pose.bones["mandibula"].rotation_euler', 0)
    hand, blink = ('pose.bones["hand"].location', 0), ('key_blocks["blinkers"].value', 0)
    assert after[keys][blink] == before[keys][blink]
    assert after[rig][hand] == before[rig][hand]
    first, last = int(baked_take["frames"][0]), int(baked_take["frames"][-1])
    for datablock, path in ((keys, smile), (rig, jaw)):
        outside = [key for key in after[datablock][path] if not first <= key[0] <= last]
        assert outside == [key for key in before[datablock][path] if not first <= key[0] <= last]
        inside = [key[0] for key in after[datablock][path] if first <= key[0] <= last]
        assert inside == list(range(first, last + 1))
        assert [key[0] for key in after[datablock][path]] == sorted(key[0] for key in after[datablock][path])
    assert [(key.slider_min, key.slider_max, key.mute) for key in keys.key_blocks] == properties
    weights = [key[1] for key in after[keys][smile] if first <= key[0] <= last]
    assert np.abs(weights - baked_take["key_weights"][:, 0]).max() < 1e-5


def test_a_new_action_keeps_the_old_one_and_the_rest_of_the_animation(scene, baked_take, frame):
    mesh, rig = character(baked_take, frame, (1, 0, 0))
    animate(mesh, rig)
    keys = mesh.data.shape_keys
    before, old = {each: curves(each) for each in (keys, rig)}, rig.animation_data.action
    choose(mesh, rig)
    bpy.ops.aim.bake_to_rig()
    assert rig.animation_data.action != old
    assert old.use_fake_user
    hand = ('pose.bones["hand"].location', 0)
    assert curves(rig)[hand] == before[rig][hand]
    rig.animation_data.action = old
    if hasattr(old, "slots"):
        rig.animation_data.action_slot = old.slots[0]
    assert curves(rig) == before[rig]


def test_only_what_is_chosen(scene, baked_take, frame):
    mesh, rig = character(baked_take, frame, (1, 0, 0))
    choose(mesh, rig, head_bone="")
    bpy.ops.aim.rig_pairs_find()
    scene.aim.rig.pairs["jawOpen"].target = ""
    scene.aim.rig.pairs["cheekPuff"].target = "blinkers"
    mesh.data.shape_keys.key_blocks["browDownRight"].driver_add("value")
    bpy.ops.aim.bake_to_rig()
    assert {path.split('"')[1] for path, _ in curves(mesh.data.shape_keys)} == {"MouthSmile_L", "blinkers"}
    assert {path.split('"')[1] for path, _ in curves(rig)} == {"mandibula"}


def test_one_undo_step(scene, baked_take, frame):
    mesh, rig = character(baked_take, frame, (1, 0, 0))
    animate(mesh, rig)
    choose(mesh, rig, new_action=False)
    bpy.ops.ed.undo_push(message="before")
    before = [curves(mesh.data.shape_keys), curves(rig)]
    bpy.ops.aim.bake_to_rig("EXEC_DEFAULT", True)
    bpy.ops.ed.undo()
    mesh, rig = bpy.data.objects["character"], bpy.data.objects["rig"]
    assert [curves(mesh.data.shape_keys), curves(rig)] == before


def test_refusals_change_nothing(scene, baked_take, frame):
    mesh, rig = character(baked_take, frame, (1, 0, 0))
    animate(mesh, rig)
    before = [curves(mesh.data.shape_keys), curves(rig)]
    plain = result()["skin"]
    for changes, sentence in (
        ({"jaw_bone": "neck"}, "The bone 'neck' is chosen for jaw and head"),
        ({"jaw_bone": "nose"}, "'rig' has no bone 'nose'"),
        ({"armature": None}, "No armature is chosen"),
        ({"mesh": None, "jaw_bone": "", "head_bone": ""}, "Nothing is chosen to be keyed"),
    ):
        choose(mesh, rig)
        for name, value in changes.items():
            setattr(scene.aim.rig, name, value)
        with pytest.raises(RuntimeError, match=sentence):
            bpy.ops.aim.bake_to_rig()
    versions = headless.extension_module("aim_blender.scene.basics.versions")
    choose(mesh, rig, new_action=False)
    next(each for each in versions.curves_of(rig) if "mandibula" in each.data_path).lock = True
    with pytest.raises(RuntimeError, match="is locked; unlock it, or key a new action"):
        bpy.ops.aim.bake_to_rig()
    assert [curves(mesh.data.shape_keys), curves(rig)] == before
    assert plain.data.shape_keys is not None


@pytest.mark.parametrize("step", [1.0, 0.5, 2.0])
def test_keys_within_the_frames_are_replaced_and_others_stay(scene, step):
    """As many keys as there come, twice as many, or half; and what they were is forgotten."""
    versions = headless.extension_module("aim_blender.scene.basics.versions")
    item = bpy.data.objects.new("item", None)
    for frame in np.arange(1.0, 31.0, step):
        item.location.x = 100 + frame
        item.keyframe_insert("location", index=0, frame=frame)
    for point in versions.curves_of(item)[0].keyframe_points:
        point.type, point.interpolation = "BREAKDOWN", "BOUNCE"
    frames = np.arange(10, 21)
    versions.RigWriter("rig", False).write(item, "location", 0, "group", frames, np.sin(frames))
    points = versions.curves_of(item)[0].keyframe_points
    there = {float(at): ("BREAKDOWN", "BOUNCE", 100 + at) for at in np.arange(1.0, 31.0, step) if not 10 <= at <= 20}
    there |= {float(at): ("KEYFRAME", "LINEAR", np.sin(at)) for at in frames}
    assert [point.co.x for point in points] == sorted(there)
    for point in points:
        kind, interpolation, value = there[point.co.x]
        assert (point.type, point.interpolation) == (kind, interpolation)
        assert point.co.y == pytest.approx(value, abs=1e-5)
    assert all(point.handle_left_type == "VECTOR" for point in points if point.co.x in frames)


@pytest.fixture
def driven(scene, baked_take, frame):
    """A character whose paired shape keys all are driven, and no bone is chosen."""
    mesh, rig = character(baked_take, frame, (1, 0, 0))
    mesh["control"] = 0.25
    for name in OF.values():
        driver = mesh.data.shape_keys.key_blocks[name].driver_add("value").driver
        driver.type = "AVERAGE"
        target = driver.variables.new().targets[0]
        target.id, target.data_path = mesh, '["control"]'
    choose(mesh, rig, jaw_bone="", head_bone="")
    bpy.ops.aim.rig_pairs_find()
    return mesh


def test_drivers_are_said_to_be_the_reason(scene, driven):
    with pytest.raises(RuntimeError, match="Drivers move all 4 paired shape keys of 'character'"):
        bpy.ops.aim.bake_to_rig()
    assert not curves(driven.data.shape_keys)


def test_drivers_can_be_muted_or_added_to(scene, baked_take, driven):
    keys = driven.data.shape_keys
    number = int(baked_take["frames"][2])
    weight = baked_take["key_weights"][2, EXPRESSIONS.index("jawOpen")]
    scene.aim.rig.drivers = "BESIDE"
    for _ in range(2):  # once more keys the copies that are there
        bpy.ops.aim.bake_to_rig()
        assert {path.split('"')[1] for path, _ in curves(keys)} == {f"{name} take" for name in OF.values()}
        assert len(keys.key_blocks) == 1 + len(KEYS) + len(OF)
    scene.frame_set(number)
    assert keys.key_blocks["Jaw Drop"].value == pytest.approx(0.25)
    assert keys.key_blocks["Jaw Drop take"].value == pytest.approx(weight, abs=1e-5)
    for one, other in zip(keys.key_blocks["Jaw Drop"].data, keys.key_blocks["Jaw Drop take"].data, strict=True):
        assert one.co == other.co
    scene.aim.rig.drivers = "MUTE"
    bpy.ops.aim.bake_to_rig()
    assert all(driver.mute for driver in keys.animation_data.drivers)
    scene.frame_set(number)
    assert keys.key_blocks["Jaw Drop"].value == pytest.approx(weight, abs=1e-5)


def test_a_driven_bone_is_left_out_and_the_others_are_keyed(scene, baked_take, frame):
    mesh, rig = character(baked_take, frame, (1, 0, 0))
    rig.pose.bones["mandibula"].driver_add("rotation_euler", 0)
    choose(mesh, rig, jaw_location=False)
    bpy.ops.aim.bake_to_rig()
    assert {path.split('"')[1] for path, _ in curves(rig)} == {"neck"}


def test_a_library_override_is_keyed_when_its_drivers_are_muted(scene, baked_take, driven, tmp_path):
    library = str(tmp_path / "library.blend")
    bpy.data.libraries.write(library, {driven})
    with bpy.data.libraries.load(library, link=True) as (_, wanted):
        wanted.objects = ["character"]
    linked = wanted.objects[0]
    scene.collection.objects.link(linked)
    chosen = scene.aim.rig
    chosen.mesh = linked
    chosen.drivers = "MUTE"
    with pytest.raises(RuntimeError, match="is linked from another file; make it local or override it first"):
        bpy.ops.aim.bake_to_rig()
    override = linked.override_hierarchy_create(scene, bpy.context.view_layer)
    chosen.mesh, chosen.drivers = override, "BESIDE"
    with pytest.raises(RuntimeError, match="is a library override, to which no shape key can be added"):
        bpy.ops.aim.bake_to_rig()
    chosen.drivers = "MUTE"
    bpy.ops.aim.bake_to_rig()
    assert len(curves(override.data.shape_keys)) == len(OF)

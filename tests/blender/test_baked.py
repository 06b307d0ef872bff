# SPDX-License-Identifier: GPL-3.0-or-later
"""A baked take becomes Blender data whose evaluated mesh is the formula of the bake; nothing else is touched."""

import json
from pathlib import Path

import bpy
import headless
import numpy as np
import pytest
from mathutils import Euler, Matrix
from scenes import add_capture, add_mesh, expression, face, rigid, rotation, select, shown

LARGEST_ERROR_MM = 0.002


def bake(frames: int = 24, first: int = 5, correctives: int = 2, turn: bool = False) -> dict[str, np.ndarray]:
    """The arrays of a bake.npz: four named keys, correctives, a jaw that opens and shifts, a head that moves."""
    vertices, corners, sizes = face()
    random = np.random.default_rng(1)
    centre, axis = np.array([0.0, 20.0, -10.0]), np.array([1.0, 0.05, -0.02])
    axis /= np.linalg.norm(axis)
    time = np.linspace(0, 1, frames)
    jaw = [rigid(axis, 22 * np.sin(3 * t), centre, np.array([2 * t, -4 * t, 0])) for t in time]
    spin = 540 if turn else 25  # one and a half turns, to see that angles go on and do not jump
    neck, sway = np.array([0, 30, -100]), np.array([15, 0, 5])
    head = [rigid(np.array([0.2, 0.3, 1]), spin * t, neck, sway * t) for t in time]
    names = [f"shape {number}" for number in range(1, 5)] + [f"corrective_{n + 1:03d}" for n in range(correctives)]
    return {
        "corners": corners,
        "sizes": sizes,
        "neutral": vertices + random.normal(size=vertices.shape) * 1e-3,
        "key_names": np.array(names),
        "named_count": np.int64(4),
        "keys": np.stack([expression(vertices, seed) for seed in range(1, len(names) + 1)]).astype(np.float32),
        "key_weights": random.normal(0.3, 0.8, (frames, len(names))).astype(np.float32),
        "skin_weight": np.clip((-vertices[:, 2] - 10) / 60, 0, 1),
        "jaw": np.stack(jaw),
        "head": np.stack(head),
        "hinge_centre": centre,
        "hinge_axis": axis,
        "frames": np.arange(first, first + frames, dtype=np.int32),
        "fps": np.float64(24),
        "tolerance_mm": np.float64(0.1),
        "worst_mm": np.float64(0.08),
        "mean_mm": np.float64(0.01),
    }


def formula(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """(F, V, 3) mm: shape keys, then linear blend skinning."""
    weights, keys = arrays["key_weights"].astype(float), arrays["keys"].astype(float)
    rest = arrays["neutral"] + np.einsum("fk,kvc->fvc", weights, keys)
    jaw, head, k = arrays["jaw"], arrays["head"], arrays["skin_weight"][:, None]
    followed = rest @ jaw[:, :3, :3].transpose(0, 2, 1) + jaw[:, None, :3, 3]
    skinned = (1 - k) * rest + k * followed
    return skinned @ head[:, :3, :3].transpose(0, 2, 1) + head[:, None, :3, 3]


def prepare(
    folder: Path, arrays: dict[str, np.ndarray], scale: float, frame: np.ndarray | None = None, **more: object
) -> None:
    """The folder of a finished job of the active actor, with this bake as its result."""
    state = bpy.context.scene.aim
    folder.mkdir()
    np.savez(folder / "bake.npz", **arrays)
    job = headless.extension_module("aim_blender.jobs.folders.folder").JobFolder.create(
        folder, "fit", [{"task": "fit", "arguments": {}}]
    )
    figures = [{"mean_mm": 0.02, "worst_mm": 0.3}, {"worst_mm": 0.08, "mean_mm": 0.01, "correctives": 2}]
    job.write_result({"state": "finished", "figures": figures})
    headless.extension_module("aim_blender.scene.jobs.job_making").write_delivery(
        folder,
        {
            "kind": "fit",
            "actor": state.actors[state.active_actor].identifier,
            "take": "shot",
            "take_file": "shot.take.safetensors",
            "bake_file": "bake.npz",
            "millimetres_per_unit": scale,
            "frame": (np.eye(4) if frame is None else frame).tolist(),
            **more,
        },
    )


def bring_in(
    folder: Path, arrays: dict[str, np.ndarray], scale: float, frame: np.ndarray | None = None, **more: object
) -> None:
    """Bring a bake in as a finished job's result, through the operator. more: what delivery.json says beside."""
    prepare(folder, arrays, scale, frame, **more)
    bpy.ops.aim.result_write(folder=str(folder))


def result() -> dict[str, bpy.types.Object]:
    """The objects of the latest take: skin, rig, and the rest by name."""
    state = bpy.context.scene.aim
    items = list(state.takes[state.active_take].collection.objects)
    skin = next(item for item in items if item.type == "MESH" and item.data.shape_keys)
    rig = next(item for item in items if item.type == "ARMATURE")
    return {"skin": skin, "rig": rig, **{item.name: item for item in items if item not in (skin, rig)}}


def largest_difference_mm(arrays: dict[str, np.ndarray], frame: np.ndarray, scale: float) -> float:
    """Between what Blender shows at every frame and the formula."""
    skin, scene, largest = result()["skin"], bpy.context.scene, 0.0
    for number, points in zip(arrays["frames"], formula(arrays), strict=True):
        scene.frame_set(int(number))
        wanted = points @ frame[:3, :3].T + frame[:3, 3] * scale
        largest = max(largest, float(np.linalg.norm(shown(skin) * scale - wanted, axis=1).max()))
    return largest


@pytest.mark.parametrize(("units_per_millimetre", "turn"), [(0.001, False), (0.1, False), (1.0, True)])
def test_evaluated_mesh_is_the_formula(scene, tmp_path, units_per_millimetre, turn):
    add_capture(units_per_millimetre=units_per_millimetre)
    bpy.ops.aim.actor_add(name="Actor")
    arrays = bake(turn=turn)
    frame = np.eye(4)
    frame[:3, :3] = rotation(np.array([1, 2, 3]), 50)
    frame[:3, 3] = np.array([400, -300, 200]) * units_per_millimetre
    bring_in(tmp_path / "fit_001", arrays, 1 / units_per_millimetre, frame)
    assert largest_difference_mm(arrays, frame, 1 / units_per_millimetre) < LARGEST_ERROR_MM


@pytest.mark.parametrize("notes", [[], ["the fit is torn in 3 of 24 frames"]])
def test_what_should_be_looked_at_is_a_warning(scene, tmp_path, capfd, notes):
    add_capture()
    bpy.ops.aim.actor_add()
    prepare(tmp_path / "fit_001", bake(), 1000)
    file = tmp_path / "fit_001" / "result.json"
    content = json.loads(file.read_text())
    content["figures"][0]["notes"] = notes
    file.write_text(json.dumps(content))
    capfd.readouterr()
    bpy.ops.aim.result_write(folder=str(tmp_path / "fit_001"))
    said = capfd.readouterr().out
    assert said.startswith("Warning: Fitted shot, " if notes else "Info: Fitted shot, ")
    assert all(note in said for note in notes)


def test_between_frames_nothing_jumps(scene, tmp_path):
    """Half way between two keys a bone is between its two poses, also where angles pass a full turn."""
    add_capture()
    bpy.ops.aim.actor_add()
    arrays = bake(frames=40, turn=True)
    bring_in(tmp_path / "fit_001", arrays, 1000)
    skin, points = result()["skin"], formula(arrays)
    for index in range(len(points) - 1):
        scene.frame_set(int(arrays["frames"][index]), subframe=0.5)
        middle = (points[index] + points[index + 1]) / 2
        step = np.linalg.norm(points[index + 1] - points[index], axis=1).max()
        assert np.linalg.norm(shown(skin) * 1000 - middle, axis=1).max() < 0.3 * step


def test_what_the_result_is_made_of(scene, tmp_path):
    items = add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    arrays = bake()
    bring_in(tmp_path / "fit_001", arrays, 1000)
    take = scene.aim.takes[0]
    assert (take.name, take.frame_start, take.frame_end) == ("shot", 5, 28)
    assert take.collection.name == "Actor shot"
    figures = json.loads(take.figures)
    assert (figures["correctives"], figures["worst_mm"], figures["fit_worst_mm"]) == (2, 0.08, 0.3)
    skin, rig = result()["skin"], result()["rig"]
    assert [key.name for key in skin.data.shape_keys.key_blocks] == ["Basis", *arrays["key_names"]]
    assert [material.name for material in skin.data.materials] == ["Skin"]
    assert skin.data.uv_layers.keys() == items[0].data.uv_layers.keys()
    assert skin.data is not items[0].data
    assert {group.name for group in skin.vertex_groups} == {"head", "jaw"}
    weight = {group.group: group.weight for group in skin.data.vertices[0].groups}
    assert weight == {skin.vertex_groups["jaw"].index: 1.0}
    assert rig.data.bones["jaw"].parent == rig.data.bones["head"]
    modifier = next(each for each in skin.modifiers if each.type == "ARMATURE")
    assert modifier.object == rig
    assert not modifier.use_deform_preserve_volume
    # Nothing of the user's own selection changed.
    assert bpy.context.view_layer.objects.active == items[0]
    assert set(bpy.context.selected_objects) == set(items)


def test_keys_are_at_every_frame_and_grouped(scene, tmp_path):
    add_capture()
    bpy.ops.aim.actor_add()
    arrays = bake()
    bring_in(tmp_path / "fit_001", arrays, 1000)
    versions = headless.extension_module("aim_blender.scene.basics.versions")
    skin, rig = result()["skin"], result()["rig"]
    shapes, bones = versions.curves_of(skin.data.shape_keys), versions.curves_of(rig)
    assert len(shapes) == 6
    assert len(bones) == 3 + 4 + 3 + 3
    assert {curve.group.name for curve in shapes} == {"Shapes", "Correctives"}
    assert {curve.group.name for curve in bones} == {"head", "jaw"}
    for curve in [*shapes, *bones]:
        assert [point.co.x for point in curve.keyframe_points] == list(arrays["frames"])
        assert {point.interpolation for point in curve.keyframe_points} == {"LINEAR"}
    if versions.HAS_SLOTS:
        assert rig.animation_data.action == skin.data.shape_keys.animation_data.action


def test_jaw_bone_lies_on_the_hinge(scene, tmp_path):
    add_capture()
    bpy.ops.aim.actor_add()
    arrays = bake()
    bring_in(tmp_path / "fit_001", arrays, 1000)
    bone = result()["rig"].data.bones["jaw"]
    assert np.abs(np.array(bone.head_local) * 1000 - arrays["hinge_centre"]).max() < 1e-3
    across = np.array(bone.matrix_local)[:3, 0]
    assert abs(across @ arrays["hinge_axis"]) > 0.99999
    # The bone points at the chin, which opens by a positive turn about its local X axis.
    assert bone.tail_local.z < bone.head_local.z
    scene.frame_set(int(arrays["frames"][12]))
    assert result()["rig"].pose.bones["jaw"].rotation_euler.x == pytest.approx(np.radians(22), abs=0.01)


def test_weights_beyond_what_a_slider_allows(scene, tmp_path):
    add_capture()
    bpy.ops.aim.actor_add()
    arrays = bake()
    arrays["key_weights"][:, 5] = np.linspace(-25, 14, 24)
    arrays["key_weights"][3, 0] = 4.5
    bring_in(tmp_path / "fit_001", arrays, 1000)
    assert largest_difference_mm(arrays, np.eye(4), 1000) < LARGEST_ERROR_MM


def test_bones_follow(scene, tmp_path):
    items = add_capture()
    vertices, corners, sizes = face(5, 5)
    skull, mandible = (add_mesh(name, vertices * 0.0006, corners, sizes) for name in ("skull", "mandible"))
    place = Matrix.Translation((1, 2, 3)) @ Euler((0.3, 0.2, 0.1)).to_matrix().to_4x4()
    for item in (*items, skull):
        item.matrix_world = place
    mandible.matrix_world = place @ Matrix.Translation((0, 0.01, -0.03))
    select([*items, skull, mandible])
    bpy.ops.aim.actor_add()
    arrays = bake()
    bring_in(tmp_path / "fit_001", arrays, 1000)
    copies = {name.split()[-1]: item for name, item in result().items()}
    head, jaw = arrays["head"], arrays["head"] @ arrays["jaw"]
    for name, motion, shift in (("skull", head, np.zeros(3)), ("mandible", jaw, np.array([0, 10, -30]))):
        rest = vertices * 0.6 + shift
        for index in (0, 11, 23):
            scene.frame_set(int(arrays["frames"][index]))
            wanted = rest @ motion[index][:3, :3].T + motion[index][:3, 3]
            assert np.abs(shown(copies[name]) * 1000 - wanted).max() < LARGEST_ERROR_MM


def test_users_meshes_stay(scene, tmp_path):
    """Also a neutral with shape keys, groups called head and jaw, drivers and an object material keeps all of it."""
    vertices, corners, sizes = face()
    item = add_mesh("head", vertices / 1000, corners, sizes)
    for name in ("Basis", "smile", "frown"):
        key = item.shape_key_add(name=name)
        key.points[0].co.x += 0.001 if name != "Basis" else 0
    item.data.shape_keys.key_blocks["smile"].value = 0.3
    item.data.shape_keys.key_blocks["smile"].keyframe_insert("value", frame=3)
    for name in ("jaw", "head", "other"):
        item.vertex_groups.new(name=name).add([1, 2, 3], 0.4, "REPLACE")
    item.material_slots[0].link = "OBJECT"
    item.material_slots[0].material = bpy.data.materials.new("Own")
    select([item])
    bpy.ops.aim.actor_add()
    before = (shown(item), [group.name for group in item.vertex_groups], len(bpy.data.objects))
    arrays = bake()
    bring_in(tmp_path / "fit_001", arrays, 1000)
    assert np.array_equal(shown(item), before[0])
    assert [group.name for group in item.vertex_groups] == before[1]
    assert [key.name for key in item.data.shape_keys.key_blocks] == ["Basis", "smile", "frown"]
    assert [group.weight for group in item.data.vertices[1].groups] == pytest.approx([0.4] * 3)
    assert item.data.shape_keys.animation_data.action is not None
    skin = result()["skin"]
    assert skin.material_slots[0].material.name == "Own"
    assert largest_difference_mm(arrays, np.eye(4), 1000) < LARGEST_ERROR_MM


def test_deleted_neutral_is_not_needed(scene, tmp_path):
    items = add_capture()
    bpy.ops.aim.actor_add()
    bpy.data.objects.remove(items[0])
    arrays = bake()
    bring_in(tmp_path / "fit_001", arrays, 1000)
    assert largest_difference_mm(arrays, np.eye(4), 1000) < LARGEST_ERROR_MM


def test_results_do_not_replace_each_other(scene, tmp_path):
    add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    for number in range(3):
        bring_in(tmp_path / f"fit_{number}", bake(), 1000)
    assert [take.name for take in scene.aim.takes] == ["shot", "shot 2", "shot 3"]
    assert len({take.collection for take in scene.aim.takes}) == 3


def test_one_undo_step(scene, tmp_path):
    add_capture()
    bpy.ops.aim.actor_add()
    making = tmp_path / "fit_001"
    bpy.ops.ed.undo_push(message="before")  # in the background there is no undo until someone asks for it
    names = {block.name for kind in (bpy.data.objects, bpy.data.meshes, bpy.data.actions) for block in kind}
    arrays = bake()
    # The operator is called as the timer calls it: with undo.
    jobs = headless.extension_module("aim_blender.scene.jobs.jobs")
    results = headless.extension_module("ops.basics.results")
    folder = headless.extension_module("aim_blender.jobs.folders.folder").JobFolder(making)
    identifier = scene.aim.actors[0].identifier
    prepare(making, arrays, 1000)
    results.deliver(jobs.Run(identifier, "fit", Path(), results.deliver, folder=folder))
    assert len(bpy.context.scene.aim.takes) == 1
    bpy.ops.ed.undo()
    assert len(bpy.context.scene.aim.takes) == 0
    assert {block.name for kind in (bpy.data.objects, bpy.data.meshes, bpy.data.actions) for block in kind} == names
    bpy.ops.ed.redo()
    assert len(bpy.context.scene.aim.takes) == 1
    assert largest_difference_mm(arrays, np.eye(4), 1000) < LARGEST_ERROR_MM


@pytest.mark.parametrize("damage", ["missing", "cut", "shape", "number"])
def test_damaged_bake_leaves_nothing(scene, tmp_path, damage):
    add_capture()
    bpy.ops.aim.actor_add()
    arrays = bake()
    if damage == "shape":
        arrays["key_weights"] = arrays["key_weights"][:-1]
    if damage == "number":
        arrays["jaw"][3, 0, 0] = np.nan
    folder = tmp_path / "fit_001"
    prepare(folder, arrays, 1000)
    if damage == "missing":
        (folder / "bake.npz").unlink()
    if damage == "cut":
        (folder / "bake.npz").write_bytes((folder / "bake.npz").read_bytes()[:3000])
    before = (len(bpy.data.objects), len(bpy.data.meshes), len(bpy.data.collections))
    with pytest.raises(RuntimeError, match=r"bake.npz is (gone|damaged)"):
        bpy.ops.aim.result_write(folder=str(folder))
    assert (len(bpy.data.objects), len(bpy.data.meshes), len(bpy.data.collections)) == before
    assert len(scene.aim.takes) == 0

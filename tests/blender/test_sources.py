# SPDX-License-Identifier: GPL-3.0-or-later
"""One performance, whatever it comes as: Alembic, USD, STL files, point caches and arrays give the same fit."""

import json

import bpy
import numpy as np
import pytest
from scenes import TAKE_FRAMES, add_mesh, face, select, shown


@pytest.fixture
def target(learned) -> bpy.types.Object:
    """An object that opens its mouth over the take's frames, where the neutral stands."""
    actor = bpy.context.scene.aim.actors[0]
    rest, opened = (
        np.array([vertex.co for vertex in item.data.vertices]) for item in (actor.neutral, actor.shapes[0].object)
    )
    item = add_mesh("target", rest, *face()[1:])
    item.shape_key_add(name="Basis")
    key = item.shape_key_add(name="open")
    key.points.foreach_set("co", opened.astype(np.float32).ravel())
    for frame, value in ((1, 0.0), (TAKE_FRAMES, 1.0)):
        key.value = value
        key.keyframe_insert("value", frame=frame)
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 1, TAKE_FRAMES
    select([item])
    return item


def frames_of(item) -> np.ndarray:
    """(F, V, 3) float32 mm."""
    found = []
    for frame in range(1, TAKE_FRAMES + 1):
        bpy.context.scene.frame_set(frame)
        found.append(1000 * shown(item))
    return np.array(found, dtype=np.float32)


def check_fit(item) -> None:
    """The latest take is the object's performance, and as close as a fit to the object itself is."""
    take = bpy.context.scene.aim.takes[-1]
    assert json.loads(take.figures)["fit_mean_mm"] < 0.05
    skin = next(each for each in take.collection.objects if each.type == "MESH" and "teeth" not in each.name)
    truth = frames_of(item)
    for frame in (1, 4, TAKE_FRAMES):
        bpy.context.scene.frame_set(frame)
        off = 1000 * shown(skin) - truth[frame - 1]
        assert np.linalg.norm(off - off.mean(0), axis=1).max() < 0.5  # wherever it stands


@pytest.mark.parametrize("suffix", ["abc", "usdc"])
def test_imported_caches(target, tmp_path, suffix):
    path = str(tmp_path / f"shot.{suffix}")
    if suffix == "abc":
        bpy.ops.wm.alembic_export(filepath=path, selected=True, start=1, end=TAKE_FRAMES)
    else:
        bpy.ops.wm.usd_export(filepath=path, selected_objects_only=True, export_animation=True, export_shapekeys=False)
    before = set(bpy.data.objects)
    if suffix == "abc":
        bpy.ops.wm.alembic_import(filepath=path)
    else:
        bpy.ops.wm.usd_import(filepath=path)
    imported = next(item for item in bpy.data.objects if item not in before and item.type == "MESH")
    assert any(modifier.type == "MESH_SEQUENCE_CACHE" for modifier in imported.modifiers)
    bpy.ops.aim.performance_fit(object_name=imported.name, frame_start=1, frame_end=TAKE_FRAMES)
    check_fit(target)


def test_stl_files(target, tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    for frame in range(1, TAKE_FRAMES + 1):
        bpy.context.scene.frame_set(frame)
        bpy.ops.wm.stl_export(
            filepath=str(folder / f"scan_{frame:03d}.stl"),
            export_selected_objects=True,
            global_scale=1000.0,
            forward_axis="Y",
            up_axis="Z",
        )
    bpy.ops.aim.performance_fit(folder=str(folder))
    assert bpy.context.scene.aim.takes[-1].name == "scans"
    check_fit(target)


def test_files_of_meshes(target, tmp_path):
    frames = frames_of(target)
    np.savez(tmp_path / "shot.npz", vertices=frames, frames=np.arange(1, TAKE_FRAMES + 1), fps=24.0)
    bpy.context.scene.aim.performance_kind = "FOLDER"
    bpy.context.scene.aim.performance_folder = str(tmp_path / "shot.npz")
    bpy.ops.aim.performance_fit()
    check_fit(target)
    bpy.context.scene.aim.sources.performance_fps = 59.94
    bpy.ops.aim.performance_fit()
    with np.load(bpy.context.scene.aim.takes[-1].bake_path) as bake:
        assert (bake["fps"], bake["frames"].tolist()) == (59.94, [*range(1, TAKE_FRAMES + 1)])
    bpy.context.scene.aim.sources.performance_unit = 10.0
    with pytest.raises(RuntimeError, match=r"frame 1' is 10 times the size of"):
        bpy.ops.aim.performance_fit()
    bpy.context.scene.aim.performance_folder = str(tmp_path / "gone.npz")
    with pytest.raises(
        RuntimeError, match=r"There is no file or folder .*gone\.npz; pick a folder of meshes, or a file"
    ):
        bpy.ops.aim.performance_fit()

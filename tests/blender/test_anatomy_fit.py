# SPDX-License-Identifier: GPL-3.0-or-later
"""Bones fitted by a real worker come in as new objects of the actor; the artist's own stay, work on them is kept."""

import json
from pathlib import Path

import bpy
import headless
import numpy as np
import pytest
from scenes import add_mesh, prepared, shown


@pytest.fixture
def demo(saved, scene, shape_alone):
    bpy.ops.aim.demo_actor_add()
    return scene.aim.actors[0]


def job_folder(saved):
    return sorted((saved / "aim" / "Demo").glob("anatomy_*"))[-1]


def test_bones_are_fitted_corrected_and_fitted_again(demo, worker, saved):
    mine = {name: getattr(demo, name) for name in ("skull", "mandible")}
    before = {item.name: shown(item) for item in (demo.neutral, *mine.values())}
    demo.neutral.location = (0.5, 0.2, 1.0)
    demo.neutral.rotation_euler.z = 0.7
    bpy.context.view_layer.update()
    assert bpy.ops.aim.anatomy_fit() == {"FINISHED"}
    first = {name: getattr(demo, name) for name in mine}
    assert {name: item.name for name, item in first.items()} == {"skull": "Demo skull", "mandible": "Demo mandible"}
    # Inside the head, wherever it stands, the mandible below the skull.
    head = shown(demo.neutral)
    for item in first.values():
        points = shown(item)
        assert ((points > head.min(0)) & (points < head.max(0))).all()
    assert shown(first["mandible"])[:, 2].mean() < shown(first["skull"])[:, 2].mean()
    assert json.loads(demo.anatomy_figures)["mean_depth_error_mm"] < 3.0
    for name in mine:  # the artist's own are there, as they were
        assert np.array_equal(shown(mine[name]), before[mine[name].name])
    assert bpy.ops.aim.constraints_trace() == {"FINISHED"}
    thickness = {}

    def depth(name: str) -> float:
        """From the skin at a landmark to the nearest vertex of the bones, in mm."""
        place = shown(demo.neutral)[demo.landmarks[name].vertex]
        bones = np.concatenate([shown(demo.skull), shown(demo.mandible)])
        return 1000 * float(np.linalg.norm(bones - place, axis=1).min())

    bpy.ops.aim.landmarks_suggest()
    bpy.ops.aim.depths_reset()
    thickness["before"] = depth("glabella")
    demo.depths["glabella"].millimetres = 12.0
    first["mandible"].data.vertices[0].co.x += 0.001  # somebody works on it
    bpy.ops.aim.anatomy_fit()
    assert depth("glabella") > thickness["before"] + 3.0
    names = {item.name for item in bpy.data.objects}
    assert "Demo skull.001" not in names  # the fitted skull gave way to the new one
    assert demo.skull.name == "Demo skull"
    assert {"Demo mandible", "Demo mandible.001"} <= names  # that one was worked on, and is kept
    assert demo.mandible.name == "Demo mandible.001"
    assert len([mesh for mesh in bpy.data.meshes if mesh.users == 0 and mesh.name.startswith("Demo skull")]) == 0


def test_job_is_told_landmarks_depths_and_teeth(demo, saved):
    anatomy_jobs = headless.extension_module("aim_blender.scene.jobs.anatomy_jobs")
    meshes = headless.extension_module("aim_blender.core.shared.captured.meshes")
    plain = prepared(anatomy_jobs.prepare_anatomy(demo)).read_job()["steps"][0]["arguments"]
    assert set(plain) == {"neutral", "out", "millimetres_per_unit"}
    bpy.ops.aim.landmarks_suggest()
    bpy.ops.aim.landmark_pick(name="menton", vertex=12)
    bpy.ops.aim.depths_reset()
    demo.depths["pogonion"].millimetres = 9.5
    teeth = np.array([[0, -70, -50], [9, -66, -50], [0, -70, -44], [9, -66, -44]]) * 0.001
    demo.upper_teeth = add_mesh("teeth", teeth, np.array([0, 1, 3, 2]), np.array([4]))
    arguments = prepared(anatomy_jobs.prepare_anatomy(demo)).read_job()["steps"][0]["arguments"]
    folder = job_folder(saved)
    landmarks = json.loads((folder / "landmarks.json").read_text())
    assert landmarks == {each.name: each.vertex for each in demo.landmarks}
    assert landmarks["menton"] == 12
    learning = headless.extension_module("aim_blender.scene.jobs.job_making").prepare_learning(demo, {})
    told = prepared(learning).read_job()["steps"][0]["arguments"]
    assert json.loads(Path(told["landmarks"]).read_text()) == landmarks
    assert json.loads((folder / "depths.json").read_text()) == {"pogonion": pytest.approx(9.5)}
    assert arguments["teeth"] == str(folder / "teeth")
    written, _ = meshes.read_mesh(folder / "teeth" / "upper_teeth.obj")
    assert np.abs(written - teeth * 1000).max() < 1e-3
    neutral, topology = meshes.read_mesh(folder / "neutral.obj")
    assert np.ptp(neutral, axis=0).max() > 200
    assert topology.vertex_count == len(demo.neutral.data.vertices)
    demo.landmarks["menton"].vertex = 99999
    with pytest.raises(RuntimeError, match="landmark menton lies on vertex 99999"):
        bpy.ops.aim.anatomy_fit()

# SPDX-License-Identifier: GPL-3.0-or-later
"""What a phone recorded, fitted from the panel's file: its length in scenes of several rates, and what can be set."""

import json

import bpy
import headless
import numpy as np
import pytest
from scenes import shown

SECONDS, RATE = 1.0, 59.94


def recording(path, shape="jawOpen"):
    """A second of Live Link Face in which one shape swells to 1 and fades, and the head turns."""
    lines = [
        f"Timecode,BlendShapeCount,{shape[0].upper() + shape[1:]},MouthSmileLeft,EyeBlinkLeft,"
        "HeadYaw,HeadPitch,HeadRoll"
    ]
    for i in range(60):
        weight = np.sin(np.pi * i / 59)
        lines.append(f"01:00:00:{i:02d}.000,61,{weight:.4f},0,0.1,{0.3 * weight:.4f},0,0")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def actor(learned):
    """The first of the learned actors; its mesh is no face, so its names say what its shapes are."""
    return bpy.context.scene.aim.actors[0]


def test_it_stays_as_long_as_it_was(actor, tmp_path):
    scene, rate = bpy.context.scene, 24
    scene.render.fps = rate
    scene.aim.performance_kind = "FOLDER"
    scene.aim.performance_folder = str(recording(tmp_path / "said.csv"))
    scene.aim.beside = False
    bpy.ops.aim.performance_fit()
    take = scene.aim.takes[0]
    assert (take.frame_start, take.frame_end) == (1, int(59 / RATE * rate) + 1)
    figures = json.loads(take.figures)
    assert figures["fit_source"] == "Live Link Face"
    skin = next(item for item in take.collection.objects if item.type == "MESH" and "teeth" not in item.name)
    rest = np.array([vertex.co for vertex in actor.neutral.data.vertices])
    moved = []
    for frame in (1, round((1 + take.frame_end) / 2)):
        scene.frame_set(frame)
        moved.append(np.linalg.norm(shown(skin) - rest, axis=1).max())
    assert moved[0] < 0.05 * moved[1]


def test_timecode_gains_and_calibration(actor, tmp_path):
    scene = bpy.context.scene
    scene.render.fps = 24
    path = str(recording(tmp_path / "said.csv"))
    bpy.ops.aim.performance_fit(folder=path, keep_timecode=True, gains="jawOpen=0.5", rest_frame="auto")
    take = scene.aim.takes[0]
    assert abs(take.frame_start - 3600 * 24) <= 100  # a timecode of 60 that runs at 59.94
    figures = json.loads(take.figures)
    assert figures["fit_rest_frame"] in (1, 60) or figures["fit_rest_frame"] > 3600
    with pytest.raises(RuntimeError, match="no ARKit shape"):
        bpy.ops.aim.performance_fit(folder=path, gains="jawOpn=0.5")


def test_the_panel_knows_the_file(actor, tmp_path):
    picked = headless.extension_module("aim_blender.scene.fitting.performances").picked_source
    assert picked(str(recording(tmp_path / "said.csv"))).name == "phone"
    (tmp_path / "points.csv").write_text("frame,name,x,y,z\n1,a,0,0,1\n")
    assert picked(str(tmp_path / "points.csv")).name == "points"

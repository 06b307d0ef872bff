# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer keyframes: no point of any frame moves by more than the tolerance, and smooth curves need few keys."""

from types import SimpleNamespace

import bpy
import headless
import numpy as np
import pytest
from scenes import rotation, shown
from test_baked import bake, formula


def smooth(frames: int = 120) -> dict[str, np.ndarray]:
    """A bake whose weights are a performance's: smooth, with stretches that rest."""
    arrays = bake(frames=frames)
    time = np.linspace(0, 1, frames)
    count = len(arrays["key_names"])
    rise = [np.clip(np.sin(2 * np.pi * (time * (1 + k % 3) + k / count)), 0, None) ** 2 for k in range(count)]
    arrays["key_weights"] = np.stack(rise, axis=1).astype(np.float32)
    return arrays


def write(arrays, tmp_path, reduce_keys_mm):
    baked = headless.extension_module("aim_blender.scene.baking.baked")
    np.savez(tmp_path / "bake.npz", **arrays)
    take = headless.extension_module("aim_blender.scene.baking.baked_take").BakedTake.load(
        tmp_path / "bake.npz", 1000.0
    )
    kept = headless.extension_module("aim_blender.scene.baking.key_choice").needed_keys(take, reduce_keys_mm / 1000)
    actor = SimpleNamespace(name="actor", neutral=None, skull=None, mandible=None)
    collection = baked.write_take(bpy.context, actor, take, np.eye(4), "take", kept)
    return next(item for item in collection.objects if item.type == "MESH")


def key_count(skin):
    versions = headless.extension_module("aim_blender.scene.basics.versions")
    curves = [*versions.curves_of(skin.data.shape_keys), *versions.curves_of(skin.parent)]
    return sum(len(curve.keyframe_points) for curve in curves)


@pytest.mark.parametrize("tolerance_mm", [0.05, 1.0])
def test_no_point_moves_by_more_than_the_tolerance(scene, tmp_path, tolerance_mm):
    arrays = smooth()
    whole = key_count(write(arrays, tmp_path, 0.0))
    assert whole == 120 * (6 + 13)
    skin = write(arrays, tmp_path, tolerance_mm)
    largest = 0.0
    for number, points in zip(arrays["frames"], formula(arrays), strict=True):
        scene.frame_set(int(number))
        largest = max(largest, float(np.linalg.norm(shown(skin) * 1000 - points, axis=1).max()))
    rigging = headless.extension_module("aim_blender.scene.basics.rigging")
    take = headless.extension_module("aim_blender.scene.baking.baked_take").BakedTake.load(
        tmp_path / "bake.npz", 1000.0
    )
    rests = headless.extension_module("aim_blender.scene.baking.key_choice").place_bones(take)
    for bone, rest in zip(skin.parent.data.bones, rests, strict=True):  # as Blender has them
        assert np.allclose(bone.matrix_local, rigging.rest_matrix(rest), atol=1e-5)
    assert 0.1 * tolerance_mm < largest <= tolerance_mm + 0.002
    assert key_count(skin) < whole * (0.5 if tolerance_mm == 0.05 else 0.15)


def with_eyes(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The bake with its last rows of vertices as two eyeballs that turn, and two vertices that are bound to nothing."""
    count, frames = len(arrays["neutral"]), len(arrays["frames"])
    of = np.full(count, -1, dtype=np.int32)
    of[-24:-12], of[-12:] = 0, 1
    arrays["keys"][:, of >= 0] = 0.0
    arrays["keys"][:, :2] = 0.0
    arrays["skin_weight"][of >= 0] = 0.0
    time = np.linspace(0, 1, frames)[:, None]
    turns = [np.array([0.4, 0.1, -0.5]) * time, np.array([-0.3, 0.2, 0.6]) * time]
    return arrays | {
        "eye_names": np.array(["eye_left", "eye_right"]),
        "eye_of": of,
        "eye_centres": np.stack([arrays["neutral"][of == eye].mean(0) for eye in (0, 1)]),
        "eye_axes": np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0]]),
        "gaze": np.stack(turns, axis=1),
        "unbound": np.arange(count) < 2,
    }


@pytest.mark.parametrize("tolerance_mm", [0.0, 0.2])
def test_eyes_turn_by_bones_of_their_own(scene, tmp_path, tolerance_mm):
    arrays = with_eyes(bake())
    skin = write(arrays, tmp_path, tolerance_mm)
    head, worst = arrays["head"], 0.0
    expected = formula(arrays)
    for eye in (0, 1):
        rows, centre = arrays["eye_of"] == eye, arrays["eye_centres"][eye]
        turn = np.stack(
            [
                rotation(each, np.rad2deg(np.linalg.norm(each))) if each.any() else np.eye(3)
                for each in arrays["gaze"][:, eye]
            ]
        )
        turned = (arrays["neutral"][rows] - centre) @ turn.transpose(0, 2, 1) + centre
        expected[:, rows] = turned @ head[:, :3, :3].transpose(0, 2, 1) + head[:, None, :3, 3]
    expected[:, :2] = arrays["neutral"][:2]
    for number, points in zip(arrays["frames"], expected, strict=True):
        scene.frame_set(int(number))
        worst = max(worst, float(np.linalg.norm(shown(skin) * 1000 - points, axis=1).max()))
    assert worst <= tolerance_mm + 0.002
    bones = skin.parent.data.bones
    assert {bone.name: bone.parent.name for bone in bones if bone.parent} == dict.fromkeys(
        ["jaw", "eye.L", "eye.R"], "head"
    )
    assert np.allclose(np.array(bones["eye.L"].head_local) * 1000, arrays["eye_centres"][0], atol=1e-3)
    assert np.allclose(np.array(bones["eye.L"].matrix_local)[:3, :3], [[-1, 0, 0], [0, -1, 0], [0, 0, 1]], atol=1e-5)


def test_noise_keeps_all_its_keys(scene, tmp_path):
    arrays = bake(frames=24)
    skin = write(arrays, tmp_path, 0.001)
    versions = headless.extension_module("aim_blender.scene.basics.versions")
    for curve in versions.curves_of(skin.data.shape_keys):
        assert [point.co.x for point in curve.keyframe_points] == list(arrays["frames"])


def test_a_curve_keeps_its_corners(extension):
    reduction = headless.extension_module("aim_blender.core.shared.results.key_reduction")
    frames = np.arange(1, 11)
    values = np.array([0, 0, 0, 1, 2, 3, 3, 3, 3.05, 3.0])
    assert np.flatnonzero(reduction.needed_keys(frames, values, 0.1)).tolist() == [0, 2, 5, 9]
    assert np.flatnonzero(reduction.needed_keys(frames, values, 0.01)).tolist() == [0, 2, 5, 7, 8, 9]
    assert reduction.needed_keys(frames[:1], values[:1], 0.1).tolist() == [True]

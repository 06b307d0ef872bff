# SPDX-License-Identifier: GPL-3.0-or-later
"""What is shown of an actor's inside is what the actor holds, and the picture sheet is drawn."""

import json
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import image as pictures

from aim_blender.core.files.files import save_actor
from aim_blender.core.pictures.inspection import folded, inspect_actor
from aim_blender.jobs.tasks.inspecting import inspect


@pytest.fixture(scope="module")
def inside(demo_learned):
    return inspect_actor(demo_learned)


def test_arrays_are_the_actor_s(demo, demo_capture, demo_learned, inside):
    arrays, figures = inside
    skin = arrays["bone"] + arrays["thickness"][:, None] * arrays["normal"]
    assert np.abs(skin - demo_learned.implicit_neutral).max() < 1e-4
    assert np.abs(arrays["neutral"] - demo_capture.neutral).max() < 1e-3
    assert np.allclose(arrays["skin_weight"], demo_learned.skin_weight[:, 0])
    assert (arrays["on_bone"] == 1).sum() + (arrays["on_bone"] == 2).sum() == len(demo_learned.constraints)
    assert (arrays["on_bone"] == 2).sum() == demo_learned.constraints.on_mandible.sum()
    # The face looks towards -Y, Z is up.
    assert arrays["up"].tolist() == [0, 0, 1]
    assert arrays["forward"].tolist() == [0, -1, 0]
    assert figures["thickness_least_mm"] == arrays["thickness"].min() > 0


def test_error_is_that_of_the_networks_alone(demo_learned, inside):
    arrays, figures = inside
    assert figures["error_mean_mm"] == pytest.approx(demo_learned.figures["implicit_mean_mm"], rel=1e-3)
    assert figures["error_worst_mm"] == pytest.approx(demo_learned.figures["implicit_worst_mm"], rel=1e-3)
    assert arrays["error"].mean() == pytest.approx(figures["error_mean_mm"], rel=1e-4)


def test_asymmetry_is_nothing_where_both_sides_are_alike(demo, demo_learned):
    def asymmetry(bone: np.ndarray) -> np.ndarray:
        residual = demo_learned.neutral_residual + demo_learned.bone - bone  # the skin stays where it is
        changed = replace(demo_learned, bone=bone.astype(np.float32), neutral_residual=residual.astype(np.float32))
        return inspect_actor(changed)[0]["symmetry"]

    bone = (demo_learned.bone + demo_learned.bone[demo.head.layout.mirror] * [-1, 1, 1]) / 2
    assert np.median(asymmetry(bone)) < 0.05
    lopsided = bone + np.where(demo.neutral[:, :1] > 0, [3.0, 0.0, 0.0], 0.0)
    assert np.median(asymmetry(lopsided)) == pytest.approx(3.0, abs=0.1)


def test_folds_are_counted(demo):
    triangles = demo.topology.triangles()
    assert not folded(demo.neutral, demo.neutral * 0.9, triangles).any()
    pulled = demo.neutral.copy()
    vertex = 3000
    around = (triangles == vertex).any(1)
    neighbours = np.unique(triangles[around])
    pulled[vertex] += 4 * (pulled[neighbours].mean(0) - pulled[vertex] + (0, 0, 9))
    count = folded(demo.neutral, pulled, triangles)
    assert 0 < count.sum() <= around.sum()
    assert not count[~around].any()


def test_task_writes_arrays_and_a_sheet(demo_learned, tmp_path):
    save_actor(demo_learned, tmp_path / "A.actor.safetensors")
    arguments = {"actor": str(tmp_path / "A.actor.safetensors"), "out": str(tmp_path / "A.anatomy.npz")}
    figures = inspect(arguments, lambda _: None, None)
    json.dumps(figures, allow_nan=False)
    with np.load(tmp_path / "A.anatomy.npz") as archive:
        assert archive["thickness"].shape == (figures["points"],)
    sheet = pictures.imread(figures["sheet"])
    assert min(sheet.shape[:2]) > 800
    # Eight heads, each in its place: every eighth of the sheet shows more than the background.
    rows, columns = sheet.shape[0] // 2, sheet.shape[1] // 4
    for row in range(2):
        for column in range(4):
            part = sheet[row * rows : (row + 1) * rows, column * columns : (column + 1) * columns, :3]
            assert (np.abs(part - sheet[0, 0, :3]).max(2) > 0.1).mean() > 0.15

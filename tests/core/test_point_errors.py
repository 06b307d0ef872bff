# SPDX-License-Identifier: GPL-3.0-or-later
"""How far every point of a take is from what it was fitted to."""

import dataclasses

import numpy as np
import pytest

from aim_blender.core.files.files import save_actor, save_take
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.pictures.point_errors import point_errors
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.jobs.running.registry import TASKS


def test_errors_are_distances_to_what_the_take_evaluates_to(demo_learned, demo_take, demo_frames):
    found = point_errors(demo_learned, demo_take, demo_frames)
    shown = evaluate_take(demo_learned, demo_take)["vertices"]
    distance = np.linalg.norm(shown - demo_frames.vertices, axis=-1)
    assert found["errors"].dtype == np.float16
    assert np.allclose(found["errors"], distance, rtol=2e-3, atol=1e-3)
    assert np.allclose(found["errors"].astype(float).mean(1), demo_take.error_mm[:, 0], rtol=0.02)
    assert found["up"].tolist() == [0, 0, 1]
    assert found["forward"].tolist() == [0, -1, 0]


def test_a_performance_in_metres_with_missing_points_and_other_frames(demo_learned, demo_take, demo_frames):
    vertices = demo_frames.vertices / 1000
    vertices[2, 50:60] = np.nan
    some = slice(1, 5)  # and three frames that the take does not have
    numbers = np.concatenate([demo_frames.frames[some], [1000, 1001, 1002]]).astype(np.int32)
    other = dataclasses.replace(demo_frames, vertices=np.concatenate([vertices[some], vertices[:3]]), frames=numbers)
    found = point_errors(demo_learned, demo_take, other)["errors"]
    whole = point_errors(demo_learned, demo_take, demo_frames)["errors"]
    known = np.zeros(found.shape, dtype=bool)
    known[some] = True
    known[2, 50:60] = False
    assert np.array_equal(np.isfinite(found), known)
    assert np.allclose(found[known], whole[known], rtol=5e-3, atol=2e-3)


def test_another_performance_is_refused(demo_learned, demo_take, demo_frames):
    later = dataclasses.replace(demo_frames, frames=demo_frames.frames + 5000)
    with pytest.raises(InputError, match="demo performance has none of the take's frames"):
        point_errors(demo_learned, demo_take, later)
    fewer = dataclasses.replace(demo_frames, vertices=demo_frames.vertices[:, :100], topology=None)
    with pytest.raises(InputError, match="has 100 vertices a frame"):
        point_errors(demo_learned, demo_take, fewer)


def test_the_task_writes_them(demo_learned, demo_take, demo_frames, tmp_path):
    save_actor(demo_learned, tmp_path / "A.actor.safetensors")
    save_take(demo_take, tmp_path / "T.take.safetensors")
    np.savez(tmp_path / "p.npz", vertices=demo_frames.vertices, frames=demo_frames.frames, fps=24.0)
    arguments = {
        "actor": str(tmp_path / "A.actor.safetensors"),
        "take": str(tmp_path / "T.take.safetensors"),
        "performance": str(tmp_path / "p.npz"),
        "out": str(tmp_path / "errors.npz"),
    }
    figures = TASKS["errors"](arguments, lambda _: None, None)
    assert figures["mean_mm"] == pytest.approx(demo_take.figures["mean_mm"], rel=0.02)
    with np.load(tmp_path / "errors.npz") as archive:
        assert archive["errors"].shape == demo_frames.vertices.shape[:2]

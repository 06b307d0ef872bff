# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of frames after head and jaw, beside the formula at every point."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from aim_blender.core.geometry.rigid import apply_motion
from aim_blender.core.geometry.skinning import linear_blend_skinning
from aim_blender.core.model import frames_last
from aim_blender.core.model.frames_last import LeftOver


@pytest.mark.parametrize(
    ("kind", "off"), [(np.float32, 2e-3), (">f4", 2e-3), (np.float64, 1e-5)]
)  # a float32 at 10 m is off by 1e-3
def test_head_neutral_and_jaw_are_taken_off_in_parts(kind, off, monkeypatch):
    monkeypatch.setattr(frames_last, "NUMBERS_AT_ONCE", 200)
    random = np.random.default_rng(0)
    neutral, weight = random.normal(size=(70, 3)) * 60.0, random.random((70, 1))
    jaw, head = np.tile(np.eye(4), (2, 5, 1, 1))
    jaw[:, :3, :3] = Rotation.from_rotvec(random.normal(size=(5, 3)) * 0.2).as_matrix()
    head[:, :3, :3] = Rotation.from_rotvec(random.normal(size=(5, 3))).as_matrix()
    jaw[:, :3, 3], head[:, :3, 3] = random.normal(size=(5, 3)), 1e4 + random.normal(size=(5, 3))
    wanted = random.normal(size=(5, 70, 3))
    skinned = linear_blend_skinning(neutral, jaw, weight) + wanted
    frames = apply_motion(skinned, head).astype(kind)
    trust = (random.random((5, 70)) > 0.2).astype(np.float32)
    frames[trust == 0] = np.nan
    rest = np.append(neutral, np.ones((70, 1)), axis=1)
    left_over = LeftOver(neutral, torch.as_tensor(weight * rest, dtype=torch.float32))
    found, furthest = left_over.of(frames, head, jaw, trust)
    moved = np.where(trust[..., None] > 0, skinned - neutral, 0.0)
    assert furthest == pytest.approx(np.abs(moved).max(), abs=off)
    still = left_over.jaw_motion(jaw).numpy()
    assert np.allclose(found.numpy()[trust > 0], wanted[trust > 0], atol=off)
    assert np.allclose(found.numpy()[trust == 0], -still[trust == 0], atol=1e-5)
    assert found.permute(1, 2, 0).is_contiguous()
    assert np.isnan(frames[trust == 0]).all()  # what was given is as it was

# SPDX-License-Identifier: GPL-3.0-or-later
"""A face with a wall: bones are traced to its outer skin, not to the inner one that lies nearer to them."""

from __future__ import annotations

import numpy as np

from aim_blender.core.anatomy.anatomy import trace_constraints
from aim_blender.core.shared.captured.captures import Bone
from aim_blender.core.shared.demo.demo_actor import DemoActor
from aim_blender.core.shared.foundation.normals import vertex_normals


def test_bones_are_traced_to_the_outer_skin(demo: DemoActor) -> None:
    bones = {
        "skull": Bone(demo.skull_vertices, demo.skull_triangles),
        "mandible": Bone(demo.mandible_vertices, demo.mandible_triangles),
    }
    triangles, count = demo.topology.triangles(), len(demo.neutral)
    inner = demo.neutral - 2.0 * vertex_normals(demo.neutral, triangles)
    walled = np.concatenate([demo.neutral, inner])
    both = np.concatenate([triangles, triangles[:, ::-1] + count])
    plain = trace_constraints(demo.neutral, triangles, bones)
    found = trace_constraints(walled, both, bones)
    assert (found.points < count).mean() > 0.97  # but for a few folds
    assert len(found) > 0.8 * len(plain)
    assert np.isin(found.points, plain.points).mean() > 0.85

# SPDX-License-Identifier: GPL-3.0-or-later
"""The two-ray procedure with rays cast in different ways, its counts, and what is said about them."""

import numpy as np
import pytest
import trimesh

from aim_blender.core.anatomy.anatomy import ray_caster
from aim_blender.core.shared.bones.constraints import (
    NEIGHBOUR_MM,
    _pairs_within,
    describe_tracing,
    trace,
)
from aim_blender.core.shared.captured.captures import Bone
from aim_blender.core.shared.foundation.normals import vertex_normals
from tests.brute_force import brute_force_caster


@pytest.fixture(scope="module")
def lumpy() -> tuple[np.ndarray, np.ndarray, dict[str, Bone]]:
    """An uneven head without symmetry: skin 60 mm, the skull's half 8 to 12 mm under it, the mandible's deeper."""
    skin = trimesh.creation.icosphere(4, 60)
    points = np.array(skin.vertices)
    bumps = 1 + 0.05 * np.sin(points[:, 0] / 17) * np.cos(points[:, 1] / 23 + points[:, 2] / 31)
    bone = trimesh.creation.icosphere(3, 1)
    direction = np.array(bone.vertices)
    radius = 49 + 2 * np.sin(5 * direction[:, 0] + 1) + np.cos(4 * direction[:, 2])
    upper = bone.triangles_center[:, 2] > 0.05
    bones = {
        "skull": Bone(direction * radius[:, None], np.array(bone.faces)[upper]),
        "mandible": Bone(direction * (radius - 4)[:, None], np.array(bone.faces)[~upper]),
    }
    return points * bumps[:, None], np.array(skin.faces), bones


def test_trimesh_s_rays_find_what_trying_every_triangle_does(lumpy):
    found, counted = trace(*lumpy, make_caster=ray_caster)
    tried, counted_too = trace(*lumpy, make_caster=brute_force_caster)
    assert len(found) > 200
    assert np.array_equal(found.points, tried.points)
    assert np.array_equal(found.on_mandible, tried.on_mandible)
    assert np.abs(found.bone - tried.bone).max() < 1e-9
    assert np.abs(found.normal - tried.normal).max() < 1e-9
    assert counted == counted_too


def test_the_second_ray_leaves_along_the_bone_s_normal(lumpy):
    """The constraint belongs to the skin point that the second ray meets, not to the one that the first came from."""
    neutral, triangles, bones = lumpy
    found, _ = trace(*lumpy, make_caster=ray_caster)
    bone = trimesh.Trimesh(
        np.concatenate([bones["skull"].vertices, bones["mandible"].vertices]),
        np.concatenate([bones["skull"].triangles, bones["mandible"].triangles + len(bones["skull"].vertices)]),
        process=False,
    )
    start = neutral[found.points] - 0.9 * found.thickness[:, None] * found.normal
    met = trimesh.Trimesh(neutral, triangles, process=False).ray.intersects_first(start, found.normal)
    assert all(point in triangles[face] for point, face in zip(found.points, met, strict=True))
    assert trimesh.proximity.closest_point(bone, found.bone)[1].max() < 4.5  # half an edge of the skin's


def test_counts_go_down_from_step_to_step(lumpy):
    trusted = np.arange(len(lumpy[0])) % 2 == 0
    found, figures = trace(*lumpy, make_caster=ray_caster, trusted=trusted)
    steps = [figures[name] for name in ("points", "started", "met_bone", "faced", "met_skin", "kept")]
    assert steps == sorted(steps, reverse=True)
    assert figures["started"] == trusted.sum()
    assert figures["kept"] == len(found) == figures["skull"] + figures["mandible"]
    assert figures["mandible"] == found.on_mandible.sum() > 0


def test_vertex_normals_are_trimesh_s(lumpy):
    neutral, triangles, _ = lumpy
    wanted = trimesh.Trimesh(neutral, triangles, process=False).vertex_normals
    assert np.abs(vertex_normals(neutral, triangles) - wanted).max() < 1e-9
    lonely = np.concatenate([neutral, [[0.0, 0.0, 0.0]]])
    assert np.array_equal(vertex_normals(lonely, triangles)[-1], np.zeros(3))


@pytest.mark.parametrize("count", [0, 1, 300])
def test_all_neighbours_are_found(count):
    points = np.random.default_rng(count).normal(size=(count, 3)) * (30, 3, 12) - 400
    near = np.linalg.norm(points[:, None] - points, axis=2) <= NEIGHBOUR_MM
    seen = np.zeros_like(near)
    for one, other in _pairs_within(points, NEIGHBOUR_MM):
        assert not seen[one, other].any()  # no pair twice
        seen[one, other] = True
    assert (seen | ~near).all()
    assert count < 2 or seen.mean() < 0.6


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"kept": 120, "met_skin": 130}, "only 1.2% of the points"),
        ({"mandible": 12}, "only 12 points lie over the mandible"),
        ({"met_skin": 1500}, "700 of 1500 points were left out"),
    ],
)
def test_what_an_artist_should_know_is_said(changed, said):
    normal = {"points": 10000, "started": 1200, "met_skin": 900, "kept": 800, "skull": 500, "mandible": 300}
    sentence, notes = describe_tracing({**normal, **changed})
    assert sentence.startswith(f"{changed.get('kept', 800)} constraints on ")
    assert len(notes) == (1 if said else 0)
    assert said in "".join(notes)

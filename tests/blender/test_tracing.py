# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracing constraints in Blender: the same as by trying every triangle, wherever the actor stands."""

import bpy
import headless
import numpy as np
import pytest

from tests.brute_force import brute_force_caster


def module(name: str):
    return headless.extension_module(f"aim_blender.{name}")


@pytest.fixture
def demo(scene):
    bpy.ops.aim.demo_actor_add()
    return scene.aim.actors[0]


def test_blender_s_rays_meet_what_every_triangle_tried_does(scene):
    tracing = module("scene.actors.tracing")
    random = np.random.default_rng(4)
    corners = random.normal(size=(300, 3, 3)) * 3 + random.normal(size=(300, 1, 3)) * 30 + 500
    vertices, triangles = corners.reshape(-1, 3), np.arange(900).reshape(-1, 3)
    origins = random.normal(size=(800, 3)) * 30 + 500
    directions = random.normal(size=(800, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    found = tracing.ray_caster(vertices, triangles)(origins, directions)
    tried = brute_force_caster(vertices, triangles)(origins, directions)
    assert 50 < (tried >= 0).sum() < 750
    assert (found == tried).mean() > 0.995  # a ray along an edge may fall on either side


def test_demo_actor_is_traced_as_by_brute_force(demo):
    tracing, constraints = module("scene.actors.tracing"), module("core.shared.bones.constraints")
    actors, captures = module("scene.actors.actors"), module("core.shared.captured.captures")
    traced = tracing.trace_actor(demo)
    found = actors.read_neutral(demo, with_bones=True)
    bones = {name: captures.Bone(points * 1000.0, faces) for name, (points, faces) in found.bones.items()}
    neutral, triangles = found.vertices[0] * 1000.0, found.topology.triangles()
    trusted = np.zeros(len(neutral), dtype=bool)
    trusted[::9] = True
    tried, _ = constraints.trace(neutral, triangles, bones, brute_force_caster, trusted)
    again, _ = constraints.trace(neutral, triangles, bones, tracing.ray_caster, trusted)
    assert len(tried) > 50
    _, here, there = np.intersect1d(tried.points, again.points, return_indices=True)
    assert len(here) > 0.98 * max(len(tried), len(again))
    assert np.quantile(np.abs(tried.bone[here] - again.bone[there]), 0.99) < 0.01
    assert (tried.on_mandible[here] == again.on_mandible[there]).all()
    assert len(traced.skin) == traced.figures["kept"] > len(tried)


def test_operator_says_what_it_found(demo):
    tracing = module("scene.actors.tracing")
    assert bpy.ops.aim.constraints_trace() == {"FINISHED"}
    traced = tracing.TRACED[demo.identifier]
    assert traced.figures["skull"] > traced.figures["mandible"] > 100
    assert "of the skin's points" in traced.sentence
    # The overlay's lines lie inside the neutral, in the neutral's own unit and frame.
    assert 0.0 < np.linalg.norm(traced.skin - traced.bone, axis=1).mean() < 0.025
    assert traced.made_of == tracing.made_of(demo)
    demo.mandible.location.z += 0.01
    bpy.context.view_layer.update()
    assert traced.made_of != tracing.made_of(demo)


def test_a_painted_region_is_where_rays_start(demo):
    tracing = module("scene.actors.tracing")
    everywhere = tracing.trace_actor(demo)
    assert everywhere.figures["started"] == everywhere.figures["points"]
    group = demo.neutral.vertex_groups.new(name=tracing.TRUSTED_GROUP)
    height = np.array([vertex.co.z for vertex in demo.neutral.data.vertices])
    group.add(np.flatnonzero(height > 0.04).tolist(), 1.0, "REPLACE")
    group.add(np.flatnonzero(height < -0.09).tolist(), 0.2, "REPLACE")
    forehead = tracing.trace_actor(demo)
    assert forehead.figures["started"] == (height > 0.04).sum()
    assert 0 < forehead.figures["kept"] < everywhere.figures["kept"]
    assert any("too few to follow the jaw" in note for note in forehead.notes)


def test_where_the_actor_stands_changes_nothing(demo):
    tracing = module("scene.actors.tracing")
    here = tracing.trace_actor(demo)
    for item in (demo.neutral, demo.skull, demo.mandible):
        item.location, item.rotation_euler = (3.0, -20.0, 1.5), (0.3, 0.2, 1.1)
    bpy.context.view_layer.update()
    there = tracing.trace_actor(demo)
    assert abs(here.figures["kept"] - there.figures["kept"]) <= 0.05 * here.figures["kept"]
    assert np.abs(here.skin.mean(0) - there.skin.mean(0)).max() < 2e-3


def test_what_is_missing_is_said(demo):
    mandible = demo.mandible
    bpy.data.objects.remove(mandible)
    assert not bpy.ops.aim.constraints_trace.poll()
    demo.mandible = demo.skull
    demo.skull = None
    with pytest.raises(module("core.shared.foundation.errors").InputError, match="has a mandible but no skull"):
        module("scene.actors.tracing").trace_actor(demo)


def test_overlay_survives_undo_deletion_and_another_file(demo, tmp_path):
    overlays, tracing = headless.extension_module("addon_manifest.overlays"), module("scene.actors.tracing")
    bpy.ops.aim.constraints_trace()
    identifier = demo.identifier
    bpy.data.objects.remove(demo.neutral)
    overlays.draw()  # nothing to draw on: returns before it needs graphics, which the background has not
    bpy.context.scene.aim.actors.clear()
    overlays.draw()
    assert identifier in tracing.TRACED
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert not tracing.TRACED

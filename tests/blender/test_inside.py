# SPDX-License-Identifier: GPL-3.0-or-later
"""What was learned of the inside, as objects: beside the actor, with its numbers, and nothing else touched."""

import bpy
import headless
import numpy as np
import pytest
from scenes import shown

VIEWS = ("anatomy", "thickness", "normals", "skin_weight", "error", "symmetry")


def actor():
    return bpy.context.scene.aim.actors[0]


def arrays(folder):
    with np.load(folder / "aim" / "Actor" / "learn_001" / "Actor.anatomy.npz") as archive:
        return {name: archive[name] for name in archive.files}


def attribute(item: bpy.types.Object, name: str) -> np.ndarray:
    layer = item.data.attributes[name]
    width = {"FLOAT": 1, "FLOAT_VECTOR": 3, "FLOAT_COLOR": 4}[layer.data_type]
    values = np.empty(len(item.data.vertices) * width, dtype=np.float32)
    layer.data.foreach_get({1: "value", 3: "vector", 4: "color"}[width], values)
    return values.reshape(-1, width).squeeze()


def test_everything_that_was_learned_is_shown(learned):
    neutral = actor().neutral
    before = {item.name: shown(item) for item in bpy.data.objects if item.type == "MESH"}
    mesh_attributes = set(neutral.data.attributes.keys())
    for what in VIEWS:
        assert bpy.ops.aim.anatomy_show(what=what) == {"FINISHED"}
    found = arrays(learned)
    made = {view: bpy.data.objects[f"Actor {view}"] for view in (
        "Dense Anatomy", "Thickness", "Bone Normals", "Skinning Weight", "Network Error", "Asymmetry"
    )}  # fmt: skip
    # In the actor's own unit and topology, each in a place of its own.
    for title, item in made.items():
        on_bone = title in ("Dense Anatomy", "Bone Normals", "Asymmetry")
        local = shown(item) - np.array(item.matrix_world.translation)
        assert np.abs(local - found["bone" if on_bone else "neutral"] / 1000.0).max() < 1e-5
        assert len(item.data.polygons) == len(neutral.data.polygons)
    places = [round(item.location.x, 3) for item in (neutral, *made.values())]
    assert len(set(places)) == len(places)
    assert np.allclose(attribute(made["Thickness"], "thickness"), found["thickness"], atol=1e-5)
    assert np.allclose(attribute(made["Bone Normals"], "bone_normal"), found["normal"], atol=1e-5)
    # Brighter where it is thicker.
    colours = attribute(made["Thickness"], "Colour")[:, :3].sum(1)
    thick = found["thickness"] > np.quantile(found["thickness"], 0.9)
    thin = found["thickness"] < np.quantile(found["thickness"], 0.1)
    assert colours[thick].min() >= colours[thin].max()
    words = [child.data.body for child in made["Thickness"].children if child.type == "FONT"]
    assert len(words) == 3
    assert all(word.endswith("mm") for word in words)
    assert words[0] == "0 mm"
    group = made["Skinning Weight"].vertex_groups["Jaw"]
    weights = headless.extension_module("aim_blender.scene.basics.vertex_groups").read_vertex_group(
        made["Skinning Weight"], group
    )
    assert np.abs(weights - found["skin_weight"]).max() < 1e-6
    lines = next(child for child in made["Bone Normals"].children)
    assert len(lines.data.edges) == len(found["bone"])
    # Nothing of the user's was touched.
    assert set(neutral.data.attributes.keys()) == mesh_attributes
    assert all(np.array_equal(shown(bpy.data.objects[name]), points) for name, points in before.items())


def test_one_click_is_one_undo_step(learned):
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.aim.anatomy_show(what="thickness")
    bpy.ops.ed.undo_push(message="after")
    assert "Actor Thickness" in bpy.data.objects
    bpy.ops.ed.undo()
    assert not [item.name for item in bpy.data.objects if item.name.startswith("Actor ")]


def test_sheet(learned):
    assert bpy.ops.aim.anatomy_show(what="sheet") == {"FINISHED"}
    image = bpy.data.images["Actor.anatomy.png"]
    assert min(image.size) > 800


def test_looking_a_second_time_needs_no_work(learned):
    bpy.ops.aim.anatomy_show(what="anatomy")
    folders = list((learned / "aim" / "Actor").iterdir())
    bpy.ops.aim.anatomy_show(what="error")
    assert list((learned / "aim" / "Actor").iterdir()) == folders
    file = learned / "aim" / "Actor" / "learn_001" / "Actor.anatomy.npz"
    file.write_bytes(b"half a file")
    with pytest.raises(RuntimeError, match="is missing or damaged; remove it"):
        bpy.ops.aim.anatomy_show(what="error")


def test_an_actor_that_is_not_learned_has_no_inside(scene):
    bpy.ops.aim.demo_actor_add()
    assert not bpy.ops.aim.anatomy_show.poll()

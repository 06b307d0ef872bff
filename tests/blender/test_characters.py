# SPDX-License-Identifier: GPL-3.0-or-later
"""A character that was never captured, of another topology, made and animated through the operators."""

import json
from pathlib import Path

import bpy
import headless
import numpy as np
import pytest
import scenes
from scenes import TAKE_FRAMES, TEETH_DEGREES, shown

SIZE = 1.2
AT = 4.0


def add_character_mesh() -> bpy.types.Object:
    """The same face with other faces, larger, and standing elsewhere."""
    vertices, corners, sizes = scenes.face(columns=19, rows=23)
    item = scenes.add_mesh("hero", vertices * SIZE * 0.001, corners, sizes)
    item.location.x = AT
    scenes.select([item])
    return item


def test_a_character_from_its_neutral(take, worker, tmp_path):
    state = bpy.context.scene.aim
    item = add_character_mesh()
    before = shown(item)
    bpy.ops.aim.character_add(source="Actor", name="Hero")
    hero = state.actors[2]
    assert (hero.name, hero.neutral, len(hero.shapes), state.active_actor) == ("Hero", item, 0, 2)
    figures = json.loads(hero.figures)
    assert figures["transferred"] == "expressions from Actor carried to this face; not captured"
    assert figures["size"] == pytest.approx(SIZE, rel=0.05)
    assert figures["unit_factor"] == 1.0
    assert figures["jaw_open_degrees"] == pytest.approx(TEETH_DEGREES[0], abs=0.5)
    assert Path(hero.file_path).is_file()
    assert np.array_equal(shown(item), before)

    # It performs as any other actor does, along the correspondence that is kept beside its file or made again there.
    state.active_actor = 0
    (kept,) = Path(hero.file_path).parent.glob("*.correspondence.safetensors")
    kept.unlink()
    with pytest.raises(RuntimeError, match="There is no correspondence"):
        bpy.ops.aim.correspondence_show(target="Hero")
    # Its preview makes it already, and shows what comes.
    state.retarget_target = "Hero"
    bpy.context.scene.frame_set(TAKE_FRAMES)
    bpy.ops.aim.retarget_preview()
    live = headless.extension_module("aim_blender.scene.live.live")
    live.CURRENT.settle()
    assert kept.is_file()
    previewed = shown(bpy.data.objects[live.CURRENT.shown])
    bpy.ops.aim.performance_retarget(target="Hero")
    assert live.CURRENT is None
    made = state.takes[1]
    assert json.loads(made.figures)["retarget_across_topologies"] is True
    skin = next(each for each in made.collection.objects if each.type == "MESH" and each.data.shape_keys)
    bpy.context.scene.frame_set(TAKE_FRAMES)
    opened = np.degrees(skin.parent.pose.bones["jaw"].rotation_euler.x)
    assert opened == pytest.approx(TEETH_DEGREES[0], abs=1.0)
    moved = shown(skin)
    assert np.abs(moved - previewed).max() < 1.2e-4  # the bake's tolerance
    chin = moved[:, 2] < np.quantile(moved[:, 2], 0.1)
    bpy.context.scene.frame_set(1)
    assert np.linalg.norm(moved - shown(skin), axis=1)[chin].mean() > 0.004

    # The correspondence can be looked at: new objects in one step, the same places in the same colours.
    objects = set(bpy.data.objects)
    bpy.ops.aim.correspondence_show(target="Hero")
    copy = bpy.context.view_layer.objects.active
    assert {each.name for each in set(bpy.data.objects) - objects} == {"Actor Correspondence", "Hero Correspondence"}
    assert len(copy.data.vertices) == len(item.data.vertices)
    brightest = []
    for each in (copy, bpy.data.objects["Actor Correspondence"]):
        colours = np.empty(4 * len(each.data.vertices), np.float32)
        each.data.color_attributes.active_color.data.foreach_get("color", colours)
        brightest.append(colours.reshape(-1, 4).max(0))
    assert np.abs(brightest[0] - brightest[1]).max() < 0.2
    confidence = np.empty(len(copy.data.vertices), np.float32)
    copy.data.attributes["confidence"].data.foreach_get("value", confidence)
    assert np.median(confidence) > 0.9

    # Landmarks that are picked on both make it anew; what is kept serves again after that.
    characters = headless.extension_module("aim_blender.scene.jobs.characters")
    assert characters.correspondence_steps(state.actors[0], hero)[0] == []
    for actor, vertex in ((state.actors[0], 5), (state.actors[2], 8)):
        landmark = actor.landmarks.add()
        landmark.name, landmark.vertex, landmark.picked = "menton", vertex, True
    (step,), _ = characters.correspondence_steps(state.actors[0], state.actors[2])
    picked = json.loads(Path(step["arguments"]["landmarks"]).read_text())
    assert picked == {"source": {"menton": 5}, "target": {"menton": 8}}
    assert characters.correspondence_steps(state.actors[0], state.actors[2])[0] == []

    # The same mesh again is the same character.
    scenes.select([item])
    bpy.ops.aim.character_add(source="Actor")
    assert len(state.actors) == 3
    assert Path(state.actors[2].file_path).parent.name == "transfer_002"
    state.active_actor = 0
    kept = next(Path(state.actors[2].file_path).parent.glob("*.correspondence.safetensors"))
    kept.write_bytes(kept.read_bytes()[:-400])
    with pytest.raises(RuntimeError, match=r"correspondence\.safetensors is damaged"):
        bpy.ops.aim.correspondence_show(target="Hero")
    with pytest.raises(RuntimeError, match="are of one topology and need no correspondence"):
        bpy.ops.aim.correspondence_show(target="Other")


def test_refusals(learned, worker):
    state = bpy.context.scene.aim
    add_character_mesh()
    with pytest.raises(RuntimeError, match="There is no actor 'Nobody'"):
        bpy.ops.aim.character_add(source="Nobody")
    state.actors[1].file_path = ""
    with pytest.raises(RuntimeError, match="'Other' is not learned yet"):
        bpy.ops.aim.character_add(source="Other")
    assert len(state.actors) == 2
    bpy.context.view_layer.objects.active = None
    with pytest.raises(RuntimeError, match="Click the character's mesh first"):
        bpy.ops.aim.character_add(source="Actor")
    assert headless.extension_module("aim_blender.scene.actors.actors").active_actor(bpy.context.scene).name == "Actor"

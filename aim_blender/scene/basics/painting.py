# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours on meshes: attributes, the materials that show them, and the scale from nothing to the largest value."""

from __future__ import annotations

import bpy
import numpy as np

from . import versions

COLOURS = "Colour"
# Linear, from no error to the largest one shown; dark to bright, so that it reads without colours too.
HEAT = np.array([[0.02, 0.03, 0.15], [0.25, 0.05, 0.45], [0.80, 0.20, 0.25], [1.00, 0.60, 0.05], [1.00, 1.00, 0.65]])


def heat_colours(values: np.ndarray, largest: float) -> np.ndarray:
    """Colours (V, 3) of values (V,); everything from `largest` on is brightest."""
    place = np.clip(values / largest, 0.0, 1.0) * (len(HEAT) - 1)
    steps = np.arange(len(HEAT))
    return np.stack([np.interp(place, steps, HEAT[:, channel]) for channel in range(3)], axis=1)


def colour(mesh: bpy.types.Mesh, colours: np.ndarray, name: str = COLOURS) -> None:
    """Give the mesh linear colours (V, 3) as a colour attribute of this name, or set the one that it has."""
    layer = mesh.color_attributes.get(name) or mesh.color_attributes.new(name, "FLOAT_COLOR", "POINT")
    layer.data.foreach_set("color", np.hstack([colours, np.ones((len(colours), 1))]).astype(np.float32).ravel())


def add_values(mesh: bpy.types.Mesh, name: str, values: np.ndarray) -> None:
    """Give the mesh numbers (V,) or vectors (V, 3) as an attribute of its points."""
    vectors = values.ndim == 2
    attribute = mesh.attributes.new(name, "FLOAT_VECTOR" if vectors else "FLOAT", "POINT")
    attribute.data.foreach_set("vector" if vectors else "value", np.ascontiguousarray(values, np.float32).ravel())


def set_values(mesh: bpy.types.Mesh, name: str, values: np.ndarray) -> None:
    """Set an attribute of numbers (V,) of the mesh's points; it is made if there is none."""
    if name in mesh.attributes:
        mesh.attributes[name].data.foreach_set("value", np.ascontiguousarray(values, np.float32))
    else:
        add_values(mesh, name, values)


def material(name: str, colour: tuple[float, float, float], of_colours: bool = False) -> bpy.types.Material:
    """A material of one linear colour, or one that shows the mesh's colour attribute when it is rendered."""
    made = bpy.data.materials.new(name)
    made.diffuse_color = (*colour, 1.0)  # what the viewport's solid shading shows
    versions.use_nodes(made)
    nodes = made.node_tree.nodes
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Roughness"].default_value = 0.55
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    if of_colours:
        attribute = nodes.new("ShaderNodeVertexColor")
        attribute.layer_name = COLOURS
        attribute.location = (shader.location.x - 250, shader.location.y)
        made.node_tree.links.new(attribute.outputs["Color"], shader.inputs["Base Color"])
    return made


def show_colours(scene: bpy.types.Scene) -> None:
    """Let the 3D views of a scene that shade solidly show colour attributes, which else nobody would see."""
    for window in bpy.context.window_manager.windows:
        if window.scene != scene:
            continue
        for area in window.screen.areas:
            if area.type == "VIEW_3D" and area.spaces.active.shading.type == "SOLID":
                area.spaces.active.shading.color_type = "VERTEX"

# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw a table of heads with Cycles: what the demo shows of its performance, its result and its error.

Everything is put into a scene of its own, rendered once from the front without perspective, and removed again.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bpy
import headless
import numpy as np
from mathutils import Euler

SKIN = (0.66, 0.42, 0.31)
BONE = (0.78, 0.73, 0.60)
BACKGROUND = (0.045, 0.05, 0.06)
TEXT = (0.85, 0.85, 0.85)
MARGIN = 1.12  # of a head's size, from one head to the next


@dataclass
class Surface:
    """A polygon mesh to draw: vertices (V, 3), corners (L,), sizes (P,).

    colours: (V, 3) where each point has its own. glows: half of the colour shines, so that it can be read in the shade.
    """

    vertices: np.ndarray
    corners: np.ndarray
    sizes: np.ndarray
    colour: tuple[float, float, float] = SKIN
    colours: np.ndarray | None = None
    glows: bool = False


@dataclass
class Cell:
    """What stands in one place of the table, in one space, and the words below it."""

    surfaces: list[Surface] = field(default_factory=list)
    label: str = ""


def heat_colours(error: np.ndarray, largest: float) -> np.ndarray:
    """Colours (V, 3) of errors (V,), the extension's own; everything from `largest` on is brightest."""
    return headless.extension_module("aim_blender.scene.basics.painting").heat_colours(error, largest)


def draw_table(
    rows: Sequence[tuple[str, Sequence[Cell]]],
    path: Path,
    heat_largest: float | None = None,
    width: int = 940,
    samples: int = 10,
    turn_degrees: float = 24.0,
) -> None:
    """Render `rows`, each a title and its cells, as a PNG at `path`.

    Every head is turned by `turn_degrees` about Z and centred where the first cell's is. With `heat_largest` (mm) a
    scale of the error colours is drawn below.
    """
    first = rows[0][1][0].surfaces[0].vertices
    centre = (first.min(0) + first.max(0)) / 2
    size = np.ptp(first, axis=0)
    step_across, step_down = MARGIN * max(size[0], size[1] * 0.95), MARGIN * size[2]
    columns = max(len(cells) for _, cells in rows)
    left = 0.62 * step_across  # room for the titles
    below = 0.30 * step_down if heat_largest else 0.08 * step_down
    total = np.array([left + columns * step_across, len(rows) * step_down + below + 0.06 * step_down])

    scene = bpy.data.scenes.new("AIM demo picture")
    try:
        letter = 0.085 * step_across
        turn = np.array(Euler((0.0, 0.0, np.radians(turn_degrees))).to_matrix())
        for row, (title, cells) in enumerate(rows):
            middle = -(row + 0.5) * step_down - 0.06 * step_down
            add_text(scene, title, (0.06 * step_across, -size[1], middle), letter)
            for column, cell in enumerate(cells):
                place = np.array([left + (column + 0.5) * step_across, 0.0, middle])
                for surface in cell.surfaces:
                    add_surface(scene, surface, (surface.vertices - centre) @ turn.T + place)
                if cell.label:
                    spot = (place[0], -size[1], middle - 0.5 * step_down)
                    add_text(scene, cell.label, spot, 0.8 * letter, centred=True)
        if heat_largest:
            add_scale(scene, heat_largest, left, total, step_across, step_down, letter, -size[1])
        light(scene)
        add_camera(scene, total, size)
        scene.render.resolution_x = width
        scene.render.resolution_y = round(width * total[1] / total[0])
        render(scene, path, samples)
    finally:
        remove(scene)


def add_surface(scene: bpy.types.Scene, surface: Surface, vertices: np.ndarray) -> None:
    """Add an object with the surface's faces at vertices (V, 3)."""
    mesh = bpy.data.meshes.new("AIM demo picture")
    starts = np.concatenate([[0], np.cumsum(surface.sizes)[:-1]]).astype(np.int32)
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(vertices, np.float32).ravel())
    mesh.loops.add(len(surface.corners))
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(surface.corners, np.int32))
    mesh.polygons.add(len(surface.sizes))
    mesh.polygons.foreach_set("loop_start", starts)
    mesh.polygons.foreach_set("use_smooth", np.ones(len(surface.sizes), bool))
    mesh.update(calc_edges=True)
    if surface.colours is not None:
        attribute = mesh.color_attributes.new("colour", "FLOAT_COLOR", "POINT")
        opaque = np.concatenate([surface.colours, np.ones((len(vertices), 1))], axis=1)
        attribute.data.foreach_set("color", np.ascontiguousarray(opaque, np.float32).ravel())
    mesh.materials.append(material(surface.colour, surface.colours is not None, surface.glows))
    holder = bpy.data.objects.new("AIM demo picture", mesh)
    scene.collection.objects.link(holder)
    if np.mean(surface.sizes == 4) > 0.5:
        # Not where triangles meet in a pole, as on the eyes and the skull: Blender then takes half a gigabyte for each.
        smooth = holder.modifiers.new("smooth", "SUBSURF")
        smooth.levels = smooth.render_levels = 1


def material(
    colour: tuple[float, float, float], from_attribute: bool = False, glows: bool = False, unlit: bool = False
) -> bpy.types.Material:
    """A matt material of one colour or, with `from_attribute`, of the mesh's own colours."""
    made = bpy.data.materials.new("AIM demo picture")
    made.use_nodes = True
    made.cycles.emission_sampling = "NONE"  # what glows is no lamp: a light tree of its triangles would take gigabytes
    nodes, links = made.node_tree.nodes, made.node_tree.links
    surface = nodes["Principled BSDF"]
    surface.inputs["Base Color"].default_value = (0.0, 0.0, 0.0, 1.0) if unlit else (*colour, 1.0)
    surface.inputs["Roughness"].default_value = 0.5
    surface.inputs["Specular IOR Level"].default_value = 0.0 if glows or unlit else 0.35
    surface.inputs["Emission Color"].default_value = (*colour, 1.0)
    surface.inputs["Emission Strength"].default_value = 1.0 if unlit else 0.5 if glows else 0.0
    if from_attribute:
        attribute = nodes.new("ShaderNodeAttribute")
        attribute.attribute_name = "colour"
        links.new(attribute.outputs["Color"], surface.inputs["Base Color"])
        if glows:
            links.new(attribute.outputs["Color"], surface.inputs["Emission Color"])
    return made


def add_text(scene: bpy.types.Scene, text: str, place: Sequence[float], letter: float, centred: bool = False) -> None:
    """Add text at a place; letter is its size."""
    curve = bpy.data.curves.new("AIM demo picture", "FONT")
    curve.body = text
    curve.size = letter
    curve.align_x = "CENTER" if centred else "LEFT"
    curve.align_y = "CENTER"
    curve.materials.append(material(TEXT, unlit=True))
    holder = bpy.data.objects.new("AIM demo picture", curve)
    holder.location = place
    holder.rotation_euler = (np.pi / 2, 0.0, 0.0)  # upright, read from -Y
    scene.collection.objects.link(holder)


def add_scale(
    scene: bpy.types.Scene,
    largest: float,
    left: float,
    total: np.ndarray,
    step_across: float,
    step_down: float,
    letter: float,
    depth: float,
) -> None:
    """A bar from no error to `largest` mm, with its ends named."""
    start, end = left + 0.1 * step_across, total[0] - 0.2 * step_across
    top, bottom = -total[1] + 0.19 * step_down, -total[1] + 0.13 * step_down
    across = np.linspace(start, end, 65)
    vertices = np.concatenate(
        [np.stack([across, np.full(65, depth), np.full(65, height)], axis=1) for height in (bottom, top)]
    )
    corners = np.concatenate([[i, i + 1, i + 66, i + 65] for i in range(64)])
    colours = np.tile(heat_colours(np.linspace(0.0, largest, 65), largest), (2, 1))
    add_surface(scene, Surface(vertices, corners, np.full(64, 4), colours=colours, glows=True), vertices)
    scene.collection.objects[-1].modifiers.clear()
    for value, place in ((0.0, start), (largest / 2, (start + end) / 2), (largest, end)):
        add_text(scene, f"{value:.3g} mm", (place, depth, bottom - 0.06 * step_down), 0.8 * letter, centred=True)


def light(scene: bpy.types.Scene) -> None:
    """Light the heads by a pale sky, before a dark background."""
    world = bpy.data.worlds.new("AIM demo picture")
    world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    # The heads are lit by a pale sky; the camera sees a dark background instead.
    sky, seen = nodes["Background"], nodes.new("ShaderNodeBackground")
    sky.inputs["Color"].default_value = (0.75, 0.82, 1.0, 1.0)
    sky.inputs["Strength"].default_value = 0.35
    seen.inputs["Color"].default_value = (*BACKGROUND, 1.0)
    path, mix = nodes.new("ShaderNodeLightPath"), nodes.new("ShaderNodeMixShader")
    links.new(path.outputs["Is Camera Ray"], mix.inputs["Fac"])
    links.new(sky.outputs["Background"], mix.inputs[1])
    links.new(seen.outputs["Background"], mix.inputs[2])
    links.new(mix.outputs["Shader"], nodes["World Output"].inputs["Surface"])
    scene.world = world
    for strength, colour, direction in (
        (2.6, (1.0, 0.95, 0.88), (58.0, 0.0, -38.0)),
        (0.7, (0.75, 0.85, 1.0), (80.0, 0.0, 55.0)),
    ):
        lamp = bpy.data.lights.new("AIM demo picture", "SUN")
        lamp.energy, lamp.color, lamp.angle = strength, colour, 0.15
        holder = bpy.data.objects.new("AIM demo picture", lamp)
        holder.rotation_euler = np.radians(direction).tolist()
        scene.collection.objects.link(holder)


def add_camera(scene: bpy.types.Scene, total: np.ndarray, size: np.ndarray) -> None:
    """Add a camera that sees all of the picture. total: (2,) its width and height. size: (3,) of a cell."""
    camera = bpy.data.cameras.new("AIM demo picture")
    camera.type = "ORTHO"
    camera.ortho_scale = float(max(total))
    reach = float(10.0 * size.max())
    camera.clip_end = 2.0 * reach
    holder = bpy.data.objects.new("AIM demo picture", camera)
    holder.location = (total[0] / 2, -reach, -total[1] / 2)
    holder.rotation_euler = (np.pi / 2, 0.0, 0.0)
    scene.collection.objects.link(holder)
    scene.camera = holder


def render(scene: bpy.types.Scene, path: Path, samples: int) -> None:
    """Render the scene with Cycles into a PNG."""
    scene.render.engine = "CYCLES"  # type: ignore[assignment] # the description knows those that Blender begins with
    scene.cycles.device = "CPU"
    scene.cycles.samples = samples
    scene.cycles.use_denoising = True
    scene.cycles.max_bounces = 2
    scene.view_settings.view_transform = "Standard"  # type: ignore[assignment]
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"
    scene.render.image_settings.compression = 100
    scene.render.dither_intensity = 0.0  # noise that would double the size of the file
    scene.render.filepath = str(path)
    with quiet():
        bpy.ops.render.render(write_still=True, scene=scene.name)
    if not path.is_file():
        raise RuntimeError(f"Blender rendered no picture at {path}.")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the line that Cycles prints, from C, for every step of its work."""
    sys.stdout.flush()
    shown = os.dup(1)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(shown, 1)
        os.close(shown)


def remove(scene: bpy.types.Scene) -> None:
    """Take the scene and everything that it alone uses out of the file again."""
    world = scene.world
    for holder in list(scene.collection.objects):
        data = holder.data
        materials = list(getattr(data, "materials", []))
        bpy.data.objects.remove(holder)
        bpy.data.batch_remove([data])
        bpy.data.batch_remove([used for used in materials if used is not None])
    bpy.data.scenes.remove(scene)
    if world is not None:
        bpy.data.worlds.remove(world)

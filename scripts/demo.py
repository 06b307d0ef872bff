# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole job on the demo actor, inside bpy, through the same operators that the panel calls.

    python build.py demo [--out FOLDER] [--iterations N] [--no-picture]

Writes demo.blend, demo.png and figures.json into the folder (`demo/` of the checkout) and prints the figures. It runs
in Blender's environment; the worker runs in its own, which build.py made beside it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import bpy
import demo_arguments
import demo_picture
import headless
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
FRAMES_SHOWN = 4


def main(arguments: list[str]) -> None:
    """Run the demo. Raises RuntimeError with the sentence of the operator that failed."""
    parser = argparse.ArgumentParser(prog="build.py demo", description=__doc__.splitlines()[0])
    demo_arguments.add_arguments(parser)
    chosen = parser.parse_args(arguments)
    out = chosen.out.resolve()
    out.mkdir(parents=True, exist_ok=True)

    bpy.ops.wm.read_factory_settings(use_empty=True)
    headless.load_extension()
    blend = out / "demo.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))  # so that the job's files lie beside it
    seconds: dict[str, float] = {}
    scene = bpy.context.scene

    with timed(seconds, "make the demo actor"):
        bpy.ops.aim.demo_actor_add()
    actor = scene.aim.actors[scene.aim.active_actor]
    scene.aim.iterations = chosen.iterations
    with timed(seconds, "learn"):
        bpy.ops.aim.actor_learn()
    with timed(seconds, "fit, bake and bring in"):
        bpy.ops.aim.performance_fit()
    take = scene.aim.takes[scene.aim.active_take]
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))

    with timed(seconds, "compare every frame"):
        compared = Comparison(scene, actor, take)
        figures = compared.figures()
    if not chosen.no_picture:
        picture = out / "demo.png"
        with timed(seconds, "render"):
            compared.draw(picture)
    figures["seconds"] = {name: round(value, 1) for name, value in seconds.items()}
    (out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    print_figures(figures)
    print(f"\n{blend}")
    if not chosen.no_picture:
        print(picture)


class timed:
    """Notes under a name how long the block took, and says so as it starts."""

    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self.seconds, self.name = seconds, name

    def __enter__(self) -> None:
        print(f"--- {self.name}", flush=True)
        self.started = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.seconds[self.name] = time.monotonic() - self.started


class Comparison:
    """The performance and the baked result as Blender evaluates them, frame by frame, in mm.

    truth, result_frames: (F, V, 3), each in its own object's space. angle_true, angle_found: (F,) opening of the jaw in
    degrees, of the demo's motion and of the armature's bone.
    """

    def __init__(self, scene: bpy.types.Scene, actor: Any, take: Any) -> None:
        self.scene = scene
        self.scale = actor.millimetres_per_unit
        self.learned = json.loads(actor.figures)
        # Of the two steps apart: the take's own figures are those of both in one.
        job = json.loads((Path(bpy.path.abspath(take.file_path)).parent / "result.json").read_text())
        self.fitted, self.baked = job["figures"]
        self.actor_file, self.take_file = (
            Path(bpy.path.abspath(actor.file_path)),
            Path(bpy.path.abspath(take.file_path)),
        )
        self.shape_count = len(actor.shapes) + 1
        self.neutral = actor.neutral
        self.performance = scene.aim.performance_object
        objects = list(take.collection.all_objects)
        self.armature = next(item for item in objects if item.type == "ARMATURE")
        self.result = next(item for item in objects if item.type == "MESH" and item.data.shape_keys)
        others = [item for item in objects if item.type == "MESH" and item is not self.result]
        self.bones = [item for item in others if not item.name.endswith("Eyes")]
        self.own_bones = [item for item in (actor.skull, actor.mandible) if item is not None]
        self.eyes = [item for item in self.neutral.children if item.name.endswith("Eyes")]
        self.corners, self.sizes = faces(self.result.data)
        self.frames = list(range(take.frame_start, take.frame_end + 1))
        truth, result, jaws = [], [], []
        for frame in self.frames:
            scene.frame_set(frame)
            truth.append(self.evaluated(self.performance, self.performance))
            result.append(self.evaluated(self.result, self.armature))
            jaws.append(self.motion("jaw"))
        self.truth, self.result_frames = np.stack(truth), np.stack(result)
        demo = headless.extension_module("aim_blender.core.shared.demo.demo_actor").make_demo_actor()
        self.angle_true = opening(demo.performance().jaw, demo.hinge_axis)
        self.angle_found = opening(np.stack(jaws), demo.hinge_axis)

    def fitted_frames(self) -> np.ndarray:
        """(F, V, 3) the take as the worker evaluates it, in mm."""
        worker = headless.extension_module("ops.basics.base").worker_interpreter(bpy.context)
        with tempfile.TemporaryDirectory(prefix="aim-demo-") as folder:
            out = Path(folder, "frames.npz")
            command = [worker, "-m", "aim_blender", "evaluate", self.actor_file, self.take_file, "--out", out]
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            with np.load(out, allow_pickle=False) as stored:
                return stored["vertices"]

    def evaluated(self, item: bpy.types.Object, space: bpy.types.Object) -> np.ndarray:
        """(V, 3) an object as Blender shows it at the present frame, in the space of another object, in mm."""
        shown = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
        mesh = shown.to_mesh()
        points = np.empty((len(mesh.vertices), 3), np.float32)
        mesh.vertices.foreach_get("co", points.ravel())
        matrix = np.linalg.inv(np.array(space.matrix_world)) @ np.array(shown.matrix_world)
        shown.to_mesh_clear()
        return transformed(matrix, points) * self.scale

    def motion(self, bone: str) -> np.ndarray:
        """(4, 4) what a bone does by itself at the present frame, in the armature's space."""
        rest = np.array(self.armature.data.bones[bone].matrix_local)
        return rest @ np.array(self.armature.pose.bones[bone].matrix_basis) @ np.linalg.inv(rest)

    def figures(self) -> dict[str, Any]:
        """What was measured of the demo: errors, the jaw, and times."""
        error = np.linalg.norm(self.result_frames - self.truth, axis=2)
        baking = np.linalg.norm(self.result_frames - self.fitted_frames(), axis=2)
        angle_error = np.abs(self.angle_found - self.angle_true)
        return {
            "learned": self.learned,
            "fitted": self.fitted,
            "baked": self.baked,
            "baked_mean_mm": float(baking.mean()),
            "baked_worst_mm": float(baking.max()),
            "blender_mean_mm": float(error.mean()),
            "blender_worst_mm": float(error.max()),
            "jaw_correlation": float(np.corrcoef(self.angle_true, self.angle_found)[0, 1]),
            "jaw_error_degrees": float(angle_error.mean()),
            "jaw_largest_degrees": float(self.angle_true.max()),
            "frames": len(self.frames),
            "points": self.truth.shape[1],
            "shapes": self.shape_count,
        }

    def draw(self, path: Path) -> None:
        """The picture: the neutral and the frames that differ most, as input, result, error and bones."""
        error = np.linalg.norm(self.result_frames - self.truth, axis=2)
        largest = float(f"{max(np.quantile(error, 0.999), 1e-6):.1g}")  # a round number for the scale
        rest = key_positions(self.result.data.shape_keys.reference_key, self.scale)
        neutral = key_positions(self.neutral.data, self.scale)
        standing = np.eye(4)
        rows = {
            "input": [self.skin(neutral, standing, "neutral")],
            "result": [self.skin(rest, standing)],
            "error": [self.heat(rest, np.linalg.norm(rest - neutral, axis=1), largest, standing)],
            "bones": [demo_picture.Cell([self.surface(item, standing) for item in self.own_bones])],
        }
        # The objects stand in a row in the scene; everything is drawn where the neutral is.
        back = np.linalg.inv(np.array(self.armature.matrix_world))
        for index in most_different(self.truth, FRAMES_SHOWN):
            self.scene.frame_set(self.frames[index])
            truth, result = self.truth[index], self.result_frames[index]
            head = self.motion("head")
            rows["input"].append(self.skin(truth, head, f"frame {self.frames[index]}"))
            rows["result"].append(self.skin(result, head))
            rows["error"].append(self.heat(result, error[index], largest, head))
            bones = [self.surface(item, back @ np.array(item.matrix_world)) for item in self.bones]
            rows["bones"].append(demo_picture.Cell(bones))
        drawn = [(name, cells) for name, cells in rows.items() if any(cell.surfaces for cell in cells)]
        demo_picture.draw_table(drawn, path, heat_largest=largest)

    def skin(self, vertices: np.ndarray, head: np.ndarray, label: str = "") -> demo_picture.Cell:
        """The face with the actor's colours, and the eyes where the head (4, 4) carries them."""
        skin = demo_picture.Surface(vertices, self.corners, self.sizes, colours=point_colours(self.neutral.data))
        return demo_picture.Cell([skin, *(self.surface(item, head) for item in self.eyes)], label)

    def heat(self, vertices: np.ndarray, error: np.ndarray, largest: float, head: np.ndarray) -> demo_picture.Cell:
        """The face in the colours of its error (V,), with plain eyes."""
        colours = demo_picture.heat_colours(error, largest)
        skin = demo_picture.Surface(vertices, self.corners, self.sizes, colours=colours, glows=True)
        eyes = [self.surface(item, head) for item in self.eyes]
        for eye in eyes:
            eye.colours, eye.colour = None, (0.02, 0.02, 0.02)
        return demo_picture.Cell([skin, *eyes], f"mean {error.mean():.3f}, worst {error.max():.2f} mm")

    def surface(self, item: bpy.types.Object, matrix: np.ndarray) -> demo_picture.Surface:
        """An object's own mesh, moved by `matrix` (4, 4), in mm."""
        mesh: Any = item.data
        points = transformed(matrix, key_positions(mesh, 1.0)) * self.scale
        return demo_picture.Surface(points, *faces(mesh), demo_picture.BONE, point_colours(mesh))


def transformed(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (V, 3) moved by a matrix (4, 4)."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def point_colours(mesh: bpy.types.Mesh) -> np.ndarray | None:
    """(V, 3) the mesh's colours, None where it has none."""
    layer = next((each for each in mesh.color_attributes if each.domain == "POINT"), None)
    if layer is None:
        return None
    colours = np.empty((len(mesh.vertices), 4), np.float32)
    layer.data.foreach_get("color", colours.ravel())
    return colours[:, :3]


def key_positions(holder: bpy.types.ShapeKey | bpy.types.Mesh, scale: float) -> np.ndarray:
    """(V, 3) the points of a shape key or a mesh in its own space, in mm."""
    points = holder.points if isinstance(holder, bpy.types.ShapeKey) else holder.vertices
    positions = np.empty((len(points), 3), np.float32)
    points.foreach_get("co", positions.ravel())
    return positions * scale


def faces(mesh: bpy.types.Mesh) -> tuple[np.ndarray, np.ndarray]:
    """The vertex of every corner (L,) and the number of corners of every face (P,)."""
    corners, sizes = np.empty(len(mesh.loops), np.int32), np.empty(len(mesh.polygons), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    mesh.polygons.foreach_get("loop_total", sizes)
    return corners, sizes


def opening(motion: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """(F,) degrees by which motions (F, 4, 4) turn about `axis` (3,); its sign is that of the larger turns."""
    rotation = motion[:, :3, :3]
    skew = rotation - rotation.transpose(0, 2, 1)
    sine = np.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], axis=1) / 2 @ (axis / np.linalg.norm(axis))
    degrees = np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)))
    return degrees * np.sign(degrees[np.abs(degrees).argmax()] or 1.0)


def most_different(frames: np.ndarray, count: int) -> list[int]:
    """The indices, in order, of `count` frames (F, V, 3): the one farthest from the mean, then always the farthest."""
    flat = frames.reshape(len(frames), -1)
    chosen = [int(np.linalg.norm(flat - flat.mean(0), axis=1).argmax())]
    while len(chosen) < min(count, len(flat)):
        nearest = np.min([np.linalg.norm(flat - flat[index], axis=1) for index in chosen], axis=0)
        chosen.append(int(nearest.argmax()))
    return sorted(chosen)


def print_figures(figures: dict[str, Any]) -> None:
    """The figures as a table, and how long each part took."""
    learned, fitted, baked = figures["learned"], figures["fitted"], figures["baked"]
    rows = [
        ("points, shapes, frames", f"{figures['points']}, {figures['shapes']}, {figures['frames']}"),
        (
            "learned: networks alone",
            f"{learned['implicit_mean_mm']:.3f} mm mean, {learned['implicit_worst_mm']:.2f} worst",
        ),
        ("learned: with residual", f"{learned['exact_worst_mm']:.1e} mm worst"),
        ("fitted", f"{fitted['mean_mm']:.4f} mm mean, {fitted['worst_mm']:.3f} worst"),
        ("fitting", f"{fitted['frames_per_second']:.0f} frames a second after {fitted['setup_s']:.1f} s of set-up"),
        (
            "jaw against the truth",
            f"correlation {figures['jaw_correlation']:.3f}, {figures['jaw_error_degrees']:.2f} degrees "
            f"mean error, {figures['jaw_largest_degrees']:.1f} largest opening",
        ),
        (
            "baked",
            f"{baked['named_keys']} named keys, {baked['correctives']} correctives for {baked['tolerance_mm']:.2g} mm",
        ),
        ("in Blender against fitted", f"{figures['baked_mean_mm']:.4f} mm mean, {figures['baked_worst_mm']:.3f} worst"),
        (
            "in Blender against truth",
            f"{figures['blender_mean_mm']:.4f} mm mean, {figures['blender_worst_mm']:.3f} worst",
        ),
    ]
    rows += [(f"time to {name}", f"{value:.0f} s") for name, value in figures["seconds"].items()]
    width = max(len(name) for name, _ in rows)
    print("\n" + "\n".join(f"{name:<{width}}   {value}" for name, value in rows))


if __name__ == "__main__":
    headless.run(main)
